import assert from "node:assert/strict";
import fc from "fast-check";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row } from "../../formats/data/value.ts";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const ORDERS = stream({ id: "int64 key", amount: "decimal(12,2)", status: "string" }, { name: "orders" });

function open(config: Record<string, unknown>, context = testContext()) {
  return openTransform(configOf(definition, config), context);
}

/** The operations and rows of what is left. */
async function left(config: Record<string, unknown>, records: readonly DataRecord[]) {
  const out = await run(open(config), records);
  return out.records.map(({ operation, before, after }) => ({ operation, before, after }));
}

const row = (id: bigint, amount: string | null, status: string): Row => ({ id, amount, status });
const insert = (...values: Parameters<typeof row>) => record(ORDERS, "insert", { after: row(...values) });

Deno.test("rows stay for which the condition holds; with drop they go", async () => {
  const rows = [
    insert(1n, "100.01", "paid"),
    insert(2n, "100.00", "paid"),
    insert(3n, null, "paid"),
    insert(2n ** 60n, "9e3", "ü"),
  ];
  const ids = async (config: Record<string, unknown>) =>
    (await left(config, rows)).map(({ after }) => (after as { id: bigint }).id);
  assert.deepEqual(await ids({ condition: "amount > 100" }), [1n, 2n ** 60n]);
  assert.deepEqual(await ids({ condition: "amount > 100", drop: true }), [2n, 3n]);
  assert.deepEqual(await ids({ condition: "id = 1152921504606846976" }), [2n ** 60n]);
  assert.deepEqual(await ids({ condition: "id = 1152921504606846977" }), []);
  assert.deepEqual(await ids({ condition: "status = ü" }), [2n ** 60n]);
  assert.deepEqual(await ids({ field: "status", equals: "paid" }), [1n, 2n, 3n]);
  assert.deepEqual(await ids({ drop: true }), []);
});

Deno.test("what one filter keeps its opposite drops, in order, whatever the rows", async () => {
  const value = fc.record({
    id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    amount: fc.option(
      fc.tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat(99)).map(([a, b]) =>
        `${a}.${String(b).padStart(2, "0")}`
      ),
    ),
    status: fc.option(fc.string({ unit: "grapheme", maxLength: 3 })),
  }, { noNullPrototype: true });
  const condition = fc.constantFrom(
    "amount > 0",
    "id = 5 OR status = 'a'",
    "status != x",
    "NOT (amount < after.id)",
    "status LIKE '%a%'",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 8 }), condition, async (rows, condition) => {
      const records = rows.map((after) => record(ORDERS, "insert", { after }));
      const orders = async (drop: boolean) =>
        (await run(open({ condition, drop }), records)).records.map(({ order }) => order!);
      const [kept, dropped] = [await orders(false), await orders(true)];
      assert.deepEqual([...kept, ...dropped].toSorted(), records.map(({ order }) => order));
      assert.deepEqual([kept, dropped], [kept.toSorted(), dropped.toSorted()]);
    }),
    { numRuns: 60, seed: 20260131 },
  );
});

Deno.test("every kind of record: rows are judged, what has no row passes, unless it is said otherwise", async () => {
  const records = [
    insert(1n, "1", "new"),
    record(ORDERS, "update", { before: row(1n, "1", "new"), after: row(1n, "1", "paid") }),
    record(ORDERS, "snapshot", { after: row(2n, "1", "paid") }),
    record(ORDERS, "delete", { before: row(1n, "1", "new") }),
    record(ORDERS, "tombstone", { key: { id: 1n } }),
    record(ORDERS, "delete", { before: row(2n, "1", "paid") }),
    record(ORDERS, "tombstone", { key: { id: 2n } }),
    record(ORDERS, "truncate"),
    record(ORDERS, "schema", { after: { ddl: "x" } }),
    record(ORDERS, "message", { after: { prefix: "p", content: "x" } }),
    record(stream(undefined, { name: "queue", payload: "json" }), "record", { after: { status: "paid" } }),
    record(stream(undefined, { name: "queue", payload: "json" }), "record", { after: "paid" }),
  ];
  const kinds = async (config: Record<string, unknown>) =>
    (await left({ condition: "status = paid", ...config }, records)).map(({ operation }) => operation);
  const judged = ["update", "snapshot", "delete", "tombstone"];
  assert.deepEqual(await kinds({}), [...judged, "truncate", "schema", "message", "record"]);
  assert.deepEqual(await kinds({ non_row_events: "drop" }), [...judged, "record"]);
  assert.deepEqual(await kinds({ non_row_events: "evaluate" }), [...judged, "record"]);
  assert.deepEqual(await kinds({ non_row_events: "drop", tombstones: "drop" }), [
    "update",
    "snapshot",
    "delete",
    "record",
  ]);
  assert.deepEqual(await kinds({ non_row_events: "drop", "null.handling.mode": "keep" }), [
    "update",
    "snapshot",
    "tombstone",
    "delete",
    "tombstone",
    "record",
  ]);
});

