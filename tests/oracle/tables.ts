/**
 * The tables that the oracle's writers change, and the statements they choose from: every type, every kind of key and
 * replica identity, values stored out of line, partitions, generated columns.
 */
import {
  createWorkload,
  statement as keyStatement,
} from "../../connectors/postgres-cdc/testdata/workload.ts";
import { PRELUDE, typeCases } from "../../connectors/postgres-cdc/types/server_cases.ts";
import type { Postgres } from "../servers/postgres.ts";

/** A number from 0 to less than `limit`. */
export type Below = (limit: number) => number;

export const PUBLICATION = "oracle";

/** What the connector does not report yet, or reports only when asked to: a test switches it on. */
export interface StatementOptions {
  readonly truncate?: boolean;
  /** Columns added, dropped, renamed, swapped, of another type; each followed by an update of all rows. */
  readonly ddl?: boolean;
  /** A folder that the server may write to, for COPY. */
  readonly dir: string;
}

/** 4 KB that don't compress, so that they are stored out of line; other ones for each row. */
const BIG = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 128) WHERE i = i)";

interface WideColumn {
  readonly name: string;
  readonly sql: string;
  /** SQL of values; NULL is one of them. */
  readonly values: readonly string[];
}

/** Rows are kept below a few kilobytes, and without what is documented not to come back. */
function wideColumns(version: number): WideColumn[] {
  return typeCases(version).map(({ sql, values }, i) => ({
    name: `c${i}`,
    sql,
    values: [
      "NULL",
      ...values.filter(({ sql: value, json }) =>
        json.length < 2000 &&
        !/^'\[\d+:\d+\]/.test(value) && // lower bounds of arrays
        !(sql.startsWith("json") && /(^|, )'null'/.test(value)) // like NULL in JSON
      ).map(({ sql }) => sql),
    ],
  }));
}

/** Makes tables and rows, and a publication of all of them. */
export async function createTables(pg: Postgres, rows: number): Promise<void> {
  await createWorkload(pg, rows);
  await pg.query(PRELUDE);
  const columns = wideColumns(pg.version);
  await pg.query(`
    CREATE TABLE wide (id int PRIMARY KEY, ${columns.map(({ name, sql }) => `${name} ${sql}`).join(", ")});
    CREATE TABLE by_uuid (key uuid PRIMARY KEY, label citext, at timestamptz DEFAULT now());
    CREATE TABLE by_code (id int, code numeric NOT NULL, note text);
    CREATE UNIQUE INDEX by_code_key ON by_code (code);
    ALTER TABLE by_code REPLICA IDENTITY USING INDEX by_code_key;
    CREATE TABLE whole (id int PRIMARY KEY, big text, note text);
    ALTER TABLE whole ALTER big SET STORAGE EXTERNAL;
    ALTER TABLE whole REPLICA IDENTITY FULL;
    CREATE TABLE notes (n int, big text);
    ALTER TABLE notes REPLICA IDENTITY FULL;
    CREATE TABLE parts (k int, v text, PRIMARY KEY (k)) PARTITION BY RANGE (k);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (200);
    CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (200) TO (MAXVALUE);
    CREATE TABLE sums (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
    CREATE TABLE bulk (id int PRIMARY KEY, v text);
    CREATE TABLE shape (id int PRIMARY KEY, a int, b int);
    CREATE TABLE emptied (id int PRIMARY KEY, v text);
    INSERT INTO by_uuid SELECT md5(i::text)::uuid, 'Label ' || i FROM generate_series(1, ${rows}) i;
    INSERT INTO by_code SELECT i, i / 10.0, 'note' FROM generate_series(1, ${rows}) i;
    INSERT INTO whole SELECT i, ${BIG}, 'n' FROM generate_series(1, 200) i;
    INSERT INTO notes SELECT i % 20, CASE WHEN i % 3 = 0 THEN ${BIG} END FROM generate_series(1, 200) i;
    INSERT INTO parts SELECT i, 'v' FROM generate_series(1, 400) i;
    INSERT INTO sums SELECT i, i FROM generate_series(1, 100) i;
    INSERT INTO shape SELECT i, i, -i FROM generate_series(1, 50) i;
    INSERT INTO emptied SELECT i, 'v' FROM generate_series(1, 50) i;
    CREATE PUBLICATION ${PUBLICATION} FOR ALL TABLES WITH (publish_via_partition_root = true);
  `);
  // Each value of each type once, in rows that nobody changes; the writers' rows have other numbers.
  const rowCount = Math.max(...columns.map(({ values }) => values.length));
  for (let r = 0; r < rowCount; r++) {
    await pg.query(
      `INSERT INTO wide VALUES (${-r}, ${columns.map(({ values }) => values[r] ?? "NULL").join(", ")})`,
    );
  }
}

