/**
 * What a column's type is in a Parquet file: the elements of its schema, and how a value becomes what the writer takes.
 * parquet_column.ts asks for them; the names of types are those of parquet.thrift and LogicalTypes.md.
 */
import type { SchemaElement } from "npm:hyparquet-writer@0.17.0";
import { valueText } from "../data/json_value.ts";
import type { Column, ColumnType, Value } from "../data/value.ts";
import { decimalParquet } from "./decimal.ts";
import { double, single } from "./float_number.ts";
import { isNot, Misfit } from "./misfit.ts";
import { dateDays, timestampUnits, timeUnits, zonedTimestampUnits } from "./time_number.ts";

/** A value as the writer of Parquet files takes it: dates as days, times and decimals as whole numbers of units. */
export type Cell = null | boolean | number | bigint | string | Uint8Array | readonly Cell[] | {
  readonly [name: string]: Cell;
};

export interface ParquetType {
  /** The schema of a column of this name: itself, then what lies inside of it. Every element can be NULL. */
  elements(name: string): SchemaElement[];
  /**
   * Never called with null.
   *
   * @throws {Misfit} when the value does not fit
   */
  cell(value: Value): Cell;
}

/** How many bytes of UTF-8 or of a binary value one cell may have. */
export interface Limits {
  readonly maxStringSize: number;
}

export function parquetType(type: ColumnType, limits: Limits): ParquetType {
  switch (type.kind) {
    case "boolean":
      return leaf({ type: "BOOLEAN" }, (value) => {
        if (typeof value !== "boolean") throw isNot(value, "a boolean");
        return value;
      });
    // The library writes the bit width of the logical type INTEGER as a thrift i32 where readers want an i8, so these
    // two have the older name of their type alone.
    case "int16":
      return leaf(
        { type: "INT32", converted_type: "INT_16" },
        (value) => smallInteger(value, -32768, 32767),
      );
    case "int32":
      return leaf({ type: "INT32" }, (value) => smallInteger(value, -(2 ** 31), 2 ** 31 - 1));
    case "int64":
      return leaf({ type: "INT64" }, (value) => integer(value, -(2n ** 63n), 2n ** 63n - 1n));
    case "uint64":
      return leaf(
        { type: "INT64", converted_type: "UINT_64" },
        (value) => integer(value, 0n, 2n ** 64n - 1n),
      );
    case "float32":
      return leaf({ type: "FLOAT" }, single);
    case "float64":
      return leaf({ type: "DOUBLE" }, double);
    case "decimal":
      return decimalParquet(type) ?? text(limits, plainDecimal);
    case "uuid":
      return leaf(
        { type: "FIXED_LEN_BYTE_ARRAY", type_length: 16, logical_type: { type: "UUID" } },
        uuidBytes,
      );
    case "bytes":
      return leaf({ type: "BYTE_ARRAY" }, (value) => {
        if (!(value instanceof Uint8Array)) throw isNot(value, "bytes");
        if (value.length > limits.maxStringSize) throw tooLong(limits);
        // A copy: what the batch holds may be written over before the row group is full.
        return new Uint8Array(value);
      });
    case "date":
      return leaf(
        { type: "INT32", converted_type: "DATE", logical_type: { type: "DATE" } },
        (value) => dateDays(textOf(value)),
      );
    case "time": {
      const digits = type.precision > 6 ? 9 : 6;
      const logical_type = { type: "TIME", isAdjustedToUTC: false, unit: UNIT[digits] } as const;
      return leaf({ type: "INT64", logical_type }, (value) => timeUnits(textOf(value), digits));
    }
    case "timestamp":
    case "timestamptz": {
      const digits = type.precision > 6 ? 9 : 6;
      const isAdjustedToUTC = type.kind === "timestamptz";
      const units = isAdjustedToUTC ? zonedTimestampUnits : timestampUnits;
      return leaf({
        type: "INT64",
        // The older way to name a type has no local clock, and nothing below microseconds.
        converted_type: isAdjustedToUTC && digits === 6 ? "TIMESTAMP_MICROS" : undefined,
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC, unit: UNIT[digits] },
      }, (value) => units(textOf(value), digits));
    }
    case "json":
    case "unknown":
      return json(limits);
    case "array":
      return list(parquetType(type.items, limits));
    case "struct":
      return isGroup(type.fields) ? struct(type.fields, limits) : json(limits);
    case "map":
      return map(parquetType(type.values, limits), limits);
    case "string":
    case "enum":
    case "set":
    case "interval":
    // No type of Parquet keeps the offset of a time of day.
    case "timetz":
      return text(limits, textOf);
  }
}

/** A group without members, and names without UTF-8, no file can have. */
function isGroup(fields: readonly Column[]): boolean {
  return fields.length > 0 && fields.every(({ name }) => name.isWellFormed());
}

const UNIT = { 6: "MICROS", 9: "NANOS" } as const;

function leaf(element: Omit<SchemaElement, "name">, cell: (value: Value) => Cell): ParquetType {
  return { elements: (name) => [{ ...element, name, repetition_type: "OPTIONAL" }], cell };
}

function text(limits: Limits, textOf: (value: Value) => string): ParquetType {
  return leaf(
    { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } },
    (value) => checkedText(textOf(value), limits),
  );
}

