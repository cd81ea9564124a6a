/** Avro's types as ours (specification 1.12, "Logical Types"), and what avsc decodes as our values. */
import avro from "npm:avsc@5.7.9";
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

/** A schema as JSON has it. */
export type AvroSchema = string | readonly AvroSchema[] | AvroDefinition;

interface AvroDefinition {
  readonly type: AvroSchema;
  readonly name?: string;
  readonly namespace?: string;
  readonly logicalType?: string;
  readonly precision?: number;
  readonly scale?: number;
  readonly size?: number;
  readonly symbols?: readonly string[];
  readonly items?: AvroSchema;
  readonly values?: AvroSchema;
  readonly fields?: readonly AvroField[];
}

interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  /** The name that a column had where it is none of Avro's. */
  readonly "rivven.name"?: string;
}

export interface AvroColumn {
  readonly column: Column;
  /** The record's member; undefined: the whole value, where a file does not hold records. */
  readonly stored: string | undefined;
  readonly value: (stored: unknown) => Value;
}

/** 64 bits as bigint: the library's own are refused beyond 2^53. */
export const LONG: unknown = avro.types.LongType.__with({
  fromBuffer: (bytes: { readBigInt64LE(): bigint }) => bytes.readBigInt64LE(),
  toBuffer: () => {
    throw new Error("Nothing is written here");
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => a === b ? 0 : a < b ? -1 : 1,
});

/** The columns of a file with this schema. */
export function avroColumns(schema: AvroSchema): AvroColumn[] {
  const names = new Map<string, AvroDefinition>();
  if (isDefinition(schema) && schema.type === "record") {
    define(names, schema, "");
    const namespace = namespaceOf(schema, "");
    return schema.fields!.map((field) => {
      const { type, isNullable, value } = typed(field.type, names, namespace);
      const name = field["rivven.name"] ?? field.name;
      return { column: { name, type, nullable: isNullable }, stored: field.name, value };
    });
  }
  const { type, isNullable, value } = typed(schema, names, "");
  return [{ column: { name: "value", type, nullable: isNullable }, stored: undefined, value }];
}

interface Typed {
  readonly type: ColumnType;
  readonly isNullable: boolean;
  readonly value: (stored: unknown) => Value;
}

function typed(schema: AvroSchema, names: Map<string, AvroDefinition>, namespace: string, depth = 0): Typed {
  if (depth > MAX_DEPTH) return { type: { kind: "json" }, isNullable: true, value: plain };
  if (Array.isArray(schema)) return union(schema, names, namespace, depth);
  if (typeof schema === "string") {
    const found = names.get(schema.includes(".") ? schema : full(schema, namespace)) ?? names.get(schema);
    return found
      ? typed(found, names, namespaceOf(found, namespace), depth + 1)
      : primitive({ type: schema });
  }
  const definition = schema as AvroDefinition;
  if (typeof definition.type !== "string") return typed(definition.type, names, namespace, depth);
  define(names, definition, namespace);
  const inner = namespaceOf(definition, namespace);
  const of = (schema: AvroSchema) => typed(schema, names, inner, depth + 1);
  switch (definition.type) {
    case "array": {
      const items = of(definition.items!);
      return required(
        { kind: "array", items: items.type },
        (stored) => (stored as unknown[]).map(items.value),
      );
    }
    case "map": {
      const values = of(definition.values!);
      return required({ kind: "map", values: values.type }, (stored) =>
        Object.fromEntries(
          Object.entries(stored as Record<string, unknown>).map((
            [name, value],
          ) => [name, values.value(value)]),
        ));
    }
    case "record":
    case "error": {
      const fields = definition.fields!.map((field) => ({ field, ...of(field.type) }));
      const columns = fields.map(({ field, type, isNullable }): Column => ({
        name: field["rivven.name"] ?? field.name,
        type,
        nullable: isNullable,
      }));
      return required({ kind: "struct", fields: columns }, (stored) =>
        Object.fromEntries(
          fields.map(({ field, value }, i) => [
            columns[i].name,
            value((stored as Record<string, unknown>)[field.name]),
          ]),
        ));
    }
    default:
      return primitive(definition);
  }
}

/** A type that contains itself ends here. */
const MAX_DEPTH = 16;

function union(
  branches: readonly AvroSchema[],
  names: Map<string, AvroDefinition>,
  namespace: string,
  depth: number,
): Typed {
  const others = branches.filter((branch) => branch !== "null" && (branch as AvroDefinition).type !== "null");
  const isNullable = others.length < branches.length;
  const all = others.map((branch) => typed(branch, names, namespace, depth + 1));
  // The library wraps a value into its branch's name, in the order of the branches in the schema.
  const branchNames = others.map((branch) => branchName(branch, namespace));
  const value = (stored: unknown): Value => {
    if (stored === null || stored === undefined) return null;
    const [[name, inner]] = Object.entries(stored as object);
    const at = branchNames.indexOf(name);
    return (all[at] ?? all[0]).value(inner);
  };
  if (all.length === 1) return { type: all[0].type, isNullable, value };
  return { type: { kind: "unknown" }, isNullable, value };
}

function branchName(schema: AvroSchema, namespace: string): string {
  if (typeof schema === "string") return schema;
  const { type, name } = schema as AvroDefinition;
  if (name !== undefined) return full(name, namespaceOf(schema as AvroDefinition, namespace));
  return typeof type === "string" ? type : branchName(type, namespace);
}

function primitive(definition: AvroDefinition): Typed {
  const { type, logicalType, precision, scale = 0, symbols } = definition;
  const stamp = /^(local-)?timestamp-(millis|micros|nanos)$/.exec(logicalType ?? "");
  switch (type) {
    case "null":
      return { type: { kind: "unknown" }, isNullable: true, value: () => null };
    case "boolean":
      return required({ kind: "boolean" }, (stored) => stored as boolean);
    case "int":
      if (logicalType === "date") return required({ kind: "date" }, (stored) => dateText(stored as number));
      if (logicalType === "time-millis") return time(3);
      return required({ kind: "int32" }, (stored) => stored as number);
    case "long":
      if (stamp) {
        const digits = UNIT_DIGITS[stamp[2]];
        return stamp[1]
          ? required(
            { kind: "timestamp", precision: digits },
            (stored) => timestampText(stored as bigint, digits),
          )
          : required(
            { kind: "timestamptz", precision: digits },
            (stored) => `${timestampText(stored as bigint, digits)}Z`,
          );
      }
      if (logicalType === "time-micros") return time(6);
      return required({ kind: "int64" }, (stored) => stored as bigint);
    case "float":
      return required({ kind: "float32" }, (stored) => float32(stored as number));
    case "double":
      return required({ kind: "float64" }, (stored) => float64(stored as number));
    case "string":
      if (logicalType === "uuid") return required({ kind: "uuid" }, (stored) => stored as string);
      if (logicalType === "json") {
        return required({ kind: "json" }, (stored) => parseJson(stored as string, true));
      }
      return required({ kind: "string" }, (stored) => stored as string);
    case "enum":
      return required({ kind: "enum", values: symbols ?? [] }, (stored) => stored as string);
    case "bytes":
    case "fixed":
      if (logicalType === "decimal") {
        return required(
          { kind: "decimal", precision, scale },
          (stored) => decimalText(bigEndian(stored as Uint8Array), scale),
        );
      }
      if (logicalType === "duration") {
        return required({ kind: "interval" }, (stored) => intervalText(stored as Uint8Array));
      }
      if (logicalType === "uuid") return required({ kind: "uuid" }, (stored) => uuidText(bytesOf(stored)));
      if (logicalType === "json") {
        return required({ kind: "json" }, (stored) => parseJson(bytesOf(stored), true));
      }
      return required({ kind: "bytes" }, bytesOf);
    default:
      throw new Error(`the schema has a type "${type}" that it does not define`);
  }
}

const UNIT_DIGITS: Readonly<Record<string, number>> = { millis: 3, micros: 6, nanos: 9 };

function time(digits: number): Typed {
  return required(
    { kind: "time", precision: digits },
    (stored) => timeText(BigInt(stored as number | bigint), digits),
  );
}

function required(type: ColumnType, value: (stored: unknown) => Value): Typed {
  return { type, isNullable: false, value };
}

function bytesOf(stored: unknown): Uint8Array {
  return new Uint8Array(stored as Uint8Array);
}

/** What has no type of ours. */
function plain(stored: unknown): Value {
  if (stored === undefined || stored === null) return null;
  if (stored instanceof Uint8Array) return bytesOf(stored).toBase64();
  if (Array.isArray(stored)) return stored.map(plain);
  if (typeof stored === "object") {
    return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, plain(value)]));
  }
  return stored as Value;
}

function isDefinition(schema: AvroSchema): schema is AvroDefinition {
  return typeof schema === "object" && !Array.isArray(schema);
}

function define(names: Map<string, AvroDefinition>, definition: AvroDefinition, namespace: string): void {
  const { name } = definition;
  if (name !== undefined) names.set(full(name, namespaceOf(definition, namespace)), definition);
}

function namespaceOf({ name, namespace }: AvroDefinition, outer: string): string {
  if (name?.includes(".")) return name.slice(0, name.lastIndexOf("."));
  return namespace ?? outer;
}

function full(name: string, namespace: string): string {
  return name.includes(".") || namespace === "" ? name : `${namespace}.${name}`;
}
