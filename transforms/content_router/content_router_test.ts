import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const ORDERS = stream({ id: "int64 key", country: "string", amount: "decimal(12,2)" }, {
  name: "orders",
  topic: "cdc.orders",
});

function open(config: Record<string, unknown>) {
  return openTransform(configOf(definition, config), testContext());
}

async function topics(config: Record<string, unknown>, records: readonly DataRecord[]) {
  const out = await run(open(config), records);
  assert.deepEqual(out.rejected, []);
  return out.records.map(({ stream }) => stream.topic);
}

const insert = (country: string | null, amount: string | null = null, id = 1n) =>
  record(ORDERS, "insert", { after: { id, country, amount } });

Deno.test("the first route that is for a row decides; others go to default_topic or stay", async () => {
  const routes = [
    { field: "country", value: "DE", topic: "de" },
    { field: "country", values: ["AT", "CH", null], topic: "alps" },
    { field: "country", pattern: "^(?<first>.)X$", topic: "x-${first}" },
    { condition: "amount > 100 AND country = FR", topic: "large" },
    { field: "amount", value: 7.5, topic: "seven" },
    { field: "id", value: 9007199254740992, topic: "big" },
  ];
  const rows = [
    insert("DE"),
    insert("CH"),
    insert(null),
    insert("YX"),
    insert("FR", "100.01"),
    insert("FR", "7.50"),
    insert("FR", "1", 2n ** 53n),
    insert("FR", "1", 2n ** 53n + 1n),
    insert("de"),
  ];
  const expected = ["de", "alps", "alps", "x-Y", "large", "seven", "big"];
  assert.deepEqual(await topics({ routes }, rows), [...expected, "cdc.orders", "cdc.orders"]);
  assert.deepEqual(await topics({ routes, default_topic: "rest" }, rows), [...expected, "rest", "rest"]);
});

Deno.test("a delete follows its row, a tombstone its delete, and what has no row stays", async () => {
  const routes = [{ field: "country", value: "DE", topic: "de" }, { field: "id", value: 5, topic: "five" }];
  const records = [
    insert("DE"),
    record(ORDERS, "update", {
      before: { id: 1n, country: "FR", amount: null },
      after: { id: 1n, country: "DE", amount: null },
    }),
    record(ORDERS, "snapshot", { after: { id: 1n, country: "DE", amount: null } }),
    record(ORDERS, "delete", { before: { id: 1n, country: "DE", amount: null } }),
    record(ORDERS, "tombstone", { key: { id: 1n } }),
    record(ORDERS, "delete", { before: { id: 2n } }),
    record(ORDERS, "tombstone", { key: { id: 2n } }),
    record(ORDERS, "tombstone", { key: { id: 5n } }),
    record(ORDERS, "truncate"),
    record(ORDERS, "schema", { after: { country: "DE" } }),
    record(ORDERS, "message", { after: { country: "DE" } }),
  ];
  const here = "cdc.orders";
  assert.deepEqual(await topics({ routes }, records), [
    "de",
    "de",
    "de",
    "de",
    "de",
    here,
    here,
    "five",
    here,
    here,
    here,
  ]);
  assert.deepEqual((await topics({ routes, null_handling_mode: "keep" }, records)).slice(3, 8), [
    "de",
    here,
    here,
    here,
    here,
  ]);
  assert.deepEqual((await topics({ routes, tombstones: "evaluate" }, records)).slice(3, 8), [
    "de",
    here,
    here,
    here,
    "five",
  ]);
  assert.deepEqual(await topics({ routes, tombstones: "drop" }, records), [
    "de",
    "de",
    "de",
    "de",
    here,
    here,
    here,
    here,
  ]);
});

Deno.test("Debezium's example sends updates to a topic of their own", async () => {
  const config = { language: "jsr223.groovy", "topic.expression": "value.op == 'u' ? 'updates' : null" };
  const update = record(ORDERS, "update", { after: { id: 1n, country: null, amount: null } });
  assert.deepEqual(await topics(config, [update, insert("DE")]), ["updates", "cdc.orders"]);
  const one = open({ ...config, "topic.regex": "cdc\\.users" });
  assert.equal(one.matches!(ORDERS), false);
});

Deno.test("the short form with a map of values", async () => {
  const config = { field: "country", routes: { DE: "de", true: "yes", 5: "five" }, default: "rest" };
  assert.deepEqual(await topics(config, [insert("DE"), insert("FR"), insert("true")]), [
    "de",
    "rest",
    "rest",
  ]);
  assert.deepEqual(configOf(definition, config).routes.map(({ value }) => value), [5, "DE", true]);
});

Deno.test("a queue's records are routed by what they hold; what is no object goes by default", async () => {
  const queue = stream(undefined, { name: "events", payload: "json" });
  const records = [{ kind: { name: "a.b" } }, [1], "x", null].map((after) =>
    record(queue, "record", { after })
  );
  const config = { routes: [{ field: "kind.name", pattern: "(.*)", topic: "k.$1" }], default_topic: "rest" };
  assert.deepEqual(await topics(config, records), ["k.a.b", "rest", "rest", "rest"]);
});

Deno.test("a topic made of a value that is none rejects the record, without the value", async () => {
  const transform = open({ topic_expression: "country" });
  const { records, rejected } = await run(transform, [insert("a b"), insert("ok")]);
  assert.deepEqual(records.map(({ stream }) => stream.topic), ["ok"]);
  assert.deepEqual(rejected.map(({ error }) => [error.code, error.message.includes("a b")]), [[
    "config_topic",
    false,
  ]]);
});

Deno.test("one stream and one topic are one Stream, however often they come, and memory is bounded", async () => {
  const transform = open({ topic_expression: "concat('t', id)" });
  const made = async (id: bigint) =>
    (await transform.apply!([insert("x", null, id)], () => assert.fail()))[0].stream;
  const first = await made(1n);
  assert.equal(await made(1n), first);
  for (let id = 2n; id < 1100n; id++) await made(id);
  assert.notEqual(await made(1n), first);
  assert.deepEqual(await made(1n), first);
});

Deno.test("mistakes of the config are found at their keys", () => {
  const keys = (config: Record<string, unknown>) => problemKeys(definition, config);
  assert.deepEqual(keys({}), ["routes"]);
  assert.deepEqual(keys({ routes: [{ field: "a", topic: "x" }] }), ["routes.0"]);
  assert.deepEqual(keys({ routes: [{ value: 1, topic: "x" }] }), ["routes.0"]);
  assert.deepEqual(keys({ routes: [{ field: "a", value: 1, pattern: "x", topic: "x" }] }), ["routes.0"]);
  assert.deepEqual(keys({ routes: [{ condition: "a >", topic: "x" }] }), ["routes.0.condition"]);
  assert.deepEqual(keys({ routes: [{ field: "a", pattern: "(", topic: "x" }] }), ["routes.0.pattern"]);
  assert.deepEqual(keys({ routes: [{ field: "a", pattern: "a", topic: "$1" }] }), ["routes.0.topic"]);
  assert.deepEqual(keys({ routes: [{ field: "a", value: 1, topic: "a b" }] }), ["routes.0.topic"]);
  assert.deepEqual(keys({ topic_expression: "a ? b", default_topic: "ü" }), [
    "topic_expression",
    "default_topic",
  ]);
});