/**
 * JSON text. `converted_type` says so, too, in the file, but not while values are encoded: the library would make JSON
 * of the text once more (parquet_file.ts adds it).
 */
function json(limits: Limits): ParquetType {
  return leaf(
    { type: "BYTE_ARRAY", logical_type: { type: "JSON" } },
    (value) => {
      const text = checkedText(valueText(value), limits);
      // Readers give the whole file up for it: to DuckDB such a text is no JSON.
      if (text.includes("\\ud") && HALF_PAIR.test(text)) {
        throw new Misfit("half of a surrogate pair has no UTF-8");
      }
      return text;
    },
  );
}

/** An escape that JSON.stringify writes for nothing but half a pair, unless its backslash is an escaped one itself. */
const HALF_PAIR = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

function list(items: ParquetType): ParquetType {
  return {
    elements: (name) => [
      {
        name,
        repetition_type: "OPTIONAL",
        num_children: 1,
        converted_type: "LIST",
        logical_type: { type: "LIST" },
      },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      ...items.elements("element"),
    ],
    cell(value) {
      if (!Array.isArray(value)) throw isNot(value, "an array");
      return value.map((item) => item === null ? null : items.cell(item));
    },
  };
}

function struct(fields: readonly Column[], limits: Limits): ParquetType {
  const types = fields.map(({ name, type }) => ({ name, type: parquetType(type, limits) }));
  const names = new Set(fields.map(({ name }) => name));
  return {
    elements: (name) => [
      { name, repetition_type: "OPTIONAL", num_children: fields.length },
      ...types.flatMap(({ name, type }) => type.elements(name)),
    ],
    cell(value) {
      const members = objectOf(value);
      for (const name in members) {
        if (!names.has(name)) throw new Misfit("it has a member that the type does not name");
      }
      // Without a prototype: the library looks members up by name, whatever that is.
      const cells: Record<string, Cell> = Object.create(null);
      for (const { name, type } of types) {
        const member = Object.hasOwn(members, name) ? members[name] : null;
        cells[name] = member === null || member === undefined ? null : type.cell(member);
      }
      return cells;
    },
  };
}

function map(values: ParquetType, limits: Limits): ParquetType {
  const key = text(limits, textOf);
  return {
    elements: (name) => [
      {
        name,
        repetition_type: "OPTIONAL",
        num_children: 1,
        converted_type: "MAP",
        logical_type: { type: "MAP" },
      },
      { name: "key_value", repetition_type: "REPEATED", num_children: 2 },
      ...key.elements("key").map((element) => ({ ...element, repetition_type: "REQUIRED" }) as SchemaElement),
      ...values.elements("value"),
    ],
    cell: (value) =>
      Object.entries(objectOf(value)).map(([name, member]) => ({
        key: key.cell(name),
        value: member === null ? null : values.cell(member),
      })),
  };
}

function objectOf(value: Value): { readonly [name: string]: Value } {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw isNot(value, "an object");
  }
  return value as { readonly [name: string]: Value };
}

function textOf(value: Value): string {
  if (typeof value !== "string") throw isNot(value, "text");
  return value;
}

/** A decimal without bounds is stored as its text; a transform may have made a number of it. */
function plainDecimal(value: Value): string {
  return typeof value === "bigint" || (typeof value === "number" && Number.isFinite(value))
    ? String(value)
    : textOf(value);
}

function checkedText(text: string, limits: Limits): string {
  if (!text.isWellFormed()) throw new Misfit("half of a surrogate pair has no UTF-8");
  // A code unit takes three bytes at most.
  if (text.length * 3 > limits.maxStringSize && byteLength(text) > limits.maxStringSize) {
    throw tooLong(limits);
  }
  return text;
}

const encoder = new TextEncoder();

function byteLength(text: string): number {
  return encoder.encode(text).length;
}

function integer(value: Value, min: bigint, max: bigint): bigint {
  const whole = typeof value === "bigint"
    ? value
    : Number.isSafeInteger(value)
    ? BigInt(value as number)
    : undefined;
  if (whole === undefined) throw isNot(value, "an integer");
  if (whole < min || whole > max) throw new Misfit("it is out of range");
  return whole;
}

function smallInteger(value: Value, min: number, max: number): number {
  const whole = typeof value === "bigint" ? Number(value) : value;
  if (typeof whole !== "number" || !Number.isInteger(whole)) throw isNot(value, "an integer");
  if (whole < min || whole > max) throw new Misfit("it is out of range");
  return whole;
}

/** By hand: a regular expression and `fromHex` take four times as long, a quarter of the time of a usual row. */
function uuidBytes(value: Value): Uint8Array {
  const text = textOf(value);
  const bytes = new Uint8Array(16);
  let digits = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === MINUS) continue;
    const digit = hexDigit(char);
    if (digit < 0 || digits === 32) throw notUuid();
    bytes[digits >> 1] |= digits & 1 ? digit : digit << 4;
    digits++;
  }
  if (digits < 32) throw notUuid();
  return bytes;
}

const MINUS = 45;

function hexDigit(char: number): number {
  if (char >= 48 && char <= 57) return char - 48;
  const letter = char | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

function notUuid(): Misfit {
  return new Misfit("its text is no UUID");
}

function tooLong({ maxStringSize }: Limits): Misfit {
  return new Misfit(`it is longer than max_string_size, which is ${maxStringSize} bytes`);
}
