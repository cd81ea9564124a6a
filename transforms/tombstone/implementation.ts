/** Sends tombstones: the work of the transform of that name. Loaded by workers. */
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import { namesOf, nameTest } from "../_protection/selector.ts";
import { nthOrder } from "../_shared/records.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { TombstoneConfig } from "./definition.ts";

export function openTransform(config: TombstoneConfig, context: TransformContext): Transform {
  const excluded = config.exclude_tables.map((pattern) => nameTest(pattern));
  const warned = new Set<string>();
  const matches = (stream: Stream) =>
    config.after_delete && !excluded.some((test) => namesOf(stream).some(test));
  return {
    matches,
    apply(records) {
      if (!records.some(({ operation }) => operation === "delete")) return records;
      const out: DataRecord[] = [];
      records.forEach((record, i) => {
        out.push(record);
        if (record.operation !== "delete" || !matches(record.stream)) return;
        if (record.key === undefined) warnOnce(record.stream);
        else if (!isTombstoneOf(records[i + 1], record)) out.push(tombstoneOf(record));
      });
      return out;
    },
  };

  function warnOnce(stream: Stream): void {
    const name = qualifiedName(stream);
    if (warned.has(name)) return;
    warned.add(name);
    context.log.warn(`"${name}" has no key, so its deletes have no tombstones`);
  }
}

function tombstoneOf({ stream, key, timeMicros, source, headers, order }: DataRecord): DataRecord {
  return {
    stream,
    operation: "tombstone",
    key,
    timeMicros,
    source,
    headers,
    order: nthOrder(order, 1),
  };
}

/** Has the source sent one itself? */
function isTombstoneOf(next: DataRecord | undefined, { key, stream }: DataRecord): boolean {
  return next?.operation === "tombstone" && next.stream === stream &&
    valueText(next.key) === valueText(key);
}
