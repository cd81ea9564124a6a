import assert from "node:assert/strict";
import type { RecordError } from "../../formats/data/errors.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

const KEYS = { snapshot: { mode: "never" }, schema_change_topic: { enabled: true } };

for (const version of [18, 15] as const) {
  Deno.test(`PostgreSQL ${version}: a composite type that has grown makes a new version of the stream, also over restarts, and older values stay readable`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TYPE inside AS (n int); CREATE TYPE pair AS (a int, b text, i inside);
      CREATE TABLE t (id int PRIMARY KEY, p pair, ps pair[]);
    `);
    const context = testContext();
    let position;
    {
      await using reader = new Reader(configFor(pg, KEYS), undefined, context);
      const started = reader.next();
      await waitForSlot(pg);
      await pg.query("INSERT INTO t VALUES (1, (1, 'x', ROW(1)), NULL)");
      await started;
      await pg.query("ALTER TYPE pair ADD ATTRIBUTE c int");
      await pg.query("INSERT INTO t VALUES (2, (2, 'y', ROW(2), 3), NULL)");
      const records = await reader.until((all) =>
        all.filter((record) => record.operation !== "schema").length === 2
      );
      assert.deepEqual(records.map(({ operation, stream, after }) => [operation, stream.version, after]), [
        ["schema", 1, records[0].after],
        ["insert", 1, { id: 1, p: { a: 1, b: "x", i: { n: 1 } }, ps: null }],
        ["schema", 2, records[2].after],
        ["insert", 2, { id: 2, p: { a: 2, b: "y", i: { n: 2 }, c: 3 }, ps: null }],
      ]);
      position = reader.position;
    }
    // While nobody reads: values of the types before, between and after two changes.
    await pg.query("INSERT INTO t VALUES (3, (3, 'z', ROW(3), 4), ARRAY[(4, 'in', ROW(4), 5)::pair])");
    await pg.query("ALTER TYPE inside ADD ATTRIBUTE m text");
    await pg.query("INSERT INTO t VALUES (4, (4, 'u', ROW(4, 'm'), 5), NULL)");
    await pg.query("ALTER TYPE pair ADD ATTRIBUTE d date");
    await pg.query("INSERT INTO t VALUES (5, (5, 'v', ROW(5, 'm'), 6, '2026-01-02'), NULL)");
    {
      await using reader = new Reader(configFor(pg, KEYS), position, context);
      const records = await reader.until((all) =>
        all.filter((record) => record.operation !== "schema").length === 3
      );
      assert.deepEqual(
        records.filter(({ operation }) => operation !== "schema").map(({ stream, after }) => [
          stream.version,
          after,
        ]),
        [
          [3, { id: 3, p: { a: 3, b: "z", i: { n: 3 }, c: 4 }, ps: [{ a: 4, b: "in", i: { n: 4 }, c: 5 }] }],
          [3, { id: 4, p: { a: 4, b: "u", i: { n: 4, m: "m" }, c: 5 }, ps: null }],
          [3, { id: 5, p: { a: 5, b: "v", i: { n: 5, m: "m" }, c: 6, d: "2026-01-02" }, ps: null }],
        ],
      );
      position = reader.position;
    }
    // The same types again: nothing new.
    await using reader = new Reader(configFor(pg, KEYS), position, context);
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO t VALUES (6, NULL, NULL)");
    await pending;
    const [record] = await reader.atLeast(1);
    assert.deepEqual([record.operation, record.stream.version], ["insert", 3]);
  });

  Deno.test(`PostgreSQL ${version}: a value from before a field was dropped is rejected by a reading that was started after it, and the error says why`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query("CREATE TYPE pair AS (a int, b text, c int); CREATE TABLE t (id int PRIMARY KEY, p pair)");
    const context = testContext();
    {
      await using reader = new Reader(configFor(pg, KEYS), undefined, context);
      const started = reader.next();
      await waitForSlot(pg);
      await pg.query("INSERT INTO t VALUES (1, (1, 'x', 1))");
      await started;
      // What is read while it goes on is right: the change comes in its place.
      await pg.query("INSERT INTO t VALUES (2, (2, 'y', 2))");
      await reader.until((all) =>
        all.at(-1)?.key !== undefined && all.some(({ key }) => (key as { id?: number })?.id === 2)
      );
      await pg.query("ALTER TYPE pair DROP ATTRIBUTE b");
      await pg.query("INSERT INTO t VALUES (3, (3, 3))");
      const records = await reader.until((all) => all.some(({ key }) => (key as { id?: number })?.id === 3));
      assert.deepEqual(records.at(-1)?.after, { id: 3, p: { a: 3, c: 3 } });
    }
    await pg.query("SELECT pg_drop_replication_slot('rivven_slot')");
    await pg.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput')");
    await pg.query("INSERT INTO t VALUES (4, (4, 4))");
    await pg.query("ALTER TYPE pair DROP ATTRIBUTE c");
    await pg.query("INSERT INTO t VALUES (5, ROW(5))");
    const errors: RecordError[] = [];
    const rejecting = testContext({ reject: (_, error) => void errors.push(error) });
    await using reader = new Reader(configFor(pg, KEYS), undefined, rejecting);
    const records = await reader.until((all) => all.some(({ operation }) => operation === "insert"));
    assert.deepEqual(records.at(-1)?.after, { id: 5, p: { a: 5 } });
    assert.deepEqual(errors.map(({ code }) => code), ["serialization_malformed_value"]);
    assert.match(errors[0].message, /Cannot read column "p" of .*ALTER TYPE that dropped some/);
  });
}
