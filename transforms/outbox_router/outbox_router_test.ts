import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row } from "../../formats/data/value.ts";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const ID = "4d47e190-0402-4048-bc2c-89dd54343cdc";
const PAYLOAD =
  '{"id": 1, "lineItems": [{"id": 1, "item": "Debezium in Action", "totalPrice": 39.98}], "customerId": 123}';

const OUTBOX = stream({
  id: "uuid key",
  aggregatetype: "string",
  aggregateid: "string",
  type: "string",
  payload: "string",
  at: "timestamptz",
  n: "int64",
}, { name: "outboxevent", namespace: "inventory" });

const ROW: Row = {
  id: ID,
  aggregatetype: "Order",
  aggregateid: "1",
  type: "OrderCreated",
  payload: PAYLOAD,
  at: "2019-04-26T14:51:34.484001+00:00",
  n: 2n ** 60n,
};

const open = (config: Record<string, unknown> = {}, context = testContext()) =>
  openTransform(configOf(definition, config), context);

async function message(
  config: Record<string, unknown>,
  row: Partial<Row> = {},
  more: Partial<DataRecord> = {},
  of = OUTBOX,
) {
  const after = { ...ROW, ...row } as Row;
  const { records, rejected } = await run(open(config), [record(of, "insert", { after, ...more })]);
  if (rejected.length > 0) throw rejected[0].error;
  assert.equal(records.length, 1);
  const [one] = records;
  return {
    ...one,
    keyText: one.key instanceof Uint8Array ? new TextDecoder().decode(one.key) : one.key,
    topic: one.stream.topic,
  };
}

Deno.test("Debezium's example: the payload by itself, the aggregate's id as key, the event's id as header", async () => {
  const one = await message({}, { aggregatetype: "order" });
  assert.equal(one.topic, "outbox.event.order");
  assert.equal(one.keyText, "1");
  assert.deepEqual(one.headers, [["id", ID]]);
  assert.equal(one.timeMicros, 1_709_287_200_123_456n);
  assert.equal(one.after, PAYLOAD);
  assert.equal(one.bare, true);
  assert.equal(one.operation, "record");
  assert.deepEqual([one.stream.columns, one.stream.key, one.stream.payload], [undefined, [], "json"]);
});

Deno.test("Debezium's example of expanding: JSON in a text becomes JSON, other texts stay, integers exact", async () => {
  const config = { "table.expand.json.payload": "true" };
  assert.deepEqual((await message(config)).after, JSON.parse(PAYLOAD));
  assert.deepEqual((await message(config, { payload: '[9007199254740993, "é"]' })).after, [
    9007199254740993n,
    "é",
  ]);
  for (const payload of ["{broken", "plain", "", " 5"]) {
    assert.equal((await message(config, { payload })).after, payload);
  }
});

Deno.test("Debezium's examples of additional fields: in a header, in the envelope", async () => {
  const header = await message({ "table.fields.additional.placement": "type:header:eventType,n:header" });
  assert.deepEqual(header.headers, [["id", ID], ["eventType", "OrderCreated"], ["n", "1152921504606846976"]]);
  const envelope = await message({
    "table.fields.additional.placement": "type:envelope:eventType, n:envelope",
  });
  assert.deepEqual(envelope.after, { payload: PAYLOAD, eventType: "OrderCreated", n: 2n ** 60n });
  assert.deepEqual(
    (await message({ "table.fields.additional.placement": "type:header" }, { type: null })).headers,
    [["id", ID]],
  );
  const gone = { "table.fields.additional.placement": "gone:header" };
  await assert.rejects(message(gone), { code: "schema_missing_field" });
  assert.equal(
    (await message({ ...gone, "table.fields.additional.error.on.missing": "false" })).headers!.length,
    1,
  );
  assert.deepEqual(problemKeys(definition, { "table.fields.additional.placement": "n:partition" }), [
    "table_fields_additional_placement.0.placement",
  ]);
});

Deno.test("other columns, other topics", async () => {
  const config = {
    "table.field.event.id": "event",
    "table.field.event.key": "who",
    "table.field.event.payload": "body",
    "table.field.event.timestamp": "at",
    "route.by.field": "kind",
    "route.topic.regex": "(.*)-events",
    "route.topic.replacement": "$1.changed",
  };
  const of = stream({ event: "int64 key", who: "int64", body: "json", kind: "string", at: "timestamptz" }, {
    name: "events",
  });
  const row = {
    event: 7n,
    who: 2n ** 60n,
    body: { a: [1, null, 2n ** 60n] },
    kind: "user-events",
    at: "2019-04-26T14:51:34.484001Z",
  };
  const { records } = await run(open(config), [record(of, "insert", { after: row })]);
  const [one] = records;
  assert.equal(one.stream.topic, "user.changed");
  assert.equal(new TextDecoder().decode(one.key as Uint8Array), "1152921504606846976");
  assert.deepEqual(one.headers, [["id", "7"]]);
  assert.equal(one.timeMicros, 1_556_290_294_484_001n);
  assert.deepEqual(one.after, row.body);
  const other = await run(open(config), [
    record(of, "insert", { after: { ...row, kind: "user", at: null } }),
  ]);
  assert.equal(other.records[0].stream.topic, "user");
  assert.equal(other.records[0].timeMicros, 1_709_287_200_123_456n);
});

