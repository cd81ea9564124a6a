import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import type { PostgresPosition } from "./position.ts";
import { createWorkload, WORKLOAD_TABLES, writeAtRandom } from "./testdata/workload.ts";
import {
  configFor,
  Reader,
  serverRows,
  sortedRows,
  type TestContext,
  testContext,
  upsert,
  waitForSlot,
} from "./testing.ts";

/** Changes a row of a captured table. */
const TICK = "UPDATE tick SET n = n + 1";
const SIGNAL_TABLE =
  "CREATE TABLE rivven_signal (id varchar(42) PRIMARY KEY, type varchar(32), data varchar(2048)); CREATE TABLE tick (id int PRIMARY KEY, n int); INSERT INTO tick VALUES (1, 0)";

function signalConfig(pg: Postgres, keys: Record<string, unknown> = {}) {
  return configFor(pg, { signal: { enabled: true }, ...keys });
}

let signals = 0;

async function signal(pg: Postgres, type: string, data: unknown): Promise<void> {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  await pg.query("INSERT INTO rivven_signal VALUES ($1, $2, $3)", [`signal-${++signals}`, type, text]);
}

const execute = (...tables: string[]) => ({ "data-collections": tables, type: "incremental" });

/** Starts reading a stream and waits until it is there. */
async function begin(reader: Reader, pg: Postgres): Promise<void> {
  const pending = reader.next();
  await waitForSlot(pg);
  await signal(pg, "log", { message: "begun" });
  await pending;
}

/** Reads until something was logged. What is logged brings no batch, so something else has to. */
async function untilLogged(reader: Reader, pg: Postgres, message: RegExp): Promise<DataRecord[]> {
  const isLogged = () => reader.context.messages.some((each) => message.test(each));
  let ticks: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => ticks = ticks.then(() => pg.query(TICK)), 50);
  try {
    return await reader.until(isLogged);
  } finally {
    clearInterval(timer);
    await ticks;
  }
}

const logged = (context: TestContext, message: RegExp) =>
  context.messages.filter((each) => message.test(each));

const rowsOf = (records: readonly DataRecord[], name: string) =>
  records.filter(({ stream, operation }) => stream.name === name && operation === "snapshot");

Deno.test("a row of the signal table has a table read again, in pieces, and is no record itself", async () => {
  await using pg = await startPostgres();
  await pg.query(
    `${SIGNAL_TABLE}; CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE empty (id int PRIMARY KEY);
    INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 2500) i`,
  );
  const config = signalConfig(pg, {
    tables: ["t", "empty", "tick"],
    snapshot: { exclude_tables: ["tick"] },
    incremental_snapshot: { chunk_size: 1000 },
  });
  await using reader = new Reader(config);
  await reader.atLeast(2500);
  await begin(reader, pg);
  await signal(pg, "execute-snapshot", execute("public.t", "public.empty"));
  await untilLogged(reader, pg, /"public\.empty" is complete/);
  const again = rowsOf(reader.records.slice(2500), "t");
  assert.equal(again.length, 2500);
  assert.deepEqual(sortedRows(upsert(again).get("public.t")), await serverRows(pg, "t"));
  assert.deepEqual(new Set(reader.records.map(({ stream }) => stream.name)), new Set(["t", "tick"]));
  const lanes = new Set(reader.batches.map(({ lane }) => lane).filter((lane) => lane.startsWith("snapshot")));
  assert.deepEqual([...lanes], ["snapshot/public.t/1", "snapshot/public.t/2"]);
  const text = new TextDecoder().decode(
    reader.batches.findLast(({ lane }) => lane.startsWith("snapshot"))!.bytes,
  );
  assert.match(text, /"snapshot":"incremental"/);
  assert.equal((reader.position as PostgresPosition).incremental, undefined);
  assert.deepEqual(logged(reader.context, /^(warn|error)/), []);
});