/** Statements for one writer. */
export class Statements {
  readonly #below: Below;
  readonly #columns: readonly WideColumn[];
  readonly #options: StatementOptions;
  #serial = 0;

  constructor(below: Below, version: number, options: StatementOptions) {
    this.#below = below;
    this.#columns = wideColumns(version);
    this.#options = options;
  }

  /** One statement that changes no more than some rows. */
  next(): string {
    const below = this.#below;
    const kind = below(20);
    if (kind < 9) return keyStatement(below);
    if (kind < 12) return this.#wide();
    const id = below(400);
    const statements = [
      `INSERT INTO by_uuid SELECT md5(i::text)::uuid, 'new' FROM generate_series(${id}, ${id + 3}) i
        ON CONFLICT (key) DO UPDATE SET label = by_uuid.label || '+', at = '294276-12-31 23:59:59.999999+00'`,
      `UPDATE by_uuid SET key = md5('${id}x' || key)::uuid WHERE key = md5('${id}')::uuid`,
      `DELETE FROM by_uuid WHERE key = md5('${id}')::uuid`,
      `UPDATE by_code SET note = note || '.' WHERE id BETWEEN ${id} AND ${id + 3}`,
      // An equal key that is written in another way.
      `UPDATE by_code SET code = code + 0.00 WHERE id = ${id}`,
      `UPDATE by_code SET code = code + 1000000, id = NULL WHERE id = ${id}`,
      `INSERT INTO by_code VALUES (${id}, ${id} + ${below(1000)} / 1000.0, NULL) ON CONFLICT DO NOTHING`,
      `DELETE FROM by_code WHERE id = ${id}`,
      `INSERT INTO whole SELECT i, ${BIG}, NULL FROM generate_series(${id}, ${
        id + 1
      }) i ON CONFLICT DO NOTHING`,
      `UPDATE whole SET note = note || '!' WHERE id BETWEEN ${id} AND ${id + 3}`,
      `UPDATE whole SET id = id + 10000 WHERE id = ${id}`,
      `UPDATE whole SET big = big || '.' WHERE id = ${id}`,
      `DELETE FROM whole WHERE id = ${id}`,
      `INSERT INTO notes SELECT ${id % 20}, ${BIG} FROM generate_series(1, 2) i`,
      `UPDATE notes SET n = n + 1 WHERE ctid = (SELECT ctid FROM notes WHERE n = ${id % 20} LIMIT 1)`,
      `DELETE FROM notes WHERE ctid = (SELECT ctid FROM notes WHERE n = ${id % 20} LIMIT 1)`,
      // Into another partition: the server makes a delete and an insert of it.
      `UPDATE parts SET k = (k + 200) % 400 WHERE k = ${id}`,
      `UPDATE parts SET v = v || '${id % 10}' WHERE k BETWEEN ${id} AND ${id + 3}`,
      `INSERT INTO parts VALUES (${id}, 'again') ON CONFLICT DO NOTHING`,
      `DELETE FROM parts WHERE k = ${id}`,
      `UPDATE sums SET a = a + 1 WHERE id BETWEEN ${id} AND ${id + 3}`,
      `INSERT INTO sums (id, a) VALUES (${id}, ${id}) ON CONFLICT DO NOTHING`,
      `INSERT INTO emptied VALUES (${id}, '${id}') ON CONFLICT DO NOTHING`,
      `UPDATE emptied SET v = v || '.' WHERE id = ${id}`,
      `SELECT pg_logical_emit_message(${below(2) === 0}, 'oracle', 'text')`,
      // Subtransactions, of which some are rolled back.
      `DO $$ BEGIN FOR i IN 1..${1 + below(70)} LOOP
          BEGIN
            INSERT INTO sums (id, a) VALUES (i * 3, i);
            IF i % 4 = 0 THEN RAISE 'no'; END IF;
          EXCEPTION WHEN OTHERS THEN UPDATE sums SET a = -i WHERE id = i;
          END;
        END LOOP; END $$`,
    ];
    return statements[below(statements.length)];
  }

