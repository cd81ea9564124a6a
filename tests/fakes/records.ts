/** Streams, records and batches for tests, the same in every run. */
import { type Batch, batchFromData, orderText, type Position } from "../../formats/data/batch.ts";
import { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { Layout } from "../../formats/data/envelope.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { FAKE_START_MICROS } from "./clock.ts";
import { writeRecord } from "../../formats/data/record_writer.ts";

/** `public.orders` of the database `shop`. */
export const ORDERS: Stream = fakeStream("orders");

/** A table with a key, a text and a decimal. */
export function fakeStream(name: string, more: Partial<Stream> = {}): Stream {
  return {
    name,
    namespace: "public",
    database: "shop",
    columns: [
      { name: "id", type: { kind: "int64" }, nullable: false },
      { name: "customer", type: { kind: "string" }, nullable: true },
      { name: "total", type: { kind: "decimal", precision: 12, scale: 2 }, nullable: true },
    ],
    key: ["id"],
    payload: "row",
    version: 1,
    ...more,
  };
}

/** An insert of row `id`, one microsecond after the one before it; `more` overrides. */
export function fakeRecord(id: number, more: Partial<DataRecord> = {}): DataRecord {
  const stream = more.stream ?? ORDERS;
  return {
    stream,
    operation: "insert",
    key: { id: BigInt(id) },
    after: { id: BigInt(id), customer: `customer ${id} "ß"`, total: `${id}.50` },
    timeMicros: FAKE_START_MICROS + BigInt(id),
    source: { lsn: `0/${id.toString(16).toUpperCase()}` },
    order: orderText("0000000000000001", id),
    ...more,
  };
}

export interface FakeBatchOptions {
  readonly layout?: Layout;
  readonly lane?: string;
  readonly position?: Position;
}

/** A batch in written form, as one that has crossed a port. */
export function fakeBatch(records: readonly DataRecord[], options: FakeBatchOptions = {}): Batch {
  const { layout = "auto", lane = "stream", position = { v: 1, n: records.length } } = options;
  const writer = new BatchWriter({
    origin: { connector: "fake", name: "fake", version: "0.0.0" },
    layout,
    nowMicros: () => FAKE_START_MICROS,
    maxRecords: Math.max(1, records.length),
  });
  writer.lane = lane;
  for (const record of records) writeRecord(writer, record);
  return batchFromData(writer.finish(position));
}

/** Batches of `size` inserts each, numbered on from `first`. */
export function fakeBatches(count: number, size: number, first = 0, options: FakeBatchOptions = {}): Batch[] {
  return Array.from({ length: count }, (_, b) => {
    const start = first + b * size;
    const records = Array.from({ length: size }, (_, i) => fakeRecord(start + i));
    return fakeBatch(records, { position: { v: 1, n: start + size }, ...options });
  });
}

/** The lines of a batch's text, without their line ends. */
export function linesOf(...batches: readonly Batch[]): string[] {
  return batches.flatMap((batch) => new TextDecoder().decode(batch.bytes).split("\n").slice(0, -1));
}
