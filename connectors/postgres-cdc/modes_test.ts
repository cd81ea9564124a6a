import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Value } from "../../formats/data/value.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

const brief = ({ stream, operation, key, after }: DataRecord) => [stream.name, operation, key, after];

/** Reads to the end of a source that has one. */
async function readAll(reader: Reader): Promise<DataRecord[]> {
  while (await reader.next());
  return reader.records;
}

/** Runs SQL while the reader waits for it, and returns the first records that come. */
async function changes(reader: Reader, pg: Postgres, sql: string, count: number): Promise<DataRecord[]> {
  const before = reader.records.length;
  const pending = reader.next();
  await waitForSlot(pg);
  await pg.query(sql);
  await pending;
  return (await reader.atLeast(before + count)).slice(before);
}

Deno.test("initial_only reads the rows and ends, without slot or publication, and stays at its end", async () => {
  await using pg = await startPostgres({ settings: { wal_level: "replica" } });
  await pg.query(
    "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE empty (id int); INSERT INTO t VALUES (1), (2)",
  );
  const config = configFor(pg, { snapshot: { mode: "initial_only" } });
  await using reader = new Reader(config);
  assert.deepEqual((await readAll(reader)).map(brief), [["t", "snapshot", { id: 1 }, { id: 1 }], [
    "t",
    "snapshot",
    { id: 2 },
    { id: 2 },
  ]]);
  assert.deepEqual(await pg.query("SELECT slot_name FROM pg_replication_slots"), []);
  assert.deepEqual(await pg.query("SELECT pubname FROM pg_publication"), []);
  await using again = new Reader(config, reader.position);
  assert.deepEqual(await readAll(again), []);
  assert.equal(again.context.progressed.at(-1)?.phase, "finished");
});

Deno.test("always reads the rows at each start, and the changes since the saved position still come", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
  const config = configFor(pg, { snapshot: { mode: "always" } });
  const context = testContext();
  await using first = new Reader(config, undefined, context);
  await first.atLeast(2);
  await changes(first, pg, "INSERT INTO t VALUES (3)", 1);
  await first[Symbol.asyncDispose]();
  await pg.query("DELETE FROM t WHERE id = 1");
  await using second = new Reader(config, first.position, context);
  const records = await second.atLeast(3);
  assert.deepEqual(records.map(({ operation, key }) => [operation, key]), [
    ["snapshot", { id: 2 }],
    ["snapshot", { id: 3 }],
    ["delete", { id: 1 }],
  ]);
  assert.deepEqual([first.batches[0].lane, second.batches[0].lane], [
    "snapshot/public.t/1",
    "snapshot/public.t/2",
  ]);
});

Deno.test("a preview leaves nothing behind: of rows, and of changes to come", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  {
    await using reader = new Reader(configFor(pg), undefined, testContext({ preview: true }));
    assert.deepEqual((await readAll(reader)).map(brief), [["t", "snapshot", { id: 1 }, { id: 1 }]]);
    assert.deepEqual(await pg.query("SELECT pubname FROM pg_publication"), []);
  }
  await pg.query("CREATE PUBLICATION rivven_pub FOR TABLE t");
  {
    const config = configFor(pg, { snapshot: { mode: "never" } });
    await using reader = new Reader(config, undefined, testContext({ preview: true }));
    const pending = reader.next();
    while ((await pg.query("SELECT FROM pg_stat_replication WHERE state = 'streaming'")).length === 0);
    await pg.query("INSERT INTO t VALUES (2)");
    await pending;
    assert.deepEqual((await reader.atLeast(1)).map(brief), [["t", "insert", { id: 2 }, { id: 2 }]]);
  }
  while ((await pg.query("SELECT FROM pg_replication_slots")).length > 0);
});

Deno.test("streams with full_refresh are read in the snapshot only; the others go on", async () => {
  await using pg = await startPostgres();
  await pg.query(
    "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY)",
  );
  await pg.query("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); INSERT INTO c VALUES (1)");
  const streams = [
    { name: "a", namespace: "public", sync_mode: "full_refresh" },
    { name: "b", sync_mode: "incremental" },
  ] as const;
  await using reader = new Reader(configFor(pg), undefined, testContext({ streams }));
  // Tables are read side by side.
  assert.deepEqual((await reader.atLeast(2)).map(({ stream }) => stream.name).sort(), ["a", "b"]);
  const records = await changes(
    reader,
    pg,
    "BEGIN; INSERT INTO a VALUES (2); INSERT INTO b VALUES (2); COMMIT",
    1,
  );
  assert.deepEqual(records.map(brief), [["b", "insert", { id: 2 }, { id: 2 }]]);
  // The change that is left out keeps its number.
  assert.match(records[0].order!, /1$/);
});

