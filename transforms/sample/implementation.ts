/** Keeps a share of the rows: the work of sample. Loaded by workers. */
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import { LastDelete } from "../_shared/deletes.ts";
import { eachRecord, isRowRecord } from "../_shared/records.ts";
import { selected } from "../_shared/selected.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { SampleConfig } from "./definition.ts";

export function openTransform(config: SampleConfig, context: TransformContext): Transform {
  const { ratio, by, seed } = config;
  const limit = ratio * 2 ** 32;
  const lastDelete = new LastDelete<boolean>();
  const stays = (record: DataRecord) => {
    const identity = identityOf(record, by);
    const place = identity === undefined ? context.random() * 2 ** 32 : hash(`${seed}/${identity}`);
    return place < limit;
  };
  return {
    matches: selected({ tables: config.tables }),
    apply: eachRecord((record) => {
      if (record.operation === "tombstone") {
        return lastDelete.of(record) ?? stays(record) ? record : undefined;
      }
      if (!isRowRecord(record)) return record;
      const kept = stays(record);
      if (record.operation === "delete") lastDelete.remember(record, kept);
      return kept ? record : undefined;
    }),
  };
}

/** What decides about a record; undefined: chance. */
function identityOf({ key, order, stream }: DataRecord, by: SampleConfig["by"]): string | undefined {
  if (by === "record" || key === undefined) return order;
  return `${qualifiedName(stream)}/${key instanceof Uint8Array ? key.toBase64() : valueText(key)}`;
}

/** 32 bits, evenly spread: FNV-1a over UTF-16, then the finalizer of MurmurHash3, both in the public domain. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return (h ^ h >>> 16) >>> 0;
}
