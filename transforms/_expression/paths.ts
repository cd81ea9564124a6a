/** Where a path leads in a record: the closures that read it, and the type that a stream's columns give it. */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import { isRow } from "../_shared/records.ts";
import type { Root } from "./syntax.ts";

export type Read = (record: DataRecord) => Value | undefined;

/** A step that rows have by inheritance, such as `constructor`, needs a slower look. */
const INHERITED = (name: string) => name in Object.prototype;

/** The value of a row's own member. */
export function memberReader(name: string): (row: Row) => Value | undefined {
  if (INHERITED(name)) return (row) => Object.hasOwn(row, name) ? row[name] : undefined;
  return (row) => row[name];
}

/** Reads a path. Absent at any step: undefined. */
export function pathReader(root: Root, names: readonly (string | number)[], stream: Stream): Read {
  if (root === "source") return sourceReader(names);
  const [head, ...rest] = resolve(names, stream);
  const first = memberReader(String(head));
  const inside = rest.length > 0 ? insideReader(rest) : undefined;
  const dotted =
    stream.columns === undefined && names.length > 1 && names.every((name) => typeof name === "string")
      ? names.join(".")
      : undefined;
  const ofRow = dotted === undefined
    ? inside ? (row: Row) => inside(first(row)) : first
    : (row: Row) => Object.hasOwn(row, dotted) ? row[dotted] : inside ? inside(first(row)) : first(row);
  switch (root) {
    case "before":
      return ({ before }) => before && ofRow(before);
    case "after":
      return ({ after }) => isRow(after) ? ofRow(after) : undefined;
    case "key":
      return ({ key }) => key && !(key instanceof Uint8Array) ? ofRow(key) : undefined;
    default:
      return currentReader(String(head), ofRow);
  }
}

/** The row after, or before where there is none after. What was not sent because it is unchanged is as it was before. */
function currentReader(head: string, ofRow: (row: Row) => Value | undefined): Read {
  return (record) => {
    const { after, before } = record;
    if (after === undefined || after === null) {
      return before ? ofRow(before) : record.operation === "tombstone" ? ofKey(record, ofRow) : undefined;
    }
    if (!isRow(after)) return undefined;
    const value = ofRow(after);
    return value === undefined && before && record.unavailable?.includes(head) ? ofRow(before) : value;
  };
}

/** All there is of a tombstone. */
function ofKey({ key }: DataRecord, ofRow: (row: Row) => Value | undefined): Value | undefined {
  return key && !(key instanceof Uint8Array) ? ofRow(key) : undefined;
}

/** Where a column has a dot in its name, as after `flatten`, that column is meant. */
function resolve(names: readonly (string | number)[], stream: Stream): readonly (string | number)[] {
  if (names.length === 1 || !stream.columns) return names;
  const whole = names.join(".");
  return names.every((name) => typeof name === "string") && stream.columns.some(({ name }) => name === whole)
    ? [whole]
    : names;
}

function insideReader(names: readonly (string | number)[]): (value: Value | undefined) => Value | undefined {
  return (value) => valueAt(value, names);
}

/** The value at a path inside a value. */
export function valueAt(value: Value | undefined, names: readonly (string | number)[]): Value | undefined {
  let at = value;
  for (const name of names) {
    if (at === null || typeof at !== "object" || at instanceof Uint8Array) return undefined;
    if (Array.isArray(at)) {
      if (typeof name !== "number" && !/^\d+$/.test(name)) return undefined;
      at = (at as readonly Value[])[Number(name)];
    } else at = Object.hasOwn(at, name) ? (at as Row)[name] : undefined;
  }
  return at;
}

/** Members of `source` that the envelope writes for every connector; a record holds the others. */
const SOURCE_MEMBERS: Readonly<Record<string, Read>> = {
  db: ({ stream }) => stream.database,
  schema: ({ stream }) => stream.namespace,
  table: ({ stream }) => stream.name,
  ts_ms: ({ timeMicros }) => timeMicros / 1000n,
  ts_us: ({ timeMicros }) => timeMicros,
  ts_ns: ({ timeMicros }) => timeMicros * 1000n,
  order: ({ order }) => order,
  snapshot: ({ source, operation }) => source?.snapshot ?? (operation === "snapshot" ? "true" : "false"),
};

/** Members of `source` that a transform can't know. */
export const UNKNOWN_SOURCE_MEMBERS: ReadonlySet<string> = new Set(["version", "connector", "name", "lane"]);

function sourceReader(names: readonly (string | number)[]): Read {
  const name = String(names[0]);
  if (names.length === 1 && Object.hasOwn(SOURCE_MEMBERS, name)) return SOURCE_MEMBERS[name];
  return ({ source }) => valueAt(source, names);
}

/** The type that the columns give a path; undefined where they don't tell. */
export function pathType(
  root: Root,
  names: readonly (string | number)[],
  stream: Stream,
): ColumnType | undefined {
  if (root === "source") return names[0] === "ts_ms" || names[0] === "ts_us" ? { kind: "int64" } : undefined;
  const [head, ...rest] = resolve(names, stream);
  let type = stream.columns?.find(({ name }) => name === head)?.type;
  for (const name of rest) {
    type = type?.kind === "struct"
      ? type.fields.find((field) => field.name === name)?.type
      : type?.kind === "map"
      ? type.values
      : type?.kind === "array" && typeof name === "number"
      ? type.items
      : undefined;
  }
  return type;
}
