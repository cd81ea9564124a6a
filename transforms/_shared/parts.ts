/**
 * Which parts of a record a transform of rows works on (`apply_to`), and `apply` for such transforms: the row after
 * the change, the one before it, the key. Tombstones have a key and nothing else.
 */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import type { Transform } from "../contract.ts";
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
 * `apply` of a transform that changes rows, the key among them. `unavailable`: what becomes of the names of columns
 * that were not sent, where names change.
 */
export function eachPart(
  parts: readonly RowPart[],
  change: (row: Row, record: DataRecord, part: RowPart) => Row,
  unavailable?: (names: readonly string[], record: DataRecord) => readonly string[],
): NonNullable<Transform["apply"]> {
  const after = parts.includes("after"), before = parts.includes("before"), key = parts.includes("key");
  return eachRecord((record) => {
    if (!isRowRecord(record) && record.operation !== "tombstone") return record;
    const oldKey = record.key, oldBefore = record.before, oldAfter = record.after;
    const newKey = key && oldKey !== undefined && !(oldKey instanceof Uint8Array)
      ? change(oldKey, record, "key")
      : oldKey;
    const newBefore = before && oldBefore !== undefined ? change(oldBefore, record, "before") : oldBefore;
    const newAfter = after && isRow(oldAfter) ? change(oldAfter, record, "after") : oldAfter;
    const names = unavailable && record.unavailable
      ? unavailable(record.unavailable, record)
      : record.unavailable;
    if (
      newKey === oldKey && newBefore === oldBefore && newAfter === oldAfter && names === record.unavailable
    ) return record;
    return withParts(record, newKey, newBefore, newAfter, names);
  });
}
