/** Types of columns as people write them: `int32`, `decimal(12,2)`, `timestamp(3)`. For configs. */
import type { ColumnType } from "./value.ts";

/** Names beside those of ColumnType itself. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  bool: "boolean",
  // An integer or a float without a width has the largest one: nothing that fits is lost.
  integer: "int64",
  int: "int64",
  long: "int64",
  bigint: "int64",
  smallint: "int16",
  float: "float64",
  double: "float64",
  real: "float32",
  text: "string",
  varchar: "string",
  numeric: "decimal",
  binary: "bytes",
};

const SIMPLE = [
  "boolean",
  "int16",
  "int32",
  "int64",
  "uint64",
  "float32",
  "float64",
  "string",
  "uuid",
  "bytes",
  "date",
  "json",
] as const;

const WITH_PRECISION = ["time", "timestamp", "timestamptz"] as const;

/** What parseColumnType() reads, for messages. */
export const COLUMN_TYPE_NAMES =
  "string, boolean, int8, int16, int32, int64, uint64, float32, float64, decimal(p,s), bytes, uuid, json, " +
  "date, time(n), timestamp(n), timestamptz(n)";

/** A type, and the bounds of an integer that is narrower than its column. */
export interface WrittenType {
  readonly type: ColumnType;
  /** Set for int8, which is kept in an int16 column. */
  readonly bits?: number;
}

/**
 * Reads a type; case doesn't count. Digits after the second are 6 where they are left out.
 *
 * @returns undefined when the text names none
 */
export function parseColumnType(text: string): WrittenType | undefined {
  const match = /^\s*([a-z]+\d*)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$/i.exec(text);
  if (!match) return undefined;
  const written = match[1].toLowerCase();
  const name = OTHER_NAMES[written] ?? written;
  const [first, second] = [match[2], match[3]].map((digits) =>
    digits === undefined ? undefined : Number(digits)
  );
  if (name === "decimal") {
    if (first === undefined) return { type: { kind: "decimal" } };
    const scale = second ?? 0;
    return first < 1 || scale > first ? undefined : { type: { kind: "decimal", precision: first, scale } };
  }
  const timed = WITH_PRECISION.find((kind) => kind === name);
  if (timed) {
    const precision = first ?? 6;
    return second !== undefined || precision > 9 ? undefined : { type: { kind: timed, precision } };
  }
  if (first !== undefined) return undefined;
  if (name === "int8" || name === "tinyint") return { type: { kind: "int16" }, bits: 8 };
  const simple = SIMPLE.find((kind) => kind === name);
  return simple && { type: { kind: simple } };
}
