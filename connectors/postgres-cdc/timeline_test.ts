import assert from "node:assert/strict";
import { startPostgres } from "../../tests/servers/postgres.ts";
import {
  caughtUp,
  promote,
  slotTakenOver,
  startStandby,
  stopFollowing,
} from "../../tests/servers/postgres_standby.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import { configFor, Reader, testContext } from "./testing.ts";
import { leftAt } from "./timeline.ts";

Deno.test("a history file says where each timeline was left", () => {
  const history = "1\t0/3000158\tno recovery target specified\n\n  2\tA/4000000\tbefore 2026-01-01\n";
  assert.equal(leftAt(history, 1), 0x3000158n);
  assert.equal(leftAt(history, 2), 0xa04000000n);
  assert.equal(leftAt(history, 3), undefined);
  assert.equal(leftAt("", 1), undefined);
});

for (const version of [18, 17] as const) {
  Deno.test(`PostgreSQL ${version}: a failover is followed where nothing was lost, and is an error or a new snapshot where something was`, async () => {
    await using pg = await startPostgres({ version, fsync: false });
    await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    await using standby = await startStandby(pg);
    await pg.query(
      "SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput', false, false, true)",
    );
    await slotTakenOver(standby, "rivven_slot");
    const context = testContext();
    const read = async (server: typeof pg, rows: number, from?: Reader, keys = {}) => {
      const reader = new Reader(configFor(server, keys), from?.position, context);
      await using _ = reader;
      await server.query("INSERT INTO t SELECT max(id) + 1 FROM t");
      const records = await reader.atLeast(rows);
      return { reader, ids: records.map(({ key }) => (key as { id: number }).id) };
    };
    const before = await read(pg, 2);
    assert.deepEqual(before.ids, [1, 2]);
    await caughtUp(standby, pg);
    await stopFollowing(standby, pg);
    const beyond = await read(pg, 1, before.reader);
    assert.deepEqual(beyond.ids, [3]);
    await pg.kill();
    // Whoever is led to it before that is to try again.
    await using early = new Reader(configFor(standby), before.reader.position, context);
    await assert.rejects(early.next(), (error) => {
      assert(error instanceof ConnectorError);
      assert.deepEqual([error.code, error.retryable], ["conflict_slot_synced", true]);
      return true;
    });
    await promote(standby);
    while ((await standby.query("SELECT pg_current_wal_lsn() < '0/8000000' AS short"))[0].short === "t") {
      // Without a record nothing is switched.
      await standby.query("SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()");
    }

    const followed = await read(standby, 1, before.reader);
    assert.deepEqual(followed.ids, [3], "the new primary's third row");
    assert.equal(followed.reader.position?.timeline, 2);
    await assert.rejects(read(standby, 1, beyond.reader), (error) => {
      assert(error instanceof ConnectorError);
      assert.equal(error.code, "state_server_behind");
      assert.match(error.message, /which left timeline 1 at 0\/[0-9A-F]+/);
      return true;
    });
    const again = await read(standby, 4, beyond.reader, { snapshot: { mode: "when_needed" } });
    assert.deepEqual(again.ids.slice(0, 3), [1, 2, 3]);
  });
}
