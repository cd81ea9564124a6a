/** What the functions of the language do: compile.ts asks for the closure of a call, its arguments already compiled. */
import type { DataRecord, Operation } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import { numberText, parseJson } from "../../formats/data/json_value.ts";
import { isRow } from "../_shared/records.ts";
import { currentTopic } from "../_shared/topics.ts";
import { isSame } from "./compare.ts";
import { type DateUnit, jsonPath } from "./functions.ts";
import { microsText, parseInstant, unitsBetween } from "./instants.ts";
import { absolute, divide } from "./numbers.ts";
import { memberReader, type Read, valueAt } from "./paths.ts";

/** An argument: how it is read, what is known of it. */
export interface Argument {
  readonly read: Read;
  readonly type?: ColumnType;
  /** The value of a constant. */
  readonly constant?: Value;
  /** The column that it is. */
  readonly column?: string;
}

const TEXT: ColumnType = { kind: "string" };
const INTEGER: ColumnType = { kind: "int32" };
const BOOLEAN: ColumnType = { kind: "boolean" };

/** A call as something to read, with the type of what it gives where that is known. */
export function compileCall(
  name: string,
  args: readonly Argument[],
  stream: Stream,
  nowMicros: () => bigint,
): { read: Read; type?: ColumnType } {
  const [a, b, c] = args.map((arg) => arg.read);
  switch (name) {
    case "op":
      return { read: ({ operation }) => operation, type: TEXT };
    case "table":
      return { read: () => stream.name, type: TEXT };
    case "schema":
      return { read: () => stream.namespace, type: TEXT };
    case "database":
      return { read: () => stream.database, type: TEXT };
    case "topic": {
      const topic = currentTopic(stream);
      return { read: () => topic, type: TEXT };
    }
    case "header":
      return { read: headerReader(String(args[0].constant)), type: TEXT };
    case "now":
      return { read: () => microsText(nowMicros()), type: { kind: "timestamptz", precision: 6 } };
    case "changed":
      return { read: changedReader(args.map(({ column }) => column!)), type: BOOLEAN };
    case "lower":
      return { read: ofText(a, (text) => text.toLowerCase()), type: TEXT };
    case "upper":
      return { read: ofText(a, (text) => text.toUpperCase()), type: TEXT };
    case "trim":
      return { read: ofText(a, (text) => text.trim()), type: TEXT };
    case "length":
      return { read: (record) => lengthOf(a(record)), type: INTEGER };
    case "substr":
      return {
        read: (record) => substring(a(record), b(record), c && c(record), c !== undefined),
        type: TEXT,
      };
    case "replace":
      return {
        read: (record) => replaced(textOf(a(record)), textOf(b(record)), textOf(c(record))),
        type: TEXT,
      };
    case "concat":
      return { read: concatReader(args.map((arg) => arg.read)), type: TEXT };
    case "coalesce":
      return { read: coalesceReader(args.map((arg) => arg.read)), type: commonType(args) };
    case "starts_with":
      return { read: ofTexts(a, b, (text, part) => text.startsWith(part)), type: BOOLEAN };
    case "ends_with":
      return { read: ofTexts(a, b, (text, part) => text.endsWith(part)), type: BOOLEAN };
    case "contains":
      return { read: (record) => contains(a(record), b(record)), type: BOOLEAN };
    case "abs":
      return { read: ofNumber(a, args[0].type, absolute), type: args[0].type };
    case "div": {
      const digits = Number(args[2].constant);
      return {
        read: (record) => {
          const [x, y] = [numberOf(a(record), args[0].type), numberOf(b(record), args[1].type)];
          return x === undefined || y === undefined ? null : divide(x, y, digits) ?? null;
        },
        type: { kind: "decimal" },
      };
    }
    case "date_diff": {
      const unit = String(args[0].constant).toLowerCase() as DateUnit;
      return { read: (record) => dateDiff(unit, b(record), c(record)), type: { kind: "int64" } };
    }
    default: {
      const path = jsonPath(String(args[1].constant)) ?? [];
      return { read: (record) => jsonExtract(a(record), path) };
    }
  }
}

/** The number that a value is: a text only where its type says so. */
export function numberOf(
  value: Value | undefined,
  type: ColumnType | undefined,
): number | bigint | string | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  const isNumeric = type?.kind === "decimal" || type?.kind === "float64" || type?.kind === "float32";
  return typeof value === "string" && isNumeric ? value : undefined;
}

function ofNumber(
  read: Read,
  type: ColumnType | undefined,
  change: (value: number | bigint | string) => Value | undefined,
): Read {
  return (record) => {
    const value = numberOf(read(record), type);
    return value === undefined ? null : change(value) ?? null;
  };
}

/** Texts as they are, numbers and booleans as JSON writes them; other values have no text. */
export function textOf(value: Value | undefined): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number") return numberText(value);
  return typeof value === "bigint" || typeof value === "boolean" ? String(value) : undefined;
}

