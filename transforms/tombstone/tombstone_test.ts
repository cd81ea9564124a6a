import assert from "node:assert/strict";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const USERS = stream({ id: "int64 key", name: "string" });
const open = (written: Record<string, unknown> = {}, context = testContext()) =>
  openTransform(configOf(definition, written), context);

Deno.test("a tombstone with the key comes right after each delete, and sorts behind it", async () => {
  const deletion = record(USERS, "delete", { before: { id: 1n } });
  const insert = record(USERS, "insert", { after: { id: 1n } });
  const { records } = await run(open(), [deletion, insert]);
  assert.deepEqual(records.map(({ operation }) => operation), ["delete", "tombstone", "insert"]);
  assert.deepEqual(records[1].key, { id: 1n });
  assert.ok(deletion.order! < records[1].order! && records[1].order! < insert.order!);
  assert.equal(records[1].before, undefined);
});

Deno.test("no second one follows where the source sends them, and none without a key, which is told once", async () => {
  const deletion = record(USERS, "delete", { before: { id: 1n } });
  const own = record(USERS, "tombstone", { key: { id: 1n }, order: `${deletion.order}.1` });
  assert.equal((await run(open(), [deletion, own])).records.length, 2);
  const context = testContext();
  const keyless = stream({ name: "string" });
  const some = [1, 2].map(() => record(keyless, "delete", { before: { name: "a" } }));
  assert.equal((await run(open({}, context), some)).records.length, 2);
  assert.equal(context.warnings.length, 1);
});

Deno.test("excluded tables have none", async () => {
  const deletion = record(USERS, "delete", { before: { id: 1n } });
  for (const pattern of ["users", "public.*", "/.*users/"]) {
    assert.equal((await run(open({ exclude_tables: [pattern] }), [deletion])).records.length, 1, pattern);
  }
  assert.equal((await run(open({ emit_tombstone_after_delete: false }), [deletion])).records.length, 1);
  assert.deepEqual(problemKeys(definition, { behavior: "emit_with_key" }), ["behavior"]);
});
