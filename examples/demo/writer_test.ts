import assert from "node:assert/strict";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { createShop, TABLES } from "./shop.ts";
import { write } from "./writer.ts";

async function countRows(pg: Postgres): Promise<number> {
  let rows = 0;
  for (const { name } of TABLES) {
    const [{ n }] = await pg.query(`SELECT count(*) AS n FROM ${name}`);
    rows += Number(n);
  }
  return rows;
}

Deno.test("the demo's writer changes exactly as many rows as it says", async () => {
  await using pg = await startPostgres({ fsync: false });
  const client = await pg.connect();
  await createShop(client, 200);
  assert.equal(await countRows(pg), 200 + 400 + 800);

  const never = new AbortController().signal;
  const written = await write(client, { rowsPerSecond: Infinity, seed: 7 }, never, 300);

  assert.equal(written.transactions + written.rolledBack, 300);
  for (const kind of ["rolledBack", "inserted", "updated", "deleted"] as const) {
    assert.ok(written[kind] > 0, `${kind}: ${written[kind]}`);
  }
  assert.equal(await countRows(pg), 1400 + written.inserted - written.deleted);
  await client.end(); // a session's statistics are there for all when it has ended
  const [{ updated }] = await pg.query("SELECT sum(n_tup_upd) AS updated FROM pg_stat_user_tables");
  // They count what was rolled back, too.
  assert.ok(Number(updated) >= written.updated, `${updated} against ${written.updated}`);
  assert.ok(Number(updated) <= written.updated * 1.5, `${updated} against ${written.updated}`);
  const [{ renumbered }] = await pg.query(
    "SELECT count(*) AS renumbered FROM order_items WHERE line > 1000",
  );
  assert.notEqual(renumbered, "0", "no primary key was changed");
});

Deno.test("the demo's writer keeps its pace and stops when told", async () => {
  await using pg = await startPostgres({ fsync: false });
  const client = await pg.connect();
  await createShop(client, 50);
  const stop = new AbortController();
  const started = performance.now();
  const { inserted, updated, deleted } = await write(
    client,
    { rowsPerSecond: 100, seed: 1 },
    stop.signal,
    15,
  );
  const seconds = (performance.now() - started) / 1000;
  const rows = inserted + updated + deleted;
  // One transaction of a dozen rows may always be on top.
  assert.ok(rows > 5 && rows <= 100 * seconds + 60, `${rows} rows in ${seconds} s`);

  const writing = write(client, { rowsPerSecond: 0.001, seed: 1 }, stop.signal);
  setTimeout(() => stop.abort(), 200);
  await writing; // and not its next transaction, hours later
});
