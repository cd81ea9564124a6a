import assert from "node:assert/strict";
import { z } from "zod";
import { defineConnector, type Machine } from "../../connectors/contract.ts";
import { fakeDefinitions } from "../../tests/fakes/definitions.ts";
import { readConfig } from "./config.ts";
import { makePlan } from "../plan.ts";

/** A source that finds its server in DB_HOST, and its password in a file that only it knows of. */
const finder = defineConnector({
  type: "finder",
  version: "1.0.0",
  category: "utility_debug",
  tags: [],
  title: "Finder",
  summary: "A fake",
  description: "A fake for tests.",
  example: "",
  config: z.strictObject({
    url: z.string().optional().meta({ secret: true }).describe("Address"),
    host: z.string().describe("Host"),
    password: z.string().min(8).optional().meta({ secret: true }).describe("Password"),
  }),
  upgradeConfig: ({ server, ...config }) => ({
    config: server === undefined ? config : { ...config, host: server },
    notes: server === undefined ? [] : ['"server" is called "host"'],
  }),
  completeConfig: (given, { env, readFile, fileMode }: Machine) => {
    const problems = given.url === "broken"
      ? [{ key: "url", message: '"url" is no URL', hint: "Mend it" }]
      : [];
    const notes = fileMode("/secret") === 0o644 ? ["/secret is open to others"] : [];
    const host = given.host ?? env("DB_HOST");
    return {
      config: { ...given, ...(host === undefined ? {} : { host }), password: readFile("/secret") },
      notes,
      problems,
    };
  },
  permissions: ({ host }) => ({ net: [`${host}:1`] }),
  source: {
    guarantee: "at_least_once",
    ordering: "none",
    mode: "singleton",
    syncModes: ["full_refresh"],
    discover: false,
  },
});

const file = (config: string) => `
sources: { a: { connector: finder, config: { ${config} } } }
sinks: { out: { connector: file, config: { path: out } } }
pipelines: { p: { source: a, sink: out } }
`;

function read(
  config: string,
  { password = "found in a file", mode }: { password?: string; mode?: number } = {},
) {
  const definitions = [...fakeDefinitions, finder];
  const result = readConfig(file(config), {
    file: "f.yaml",
    definitions,
    unsetVariables: "error",
    env: (name) => name === "DB_HOST" ? "found" : undefined,
    readFile: () => password,
    fileMode: () => mode,
  });
  return { ...result, plan: result.config && makePlan(result.config, definitions).plan };
}

Deno.test("what a connector finds on the machine is in the plan: its rights, its config, its secrets", () => {
  const { plan, problems } = read("");
  assert.deepEqual(problems, []);
  assert.deepEqual(plan!.sources[0].config, { host: "found", password: "found in a file" });
  assert.deepEqual(plan!.sources[0].permissions.net, ["found:1"]);
  assert.deepEqual(plan!.sources[0].permissions.read, []);
  assert.deepEqual(plan!.secrets, ["found in a file"]);
  assert.equal((read("host: own").plan!.sources[0].config as { host: string }).host, "own");
  assert.equal((read("server: old").plan!.sources[0].config as { host: string }).host, "old");
});

Deno.test("what it says about it has a line: notes are warnings, problems are errors", () => {
  const noted = read("", { mode: 0o644 });
  assert.deepEqual(noted.problems.map(({ severity, line }) => [severity, line]), [["warning", 2]]);
  assert.ok(noted.plan);
  const broken = read("url: broken");
  assert.equal(broken.plan, undefined);
  assert.deepEqual(broken.problems.map(({ message, hint, line, path }) => ({ message, hint, line, path })), [
    { message: '"url" is no URL', hint: "Mend it", line: 2, path: "sources.a.config.url" },
  ]);
});

Deno.test("what it finds goes through the schema, which does not print it", () => {
  const { problems, plan, secrets } = read("", { password: "short" });
  assert.equal(plan, undefined);
  assert.match(problems[0].message, /"password" must have at least 8 characters/);
  assert.ok(!JSON.stringify(problems).includes("short"));
  assert.deepEqual(secrets, ["short"]);
});

Deno.test("a key whose variable is not set is said once, not again by the connector", () => {
  const { problems } = read('url: "${NOT_SET}"');
  assert.deepEqual(problems.map(({ message }) => message), ["Variable NOT_SET is not set"]);
});
