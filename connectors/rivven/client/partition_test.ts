import assert from "node:assert/strict";
import { murmur2, partitionOf } from "./partition.ts";

Deno.test("keys get the broker's own hash and partition", () => {
  const table: [string, number, number, number, number][] = [
    ["", 275646681, 0, 1, 9],
    ["hello", 2132663229, 0, 9, 13],
    ["kafka", 3496464228, 1, 0, 4],
    ["a", 2731586172, 1, 4, 12],
    ["abc", 479470107, 0, 7, 11],
    ["abcd", 2971317748, 2, 0, 4],
    ["foobar", 3504634814, 0, 6, 14],
    ["user-123", 2826711316, 2, 8, 4],
  ];
  for (const [text, hash, of3, of10, of16] of table) {
    const key = new TextEncoder().encode(text);
    assert.equal(murmur2(key), hash, text);
    assert.deepEqual([3, 10, 16].map((count) => partitionOf(key, count)), [of3, of10, of16], text);
  }
});
