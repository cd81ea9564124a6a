import assert from "node:assert/strict";
import { configOf, problemKeys, record, run, stream } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const headers = [["a", "1"], ["b", "2"], ["a", "3"], ["x-y", "4"]] as const;
const left = async (config: Record<string, unknown>) =>
  (await run(openTransform(configOf(definition, config)), [
    record(stream(undefined), "record", { after: {}, headers }),
    record(stream(undefined), "record", { after: {} }),
  ])).records.map((one) => one.headers?.map(([, value]) => value).join(""));

Deno.test("headers go by name, by pattern and by expression, every one of a name", async () => {
  assert.deepEqual(await left({ headers: ["a"] }), ["24", undefined]);
  assert.deepEqual(await left({ headers: "a,x-?" }), ["2", undefined]);
  assert.deepEqual(await left({ headers: ["/[ab]/"] }), ["4", undefined]);
  assert.deepEqual(await left({ headers: ["*"], keep: ["x-*"] }), ["4", undefined]);
  assert.deepEqual(await left({ headers: ["*"] }), [undefined, undefined]);
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), ["headers"]);
  assert.deepEqual(problemKeys(definition, { headers: ["/(/"] }), ["headers.0"]);
  assert.deepEqual(problemKeys(definition, { headers: ["/(a+)+b/"] }), ["headers.0"]);
});
