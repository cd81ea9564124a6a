import assert from "node:assert/strict";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const ORIGIN = { connector: "postgres-cdc", name: "shop_db", version: "1.2.3" };
const open = (config: Record<string, unknown>) =>
  openTransform(configOf(definition, config), { ...testContext(), origin: ORIGIN });

const users = stream({ id: "int64 key", total: "decimal(12,2)", address: "json" });
const row = { id: 9007199254740993n, total: "1.50", address: { zip: "89073" } };
const insert = record(users, "insert", { after: row });

Deno.test("fixed values, copies and texts get columns with their types", async () => {
  const { records, stream: made } = await run(
    open({
      static_fields: { region: "eu", n: 1, half: 0.5, on: true, tags: ["a"], none: null },
      copy_fields: { total2: "total", zip: "address.zip", nothing: "no" },
      templates: { from: "{source.name}:{database}.{schema}.{table} {{{op}}} {key.id}{source.lsn}" },
    }),
    [insert],
  );
  assert.deepEqual(records[0].after, {
    ...row,
    region: "eu",
    n: 1n,
    half: 0.5,
    on: true,
    tags: ["a"],
    none: null,
    from: "shop_db:shop.public.users {c} 9007199254740993",
    total2: "1.50",
    zip: "89073",
    nothing: null,
  });
  assert.deepEqual(Object.fromEntries(made.columns!.slice(3).map(({ name, type }) => [name, type.kind])), {
    region: "string",
    n: "int64",
    half: "float64",
    on: "boolean",
    tags: "json",
    none: "unknown",
    from: "string",
    total2: "decimal",
    zip: "unknown",
    nothing: "unknown",
  });
});

Deno.test("times are the event's or the clock's", async () => {
  const times = { event_timestamp_field: "event", timestamp_field: "now", date_field: "today" };
  assert.deepEqual(await after(open(times), insert), {
    ...row,
    event: "2024-03-01T10:00:00.123456+00:00",
    now: "2026-01-01T00:00:00.123456+00:00",
    today: "2026-01-01",
  });
  assert.deepEqual(await after(open({ ...times, timestamp_format: "epoch_millis" }), insert), {
    ...row,
    event: 1709287200123n,
    now: 1767225600123n,
    today: "2026-01-01",
  });
});

Deno.test("topic, partition, offset and key are those that are known", async () => {
  const places = { topic_field: "t", partition_field: "p", offset_field: "o", key_field: "k" };
  const queue = stream(undefined, { name: "orders", namespace: undefined, payload: "json" });
  const message = record(queue, "record", {
    key: new TextEncoder().encode("k1"),
    after: { a: 1 },
    source: { partition: 3, offset: 9007199254740993n },
  });
  assert.deepEqual(await after(open(places), message), {
    a: 1,
    t: "orders",
    p: 3,
    o: 9007199254740993n,
    k: "k1",
  });
  assert.deepEqual(await after(open(places), insert), {
    ...row,
    t: null,
    p: null,
    o: null,
    k: { id: 9007199254740993n },
  });
  assert.deepEqual(
    await after(
      open({ topic_field: "t" }),
      record({ ...users, topic: "shop.users" }, "insert", { after: row }),
    ),
    { ...row, t: "shop.users" },
  );
});

Deno.test("an event has the same UUID whenever it is read, and another one than its neighbours", async () => {
  const uuid = async (one: typeof insert) => (await after(open({ uuid_field: "u" }), one) as { u: string }).u;
  const first = await uuid(insert);
  assert.match(first, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(await uuid({ ...insert }), first);
  assert.notEqual(await uuid({ ...insert, order: `${insert.order}.1` }), first);
  assert.notEqual(await uuid(record(users, "insert", { after: row })), first);
  const unordered = { ...insert, order: undefined };
  assert.notEqual(await uuid(unordered), await uuid({ ...unordered, after: { ...row, total: "2.00" } }));
});

Deno.test("fields that are there are replaced, or stay", async () => {
  const config = { static_fields: { total: "x", more: 1 } };
  assert.deepEqual(await after(open(config), insert), { ...row, total: "x", more: 1n });
  assert.deepEqual(await after(open({ ...config, overwrite: false }), insert), { ...row, more: 1n });
});

Deno.test("a copy of what was not sent was not sent; what gets a value was", async () => {
  const update = record(users, "update", { after: { id: 1n }, unavailable: ["total", "address"] });
  const { records } = await run(
    open({ copy_fields: { total2: "total", zip: "address.zip" }, static_fields: { total: "0" } }),
    [update],
  );
  assert.deepEqual(records[0].after, { id: 1n, total: "0" });
  assert.deepEqual(records[0].unavailable, ["address", "total2", "zip"]);
  const kept = await run(open({ static_fields: { total: "0" }, overwrite: false }), [update]);
  assert.deepEqual([kept.records[0].after, kept.records[0].unavailable], [{ id: 1n }, ["total", "address"]]);
});

Deno.test("deletes get fields only when asked to", async () => {
  const deletion = record(users, "delete", { before: { id: 1n } });
  const before = async (config: Record<string, unknown>) =>
    (await run(open({ static_fields: { x: true }, ...config }), [deletion])).records[0].before;
  assert.deepEqual(await before({}), { id: 1n });
  assert.deepEqual(await before({ apply_to: ["before", "after"] }), { id: 1n, x: true });
});

Deno.test("Kafka Connect's documented example of InsertField, and earlier versions' add_field", async () => {
  const message = record(stream(undefined), "record", { after: { item: "x" } });
  assert.deepEqual(
    await after(
      open({ "static.field": "MessageSource", "static.value": "Kafka Connect framework" }),
      message,
    ),
    { item: "x", MessageSource: "Kafka Connect framework" },
  );
  assert.deepEqual(
    await after(open({ "timestamp.field": "ts!", timestamp_format: "epoch_millis" }), message),
    {
      item: "x",
      ts: 1709287200123,
    },
  );
  assert.deepEqual(await after(open({ field: "source", value: "etl" }), message), {
    item: "x",
    source: "etl",
  });
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), [""]);
  assert.deepEqual(problemKeys(definition, { static_fields: { a: 1 }, date_field: "a" }), ["date_field"]);
  assert.deepEqual(problemKeys(definition, { static_fields: { a: 2 ** 60 } }), ["static_fields.a"]);
  assert.deepEqual(problemKeys(definition, { templates: { a: "{no.thing}", b: "{" } }), [
    "templates.a",
    "templates.b",
  ]);
  assert.deepEqual(problemKeys(definition, { copy_fields: { a: "b..c" } }), ["copy_fields.a"]);
});
