/** Parquet's types as ours (parquet.thrift and LogicalTypes.md), and what is stored as our values. */
import type { SchemaElement } from "npm:hyparquet@1.31.5";
import { parseJson } from "../../data/json_value.ts";
import type { Column, ColumnType, Value } from "../../data/value.ts";
import {
  bigEndian,
  dateText,
  decimalText,
  float32,
  float64,
  intervalText,
  timestampText,
  timeText,
  uuidText,
} from "./stored_values.ts";
import { UnreadableError } from "./table_reader.ts";

export interface StoredColumn {
  readonly column: Column;
  /** Of a value as it is stored; never called without one. */
  readonly value: (stored: unknown) => Value;
}

interface Node {
  readonly element: SchemaElement;
  readonly children: readonly Node[];
}

/** The columns of a file. */
export function parquetColumns(schema: readonly SchemaElement[]): StoredColumn[] {
  return treeOf(schema).children.map(columnOf);
}

/** The schema that makes the library hand out what is stored: types of leaves are taken away, but for texts. */
export function storedSchema(schema: readonly SchemaElement[]): SchemaElement[] {
  return schema.map((element) => {
    const { converted_type: converted, logical_type: logical, ...rest } = element;
    if (element.type === undefined) {
      // Older and newer names of the same; the library knows the older.
      if (logical?.type === "LIST") return { ...element, converted_type: "LIST" };
      if (logical?.type === "MAP" || converted === "MAP_KEY_VALUE") {
        return { ...element, converted_type: "MAP" };
      }
      return element;
    }
    return isText(element) ? { ...rest, converted_type: "UTF8" } : rest;
  });
}

function treeOf(schema: readonly SchemaElement[]): Node {
  let next = 0;
  const node = (): Node => {
    const element = schema[next++];
    return { element, children: Array.from({ length: element.num_children ?? 0 }, node) };
  };
  return node();
}

function columnOf(node: Node): StoredColumn {
  const { element: { name, repetition_type } } = node;
  // A repeated element without a list around it is one.
  const { type, value } = repetition_type === "REPEATED" ? listOf(typed(node)) : typed(node);
  return { column: { name, type, nullable: repetition_type !== "REQUIRED" }, value };
}

interface Typed {
  readonly type: ColumnType;
  readonly value: (stored: unknown) => Value;
}

function typed(node: Node): Typed {
  const { element, children } = node;
  if (children.length === 0) return leaf(element);
  const kind = element.logical_type?.type ?? element.converted_type;
  if (kind === "VARIANT") throw new UnreadableError(`column "${element.name}" is of type VARIANT`);
  const [only] = children;
  if (kind === "LIST" && children.length === 1) {
    // Three levels, or two: what is repeated is the list, or the item itself.
    const isItem = only.children.length !== 1;
    return listOf(isItem ? typed(only) : orRepeated(only.children[0]));
  }
  if ((kind === "MAP" || kind === "MAP_KEY_VALUE") && children.length === 1 && only.children.length === 2) {
    const values = orRepeated(only.children[1]);
    return {
      type: { kind: "map", values: values.type },
      value: (stored) => membersOf(stored, () => values.value),
    };
  }
  const fields = children.map(columnOf);
  const byName = new Map(fields.map(({ column, value }) => [column.name, value]));
  return {
    type: { kind: "struct", fields: fields.map(({ column }) => column) },
    value: (stored) => membersOf(stored, (name) => byName.get(name)!),
  };
}

function orRepeated(node: Node): Typed {
  return node.element.repetition_type === "REPEATED" ? listOf(typed(node)) : typed(node);
}

function listOf(items: Typed): Typed {
  return {
    type: { kind: "array", items: items.type },
    value: (stored) => (stored as readonly unknown[]).map((item) => item == null ? null : items.value(item)),
  };
}

function membersOf(stored: unknown, valueOf: (name: string) => (stored: unknown) => Value): Value {
  const members = Object.entries(stored as Record<string, unknown>)
    .map(([name, member]) => [name, member == null ? null : valueOf(name)(member)] as const);
  return Object.fromEntries(members);
}

const UNIT_DIGITS: Readonly<Record<string, number>> = { MILLIS: 3, MICROS: 6, NANOS: 9 };

