/** A UUID for each event that is the same whenever the event is read: for insert_field. */
import { createHash } from "node:crypto";
import type { Origin } from "../../formats/data/batch.ts";
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";

/** The name space of these UUIDs (RFC 9562, section 5.5): chosen once at random. */
const NAME_SPACE = Uint8Array.fromHex("7d0c2f2a9d5e4a5c8b7d3e61f0a4c9b2");

/** A UUID of version 5 from where the event comes from, its place in the order, and its key; without an order its row. */
export function eventUuid(record: DataRecord, origin: Origin | undefined): string {
  const { stream, operation, order, timeMicros, key } = record;
  const name = [
    origin?.connector ?? null,
    origin?.name ?? null,
    stream.database ?? null,
    stream.namespace ?? null,
    stream.name,
    operation,
    timeMicros,
    order ?? null,
    key ?? null,
    order === undefined ? record.after ?? null : null,
  ];
  const hash = createHash("sha1").update(NAME_SPACE).update(valueText(name)).digest();
  hash[6] = hash[6] & 0x0f | 0x50;
  hash[8] = hash[8] & 0x3f | 0x80;
  const hex = hash.toString("hex", 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
