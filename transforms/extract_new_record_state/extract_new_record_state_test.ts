import assert from "node:assert/strict";
import { batchFromRecords } from "../../formats/data/batch.ts";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const ORIGIN = { connector: "postgres-cdc", name: "shop_db", version: "1.2.3" };

const open = (config: Record<string, unknown>, context = testContext()) =>
  openTransform(configOf(definition, config), { ...context, origin: ORIGIN });

const orders = stream({ id: "int64 key", total: "decimal(12,2)", note: "string" }, { name: "orders" });
const row = { id: 7n, total: "12.50", note: "x" };
const insert = record(orders, "insert", { after: row });
const update = record(orders, "update", { before: { ...row, total: "1.00" }, after: row });
const deletion = record(orders, "delete", { before: { id: 7n } });
const tombstone = record(orders, "tombstone", { key: { id: 7n } });

const outcome = async (config: Record<string, unknown>, given: readonly DataRecord[]) =>
  (await run(open(config), given)).records.map(({ operation, after, bare }) => [operation, after, bare]);

Deno.test("the row is written by itself in every layout, with its key", async () => {
  const { records } = await run(open({}), [insert]);
  for (const layout of LAYOUTS) {
    const head = { lane: "stream", position: { v: 1 }, readAtMicros: 0n, layout, origin: ORIGIN };
    const batch = batchFromRecords(head, records);
    assert.equal(new TextDecoder().decode(batch.bytes), '{"id":7,"total":"12.50","note":"x"}\n', layout);
    assert.equal(new TextDecoder().decode(batch.span(0, "key")), '{"id":7}', layout);
  }
});

Deno.test("what was not sent stays unsent, and the row before the change is kept beside the text", async () => {
  const { records } = await run(open({}), [
    record(orders, "update", { before: row, after: { id: 7n, total: "2.00" }, unavailable: ["note"] }),
  ]);
  assert.deepEqual(records[0].before, row);
  assert.deepEqual([records[0].after, records[0].unavailable], [{ id: 7n, total: "2.00" }, ["note"]]);
});

Deno.test("by default no delete is lost: it becomes a marked row, and tombstones stay", async () => {
  const { records, stream: made } = await run(open({}), [insert, update, deletion, tombstone]);
  assert.deepEqual(records.map(({ operation, after }) => [operation, after]), [
    ["insert", row],
    ["update", row],
    ["update", { id: 7n, __deleted: true }],
    ["tombstone", undefined],
  ]);
  // The database sent the key alone: a sink must not take the others for NULL.
  assert.deepEqual(records[2].unavailable, ["total", "note"]);
  assert.deepEqual(records[2].key, { id: 7n });
  assert.deepEqual(made.columns!.at(-1), { name: "__deleted", type: { kind: "boolean" }, nullable: true });
});

Deno.test("each way to handle deletes does what it says with deletes, tombstones and other rows", async () => {
  const given = [insert, deletion, tombstone];
  const kept = ["insert", row, true];
  const alive = ["insert", { ...row, __deleted: false }, true];
  const gone = ["update", { id: 7n, __deleted: true }, true];
  const stone = ["tombstone", undefined, false];
  const expected = {
    rewrite: [alive, gone],
    rewrite_with_tombstone: [alive, gone, stone],
    tombstone: [kept, stone],
    delete_to_tombstone: [kept, stone],
    drop: [kept],
    none: [kept, ["delete", undefined, false], stone],
  };
  for (const [mode, outcomes] of Object.entries(expected)) {
    assert.deepEqual(await outcome({ delete_handling: mode }, given), outcomes, mode);
  }
  assert.deepEqual(await outcome({ drop_tombstones: true }, given), [kept]);
  assert.deepEqual(await outcome({ drop_tombstones: true, delete_handling: "none" }, given), [
    kept,
    ["delete", undefined, false],
  ]);
});

Deno.test("a delete that becomes a tombstone keeps its key and its place", async () => {
  const { records, rejected } = await run(open({ delete_handling: "delete_to_tombstone" }), [
    deletion,
    record(stream({ id: "int64" }), "delete", { before: { id: 1n } }),
  ]);
  assert.deepEqual(records.map(({ operation, key, before, order }) => ({ operation, key, before, order })), [
    { operation: "tombstone", key: { id: 7n }, before: undefined, order: deletion.order },
  ]);
  assert.deepEqual(rejected.map(({ error }) => error.code), ["schema_tombstone_without_key"]);
});

