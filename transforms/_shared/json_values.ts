/** Values of typed columns as they are inside JSON: for what moves into an object that no column describes. */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Value } from "../../formats/data/value.ts";
import { setMember } from "./paths.ts";
import { isRow } from "./records.ts";

/** Integers within 2^53 become numbers, bytes base64; all else stays. The same value where nothing changes. */
export function asJson(value: Value): Value {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return value.toBase64();
  if (Array.isArray(value)) {
    return value.some((item) => asJson(item) !== item) ? value.map(asJson) : value;
  }
  if (!isRow(value)) return value;
  const names = Object.keys(value);
  if (!names.some((name) => asJson(value[name]) !== value[name])) return value;
  const copy: Record<string, Value> = {};
  for (const name of names) setMember(copy, name, asJson(value[name]));
  return copy;
}

/** A key whose columns the stream may have lost: values without a column are as JSON has them. */
export function keyWithoutColumns(key: DataRecord["key"], { columns }: Stream): DataRecord["key"] {
  if (key === undefined || key instanceof Uint8Array) return key;
  let copy: Record<string, Value> | undefined;
  for (const name of Object.keys(key)) {
    if (columns?.some((column) => column.name === name)) continue;
    const value = asJson(key[name]);
    if (value !== key[name]) (copy ??= { ...key })[name] = value;
  }
  return copy ?? key;
}
