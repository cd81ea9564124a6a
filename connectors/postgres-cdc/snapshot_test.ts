import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import type { PostgresPosition } from "./position.ts";
import { configFor, Reader, serverRows, sortedRows, testContext, upsert } from "./testing.ts";

/** Few rows on a page, so that a table has many pages. */
const SPARSE = "WITH (fillfactor = 10, autovacuum_enabled = false)";
const HUNDRED = "repeat('x', 100)";

async function readAll(reader: Reader): Promise<DataRecord[]> {
  while (await reader.next());
  return reader.records;
}

/** What `source.snapshot` says where it is not just `true`. */
function markers(reader: Reader): string[] {
  return reader.batches.flatMap((batch) =>
    [...new TextDecoder().decode(batch.bytes).matchAll(/"snapshot":"(\w+)"/g)].map(([, marker]) => marker)
  ).filter((marker) => marker !== "true");
}

async function failure(reader: Reader): Promise<ConnectorError> {
  try {
    await readAll(reader);
  } catch (error) {
    assert(error instanceof ConnectorError, `${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: "The source ended without an error" });
}

Deno.test("many tables take as many connections as parallel_tables says, and each row comes once", async () => {
  await using pg = await startPostgres({ settings: { log_connections: "on" } });
  const names = Array.from({ length: 120 }, (_, i) => `t${i}`);
  await pg.query(
    names.map((name, i) =>
      `CREATE TABLE ${name} (id int PRIMARY KEY); INSERT INTO ${name} SELECT generate_series(1, ${i % 3})`
    ).join(";"),
  );
  const authorized = async () =>
    (await Deno.readTextFile(pg.logFile)).match(/connection authorized/g)!.length;
  const before = await authorized();
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "initial_only", parallel_tables: 3 } }));
  const records = await readAll(reader);
  assert.deepEqual(
    records.map(({ stream, key }) => `${stream.name} ${(key as { id: number }).id}`).sort(),
    names.flatMap((name, i) => Array.from({ length: i % 3 }, (_, k) => `${name} ${k + 1}`)).sort(),
  );
  // Three that read, and the control connection.
  assert.equal(await authorized() - before, 4);
  const rare = markers(reader);
  assert.deepEqual([rare[0], rare.at(-1)], ["first", "last"]);
  assert.equal(rare.filter((marker) => marker === "first" || marker === "last").length, 2);
  const { snapshot } = reader.context.progressed.findLast(({ phase }) => phase === "snapshot")!;
  assert.deepEqual([snapshot?.tablesDone, snapshot?.tables, snapshot?.rows], [120, 120, 120]);
});

for (const version of [18, 15, 13] as const) {
  Deno.test(`PostgreSQL ${version}: parts of a large table are read at once, in lanes of their own`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE large (id int PRIMARY KEY, v text) ${SPARSE};
      INSERT INTO large SELECT i, ${HUNDRED} || i FROM generate_series(1, 60000) i;
      DELETE FROM large WHERE id > 59000; ANALYZE large;
      CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small VALUES (1);
    `);
    const snapshot = { mode: "initial_only", parallel_tables: 2, batch_size: 5000 };
    await using reader = new Reader(configFor(pg, { snapshot }));
    const records = await readAll(reader);
    assert.deepEqual(sortedRows(upsert(records).get("public.large")), await serverRows(pg, "large"));
    assert.equal(records.length, 59_001);
    const lanes = new Set(reader.batches.map(({ lane }) => lane));
    const large = version < 14
      ? ["snapshot/public.large/1"]
      : ["snapshot/public.large/1.1", "snapshot/public.large/1.2"];
    assert.deepEqual([...lanes].sort(), [...large, "snapshot/public.small/1"]);
    const orders = new Map<string, string>();
    for (const batch of reader.batches) {
      for (let i = 0; i < batch.length; i++) {
        assert(batch.order(i)! > (orders.get(batch.lane) ?? ""), "the order of a lane does not grow");
        orders.set(batch.lane, batch.order(i)!);
      }
    }
    // The pages at the end hold no rows, so a part that has read its last row long ago has the last one. The row of
    // the small table ends it, unless it is the very first of all, which counts more.
    const small = reader.batches.find((batch) => batch.stream(0).name === "small")!;
    const isSmallFirst = new TextDecoder().decode(small.bytes).includes('"snapshot":"first"');
    assert.deepEqual(markers(reader).filter((marker) => /^last|first$/.test(marker)).sort(), [
      "first",
      "last",
      ...isSmallFirst ? [] : ["last_in_data_collection"],
    ]);
    const { snapshot: last } = reader.context.progressed.findLast(({ phase }) => phase === "snapshot")!;
    assert.deepEqual([last?.rows, last?.tablesDone], [59_001, 2]);
    const { snapshot: early } = reader.context.progressed.find(({ phase }) => phase === "snapshot")!;
    assert.ok(
      Math.abs((early?.expectedRows ?? 59_000) - 59_000) < 2000,
      `${early?.expectedRows} rows expected`,
    );
  });
}

