/** How many bytes values take as JSON, and values cut to fewer: for enforce_record_size. */
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row, Value } from "../../formats/data/value.ts";

const utf8 = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of a value's JSON text. */
export function sizeOf(value: Value | undefined): number {
  return value === undefined ? 0 : utf8.encode(valueText(value)).length;
}

/** Of a record: key, both rows, headers. */
export function recordSize({ key, before, after, headers }: DataRecord): number {
  let size = (key instanceof Uint8Array ? key.length : sizeOf(key)) + sizeOf(before) + sizeOf(after);
  for (const [name, value] of headers ?? []) {
    size += utf8.encode(name).length + (typeof value === "string" ? utf8.encode(value).length : value.length);
  }
  return size;
}

/** Whether a record is certainly not larger, without writing it: nearly all records. */
export function isSurelyWithin({ key, before, after, headers }: DataRecord, limit: number): boolean {
  if (headers) return false;
  const left = atMost(before, atMost(after, limit));
  return (key instanceof Uint8Array ? left - key.length : atMost(key, left)) >= 0;
}

/** What is left of `limit` at least; negative when it may be less than nothing. */
function atMost(value: Value | undefined, limit: number): number {
  if (limit < 0 || value === undefined) return limit;
  switch (typeof value) {
    case "string":
      // Six bytes for a character that is escaped.
      return limit - value.length * 6 - 2;
    case "bigint":
      return limit - 24;
    case "object": {
      if (value === null) return limit - 4;
      if (value instanceof Uint8Array) return limit - value.length * 4 / 3 - 6;
      let left = limit - 2;
      if (Array.isArray(value)) {
        for (const item of value) left = atMost(item, left - 1);
        return left;
      }
      const row = value as Row;
      for (const name in row) left = atMost(row[name], left - name.length * 6 - 4);
      return left;
    }
    default:
      return limit - 26;
  }
}

/** The value with about so many bytes less of JSON, never below `smallest`; text ends with the marker. */
export function shortened(
  value: string | Uint8Array,
  less: number,
  smallest: number,
  marker: string,
): string | Uint8Array {
  if (value instanceof Uint8Array) {
    // Base64 has four characters for three bytes.
    return value.subarray(0, Math.max(Math.floor(smallest * 3 / 4), value.length - Math.ceil(less * 3 / 4)));
  }
  const bytes = utf8.encode(value);
  const tail = utf8.encode(marker).length;
  let end = Math.max(smallest - tail, bytes.length - less - tail, 0);
  // Not within a character: bytes that go on with one are 10xxxxxx.
  while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--;
  return decoder.decode(bytes.subarray(0, end)) + marker;
}
