import { loadDefinitions } from "../runtime/config/registry.ts";
import assert from "node:assert/strict";
import { parse } from "yaml";
import { z } from "zod";
import { type ConnectorDefinition, defineConnector } from "../connectors/contract.ts";
import { readConfig } from "../runtime/config/config.ts";
import { configFields } from "./fields.ts";
import { pipelineFileFor } from "./init.ts";

const definitions = await loadDefinitions();

function read(text: string, known: readonly ConnectorDefinition[] = definitions) {
  return readConfig(text, {
    file: "init.yaml",
    definitions: known,
    env: (name) =>
      text.includes(`\${${name}`) ? `value-of-${name.toLowerCase().replaceAll("_", "-")}` : undefined,
    readFile: (path) => `text of ${path}`,
    unsetVariables: "error",
  });
}

Deno.test("init writes a valid file about every connector, about all of them, and about none", () => {
  const choices = [[], ...definitions.map((definition) => [definition]), definitions];
  for (const chosen of choices) {
    const text = pipelineFileFor(chosen, definitions);
    const { config, problems } = read(text);
    assert.ok(config, `${chosen.map(({ type }) => type)}: ${JSON.stringify(problems)}\n${text}`);
    assert.deepEqual(problems, []);
    const used = [...config.sources, ...config.sinks].map(({ connector }) => connector);
    for (const { type } of chosen) assert.ok(used.includes(type), type);
    assert.ok(config.pipelines.length >= 1);
  }
});

Deno.test("every key of a connector is in its file, with its description", () => {
  for (const definition of definitions) {
    const text = pipelineFileFor([definition], definitions);
    const flat = text.replaceAll(/\n\s*#? ?/g, " ");
    for (const { path, depth, description, deprecated } of configFields(definition)) {
      if (depth > 0 || deprecated) continue;
      assert.match(text, new RegExp(`^ {6}#?${path}:`, "m"), `${definition.type}.${path}`);
      assert.ok(flat.includes(description.split(/\s+/).join(" ")), `${definition.type}.${path}`);
    }
  }
});

const exampleless = defineConnector({
  type: "two-sided",
  version: "1.0.0",
  category: "utility_debug",
  tags: [],
  title: "Two sides",
  summary: "Can be read and written",
  description: "Both",
  config: z.strictObject({
    host: z.string().describe("Where it is"),
    level: z.int().min(3).describe("How much"),
    mode: z.enum(["a", "b"]).default("b").describe("How"),
    tls: z.strictObject({
      ca: z.string().optional().describe("File"),
      strict: z.boolean().default(true).describe("Checks names"),
    }).optional().describe("Encryption"),
  }),
  permissions: () => ({}),
  source: {
    guarantee: "at_least_once",
    ordering: "per_lane",
    mode: "singleton",
    syncModes: ["cdc"],
    discover: false,
  },
  sink: {
    guarantee: "at_least_once",
    accepts: ["record"],
    layout: "auto",
    batch: { cheap: true, maxRecords: 1, maxBytes: 1, maxWaitMs: 1 },
  },
  example: "{}",
});

Deno.test("what is required is filled in, the rest is commented out and valid once it is not", () => {
  const known = [...definitions, exampleless];
  const text = pipelineFileFor([exampleless], known);
  const { sources } = parse(text) as { sources: Record<string, { config: unknown }> };
  assert.deepEqual(sources.two_sided.config, { host: "text", level: 3 });
  const { sources: all } = parse(
    text.replaceAll(/^( {6})#(?! )/gm, "$1").replaceAll(/^( {6})#( {2}\w+:)/gm, "$1$2"),
  ) as {
    sources: Record<string, { config: unknown }>;
  };
  assert.deepEqual(all.two_sided.config, {
    host: "text",
    level: 3,
    mode: "b",
    tls: { ca: "text", strict: true },
  });
});

Deno.test("a connector with two sides is the source, unless there is one already", () => {
  const known = [...definitions, exampleless];
  const datagen = definitions.find(({ type }) => type === "datagen")!;
  const alone = read(pipelineFileFor([exampleless], known), known).config!;
  assert.deepEqual(alone.sources.map(({ connector }) => connector), ["two-sided"]);
  const behind = read(pipelineFileFor([exampleless, datagen], known), known).config!;
  assert.deepEqual(behind.sources.map(({ connector }) => connector), ["datagen"]);
  assert.deepEqual(behind.sinks.map(({ connector }) => connector), ["two-sided"]);
});
