import assert from "node:assert/strict";
import { fakeRecord, linesOf } from "../../tests/fakes/records.ts";
import { batchFromRecords, orderText } from "./batch.ts";
import type { Layout } from "./envelope.ts";
import type { DataRecord } from "./record.ts";

/** The lines that records are written as, an hour after they happened. */
function written(layout: Layout, records: readonly DataRecord[], connector = "postgres-cdc"): string[] {
  const origin = { connector, name: "orders_db", version: "0.1.0" };
  const readAtMicros = 1_767_225_600_200_311n;
  return linesOf(
    batchFromRecords({ lane: "stream", position: { v: 1 }, readAtMicros, layout, origin }, records),
  );
}

Deno.test("times of 1970 and before it are numbers of nanoseconds", () => {
  for (const [timeMicros, ns] of [[0n, 0], [-1n, -1000], [1n, 1000]] as const) {
    const [line] = written("standard", [fakeRecord(1, { timeMicros })]);
    assert.equal(JSON.parse(line).source.ts_ns, ns);
  }
});

Deno.test("the group of an order may hold any character", () => {
  for (const group of ['a"b', "\\", "topic/ü", ""]) {
    const lines = written("standard", [8, 9, 10].map((i) => fakeRecord(i, { order: orderText(group, i) })));
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).source.order),
      [8, 9, 10].map((i) => orderText(group, i)),
    );
  }
});
