/**
 * What a partition holds already of what is about to be sent: nobody knows it after a crash, or after a request whose
 * answer was lost, but the partition itself. publisher.ts asks before it sends, so that nothing is there twice.
 */
import type { RivvenClient } from "./client/client.ts";
import { type EncodedRecords, writeRecordTo } from "./client/requests.ts";
import { PostcardReader, PostcardWriter } from "./client/wire.ts";
import { RecordNames } from "./identity.ts";

/** 1000 × 4 KiB is what the broker reads for it at most. */
const MAX_RECORDS = 1000;

/** The names of a source's records that lie at `from` and behind it, once nothing is written there any more. */
export async function publishedSince(
  client: RivvenClient,
  topic: string,
  partition: number,
  from: number,
  source: string,
): Promise<Set<string>> {
  const found = new Set<string>();
  const names = new RecordNames(source);
  const latest = await client.settled(topic, partition);
  for (let offset = from; offset < latest;) {
    const records = await client.consume({ topic, partition, offset, maxRecords: MAX_RECORDS, maxWaitMs: 0 });
    for (const { key, value } of records) {
      const name = names.next(key, value);
      if (name !== undefined) found.add(name);
    }
    if (records.length > 0) offset = records.at(-1)!.offset + 1;
    // Records that were deleted, or one that is never given out: a marker of a transaction.
    else offset = Math.max(offset + 1, (await client.offsets(topic, partition)).earliest);
  }
  return found;
}

/** The records of a batch that are not in `found`. Those that are, are taken out of it: each is met once. */
export function withoutFound(
  batch: EncodedRecords,
  found: Set<string>,
  names: RecordNames,
): EncodedRecords {
  const reader = new PostcardReader(batch.bytes);
  const kept = new PostcardWriter(batch.bytes.length);
  let count = 0;
  for (let i = 0; i < batch.count; i++) {
    const key = reader.bool() ? reader.blob() : undefined;
    const value = reader.blob();
    const name = names.next(key, value);
    if (name !== undefined && found.delete(name)) continue;
    writeRecordTo(kept, key, value);
    count++;
  }
  return { count, bytes: kept.written };
}
