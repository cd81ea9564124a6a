import assert from "node:assert/strict";
import { findTransform, loadTransforms, transformNames, TRANSFORMS_ELSEWHERE } from "./transform_registry.ts";

Deno.test("no transform is said to be missing that there is, and what is named instead is there", async () => {
  const definitions = await loadTransforms();
  const names = transformNames(definitions);
  for (const [name, hint] of Object.entries(TRANSFORMS_ELSEWHERE)) {
    assert.equal(findTransform(definitions, name), undefined, name);
    for (const [word] of hint.matchAll(/^\w+_\w+(?= )/g)) {
      assert.ok(names.includes(word) || word === "toast_handling", `${name}: ${word}`);
    }
  }
});

Deno.test("names and aliases of transforms are each those of one", async () => {
  const names = transformNames(await loadTransforms());
  assert.deepEqual(names.toSorted(), [...new Set(names)].sort());
});
