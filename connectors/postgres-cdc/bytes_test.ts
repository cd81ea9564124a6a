import assert from "node:assert/strict";
import { formatSize, parseSize } from "./bytes.ts";

Deno.test("sizes are read and written as PostgreSQL's settings have them", () => {
  assert.deepEqual(["512B", "1kB", "1.5 MB", "10GB", "2TB"].map(parseSize), [
    512,
    1024,
    1_572_864,
    10_737_418_240,
    2_199_023_255_552,
  ]);
  for (const text of ["10", "10 gb", "GB", "-1GB", "1e3MB"]) {
    assert.throws(() => parseSize(text), SyntaxError);
  }
  assert.deepEqual([0, 1023, 1536, 123_456_789, 10_737_418_240].map(formatSize), [
    "0 B",
    "1023 B",
    "1.5 kB",
    "118 MB",
    "10 GB",
  ]);
});