/** Changes of every kind that move rows between pages that were read and pages that were not. */
async function shuffle(pg: Postgres, round: number): Promise<void> {
  await pg.query(`
    UPDATE t SET v = v || '${round}', n = ${round} WHERE id % 7 = ${round % 7};
    UPDATE t SET n = -${round} WHERE id % 11 = ${round % 11};
    UPDATE t SET id = id + 100000 WHERE id % 13 = ${round % 13} AND id < 100000;
    DELETE FROM t WHERE id % 17 = ${round % 17};
    INSERT INTO t SELECT 200000 + ${round} * 1000 + i, big(i), 0, 'new' FROM generate_series(1, 20) i ON CONFLICT DO NOTHING;
  `);
  await pg.query("VACUUM t");
}

for (const version of [18, 15] as const) {
  Deno.test(`PostgreSQL ${version}: a snapshot that is left behind any batch goes on there, and the tables come out equal`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE FUNCTION big(int) RETURNS text LANGUAGE sql AS
        $$ SELECT string_agg(md5($1::text || i), '') FROM generate_series(1, 100) i $$;
      CREATE TABLE t (id int PRIMARY KEY, toasted text, n int, v text) ${SPARSE};
      INSERT INTO t SELECT i, CASE WHEN i % 3 = 0 THEN big(i) END, 0, ${HUNDRED} FROM generate_series(1, 6000) i;
      CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other SELECT generate_series(1, 2000);
      CREATE TABLE finish (id int PRIMARY KEY);
      ANALYZE;
    `);
    const snapshot = { batch_size: 500, parallel_tables: 2 };
    for (const [round, batches] of [1, 2, 3, 4, 5].entries()) {
      const config = configFor(pg, { slot_name: `slot_${round}`, snapshot });
      const context = testContext();
      const delivered: DataRecord[] = [];
      let position: PostgresPosition | undefined;
      // Twice, so that one that goes on is interrupted as well.
      for (const count of [batches, 2]) {
        await using reader = new Reader(config, position, context);
        for (let n = 0; n < count; n++) await reader.next();
        delivered.push(...reader.records);
        position = reader.position as PostgresPosition;
        await shuffle(pg, round);
      }
      await using reader = new Reader(config, position, context);
      // The row is in the snapshot; its end is in the stream.
      await pg.query("INSERT INTO finish VALUES ($1)", [round]);
      await reader.next();
      await pg.query("DELETE FROM finish");
      const rest = await reader.until((records) =>
        records.some(({ stream, operation }) => stream.name === "finish" && operation === "delete")
      );
      const tables = upsert([...delivered, ...rest]);
      assert.deepEqual(
        sortedRows(tables.get("public.t")),
        await serverRows(pg, "t"),
        `after ${batches} batches`,
      );
      assert.deepEqual(sortedRows(tables.get("public.other")), await serverRows(pg, "other"));
      await reader[Symbol.asyncDispose]();
      await pg.query(`SELECT pg_drop_replication_slot('slot_${round}')`);
    }
  });
}

Deno.test("at most one statement's rows come again behind an interruption, of a table that nobody has changed", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query(`
    CREATE TABLE t (id int PRIMARY KEY, v text) ${SPARSE};
    INSERT INTO t SELECT i, ${HUNDRED} FROM generate_series(1, 20000) i; ANALYZE t
  `);
  const config = configFor(pg, { snapshot: { batch_size: 1500 } });
  const context = testContext();
  await using first = new Reader(config, undefined, context);
  await first.atLeast(10_000);
  await first[Symbol.asyncDispose]();
  await using second = new Reader(config, first.position, context);
  await second.until((records) => upsert([...first.records, ...records]).get("public.t")!.size === 20_000);
  const again = first.records.length + second.records.length - 20_000;
  assert.ok(again > 0 && again <= 1500, `${again} rows came again`);
});

Deno.test("what an interrupted snapshot can't go on with is read again: a rewritten table, one without key", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query(`
    CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, '' FROM generate_series(1, 9000) i;
    CREATE TABLE b (id int, v text); INSERT INTO b SELECT i, '' FROM generate_series(1, 30000) i;
    ALTER TABLE b REPLICA IDENTITY FULL
  `);
  const config = configFor(pg, { snapshot: { batch_size: 100, parallel_tables: 2 } });
  const context = testContext();
  await using first = new Reader(config, undefined, context);
  // Most likely some of each; eight batches are not all of either.
  const hasBoth = () => new Set(first.records.map(({ stream }) => stream.name)).size === 2;
  for (let batches = 0; batches < 8 && !hasBoth(); batches++) await first.next();
  await first[Symbol.asyncDispose]();
  await pg.query("VACUUM FULL a");
  await using second = new Reader(config, first.position, context);
  const rows = (name: string) => second.records.filter(({ stream }) => stream.name === name).length;
  await second.atLeast(39_000);
  assert.deepEqual([rows("a"), rows("b")], [9000, 30_000]);
});

Deno.test("select_overrides chooses rows and values; a table that is not read is a mistake", async () => {
  await using pg = await startPostgres();
  await pg.query(
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'secret' FROM generate_series(1, 9) i",
  );
  const select = "SELECT id, left(v, 1) AS v FROM public.t WHERE id > 7 ORDER BY id DESC";
  const snapshot = { mode: "initial_only", select_overrides: { "public.t": select } };
  await using reader = new Reader(configFor(pg, { snapshot }));
  assert.deepEqual((await readAll(reader)).map(({ after }) => after), [{ id: 9, v: "s" }, { id: 8, v: "s" }]);
  const wrong = { mode: "initial_only", select_overrides: { "public.none": "SELECT 1" } };
  await using mistaken = new Reader(configFor(pg, { snapshot: wrong }));
  const error = await failure(mistaken);
  assert.equal(error.code, "config_select_overrides");
  assert.match(error.message, /"public\.none"/);
});

Deno.test("a server that sends nothing more is given up after query_timeout_secs", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  const snapshot = {
    mode: "initial_only",
    query_timeout_secs: 1,
    select_overrides: { "public.t": "SELECT id FROM t, pg_sleep(CASE id WHEN 1 THEN 30 END)" },
  };
  await using reader = new Reader(configFor(pg, { snapshot: { ...snapshot, select_overrides: {} } }));
  assert.equal((await readAll(reader)).length, 1);
  // The look whether the table has rows is not timed, so only a second row sleeps.
  await pg.query("INSERT INTO t VALUES (2)");
  const select = "SELECT id FROM t CROSS JOIN LATERAL (SELECT pg_sleep(CASE id WHEN 2 THEN 30 ELSE 0 END)) s";
  await using slow = new Reader(
    configFor(pg, { snapshot: { ...snapshot, select_overrides: { "public.t": select } } }),
  );
  const error = await failure(slow);
  assert.equal(error.code, "timeout_snapshot");
  assert.match(error.message, /"public\.t".*1 s/);
});

Deno.test("the throttle pauses between two statements", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query(
    `CREATE TABLE t (id int PRIMARY KEY, v text) ${SPARSE}; INSERT INTO t SELECT i, ${HUNDRED} FROM generate_series(1, 1000) i; ANALYZE t`,
  );
  const context = testContext();
  let slept = 0;
  const clock = {
    ...context.clock,
    sleep: (ms: number, signal?: AbortSignal) => {
      if (ms !== 5000) return context.clock.sleep(ms, signal); // deadlines of answers
      slept += ms;
      return Promise.resolve();
    },
  };
  const snapshot = { mode: "initial_only", batch_size: 100, throttle_delay_ms: 5000 };
  await using reader = new Reader(configFor(pg, { snapshot }), undefined, { ...context, clock });
  assert.equal((await readAll(reader)).length, 1000);
  assert.ok(slept >= 8 * 5000 && slept <= 12 * 5000, `${slept} ms`);
});