for (const version of [18, 15] as const) {
  Deno.test(`PostgreSQL ${version}: partitions come as their root, row filters and column lists hold for both halves`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
      CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
      CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
      CREATE TABLE wide (id int PRIMARY KEY, secret text, v int);
      CREATE TABLE parent (id int PRIMARY KEY);
      CREATE TABLE child (extra int) INHERITS (parent);
      ALTER TABLE child ADD PRIMARY KEY (id);
      CREATE TABLE made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
      INSERT INTO parts VALUES (1, 'a'), (11, 'b');
      INSERT INTO wide VALUES (1, 'x', 1), (2, 'y', 100);
      INSERT INTO parent VALUES (1);
      INSERT INTO child VALUES (2, 3);
      INSERT INTO made VALUES (1);
      CREATE PUBLICATION rivven_pub FOR TABLE parts, wide (id, v) WHERE (v < 10), parent, made WITH (publish_via_partition_root = true);
    `);
    await using reader = new Reader(configFor(pg, { snapshot: { parallel_tables: 1 } }));
    const snapshot = await reader.atLeast(6);
    assert.deepEqual(snapshot.map(({ stream, after }) => [stream.name, after]), [
      ["child", { id: 2, extra: 3 }],
      ["made", { id: 1 }],
      ["parent", { id: 1 }],
      ["parts", { id: 1, v: "a" }],
      ["parts", { id: 11, v: "b" }],
      ["wide", { id: 1, v: 1 }],
    ]);
    const streamed = await changes(
      reader,
      pg,
      "BEGIN; INSERT INTO parts VALUES (2, 'c'), (12, 'd'); INSERT INTO wide VALUES (3, 'z', 3), (4, 'z', 400); " +
        "INSERT INTO child VALUES (5, 6); INSERT INTO made VALUES (2); COMMIT",
      5,
    );
    assert.deepEqual(streamed.map(({ stream, after }) => [stream.name, after]), [
      ["parts", { id: 2, v: "c" }],
      ["parts", { id: 12, v: "d" }],
      ["wide", { id: 3, v: 3 }],
      ["child", { id: 5, extra: 6 }],
      ["made", { id: 2 }],
    ]);
    // One Stream for both halves, so that a sink sees no change of schema.
    for (const { stream } of streamed) {
      assert(snapshot.some((record) => record.stream === stream), stream.name);
    }
  });
}

Deno.test("columns that come, go and change their type are right on both sides of the change, also when read later", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY, a text, b int)");
  const config = configFor(pg, { snapshot: { mode: "never" } });
  await using reader = new Reader(config);
  reader.acknowledges = false;
  const records = await changes(reader, pg, "INSERT INTO t VALUES (1, 'x', 1)", 1);
  await pg.query(
    "CREATE TYPE mood AS ENUM ('glad'); ALTER TABLE t DROP a, ADD m mood DEFAULT 'glad', ALTER b TYPE bigint",
  );
  await pg.query("INSERT INTO t VALUES (2, 2)");
  await pg.query('BEGIN; ALTER TABLE t RENAME b TO "B 2"; INSERT INTO t VALUES (3, 3); COMMIT');
  const all = [...records, ...(await reader.atLeast(3)).slice(1)];
  const expected = [
    [1, { id: 1, a: "x", b: 1 }],
    [2, { id: 2, b: 2n, m: "glad" }],
    [3, { id: 3, "B 2": 3n, m: "glad" }],
  ];
  assert.deepEqual(all.map(({ stream, after }) => [stream.version, after]), expected);
  assert.deepEqual(all[1].stream.columns?.map(({ type }) => type.kind), ["int32", "int64", "enum"]);
  await reader[Symbol.asyncDispose]();
  await using again = new Reader(config, undefined);
  again.acknowledges = false;
  assert.deepEqual((await again.atLeast(3)).map(({ after }) => after), expected.map(([, after]) => after));
});

Deno.test("a Unix socket is as good as a port", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  await using reader = new Reader(configFor(pg, { host: `${pg.socketDir}/` }));
  await reader.atLeast(1);
  assert.deepEqual((await changes(reader, pg, "INSERT INTO t VALUES (2)", 1)).map(({ key }) => key), [{
    id: 2,
  }]);
});

Deno.test("tables of a schema, with patterns and exceptions; others are not in the publication", async () => {
  await using pg = await startPostgres();
  await pg.query(`
    CREATE SCHEMA shop; CREATE SCHEMA other;
    CREATE TABLE shop.orders (id int PRIMARY KEY); CREATE TABLE shop.order_log (id int PRIMARY KEY);
    CREATE TABLE other.orders (id int PRIMARY KEY);
    INSERT INTO shop.orders VALUES (1); INSERT INTO shop.order_log VALUES (1); INSERT INTO other.orders VALUES (1);
  `);
  await using reader = new Reader(
    configFor(pg, { schemas: ["shop"], tables: ["order*"], exclude_tables: ["/.*_log/"] }),
  );
  const records = await reader.atLeast(1);
  records.push(
    ...await changes(
      reader,
      pg,
      "INSERT INTO shop.order_log VALUES (2); INSERT INTO other.orders VALUES (2); INSERT INTO shop.orders VALUES (2)",
      1,
    ),
  );
  assert.deepEqual(records.map(({ stream, key }) => [stream.namespace, stream.name, key]), [
    ["shop", "orders", { id: 1 }],
    ["shop", "orders", { id: 2 }],
  ]);
  assert.deepEqual(await pg.query("SELECT schemaname, tablename FROM pg_publication_tables"), [
    { schemaname: "shop", tablename: "orders" },
  ]);
});

Deno.test("no_data sends the columns of the tables and then the changes, and after a restart only the changes", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY)");
  await pg.query("INSERT INTO a VALUES (1, 'old')");
  const config = configFor(pg, { snapshot: { mode: "no_data" }, schema_change_topic: { enabled: true } });
  const context = testContext();
  await using reader = new Reader(config, undefined, context);
  const schemas = await reader.atLeast(2);
  assert.deepEqual(schemas.map(({ operation, after }) => [operation, (after as { table: string }).table]), [
    ["schema", "a"],
    ["schema", "b"],
  ]);
  const first = await changes(reader, pg, "INSERT INTO a VALUES (2, 'new')", 1);
  assert.deepEqual(first.map(brief), [["a", "insert", { id: 2 }, { id: 2, v: "new" }]]);
  await reader[Symbol.asyncDispose]();
  await using again = new Reader(config, reader.position, context);
  const second = await changes(again, pg, "INSERT INTO b VALUES (3)", 1);
  assert.deepEqual(second.map(brief), [["b", "insert", { id: 3 }, { id: 3 }]]);
});

Deno.test("recovery announces all tables again, also those that nothing happens to, and goes on where reading was", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY)");
  const keys = { schema_change_topic: { enabled: true } };
  const recovery = configFor(pg, { ...keys, snapshot: { mode: "recovery" } });
  const context = testContext();
  {
    await using reader = new Reader(recovery, undefined, context);
    await assert.rejects(reader.next(), { code: "config_no_position" });
    assert.deepEqual(await pg.query("SELECT FROM pg_replication_slots"), []);
  }
  await pg.query("INSERT INTO a VALUES (1, 'old')");
  let position;
  let version = 0;
  {
    await using reader = new Reader(configFor(pg, keys), undefined, context);
    await reader.until((records) => records.some(({ operation }) => operation === "snapshot"));
    await changes(reader, pg, "INSERT INTO a VALUES (2, 'new')", 1);
    position = reader.position;
    version = reader.records.at(-1)!.stream.version;
  }
  await pg.query("INSERT INTO a VALUES (3, 'meanwhile')");
  for (let times = 1; times <= 2; times++) {
    await using reader: Reader = new Reader(recovery, position, context);
    reader.acknowledges = false;
    const records: DataRecord[] = await reader.atLeast(3);
    const [first, second, ...rows] = records;
    for (const [record, table] of [[first, "a"], [second, "b"]] as const) {
      const { change_type, columns, table: name } = record.after as Record<string, Value>;
      assert.deepEqual([record.operation, change_type, name], ["schema", "CREATE", table]);
      assert((columns as Value[]).length > 0);
    }
    assert.deepEqual(rows.map(brief), [["a", "insert", { id: 3 }, { id: 3, v: "meanwhile" }]]);
    assert.equal(rows[0].stream.version, version + times);
  }
  // And then nothing is new any more.
  await using reader = new Reader(configFor(pg, keys), position, context);
  assert.deepEqual((await reader.atLeast(1)).map(brief), [["a", "insert", { id: 3 }, {
    id: 3,
    v: "meanwhile",
  }]]);
});

Deno.test("no_data without schema_change_topic is just the changes from now on", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)");
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "no_data" } }));
  const records = await changes(reader, pg, "INSERT INTO a VALUES (2)", 1);
  assert.deepEqual(records.map(brief), [["a", "insert", { id: 2 }, { id: 2 }]]);
});
