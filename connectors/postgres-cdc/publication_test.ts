import assert from "node:assert/strict";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

async function published(pg: Postgres): Promise<string[]> {
  const rows = await pg.query("SELECT tablename FROM pg_publication_tables ORDER BY 1");
  return rows.map(({ tablename }) => tablename!);
}

for (const version of [18, 15] as const) {
  Deno.test(`PostgreSQL ${version}: tables that are published while the stream is read join it`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE SCHEMA s;
      INSERT INTO b VALUES (1);
      CREATE PUBLICATION rivven_pub FOR TABLE a, TABLES IN SCHEMA s;
    `);
    await using reader = new Reader(configFor(pg, { exclude_tables: ["d"] }));
    await reader.next();
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO b VALUES (2)");
    await pg.query("ALTER PUBLICATION rivven_pub ADD TABLE b");
    await pg.query(
      "INSERT INTO b VALUES (3); CREATE TABLE s.c (id int PRIMARY KEY); INSERT INTO s.c VALUES (1)",
    );
    await pg.query(
      "CREATE TABLE s.d (id int PRIMARY KEY); INSERT INTO s.d VALUES (1); INSERT INTO a VALUES (1)",
    );
    await pending;
    const records = await reader.atLeast(3);
    assert.deepEqual(records.map(({ stream, operation, key }) => [stream.name, operation, key]), [
      ["b", "insert", { id: 3 }],
      ["c", "insert", { id: 1 }],
      ["a", "insert", { id: 1 }],
    ]);
    const joined = reader.context.messages.filter((message) => /has joined the stream/.test(message));
    assert.deepEqual(joined.map((message) => /"(.*?)"/.exec(message)![1]), ["public.b", "s.c"]);
  });
}

Deno.test("tables that are selected later join our own publication at the next start; one that was there is left alone", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)");
  const context = testContext();
  const start = async (keys: Record<string, unknown>, position?: Reader["position"]) => {
    await using reader = new Reader(
      configFor(pg, { snapshot: { mode: "never" }, ...keys }),
      position,
      context,
    );
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO a SELECT count(*) FROM a");
    await pending;
    await reader.atLeast(1);
    return reader.position;
  };
  let position = await start({ tables: ["a"] });
  assert.deepEqual(await published(pg), ["a"]);
  position = await start({ tables: ["a", "b"] }, position);
  assert.deepEqual(await published(pg), ["a", "b"]);
  assert(
    context.messages.some((message) =>
      /^info: Added tables to publication "rivven_pub".*public\.b/.test(message)
    ),
  );
  await pg.query("CREATE TABLE c (id int PRIMARY KEY)");
  position = await start({ tables: ["*"], refresh_publication_on_start: "never" }, position);
  assert.deepEqual(await published(pg), ["a", "b"]);
  position = await start({ tables: ["*"] }, position);
  assert.deepEqual(await published(pg), ["a", "b", "c"]);

  // Another publication, made by hand.
  await pg.query("CREATE PUBLICATION other FOR TABLE a");
  position = await start({ tables: ["*"], publication: "other" }, position);
  assert.deepEqual(await pg.query("SELECT tablename FROM pg_publication_tables WHERE pubname = 'other'"), [
    { tablename: "a" },
  ]);
  await start({ tables: ["*"], publication: "other", refresh_publication_on_start: "always" }, position);
  assert.equal((await pg.query("SELECT FROM pg_publication_tables WHERE pubname = 'other'")).length, 3);
});
