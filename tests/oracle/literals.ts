/**
 * The way back: JSON as postgres-cdc writes it (TYPES.md, default options) → text that PostgreSQL reads. Written from
 * the documentation and the server's catalog alone, so that it agrees with the codec only where both are right.
 */
import type { Postgres } from "../servers/postgres.ts";
import { type ExactJson, exactText, plainText } from "./envelope.ts";

/** What a value of a type looks like, as far as the way back has to know. */
export interface PgType {
  readonly name: string;
  readonly base?: PgType;
  readonly element?: PgType;
  readonly delimiter: string;
  readonly fields?: readonly { readonly name: string; readonly type: PgType }[];
}

/** All types of a database, by oid. */
export async function readTypes(pg: Postgres): Promise<ReadonlyMap<string, PgType>> {
  const rows = await pg.query(`
    SELECT t.oid::text, t.typname AS name, t.typdelim AS delimiter, t.typbasetype::text AS base,
      (SELECT e.oid::text FROM pg_type e WHERE e.typarray = t.oid) AS element,
      (SELECT e.typdelim FROM pg_type e WHERE e.typarray = t.oid) AS element_delimiter,
      CASE WHEN t.typtype = 'c' THEN (
        SELECT json_agg(json_build_array(attname, atttypid::text) ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped
      )::text END AS fields
    FROM pg_type t`);
  const types = new Map<string, PgType>();
  const byOid = new Map(rows.map((row) => [row.oid!, row]));
  const type = (oid: string): PgType => {
    const known = types.get(oid);
    if (known) return known;
    const row = byOid.get(oid)!;
    // A type may be part of itself by way of an array, so its parts are looked up when they are needed.
    const made: PgType = {
      name: row.name!,
      delimiter: row.element_delimiter ?? row.delimiter!,
      get base() {
        return row.base === "0" ? undefined : type(row.base!);
      },
      get element() {
        return row.element === null ? undefined : type(row.element);
      },
      get fields() {
        const fields: [string, string][] | null = row.fields === null ? null : JSON.parse(row.fields);
        return fields?.map(([name, oid]) => ({ name, type: type(oid) }));
      },
    };
    types.set(oid, made);
    return made;
  };
  for (const { oid } of rows) type(oid!);
  return types;
}

/** A value as input of its type; null for NULL. */
export function literal(type: PgType, value: ExactJson): string | null {
  const base = type.base;
  if (base) return literal(base, value);
  // A JSON null inside a json column is NULL or 'null': the codec writes both as null.
  if (value === null) return null;
  if (type.element) return arrayLiteral(type, type.element, value);
  if (type.fields) return rowLiteral(type.fields, value);
  switch (type.name) {
    case "json":
    case "jsonb":
      return exactText(value);
    case "bytea":
      return `\\x${Uint8Array.fromBase64(plainText(value)).toHex()}`;
    case "bit":
      return typeof value === "boolean" ? value ? "1" : "0" : plainText(value);
    case "date":
    case "timestamp":
    case "timestamptz":
      return moment(plainText(value));
    case "point": {
      const { x, y } = object(value);
      return `(${plainText(x)},${plainText(y)})`;
    }
    case "hstore":
      return Object.entries(object(value)).map(([key, each]) =>
        `${quoted(key)}=>${each === null ? "NULL" : quoted(plainText(each))}`
      ).join(",");
    default:
      return plainText(value);
  }
}

/** `-0043-03-15T12:00:00` → `0044-03-15 12:00:00 BC`; `+12026-01-01` → `12026-01-01`. */
function moment(text: string): string {
  const [, sign, year, rest] = /^([+-]?)(\d{4,})(-.*)$/.exec(text) ?? [];
  if (year === undefined) return text; // infinity
  const time = rest.replace("T", " ");
  if (sign === "-") return `${String(Number(year) + 1).padStart(4, "0")}${time} BC`;
  return Number(year) === 0 ? `0001${time} BC` : `${year}${time}`;
}

function arrayLiteral(type: PgType, element: PgType, value: ExactJson): string {
  if (!Array.isArray(value)) throw new Error(`An array of ${element.name} is no JSON array`);
  // Further dimensions, unless the elements are arrays by themselves (a domain over an array).
  const isNested = (each: ExactJson) => Array.isArray(each) && !isArray(element) && !isJson(element);
  return `{${
    value.map((each) => {
      if (isNested(each)) return arrayLiteral(type, element, each);
      const text = literal(element, each);
      return text === null ? "NULL" : quoted(text);
    }).join(type.delimiter)
  }}`;
}

const isArray = ({ base, element }: PgType): boolean =>
  element !== undefined || (base !== undefined && isArray(base));
const isJson = ({ name }: PgType): boolean => name === "json" || name === "jsonb";

function rowLiteral(fields: NonNullable<PgType["fields"]>, value: ExactJson): string {
  const members = object(value);
  return `(${
    fields.map(({ name, type }) => {
      const text = literal(type, members[name] ?? null);
      return text === null ? "" : quoted(text);
    }).join(",")
  })`;
}

/** Quotes and backslashes are escaped the same way in arrays, rows and hstore. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function object(value: ExactJson): { [name: string]: ExactJson } {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Error("A value of several members is no JSON object");
  }
  return value as { [name: string]: ExactJson };
}

/** A value in a file for COPY. */
export function copyText(text: string | null): string {
  return text === null ? "\\N" : text
    .replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t");
}
