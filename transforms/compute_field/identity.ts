/** Ids and hashes of records: RFC 9562 for the forms of UUIDs. */
import { createHash, createHmac } from "node:crypto";
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type { Value } from "../../formats/data/value.ts";

/** The space of the names that version 5 hashes: records by their place in a source. */
const NAMESPACE = new Uint8Array([
  ...[0x6b, 0x1f, 0x0c, 0x52, 0x3d, 0x9a, 0x4e, 0x07],
  ...[0x9c, 0x44, 0xd2, 0x58, 0xa7, 0x10, 0xee, 0x36],
]);

/** An id of a record; the same for the same place, where it has one and the version follows from it. */
export function recordUuid(record: DataRecord, version: 4 | 5 | 7, random: () => number): string {
  const { stream, order, timeMicros } = record;
  if (version === 4 || order === undefined) return uuidText(randomBytes(random), 4);
  const name = `${stream.database ?? ""}/${qualifiedName(stream)}/${order}`;
  const hash = createHash(version === 5 ? "sha1" : "sha256").update(NAMESPACE).update(name).digest();
  const bytes = new Uint8Array(hash).slice(0, 16);
  if (version === 7) {
    const millis = timeMicros > 0n ? timeMicros / 1000n : 0n;
    for (let i = 0; i < 6; i++) bytes[i] = Number(millis >> BigInt(40 - 8 * i) & 0xffn);
  }
  return uuidText(bytes, version);
}

function randomBytes(random: () => number): Uint8Array {
  return Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256));
}

function uuidText(bytes: Uint8Array, version: number): string {
  bytes[6] = bytes[6] & 0x0f | version << 4;
  bytes[8] = bytes[8] & 0x3f | 0x80;
  const hex = bytes.toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/**
 * SHA-256 of values in hex. Each is hashed with its length in front, so that no two lists of values look alike; what is
 * missing differs from null.
 */
export function hashValues(values: readonly (Value | undefined)[], key: string | undefined): string {
  const hash = key === undefined ? createHash("sha256") : createHmac("sha256", key);
  for (const value of values) {
    const text = value === undefined ? "" : valueText(value);
    hash.update(`${new TextEncoder().encode(text).length}:${text}`);
  }
  return hash.digest("hex");
}

/** The hash of earlier versions: the JSON texts of the values that there are, one right behind the other. */
export function legacyHash(values: readonly (Value | undefined)[]): string {
  const hash = createHash("sha256");
  for (const value of values) if (value !== undefined) hash.update(valueText(value));
  return hash.digest("hex");
}
