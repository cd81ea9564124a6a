import assert from "node:assert/strict";
import { configOf, problemKeys, record, run, stream } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>) => openTransform(configOf(definition, config));
const users = stream({ id: "int64 key", n: "int64", doc: "json", raw: "bytes", note: "string" });
const row = { id: 1n, n: 9007199254740993n, doc: { a: 1 }, raw: new Uint8Array([1]), note: null };

Deno.test("Debezium's documented headers list what changed and what did not", async () => {
  const { records } = await run(
    open({ "header.changed.name": "Changed", "header.unchanged.name": "Unchanged" }),
    [
      record(users, "update", {
        before: row,
        after: { ...row, n: 9007199254740992n, raw: new Uint8Array([2]) },
        headers: [["Changed", "old"], ["other", "x"]],
      }),
      record(users, "insert", { after: row }),
      record(users, "delete", { before: row }),
      record(users, "update", { after: row }),
    ],
  );
  assert.deepEqual(records.map(({ headers }) => headers), [
    [["other", "x"], ["Changed", "n,raw"], ["Unchanged", "id,doc,note"]],
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("the lists stand in the row with a column; what was not sent did not change", async () => {
  const { doc: _doc, ...withoutDoc } = row;
  const { records, stream: made } = await run(
    open({ changed_field: "__changed", unchanged_field: "__same" }),
    [
      record(users, "update", { before: row, after: { ...withoutDoc, note: "x" }, unavailable: ["doc"] }),
      record(users, "update", { before: { id: 0n }, after: row }),
    ],
  );
  assert.deepEqual(records.map(({ after }) => after), [
    { ...withoutDoc, note: "x", __changed: ["note"], __same: ["id", "n", "raw", "doc"] },
    { ...row, __changed: ["id"], __same: [] },
  ]);
  assert.deepEqual(made.columns!.at(-1)!.type, { kind: "array", items: { kind: "string" } });
});

Deno.test("updates that changed nothing that counts can go; those of which nobody knows stay", async () => {
  const { records } = await run(open({ drop_unchanged: true, ignore: ["n*"] }), [
    record(users, "update", { before: row, after: { ...row, n: 5n, note: "x", doc: { a: 1 } } }),
    record(users, "update", { before: row, after: { ...row, doc: { a: 2 } } }),
    record(users, "update", { before: { id: 1n }, after: row }),
    record(users, "update", { after: row }),
  ]);
  assert.deepEqual(records.map(({ after }) => (after as { doc: unknown }).doc), [{ a: 2 }, { a: 1 }, {
    a: 1,
  }]);
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), [""]);
  assert.deepEqual(problemKeys(definition, { changed_field: "a", unchanged_field: "a" }), [
    "unchanged_field",
  ]);
  assert.deepEqual(problemKeys(definition, { drop_unchanged: true, ignore: ["."] }), ["ignore.0"]);
});
