import assert from "node:assert/strict";
import { StreamedTransactions, Visibility } from "./visibility.ts";

Deno.test("a read sees what had ended when it began", () => {
  const seen = new Visibility("10:20:10,14");
  const xids = [9, 10, 13, 14, 19, 20, 21];
  assert.deepEqual(xids.map((xid) => seen.sees(xid)), [true, false, true, false, true, false, false]);
  assert.deepEqual(xids.map((xid) => seen.isPast(xid)), [true, false, false, false, false, false, false]);
  assert.equal(new Visibility("7:7:").sees(6), true);
});

Deno.test("transaction numbers that have come round are compared with the nearest", () => {
  const epoch = 5n << 32n;
  const seen = new Visibility(`${epoch - 3n}:${epoch + 4n}:${epoch - 3n},${epoch + 1n}`);
  assert.deepEqual(
    [0xffff_fffc, 0xffff_fffd, 0xffff_fffe, 0, 1, 3, 4].map((xid) => seen.sees(xid)),
    [true, false, true, true, false, true, false],
  );
});

Deno.test("what is no snapshot is refused", () => {
  for (const text of ["", "10:20", "10:20:,", "x:y:z"]) {
    assert.throws(() => new Visibility(text), SyntaxError, text);
  }
});

Deno.test("transactions are found by the order of their records until those have passed", () => {
  const streamed = new StreamedTransactions();
  streamed.begin("01", 7);
  streamed.begin("02", 8);
  streamed.passed("02");
  assert.deepEqual([streamed.xidOf("01"), streamed.xidOf("02")], [undefined, 8]);
  assert.deepEqual([...streamed.recent()], [7, 8]);
  for (let i = 0; i < 70_000; i++) streamed.begin(String(i), i);
  const recent = new Set(streamed.recent());
  assert.deepEqual([recent.size, recent.has(4463), recent.has(4464), recent.has(69_999)], [
    65_536,
    false,
    true,
    true,
  ]);
});
