/** What the stream carries beside plain row changes, on real servers. */
import assert from "node:assert/strict";
import type { Position } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { openSource } from "./source.ts";
import { configFor, Reader, type Streamed, streamed, testContext, waitForSlot } from "./testing.ts";

const VERSIONS = [18, 15] as const;

/** What a record is about. */
const brief = ({ stream, operation, key, before, after, unavailable }: DataRecord) =>
  [stream.name, operation, key, before, after, unavailable].slice(0, unavailable ? 6 : 5);

const index = ({ order }: DataRecord) => order!.slice(order!.lastIndexOf("/") + 13);

for (const version of VERSIONS) {
  Deno.test(`PostgreSQL ${version}: a truncate is a record for each table, in its place in the order`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a);
      CREATE TABLE c (id serial PRIMARY KEY); CREATE TABLE d (id int);
    `);
    const sql = [
      "BEGIN; INSERT INTO a VALUES (1); TRUNCATE a CASCADE; INSERT INTO a VALUES (2); COMMIT",
      "TRUNCATE c RESTART IDENTITY",
    ];
    const { records } = await streamed(pg, { skipped_operations: ["none"] }, sql);
    assert.deepEqual(records.map((record) => [...brief(record), index(record)]), [
      ["a", "insert", { id: 1 }, undefined, { id: 1 }, "0000"],
      ["a", "truncate", undefined, undefined, undefined, "0001"],
      ["b", "truncate", undefined, undefined, undefined, "0002"],
      ["a", "insert", { id: 2 }, undefined, { id: 2 }, "0003"],
      ["c", "truncate", undefined, undefined, undefined, "0000"],
    ]);
    const flags = records.filter(({ operation }) => operation === "truncate")
      .map(({ source }) => [source?.truncate_cascade, source?.truncate_restart_identity]);
    assert.deepEqual(flags, [[true, false], [true, false], [false, true]]);
    // Skipped, as by default, it takes its numbers all the same.
    const skipped = await streamed(pg, {}, sql[0].replaceAll("(1)", "(3)").replaceAll("(2)", "(4)"));
    assert.deepEqual(skipped.records.slice(-2).map((record) => [brief(record)[1], index(record)]), [
      ["insert", "0000"],
      ["insert", "0003"],
    ]);
  });

  Deno.test(`PostgreSQL ${version}: a truncate of more tables than a batch holds, resumed behind any batch`, async (t) => {
    await using pg = await requireServer(
      t,
      () => startPostgres({ version, fsync: false, settings: { max_locks_per_transaction: "256" } }),
    );
    if (pg === undefined) return;
    await pg.query(
      "DO $$ BEGIN FOR i IN 1..1100 LOOP EXECUTE format('CREATE TABLE t%s (id int)', i); END LOOP; END $$",
    );
    const [{ list }] = await pg.query(
      "SELECT string_agg('t' || i, ', ') AS list FROM generate_series(1, 1100) i",
    );
    const keys = { skipped_operations: ["none"] };
    const all = await streamed(pg, keys, `TRUNCATE ${list}`);
    assert.equal(all.records.length, 1100);
    assert.equal(new Set(all.records.map(({ order }) => order)).size, 1100);
    const [first] = all.lengths.filter((length) => length > 0);
    assert(first < 1100);
    const rest = await streamed(pg, keys, "SELECT", all.positions[all.lengths.indexOf(first)]);
    assert.deepEqual(
      rest.records.map(({ order }) => order),
      all.records.slice(first).map(({ order }) => order),
    );
  });

  Deno.test(`PostgreSQL ${version}: operations can be skipped, by their letters or their words; a changed key is an update`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY, v int)");
    const sql = "BEGIN; INSERT INTO t VALUES (1, 1), (2, 2); UPDATE t SET v = 9 WHERE id = 1; " +
      "UPDATE t SET id = 3 WHERE id = 2; DELETE FROM t WHERE id = 1; DELETE FROM t; COMMIT";
    const left = async (skipped_operations: string[]) => {
      // Each run reads everything since the slot was made, so only the last transaction counts.
      const { records } = await streamed(pg, { skipped_operations }, sql);
      const group = records.at(-1)?.order?.split("/")[0];
      return records.filter(({ order }) => order!.startsWith(group!)).map((record) =>
        `${record.operation} ${index(record)}`
      );
    };
    assert.deepEqual(await left(["u"]), ["insert 0000", "insert 0001", "delete 0005", "delete 0006"]);
    assert.deepEqual(await left(["insert", "delete"]), ["update 0002", "delete 0003", "insert 0004"]);
  });

  Deno.test(`PostgreSQL ${version}: logical messages come in order, none is lost or doubled by resuming behind any record`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
    // The log record of a message outside a transaction, and right behind it a commit: both have the same LSN.
    const sql = [
      "INSERT INTO t VALUES (1)",
      "SELECT pg_logical_emit_message(false, 'free', 'one')",
      "SELECT pg_logical_emit_message(false, 'free', 'two')",
      "BEGIN; INSERT INTO t VALUES (2); SELECT pg_logical_emit_message(true, 'bound', '\\x00ff'::bytea); " +
      "INSERT INTO t VALUES (3); SELECT pg_logical_emit_message(false, 'free', 'three'); COMMIT",
      "BEGIN; SELECT pg_logical_emit_message(true, 'bound', 'undone'); SELECT pg_logical_emit_message(false, 'free', 'stays'); ROLLBACK",
      "BEGIN; SELECT pg_logical_emit_message(true, 'other', ''); SELECT pg_logical_emit_message(true, 'bound', 'alone'); COMMIT",
      "UPDATE t SET id = 4 WHERE id = 3",
    ];
    const keys = { logical_messages: { enabled: true, prefix_exclude: ["oth*"] } };
    const all = await streamed(pg, keys, sql);
    const text = (record: DataRecord) => {
      const { prefix, content } = record.after as { prefix: string; content: string };
      return `${prefix}: ${content === "AP8=" ? content : atob(content)}`;
    };
    const told = all.records.map((record) =>
      record.operation === "message"
        ? text(record)
        : `${record.operation} ${(record.key as { id: number }).id}`
    );
    assert.deepEqual(told, [
      "insert 1",
      "free: one",
      "free: two",
      "free: three",
      "insert 2",
      "bound: AP8=",
      "insert 3",
      "free: stays",
      "bound: alone",
      "delete 3",
      "insert 4",
    ]);
    const orders = all.records.map(({ order }) => order!);
    assert.deepEqual(orders, [...new Set(orders)].sort());
    const [message] = all.records.filter(({ operation }) => operation === "message");
    assert.deepEqual([message.stream.name, message.stream.namespace, message.key, message.source?.txId], [
      "message",
      undefined,
      { prefix: "free" },
      null,
    ]);
    // Nobody wants them: the rows have the same numbers.
    const without = await streamed(pg, {}, "SELECT");
    const rows = all.records.filter(({ operation }) => operation !== "message");
    assert.deepEqual(without.records.map(({ order }) => order), rows.map(({ order }) => order));
    // The positions between any two records: what the batches say, and each place inside a transaction.
    const places = new Map<number, Position>();
    let seen = 0;
    for (const [i, length] of all.lengths.entries()) {
      seen += length;
      if (length > 0) places.set(seen, all.positions[i]);
    }
    for (const [n, { order, source }] of all.records.entries()) {
      const isLast = all.records[n + 1]?.order?.split("/")[0] !== order!.split("/")[0];
      if (source?.txId !== null && isLast) continue;
      const inside = source?.txId === null ? {} : { next: Number(order!.split("/")[1]) + 1 };
      places.set(n + 1, { ...all.positions[0], lsn: String(source?.lsn), ...inside } as Position);
    }
    assert(places.size >= 8, `${places.size}`);
    // In this order, because a position that is resumed at is confirmed.
    for (const [count, position] of [...places].sort(([a], [b]) => a - b)) {
      const rest = await streamed(pg, keys, "SELECT", position);
      assert.deepEqual(rest.records.map(({ order }) => order), orders.slice(count), `behind ${count}`);
    }
  });

  Deno.test(`PostgreSQL ${version}: a tombstone stands behind each delete that has a key, also behind a changed one`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(
      "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE no_key (v int); ALTER TABLE no_key REPLICA IDENTITY FULL; " +
        "CREATE TABLE quiet (id int PRIMARY KEY)",
    );
    const { records, context } = await streamed(
      pg,
      { tombstone: { enabled: true, exclude_tables: ["public.quiet"] } },
      "BEGIN; INSERT INTO t VALUES (1); INSERT INTO no_key VALUES (1); INSERT INTO quiet VALUES (1); UPDATE t SET id = 2; " +
        "DELETE FROM t; DELETE FROM no_key; DELETE FROM quiet; COMMIT",
    );
    assert.deepEqual(
      records.slice(3).map((
        { stream, operation, key, order },
      ) => [stream.name, operation, key, order!.slice(-6)]),
      [
        ["t", "delete", { id: 1 }, "000003"],
        ["t", "tombstone", { id: 1 }, "0003.1"],
        ["t", "insert", { id: 2 }, "000004"],
        ["t", "delete", { id: 2 }, "000005"],
        ["t", "tombstone", { id: 2 }, "0005.1"],
        ["no_key", "delete", undefined, "000006"],
        ["quiet", "delete", { id: 1 }, "000007"],
      ],
    );
    assert.equal(context.messages.filter((text) => /no_key.*no tombstones/.test(text)).length, 1);
  });

  Deno.test(`PostgreSQL ${version}: keys are what is configured, the primary key, or a unique index; never a guess`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE chosen (id int PRIMARY KEY, tenant int NOT NULL, v text);
      ALTER TABLE chosen REPLICA IDENTITY FULL;
      CREATE TABLE partly (id int PRIMARY KEY, tenant int NOT NULL, v text);
      CREATE TABLE by_index (a int NOT NULL, b int NOT NULL, n int, UNIQUE (a, b), UNIQUE (n));
      ALTER TABLE by_index REPLICA IDENTITY FULL;
      CREATE UNIQUE INDEX ON by_index (b) WHERE b > 5;
      CREATE TABLE none (a int, UNIQUE (a));
      ALTER TABLE none REPLICA IDENTITY FULL;
    `);
    const statements = (table: string, row: string, ...updates: string[]) => [
      `INSERT INTO ${table} VALUES (${row})`,
      ...updates.map((set) => `UPDATE ${table} SET ${set}`),
      `DELETE FROM ${table}`,
    ];
    const { records, context } = await streamed(pg, {
      message_key_columns: [{ table: "public.chosen", columns: ["tenant", "id"] }, {
        table: "partly",
        columns: ["tenant"],
      }],
    }, [
      ...statements("chosen", "1, 7, 'x'", "v = 'y'", "tenant = 8"),
      ...statements("partly", "1, 7, 'x'", "tenant = 8", "id = 2"),
      ...statements("by_index", "1, 2, 3", "n = 4", "b = 3"),
      ...statements("none", "1", "a = 2"),
    ]);
    assert.deepEqual(records.map(({ stream, operation, key }) => [stream.name, operation, key]), [
      ["chosen", "insert", { tenant: 7, id: 1 }],
      ["chosen", "update", { tenant: 7, id: 1 }],
      ["chosen", "delete", { tenant: 7, id: 1 }],
      ["chosen", "insert", { tenant: 8, id: 1 }],
      ["chosen", "delete", { tenant: 8, id: 1 }],
      // Its key is no part of the replica identity: the old one is not known, and a delete has none.
      ["partly", "insert", { tenant: 7 }],
      ["partly", "update", { tenant: 8 }],
      ["partly", "update", { tenant: 8 }],
      ["partly", "delete", undefined],
      ["by_index", "insert", { a: 1, b: 2 }],
      ["by_index", "update", { a: 1, b: 2 }],
      ["by_index", "delete", { a: 1, b: 2 }],
      ["by_index", "insert", { a: 1, b: 3 }],
      ["by_index", "delete", { a: 1, b: 3 }],
      ["none", "insert", undefined],
      ["none", "update", undefined],
      ["none", "delete", undefined],
    ]);
    assert.equal(
      context.messages.filter((text) => /Deletes of "public.partly" have no key/.test(text)).length,
      1,
    );
    const findings: string[] = [];
    const message_key_columns = [{ table: "partly", columns: ["tenant"] }, { table: "none", columns: ["A"] }];
    await using source = openSource(configFor(pg, { message_key_columns }), testContext());
    await source.check(({ name, status, message }) => {
      if (name === "message_key_columns") findings.push(`${status}: ${message}`);
    });
    assert.deepEqual(findings, [
      'failed: They name columns that are not there: of "public.none"',
      'warning: Deletes have no key, because it is no part of the replica identity: of "public.partly"',
    ]);
    await pg.query("INSERT INTO chosen VALUES (5, 6, 'z')");
    await pg.query("SELECT pg_drop_replication_slot('rivven_slot')");
    await using reader = new Reader(
      configFor(pg, {
        tables: ["chosen"],
        message_key_columns: [{ table: "chosen", columns: ["tenant", "id"] }],
      }),
    );
    assert.deepEqual((await reader.atLeast(1)).map(({ operation, key }) => [operation, key]), [[
      "snapshot",
      { tenant: 6, id: 5 },
    ]]);
  });

  Deno.test(`PostgreSQL ${version}: transactions that were replicated to the server say from where`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(
      "CREATE TABLE t (id int PRIMARY KEY); SELECT pg_replication_origin_create('elsewhere \"1\"')",
    );
    const sql = [
      "INSERT INTO t VALUES (1)",
      "SELECT pg_replication_origin_session_setup('elsewhere \"1\"')",
      "BEGIN; SELECT pg_replication_origin_xact_setup('0/1234', now()); INSERT INTO t VALUES (2), (3); COMMIT",
      "SELECT pg_replication_origin_session_reset()",
      "INSERT INTO t VALUES (4)",
    ];
    const origins = ({ records }: Streamed) =>
      records.map(({ key, source }) => [(key as { id: number }).id, source?.origin, source?.origin_lsn]);
    assert.deepEqual(origins(await streamed(pg, {}, sql)), [
      [1, undefined, undefined],
      [2, 'elsewhere "1"', "0/1234"],
      [3, 'elsewhere "1"', "0/1234"],
      [4, undefined, undefined],
    ]);
    const local = streamed(pg, { origin: "none" }, "SELECT");
    if (version >= 16) assert.deepEqual(origins(await local).map(([id]) => id), [1, 4]);
    else await assert.rejects(local, { code: "state_origin" });
  });

  Deno.test(`PostgreSQL ${version}: a prepared transaction is read when it commits, and not at all when it is rolled back`, async (t) => {
    await using pg = await requireServer(
      t,
      () => startPostgres({ version, fsync: false, settings: { max_prepared_transactions: "10" } }),
    );
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
    const { records } = await streamed(pg, {}, [
      "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'kept'",
      "BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'undone'",
      "INSERT INTO t VALUES (3)",
      "ROLLBACK PREPARED 'undone'",
      "COMMIT PREPARED 'kept'",
      "INSERT INTO t VALUES (4)",
    ]);
    assert.deepEqual(records.map(({ key }) => key), [{ id: 3 }, { id: 1 }, { id: 4 }]);
    assert.deepEqual(records.map(({ order }) => order).toSorted(), records.map(({ order }) => order));
  });

  Deno.test(`PostgreSQL ${version}: a composite type that was altered is looked up again, and no half row stays`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TYPE pair AS (a int, b text); CREATE TABLE t (id int PRIMARY KEY, p pair);
      CREATE TABLE u (id int PRIMARY KEY, ps pair[]);
    `);
    await using reader = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
    const started = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO t VALUES (1, (1, 'x'))");
    await started;
    await reader.atLeast(1);
    await pg.query("ALTER TYPE pair ADD ATTRIBUTE c int");
    await pg.query(
      "BEGIN; INSERT INTO t VALUES (2, (1, 'x', 3)); INSERT INTO t VALUES (3, (2, 'y', 4)); COMMIT",
    );
    await pg.query("UPDATE t SET id = 4 WHERE id = 3");
    await pg.query("INSERT INTO u VALUES (1, ARRAY[(5, 'z', 6)::pair])");
    const records = await reader.atLeast(6);
    assert.deepEqual(records.map((record) => [...brief(record), index(record)]), [
      ["t", "insert", { id: 1 }, undefined, { id: 1, p: { a: 1, b: "x" } }, "0000"],
      ["t", "insert", { id: 2 }, undefined, { id: 2, p: { a: 1, b: "x", c: 3 } }, "0000"],
      ["t", "insert", { id: 3 }, undefined, { id: 3, p: { a: 2, b: "y", c: 4 } }, "0001"],
      ["t", "delete", { id: 3 }, { id: 3 }, undefined, "0000"],
      ["t", "insert", { id: 4 }, undefined, { id: 4, p: { a: 2, b: "y", c: 4 } }, "0001"],
      ["u", "insert", { id: 1 }, undefined, { id: 1, ps: [{ a: 5, b: "z", c: 6 }] }, "0000"],
    ]);
  });
}
