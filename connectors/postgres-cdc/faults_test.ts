import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { assertPrompt } from "../../tests/fakes/promptly.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { startProxy } from "../../tests/servers/proxy.ts";
import { Catalog } from "./catalog.ts";
import { endpointOf } from "./endpoint.ts";
import { parseLsn } from "./lsn.ts";
import type { Value } from "../../formats/data/value.ts";
import { configFor, Reader, serverRows, sortedRows, testContext, text, waitForSlot } from "./testing.ts";

/** Reads until it fails, and returns the failure. */
async function failure(reader: Reader): Promise<ConnectorError> {
  try {
    while (await reader.next());
  } catch (error) {
    assert(error instanceof ConnectorError, `${error}`);
    assert.equal(error.message.includes("secret"), false, "the message holds the password");
    return error;
  }
  throw new assert.AssertionError({ message: "The source ended without an error" });
}

const ids = (records: readonly DataRecord[]) => records.map(({ key }) => (key as { id: number }).id);

Deno.test("a wrong password, a missing database and a closed port are errors that say so", async () => {
  await using pg = await startPostgres();
  const cases = [
    [configFor(pg, { password: "wrong" }), "auth_rejected", /28P01/],
    [configFor(pg, { database: "my-db" }), "not_found_database", /"my-db"/],
    [configFor(pg, { port: 1 }), "connection_refused", /127\.0\.0\.1:1/],
  ] as const;
  for (const [config, code, message] of cases) {
    await using reader = new Reader(config);
    const error = await failure(reader);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.hint);
  }
});

Deno.test("a server that writes no logical log is refused with the statement that changes it", async () => {
  await using pg = await startPostgres({ settings: { wal_level: "replica" } });
  await using reader = new Reader(configFor(pg));
  const error = await failure(reader);
  assert.equal(error.code, "state_wal_level");
  assert.match(error.hint ?? "", /ALTER SYSTEM SET wal_level/);
});

Deno.test("what must not be created is missed with the statement that creates it", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  {
    await using reader = new Reader(configFor(pg, { auto_create_publication: false, tables: ["t"] }));
    const error = await failure(reader);
    assert.equal(error.code, "not_found_publication");
    assert.match(error.hint ?? "", /CREATE PUBLICATION "rivven_pub" FOR TABLE "public"\."t"/);
  }
  {
    await using reader = new Reader(configFor(pg, { auto_create_slot: false }));
    const error = await failure(reader);
    assert.equal(error.code, "not_found_slot");
    assert.match(error.hint ?? "", /pg_create_logical_replication_slot\('rivven_slot', 'pgoutput'\)/);
  }
  await pg.query("CREATE TABLE late (id int PRIMARY KEY)");
  await pg.query("CREATE PUBLICATION narrow FOR TABLE t");
  await using reader = new Reader(configFor(pg, { publication: "narrow", tables: ["late"] }));
  const error = await failure(reader);
  assert.equal(error.code, "state_publication");
  assert.match(error.hint ?? "", /ALTER PUBLICATION "narrow" ADD TABLE "public"\."late"/);
});

Deno.test("a database with a hyphen and a slot that was made by hand are read exactly", async () => {
  await using pg = await startPostgres();
  await pg.createDatabase("my-shop");
  const client = await pg.connect({ database: "my-shop" });
  await client.query(
    "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION rivven_pub FOR TABLE t; INSERT INTO t VALUES (1)",
  );
  await client.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput')");
  await client.query("INSERT INTO t VALUES (2)");
  await using reader = new Reader(configFor(pg, { database: "my-shop" }));
  await reader.atLeast(2);
  const pending = reader.next();
  await waitForSlot(pg);
  await client.query("INSERT INTO t VALUES (3)");
  await client.end();
  await pending;
  const records = await reader.atLeast(3);
  assert.deepEqual(records.map(({ operation, key }) => [operation, key]), [
    ["snapshot", { id: 1 }],
    ["snapshot", { id: 2 }],
    ["insert", { id: 3 }],
  ]);
});

