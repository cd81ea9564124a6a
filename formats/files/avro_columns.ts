/** Columns of a Stream → an Avro schema: which type holds which column without losing any of it. */
import type { Column, ColumnType } from "../data/value.ts";

/** An Avro schema as JSON has it. */
export type AvroSchema = string | readonly AvroSchema[] | {
  readonly type: AvroSchema;
  readonly [attribute: string]: unknown;
};

/** Decimals beyond this are texts: engines that read Avro hold no more digits. */
const MOST_DIGITS = 38;

/**
 * What a column of unknown type may hold: each value by its own kind, so that nothing is converted and no later value
 * is too much. Arrays and objects are JSON text, marked by being bytes.
 */
const ANY_VALUE: AvroSchema = [
  "null",
  "boolean",
  "long",
  "double",
  "string",
  { type: "bytes", logicalType: "json" },
];

/** The schema of a file whose rows have these columns. */
export function schemaOfColumns(columns: readonly Column[], name: string, namespace: string): AvroSchema {
  return { type: "record", name, namespace, fields: fieldsOf(columns, name) };
}

function fieldsOf(columns: readonly Column[], path: string): unknown[] {
  const names = fieldNames(columns.map(({ name }) => name));
  return columns.map((column, i) => ({
    name: names[i],
    ...names[i] !== column.name && { "rivven.name": column.name },
    ...fieldType(column, `${path}_${names[i]}`),
  }));
}

function fieldType({ type, nullable }: Column, path: string): { type: AvroSchema; default?: null } {
  const schema = schemaOfType(type, path);
  if (Array.isArray(schema)) return { type: schema, default: null };
  return nullable ? { type: ["null", schema], default: null } : { type: schema };
}

/** A value inside an array or a map may be NULL, whatever the column. */
function nullable(schema: AvroSchema): AvroSchema {
  return Array.isArray(schema) ? schema : ["null", schema];
}

/** `path` names the records inside: each name may be defined once in a schema. */
function schemaOfType(type: ColumnType, path: string): AvroSchema {
  switch (type.kind) {
    case "boolean":
      return "boolean";
    case "int16":
    case "int32":
      return "int";
    case "int64":
      return "long";
    case "uint64":
      return { type: "bytes", logicalType: "decimal", precision: 20, scale: 0 };
    case "float32":
      return "float";
    case "float64":
      return "double";
    case "decimal":
      return decimal(type.precision, type.scale);
    case "bytes":
      return "bytes";
    case "uuid":
      return { type: "string", logicalType: "uuid" };
    case "date":
      return { type: "int", logicalType: "date" };
    case "time":
      return type.precision > 6 ? "string" : { type: "long", logicalType: "time-micros" };
    case "timestamp":
      return { type: "long", logicalType: `local-timestamp-${unit(type.precision)}` };
    case "timestamptz":
      return { type: "long", logicalType: `timestamp-${unit(type.precision)}` };
    case "json":
      return { type: "string", logicalType: "json" };
    case "array":
      return { type: "array", items: nullable(schemaOfType(type.items, path)) };
    case "map":
      return { type: "map", values: nullable(schemaOfType(type.values, path)) };
    case "struct":
      return { type: "record", name: path, fields: fieldsOf(type.fields, path) };
    case "unknown":
      return ANY_VALUE;
    case "string":
    case "enum":
    case "set":
    case "timetz":
    case "interval":
      return "string";
  }
}

function unit(precision: number): "micros" | "nanos" {
  return precision <= 6 ? "micros" : "nanos";
}

function decimal(precision?: number, scale?: number): AvroSchema {
  if (precision === undefined || scale === undefined || scale < 0) return "string";
  // PostgreSQL has numeric(2,4): two digits, the first of them the third after the point.
  const digits = Math.max(precision, scale, 1);
  return digits > MOST_DIGITS
    ? "string"
    : { type: "bytes", logicalType: "decimal", precision: digits, scale };
}

/**
 * Names that Avro allows, one for each, all different: other characters become `_`, and a name that is taken gets a
 * number. Names that are allowed stay.
 */
export function fieldNames(names: readonly string[]): string[] {
  const taken = new Set(names.filter(isName));
  return names.map((name) => {
    if (isName(name)) return name;
    const plain = name.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(?![A-Za-z_])/, "_");
    let free = plain;
    for (let n = 2; taken.has(free); n++) free = `${plain}_${n}`;
    taken.add(free);
    return free;
  });
}

/** Avro 1.12, "Names". */
export function isName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}
