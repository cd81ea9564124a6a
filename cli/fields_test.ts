import assert from "node:assert/strict";
import { z } from "zod";
import type { ConnectorDefinition } from "../connectors/contract.ts";
import { configFields, maskSecrets } from "./fields.ts";

function definitionOf(config: z.ZodType): ConnectorDefinition {
  return {
    type: "test",
    version: "1.0.0",
    category: "utility_debug",
    tags: [],
    title: "",
    summary: "",
    description: "",
    config,
    permissions: () => ({}),
    example: "",
  };
}

/** `path: type = default` of every field, with `!` for required ones and `*` for secrets. */
function overview(config: z.ZodType): string[] {
  return configFields(definitionOf(config)).map((field) => {
    const marks = (field.required ? "!" : "") + (field.secret ? "*" : "") +
      (field.when ? ` (${field.when})` : "");
    const value = field.default === undefined ? "" : ` = ${JSON.stringify(field.default)}`;
    return `${field.path}: ${field.type}${marks}${value}`;
  });
}

Deno.test("fields are listed with their type in words, whether they are required, and their default", () => {
  assert.deepEqual(
    overview(z.strictObject({
      url: z.url(),
      port: z.int().min(1).max(65535).default(5432),
      count: z.int().min(0).optional(),
      ratio: z.number().positive().optional(),
      mode: z.enum(["fast", "safe"]).default("safe"),
      on: z.boolean().default(false),
      names: z.array(z.string()).default([]),
      limits: z.record(z.string(), z.int()).optional(),
      either: z.union([z.string(), z.array(z.string())]).optional(),
      fixed: z.literal(true).optional(),
      password: z.string().meta({ secret: true }),
      anything: z.json().optional(),
    })),
    [
      "url: URL!",
      "port: integer 1 to 65535 = 5432",
      "count: integer ≥ 0",
      "ratio: number > 0",
      'mode: fast | safe = "safe"',
      "on: true | false = false",
      "names: list of text = []",
      "limits: map of integer",
      "either: text or list of text",
      "fixed: true",
      "password: text!*",
      "anything: anything",
    ],
  );
});

Deno.test("fields within maps, lists and named entries have paths", () => {
  assert.deepEqual(
    overview(z.strictObject({
      tls: z.strictObject({ ca: z.string().optional(), key: z.string().meta({ secret: true }).optional() })
        .optional(),
      tables: z.array(z.strictObject({ name: z.string() })).default([]),
      columns: z.record(z.string(), z.strictObject({ include: z.array(z.string()).default([]) })).optional(),
    })),
    [
      "tls: map",
      "tls.ca: text",
      "tls.key: text*",
      "tables: list of maps = []",
      "tables[].name: text!",
      "columns: map of maps",
      "columns.<name>.include: list of text = []",
    ],
  );
});

Deno.test("of several shapes the fields say to which one they belong", () => {
  assert.deepEqual(
    overview(z.strictObject({
      catalog: z.discriminatedUnion("type", [
        z.strictObject({ type: z.literal("rest"), uri: z.string() }),
        z.strictObject({ type: z.literal("glue"), region: z.string().optional() }),
      ]),
    })),
    [
      "catalog: map!",
      "catalog.type: rest | glue!",
      "catalog.uri: text! (type: rest)",
      "catalog.region: text (type: glue)",
    ],
  );
});

Deno.test("a schema that holds itself is listed once", () => {
  const node: z.ZodType = z.strictObject({
    name: z.string(),
    get children() {
      return z.array(node).optional();
    },
  });
  assert.deepEqual(overview(z.strictObject({ tree: node })), [
    "tree: map!",
    "tree.name: text!",
    "tree.children: list of maps",
  ]);
});

Deno.test("secrets are masked wherever the schema says so, and nothing else is", () => {
  const definition = definitionOf(z.strictObject({
    user: z.string(),
    password: z.string().meta({ secret: true }),
    tls: z.strictObject({ key: z.string().meta({ secret: true }), ca: z.string() }),
    headers: z.record(z.string(), z.string().meta({ secret: true })),
    accounts: z.array(
      z.strictObject({ name: z.string(), token: z.string().meta({ secret: true }).optional() }),
    ),
    auth: z.union([
      z.strictObject({ kind: z.literal("basic"), pass: z.string().meta({ secret: true }) }),
      z.strictObject({ kind: z.literal("none") }),
    ]),
  }));
  assert.deepEqual(
    maskSecrets({
      user: "u",
      password: "p",
      tls: { key: "k", ca: "c" },
      headers: { authorization: "Bearer x" },
      accounts: [{ name: "n", token: "t" }, { name: "m" }],
      auth: { kind: "basic", pass: "p" },
    }, definition),
    {
      user: "u",
      password: "***",
      tls: { key: "***", ca: "c" },
      headers: { authorization: "***" },
      accounts: [{ name: "n", token: "***" }, { name: "m" }],
      auth: { kind: "basic", pass: "***" },
    },
  );
});
