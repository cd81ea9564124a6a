import assert from "node:assert/strict";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { caughtUp, startStandby } from "../../tests/servers/postgres_standby.ts";
import { SEEN, StreamedTransactions, Visibility } from "./visibility.ts";

Deno.test("a read sees what had ended when it began", () => {
  const seen = new Visibility("10:20:10,14");
  const xids = [9, 10, 13, 14, 19, 20, 21];
  assert.deepEqual(xids.map((xid) => seen.sees(xid)), [true, false, true, false, true, false, false]);
  assert.deepEqual(xids.map((xid) => seen.isPast(xid)), [true, false, false, false, false, false, false]);
  assert.equal(new Visibility("7:7:").sees(6), true);
});

Deno.test("transaction numbers that have come round are compared with the nearest", () => {
  const epoch = 5n << 32n;
  const seen = new Visibility(`${epoch - 3n}:${epoch + 4n}:${epoch - 3n},${epoch + 1n}`);
  assert.deepEqual(
    [0xffff_fffc, 0xffff_fffd, 0xffff_fffe, 0, 1, 3, 4].map((xid) => seen.sees(xid)),
    [true, false, true, true, false, true, false],
  );
});

Deno.test("what is no snapshot is refused", () => {
  for (const text of ["", "10:20", "10:20:,", "x:y:z"]) {
    assert.throws(() => new Visibility(text), SyntaxError, text);
  }
});

Deno.test("transactions are found by the order of their records until those have passed", () => {
  const streamed = new StreamedTransactions();
  streamed.begin("01", 7);
  streamed.begin("02", 8);
  streamed.passed("02");
  assert.deepEqual([streamed.xidOf("01"), streamed.xidOf("02")], [undefined, 8]);
  assert.deepEqual([...streamed.recent()], [7, 8]);
  for (let i = 0; i < 70_000; i++) streamed.begin(String(i), i);
  const recent = new Set(streamed.recent());
  assert.deepEqual([recent.size, recent.has(4463), recent.has(4464), recent.has(69_999)], [
    65_536,
    false,
    true,
    true,
  ]);
});

for (const version of [16, 18] as const) {
  Deno.test(`PostgreSQL ${version}: a standby doesn't see a transaction that is open beside a later one that has ended`, async (t) => {
    await using primary = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (primary === undefined) return;
    await primary.query(
      "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'a')",
    );
    await using standby = await startStandby(primary);
    const writer = await primary.connect();
    try {
      await writer.query("BEGIN");
      await writer.query("UPDATE t SET v = 'b' WHERE id = 1");
      const { rows: [{ xid }] } = await writer.query("SELECT pg_current_xact_id()::text AS xid");
      await primary.query("UPDATE t SET v = 'b' WHERE id = 2");
      await caughtUp(standby, primary);
      const [{ seen }] = await standby.query(`SELECT ${SEEN} AS seen`) as { seen: string }[];
      assert.equal(new Visibility(seen).sees(Number(xid)), false, `${xid} in ${seen}`);
      assert.equal(new Visibility(seen).sees(Number(xid) - 1), true);
    } finally {
      await writer.end();
    }
  });
}
