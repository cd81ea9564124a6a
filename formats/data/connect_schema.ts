/**
 * The schema that layout `full` writes beside a record, as Kafka Connect's JsonConverter reads it
 * (org.apache.kafka.connect.json.JsonConverter), with Debezium's names for what JSON has no type for. That converter
 * leaves out members that a schema does not declare and takes values of another type for null, so what can't be said
 * truthfully is not said at all. envelope.ts calls this, once for a stream and an operation.
 */
import type { Operation } from "./record.ts";
import type { Stream } from "./stream.ts";
import type { Column, ColumnType } from "./value.ts";

interface ConnectSchema {
  type: string;
  optional: boolean;
  /** What the values mean: Debezium's documentation, "data type mappings". */
  name?: string;
  version?: number;
  parameters?: Record<string, string>;
  field?: string;
  items?: ConnectSchema;
  values?: ConnectSchema;
  keys?: ConnectSchema;
  fields?: ConnectSchema[];
}

/**
 * The schema of a record's envelope, or null, with which the converter takes the payload as it is: where the columns
 * are unknown (also one of them, as behind `flatten` of a JSON column), where the payload is no row, and where a
 * column holds embedded JSON, since its values need not be of one type.
 */
export function envelopeSchema(stream: Stream, operation: Operation): ConnectSchema | null {
  const { columns, payload } = stream;
  if (columns === undefined || payload !== "row" || operation === "message") return null;
  if (!columns.every(({ type }) => canDeclare(type))) return null;
  const row = (field: string, isOptional: (column: Column) => boolean): ConnectSchema => ({
    type: "struct",
    optional: true,
    field,
    fields: columns.map((column) => ({ ...fieldSchema(column), optional: isOptional(column) })),
  });
  return {
    type: "struct",
    optional: false,
    name: [stream.database, stream.namespace, stream.name, "Envelope"].filter(Boolean).join("."),
    fields: [
      // A column that was not sent is absent, whether it is nullable or not: all but the key in the row before a
      // change, a large value that an update left alone in the row after it.
      row("before", () => true),
      row("after", ({ name, nullable }) => nullable || !stream.key.includes(name)),
      { type: "string", optional: false, field: "op" },
      { type: "int64", optional: true, field: "ts_ms" },
    ],
  };
}

function canDeclare(type: ColumnType): boolean {
  switch (type.kind) {
    case "json":
    case "unknown":
      return false;
    case "array":
      return canDeclare(type.items);
    case "map":
      return canDeclare(type.values);
    case "struct":
      return type.fields.every((field) => canDeclare(field.type));
    default:
      return true;
  }
}

function fieldSchema({ name, type, nullable }: Column): ConnectSchema {
  return { ...connectSchema(type), optional: nullable, field: name };
}

function connectSchema(type: ColumnType): ConnectSchema {
  switch (type.kind) {
    case "boolean":
    case "int16":
    case "int32":
    case "int64":
    case "bytes":
      return { type: type.kind, optional: true };
    case "uint64":
      return { type: "int64", optional: true };
    case "float32":
      return { type: "float", optional: true };
    case "float64":
      return { type: "double", optional: true };
    case "uuid":
      return { type: "string", optional: true, name: "io.debezium.data.Uuid", version: 1 };
    case "enum":
    case "set":
      return {
        type: "string",
        optional: true,
        name: `io.debezium.data.${type.kind === "enum" ? "Enum" : "EnumSet"}`,
        version: 1,
        parameters: { allowed: type.values.join(",") },
      };
    case "timestamptz":
      return { type: "string", optional: true, name: "io.debezium.time.ZonedTimestamp", version: 1 };
    case "array":
      return { type: "array", optional: true, items: connectSchema(type.items) };
    case "map":
      return {
        type: "map",
        optional: true,
        keys: { type: "string", optional: false },
        values: connectSchema(type.values),
      };
    case "struct":
      return { type: "struct", optional: true, fields: type.fields.map(fieldSchema) };
    default:
      return { type: "string", optional: true };
  }
}
