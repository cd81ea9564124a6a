/** Replica identity in all its forms, set by the source where that is asked for; and what publications leave out. */
import assert from "node:assert/strict";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import type { CheckFinding } from "../contract.ts";
import { openSource } from "./source.ts";
import { configFor, Reader, streamed, testContext } from "./testing.ts";

for (const version of [18, 15] as const) {
  const server = () => startPostgres({ version, fsync: false });

  Deno.test(`PostgreSQL ${version}: NULL and not sent are told apart under every replica identity`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE d (id int PRIMARY KEY, a int, b int);
      CREATE TABLE f (id int PRIMARY KEY, a int, b int); ALTER TABLE f REPLICA IDENTITY FULL;
      CREATE TABLE i (id int PRIMARY KEY, a int NOT NULL, b int);
      CREATE UNIQUE INDEX by_a ON i (a); ALTER TABLE i REPLICA IDENTITY USING INDEX by_a;
    `);
    const { records } = await streamed(pg, {}, [
      "INSERT INTO d VALUES (1, 1, NULL); INSERT INTO f VALUES (1, 1, NULL); INSERT INTO i VALUES (1, 1, NULL)",
      "UPDATE d SET id = 2; UPDATE f SET b = 5; UPDATE i SET id = 2; UPDATE i SET a = 2",
      "DELETE FROM d; DELETE FROM f; DELETE FROM i",
    ]);
    assert.deepEqual(
      records.slice(3).map(({ stream, operation, before, after }) => [stream.name, operation, before, after]),
      [
        ["d", "delete", { id: 1 }, undefined],
        ["d", "insert", undefined, { id: 2, a: 1, b: null }],
        ["f", "update", { id: 1, a: 1, b: null }, { id: 1, a: 1, b: 5 }],
        ["i", "update", undefined, { id: 2, a: 1, b: null }],
        ["i", "delete", { a: 1 }, undefined],
        ["i", "insert", undefined, { id: 2, a: 2, b: null }],
        ["d", "delete", { id: 2 }, undefined],
        ["f", "delete", { id: 1, a: 1, b: 5 }, undefined],
        ["i", "delete", { a: 2 }, undefined],
      ],
    );
  });

  Deno.test(`PostgreSQL ${version}: without replica identity the server refuses updates and deletes, and check says so before`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query("CREATE TABLE n (id int PRIMARY KEY); ALTER TABLE n REPLICA IDENTITY NOTHING");
    const findings: CheckFinding[] = [];
    await using source = openSource(configFor(pg), testContext());
    await source.check((finding) => void findings.push(finding));
    const found = findings.find(({ name }) => name === "replica_identity");
    assert.equal(found?.status, "warning");
    assert.match(found.hint!, /ALTER TABLE "public"."n" REPLICA IDENTITY FULL/);
    const { records } = await streamed(pg, { tables: ["n", "finish"] }, "INSERT INTO n VALUES (1)");
    assert.deepEqual(records.map(({ operation, key }) => [operation, key]), [["insert", { id: 1 }]]);
    await assert.rejects(pg.query("UPDATE n SET id = 2"), /replica identity/);
    await assert.rejects(pg.query("DELETE FROM n"), /replica identity/);
  });

  Deno.test(`PostgreSQL ${version}: the source sets the replica identities that it is asked to, and no others`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY, "C 1" int NOT NULL);
      CREATE UNIQUE INDEX "by C" ON b ("C 1");
      CREATE TABLE other (id int PRIMARY KEY); ALTER TABLE other REPLICA IDENTITY NOTHING;
      CREATE TABLE parts (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
      CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
      CREATE SCHEMA away; CREATE TABLE away.a (id int PRIMARY KEY);
    `);
    const identities = async () =>
      (await pg.query(
        "SELECT string_agg(relname || '=' || relreplident::text, ' ' ORDER BY oid) AS list FROM pg_class WHERE relkind IN ('r', 'p') " +
          "AND relnamespace::regnamespace::text IN ('public', 'away')",
      ))[0].list;
    const keys = {
      schemas: ["public"],
      replica_identity_autoset: [{ table: "public.a", identity: "full" }, {
        table: "b",
        identity: "INDEX by C",
      }, {
        table: "parts",
        identity: "FULL",
      }, { table: "*", identity: "DEFAULT" }],
    };
    const findings: CheckFinding[] = [];
    await using source = openSource(configFor(pg, keys), testContext());
    await source.check((finding) => void findings.push(finding));
    assert.match(findings.find(({ name }) => name === "replica_identity_autoset")!.message, /would change 5/);
    assert.equal(await identities(), "a=d b=d other=n parts=d parts_1=d a=d");
    const { records, context } = await streamed(pg, keys, [
      "INSERT INTO a VALUES (1, 1); UPDATE a SET v = 2; INSERT INTO parts VALUES (1, 1); UPDATE parts SET v = 2",
    ]);
    assert.equal(await identities(), "a=f b=i other=d parts=f parts_1=f a=d finish=d");
    assert.deepEqual(
      records.filter(({ operation }) => operation === "update").map((
        { stream, before },
      ) => [stream.name, before]),
      [
        ["a", { id: 1, v: 1 }],
        ["parts", { id: 1, v: 1 }],
      ],
    );
    assert.equal(context.messages.filter((text) => /Changed the replica identity/.test(text)).length, 5);
    const again = await streamed(pg, keys, "SELECT");
    assert.deepEqual(again.context.messages.filter((text) => /replica identity/.test(text)), []);
  });

  Deno.test(`PostgreSQL ${version}: the replica identity of another role's table is not set, and the error has the statement`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION rivven_pub FOR TABLE t;
      CREATE ROLE reader LOGIN REPLICATION PASSWORD 'secret'; GRANT SELECT ON t TO reader;
    `);
    const config = configFor({
      ...pg,
      host: pg.host,
      port: pg.port,
      database: "postgres",
      user: "reader",
      password: "secret",
    }, {
      replica_identity_autoset: [{ table: "t", identity: "FULL" }],
    });
    await using reader = new Reader(config);
    await assert.rejects(reader.next(), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, "permission_owner");
      assert.match(error.hint!, /ALTER TABLE "public"."t" REPLICA IDENTITY FULL/);
      return true;
    });
    const findings: CheckFinding[] = [];
    await reader.source.check((finding) => void findings.push(finding));
    assert.equal(findings.find(({ name }) => name === "replica_identity_autoset")?.status, "failed");
  });

  Deno.test(`PostgreSQL ${version}: a row that enters or leaves a publication's filter comes as an insert or a delete`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, secret text, big text);
      ALTER TABLE t REPLICA IDENTITY FULL;
      CREATE TABLE listed (id int PRIMARY KEY, v int, secret text);
      CREATE TABLE finish (id serial PRIMARY KEY, n int);
      CREATE PUBLICATION rivven_pub FOR TABLE t WHERE (v > 10), listed (id, v), finish;
    `);
    const { records } = await streamed(pg, {}, [
      "INSERT INTO t VALUES (1, 5, 's', 'b'), (2, 20, 's', 'b')",
      "UPDATE t SET v = 11 WHERE id = 1",
      "UPDATE t SET v = 12 WHERE id = 1",
      "UPDATE t SET v = 1 WHERE id = 1",
      "UPDATE t SET v = 2 WHERE id = 1",
      "DELETE FROM t",
      "INSERT INTO listed VALUES (1, 1, 'x'); UPDATE listed SET secret = 'y'; UPDATE listed SET v = 2; DELETE FROM listed",
    ]);
    const rest = { secret: "s", big: "b" };
    assert.deepEqual(
      records.map(({ stream, operation, before, after }) => [stream.name, operation, before, after]),
      [
        ["t", "insert", undefined, { id: 2, v: 20, ...rest }],
        ["t", "insert", undefined, { id: 1, v: 11, ...rest }],
        ["t", "update", { id: 1, v: 11, ...rest }, { id: 1, v: 12, ...rest }],
        ["t", "delete", { id: 1, v: 12, ...rest }, undefined],
        ["t", "delete", { id: 2, v: 20, ...rest }, undefined],
        ["listed", "insert", undefined, { id: 1, v: 1 }],
        // The server does not look whether anything that is published has changed.
        ["listed", "update", undefined, { id: 1, v: 1 }],
        ["listed", "update", undefined, { id: 1, v: 2 }],
        ["listed", "delete", { id: 1 }, undefined],
      ],
    );
  });

  Deno.test(`PostgreSQL ${version}: partitions come under the name of the root or their own, inherited tables under their own`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE root (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
      CREATE TABLE low PARTITION OF root FOR VALUES FROM (0) TO (10);
      CREATE TABLE high PARTITION OF root FOR VALUES FROM (10) TO (20);
      CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (extra int) INHERITS (parent);
      ALTER TABLE child ADD PRIMARY KEY (id);
      CREATE TABLE finish (id serial PRIMARY KEY, n int);
    `);
    for (const viaRoot of [true, false]) {
      await pg.query(
        `CREATE PUBLICATION rivven_pub FOR TABLE root, parent, finish WITH (publish_via_partition_root = ${viaRoot})`,
      );
      const { records } = await streamed(pg, { skipped_operations: ["none"] }, [
        "INSERT INTO root VALUES (1, 1); UPDATE root SET id = 11; TRUNCATE root",
        "INSERT INTO child VALUES (1, 2); UPDATE parent SET id = 2; DELETE FROM parent",
      ]);
      const names = viaRoot ? ["root", "root", "root"] : ["low", "low", "high"];
      const truncated = viaRoot ? ["root truncate"] : ["low truncate", "high truncate"];
      assert.deepEqual(records.map(({ stream, operation }) => `${stream.name} ${operation}`), [
        `${names[0]} insert`,
        // A row that moves to another partition is deleted there and inserted here.
        `${names[1]} delete`,
        `${names[2]} insert`,
        ...truncated,
        "child insert",
        "child delete",
        "child insert",
        "child delete",
      ]);
      await pg.query("SELECT pg_drop_replication_slot('rivven_slot'); DROP PUBLICATION rivven_pub");
    }
  });
}