Deno.test("a delete that can't be judged passes, is judged with nulls, or goes", async () => {
  const deletes = [
    record(ORDERS, "delete", { before: { id: 1n } }),
    record(ORDERS, "tombstone", { key: { id: 1n } }),
  ];
  const kinds = async (config: Record<string, unknown>) =>
    (await left({ condition: "status = paid", ...config }, deletes)).length;
  assert.equal(await kinds({}), 2);
  assert.equal(await kinds({ delete_policy: "evaluate" }), 0);
  assert.equal(await kinds({ delete_policy: "drop" }), 0);
  assert.equal(await kinds({ delete_policy: "drop", condition: "id = 1" }), 2);
  assert.equal(await kinds({ delete_policy: "drop", condition: "op() = 'd'" }), 2);
  const context = testContext();
  await run(open({ condition: "status = paid" }, context), deletes);
  assert.equal(context.counts.get("deletes_unjudged_total"), 1);
  await run(open({ condition: "status = paid" }, context), [insert(1n, "1", "new")]);
  assert.equal(context.counts.get("records_filtered_total"), 1);
});

Deno.test("a tombstone in the next batch still follows its delete, and another row's does not", async () => {
  const transform = open({ condition: "status = paid" });
  await run(transform, [record(ORDERS, "delete", { before: row(1n, "1", "new") })]);
  assert.equal((await run(transform, [record(ORDERS, "tombstone", { key: { id: 1n } })])).records.length, 0);
  assert.equal((await run(transform, [record(ORDERS, "tombstone", { key: { id: 2n } })])).records.length, 1);
});

Deno.test("row_transition makes a delete of a row that leaves, an insert of one that enters", async () => {
  const config = { condition: "status = paid", row_transition: "synthesize" };
  const update = (before: Row, after: Row, more: Partial<DataRecord> = {}) =>
    record(ORDERS, "update", { before, after, ...more });
  const [paid, open] = [row(1n, "1", "paid"), row(1n, "1", "new")];
  assert.deepEqual(await left(config, [update(paid, open)]), [{
    operation: "delete",
    before: paid,
    after: undefined,
  }]);
  assert.deepEqual(await left(config, [update(open, paid)]), [{
    operation: "insert",
    before: undefined,
    after: paid,
  }]);
  assert.deepEqual(await left(config, [update(paid, { ...paid, amount: "2" })]), [{
    operation: "update",
    before: paid,
    after: { ...paid, amount: "2" },
  }]);
  assert.deepEqual(await left(config, [update(open, open)]), []);
  // What was not sent because it is unchanged belongs to a new row.
  assert.deepEqual(
    await left(config, [update(open, { id: 1n, status: "paid" }, { unavailable: ["amount"] })]),
    [{ operation: "insert", before: undefined, after: { id: 1n, status: "paid", amount: "1" } }],
  );
  // Without the old row there is nothing to compare with.
  assert.deepEqual(await left(config, [update({ id: 1n }, paid)]), [{
    operation: "update",
    before: { id: 1n },
    after: paid,
  }]);
  assert.deepEqual(problemKeys(definition, { ...config, condition: "changed(status)" }), ["row_transition"]);
});

Deno.test("Debezium's example keeps the updates of one row", async () => {
  const config = { language: "jsr223.groovy", condition: "value.op == 'u' && value.before.id == 2" };
  const update = (id: bigint) =>
    record(ORDERS, "update", { before: row(id, "1", "a"), after: row(id, "1", "b") });
  const out = await left(config, [update(2n), update(3n), insert(2n, "1", "a")]);
  assert.deepEqual(out.map(({ operation, before }) => [operation, before?.id]), [["update", 2n]]);
  const either = { language: "jsr223.groovy", condition: "value.op == 'd' || value.after.status == 'a||b'" };
  assert.equal((await left(either, [insert(2n, "1", "a||b"), insert(2n, "1", "a")])).length, 1);
});

Deno.test("tables and topic_regex choose the streams; other batches are not parsed", () => {
  const other = stream(undefined, { name: "users", topic: "cdc.users" });
  const tables = open({ condition: "a = 1", tables: ["public.orders"] });
  assert.deepEqual([ORDERS, other].map((one) => tables.matches!(one)), [true, false]);
  const topics = open({ condition: "a = 1", "topic.regex": "cdc\\..*" });
  assert.deepEqual([ORDERS, other].map((one) => topics.matches!(one)), [false, true]);
});

Deno.test("a missing column is unknown, or an error of its record alone", async () => {
  const records = [record(ORDERS, "insert", { after: { id: 1n } }), insert(2n, "5", "x")];
  const { records: out, rejected } = await run(
    open({ condition: "amount > 1", on_missing_field: "error" }),
    records,
  );
  assert.deepEqual(out.map(({ key }) => key), [{ id: 2n }]);
  assert.deepEqual(rejected.map(({ error }) => error.code), ["schema_missing_field"]);
  assert.equal((await left({ condition: "amount > 1" }, records)).length, 1);
});

Deno.test("mistakes of the config are found at their keys", () => {
  assert.deepEqual(problemKeys(definition, { condition: "a = 1" }), []);
  assert.deepEqual(problemKeys(definition, { condition: "a >" }), ["condition"]);
  assert.deepEqual(problemKeys(definition, {}), ["condition"]);
  assert.deepEqual(problemKeys(definition, { condition: "a = 1", topic_regex: "(" }), ["topic_regex"]);
  assert.deepEqual(problemKeys(definition, { condition: "a = 1", conditon: "x" }), ["conditon"]);
  assert.deepEqual(definition.upgradeConfig!({ field: "weird name", equals: "o'x" }).config, {
    condition: "`weird name` = 'o''x'",
  });
  assert.deepEqual(definition.upgradeConfig!({ field: "n", equals: 5 }).config, { condition: "n = 5" });
});
