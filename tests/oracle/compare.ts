/**
 * Compares what was replayed with the tables themselves, in SQL: the replayed rows are loaded into tables of the same
 * columns in another schema, and each side is taken from the other.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Postgres } from "../servers/postgres.ts";
import { giveToServer } from "../servers/process.ts";
import { copyText, literal, type PgType, readTypes } from "./literals.ts";
import type { Replay } from "./replay.ts";
import { PUBLICATION } from "./tables.ts";

interface Table {
  readonly name: string;
  /** Quoted, with its schema. */
  readonly sql: string;
  readonly key: readonly string[];
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** The tables that are captured, each with the columns that are sent. */
export async function readTables(pg: Postgres): Promise<Table[]> {
  const rows = await pg.query(`
    SELECT n.nspname || '.' || c.relname AS name, 
      format('%I.%I', n.nspname, c.relname) AS sql,
      (SELECT json_agg(json_build_object('name', attname, 'type', atttypid::text) ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '')
        ::text AS columns,
      (SELECT json_agg(attname) FROM pg_attribute a JOIN pg_index i ON attrelid = indrelid AND attnum = ANY (indkey)
        WHERE indrelid = c.oid AND CASE WHEN relreplident = 'i' THEN indisreplident ELSE indisprimary END)::text AS key
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname IN ('public', 'Odd Schema')`);
  return rows.map(({ name, sql, columns, key }) => ({
    name: name!,
    sql: sql!,
    key: JSON.parse(key ?? "[]"),
    columns: JSON.parse(columns!),
  }));
}

export function keysOf(tables: readonly Table[]): Map<string, readonly string[]> {
  return new Map(tables.map(({ name, key }) => [name, key]));
}

const encoder = new TextEncoder();

/** Fails where a table and its replay differ in a row. */
export async function compareTables(pg: Postgres, tables: readonly Table[], replay: Replay): Promise<void> {
  const types = await readTypes(pg);
  await pg.query(
    "DROP SCHEMA IF EXISTS replica CASCADE; CREATE SCHEMA replica; " +
      "SET DateStyle = 'ISO'; SET extra_float_digits = 3; SET TimeZone = 'UTC'",
  );
  const differences: string[] = [];
  for (const [i, table] of tables.entries()) {
    const copy = `replica.t${i}`;
    const names = table.columns.map(({ name }) => quote(name)).join(", ");
    await pg.query(`CREATE TABLE ${copy} AS SELECT ${names} FROM ${table.sql} WHERE false`);
    await load(pg, copy, table, types, replay);
    // As text, because some types can't be compared, and others are equal although they are written differently.
    const text = `ARRAY[${table.columns.map((column) => asText(column, types)).join(", ")}]`;
    const [one, other] = [`SELECT ${text} AS r FROM ${table.sql}`, `SELECT ${text} AS r FROM ${copy}`];
    for (const [what, a, b] of [["is missing", one, other], ["is too much", other, one]]) {
      const rows = await pg.query(
        `SELECT count(*) OVER () AS n, r::text FROM (${a} EXCEPT ALL ${b}) AS difference LIMIT 3`,
      );
      for (const { n, r } of rows) {
        differences.push(`${table.name}: of ${n} rows this one ${what}: ${short(r!)}`);
      }
    }
  }
  await pg.query("DROP SCHEMA replica CASCADE");
  assert.deepEqual(differences, [], `${replay.lines} lines, ${replay.attempts} attempts of the snapshot`);
}

async function load(
  pg: Postgres,
  copy: string,
  { name, columns }: Table,
  types: ReadonlyMap<string, PgType>,
  replay: Replay,
): Promise<void> {
  const rows = replay.tables.get(name);
  if (!rows || rows.size === 0) return;
  const lines: string[] = [];
  for (const row of rows.values()) {
    lines.push(
      columns.map(({ name, type }) => copyText(literal(types.get(type)!, row[name] ?? null))).join("\t"),
    );
  }
  const path = join(pg.socketDir, "rows");
  await Deno.writeFile(path, encoder.encode(`${lines.join("\n")}\n`));
  await giveToServer(path);
  await pg.query(`COPY ${copy} FROM '${path}'`);
}

/** json keeps what jsonb does not; how it is written is tested with the codec. */
function asText({ name, type }: { name: string; type: string }, types: ReadonlyMap<string, PgType>): string {
  const { name: typeName } = types.get(type)!;
  const cast = typeName === "json" ? "::jsonb" : typeName === "_json" ? "::text[]::jsonb[]" : "";
  return `${quote(name)}${cast}::text`;
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

function short(row: string): string {
  return row.length > 1000 ? `${row.slice(0, 1000)}…` : row;
}

/** A slot of the server's own that nobody reads from: the other witness of what was committed. */
const WITNESS = "witness";

export async function makeWitness(pg: Postgres): Promise<void> {
  await pg.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [WITNESS]);
}

/**
 * Fails where a transaction that the server decodes for somebody else has another number of changes than were
 * replayed, from the point that the snapshot shows on; and where one was replayed that is not there at all.
 */
export async function compareTransactions(pg: Postgres, replay: Replay): Promise<void> {
  const rows = await pg.query(
    // Begin (B) has the commit LSN behind its first byte; I, U and D are changes.
    `SELECT xid::text AS xid, max(commit_lsn)::text AS lsn, count(*) FILTER (WHERE kind IN (68, 73, 85)) AS changes
     FROM (
       SELECT xid, get_byte(data, 0) AS kind,
         CASE get_byte(data, 0) WHEN 66 THEN ('x' || encode(substr(data, 2, 8), 'hex'))::bit(64)::bigint END
           AS commit_lsn
       FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)
     ) AS messages
     GROUP BY xid`,
    [WITNESS, PUBLICATION],
  );
  const wrong: string[] = [];
  const expected = new Set<string>();
  for (const { xid, lsn, changes } of rows) {
    expected.add(xid!);
    const came = replay.changes.get(xid!) ?? 0;
    // Before the snapshot a transaction comes only where the snapshot had to be begun again.
    const mayMiss = BigInt(lsn!) < replay.snapshotLsn && came === 0;
    if (came !== Number(changes) && !mayMiss) {
      wrong.push(`transaction ${xid}: ${came} changes instead of ${changes}`);
    }
  }
  for (const xid of replay.changes.keys()) {
    if (!expected.has(xid)) wrong.push(`transaction ${xid}: the server does not know it`);
  }
  assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} of ${rows.length} transactions are wrong`);
}