Deno.test("generated columns come when PostgreSQL 18 is told to publish the stored ones; virtual ones never", async (t) => {
  await using pg = await requireServer(t, () => startPostgres({ version: 18, fsync: false }));
  if (pg === undefined) return;
  await pg.query(`
    CREATE TABLE t (id int PRIMARY KEY, s int GENERATED ALWAYS AS (id * 2) STORED, v int GENERATED ALWAYS AS (id * 3) VIRTUAL);
    CREATE TABLE finish (id serial PRIMARY KEY, n int);
    CREATE PUBLICATION rivven_pub FOR TABLE t, finish WITH (publish_generated_columns = stored);
    INSERT INTO t VALUES (1);
  `);
  {
    await using reader = new Reader(configFor(pg, { tables: ["t"] }));
    assert.deepEqual((await reader.atLeast(1)).map(({ after }) => after), [{ id: 1, s: 2 }]);
  }
  await pg.query("SELECT pg_drop_replication_slot('rivven_slot')");
  const stored = await streamed(pg, {}, "INSERT INTO t VALUES (2); UPDATE t SET id = 3 WHERE id = 2");
  assert.deepEqual(stored.records.map(({ before, after }) => before ?? after), [{ id: 2, s: 4 }, { id: 2 }, {
    id: 3,
    s: 6,
  }]);
  await pg.query(
    "SELECT pg_drop_replication_slot('rivven_slot'); ALTER PUBLICATION rivven_pub SET (publish_generated_columns = none)",
  );
  const none = await streamed(pg, {}, "INSERT INTO t VALUES (4)");
  assert.deepEqual(none.records.map(({ after }) => after), [{ id: 4 }]);
});

Deno.test("row level security hides nothing from the stream, and is an error for a snapshot", async (t) => {
  await using pg = await requireServer(t, () => startPostgres({ version: 18, fsync: false }));
  if (pg === undefined) return;
  await pg.query(`
    CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
    CREATE POLICY odd ON t USING (id % 2 = 1);
    CREATE TABLE finish (id serial PRIMARY KEY, n int);
    CREATE PUBLICATION rivven_pub FOR TABLE t, finish;
    CREATE ROLE reader LOGIN REPLICATION PASSWORD 'secret'; GRANT SELECT ON t, finish TO reader;
    INSERT INTO t VALUES (1), (2);
  `);
  const { host, port } = pg;
  const login = { host, port, database: "postgres", user: "reader", password: "secret" };
  await using snapshot = new Reader(configFor(login));
  await assert.rejects(snapshot.next(), { code: "permission_denied" });
  await pg.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
  const { records } = await streamed(
    pg,
    { user: "reader", password: "secret" },
    "INSERT INTO t VALUES (3), (4)",
  );
  assert.deepEqual(records.map(({ key }) => key), [{ id: 3 }, { id: 4 }]);
});
