/**
 * Which parts of a record a transform of rows works on (`apply_to`), and `apply` for such transforms: the row after
 * the change, the one before it, the key. Tombstones have a key and nothing else.
 */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { Transform } from "../contract.ts";
import { asJson } from "./json_values.ts";
import { eachRecord, isRow, isRowRecord } from "./records.ts";

export const PARTS = ["after", "before", "key"] as const;
export type RowPart = (typeof PARTS)[number];

/** A record with other parts; everything else stays. */
export function withParts(
  record: DataRecord,
  key: DataRecord["key"],
  before: Row | undefined,
  after: Value | undefined,
  unavailable: readonly string[] | undefined = record.unavailable,
): DataRecord {
  return {
    stream: record.stream,
    operation: record.operation,
    key,
    before,
    after,
    unavailable,
    timeMicros: record.timeMicros,
    source: record.source,
    headers: record.headers,
    order: record.order,
    bare: record.bare,
  };
}

/**
 * Whether a column can get another type: only when every part that has its values gets new ones, because one column
 * describes them all. A new column always can.
 */
export function mayRetype(
  stream: Stream,
  name: string,
  type: ColumnType,
  parts: readonly RowPart[],
): boolean {
  const old = stream.columns?.find((column) => column.name === name);
  if (!old || JSON.stringify(old.type) === JSON.stringify(type)) return true;
  return parts.includes("after") && parts.includes("before") &&
    (parts.includes("key") || !stream.key.includes(name));
}

/**
 * What becomes of images that a transform leaves alone when the columns that describe them change: their values are then
 * as JSON has them, because no column tells their types any more.
 */
export class UntouchedParts {
  readonly #retyped = new WeakMap<Stream, readonly string[]>();

  /** To be told of every stream and what it becomes. */
  note(from: Stream, to: Stream): void {
    const names = (from.columns ?? []).filter(({ name, type }) => {
      const other = to.columns?.find((column) => column.name === name)?.type;
      return other !== type && JSON.stringify(other) !== JSON.stringify(type);
    });
    this.#retyped.set(to, names.map(({ name }) => name));
  }

  change(row: Row, stream: Stream): Row {
    let copy: Record<string, Value> | undefined;
    for (const name of this.#retyped.get(stream) ?? []) {
      if (!Object.hasOwn(row, name)) continue;
      const value = asJson(row[name]);
      if (value !== row[name]) (copy ??= { ...row })[name] = value;
    }
    return copy ?? row;
  }
}

/**
 * `apply` of a transform that changes rows, the key among them. `unavailable`: what becomes of the names of columns
 * that were not sent, where names change.
 */
export function eachPart(
  parts: readonly RowPart[],
  change: (row: Row, record: DataRecord, part: RowPart) => Row,
  unavailable?: (names: readonly string[], record: DataRecord) => readonly string[],
  untouched?: UntouchedParts,
): NonNullable<Transform["apply"]> {
  const after = parts.includes("after"), before = parts.includes("before"), key = parts.includes("key");
  return eachRecord((record) => {
    if (!isRowRecord(record) && record.operation !== "tombstone") return record;
    const oldKey = record.key, oldBefore = record.before, oldAfter = record.after;
    const left = (row: Row) => untouched ? untouched.change(row, record.stream) : row;
    const newKey = oldKey === undefined || oldKey instanceof Uint8Array
      ? oldKey
      : key
      ? change(oldKey, record, "key")
      : left(oldKey);
    const newBefore = oldBefore && (before ? change(oldBefore, record, "before") : left(oldBefore));
    const newAfter = isRow(oldAfter) ? after ? change(oldAfter, record, "after") : left(oldAfter) : oldAfter;
    const names = unavailable && record.unavailable
      ? unavailable(record.unavailable, record)
      : record.unavailable;
    if (
      newKey === oldKey && newBefore === oldBefore && newAfter === oldAfter && names === record.unavailable
    ) return record;
    return withParts(record, newKey, newBefore, newAfter, names);
  });
}
