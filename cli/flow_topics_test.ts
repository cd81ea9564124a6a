import assert from "node:assert/strict";
import { readConfig } from "../runtime/config/config.ts";
import { makePlan } from "../runtime/plan.ts";
import { loadDefinitions } from "../runtime/config/registry.ts";
import { topicRows } from "./flow_topics.ts";

const definitions = await loadDefinitions();

/** The rows of every flow of a file. */
function rowsOf(sections: string): string[][][] {
  const text = `broker: { address: "x:1" }\n${sections}`;
  const { config, problems } = readConfig(text, {
    file: "f.yaml",
    definitions,
    env: () => undefined,
    readFile: () => "",
    unsetVariables: "error",
  });
  assert.ok(config, JSON.stringify(problems));
  return makePlan(config, definitions).plan!.sources.flatMap((source) =>
    source.flows.map((flow) => topicRows(source, flow))
  );
}

const database = (keys: string) => `{ host: h, database: d, user: u${keys} }`;

Deno.test("a flow tells what it reads and where it publishes to", () => {
  assert.deepEqual(
    rowsOf(`
sources:
  a: { connector: postgres-cdc, topic: rest, config: ${database(', topic_routing: "cdc.{table}"')} }
  b: { connector: postgres-cdc, tables: [{ schema: public, table: x, topic: y }], config: ${database("")} }
  c: { connector: datagen, topic: t }
  d: { connector: datagen }
sinks:
  bus: { connector: rivven, config: { address: "y:1" } }
  own: { connector: rivven, config: { address: "y:1", topic: mine } }
  out: { connector: stdout, topics: ["cdc.*", t], consumer_group: g }
  all: { connector: stdout }
pipelines:
  p: { source: d, sink: bus }
  q: { source: d, sink: own }
  r: { source: d, sink: all }
`),
    [
      [["publishes to", "cdc.{table}; what is no table: rest"]],
      [["publishes to", "public.x to y; all else: {source}.{namespace}.{stream}"]],
      [["publishes to", "t"]],
      [["publishes to", "{source}.{namespace}.{stream}"]],
      [["publishes to", "mine"]],
      [],
      [["reads", "cdc.*, t as group g"]],
    ],
  );
});
