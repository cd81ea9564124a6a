import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { waitUntil } from "../../tests/servers/process.ts";
import type { Position } from "../contract.ts";
import type { PostgresPosition, SnapshotProgress } from "./position.ts";
import { lowestPosition } from "./position_order.ts";
import { openSource } from "./source.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

const at = (lsn: string, more: Partial<PostgresPosition> = {}): PostgresPosition => ({
  v: 1,
  system: "7",
  slot: "s",
  lsn,
  ...more,
});
const reading = (plan: number, done: readonly number[], page: Record<string, number> = {}) => ({
  state: "reading",
  attempt: plan,
  lsn: "0/100",
  tablesDone: 1,
  tables: 2,
  plan,
  units: { done: Uint8Array.from(done).toBase64(), at: page },
} satisfies SnapshotProgress);

/** The same in every order in which they are asked for. */
function lowest(...positions: Position[]): Position {
  const found = lowestPosition("s", positions);
  assert.deepEqual(lowestPosition("s", positions.toReversed()), found);
  return found;
}

const id = ({ key }: DataRecord) => (key as { readonly id: number }).id;
const isLast = (records: readonly DataRecord[]) => records.length > 0 && id(records.at(-1)!) === 5501;

Deno.test("the lowest position is the one that is behind in the stream, also inside a transaction", () => {
  // By number, not by text; a commit lies before the end of its transaction.
  assert.deepEqual(lowest(at("0/F0"), at("0/100"), at("1/0")), at("0/F0"));
  assert.deepEqual(lowest(at("0/100", { next: 12 }), at("0/100", { next: 3 })), at("0/100", { next: 3 }));
  assert.deepEqual(lowest(at("0/100", { next: 3 }), at("0/100")), at("0/100"));
  // What was read on a timeline that was left is found out from there on, however far the other one is.
  const [old, now] = [at("0/200", { timeline: 1 }), at("0/100", { timeline: 2 })];
  assert.deepEqual(lowest(old, now), old);
});

Deno.test("a snapshot is behind the changes that come after it; of two the rows that both have are done", () => {
  const stream = at("0/100");
  const first = at("0/100", { snapshot: reading(1, [0b0000_0111], { 5: 40, 6: 9 }) });
  const second = at("0/100", { snapshot: reading(1, [0b0010_0110], { 3: 7, 6: 11 }) });
  assert.deepEqual(lowest(stream, first), first);
  assert.deepEqual(lowest(first, second), {
    ...first,
    snapshot: reading(1, [0b0000_0110], { 5: 40, 6: 9 }),
  });
  // With a plan that is not known any more all is read again.
  const older = at("0/100", { snapshot: reading(1, [0b1]) });
  assert.deepEqual(lowest(older, at("0/100", { snapshot: reading(2, [0]) })), older);
});

Deno.test("positions that can't be compared are refused, here or by reading", () => {
  assert.throws(
    () => lowestPosition("s", [at("0/1"), at("0/2", { system: "8" })]),
    (error) => error instanceof ConnectorError && error.code === "state_other_server",
  );
  const other = at("0/2", { slot: "t" });
  assert.deepEqual(lowest(at("0/1"), other), other);
});

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: reading from the lowest of several positions brings all that is behind each`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 3000)");
    const context = testContext();
    const all: DataRecord[] = [];
    const seen: { readonly position: Position; readonly rows: number }[] = [];
    {
      await using reader = new Reader(configFor(pg), undefined, context);
      reader.acknowledges = false;
      await reader.atLeast(3000);
      const pending = reader.next();
      await waitForSlot(pg);
      await pg.query("INSERT INTO t SELECT generate_series(3001, 5500); INSERT INTO t VALUES (5501)");
      await pending;
      all.push(...await reader.until((records) => isLast(records)));
      let rows = 0;
      for (const { length, position } of reader.batches) seen.push({ position, rows: rows += length });
    }
    await waitUntil(async () => {
      const [{ active }] = await pg.query("SELECT active FROM pg_replication_slots");
      return active === "f" || undefined;
    }, { what: "a free slot", timeoutMs: 120_000 });
    const inTransaction = seen.findIndex(({ position }) => (position as PostgresPosition).next !== undefined);
    assert(inTransaction > 0);
    await using source = openSource(configFor(pg), context);
    for (const [near, far] of [[0, inTransaction], [1, seen.length - 1], [inTransaction, seen.length - 1]]) {
      const from = source.lowest!([seen[far].position, seen[near].position]);
      assert.deepEqual(from, seen[near].position);
      await using again = new Reader(configFor(pg), from, context);
      again.acknowledges = false;
      const rest = await again.until((records) => isLast(records));
      const missing = new Set(all.slice(seen[near].rows).map(id));
      for (const record of rest) missing.delete(id(record));
      assert.deepEqual([...missing], []);
    }
  });
}