for (const version of [18, 15] as const) {
  Deno.test(`PostgreSQL ${version}: tables that are read while 1,000 changes a second are made come out equal`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await createWorkload(pg, 3000);
    // By default neither the delete nor the insert of a changed key has a large value that stayed the same.
    await pg.query(`${SIGNAL_TABLE}; ALTER TABLE orders REPLICA IDENTITY FULL`);
    // Nothing of the tables is known but what the incremental snapshot and the stream bring.
    const config = signalConfig(pg, {
      snapshot: { mode: "never" },
      incremental_snapshot: { chunk_size: 200 },
    });
    await using reader = new Reader(config);
    await begin(reader, pg);
    const stop = new AbortController();
    const writers = [1, 2, 3].map((seed) => writeAtRandom(pg, seed, stop.signal));
    await signal(pg, "execute-snapshot", execute("public.orders", "public.pairs", "/Odd.*/"));
    await untilLogged(reader, pg, /"public\.pairs" is complete/);
    await untilLogged(reader, pg, /"Odd Schema.*is complete/);
    stop.abort();
    const transactions = (await Promise.all(writers)).reduce((a, b) => a + b);
    assert.ok(transactions > 200, `${transactions} transactions`);
    await pg.query("INSERT INTO finish VALUES (1)");
    await reader.until((records) => records.some(({ stream }) => stream.name === "finish"));
    const tables = upsert(reader.records);
    for (const table of WORKLOAD_TABLES.filter((name) => !name.includes("loose"))) {
      const name = table.replaceAll(/^"|"$|"(?=\.)|(?<=\.)"/g, "").replaceAll('""', '"');
      assert.deepEqual(sortedRows(tables.get(name)), await serverRows(pg, table), table);
    }
    assert.deepEqual(logged(reader.context, /^(warn|error)/), []);
  });
}

Deno.test("abandoned behind any batch, an incremental snapshot goes on there", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query(`${SIGNAL_TABLE}; CREATE TABLE t (a text, b int, v text, PRIMARY KEY (a, b));
    CREATE TABLE u (id uuid PRIMARY KEY, v int);
    INSERT INTO t SELECT chr(97 + i % 5) || E'\\t''', i, 'row ' || i FROM generate_series(1, 3000) i;
    INSERT INTO u SELECT gen_random_uuid(), i FROM generate_series(1, 1000) i`);
  const config = signalConfig(pg, { snapshot: { mode: "never" }, incremental_snapshot: { chunk_size: 300 } });
  const context = testContext();
  const stop = new AbortController();
  const writer = await pg.connect();
  const writing = (async () => {
    for (let n = 0; !stop.signal.aborted; n++) {
      await writer.query(
        `UPDATE t SET v = v || 'x' WHERE b % 97 = ${n % 97}; DELETE FROM t WHERE b = ${(n * 7) % 3000};
        UPDATE t SET b = b + 10000 WHERE b = ${
          (n * 11) % 3000
        }; INSERT INTO u VALUES (gen_random_uuid(), ${n})`,
      );
    }
    await writer.end();
  })();
  const delivered: DataRecord[] = [];
  let position: PostgresPosition | undefined;
  let attempts = 0;
  let isAsked = false;
  for (; logged(context, /"public\.u" is complete/).length === 0; attempts++) {
    await using reader = new Reader(config, position, context);
    if (!isAsked) {
      await begin(reader, pg);
      await signal(pg, "execute-snapshot", execute("public.t", "public.u"));
      isAsked = true;
    }
    // Some batches, until the position has moved in the snapshot.
    const before = JSON.stringify(
      (reader.position as PostgresPosition | undefined)?.incremental ?? position?.incremental,
    );
    for (let n = 0; n < 200; n++) {
      await reader.next();
      if (JSON.stringify((reader.position as PostgresPosition).incremental) !== before && n > 2) break;
    }
    delivered.push(...reader.records);
    position = reader.position as PostgresPosition;
  }
  assert.ok(attempts > 5, `${attempts} attempts`);
  stop.abort();
  await writing;
  await using reader = new Reader(config, position, context);
  const pending = reader.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO u VALUES ('00000000-0000-0000-0000-000000000000', -1)");
  await pending;
  delivered.push(
    ...await reader.until((records) => records.some(({ after }) => (after as { v?: unknown })?.v === -1)),
  );
  const tables = upsert(delivered);
  assert.deepEqual(sortedRows(tables.get("public.t")), await serverRows(pg, "t"));
  assert.deepEqual(sortedRows(tables.get("public.u")), await serverRows(pg, "u"));
  // No more than one piece a time came again.
  const rows = rowsOf(delivered, "t").length;
  assert.ok(rows < 3500 + attempts * 300, `${rows} rows in ${attempts} attempts`);
});

