import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { waitUntil } from "../../tests/servers/process.ts";
import type { Position } from "../contract.ts";
import { configFor, Reader, streamed, testContext, waitForSlot } from "./testing.ts";

const ids = (records: readonly DataRecord[]) =>
  records.map(({ after }) => Number((after as { id?: number })?.id));

Deno.test("a snapshot that no sink has taken confirms nothing: the next start reads all of it again, and the changes", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 3000)");
  const context = testContext();
  const keys = { status_update_interval_ms: 100 };
  const confirmed = async () => {
    const [row] = await pg.query("SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots");
    return row.lsn;
  };
  let before;
  {
    await using reader = new Reader(configFor(pg, keys), undefined, context);
    reader.acknowledges = false;
    await reader.atLeast(3000);
    const pending = reader.next();
    await waitForSlot(pg);
    before = await confirmed();
    await pg.query("INSERT INTO t VALUES (3001)");
    await pending;
    await reader.until((records) => ids(records).includes(3001));
    // Some messages about how far the sinks are go by.
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  assert.equal(await confirmed(), before);
  await using again = new Reader(configFor(pg, keys), undefined, context);
  const records = await again.until((all) => all.some(({ operation }) => operation === "insert"));
  assert.deepEqual(
    ids(records.slice(0, 3001)).sort((a, b) => a - b),
    Array.from({ length: 3001 }, (_, i) => i + 1),
  );
  // It stands in the snapshot and, because nothing was confirmed, in the stream behind it.
  assert.deepEqual(ids(records.slice(3001)), [3001]);
});

Deno.test("while a snapshot is read no replication connection is idle, and the stream gets a new one", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 20000)");
  await using reader = new Reader(configFor(pg, { snapshot: { batch_size: 1000 } }));
  await reader.next();
  assert.equal(reader.records[0].operation, "snapshot");
  const senders = "SELECT FROM pg_stat_activity WHERE backend_type = 'walsender'";
  assert.equal((await pg.query(senders)).length, 0);
  await reader.atLeast(20_000);
  const pending = reader.next();
  await waitForSlot(pg);
  assert.equal((await pg.query(senders)).length, 1);
  await pg.query("INSERT INTO t VALUES (0)");
  await pending;
  await reader.until((records) => ids(records).includes(0));
});

Deno.test("a slot that is lost while the snapshot is read ends it, and the error names the setting", async () => {
  await using pg = await startPostgres({
    fsync: false,
    settings: {
      max_slot_wal_keep_size: "16MB",
      wal_keep_size: "0",
      max_wal_size: "32MB",
      min_wal_size: "32MB",
    },
  });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 50000)");
  const context = testContext();
  // The slot is looked at every ten seconds: these are shorter.
  const clock = { ...context.clock, monotonicMs: () => performance.now() * 100 };
  await using reader = new Reader(configFor(pg), undefined, { ...context, clock });
  await reader.next();
  for (let i = 0; i < 80; i++) {
    await pg.query(
      "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000)); SELECT pg_switch_wal()",
    );
  }
  await pg.query("CHECKPOINT");
  await waitUntil(async () => {
    const [row] = await pg.query("SELECT wal_status FROM pg_replication_slots");
    return row.wal_status === "lost" || undefined;
  }, { what: "the slot to be lost", timeoutMs: 120_000 });
  const error = await reader.atLeast(50_000).then(() => undefined, (error) => error);
  assert(error instanceof ConnectorError, `${error}`);
  assert.equal(error.code, "state_slot_lost");
  assert.match(error.hint ?? "", /max_slot_wal_keep_size/);
  assert(reader.records.length < 50_000);
});

Deno.test("a slot that somebody is just making is waited for, and nothing before it is taken for confirmed", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  const open = await pg.connect({ application_name: "open" });
  await open.query("BEGIN; INSERT INTO t VALUES (2)");
  const maker = await pg.connect({ application_name: "administrator" });
  const making = maker.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput')");
  await waitUntil(async () => {
    const [row] = await pg.query("SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots");
    return (row !== undefined && row.lsn === null) || undefined;
  }, { what: "a slot that has confirmed nothing", timeoutMs: 120_000 });
  const context = testContext();
  await using reader = new Reader(configFor(pg), undefined, context);
  const first = reader.next();
  await waitUntil(
    () =>
      Promise.resolve(
        context.messages.some((message) => /is in use by .*"administrator"/.test(message)) || undefined,
      ),
    { what: "the warning", timeoutMs: 120_000 },
  );
  await open.query("COMMIT");
  await making;
  await open.end();
  await maker.end();
  await first;
  assert.deepEqual(ids(await reader.atLeast(2)).sort(), [1, 2]);
  const pending = reader.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO t VALUES (3)");
  await pending;
  assert.deepEqual(ids(await reader.until((records) => ids(records).includes(3))).at(-1), 3);
});

Deno.test("a transaction of changed keys, with a changed key as its last change, is resumed behind any batch", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 4000)");
  const sql = [
    "UPDATE t SET id = id + 10000",
    "BEGIN; INSERT INTO t VALUES (1); UPDATE t SET id = 2 WHERE id = 1; COMMIT",
    "INSERT INTO t VALUES (3)",
  ];
  const all = await streamed(pg, {}, sql);
  const short = ({ operation, key, order }: DataRecord) => `${order} ${operation} ${JSON.stringify(key)}`;
  assert.equal(all.records.length, 2 * 4000 + 3 + 1);
  let read = 0;
  for (const [batch, position] of all.positions.entries()) {
    read += all.lengths[batch];
    if (read > all.records.length) break;
    const { records } = await streamed(pg, {}, [], position as Position);
    assert.deepEqual(records.map(short), all.records.slice(read).map(short), `behind ${read} records`);
  }
});
