import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { type PostgresVersion } from "../../tests/servers/postgres_files.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import type { DocumentStore, Position } from "../contract.ts";
import { SchemaHistory, type TableVersion } from "./schema_history.ts";
import { configFor, Reader, type TestContext, testContext, waitForSlot } from "./testing.ts";

const VERSIONS: readonly PostgresVersion[] = [18, 15];
const ENABLED = { schema_change_topic: { enabled: true } };

/** A schema record as `CREATE t 1: id, a`; a row as `1 insert {"id":1}`, each with the version of its Stream. */
function brief({ operation, stream, after }: DataRecord): string {
  if (operation !== "schema") return `${stream.version} ${operation} ${text(after)}`;
  const { change_type, table, columns, previous_columns } = after as Record<string, Value>;
  const names = (list: Value) => (list as Row[]).map(({ name }) => name).join();
  const before = (previous_columns as Row[]).length > 0 ? ` (${names(previous_columns)})` : "";
  return `${stream.version} ${change_type} ${table}: ${names(columns)}${before}`;
}

const text = (value: Value | undefined) =>
  JSON.stringify(value, (_, each) => typeof each === "bigint" ? String(each) : each);

function assertSorted(records: readonly DataRecord[]): void {
  for (let i = 1; i < records.length; i++) {
    assert(records[i - 1].order! < records[i].order!, `${records[i - 1].order} and ${records[i].order}`);
  }
}

/** Reads from a position, as a new process with the same state does, until `count` records came. */
async function readOn(
  config: Parameters<typeof configFor>,
  context: TestContext,
  from: Position | undefined,
  count: number,
): Promise<{ records: DataRecord[]; position: Position | undefined; batches: Reader["batches"] }> {
  await using reader = new Reader(configFor(...config), from, context);
  const records = await reader.atLeast(count);
  return { records, position: reader.position, batches: reader.batches };
}

