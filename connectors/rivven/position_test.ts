import assert from "node:assert/strict";
import { lowestPosition } from "./position.ts";

Deno.test("the lowest of several positions has of each partition the lowest offset, and none where one has none", () => {
  const positions = [
    { v: 1, topics: { a: [5, 9, 3], b: [1], c: [4, -1] } },
    { v: 1, topics: { a: [7, 2, 3, 8], c: [2, 6] } },
    { v: 1, topics: { c: [3, 6], a: [6, 6, 0], d: [1] } },
  ];
  const before = structuredClone(positions);
  assert.deepEqual(lowestPosition(positions), { v: 1, topics: { a: [5, 2, 0], c: [2, -1] } });
  assert.deepEqual(lowestPosition(positions.toReversed()), { v: 1, topics: { c: [2, -1], a: [5, 2, 0] } });
  assert.deepEqual(positions, before);
  assert.throws(() => lowestPosition([{ v: 2, topics: {} }]), { code: "state_version" });
});