Deno.test("a delete of which only the key is known is rewritten from it, one of which nothing is known is rejected", async () => {
  const { records, rejected } = await run(open({}), [
    record(orders, "delete", { key: { id: 3n } }),
    record(orders, "delete", {}),
  ]);
  assert.deepEqual(records.map(({ after }) => after), [{ id: 3n, __deleted: true }]);
  assert.deepEqual(rejected.map(({ error }) => error.code), ["schema_no_row"]);
});

Deno.test("deletes that would be lost without a word are warned about, once", async () => {
  const context = testContext();
  await run(open({ delete_handling: "tombstone" }, context), [
    deletion,
    tombstone,
    deletion,
    insert,
    deletion,
    insert,
  ]);
  assert.equal(context.warnings.length, 1);
  assert.match(context.warnings[0], /Deletes of public\.orders are lost/);
});

Deno.test("adds what earlier versions' flags add", async () => {
  const { records, stream: made } = await run(
    open({ add_table: true, add_schema: true, add_op: true, add_ts: true, ts_field_name: "__ts" }),
    [insert, record(orders, "snapshot", { after: row })],
  );
  const added = {
    __table: "orders",
    __schema: "public",
    __op: "c",
    __ts_ms: 1709287200123n,
    __ts: 1709287200123n,
  };
  assert.deepEqual(records.map(({ after }) => after), [{ ...row, ...added }, {
    ...row,
    ...added,
    __op: "r",
  }]);
  assert.deepEqual(made.columns!.slice(-5).map(({ name, type }) => [name, type.kind]), [
    ["__table", "string"],
    ["__schema", "string"],
    ["__op", "string"],
    ["__ts_ms", "int64"],
    ["__ts", "int64"],
  ]);
});

Deno.test("Debezium's documented example: op, table, lsn, source.ts_ms, the header db, rewritten deletes", async () => {
  const source = { lsn: "0/16E9118", txId: 571 };
  const { records } = await run(
    open({
      "add.fields": "op,table,lsn,source.ts_ms",
      "add.headers": "db",
      "delete.tombstone.handling.mode": "rewrite",
    }),
    [{ ...insert, source }, { ...deletion, source }, tombstone],
  );
  const facts = { __table: "orders", __lsn: "0/16E9118", __source_ts_ms: 1709287200123n };
  assert.deepEqual(records.map(({ after, headers }) => ({ after, headers })), [
    { after: { ...row, __deleted: "false", __op: "c", ...facts }, headers: [["__db", "shop"]] },
    { after: { id: 7n, __deleted: "true", __op: "d", ...facts }, headers: [["__db", "shop"]] },
  ]);
});

Deno.test("added fields have own names, reach into rows with their types, and are null where nothing is there", async () => {
  const { records, stream: made } = await run(
    open({
      add_fields: [
        "before.total:old_total",
        "before.id",
        "version:VERSION",
        "connector",
        "transaction.id",
        "nothing",
      ],
      add_fields_prefix: "",
    }),
    [{ ...update, source: { txId: 571 } }],
  );
  assert.deepEqual(records[0].after, {
    ...row,
    old_total: "1.00",
    before_id: 7n,
    VERSION: "1.2.3",
    connector: "postgres-cdc",
    transaction_id: "571",
    nothing: null,
  });
  assert.deepEqual(made.columns!.find(({ name }) => name === "old_total")!.type, {
    kind: "decimal",
    precision: 12,
    scale: 2,
  });
});

Deno.test("records that are no changes become their value; those that are no rows pass or go", async () => {
  const queue = stream(undefined, { payload: "json", key: [] });
  const given = [
    record(queue, "record", { after: [1, 2] }),
    record(queue, "record", { after: { a: 1 } }),
    record(orders, "truncate"),
    record(orders, "message", { after: { prefix: "p", content: "eA==" } }),
  ];
  assert.deepEqual(await outcome({ add_op: true, delete_handling: "rewrite" }, given), [
    ["record", [1, 2], true],
    ["record", { a: 1, __op: "c" }, true],
    ["truncate", undefined, false],
    ["message", { prefix: "p", content: "eA==" }, false],
  ]);
  assert.equal((await outcome({ non_row_events: "drop" }, given)).length, 2);
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, { add_fields: ["op", "sorce.lsn"] }), ["add_fields.1"]);
  assert.deepEqual(problemKeys(definition, { drop_tombstones: true, delete_handling: "tombstone" }), [
    "drop_tombstones",
  ]);
  assert.deepEqual(problemKeys(definition, { ts_field_name: "x" }), ["ts_field_name"]);
  assert.deepEqual(problemKeys(definition, { add_tabel: true }), ["add_tabel"]);
});