for (const version of VERSIONS) {
  Deno.test(`PostgreSQL ${version}: a change of columns is a record before the first row that shows it, once, also over restarts`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query(
      "CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'x', b numeric(5,2)); INSERT INTO t VALUES (1, 'x', 1)",
    );
    const context = testContext();
    const first = await readOn([pg, ENABLED], context, undefined, 2);
    assert.deepEqual(first.records.map(brief), [
      "1 CREATE t: id,a,b",
      '1 snapshot {"id":1,"a":"x","b":"1.00"}',
    ]);
    assertSorted(first.records);
    const { timestamp_ms, position, relation_id, ...created } = first.records[0].after as Record<
      string,
      Value
    >;
    assert.equal(typeof timestamp_ms, "number");
    assert.match(String(position), /^[0-9A-F]+\/[0-9A-F]+$/);
    const [{ oid }] = await pg.query("SELECT 't'::regclass::oid::text AS oid");
    assert.equal(String(relation_id), oid);
    assert.deepEqual(created, {
      source_type: "postgres",
      database: "postgres",
      schema: "public",
      table: "t",
      change_type: "CREATE",
      columns: [
        { name: "id", type_name: "integer", type_id: 23, position: 1, nullable: false, primary_key: true },
        {
          name: "a",
          type_name: "text",
          type_id: 25,
          position: 2,
          nullable: true,
          primary_key: false,
          default_value: "'x'::text",
        },
        {
          name: "b",
          type_name: "numeric(5,2)",
          type_id: 1700,
          position: 3,
          nullable: true,
          primary_key: false,
        },
      ],
      previous_columns: [],
    });
    assert.equal(first.records[0].stream.topic, "test.schema_changes");
    assert.equal(first.records[1].stream.topic, undefined);

    // Added and dropped in the middle of a transaction, renamed and of another type as the first change of one.
    await pg.query("INSERT INTO t VALUES (2, 'y', 2)");
    await pg.query(
      "BEGIN; INSERT INTO t VALUES (3, 'z', 3); ALTER TABLE t ADD c int, DROP a; INSERT INTO t VALUES (4, 4, 4); COMMIT",
    );
    await pg.query("ALTER TABLE t RENAME c TO d; ALTER TABLE t ALTER b TYPE numeric(9,4)");
    await pg.query("UPDATE t SET d = 5 WHERE id = 4; DELETE FROM t WHERE id = 1");
    const expected = [
      '1 insert {"id":2,"a":"y","b":"2.00"}',
      '1 insert {"id":3,"a":"z","b":"3.00"}',
      "2 ALTER t: id,b,c (id,a,b)",
      '2 insert {"id":4,"b":"4.00","c":4}',
      "3 ALTER t: id,b,d (id,b,c)",
      '3 update {"id":4,"b":"4.0000","d":5}',
      "3 delete undefined",
    ];
    const second = await readOn([pg, ENABLED], context, first.position, expected.length);
    assert.deepEqual(second.records.map(brief), expected);
    assertSorted(second.records);

    // A crash: the documents know versions 2 and 3, the sinks not. Everything comes again, with the same orders.
    const again = await readOn(
      [pg, { ...ENABLED, slot_name: "rivven_slot" }],
      context,
      first.position,
      expected.length,
    )
      .catch((error) => error);
    // What was acknowledged is gone from the slot, and that is said.
    assert.equal(again.code, "state_position_gone");
  });

  Deno.test(`PostgreSQL ${version}: what was announced and not confirmed is announced again at the same place`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY, a int)");
    const context = testContext();
    const config = [pg, { ...ENABLED, snapshot: { mode: "never" } }] as const;
    await using reader = new Reader(configFor(...config), undefined, context);
    reader.acknowledges = false;
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO t VALUES (1, 1)");
    for (let i = 0; i < 3; i++) {
      await pg.query(
        `BEGIN; INSERT INTO t (id) VALUES (${
          10 * i + 2
        }); ALTER TABLE t ADD c${i} int; INSERT INTO t (id) VALUES (${10 * i + 3}); COMMIT`,
      );
    }
    await pending;
    const whole = await reader.atLeast(11);
    await reader[Symbol.asyncDispose]();
    assert.deepEqual(whole.filter(({ operation }) => operation === "schema").map(brief), [
      "1 CREATE t: id,a",
      "2 ALTER t: id,a,c0 (id,a)",
      "3 ALTER t: id,a,c0,c1 (id,a,c0)",
      "4 ALTER t: id,a,c0,c1,c2 (id,a,c0,c1)",
    ]);
    assertSorted(whole);
    const line = (record: DataRecord) => `${record.order} ${brief(record)}`;
    // From each position that was handed out, with the documents as they were left.
    let seen = 0;
    for (const batch of [undefined, ...reader.batches]) {
      seen += batch?.length ?? 0;
      if (seen === whole.length) break;
      await using rest = new Reader(configFor(...config), batch?.position, context);
      rest.acknowledges = false;
      const records = await rest.atLeast(whole.length - seen);
      assert.deepEqual(records.map(line), whole.slice(seen).map(line));
    }
    assert(seen > 0);
  });

  Deno.test(`PostgreSQL ${version}: a restart announces nothing, a change while stopped does, and so do a rename and a new table of the old name`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query(
      "CREATE TABLE t (id int PRIMARY KEY, a int); CREATE PUBLICATION rivven_pub FOR ALL TABLES; INSERT INTO t VALUES (1, 1)",
    );
    const context = testContext();
    const step = async (from: Position | undefined, sql: string, expected: readonly string[]) => {
      await pg.query(sql);
      const { records, position } = await readOn([pg, ENABLED], context, from, expected.length);
      assert.deepEqual(records.map(brief), expected);
      return position;
    };
    let at = await step(undefined, "SELECT", ["1 CREATE t: id,a", '1 snapshot {"id":1,"a":1}']);
    at = await step(at, "INSERT INTO t VALUES (2, 2)", ['1 insert {"id":2,"a":2}']);
    at = await step(at, "ALTER TABLE t ADD b int; INSERT INTO t VALUES (3, 3, 3)", [
      "2 ALTER t: id,a,b (id,a)",
      '2 insert {"id":3,"a":3,"b":3}',
    ]);
    // Back to what it was is another change, not the first version again.
    at = await step(at, "ALTER TABLE t DROP b; INSERT INTO t VALUES (4, 4)", [
      "3 ALTER t: id,a (id,a,b)",
      '3 insert {"id":4,"a":4}',
    ]);
    at = await step(at, "ALTER TABLE t RENAME TO u; INSERT INTO u VALUES (5, 5)", [
      "1 RENAME u: id,a (id,a)",
      '1 insert {"id":5,"a":5}',
    ]);
    at = await step(at, "CREATE TABLE t (id int PRIMARY KEY, z int); INSERT INTO t VALUES (1, 1)", [
      "4 CREATE t: id,z",
      '4 insert {"id":1,"z":1}',
    ]);
    at = await step(
      at,
      "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, z int); INSERT INTO t VALUES (1, 1)",
      [
        "5 CREATE t: id,z",
        '5 insert {"id":1,"z":1}',
      ],
    );
    await step(at, "UPDATE t SET z = 2; UPDATE u SET a = 6 WHERE id = 5", [
      '5 update {"id":1,"z":2}',
      '1 update {"id":5,"a":6}',
    ]);
  });

  Deno.test(`PostgreSQL ${version}: two columns swapped while the reader is thousands of transactions behind`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b int)");
    const config = configFor(pg, { ...ENABLED, snapshot: { mode: "never" } });
    const context = testContext();
    let position: Position | undefined;
    {
      await using reader = new Reader(config, undefined, context);
      const pending = reader.next();
      await waitForSlot(pg);
      await pg.query("INSERT INTO t VALUES (0, 0, 1000000)");
      await pending;
      await reader.atLeast(2);
      position = reader.position;
    }
    const lines = (from: number, to: number, sql: (i: number) => string) =>
      Array.from({ length: to - from }, (_, k) => sql(from + k)).map((statement) =>
        `${statement}; COMMIT; BEGIN;`
      ).join("");
    // b is always larger by a million, whatever the columns are called at the moment.
    const insert = (i: number) => `INSERT INTO t (id, a, b) VALUES (${i}, ${i}, ${1_000_000 + i})`;
    await pg.query(`BEGIN; ${lines(1, 2001, insert)} COMMIT`);
    await pg.query(
      "BEGIN; ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b; COMMIT",
    );
    await pg.query("ALTER TABLE t ALTER a SET NOT NULL, ALTER b DROP NOT NULL");
    await pg.query(`BEGIN; ${lines(2001, 4001, insert)} COMMIT`);
    await pg.query("ALTER TABLE t DROP COLUMN a, ADD COLUMN a bigint DEFAULT 7");
    await pg.query(`BEGIN; ${lines(4001, 6001, insert)} COMMIT`);
    const { records } = await readOn(
      [pg, { ...ENABLED, snapshot: { mode: "never" } }],
      context,
      position,
      6002,
    );
    assertSorted(records);
    const rows = records.filter(({ operation }) => operation === "insert");
    assert.equal(rows.length, 6000);
    for (const { after, stream } of rows) {
      const { id, a, b } = after as { id: number; a: number | bigint; b: number };
      assert.equal(Number(a), id, `row ${id}`);
      assert.equal(b, 1_000_000 + id, `row ${id}`);
      assert.equal(typeof a, id > 4000 ? "bigint" : "number");
      assert.equal(stream.version, id <= 2000 ? 1 : id <= 4000 ? 2 : 3);
    }
    assert.deepEqual(records.filter(({ operation }) => operation === "schema").map(brief), [
      "2 ALTER t: id,b,a (id,a,b)",
      "3 ALTER t: id,b,a (id,b,a)",
    ]);
  });
}