Deno.test("a snapshot is paused, resumed and stopped; a pause outlives a restart", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query(`${SIGNAL_TABLE}; CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);
    INSERT INTO a SELECT generate_series(1, 3000); INSERT INTO b SELECT generate_series(1, 3000)`);
  const config = signalConfig(pg, {
    snapshot: { mode: "never" },
    incremental_snapshot: { chunk_size: 100, chunk_delay_ms: 5 },
  });
  const context = testContext();
  let position;
  {
    await using reader = new Reader(config, undefined, context);
    await begin(reader, pg);
    await signal(pg, "execute-snapshot", execute("public.a", "public.b"));
    await reader.until((records) => rowsOf(records, "a").length >= 200);
    await signal(pg, "pause-snapshot", { type: "incremental" });
    await untilLogged(reader, pg, /are paused/);
    // What was under way still comes.
    await signal(pg, "log", { message: "where" });
    await untilLogged(reader, pg, /where/);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await signal(pg, "log", { message: "still" });
    await untilLogged(reader, pg, /still/);
    position = reader.position as PostgresPosition;
    assert.equal(position.incremental?.paused, true);
    assert.ok(rowsOf(reader.records, "a").length < 3000);
  }
  await using reader = new Reader(config, position, context);
  const pending = reader.next();
  await waitForSlot(pg);
  await signal(pg, "log", { message: "again" });
  await pending;
  await untilLogged(reader, pg, /again/);
  assert.equal(rowsOf(reader.records, "a").length, 0);
  await signal(pg, "resume-snapshot", "{}");
  await reader.until((records) => rowsOf(records, "a").length >= 200);
  await signal(pg, "stop-snapshot", { "data-collections": ["public.a"] });
  await untilLogged(reader, pg, /"public\.b" is complete/);
  const [a, b] = ["a", "b"].map((name) => rowsOf(reader.records, name).length);
  assert.ok(a < 3000 && b === 3000, `${a} of a, ${b} of b`);
  await signal(pg, "stop-snapshot", "");
  await untilLogged(reader, pg, /warn: No incremental snapshot that could be stopped/);
  assert.equal((reader.position as PostgresPosition).incremental, undefined);
});