  /** Sets some columns of a row of the wide table, or makes or deletes one. */
  #wide(): string {
    const below = this.#below;
    const id = 1 + below(60);
    if (below(8) === 0) return `DELETE FROM wide WHERE id = ${id}`;
    if (below(8) === 0) return `UPDATE wide SET id = id + 100 WHERE id = ${id}`;
    const some = this.#columns.filter(() => below(6) === 0);
    const values = some.map(({ values }) => values[below(values.length)]);
    if (some.length > 0 && below(3) > 0) {
      return `UPDATE wide SET ${
        some.map(({ name }, i) => `${name} = ${values[i]}`).join(", ")
      } WHERE id = ${id}`;
    }
    const names = ["id", ...some.map(({ name }) => name)].join(", ");
    return `INSERT INTO wide (${names}) VALUES (${[id, ...values].join(", ")}) ON CONFLICT DO NOTHING`;
  }

  /** A whole transaction of an unusual kind, by itself; undefined: rather an ordinary one. */
  rare(): string[] | undefined {
    const below = this.#below;
    const kind = below(400);
    if (kind < 5) return ["BEGIN", ...this.#copyIn(), "COMMIT"];
    if (kind === 5) return [`VACUUM FULL ${["orders", "whole", "sums"][below(3)]}`];
    if (kind === 6) return ["SELECT pg_switch_wal()"];
    if (kind === 7) return ["CHECKPOINT"];
    if (kind < 11 && this.#options.truncate) return ["TRUNCATE emptied, sums"];
    if (kind < 21 && this.#options.ddl) return ["BEGIN", this.#ddl(), "UPDATE shape SET id = id", "COMMIT"];
    return undefined;
  }

  /** COPY in: rows that the server writes many at a time. The file is the server's. */
  #copyIn(): string[] {
    const first = 100_000 + this.#below(1_000_000) * 100;
    const file = `'${this.#options.dir}/copied_${first}'`;
    return [
      `COPY (SELECT i, 'copied', NULL, i FROM generate_series(${first}, ${first + 60}) i) TO ${file}`,
      `COPY orders FROM ${file}`,
    ];
  }

  #ddl(): string {
    const n = this.#serial++;
    const name = `x${this.#below(1e9)}`;
    const statements = [
      `ALTER TABLE shape ADD COLUMN ${name} int DEFAULT ${n}`,
      `ALTER TABLE shape ADD COLUMN ${name} text DEFAULT 'd${n}', DROP COLUMN a, ADD COLUMN a int`,
      `ALTER TABLE shape DROP COLUMN b; ALTER TABLE shape ADD COLUMN b bigint DEFAULT 9007199254740993`,
      // The same types under each other's names.
      `ALTER TABLE shape RENAME a TO t; ALTER TABLE shape RENAME b TO a; ALTER TABLE shape RENAME t TO b`,
      `ALTER TABLE shape ALTER a TYPE text USING 'text ' || a`,
      `ALTER TABLE shape ALTER a TYPE bytea USING convert_to(a::text, 'UTF8')`,
      `ALTER TABLE shape ALTER b TYPE numeric(20, 3)`,
      `ALTER TABLE shape ALTER b TYPE int[] USING ARRAY[1, ${n}]`,
    ];
    return statements[this.#below(statements.length)];
  }
}

/** A transaction of this many rows and half as many updates, a part of it rolled back. */
export function largeTransaction(rows: number, seed: number): string {
  return `
    BEGIN;
    INSERT INTO bulk SELECT i, repeat('x', i % 100) FROM generate_series(${seed * 1e6}, ${
    seed * 1e6 + rows - 1
  }) i;
    SAVEPOINT half;
    DELETE FROM bulk;
    ROLLBACK TO SAVEPOINT half;
    UPDATE bulk SET v = v || 'y' WHERE id % 2 = 0 AND id >= ${seed * 1e6};
    COMMIT`;
}
