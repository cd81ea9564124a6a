import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { caughtUp, promote, slotTakenOver, startStandby } from "../../tests/servers/postgres_standby.ts";
import { waitUntil } from "../../tests/servers/process.ts";
import type { SourceContext } from "../contract.ts";
import { withoutValues } from "./slot.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

/** Sleeps of a second or more take a twentieth of their time: nobody waits for the monitor. */
function hastyClock(): SourceContext["clock"] {
  const { clock } = testContext();
  return { ...clock, sleep: (ms, signal) => clock.sleep(ms >= 1000 ? ms / 20 : ms, signal) };
}

async function failure(reading: Promise<unknown>): Promise<ConnectorError> {
  const error = await reading.then(() => undefined, (error) => error);
  assert(error instanceof ConnectorError, `${error}`);
  return error;
}

async function readAll(reader: Reader): Promise<void> {
  while (await reader.next());
}

async function said(reader: Reader, what: RegExp): Promise<string> {
  return await waitUntil(
    () => Promise.resolve(reader.context.messages.find((message) => what.test(message))),
    { what: String(what), timeoutMs: 120_000 },
  );
}

async function fillLog(pg: Postgres, megabytes: number): Promise<void> {
  for (let i = 0; i < megabytes; i++) {
    await pg.query("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000000))");
  }
}

for (const version of [18, 17] as const) {
  Deno.test(`PostgreSQL ${version}: slot_failover makes a slot that goes on after a failover, and mends one that is there`, async (t) => {
    await using primary = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (primary === undefined) return;
    await primary.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    await using standby = await startStandby(primary);
    const keys = { slot_failover: true };
    const flags = () =>
      primary.query("SELECT failover FROM pg_replication_slots WHERE slot_name = 'rivven_slot'");
    const context = testContext();
    let position;
    {
      await using reader = new Reader(configFor(primary, { slot_failover: false }), undefined, context);
      await reader.atLeast(1);
      position = reader.position;
    }
    assert.deepEqual(await flags(), [{ failover: "f" }]);
    await primary.query("INSERT INTO t VALUES (2)");
    {
      const reader = new Reader(
        configFor(primary, { ...keys, status_update_interval_ms: 500 }),
        position,
        context,
      );
      await reader.atLeast(1);
      await said(reader, /Standbys copy slot "rivven_slot"/);
      assert.deepEqual(await flags(), [{ failover: "t" }]);
      // The standby takes a slot over once it moves on.
      const reading = readAll(reader);
      const moving = setInterval(() => primary.query("SELECT pg_log_standby_snapshot()"), 1000);
      await slotTakenOver(standby, "rivven_slot");
      clearInterval(moving);
      await reader[Symbol.asyncDispose]();
      await reading;
      position = reader.position;
    }
    {
      await using reader = new Reader(configFor(standby, { slot_failover: false }), position, context);
      assert.equal((await failure(readAll(reader))).code, "conflict_slot_synced");
    }
    await primary.query("INSERT INTO t VALUES (3)");
    await caughtUp(standby, primary);
    await primary.kill();
    await promote(standby);
    await standby.query("INSERT INTO t VALUES (4)");
    await using reader = new Reader(configFor(standby, keys), position, context);
    const records = await reader.atLeast(2);
    assert.deepEqual(records.map(({ operation, key }) => [operation, key]), [
      ["insert", { id: 3 }],
      ["insert", { id: 4 }],
    ]);
  });
}

Deno.test("slot_failover is refused by servers that have none", async (t) => {
  await using pg = await requireServer(t, () => startPostgres({ version: 15 }));
  if (pg === undefined) return;
  await using reader = new Reader(configFor(pg, { slot_failover: true }));
  const error = await failure(readAll(reader));
  assert.equal(error.code, "state_slot_failover");
  assert.deepEqual(await pg.query("SELECT FROM pg_replication_slots"), []);
});

for (const version of [18, 16] as const) {
  Deno.test(`PostgreSQL ${version}: a standby is read from as well, its slot comes when the primary has logged what is open`, async (t) => {
    await using primary = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (primary === undefined) return;
    await primary.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    await using standby = await startStandby(primary);
    {
      await using reader = new Reader(configFor(standby));
      const error = await failure(readAll(reader));
      assert.equal(error.code, "state_publication");
      assert.match(error.hint ?? "", /^Run on the primary: CREATE PUBLICATION "rivven_pub"/);
    }
    await primary.query("CREATE PUBLICATION rivven_pub FOR TABLE t");
    await caughtUp(standby, primary);
    await using reader = new Reader(configFor(standby));
    const first = reader.atLeast(1);
    // An idle primary logs it after 15 s only where something was written since.
    assert.match(await said(reader, /waits for the primary/), /pg_log_standby_snapshot\(\)/);
    await primary.query("SELECT pg_log_standby_snapshot()");
    assert.deepEqual((await first).map(({ operation }) => operation), ["snapshot"]);
    const pending = reader.next();
    await waitUntil(
      async () =>
        (await standby.query("SELECT FROM pg_stat_replication WHERE state = 'streaming'"))[0] && true,
      { what: "the stream", timeoutMs: 120_000 },
    );
    await primary.query("INSERT INTO t VALUES (2)");
    await pending;
    const records = await reader.atLeast(2);
    assert.deepEqual(records.map(({ operation, key }) => [operation, key]), [
      ["snapshot", { id: 1 }],
      ["insert", { id: 2 }],
    ]);
  });
}