Deno.test("requests that can't be done are answered in the log, and the next one is done", async () => {
  await using pg = await startPostgres();
  await pg.query(`${SIGNAL_TABLE}; CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE loose (v int);
    ALTER TABLE loose REPLICA IDENTITY FULL; INSERT INTO t SELECT i, i FROM generate_series(1, 10) i`);
  await using reader = new Reader(signalConfig(pg, { snapshot: { mode: "never" } }));
  await begin(reader, pg);
  const condition = (filter: string) => ({
    ...execute("public.t"),
    "additional-conditions": [{ "data-collection": "public.t", filter }],
  });
  const garbage: [string, unknown, RegExp][] = [
    ["execute-snapshot", "garbage", /no JSON/],
    ["execute-snapshot", execute("public.none"), /"public\.none" is no table that is captured/],
    ["execute-snapshot", execute("/(/"), /no pattern/],
    ["execute-snapshot", execute("public.loose"), /"public\.loose" has neither a primary key nor/],
    ["execute-snapshot", { ...execute("public.t"), type: "blocking" }, /blocking/],
    [
      "execute-snapshot",
      { ...execute("public.t"), "surrogate-key": "n" },
      /"n" of "public\.t" is no surrogate-key/,
    ],
    ["execute-snapshot", condition("nonsense > 1"), /the filter of "public\.t" is none/],
    ["execute-snapshot", condition("true) TO STDOUT; DROP TABLE t; --"), /the filter of "public\.t" is none/],
    ["execute-snapshot", condition("true /*"), /the filter of "public\.t" is none/],
    ["unknown", "{}", /type "unknown"/],
  ];
  for (const [type, data, message] of garbage) {
    await signal(pg, type, data);
    await untilLogged(reader, pg, new RegExp(`error: A signal is refused: .*${message.source}`));
  }
  await pg.query("INSERT INTO rivven_signal VALUES ('nulls', NULL, NULL)");
  await untilLogged(reader, pg, /"id":"nulls"/);
  // A filter that fails while it is used ends its snapshot, not the stream.
  await signal(pg, "execute-snapshot", condition("1 / (id - 5) > 0"));
  await untilLogged(reader, pg, /error: Incremental snapshot of "public\.t" is given up: .*division by zero/);
  await signal(pg, "execute-snapshot", condition("id > 3 -- the rest"));
  await untilLogged(reader, pg, /"public\.t" is complete/);
  assert.deepEqual(rowsOf(reader.records, "t").map(({ key }) => (key as { id: number }).id), [
    4,
    5,
    6,
    7,
    8,
    9,
    10,
  ]);
  assert.equal((reader.position as PostgresPosition).incremental, undefined);
});

Deno.test("a table that is new, one with another key to read it by, and one with large rows", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query(`${SIGNAL_TABLE}; CREATE TABLE t (id uuid PRIMARY KEY, n int NOT NULL UNIQUE);
    INSERT INTO t SELECT gen_random_uuid(), i FROM generate_series(1, 300) i;
    CREATE TABLE large (id int PRIMARY KEY, v text); INSERT INTO large SELECT i, repeat('x', 1000000) FROM generate_series(1, 40) i`);
  await using reader = new Reader(
    signalConfig(pg, { snapshot: { mode: "never" }, incremental_snapshot: { chunk_size: 100 } }),
  );
  await begin(reader, pg);
  await signal(pg, "execute-snapshot", { ...execute("t"), "surrogate-key": "n" });
  await untilLogged(reader, pg, /"public\.t" is complete/);
  assert.deepEqual(
    rowsOf(reader.records, "t").map(({ after }) => (after as { n: number }).n),
    Array.from({ length: 300 }, (_, i) => i + 1),
  );
  // The publication is for all tables.
  await pg.query("CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1), (2)");
  await signal(pg, "execute-snapshot", execute("public.late", "public.large"));
  await untilLogged(reader, pg, /"public\.large" is complete/);
  assert.equal(upsert(reader.records).get("public.late")?.size, 2);
  assert.deepEqual(
    rowsOf(reader.records, "large").map(({ key }) => (key as { id: number }).id),
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
});