Deno.test("a slot that vanished while a position was saved is an error; when_needed takes a new snapshot", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  const context = testContext();
  let position;
  {
    await using reader = new Reader(configFor(pg), undefined, context);
    await reader.atLeast(1);
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO t VALUES (2)");
    await pending;
    await reader.atLeast(2);
    position = reader.position;
  }
  await pg.query("INSERT INTO t VALUES (3)");
  await dropSlot(pg);
  {
    await using reader = new Reader(configFor(pg), position, context);
    const error = await failure(reader);
    assert.equal(error.code, "state_slot_gone");
    assert.equal(error.retryable, false);
    assert.match(error.hint ?? "", /when_needed/);
  }
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "when_needed" } }), position, context);
  const records = await reader.atLeast(3);
  assert.deepEqual(ids(records), [1, 2, 3]);
  assert.equal(reader.batches[0].lane, "snapshot/public.t/2");
});

Deno.test("an interrupted snapshot is taken again under another number, and the hand-over stays exact", async () => {
  await using pg = await startPostgres();
  await pg.query(
    "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 5000) i",
  );
  const context = testContext();
  let position;
  let delivered: DataRecord[];
  {
    await using reader = new Reader(configFor(pg), undefined, context);
    await reader.next();
    position = reader.position;
    delivered = reader.records;
  }
  assert.equal((position as { snapshot?: { attempt: number } }).snapshot?.attempt, 1);
  // Rows 11 to 20 were delivered already: without the changes in between nobody would learn that they are gone.
  await pg.query("UPDATE t SET v = 1 WHERE id <= 10; DELETE FROM t WHERE id > 4990 OR id BETWEEN 11 AND 20");
  await using reader = new Reader(configFor(pg), position, context);
  await reader.atLeast(4980);
  const pending = reader.next();
  await waitForSlot(pg);
  await pg.query("UPDATE t SET v = 2 WHERE id <= 5; INSERT INTO t VALUES (9999, 9)");
  await pending;
  const records = await reader.until((records) => ids(records).includes(9999));
  assert.equal(reader.batches[0].lane, "snapshot/public.t/2");
  const table = upserted([...delivered, ...records]);
  assert.deepEqual(sortedRows(table), await serverRows(pg, "t"));
  assert.deepEqual(await pg.query("SELECT slot_name FROM pg_replication_slots"), [{
    slot_name: "rivven_slot",
  }]);
});

/** What a consumer has that stores by key, as it does where rows may come again. */
function upserted(records: readonly DataRecord[]): Map<string, Record<string, Value>> {
  const rows = new Map<string, Record<string, Value>>();
  for (const { operation, key, after } of records) {
    const id = text(key as Record<string, Value>);
    if (operation === "delete") rows.delete(id);
    else rows.set(id, after as Record<string, Value>);
  }
  return rows;
}

Deno.test("a slot in use is waited for and named; then it is a conflict that may be tried again", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const keys = { snapshot: { mode: "never" } };
  await using first = new Reader(configFor(pg, keys));
  const reading = first.next();
  await waitForSlot(pg);
  {
    await using second = new Reader(
      configFor(pg, { ...keys, slot_max_retries: 2, slot_retry_delay_ms: 200 }),
    );
    const error = await failure(second);
    assert.equal(error.code, "conflict_slot_active");
    assert.equal(error.retryable, true);
    const [{ active_pid }] = await pg.query("SELECT active_pid FROM pg_replication_slots");
    assert.match(error.message, new RegExp(`by process ${active_pid} `));
  }
  await using third = new Reader(configFor(pg, keys));
  const waiting = third.next();
  while (!third.context.messages.some((message) => /is in use by process/.test(message))) await pause(20);
  await pg.query("INSERT INTO t VALUES (1)");
  await reading;
  first.acknowledges = false;
  await first[Symbol.asyncDispose]();
  await pg.query("INSERT INTO t VALUES (2)");
  await waiting;
  assert.equal(ids(await third.until((records) => ids(records).includes(2))).at(-1), 2);
});

