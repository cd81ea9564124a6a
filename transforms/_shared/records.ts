/** Small parts that most transforms are made of: one function for each record, both images, orders of new records. */
import { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord, Operation } from "../../formats/data/record.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import type { RejectRecord, Transform } from "../contract.ts";

/** Operations whose `before` and `after` are rows of the stream; `schema`, `message` and `truncate` have none. */
const ROW_OPERATIONS: ReadonlySet<Operation> = new Set(["insert", "update", "delete", "snapshot", "record"]);

/** Is the record a row, so that a transform of rows concerns it? A tombstone is a key and nothing else. */
export function isRowRecord({ operation }: DataRecord): boolean {
  return ROW_OPERATIONS.has(operation);
}

/** Is it an object of names and values? */
export function isRow(value: Value | undefined): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

/** Are these the names of the row, in its order? */
export function hasNames(row: Row, names: readonly string[]): boolean {
  let i = 0;
  for (const name in row) if (names[i++] !== name) return false;
  return i === names.length;
}

/**
 * `apply` of a transform that looks at one record at a time. What `each` returns takes the record's place; `undefined`
 * drops it, a list becomes several records. What it throws as a RecordError rejects the record.
 */
export function eachRecord(
  each: (record: DataRecord) => DataRecord | readonly DataRecord[] | undefined,
): NonNullable<Transform["apply"]> {
  return (records, reject: RejectRecord) => {
    const out: DataRecord[] = [];
    for (const record of records) {
      let made;
      try {
        made = each(record);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        reject(record, error);
        continue;
      }
      if (made === undefined) continue;
      if (isList(made)) out.push(...made);
      else out.push(made);
    }
    return out;
  };
}

/** `apply` of a transform that rewrites rows: `change` is called for `before` and for `after`, where they are rows. */
export function eachRow(
  change: (row: Row, record: DataRecord, part: "before" | "after") => Row,
): NonNullable<Transform["apply"]> {
  return eachRecord((record) => {
    if (!isRowRecord(record)) return record;
    const { before, after } = record;
    const newBefore = before && change(before, record, "before");
    const newAfter = isRow(after) ? change(after, record, "after") : after;
    if (newBefore === before && newAfter === after) return record;
    return { ...record, before: newBefore, after: newAfter };
  });
}

/**
 * The order of the n-th further record (from 1) that came from one record: sorts behind the record's own order, before
 * the next record's, and by n.
 */
export function nthOrder(order: string | undefined, n: number): string | undefined {
  if (order === undefined) return undefined;
  const digits = String(n);
  // A letter for the number of further digits: ".9" < ".a10" < ".b100" as texts.
  return `${order}.${digits.length > 1 ? String.fromCharCode(95 + digits.length) : ""}${digits}`;
}

function isList(made: DataRecord | readonly DataRecord[]): made is readonly DataRecord[] {
  return Array.isArray(made);
}
