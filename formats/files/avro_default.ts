/** What an Avro field's default is in bytes: written where a row does not have the column. */
import { AvroWriter } from "./avro_writer.ts";

/**
 * @returns undefined where the field has neither a default nor room for NULL
 * @throws {SyntaxError} when the default is not of the type, or of one that no default is written for
 */
export function fieldBytes(schema: unknown, value: unknown): Uint8Array | undefined {
  if (value !== undefined) return defaultBytes(schema, value);
  return schema === "null" || Array.isArray(schema) && schema.includes("null")
    ? defaultBytes(schema, null)
    : undefined;
}

function defaultBytes(schema: unknown, value: unknown): Uint8Array {
  const writer = new AvroWriter();
  let type = schema;
  if (Array.isArray(schema)) {
    // Of any branch since 1.12; the first one that fits, as for other values.
    const at = schema.findIndex((branch) => isOf(underlying(branch), value));
    if (at < 0) throw unfit();
    writer.integer(at);
    type = schema[at];
  }
  type = underlying(type);
  if (!isOf(type, value)) throw unfit();
  switch (type) {
    case "null":
      break;
    case "boolean":
      writer.byte(value ? 1 : 0);
      break;
    case "int":
    case "long":
      writer.integer(value as number);
      break;
    case "float":
      writer.float(value as number);
      break;
    case "double":
      writer.double(value as number);
      break;
    case "string":
      writer.text(value as string);
      break;
    case "bytes":
      // The specification writes bytes as the text of the code points 0 to 255.
      writer.bytes(Uint8Array.from(value as string, (char) => char.charCodeAt(0)));
      break;
    default: // an empty array or map
      writer.byte(0);
  }
  return writer.written.slice();
}

function underlying(schema: unknown): unknown {
  return typeof schema === "object" && schema !== null && !Array.isArray(schema) && "type" in schema
    ? schema.type
    : schema;
}

function isOf(type: unknown, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "boolean":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string";
    case "bytes":
      // deno-lint-ignore no-control-regex
      return typeof value === "string" && /^[\x00-\xff]*$/.test(value);
    case "int":
    case "long":
      return Number.isSafeInteger(value);
    case "float":
    case "double":
      return typeof value === "number";
    case "array":
      return Array.isArray(value) && value.length === 0;
    case "map":
      return typeof value === "object" && value !== null && Object.keys(value).length === 0;
    default:
      return false;
  }
}

function unfit(): SyntaxError {
  return new SyntaxError(
    "A field's default is not of its type, or one of those that are not supported: enums, fixed, records, arrays and maps that are not empty",
  );
}
