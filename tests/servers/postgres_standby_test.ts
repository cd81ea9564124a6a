import assert from "node:assert/strict";
import { requireServer } from "./missing.ts";
import { startPostgres } from "./postgres.ts";
import { caughtUp, promote, slotTakenOver, startStandby } from "./postgres_standby.ts";

for (const version of [18, 17, 15, 14] as const) {
  Deno.test(`a standby of PostgreSQL ${version} follows, and takes writes once it is promoted`, async (t) => {
    await using primary = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (primary === undefined) return;
    await primary.query("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id");
    await using standby = await startStandby(primary);
    await primary.query("INSERT INTO kept VALUES (1001)");
    await caughtUp(standby, primary);
    assert.deepEqual(await standby.query("SELECT count(*) AS n FROM kept"), [{ n: "1001" }]);
    await assert.rejects(standby.query("INSERT INTO kept VALUES (0)"), { code: "25006" });
    await primary.kill();
    await promote(standby);
    await standby.query("INSERT INTO kept VALUES (1002)");
    assert.deepEqual(await standby.query("SELECT count(*) AS n FROM kept"), [{ n: "1002" }]);
  });
}

for (const version of [18, 17] as const) {
  Deno.test(`a standby of PostgreSQL ${version} takes over failover slots`, async () => {
    await using primary = await startPostgres({ version, fsync: false });
    await using standby = await startStandby(primary);
    await primary.query("SELECT pg_create_logical_replication_slot('kept', 'pgoutput', false, false, true)");
    await slotTakenOver(standby, "kept");
    await primary.kill();
    await promote(standby);
    await standby.query("SELECT pg_logical_emit_message(true, 'test', 'text')");
    assert.deepEqual(
      await standby.query(
        "SELECT slot_name, failover FROM pg_replication_slots WHERE slot_name = 'kept' AND " +
          "EXISTS (SELECT FROM pg_logical_slot_peek_binary_changes('kept', NULL, NULL, " +
          "'proto_version', '1', 'publication_names', 'none', 'messages', 'true'))",
      ),
      [{ slot_name: "kept", failover: "t" }],
    );
  });
}
