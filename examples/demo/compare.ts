/**
 * Compares a table with what its file says, row by row and column by column, exactly: every value is brought into
 * one text from either side, by the type of its column. main.ts prints the result.
 */
import type { Client } from "npm:pg@8.23.1";
import { type ExactJson, exactText, parseExact, plainText, type Row } from "../../tests/oracle/envelope.ts";
import type { Replayed } from "./replay.ts";
import type { Table } from "./shop.ts";

export interface Comparison {
  readonly table: string;
  readonly rowsInDatabase: number;
  readonly rowsReplayed: number;
  /** By the envelope's `op`. */
  readonly events: ReadonlyMap<string, number>;
  /** One sentence each, without values. Empty: they are the same. */
  readonly differences: readonly string[];
}

/** How a type is read and brought to text. */
interface Codec {
  /** The column as text, in SQL; default: PostgreSQL's own. */
  readonly select?: (column: string) => string;
  readonly fromDatabase?: (text: string) => string;
  readonly fromFile: (value: ExactJson) => string;
}

const asWritten: Codec = { fromFile: plainText };
const asJson: Codec = { fromDatabase: (text) => exactText(parseExact(text)), fromFile: exactText };

/** By the name that format_type() gives, without what stands in parentheses. */
const CODECS: Record<string, Codec> = {
  bigint: asWritten,
  integer: asWritten,
  numeric: asWritten,
  text: asWritten,
  uuid: asWritten,
  boolean: { select: (column) => `${column}::text`, fromFile: plainText },
  bytea: {
    fromDatabase: (text) => text.replace(/^\\x/, ""),
    fromFile: (value) => Uint8Array.fromBase64(plainText(value)).toHex(),
  },
  // "2026-01-01 12:00:00.5+00" and "2026-01-01T12:00:00.500000Z" are the same.
  "timestamp with time zone": {
    fromDatabase: (text) => withoutZeros(text.replace(" ", "T").replace(/\+00$/, "Z")),
    fromFile: (value) => withoutZeros(plainText(value)),
  },
  jsonb: asJson,
  "text[]": { ...asJson, select: (column) => `to_jsonb(${column})::text` },
};

function withoutZeros(time: string): string {
  return time.replace(/\.(\d*?)0+Z$/, (_match, digits) => digits === "" ? "Z" : `.${digits}Z`);
}

/** Reads the table, which must not change meanwhile, and compares it with what was replayed from its file. */
export async function compare(client: Client, table: Table, replayed: Replayed): Promise<Comparison> {
  const columns = await readColumns(client, table);
  const differences = [...replayed.misfits];
  const seen = new Set<string>();
  const rows = await readRows(client, table, columns);
  for (const [id, stored] of rows) {
    seen.add(id);
    const copy = replayed.rows.get(id);
    if (copy === undefined) differences.push(`the row ${id} is missing in the file`);
    else differences.push(...compareRow(id, columns, stored, copy));
  }
  for (const id of replayed.rows.keys()) {
    if (!seen.has(id)) differences.push(`the row ${id} is in the file only`);
  }
  return {
    table: `${table.namespace}.${table.name}`,
    rowsInDatabase: rows.size,
    rowsReplayed: replayed.rows.size,
    events: replayed.events,
    differences,
  };
}

function compareRow(
  id: string,
  columns: ReadonlyMap<string, Codec>,
  stored: Record<string, string | null>,
  copy: Row,
): string[] {
  const differences: string[] = [];
  for (const [name, { fromFile, fromDatabase }] of columns) {
    const [ours, theirs] = [stored[name], copy[name]];
    if (theirs === undefined) differences.push(`the row ${id} has no "${name}" in the file`);
    else {
      const left = ours === null || fromDatabase === undefined ? ours : fromDatabase(ours);
      const right = theirs === null ? null : fromFile(theirs);
      if (left !== right) differences.push(`the row ${id} differs in "${name}"`);
    }
  }
  for (const name of Object.keys(copy)) {
    if (!columns.has(name)) differences.push(`the row ${id} has a "${name}" in the file only`);
  }
  return differences;
}

async function readColumns(client: Client, table: Table): Promise<Map<string, Codec>> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [table.namespace, table.name],
  );
  return new Map(rows.map(({ name, type }) => {
    const codec = CODECS[type];
    if (codec === undefined) throw new Error(`Cannot compare "${name}": no rule for the type "${type}"`);
    return [name, codec];
  }));
}

async function readRows(
  client: Client,
  table: Table,
  columns: ReadonlyMap<string, Codec>,
): Promise<Map<string, Record<string, string | null>>> {
  const selected = [...columns].map(([name, { select }]) => {
    const column = client.escapeIdentifier(name);
    return `${select?.(column) ?? column} AS ${column}`;
  });
  const from = `${client.escapeIdentifier(table.namespace)}.${client.escapeIdentifier(table.name)}`;
  const { rows } = await client.query<Record<string, string | null>>({
    text: `SELECT ${selected.join(", ")} FROM ${from}`,
    types: { getTypeParser: () => (text: string) => text },
  });
  return new Map(rows.map((row) => [table.key.map((name) => row[name]).join(","), row]));
}
