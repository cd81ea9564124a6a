/**
 * Large values that an update did not touch (TOAST) are not sent by the server. What stands in their place in the row,
 * if anything: `toast_handling: placeholder`.
 */
import type { ColumnType } from "../../formats/data/value.ts";

const utf8 = new TextEncoder();

/**
 * The placeholder as JSON text of a column's type, as Debezium writes it: text as it is, bytes as its UTF-8 (or as the
 * bytes that `hex:` and digits give), an array with it as the only item, a map with it as name and value.
 *
 * @returns undefined where no value of the type could be told from data: numbers, times
 */
export function placeholderFor(type: ColumnType, placeholder: string): Uint8Array | undefined {
  const value = placeholderValue(type, placeholder);
  return value === undefined ? undefined : utf8.encode(JSON.stringify(value));
}

function placeholderValue(type: ColumnType, placeholder: string): unknown {
  switch (type.kind) {
    case "string":
    case "json":
    case "unknown":
      return placeholder;
    case "bytes":
      return placeholderBytes(placeholder).toBase64();
    case "array": {
      const item = placeholderValue(type.items, placeholder);
      return item === undefined ? undefined : [item];
    }
    case "map": {
      const value = placeholderValue(type.values, placeholder);
      return value === undefined ? undefined : { [placeholder]: value };
    }
    default:
      return undefined;
  }
}

function placeholderBytes(placeholder: string): Uint8Array {
  return placeholder.startsWith("hex:") ? Uint8Array.fromHex(placeholder.slice(4)) : utf8.encode(placeholder);
}