function ofText(read: Read, change: (text: string) => Value): Read {
  return (record) => {
    const text = textOf(read(record));
    return text === undefined ? null : change(text);
  };
}

function ofTexts(readA: Read, readB: Read, test: (a: string, b: string) => boolean): Read {
  return (record) => {
    const [a, b] = [textOf(readA(record)), textOf(readB(record))];
    return a === undefined || b === undefined ? null : test(a, b);
  };
}

/** In code points, bytes or items. */
function lengthOf(value: Value | undefined): number | null {
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length;
  const text = textOf(value);
  if (text === undefined) return null;
  let length = 0;
  for (const _ of text) length++;
  return length;
}

/** Counted in code points from 1, as SQL does; a start before the text takes from the length. */
function substring(
  value: Value | undefined,
  from: Value | undefined,
  length: Value | undefined,
  hasLength: boolean,
): string | null {
  const text = textOf(value);
  const start = Number(from ?? NaN);
  const count = hasLength ? Number(length ?? NaN) : Infinity;
  if (text === undefined || !Number.isInteger(start) || Number.isNaN(count)) return null;
  const end = start - 1 + count;
  return [...text].slice(Math.max(0, start - 1), Math.max(0, end)).join("");
}

function replaced(text: string | undefined, part: string | undefined, by: string | undefined): string | null {
  if (text === undefined || part === undefined || by === undefined) return null;
  return part === "" ? text : text.replaceAll(part, () => by);
}

/** What is null or has no text counts as nothing, as in SQL's concat. */
function concatReader(reads: readonly Read[]): Read {
  return (record) => {
    let text = "";
    for (const read of reads) text += textOf(read(record)) ?? "";
    return text;
  };
}

function coalesceReader(reads: readonly Read[]): Read {
  return (record) => {
    for (const read of reads) {
      const value = read(record);
      if (value !== undefined && value !== null) return value;
    }
    return null;
  };
}

function commonType(args: readonly Argument[]): ColumnType | undefined {
  const types = args.filter(({ constant }) => constant !== null).map(({ type }) => type);
  return types.every((type) => type !== undefined && isSameType(type, types[0]!)) ? types[0] : undefined;
}

export function isSameType(a: ColumnType, b: ColumnType): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function contains(whole: Value | undefined, part: Value | undefined): boolean | null {
  if (Array.isArray(whole)) {
    return part === undefined || part === null ? null : whole.some((item) => isSame(item, part));
  }
  const [text, piece] = [textOf(whole), textOf(part)];
  return text === undefined || piece === undefined ? null : text.includes(piece);
}

function headerReader(name: string): Read {
  return ({ headers }) => {
    const value = headers?.findLast(([header]) => header === name)?.[1];
    return value instanceof Uint8Array ? new TextDecoder().decode(value) : value;
  };
}

/** Does one of the columns differ? Unknown without both rows; what was not sent because it is unchanged is unchanged. */
function changedReader(columns: readonly string[]): Read {
  const readers = columns.map((column) => ({ column, read: memberReader(column) }));
  return ({ before, after, unavailable }: DataRecord) => {
    if (!before || !isRow(after)) return null;
    let unknown = false;
    for (const { column, read } of readers) {
      if (unavailable?.includes(column)) continue;
      const [old, now] = [read(before), read(after as Row)];
      if (old === undefined || now === undefined) unknown = true;
      else if (!isSame(old, now)) return true;
    }
    return unknown ? null : false;
  };
}

function dateDiff(unit: DateUnit, from: Value | undefined, to: Value | undefined): bigint | null {
  if (typeof from !== "string" || typeof to !== "string") return null;
  const [start, end] = [parseInstant(from), parseInstant(to)];
  return start && end ? unitsBetween(unit, start, end) ?? null : null;
}

function jsonExtract(value: Value | undefined, path: readonly (string | number)[]): Value | undefined {
  let whole = value;
  if (typeof value === "string") {
    try {
      whole = parseJson(value, true);
    } catch {
      return null;
    }
  }
  return valueAt(whole, path);
}

/** How else operations are written: Debezium's letters, SQL's words. */
const OPERATION_NAMES: Readonly<Record<string, Operation>> = {
  c: "insert",
  create: "insert",
  i: "insert",
  u: "update",
  d: "delete",
  r: "snapshot",
  read: "snapshot",
  t: "truncate",
  m: "message",
};

/** The operation that a text in an expression means; undefined when it is none. */
export function operationNamed(text: string, operations: readonly Operation[]): Operation | undefined {
  const lower = text.toLowerCase();
  return operations.find((operation) => operation === lower) ??
    (Object.hasOwn(OPERATION_NAMES, lower) ? OPERATION_NAMES[lower] : undefined);
}