Deno.test("a connection cut anywhere in a transaction is a retryable error, and resuming gives exactly the rest", async () => {
  await using pg = await startPostgres();
  await using proxy = await startProxy({ target: pg });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY, v text)");
  const config = configFor({
    host: proxy.host,
    port: proxy.port,
    user: pg.user,
    password: pg.password,
    database: pg.database,
  }, {
    snapshot: { mode: "never" },
    slot_max_retries: 100,
    slot_retry_delay_ms: 200,
  });
  const seen: DataRecord[] = [];
  let position;
  {
    await using reader = new Reader(config);
    const first = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO t VALUES (0, '')");
    await first;
    seen.push(...reader.records);
    position = reader.position;
  }
  await pg.query("INSERT INTO t SELECT i, repeat('x', 50) FROM generate_series(1, 20000) i");
  let cuts = 0;
  // Each time the server begins the transaction again, and gets further before the line is cut.
  for (let bytes = 100_000; !ids(seen).includes(20000); bytes += 137_117) {
    proxy.cutAfterBytes(bytes);
    await using reader: Reader = new Reader(config, position);
    try {
      await reader.until((records) => ids(records).includes(20000));
    } catch (error) {
      assert(error instanceof ConnectorError && error.retryable && error.kind === "connection", `${error}`);
      cuts++;
    }
    proxy.pass();
    seen.push(...reader.records);
    position = reader.position ?? position;
  }
  assert(cuts >= 10, `${cuts} cuts`);
  assert.deepEqual(ids(seen), Array.from({ length: 20001 }, (_, i) => i));
});

Deno.test("a server that is stopped and started is an error to retry, and nothing is lost or twice", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const config = configFor(pg, { snapshot: { mode: "never" } });
  await using first = new Reader(config);
  const started = first.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO t VALUES (1)");
  await started;
  await first.atLeast(1);
  const stopping = pg.restart({ mode: "fast" });
  const error = await failure(first);
  assert.equal(error.retryable, true);
  assert.equal(error.kind, "connection");
  await stopping;
  await pg.query("INSERT INTO t VALUES (2)");
  await using second = new Reader(config, first.position);
  assert.deepEqual([...ids(first.records), ...ids(await second.atLeast(1))], [1, 2]);
});

Deno.test("a server that goes silent is noticed", async () => {
  // Long enough for a busy machine to answer in time while the server is there.
  await using pg = await startPostgres({ settings: { wal_sender_timeout: "2s" } });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
  const failing = failure(reader);
  await waitForSlot(pg);
  await pg.pause();
  const error = await failing;
  await pg.resume();
  assert.equal(error.code, "connection_timeout");
  assert.equal(error.retryable, true);
});

Deno.test("a consumer that sleeps longer than wal_sender_timeout keeps its connection", async () => {
  await using pg = await startPostgres({ settings: { wal_sender_timeout: "4s" } });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY, v text)");
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
  const started = reader.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 30000) i");
  await started;
  const [{ active_pid }] = await pg.query("SELECT active_pid FROM pg_replication_slots");
  await pause(6000);
  const records = await reader.until((records) => ids(records).includes(30000));
  assert.deepEqual(ids(records), Array.from({ length: 30000 }, (_, i) => i + 1));
  assert.deepEqual(await pg.query("SELECT active_pid FROM pg_replication_slots"), [{ active_pid }]);
});

Deno.test("the slot of a quiet database advances while others write, but not beyond what was acknowledged", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE noise (v text)");
  await pg.query("CREATE PUBLICATION rivven_pub FOR TABLE t");
  const keys = { snapshot: { mode: "never" }, status_update_interval_ms: 200 };
  await using reader = new Reader(configFor(pg, keys));
  reader.acknowledges = false;
  const first = reader.next();
  await waitForSlot(pg);
  const lsn = async (sql: string) => parseLsn((await pg.query(`SELECT (${sql})::text AS lsn`))[0].lsn!);
  const confirmed = () => lsn("SELECT confirmed_flush_lsn FROM pg_replication_slots");
  const before = await confirmed();
  await pg.query("INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 30000)");
  const end = await lsn("pg_current_wal_lsn()");
  await first;
  await reader.until(() => lsnOf(reader) >= end);
  assert.equal(reader.records.length, 0);
  await pause(500);
  assert.equal(await confirmed(), before);
  await reader.source.acknowledge(reader.position!);
  while (await confirmed() < end) await pause(20);
});

