import assert from "node:assert/strict";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const USERS = stream({ id: "int64 key", name: "string not null", n: "int64", profile: "json" });
const open = (written: Record<string, unknown>) =>
  openTransform(configOf(definition, written), testContext());

Deno.test("both images lose the value, absent stays absent, and the column may be null", async () => {
  const { records, stream: made } = await run(open({ fields: "name" }), [
    record(USERS, "update", {
      before: { id: 1n, name: "a" },
      after: { id: 1n, name: "b", profile: { a: 1 } },
    }),
    record(USERS, "delete", { before: { id: 1n } }),
  ]);
  assert.deepEqual(records.map(({ before, after }) => [before, after]), [
    [{ id: 1n, name: null }, { id: 1n, name: null, profile: { a: 1 } }],
    [{ id: 1n }, undefined],
  ]);
  assert.equal(made.columns![1].nullable, true);
});

Deno.test("a condition chooses which values", async () => {
  const name = async (condition: unknown, value: unknown) => {
    const row = await after(
      open({ fields: ["name", "n"], condition }),
      record(USERS, "insert", { after: { name: value } as never }),
    );
    return (row as { name: unknown }).name;
  };
  assert.equal(await name("if_empty", ""), null);
  assert.equal(await name("empty", ""), null);
  assert.equal(await name("if_empty", "a"), "a");
  assert.equal(await name("^a+$", "aaa"), null);
  assert.equal(await name("^a+$", "b"), "b");
  assert.equal(await name({ matches: "b" }, "abc"), null);
  assert.equal(await name({ equals: "x" }, "x"), null);
  assert.equal(await name({ equals: "x" }, "y"), "y");
  const counted = open({ fields: ["n"], condition: { equals: 5 } });
  assert.deepEqual(await after(counted, record(USERS, "insert", { after: { n: 5n } })), { n: null });
});

Deno.test("key columns and broken expressions are refused", async () => {
  const insert = record(USERS, "insert", { after: { id: 1n } });
  await assert.rejects(run(open({ fields: ["id"] }), [insert]), { code: "config_key_protection" });
  assert.deepEqual(problemKeys(definition, { fields: ["a"], condition: "(" }), ["condition"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], condition: "^(a|a)*$" }), ["condition"]);
});
