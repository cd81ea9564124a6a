/** The typed zero of a column: what `type_preserving` masks and the `zero` strategy write. */
import type { ColumnType, Value } from "../../formats/data/value.ts";

/** A value of the type that says nothing. Without a type, by what the value is. */
export function zeroOf(type: ColumnType | undefined, value: Value): Value {
  switch (type?.kind) {
    case "boolean":
      return false;
    case "int16":
    case "int32":
    case "float32":
    case "float64":
      return 0;
    case "int64":
    case "uint64":
      return 0n;
    case "decimal":
      return type.scale ? `0.${"0".repeat(type.scale)}` : "0";
    case "uuid":
      return "00000000-0000-0000-0000-000000000000";
    case "bytes":
      return new Uint8Array();
    case "date":
      return "1970-01-01";
    case "time":
      return "00:00:00";
    case "timetz":
      return "00:00:00Z";
    case "timestamp":
      return "1970-01-01T00:00:00";
    case "timestamptz":
      return "1970-01-01T00:00:00Z";
    case "interval":
      return "PT0S";
    case "enum":
      return type.values[0] ?? "";
    case "array":
      return [];
    case "struct":
      return Object.fromEntries(type.fields.map((field) => [field.name, zeroOf(field.type, null)]));
    case "string":
    case "set":
      return "";
    case "map":
      return {};
    default:
      return zeroLike(value);
  }
}

function zeroLike(value: Value): Value {
  switch (typeof value) {
    case "boolean":
      return false;
    case "number":
      return 0;
    case "bigint":
      return 0n;
    case "string":
      return "";
    default:
      if (value === null) return null;
      if (value instanceof Uint8Array) return new Uint8Array();
      return Array.isArray(value) ? [] : {};
  }
}
