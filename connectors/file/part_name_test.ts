import assert from "node:assert/strict";
import { parsePartName, partName } from "./part_name.ts";

const BEGUN = Date.UTC(2026, 0, 31, 12, 0, 0, 123);

Deno.test("a part's name has the time before the extension, and leads back to the path", () => {
  const names = {
    "out/orders.jsonl": "out/orders.20260131T120000123Z.jsonl",
    "out/orders": "out/orders.20260131T120000123Z",
    "a.b/orders": "a.b/orders.20260131T120000123Z",
    "out/.hidden": "out/.hidden.20260131T120000123Z",
    "out/public.orders.jsonl": "out/public.orders.20260131T120000123Z.jsonl",
  };
  for (const [path, name] of Object.entries(names)) {
    assert.equal(partName(path, BEGUN), name);
    assert.deepEqual(parsePartName(name), { path, begunMs: BEGUN });
  }
});

Deno.test("other names are not taken for parts", () => {
  for (const name of ["orders.jsonl", "orders.2026.jsonl", "orders.20261331T120000123Z.jsonl"]) {
    assert.equal(parsePartName(name), undefined);
  }
});

Deno.test("names sort by time", () => {
  const names = [0, 1, 999, 60_000, 3_600_000, 86_400_000 * 40].map((ms) => partName("o.jsonl", BEGUN + ms));
  assert.deepEqual(names.toSorted(), names);
});
