import assert from "node:assert/strict";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { caughtUp, slotTakenOver, startStandby } from "../../tests/servers/postgres_standby.ts";
import type { CheckFinding } from "../contract.ts";
import { openSource } from "./source.ts";
import { configFor, testContext } from "./testing.ts";

async function check(config: ReturnType<typeof configFor>): Promise<CheckFinding[]> {
  const findings: CheckFinding[] = [];
  await using source = openSource(config, testContext());
  await source.check((finding) => void findings.push(finding));
  return findings;
}

/** The findings of a name, as `warning: what was found`. */
function of(findings: readonly CheckFinding[], name: string): string[] {
  return findings.filter((each) => each.name === name).map(({ status, message }) => `${status}: ${message}`);
}

function hint(findings: readonly CheckFinding[], name: string): string {
  return findings.find((each) => each.name === name && each.status !== "ok")?.hint ?? "";
}

Deno.test("check() says how much log a slot keeps, and which limit will not warn in time", async () => {
  await using pg = await startPostgres({ fsync: false, settings: { max_slot_wal_keep_size: "64MB" } });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  await pg.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput')");
  const tight = await check(configFor(pg, { max_wal_lag: "1GB" }));
  assert.match(
    of(tight, "slot_lag").join(),
    /^ok: The server keeps .* of log for it; it is lost after .* more$/,
  );
  assert.match(of(tight, "max_wal_lag").join(), /^warning: 1GB is not below max_slot_wal_keep_size \(64MB\)/);
  for (let i = 0; i < 20; i++) {
    await pg.query("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000000))");
  }
  const behind = await check(configFor(pg, { max_wal_lag: "10MB" }));
  assert.match(of(behind, "slot_lag").join(), /^warning: .* more than max_wal_lag$/);
  assert.deepEqual(of(behind, "max_wal_lag"), []);
});

Deno.test("check() plans the heartbeat's statement without running it", async () => {
  await using pg = await startPostgres();
  await pg.query(
    "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE beats (n int); INSERT INTO beats VALUES (0)",
  );
  const said = async (heartbeat_action_query: string) =>
    of(await check(configFor(pg, { heartbeat_action_query })), "heartbeat");
  assert.deepEqual(await said("UPDATE beats SET n = n + 1;"), ["ok: Every 10 s"]);
  assert.match((await said("UPDATE beat SET n = 1")).join(), /^warning: .*relation "beat" does not exist/);
  // What can't be planned alone is not touched.
  assert.deepEqual(await said("UPDATE beats SET n = 5; UPDATE beats SET n = 6"), []);
  assert.deepEqual(await said("DROP TABLE beats"), []);
  assert.deepEqual(await pg.query("SELECT n FROM beats"), [{ n: "0" }]);
});

Deno.test("check() names tables that a pattern selects and the publication lacks, with the statement", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE a (id int PRIMARY KEY, x int, y int); CREATE TABLE b (id int PRIMARY KEY)");
  await pg.query("CREATE PUBLICATION rivven_pub FOR TABLE a (id, y) WHERE (id > 0)");
  const before = await check(configFor(pg));
  assert.match(of(before, "publication_tables").join(), /^warning: "rivven_pub" does not send "public\.b"/);
  await using source = openSource(configFor(pg), testContext());
  const remarks = (await source.discover!()).map((found) => [found.stream.name, found.remarks]);
  assert.deepEqual(remarks, [
    ["a", [
      'publication "rivven_pub" leaves out "x"',
      'publication "rivven_pub" sends only some of its rows',
    ]],
    ["b", ['publication "rivven_pub" does not send its changes']],
  ]);
  await pg.query(hint(before, "publication_tables").replace("Run: ", ""));
  assert.deepEqual(of(await check(configFor(pg)), "publication_tables"), []);
});

Deno.test("check() says what failover slots and standbys need", async (t) => {
  await using old = await requireServer(t, () => startPostgres({ version: 15 }));
  if (old === undefined) return;
  await old.query("CREATE TABLE t (id int PRIMARY KEY)");
  assert.match(
    of(await check(configFor(old, { slot_failover: true })), "slot_failover").join(),
    /^failed: .*17/,
  );

  await using primary = await startPostgres({ fsync: false });
  await primary.query("CREATE TABLE t (id int PRIMARY KEY)");
  const keys = { slot_failover: true };
  assert.match(of(await check(configFor(primary, keys)), "slot_failover").join(), /^warning: No standby/);
  await primary.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput')");
  await using standby = await startStandby(primary);
  const alone = await check(configFor(primary, keys));
  assert.deepEqual(
    of(alone, "slot_failover").map((text) => text.slice(0, 30)),
    [
      "warning: Standbys don't copy sl",
      "warning: What is read may be ah",
    ].map((text) => text.slice(0, 30)),
  );
  const mend = alone.find(({ message }) => message.startsWith("What is read"))!.hint!.replace("Run: ", "");
  for (const statement of mend.split("; ")) await primary.query(statement);
  await primary.query("SELECT pg_drop_replication_slot('rivven_slot')");
  await primary.query(
    "SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput', false, false, true)",
  );
  const shown = async () =>
    (await primary.query("SHOW synchronized_standby_slots"))[0].synchronized_standby_slots;
  while (await shown() === "") await new Promise((resolve) => setTimeout(resolve, 20));
  assert.match(
    of(await check(configFor(primary, keys)), "slot_failover").join(),
    /^ok: Nothing is read before/,
  );

  await caughtUp(standby, primary);
  const onStandby = await check(configFor(standby, { slot_name: "own" }));
  assert.match(of(onStandby, "standby").join(), /^ok: .*pg_log_standby_snapshot/);
  assert.match(hint(onStandby, "publication"), /^Run on the primary: CREATE PUBLICATION "rivven_pub"/);
  await standby.query("ALTER SYSTEM SET hot_standby_feedback = off");
  await standby.query("SELECT pg_reload_conf()");
  const feedback = async () => (await standby.query("SHOW hot_standby_feedback"))[0].hot_standby_feedback;
  while (await feedback() === "on") await new Promise((resolve) => setTimeout(resolve, 20));
  assert.match(
    of(await check(configFor(standby, { slot_name: "own" })), "standby").join(),
    /^warning: .*feedback/,
  );
});

Deno.test("check() knows a standby's copy of a slot from a slot of its own", async () => {
  await using primary = await startPostgres({ fsync: false });
  await primary.query("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION rivven_pub FOR TABLE t");
  await using standby = await startStandby(primary);
  await primary.query(
    "SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput', false, false, true)",
  );
  await slotTakenOver(standby, "rivven_slot");
  const findings = await check(configFor(standby));
  assert.match(of(findings, "slot").join(), /^failed: .*standby/);
});