Deno.test("without the topic there are no records, and the versions are the same", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  const context = testContext();
  const first = await readOn([pg], context, undefined, 1);
  await pg.query("INSERT INTO t VALUES (2); ALTER TABLE t ADD a int; INSERT INTO t VALUES (3, 3)");
  const second = await readOn([pg], context, first.position, 2);
  await pg.query("INSERT INTO t VALUES (4, 4)");
  const third = await readOn([pg], context, second.position, 1);
  assert.deepEqual([...first.records, ...second.records, ...third.records].map(brief), [
    '1 snapshot {"id":1}',
    '1 insert {"id":2}',
    '2 insert {"id":3,"a":3}',
    '2 insert {"id":4,"a":4}',
  ]);
});

Deno.test("only the schemas that are named, without columns, and on a topic of one's own", async () => {
  await using pg = await startPostgres();
  await pg.query(
    "CREATE SCHEMA s; CREATE TABLE s.a (id int); CREATE TABLE b (id int); INSERT INTO s.a VALUES (1); INSERT INTO b VALUES (1)",
  );
  const topic = { enabled: true, schemas: ["s"], include_columns: false, topic_name: "ddl" };
  const keys = { schema_change_topic: topic, snapshot: { parallel_tables: 1 } };
  const { records } = await readOn([pg, keys], testContext(), undefined, 3);
  assert.deepEqual(records.map(({ operation, stream }) => [operation, stream.name, stream.topic]), [
    ["snapshot", "b", undefined],
    ["schema", "a", "ddl"],
    ["snapshot", "a", undefined],
  ]);
  assert.equal("columns" in (records[1].after as Row), false);
});

Deno.test("the history keeps what may still be needed, and nothing else", async () => {
  const documents = new Map<string, string>();
  const state: DocumentStore = {
    get: (key) => Promise.resolve(documents.has(key) ? JSON.parse(documents.get(key)!) : undefined),
    put: (key, value) => Promise.resolve(void documents.set(key, JSON.stringify(value))),
  };
  const table = (version: number): TableVersion => ({
    version,
    oid: 1,
    schema: "s",
    name: "t",
    key: [],
    columns: [],
    typmods: [],
  });
  const history = new SchemaHistory(state, { lsn: 100n, index: 0 });
  await history.load([table(0)]);
  for (let i = 1; i <= 5; i++) {
    history.add(table(history.nextVersion("s", "t")), { lsn: BigInt(100 + i), index: i });
  }
  await history.save(104n);
  assert.equal(history.isUnsaved, false);
  assert.deepEqual(JSON.parse(documents.get("schema/1")!).map(({ version }: TableVersion) => version), [
    3,
    4,
    5,
  ]);
  const lastAt = async (lsn: bigint, index: number) => {
    const again = new SchemaHistory(state, { lsn, index });
    await again.load([table(0)]);
    return [again.last(1)?.version, again.nextVersion("s", "t")];
  };
  assert.deepEqual(await lastAt(104n, 4), [3, 4]);
  assert.deepEqual(await lastAt(104n, 5), [4, 5]);
  assert.deepEqual(await lastAt(200n, 0), [5, 6]);
});
