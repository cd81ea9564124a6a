import assert from "node:assert/strict";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>, context = testContext()) =>
  openTransform(configOf(definition, config), context);
const utf8 = (text: string) => new TextEncoder().encode(text);
const events = stream({ id: "int64 key", text: "string", raw: "bytes" });

Deno.test("texts and bytes become what they say, exactly, in both images, and their columns JSON", async () => {
  const { records, stream: made } = await run(open({ fields: ["text", "raw"] }), [
    record(events, "update", {
      before: { id: 1n, text: "[1, null]", raw: utf8('"Zoë"') },
      after: { id: 1n, text: '{"n": 9007199254740993}', raw: null },
    }),
  ]);
  assert.deepEqual([records[0].before, records[0].after], [
    { id: 1n, text: [1, null], raw: "Zoë" },
    { id: 1n, text: { n: 9007199254740993n }, raw: null },
  ]);
  assert.deepEqual(made.columns!.map(({ type }) => type.kind), ["int64", "json", "json"]);
});

Deno.test("what is no JSON stays as text, becomes null, or rejects the record", async () => {
  const given = [
    record(events, "insert", { after: { id: 1n, text: "{secret", raw: new Uint8Array([255]) } }),
  ];
  const fields = ["text", "raw"];
  const context = testContext();
  assert.deepEqual((await run(open({ fields }, context), given)).records[0].after, {
    id: 1n,
    text: "{secret",
    raw: "/w==",
  });
  assert.deepEqual([...context.counts], [["json_not_decoded", 2]]);
  assert.deepEqual((await run(open({ fields, on_error: "null" }), given)).records[0].after, {
    id: 1n,
    text: null,
    raw: null,
  });
  const { rejected } = await run(open({ fields, on_error: "fail" }), given);
  assert.doesNotMatch(rejected[0].error.message, /secret/);
});

Deno.test("the content of logical messages is decoded when it is wanted", async () => {
  const message = (text: string) =>
    record(events, "message", { after: { prefix: "p", content: utf8(text).toBase64() } });
  const given = [message('{"a":1}'), message("no JSON"), record(events, "truncate")];
  const contents = async (config: Record<string, unknown>) =>
    (await run(open(config), given)).records.map(({ after }) =>
      (after as { content: unknown } | undefined)?.content
    );
  assert.deepEqual(await contents({ messages: true }), [{ a: 1 }, "bm8gSlNPTg==", undefined]);
  assert.deepEqual(await contents({ messages: true, on_error: "null" }), [{ a: 1 }, null, undefined]);
  assert.deepEqual(await contents({ messages: true, on_error: "fail" }), [{ a: 1 }, undefined]);
  assert.deepEqual(await contents({ fields: ["text"] }), ["eyJhIjoxfQ==", "bm8gSlNPTg==", undefined]);
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), ["fields"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a", "a"] }), ["fields.1"]);
});
