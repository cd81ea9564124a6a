/** A PostgreSQL server with rows and changes to read, for the suites. */
import { systemClock } from "../../runtime/clock.ts";
import { startPostgres } from "../servers/postgres.ts";
import { disposable, type SourceEnvironment } from "./environment.ts";

const TABLE = `
  CREATE TABLE orders (id bigint PRIMARY KEY, customer text, total numeric(12,2), placed timestamptz DEFAULT now());
  CREATE PUBLICATION rivven_pub FOR TABLE orders;
`;
const TRANSACTIONS = 20;

/** Changes that wait in a slot: transactions of fourteen rows each, one of them all in one statement. */
export async function postgresStream(): Promise<SourceEnvironment> {
  const pg = await startPostgres();
  await pg.query(TABLE);
  await pg.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput')");
  for (let t = 0; t < TRANSACTIONS; t++) {
    const [first, last] = [t * 10, t * 10 + 9];
    await pg.query(`
      BEGIN;
      INSERT INTO orders SELECT id, 'customer ' || id, id * 1.25 FROM generate_series(${first}, ${last}) AS id;
      UPDATE orders SET total = total + 1 WHERE id BETWEEN ${first} AND ${first + 2};
      DELETE FROM orders WHERE id = ${last};
      COMMIT;
    `);
  }
  const { host, port, user, password, database } = pg;
  return disposable({
    config: { host, port, user, password, database, snapshot: { mode: "never" } },
    records: TRANSACTIONS * 14,
    isEndless: true,
    clock: systemClock,
    released: async () => {
      const [slot] = await pg.query("SELECT confirmed_flush_lsn FROM pg_replication_slots");
      return slot.confirmed_flush_lsn;
    },
  }, () => pg[Symbol.asyncDispose]());
}

/** Rows of a table that is read in a snapshot. */
export async function postgresSnapshot(): Promise<SourceEnvironment> {
  const pg = await startPostgres();
  await pg.query(TABLE);
  await pg.query(
    "INSERT INTO orders SELECT id, 'customer ' || id, id * 1.25 FROM generate_series(1, 3000) AS id",
  );
  const { host, port, user, password, database } = pg;
  return disposable({
    config: { host, port, user, password, database },
    records: 3000,
    isEndless: true,
    clock: systemClock,
  }, () => pg[Symbol.asyncDispose]());
}
