import assert from "node:assert/strict";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { waitUntil } from "../../tests/servers/process.ts";
import type { Metrics } from "../contract.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

/** Metrics that can be looked at. */
function counters(): { metrics: Metrics; values: Map<string, number> } {
  const values = new Map<string, number>();
  return {
    values,
    metrics: {
      add: (name, by = 1) => void values.set(name, (values.get(name) ?? 0) + by),
      set: (name, value) => void values.set(name, value),
    },
  };
}

/** Reads on in the background, until the reader is disposed of. */
function readOn(reader: Reader): Promise<void> {
  return (async () => {
    while (await reader.next());
  })();
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  await waitUntil(async () => await isSo() || undefined, { what: String(isSo), timeoutMs: 120_000 });
}

async function retained(pg: Postgres): Promise<number> {
  // restart_lsn follows when the server notes which transactions are open, as each checkpoint does.
  await pg.query("CHECKPOINT");
  const [{ bytes }] = await pg.query(
    "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text AS bytes FROM pg_replication_slots",
  );
  return Number(bytes);
}

for (const version of [18, 15] as const) {
  for (const keys of [{}, { heartbeat_interval_secs: 1, heartbeat_emit_message: true }]) {
    const how = "heartbeat_emit_message" in keys ? "with heartbeats" : "without heartbeats";
    Deno.test(`PostgreSQL ${version}: 200 MB written to another database don't stay for an idle slot, ${how}`, async (t) => {
      await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
      if (pg === undefined) return;
      await pg.query("CREATE TABLE quiet (id int PRIMARY KEY)");
      await pg.createDatabase("busy");
      const client = await pg.connect({ database: "busy" });
      await client.query("CREATE TABLE noise (t text); ALTER TABLE noise ALTER t SET STORAGE PLAIN");
      const settings = configFor(pg, {
        ...keys,
        status_update_interval_ms: 1000,
        snapshot: { mode: "never" },
      });
      await using reader = new Reader(settings);
      const reading = readOn(reader);
      await waitForSlot(pg);
      const before = await retained(pg);
      await client.query("INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 200000)");
      await client.end();
      const [{ written }] = await pg.query("SELECT pg_current_wal_lsn() - '0/0' AS written");
      assert(Number(written) > 200e6, `${written} bytes of log`);
      await until(async () => await retained(pg) < 64e6);
      assert(before < 64e6);
      await reader[Symbol.asyncDispose]();
      await reading;
      assert.deepEqual(reader.records, []);
    });
  }
}

Deno.test("a heartbeat keeps its interval, also where its own table is captured, and is no logical message", async () => {
  await using pg = await startPostgres();
  await pg.query(
    "CREATE TABLE beats (id int PRIMARY KEY, at timestamptz); INSERT INTO beats VALUES (1, now())",
  );
  const { metrics, values } = counters();
  const keys = {
    snapshot: { mode: "never" },
    heartbeat_interval_secs: 1,
    heartbeat_action_query: "UPDATE beats SET at = clock_timestamp()",
    heartbeat_emit_message: true,
    logical_messages: { enabled: true },
  };
  const startedMs = performance.now();
  await using reader = new Reader(configFor(pg, keys), undefined, testContext({ metrics }));
  const reading = readOn(reader);
  // The last one's answer may come behind the change that it made.
  await until(() => reader.records.length >= 4 && values.get("heartbeats_total")! >= 4);
  // Four changes are at least three intervals apart; a loop that feeds itself would make thousands.
  assert(performance.now() - startedMs > 2500, `${performance.now() - startedMs} ms`);
  await reader[Symbol.asyncDispose]();
  await reading;
  const tookMs = performance.now() - startedMs;
  assert(reader.records.length <= 1 + Math.ceil(tookMs / 1000), `${reader.records.length} in ${tookMs} ms`);
  assert.deepEqual(
    [...new Set(reader.records.map(({ stream, operation }) => `${stream.name} ${operation}`))],
    [
      "beats update",
    ],
  );
});

Deno.test("a heartbeat that fails is a warning, once, and reading goes on", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const { metrics, values } = counters();
  const keys = {
    snapshot: { mode: "never" },
    tables: ["t"],
    heartbeat_interval_secs: 1,
    heartbeat_action_query: "INSERT INTO beats VALUES (now())",
  };
  await using reader = new Reader(configFor(pg, keys), undefined, testContext({ metrics }));
  const reading = readOn(reader);
  await waitForSlot(pg);
  await until(() => (values.get("heartbeat_errors_total") ?? 0) >= 2);
  await pg.query("INSERT INTO t VALUES (1)");
  await until(() => reader.records.length === 1);
  await pg.query("CREATE TABLE beats (at timestamptz)");
  await until(() => (values.get("heartbeats_total") ?? 0) >= 1);
  await reader[Symbol.asyncDispose]();
  await reading;
  const said = reader.context.messages.filter((message) =>
    /heartbeat/.test(message) && !message.startsWith("debug")
  );
  assert.equal(said.length, 2, said.join("\n"));
  assert.match(said[0], /^warn: Cannot run the heartbeat.*relation "beats" does not exist/);
  assert.match(said[1], /^info: The heartbeat works again/);
});
