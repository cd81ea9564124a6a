/** Random writers for tests: what they do follows from a seed, so a failure can be repeated (as far as a server can). */
import type { Postgres } from "../../../tests/servers/postgres.ts";
import { seededRandom } from "../../../tests/fakes/context.ts";

/** One table of each kind that matters for keys: single, composite, text, none; names that need quoting. */
export const WORKLOAD_TABLES = [
  `public.orders`,
  `public.pairs`,
  `"Odd Schema"."It's.a ""T"""`,
  `public.loose`,
];

export async function createWorkload(pg: Postgres, rows: number): Promise<void> {
  await pg.query(`
    CREATE TABLE orders (id int PRIMARY KEY, name text, big text, n bigint);
    CREATE TABLE pairs (note text, b int, a int, PRIMARY KEY (a, b));
    CREATE SCHEMA "Odd Schema";
    CREATE TABLE "Odd Schema"."It's.a ""T""" ("The Key" text PRIMARY KEY, "v""al" text);
    CREATE TABLE loose (a int, b text);
    ALTER TABLE loose REPLICA IDENTITY FULL;
    CREATE TABLE finish (id int PRIMARY KEY);
    INSERT INTO orders SELECT i, 'row ' || i, ${BIG}, i FROM generate_series(1, ${rows}) i;
    INSERT INTO pairs SELECT E'tab\\tand \\\\N', i, i % 7 FROM generate_series(1, ${rows}) i;
    INSERT INTO "Odd Schema"."It's.a ""T""" SELECT 'key ' || i, E'line\\nend' FROM generate_series(1, ${rows}) i;
    INSERT INTO loose SELECT i % 50, CASE WHEN i % 3 > 0 THEN 'x' END FROM generate_series(1, ${rows}) i;
  `);
}

/** 4 KB that don't compress, so that they are stored out of line. */
const BIG = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 128) WHERE i = i)";

/** Runs random transactions until `signal` is aborted, on a connection of its own. */
export async function writeAtRandom(pg: Postgres, seed: number, signal: AbortSignal): Promise<number> {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const client = await pg.connect();
  let transactions = 0;
  try {
    while (!signal.aborted) {
      const statements = Array.from({ length: 1 + below(6) }, () => statement(below));
      if (random() < 0.15) {
        statements.splice(
          below(statements.length),
          0,
          "SAVEPOINT s",
          statement(below),
          "ROLLBACK TO SAVEPOINT s",
        );
      }
      const end = random() < 0.1 ? "ROLLBACK" : "COMMIT";
      try {
        await client.query(`BEGIN; ${statements.join("; ")}; ${end}`);
      } catch (error) {
        await client.query("ROLLBACK");
        // Two writers met: one of them has to give way.
        const code = error instanceof Error && "code" in error ? error.code : undefined;
        if (code !== "40P01" && code !== "23505") throw error;
      }
      transactions++;
    }
  } finally {
    await client.end();
  }
  return transactions;
}

/** One statement on one of the tables, chosen by `below`, which gives a number from 0 to less than its limit. */
export function statement(below: (limit: number) => number): string {
  const id = below(4000);
  const statements = [
    `INSERT INTO orders SELECT i, 'new', ${BIG}, -i FROM generate_series(${id}, ${
      id + 3
    }) i ON CONFLICT DO NOTHING`,
    `UPDATE orders SET name = name || '!' WHERE id BETWEEN ${id} AND ${id + 5}`,
    `UPDATE orders SET big = NULL, n = 9007199254740993 WHERE id = ${id}`,
    `UPDATE orders SET id = id + 100000 WHERE id = ${id}`,
    `DELETE FROM orders WHERE id BETWEEN ${id} AND ${id + 2}`,
    `INSERT INTO pairs VALUES ('p', ${id}, ${
      id % 9
    }) ON CONFLICT (a, b) DO UPDATE SET note = pairs.note || '+'`,
    `UPDATE pairs SET a = a + 1000 WHERE b = ${id}`,
    `DELETE FROM pairs WHERE b = ${id}`,
    `UPDATE "Odd Schema"."It's.a ""T""" SET "v""al" = '${id}' WHERE "The Key" = 'key ${id}'`,
    `UPDATE "Odd Schema"."It's.a ""T""" SET "The Key" = "The Key" || '''' WHERE "The Key" = 'key ${id}'`,
    `INSERT INTO loose VALUES (${id % 50}, NULL), (${id % 50}, 'x')`,
    `UPDATE loose SET b = 'y${id}' WHERE ctid = (SELECT ctid FROM loose WHERE a = ${id % 50} LIMIT 1)`,
    `DELETE FROM loose WHERE ctid = (SELECT ctid FROM loose WHERE a = ${id % 50} LIMIT 1)`,
  ];
  return statements[below(statements.length)];
}
