import assert from "node:assert/strict";
import { closest, didYouMean } from "./suggest.ts";

Deno.test("closest() finds what was probably meant, and nothing when nothing is near", () => {
  const names = ["postgres-cdc", "mysql-cdc", "datagen", "stdout", "file"];
  const cases: [string, string | undefined][] = [
    ["datagne", "datagen"],
    ["Postgres_CDC", "postgres-cdc"],
    ["postgres", "postgres-cdc"],
    ["std-out", "stdout"],
    ["fil", "file"],
    ["kafka", undefined],
    ["x", undefined],
    ["", undefined],
  ];
  for (const [written, expected] of cases) assert.equal(closest(written, names), expected, written);
});

Deno.test("didYouMean() lists what there is when nothing is close, but no long lists whole", () => {
  assert.equal(didYouMean("fiel", ["file", "stdout"]), 'Did you mean "file"?');
  assert.equal(didYouMean("kafka", ["file", "stdout"], "Known are"), "Known are: file, stdout");
  assert.equal(didYouMean("kafka", ["file"]), undefined);
  assert.equal(didYouMean("kafka", [], "Known are"), undefined);
  const many = Array.from({ length: 30 }, (_, i) => `name${i}`);
  assert.match(didYouMean("kafka", many, "Known are")!, /name15, …$/);
});
