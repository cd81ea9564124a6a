import assert from "node:assert/strict";
import fc from "fast-check";
import { batchFromRecords } from "../../formats/data/batch.ts";
import type { Row } from "../../formats/data/value.ts";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>, context = testContext()) =>
  openTransform(configOf(definition, config), context);
const docs = stream({ id: "int64 key", text: "string", raw: "bytes", amount: "decimal" });
const large = record(docs, "update", {
  before: { id: 1n, text: "b".repeat(500), raw: null, amount: "1" },
  after: { id: 1n, text: "ä".repeat(1000), raw: new Uint8Array(600), amount: "9".repeat(50) },
});

Deno.test("what fits passes as it is, what does not is rejected without its contents", async () => {
  const small = record(docs, "insert", { after: { id: 1n, text: "x", raw: null, amount: "1" } });
  const { records, rejected } = await run(open({ max_bytes: 1000 }), [
    small,
    large,
    record(docs, "truncate"),
  ]);
  assert.deepEqual(records.map(({ operation }) => operation), ["insert", "truncate"]);
  assert.equal(rejected[0].error.code, "serialization_too_large");
  assert.match(rejected[0].error.message, /has \d+ bytes, and 1000 are allowed/);
});

Deno.test("the size is exactly that of the JSON", async () => {
  const one = record(stream(undefined), "record", { after: { a: 'ä"\n', b: [1, null], c: 5n } });
  const size = new TextEncoder().encode('{"a":"ä\\"\\n","b":[1,null],"c":5}').length;
  assert.equal(
    (await run(open({ max_bytes: size }), [{ ...one, after: { ...one.after as Row, c: 5 } }])).records.length,
    1,
  );
  assert.equal(
    (await run(open({ max_bytes: size - 1 }), [{ ...one, after: { ...one.after as Row, c: 5 } }])).records
      .length,
    0,
  );
});

Deno.test("the row before goes first, a record too large goes altogether, and both are counted", async () => {
  const context = testContext();
  const kept = await run(open({ max_bytes: 3000, drop_before: true }, context), [large]);
  assert.deepEqual([kept.records[0].before, kept.records[0].after], [undefined, large.after]);
  assert.equal((await run(open({ max_bytes: 100, action: "drop" }, context), [large])).records.length, 0);
  assert.deepEqual([...context.counts], [["records_without_before", 1], ["records_too_large", 1]]);
});

Deno.test("long texts and bytes are cut between characters, in proportion, and named", async () => {
  const { records, stream: made } = await run(
    open({
      max_bytes: 1500,
      action: "truncate",
      min_field_size: 100,
      truncation_marker: "…",
      truncated_field: "__cut",
    }),
    [large, record(docs, "insert", { after: { id: 1n, text: "x" } })],
  );
  const row = records[0].after as { text: string; raw: Uint8Array; amount: string; __cut: string[] };
  assert.match(row.text, /^ä+…$/);
  assert.ok(row.raw.length < 600 && row.text.length < 1000);
  assert.equal(row.amount, "9".repeat(50));
  assert.deepEqual(row.__cut, ["text", "raw"]);
  assert.match((records[0].before as { text: string }).text, /^b+…$/);
  assert.deepEqual((records[1].after as Row).__cut, null);
  assert.equal(made.columns!.at(-1)!.type.kind, "array");
});

Deno.test("Debezium's documented spelling is understood", () => {
  const config = configOf(definition, {
    "max.bytes": "1048576",
    "compression.ratio": "0.6",
    "min.field.size": "10000",
    strategy: "truncate",
  });
  assert.deepEqual([config.max_bytes, config.compression_ratio, config.min_field_size, config.action], [
    1048576,
    0.6,
    10000,
    "truncate",
  ]);
});

Deno.test("whatever comes, what passes fits, and what can't be made to fit is rejected", async () => {
  const text = fc.string({ unit: "binary", maxLength: 400 });
  await fc.assert(fc.asyncProperty(text, text, fc.integer({ min: 60, max: 900 }), async (a, b, limit) => {
    const table = stream({ a: "string", b: "string" });
    const given = [record(table, "update", { before: { a: b, b: a }, after: { a, b } })];
    const { records, rejected } = await run(
      open({ max_bytes: limit, action: "truncate", min_field_size: 20 }),
      given,
    );
    assert.equal(records.length + rejected.length, 1);
    if (records.length === 0) return;
    const head = { lane: "", position: { v: 1 }, readAtMicros: 0n, layout: "plain" as const };
    const batch = batchFromRecords({ ...head, origin: { connector: "", name: "", version: "" } }, records);
    const size = batch.span(0, "before")!.length + batch.span(0, "after")!.length;
    assert.ok(size <= limit, `${size} bytes, ${limit} allowed`);
  }));
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), ["max_bytes"]);
  assert.deepEqual(problemKeys(definition, { max_bytes: 100, truncated_field: "x" }), ["truncated_field"]);
  assert.deepEqual(problemKeys(definition, { max_bytes: 100, action: "truncate" }), ["min_field_size"]);
  assert.deepEqual(problemKeys(definition, { max_bytes: 100, strategy: "claim_check" }), ["action"]);
});