Deno.test("max_wal_lag warns once while the sinks are behind, and says when they are not any more", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const gauges = new Map<string, number>();
  const metrics = { add: () => {}, set: (name: string, value: number) => void gauges.set(name, value) };
  const keys = { snapshot: { mode: "never" }, max_wal_lag: "20MB" };
  await using reader = new Reader(
    configFor(pg, keys),
    undefined,
    testContext({ clock: hastyClock(), metrics }),
  );
  reader.acknowledges = false;
  const pending = reader.next();
  await waitForSlot(pg);
  await fillLog(pg, 30);
  await pg.query("INSERT INTO t VALUES (1)");
  await pending;
  await reader.atLeast(1);
  const warning = await said(reader, /more than max_wal_lag/);
  assert.match(warning, /^warn: The server keeps \d+(\.\d+)? MB of log for slot "rivven_slot"/);
  // It may have been said while the log still grew.
  for (const name of ["slot_retained_bytes", "replication_lag_bytes"]) {
    await waitUntil(() => Promise.resolve(gauges.get(name)! > 30e6), { what: name, timeoutMs: 120_000 });
  }
  assert.equal(gauges.get("slot_wal_status"), 0);
  // The sinks are there again: the server hears of it, and lets go at its next checkpoint.
  reader.acknowledges = true;
  const reading = readAll(reader);
  await waitUntil(async () => {
    await pg.query("CHECKPOINT");
    return reader.context.messages.some((message) => /^info: The server keeps only/.test(message)) ||
      undefined;
  }, { what: "less log", timeoutMs: 120_000 });
  await reader[Symbol.asyncDispose]();
  await reading;
  assert.equal(reader.context.messages.filter((message) => /more than max_wal_lag/.test(message)).length, 1);
});

Deno.test("a slot that the server gives up while the sinks are slow ends the reading, and the error names the setting", async () => {
  await using pg = await startPostgres({
    fsync: false,
    settings: {
      max_slot_wal_keep_size: "16MB",
      wal_keep_size: "0",
      max_wal_size: "32MB",
      min_wal_size: "32MB",
    },
  });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const context = testContext({ clock: hastyClock() });
  const keys = { snapshot: { mode: "never" } };
  let position;
  {
    await using reader = new Reader(configFor(pg, keys), undefined, context);
    reader.acknowledges = false;
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO t VALUES (1)");
    await pending;
    await reader.atLeast(1);
    position = reader.position;
    await fillLog(pg, 80);
    // The checkpoint waits until the slot is free, which the server can't see to while we take nothing.
    await pg.query("CHECKPOINT");
    const error = await failure(readAll(reader));
    // On a busy machine the server may have given it up before anybody looked.
    if (error.code !== "state_slot_lost") {
      assert.equal(error.code, "connection_released");
      assert.equal(error.retryable, true);
      const warning = /about to give up slot.*max_slot_wal_keep_size/;
      assert(reader.context.messages.some((message) => warning.test(message)));
    }
  }
  {
    await using reader = new Reader(configFor(pg, keys), position, context);
    const error = await failure(readAll(reader));
    assert.equal(error.code, "state_slot_lost");
    assert.match(error.hint ?? "", /max_slot_wal_keep_size/);
  }
  // With when_needed a slot of the same name takes its place, and a snapshot that of the changes.
  await pg.query("INSERT INTO t VALUES (2)");
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "when_needed" } }), position, context);
  await reader.atLeast(2);
  const pending = reader.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO t VALUES (3)");
  await pending;
  const records = await reader.atLeast(3);
  assert.deepEqual(records.map(({ operation, key }) => [operation, key]), [
    ["snapshot", { id: 1 }],
    ["snapshot", { id: 2 }],
    ["insert", { id: 3 }],
  ]);
});

Deno.test("a slot is not made before open transactions end, and the warning shows whose they are but no values", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY, secret text)");
  const client = await pg.connect({ application_name: "night job" });
  await client.query("BEGIN");
  await client.query("INSERT INTO t VALUES (4711, 'pass''word')");
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
  const pending = reader.next();
  const warning = await said(reader, /waits for the transaction/);
  assert.match(
    warning,
    /application "night job", idle in transaction.*INSERT INTO t VALUES \(\?, \?\).*pg_terminate_backend/,
  );
  assert.equal(/4711|pass|word/.test(warning), false, warning);
  await client.query("ROLLBACK");
  await client.end();
  await waitForSlot(pg);
  await pg.query("INSERT INTO t VALUES (1)");
  await pending;
  await reader.atLeast(1);
});

Deno.test("statements are shown without what they hold", () => {
  assert.equal(
    withoutValues("SELECT  *\nFROM t1 WHERE a = 'it''s' AND b > 12.5"),
    "SELECT * FROM t1 WHERE a = ? AND b > ?",
  );
  assert.equal(withoutValues("SELECT $$a 'b'$$, $x$ y $x$, E'un"), "SELECT ?, ?, E?");
  assert.equal(withoutValues("x".repeat(200)).length, 101);
});
