import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { waitUntil } from "../../tests/servers/process.ts";
import { startProxy } from "../../tests/servers/proxy.ts";
import type { SourceContext } from "../contract.ts";
import { Catalog } from "./catalog.ts";
import { endpointOf } from "./endpoint.ts";
import { configFor, Reader, type TestContext, testContext, waitForSlot } from "./testing.ts";

/** Sleeps of a second or more take a fiftieth of their time: twenty seconds of patience are 0.4 s. */
function hastyContext(): TestContext {
  const { clock } = testContext();
  const hasty: SourceContext["clock"] = {
    ...clock,
    sleep: (ms, signal) => clock.sleep(ms >= 1000 ? ms / 50 : ms, signal),
  };
  return testContext({ clock: hasty });
}

async function said({ messages }: TestContext, what: RegExp): Promise<string> {
  const found = () => Promise.resolve(messages.find((message) => what.test(message)));
  return await waitUntil(found, { what: String(what), timeoutMs: 120_000 });
}

async function failure(promise: Promise<unknown>): Promise<ConnectorError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof ConnectorError, `${error}`);
  return error;
}

/** Somebody who has a table for himself until `end()`. */
async function lockedBy(pg: Postgres, application: string, table: string) {
  const client = await pg.connect({ application_name: application });
  await client.query(`BEGIN; SELECT 'pass''word'; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  return {
    async end() {
      await client.query("COMMIT");
      await client.end();
    },
  };
}

Deno.test("a publication is made when the lock that it waits for is free, and the log says who has it", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  const holder = await lockedBy(pg, "night job", "t");
  const context = hastyContext();
  await using reader = new Reader(configFor(pg, { tables: ["public.t"] }), undefined, context);
  const pending = reader.next();
  pending.catch(() => {});
  const warning = await said(context, /waits for the transaction/);
  assert.match(
    warning,
    /^warn: Trying to create publication "rivven_pub" on .* s: it waits for the transaction of process \d+ \(.*"night job".*pg_terminate_backend/,
  );
  assert.doesNotMatch(warning, /word/);
  await holder.end();
  await pending;
  assert.deepEqual((await reader.atLeast(1)).map(({ key }) => key), [{ id: 1 }]);
});

Deno.test("a snapshot that waits for a table says for whom, and goes on when it is free", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  await pg.query("CREATE PUBLICATION rivven_pub FOR TABLE t");
  const holder = await lockedBy(pg, "migration", "t");
  const context = hastyContext();
  const config = configFor(pg, { snapshot: { mode: "initial_only" } });
  await using reader = new Reader(config, undefined, context);
  const pending = reader.next();
  pending.catch(() => {});
  await said(context, /Trying to read table "public.t" .*waits for the transaction of process .*"migration"/);
  await holder.end();
  await pending;
  assert.deepEqual((await reader.atLeast(1)).map(({ key }) => key), [{ id: 1 }]);
});

Deno.test("values that are read for a row wait for a lock, while the slot is watched and the connection kept", async () => {
  await using pg = await startPostgres({ settings: { wal_sender_timeout: "2s" } });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY, n int, v text)");
  await pg.query("ALTER TABLE t ALTER v SET STORAGE EXTERNAL");
  await pg.query("INSERT INTO t VALUES (1, 1, repeat('x', 9000))");
  const context = hastyContext();
  const gauges: string[] = [];
  const metrics = { add: () => {}, set: (name: string) => void gauges.push(name) };
  await using reader = new Reader(
    configFor(pg, { snapshot: { mode: "never" }, toast_handling: "reselect" }),
    undefined,
    { ...context, metrics },
  );
  const pending = reader.next();
  await waitForSlot(pg);
  const client = await pg.connect({ application_name: "migration" });
  await client.query("BEGIN; UPDATE t SET n = 2; COMMIT; BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
  await said(context, /Trying to read values of "public.t" .*waits for the transaction of .*"migration"/);
  gauges.length = 0;
  await waitUntil(() => Promise.resolve(gauges.includes("slot_retained_bytes") || undefined), {
    what: "the slot to be looked at",
    timeoutMs: 120_000,
  });
  await client.query("COMMIT");
  await client.end();
  await pending;
  const [{ after, source }] = await reader.atLeast(1);
  assert.equal((after as { v: string }).v.length, 9000);
  assert.deepEqual(source?.reselected_columns, ["v"]);
});

Deno.test("a replica identity is set when nobody uses the table, and the waiting holds nobody up", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  await pg.query("CREATE PUBLICATION rivven_pub FOR TABLE t");
  const client = await pg.connect({ application_name: "report" });
  await client.query("BEGIN; SELECT FROM t");
  const context = hastyContext();
  const keys = { replica_identity_autoset: [{ table: "public.t", identity: "FULL" }] };
  await using reader = new Reader(configFor(pg, keys), undefined, context);
  const pending = reader.next();
  pending.catch(() => {});
  await said(
    context,
    /waits until nobody uses the table; it is used by process \d+ \(.*"report", in a transaction/,
  );
  // Would stand behind a waiting ALTER TABLE for ever.
  await pg.query("INSERT INTO t VALUES (2)");
  await client.query("COMMIT");
  await client.end();
  await pending;
  assert.equal((await reader.atLeast(2)).length, 2);
  const [{ relreplident }] = await pg.query("SELECT relreplident FROM pg_class WHERE relname = 't'");
  assert.equal(relreplident, "f");
});

Deno.test("a long statement, a lost answer and a server that stands still are told apart", async () => {
  await using pg = await startPostgres();
  await using proxy = await startProxy({ target: pg });
  const { user, password, database } = pg;
  const config = configFor({ host: proxy.host, port: proxy.port, user, password, database }, {
    // 1.2 s for the look over a second connection, as this clock counts.
    connect_timeout_secs: 30,
  });
  const context = hastyContext();
  await using catalog = new Catalog(endpointOf(config, "test"), context, config);

  await catalog.query("Cannot rest", "SELECT pg_sleep(3)");
  await said(context, /^warn: Trying to rest on .*the server waits \(Timeout: PgSleep\)/);

  proxy.swallow();
  const lost = failure(catalog.query("Cannot count", "SELECT 1"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  proxy.pass();
  const error = await lost;
  assert.equal(error.code, "connection_timeout");
  assert.equal(error.retryable, true);
  assert.match(
    error.message,
    /^Cannot count on .*the connection is dead: the server has answered, or was never asked/,
  );

  await catalog.query("Cannot count", "SELECT 1");
  const [{ pid }] = await catalog.query("Cannot look", "SELECT pg_backend_pid()::text AS pid");
  const ended = failure(catalog.query("Cannot rest", "SELECT pg_sleep(60)"));
  // Ended before it has begun, it would begin on another connection.
  const sleeps = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
  await waitUntil(async () => (await pg.query(sleeps, [pid])).length > 0, {
    what: "the statement to run",
    timeoutMs: 120_000,
  });
  proxy.swallow();
  await pg.query("SELECT pg_terminate_backend($1)", [pid]);
  // What the server says at last must not come through, or the statement is tried again at once.
  const isThere = "SELECT 1 FROM pg_stat_activity WHERE pid = $1";
  await waitUntil(async () => (await pg.query(isThere, [pid])).length === 0, {
    what: "the process to be gone",
    timeoutMs: 120_000,
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  proxy.pass();
  assert.equal((await ended).kind, "connection");

  await catalog.query("Cannot count", "SELECT 1");
  proxy.swallow();
  assert.match((await failure(catalog.facts())).message, /a second connection does not come about either/);
});
