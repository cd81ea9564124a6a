import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const USERS = stream({ id: "int64 key", name: "string" });

const open = (config: Record<string, unknown>) => openTransform(configOf(definition, config), testContext());

const rows = (count: number, more: Partial<DataRecord> = {}) =>
  Array.from(
    { length: count },
    (_, i) => record(USERS, "insert", { after: { id: BigInt(i), name: "x" }, ...more }),
  );

Deno.test("about the share of rows stays, by key and by record", async () => {
  for (const by of ["key", "record"]) {
    for (const ratio of [0, 0.1, 0.5, 1]) {
      const { records } = await run(open({ ratio, by }), rows(2000));
      assert.ok(Math.abs(records.length / 2000 - ratio) < 0.04, `${by} ${ratio}: ${records.length}`);
    }
  }
});

Deno.test("all changes of a row and its tombstone stay or none, in every run", async () => {
  const changes = (id: bigint) => [
    record(USERS, "snapshot", { after: { id, name: "a" } }),
    record(USERS, "update", { before: { id, name: "a" }, after: { id, name: "b" } }),
    record(USERS, "delete", { before: { id } }),
    record(USERS, "tombstone", { key: { id } }),
  ];
  const all = Array.from({ length: 100 }, (_, i) => changes(2n ** 60n + BigInt(i))).flat();
  const kept = async (seed: number) =>
    (await run(open({ ratio: 0.5, seed }), all)).records.map(({ key }) => (key as { id: bigint }).id);
  const first = await kept(1);
  const counts = Map.groupBy(first, (id) => id);
  assert.ok(counts.size > 30 && counts.size < 70);
  assert.ok([...counts.values()].every((ids) => ids.length === 4));
  assert.deepEqual(await kept(1), first);
  assert.notDeepEqual(await kept(2), first);
});

Deno.test("by record, a tombstone still goes the way of its delete", async () => {
  const all = Array.from({ length: 100 }, (_, i) => [
    record(USERS, "delete", { before: { id: BigInt(i) } }),
    record(USERS, "tombstone", { key: { id: BigInt(i) } }),
  ]).flat();
  const { records } = await run(open({ ratio: 0.5, by: "record" }), all);
  const counts = [...Map.groupBy(records, ({ key }) => (key as { id: bigint }).id).values()].map((list) =>
    list.length
  );
  assert.ok(counts.length > 30 && counts.length < 70 && counts.every((count) => count === 2));
});

Deno.test("what has no row passes; without key and place chance decides", async () => {
  const events = (["truncate", "schema", "message"] as const).map((operation) => record(USERS, operation));
  assert.equal((await run(open({ ratio: 0 }), events)).records.length, 3);
  const lost = [record(stream(undefined, { key: [] }), "record", { after: "x", order: undefined })];
  assert.equal((await run(open({ ratio: 0.6 }), lost)).records.length, 1);
  assert.equal((await run(open({ ratio: 0.4 }), lost)).records.length, 0);
});

Deno.test("mistakes of the config are found at their keys", () => {
  assert.deepEqual(problemKeys(definition, {}), ["ratio"]);
  assert.deepEqual(problemKeys(definition, { ratio: 2 }), ["ratio"]);
  assert.deepEqual(problemKeys(definition, { ratio: 0.1, tables: ["/(/"] }), ["tables"]);
  assert.deepEqual(problemKeys(definition, { ratio: 0.1, every: 5 }), ["every"]);
});
