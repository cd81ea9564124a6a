import assert from "node:assert/strict";
import { deadLetterLines } from "./dead_letter_lines.ts";

Deno.test("each reason has a line of its own with its count, of many the rest is counted", () => {
  const letters = [
    { error: "no number", code: "cast" },
    { error: "answered with 422", code: "http" },
    { error: "answered with 422", code: "http" },
  ];
  assert.deepEqual(deadLetterLines(letters), [
    ["2 records went to the dead letters: answered with 422", { code: "http" }],
    ["1 record went to the dead letters: no number", { code: "cast" }],
  ]);
  const many = Array.from({ length: 8 }, (_, i) => ({ error: `error ${i}`, code: "x" }));
  const lines = deadLetterLines(many);
  assert.equal(lines.length, 6);
  assert.deepEqual(lines[5], ["3 more went to the dead letters: see rivven-connect dlq list", {}]);
  assert.deepEqual(deadLetterLines([]), []);
});
