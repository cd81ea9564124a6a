import assert from "node:assert/strict";
import { fakeBatch, fakeRecord, linesOf } from "../tests/fakes/records.ts";
import { recordsOf } from "./records_file.ts";

const given = [
  fakeRecord(1, { operation: "snapshot" }),
  fakeRecord(2, { operation: "update", before: { id: 2n, customer: "old", total: "1.00" } }),
  fakeRecord(2 ** 31, { operation: "delete", before: { id: 2n ** 63n - 1n }, after: undefined }),
];

Deno.test("lines that sinks have written are the changes again, in every layout that tells them", () => {
  for (const layout of ["standard", "full", "rivven"] as const) {
    const text = linesOf(fakeBatch(given, { layout })).map((line) => `${line}\n`).join("");
    const records = recordsOf("out/orders.jsonl", text);
    assert.deepEqual(records.map(({ operation }) => operation), ["snapshot", "update", "delete"], layout);
    assert.deepEqual(
      records.map(({ stream }) => [stream.namespace, stream.name]),
      Array(3).fill(["public", "orders"]),
    );
    const plain = (row: unknown) =>
      JSON.stringify(row, (_, value) => typeof value === "bigint" ? `${value}` : value);
    for (const [i, { before, after }] of records.entries()) {
      assert.deepEqual(loosely(before), loosely(given[i].before), `${layout} ${plain(before)}`);
      assert.deepEqual(loosely(after), loosely(given[i].after), layout);
    }
    assert.equal(records[0].stream, records[2].stream, "records of a table share a stream");
  }
  const [untyped] = given.map((record) => ({ ...record, stream: { ...record.stream, columns: undefined } }));
  const [full] = recordsOf("x.jsonl", linesOf(fakeBatch([untyped], { layout: "full" }))[0]);
  assert.deepEqual([full.operation, full.stream.name], ["snapshot", "orders"]);
  const [first] = recordsOf("x.jsonl", linesOf(fakeBatch(given, { layout: "standard" }))[0]);
  assert.equal(first.timeMicros, given[0].timeMicros);
  assert.equal(first.order, given[0].order);
});

/** Without column types, small integers are numbers. */
function loosely(row: unknown): unknown {
  return JSON.parse(
    JSON.stringify(row ?? null, (_, value) => typeof value === "bigint" ? `${value}` : value),
    (_, value) => typeof value === "number" ? `${value}` : value,
  );
}

Deno.test("other lines are rows of a stream that is called like the file", () => {
  const records = recordsOf("some/readings.jsonl", '{"a":1}\n\n[1]\n');
  assert.deepEqual(
    records.map(({ stream, after, operation }) => [stream.name, stream.payload, operation, after]),
    [
      ["readings", "row", "record", { a: 1 }],
      ["readings", "json", "record", [1]],
    ],
  );
});

Deno.test("a recording, and what can't be read", () => {
  const [record] = recordsOf(
    "a.yaml",
    "columns: { s.t: { id: int64 key } }\ngiven: [{ stream: s.t, op: insert, after: { id: 7 } }]",
  );
  assert.deepEqual(record.after, { id: 7n });
  assert.throws(() => recordsOf("a.jsonl", "{}\n{"), /a\.jsonl:2 is no JSON/);
  assert.throws(() => recordsOf("a.yaml", "records: []"), /a map with "given"/);
  assert.throws(
    () => recordsOf("a.yaml", "given: [{ stream: t, op: upsert }]"),
    /given\[0\]: There is no operation "upsert"/,
  );
});