Deno.test("a payload of bytes stays bytes, a null stays null or becomes a tombstone", async () => {
  const of = stream({ id: "uuid key", aggregatetype: "string", aggregateid: "string", payload: "bytes" }, {
    name: "outbox",
  });
  const bytes = await message({}, { payload: new Uint8Array([0, 255]) }, {}, of);
  assert.deepEqual([bytes.after, bytes.stream.payload], [new Uint8Array([0, 255]), "bytes"]);
  assert.equal((await message({}, { payload: null })).after, null);
  assert.equal((await message({}, { aggregateid: null })).key, undefined);
  for (const payload of [null, "", "  "]) {
    const one = await message({ "route.tombstone.on.empty.payload": true }, { payload });
    assert.deepEqual([one.operation, one.after, one.keyText], ["tombstone", undefined, "1"]);
  }
});

Deno.test("every kind of record: rows of a snapshot are events, cleaning up is none, updates are a mistake", async () => {
  const records = [
    record(OUTBOX, "snapshot", { after: ROW }),
    record(OUTBOX, "delete", { before: { id: ID } }),
    record(OUTBOX, "tombstone", { key: { id: ID } }),
    record(OUTBOX, "truncate"),
    record(OUTBOX, "schema", { after: { ddl: "x" } }),
    record(OUTBOX, "message", { after: { content: "x" } }),
    record(OUTBOX, "update", { before: ROW, after: ROW }),
    record(OUTBOX, "insert", { after: ROW, headers: [["trace", "1"]] }),
  ];
  const context = testContext();
  const { records: out } = await run(open({}, context), records);
  assert.deepEqual(out.map(({ operation }) => operation), ["record", "schema", "message", "record"]);
  assert.deepEqual(out.at(-1)!.headers, [["trace", "1"], ["id", ID]]);
  assert.equal(context.warnings.length, 1);
  assert.ok(!context.warnings[0].includes(ID));
  const rejected = await run(open({ "table.op.invalid.behavior": "error" }), records);
  assert.deepEqual(rejected.rejected.map(({ error }) => error.code), ["schema_outbox_update"]);
  await assert.rejects(run(open({ "table.op.invalid.behavior": "fatal" }), records), {
    name: "ConnectorError",
  });
});

Deno.test("a row that makes no message is an error of its own, which shows nothing of it", async () => {
  await assert.rejects(message({}, { aggregatetype: null }), { code: "schema_outbox_route" });
  await assert.rejects(
    message({}, { aggregatetype: "se cret" }),
    (error: Error) => !error.message.includes("cret"),
  );
  await assert.rejects(message({ table_field_event_timestamp: "type" }), { code: "schema_outbox_time" });
  const bare = stream(undefined, { name: "outbox" });
  const { rejected } = await run(open(), [record(bare, "insert", { after: { id: "1" } })]);
  assert.deepEqual(rejected.map(({ error }) => error.code), ["schema_missing_field"]);
});

Deno.test("tables without the columns pass unparsed, unless they are named as outbox tables", () => {
  const users = stream({ id: "int64 key", payload: "string" });
  assert.equal(open().matches!(users), false);
  assert.equal(open().matches!(OUTBOX), true);
  const named = open({ tables: ["public.users"] });
  assert.deepEqual([users, OUTBOX].map((one) => named.matches!(one)), [true, false]);
  assert.throws(() => named.stream!(users), { code: "config_outbox_column" });
});

Deno.test("mistakes of the config are found at their keys", () => {
  const keys = (config: Record<string, unknown>) => problemKeys(definition, config);
  assert.deepEqual(keys({}), []);
  assert.deepEqual(keys({ "tracing.operation.name": "x", "table.json.payload.null.behavior": "ignore" }), []);
  assert.deepEqual(keys({ route_topic_regex: "(" }), ["route_topic_regex"]);
  assert.deepEqual(keys({ route_topic_regex: "(.*)" }), ["route_topic_replacement"]);
  assert.deepEqual(keys({ "table.field.event.schema.version": "v" }), ["table_field_event_schema_version"]);
  assert.deepEqual(keys({ "table.fields.additional.placement": "a:envelope:payload" }), [
    "table_fields_additional_placement.0",
  ]);
});