Deno.test("a transaction of 200,000 rows passes in batches", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY, v text)");
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
  const started = reader.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 200000) i");
  await started;
  const heapBefore = Deno.memoryUsage().heapUsed + Deno.memoryUsage().external;
  let count = reader.batches[0].length;
  let largest = 0;
  reader.batches.length = 0;
  while (count < 200_000) {
    const batch = await reader.next();
    count += batch!.length;
    largest = Math.max(largest, batch!.bytes.length);
    reader.batches.length = 0;
  }
  assert.equal(count, 200_000);
  assert(largest < (1 << 20) + 10_000);
  const grown = Deno.memoryUsage().heapUsed + Deno.memoryUsage().external - heapBefore;
  assert(grown < 100e6, `${Math.round(grown / 1e6)} MB more`);
});

Deno.test("a slot's creation that waits for a transaction says whose it is", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const blocker = await pg.connect({ application_name: "night job" });
  await blocker.query("BEGIN; INSERT INTO t VALUES (1)");
  await using reader = new Reader(configFor(pg));
  const first = reader.next();
  while (!reader.context.messages.some((message) => /waits for.*"night job"/.test(message))) await pause(50);
  await blocker.query("COMMIT");
  await blocker.end();
  await first;
  assert.deepEqual(ids(await reader.atLeast(1)), [1]);
});

Deno.test("reading ends within a second of being asked, whatever it waits for", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const blocker = await pg.connect();
  const ours = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'rivven%'";
  for (const state of ["streaming", "waiting for a slot", "hanging"]) {
    await assertPrompt(async () => {
      while ((await pg.query(ours)).length > 0) await pause(10);
      await pg.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
      if (state === "waiting for a slot") await blocker.query("BEGIN; INSERT INTO t VALUES (2)");
      const reader = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
      const next = reader.next();
      if (state === "streaming") await waitForSlot(pg);
      else if (state === "hanging") await pg.pause();
      else await pause(300);
      if (state === "hanging") await pause(300);
      const startedMs = performance.now();
      await reader[Symbol.asyncDispose]();
      assert.equal(await next, undefined);
      const tookMs = performance.now() - startedMs;
      if (state === "hanging") await pg.resume();
      if (state === "waiting for a slot") await blocker.query("ROLLBACK");
      return tookMs;
    });
  }
  await blocker.end();
});

Deno.test("the slot is free at once when reading was stopped, and the server has nothing to complain of", async () => {
  await using pg = await startPostgres({ settings: { log_min_messages: "info" } });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const reader = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
  const pending = reader.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO t SELECT generate_series(1, 50000)");
  await pending;
  await reader[Symbol.asyncDispose]();
  assert.deepEqual(await pg.query("SELECT active FROM pg_replication_slots"), [{ active: "f" }]);
  assert.doesNotMatch(await Deno.readTextFile(pg.logFile), /unexpected EOF|could not (send|receive)/);
});

function lsnOf(reader: Reader): bigint {
  return parseLsn((reader.position as { lsn?: string } | undefined)?.lsn ?? "0/0");
}

async function dropSlot(pg: Parameters<typeof waitForSlot>[0]): Promise<void> {
  while ((await pg.query("SELECT FROM pg_replication_slots WHERE active")).length > 0) await pause(10);
  await pg.query("SELECT pg_drop_replication_slot('rivven_slot')");
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("a control connection that is dead at both ends is noticed, so nothing waits behind it for ever", async () => {
  await using pg = await startPostgres();
  await using proxy = await startProxy({ target: pg });
  const { user, password, database } = pg;
  const config = configFor({ host: proxy.host, port: proxy.port, user, password, database });
  const { clock, log } = testContext();
  // The time after which somebody asks passes quickly, and so do ten seconds for a connection.
  const hurried = {
    ...clock,
    sleep: (ms: number, signal?: AbortSignal) => clock.sleep(Math.min(ms, 200), signal),
  };
  await using catalog = new Catalog(endpointOf(config, "test"), { clock: hurried, log }, config);
  await catalog.facts();
  proxy.swallow();
  await assert.rejects(
    () => catalog.facts(),
    (error) => error instanceof ConnectorError && error.code === "connection_timeout" && error.retryable,
  );
});