Deno.test("a table that is locked, or dropped, holds nothing up", async () => {
  await using pg = await startPostgres();
  await pg.query(`${SIGNAL_TABLE}; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
    CREATE TABLE other (id int PRIMARY KEY)`);
  await using reader = new Reader(signalConfig(pg, { snapshot: { mode: "never" } }));
  await begin(reader, pg);
  const locker = await pg.connect();
  await locker.query("BEGIN; INSERT INTO t VALUES (2); LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
  await signal(pg, "execute-snapshot", execute("public.t"));
  await untilLogged(reader, pg, /lock timeout.*trying again/);
  await pg.query("INSERT INTO other VALUES (1)");
  await reader.until((records) => records.some(({ stream }) => stream.name === "other"));
  await locker.query("DROP TABLE t; COMMIT");
  await locker.end();
  await untilLogged(reader, pg, /A signal is refused: "public\.t" is no table/);
});

Deno.test("signals come in a file and in messages as well, and none twice", async () => {
  await using pg = await startPostgres();
  const path = await Deno.makeTempFile();
  try {
    await pg.query(`${SIGNAL_TABLE}; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)`);
    const config = configFor(pg, {
      snapshot: { mode: "never" },
      signal: { enabled: true, enabled_channels: ["file", "message"], file: path, poll_interval_ms: 10 },
    });
    const context = testContext();
    await using reader = new Reader(config, undefined, context);
    const pending = reader.next();
    await waitForSlot(pg);
    const line = JSON.stringify({ id: "f1", type: "execute-snapshot", data: execute("public.t") });
    await Deno.writeTextFile(path, `${line}\nnonsense\n`);
    await pending;
    await untilLogged(reader, pg, /"public\.t" is complete/);
    await untilLogged(reader, pg, /A signal is refused: it is no JSON.*"file"/);
    assert.equal(rowsOf(reader.records, "t").length, 2);
    await pg.query("SELECT pg_logical_emit_message($1::bool, 'rivven.signal', $2)", [
      "true",
      JSON.stringify({ id: "m1", type: "execute-snapshot", data: { ...execute("public.t") } }),
    ]);
    await pg.query(
      "SELECT pg_logical_emit_message(true, 'rivven.signal', 'x'), pg_logical_emit_message(true, 'other', 'x')",
    );
    await untilLogged(reader, pg, /refused.*"message"/);
    await reader.until((records) => rowsOf(records, "t").length === 4);
    await reader.until(() => (reader.position as PostgresPosition).incremental?.tables.length === 0);
    await reader[Symbol.asyncDispose]();
    const before = context.messages.length;
    await using again = new Reader(config, reader.position, context);
    const next = again.next();
    await waitForSlot(pg);
    await Deno.writeTextFile(path, `{"id": "f2", "type": "log", "data": {"message": "second at {}"}}\n`, {
      append: true,
    });
    await next;
    await untilLogged(again, pg, /second at \{/);
    const said = context.messages.slice(before).filter((message) => /signal|Incremental/.test(message));
    assert.deepEqual(said, []);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a change that the stream has brought and that no read sees yet is not taken back by an older row", async () => {
  await using pg = await startPostgres();
  const path = await Deno.makeTempFile();
  try {
    await pg.query(
      `${SIGNAL_TABLE}; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old')`,
    );
    const signal = { enabled: true, enabled_channels: ["file"], file: path, poll_interval_ms: 10 };
    await using reader = new Reader(configFor(pg, { snapshot: { mode: "never" }, signal }));
    const pending = reader.next();
    await waitForSlot(pg);
    // A commit that waits for a standby is in the log, and goes out to the stream, but is invisible.
    await pg.query("SET synchronous_commit = local");
    await pg.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    await pg.query("SELECT pg_reload_conf()");
    const client = await pg.connect();
    while ((await client.query("SHOW synchronous_standby_names")).rows[0].synchronous_standby_names === "");
    const updating = client.query("UPDATE t SET v = 'new'");
    await pending;
    await reader.until((records) =>
      records.some(({ operation, stream }) => operation === "update" && stream.name === "t")
    );
    assert.deepEqual(await pg.query("SELECT v FROM t"), [{ v: "old" }]);
    await Deno.writeTextFile(
      path,
      JSON.stringify({ type: "execute-snapshot", data: execute("public.t") }) + "\n",
    );
    await untilLogged(reader, pg, /Incremental snapshot of 1 tables/);
    const tick = async () => {
      const next = reader.next();
      await pg.query(TICK);
      await next;
    };
    // Until a piece was read, and a little longer.
    const done =
      "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_current_xact_id()%COMMIT' AND state = 'idle'";
    while ((await pg.query(done)).length === 0) await tick();
    for (let n = 0; n < 5; n++) await tick();
    assert.deepEqual(rowsOf(reader.records, "t"), []);
    await pg.query("ALTER SYSTEM RESET synchronous_standby_names");
    await pg.query("SELECT pg_reload_conf()");
    await untilLogged(reader, pg, /"public\.t" is complete/);
    await updating;
    await client.end();
    assert.deepEqual(rowsOf(reader.records, "t").map(({ after }) => after), [{ id: 1, v: "new" }]);
  } finally {
    await Deno.remove(path);
  }
});