function leaf(element: SchemaElement): Typed {
  const { type, converted_type: converted, logical_type: logical } = element;
  if (isText(element)) {
    const isJson = logical?.type === "JSON" || converted === "JSON";
    return isJson
      ? { type: { kind: "json" }, value: (stored) => parseJson(stored as string, true) }
      : { type: { kind: "string" }, value: (stored) => stored as string };
  }
  if (logical?.type === "DECIMAL" || converted === "DECIMAL") {
    const scale = element.scale ?? 0;
    return {
      type: { kind: "decimal", precision: element.precision, scale },
      value: (stored) =>
        decimalText(
          stored instanceof Uint8Array ? bigEndian(stored) : BigInt(stored as number | bigint),
          scale,
        ),
    };
  }
  if (logical?.type === "TIMESTAMP" || converted === "TIMESTAMP_MILLIS" || converted === "TIMESTAMP_MICROS") {
    const isZoned = logical?.type === "TIMESTAMP" ? logical.isAdjustedToUTC : true;
    return timestamp(digitsOf(element, converted === "TIMESTAMP_MILLIS" ? 3 : 6), isZoned);
  }
  if (logical?.type === "TIME" || converted === "TIME_MILLIS" || converted === "TIME_MICROS") {
    const digits = digitsOf(element, converted === "TIME_MILLIS" ? 3 : 6);
    return {
      type: { kind: "time", precision: digits },
      value: (stored) => timeText(BigInt(stored as number | bigint), digits),
    };
  }
  if (logical?.type === "DATE" || converted === "DATE") {
    return { type: { kind: "date" }, value: (stored) => dateText(stored as number) };
  }
  switch (type) {
    case "BOOLEAN":
      return { type: { kind: "boolean" }, value: (stored) => stored as boolean };
    case "INT32":
      return integer32(element);
    case "INT64": {
      const isUnsigned = converted === "UINT_64" ||
        (logical?.type === "INTEGER" && !logical.isSigned && logical.bitWidth === 64);
      return isUnsigned
        ? { type: { kind: "uint64" }, value: (stored) => BigInt.asUintN(64, BigInt(stored as bigint)) }
        : { type: { kind: "int64" }, value: (stored) => BigInt(stored as bigint) };
    }
    case "INT96":
      return timestamp(9, false);
    case "FLOAT":
      return { type: { kind: "float32" }, value: (stored) => float32(stored as number) };
    case "DOUBLE":
      return { type: { kind: "float64" }, value: (stored) => float64(stored as number) };
    case "FIXED_LEN_BYTE_ARRAY":
      return fixed(element);
    default:
      return { type: { kind: "bytes" }, value: (stored) => new Uint8Array(stored as Uint8Array) };
  }
}

function digitsOf({ logical_type: logical }: SchemaElement, other: number): number {
  const unit = logical && "unit" in logical ? logical.unit : undefined;
  return unit === undefined ? other : UNIT_DIGITS[unit as string] ?? other;
}

function timestamp(digits: number, isZoned: boolean): Typed {
  const zone = isZoned ? "Z" : "";
  return {
    type: { kind: isZoned ? "timestamptz" : "timestamp", precision: digits },
    value: (stored) => timestampText(BigInt(stored as bigint), digits) + zone,
  };
}

function integer32({ converted_type: converted, logical_type: logical }: SchemaElement): Typed {
  const written = /^(U?)INT_(\d+)$/.exec(converted ?? "");
  const bits = logical?.type === "INTEGER" ? logical.bitWidth : written ? Number(written[2]) : 32;
  const isUnsigned = logical?.type === "INTEGER" ? !logical.isSigned : written?.[1] === "U";
  if (isUnsigned && bits === 32) {
    return { type: { kind: "int64" }, value: (stored) => BigInt((stored as number) >>> 0) };
  }
  const isSmall = bits === 8 || (bits === 16 && !isUnsigned);
  return { type: { kind: isSmall ? "int16" : "int32" }, value: (stored) => stored as number };
}

function fixed(
  { type_length: length, converted_type: converted, logical_type: logical }: SchemaElement,
): Typed {
  if (logical?.type === "UUID") {
    return { type: { kind: "uuid" }, value: (stored) => uuidText(stored as Uint8Array) };
  }
  if (converted === "INTERVAL" && length === 12) {
    return { type: { kind: "interval" }, value: (stored) => intervalText(stored as Uint8Array) };
  }
  if (logical?.type === "FLOAT16") {
    return { type: { kind: "float32" }, value: (stored) => float32(half(stored as Uint8Array)) };
  }
  return { type: { kind: "bytes" }, value: (stored) => new Uint8Array(stored as Uint8Array) };
}

function half(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat16(0, true);
}

function isText({ type, converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  if (type !== "BYTE_ARRAY") return false;
  const names = [converted, logical?.type];
  return ["UTF8", "STRING", "ENUM", "JSON"].some((name) => names.includes(name as never));
}
