import assert from "node:assert/strict";
import { OPERATIONS } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { configOf, problemKeys, record, run, stream } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

function topic(config: Record<string, unknown>, of: Partial<Stream>): string | undefined {
  const transform = openTransform(configOf(definition, config));
  const one = stream(undefined, of);
  if (transform.matches?.(one) === false) return one.topic;
  return transform.stream!(one).topic;
}

Deno.test("Kafka Connect's cases of RegexRouter", () => {
  const apply = (regex: string, replacement: string, was: string) =>
    topic({ regex, replacement }, { topic: was });
  assert.equal(apply("foo", "bar", "foo"), "bar");
  assert.equal(apply("foo", "bar", "orig"), "orig");
  assert.equal(apply("foo", "bar", "food"), "food");
  assert.equal(apply("(.*)", "$1", "orig"), "orig");
  assert.equal(apply("(.*)", "prefix-$1", "orig"), "prefix-orig");
  assert.equal(apply("(.*)", "$1-suffix", "orig"), "orig-suffix");
  assert.equal(apply("(.*)-(\\d\\d\\d\\d\\d\\d\\d\\d)", "$1", "index-20160117"), "index");
});

Deno.test("Debezium's ByLogicalTableRouter: shards of a table in one topic, with keys that stay apart", async () => {
  const config = { "topic.regex": "(.*)customers_shard(.*)", "topic.replacement": "$1customers_all_shards" };
  const shard = (n: number) =>
    stream({ id: "int64 key", name: "string" }, {
      name: `customers_shard${n}`,
      namespace: "mydb",
      topic: `myserver.mydb.customers_shard${n}`,
    });
  const keys = async (more: Record<string, unknown>) => {
    const transform = openTransform(configOf(definition, { ...config, ...more }));
    const records = [1, 2].flatMap((n) => [
      record(shard(n), "delete", { before: { id: 7n, name: "x" } }),
      record(shard(n), "tombstone", { key: { id: 7n } }),
    ]);
    const { records: out, stream: made } = await run(transform, records);
    assert.ok(out.every((one) => one.stream.topic === "myserver.mydb.customers_all_shards"));
    return { keys: out.map(({ key }) => key), made };
  };
  const plain = await keys({});
  const field = (n: number) => ({
    id: 7n,
    __dbz__physicalTableIdentifier: `myserver.mydb.customers_shard${n}`,
  });
  assert.deepEqual(plain.keys, [field(1), field(1), field(2), field(2)]);
  assert.deepEqual(plain.made.key, ["id", "__dbz__physicalTableIdentifier"]);
  const named = await keys({
    "key.field.name": "shard_id",
    "key.field.regex": "(.*)customers_shard(.*)",
    "key.field.replacement": "$2",
  });
  assert.deepEqual(named.keys.map((key) => (key as { shard_id: string }).shard_id), ["1", "1", "2", "2"]);
  const off = openTransform(configOf(definition, { ...config, "key.enforce.uniqueness": "false" }));
  assert.equal(off.apply, undefined);
  const other = stream({ id: "int64 key" }, { name: "orders" });
  assert.equal(openTransform(configOf(definition, config)).matches!(other), false);
});

Deno.test("the first pattern that matches anywhere in schema.table decides; others stay where they are", () => {
  const routes = [
    { pattern: "\\.orders_(?<year>\\d+)$", topic: "orders-${year}" },
    { pattern: "^audit", topic: "audit" },
    { pattern: "orders", topic: "never" },
  ];
  assert.equal(topic({ routes }, { name: "orders_2026" }), "orders-2026");
  assert.equal(topic({ routes }, { name: "logins", namespace: "audit", topic: "before" }), "audit");
  assert.equal(topic({ routes }, { name: "users" }), undefined);
  assert.equal(topic({ routes, default_topic: "rest" }, { name: "users" }), "rest");
  assert.equal(topic({ routes, legacy_default: true }, { name: "users" }), "default");
  assert.equal(
    topic({ routes, tables: ["public.users"], default_topic: "rest" }, { name: "orders_1" }),
    undefined,
  );
  const database = { routes: [{ pattern: "shop", topic: "$0.x" }], match_on: "database" };
  assert.equal(topic(database, {}), "shop.x");
});

Deno.test("it has no apply, so nothing is parsed, and gives the same stream again", () => {
  const transform = openTransform(configOf(definition, { routes: [{ pattern: ".", topic: "all" }] }));
  const one = stream({ id: "int64 key" });
  assert.equal(transform.apply, undefined);
  assert.equal(transform.stream!(one), transform.stream!(one));
  assert.deepEqual(transform.stream!(one), { ...one, topic: "all" });
  for (const operation of OPERATIONS) assert.equal(transform.matches!(record(one, operation).stream), true);
});

Deno.test("a topic that is none stops at the start; a long one is cut with a hash", () => {
  assert.throws(() => topic({ routes: [{ pattern: "(.*)", topic: "$1" }] }, { name: "ordërs" }), {
    name: "ConnectorError",
    code: "config_topic",
  });
  const a = (n: number) =>
    topic({ routes: [{ pattern: "(.*)", topic: "$1" }] }, { namespace: "cdc.public", name: "a".repeat(n) });
  assert.equal(a(238), `cdc.public.${"a".repeat(238)}`);
  assert.equal(a(239), `cdc.public.${"a".repeat(229)}_35da3f48`);
  assert.equal(a(300), `cdc.public.${"a".repeat(229)}_227baa59`);
});

Deno.test("mistakes of the config are found at their keys", () => {
  const routes = [{ pattern: "(a)", topic: "$1" }];
  assert.deepEqual(problemKeys(definition, { routes }), []);
  assert.deepEqual(problemKeys(definition, { routes: [{ pattern: "(a", topic: "x" }] }), [
    "routes.0.pattern",
  ]);
  assert.deepEqual(problemKeys(definition, { routes: [{ pattern: "(a+)+", topic: "x" }] }), [
    "routes.0.pattern",
  ]);
  assert.deepEqual(problemKeys(definition, { routes: [{ pattern: "a", topic: "$1" }] }), ["routes.0.topic"]);
  assert.deepEqual(problemKeys(definition, { routes: [{ pattern: "a", topic: "${x}" }] }), [
    "routes.0.topic",
  ]);
  assert.deepEqual(problemKeys(definition, { routes, default_topic: "a b" }), ["default_topic"]);
  assert.deepEqual(problemKeys(definition, { routes, key_field_regex: "a" }), ["key_field_regex"]);
  assert.deepEqual(problemKeys(definition, { routes: [{ pattern: "a" }] }), ["routes.0.topic"]);
  assert.deepEqual(problemKeys(definition, { routes, tpic: "x" }), ["tpic"]);
  assert.deepEqual(problemKeys(definition, { regex: "a", replacement: "b", routes }), ["regex.replacement"]);
});
