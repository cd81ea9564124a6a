/**
 * What a batch is, and how it is stored: typed arrays over a few buffers, so that a record costs no object and the
 * whole can cross a port. batch.ts makes batches of it, batch_writer.ts fills it, batch_reader.ts parses it.
 */
import type { Layout } from "./envelope.ts";
import {
  type DataRecord,
  type Header,
  type Operation,
  SNAPSHOT_MARKERS,
  type SnapshotMarker,
} from "./record.ts";
import type { Stream } from "./stream.ts";
import type { Json } from "./value.ts";

/** Where to resume: JSON of its source, a few KiB at most. The runtime stores it and hands it back. */
export type Position = { readonly v: number; readonly [name: string]: Json | undefined };

/** A part of a record's JSON. `text` is the whole line with its \n, in the batch's layout. */
export type Part = "text" | "key" | "before" | "after" | "source";

export interface Batch extends BatchHead {
  /** 0 is legal: only the position moved. */
  readonly length: number;
  /** UTF-8; the `text` of every record in order. */
  readonly bytes: Uint8Array;
  readonly records: readonly DataRecord[];
  /**
   * Record `i` by itself, for those who look at each once. Nothing is kept: a member may be made anew whenever it is
   * asked for, and is garbage at once.
   */
  record(i: number): DataRecord;
  /** Every stream that a record of it has, each once; possibly some that none has. */
  readonly streams: readonly Stream[];
  stream(i: number): Stream;
  operation(i: number): Operation;
  order(i: number): string | undefined;
  /** A part's bytes; undefined where the record has none. `text` is empty where the layout writes nothing. */
  span(i: number, part: Part): Uint8Array | undefined;
  /** The same batch without its first `count` records. */
  withoutFirst(count: number): Batch;
  /** The same batch with only the records for which `keep` is true. */
  select(keep: (i: number) => boolean): Batch;
  /**
   * The same records, each with what `change` makes of its stream. Nothing is written anew, so what it changes must
   * stand in no layout: the topic, not the names and the columns.
   */
  withStreams(change: (stream: Stream) => Stream): Batch;
  /** The same records written in another layout; itself when it has that layout already. */
  inLayout(layout: Layout): Batch;
  /** Keeps the runtime from reusing the buffers once `write()` has resolved. */
  retain(): void;
  /** The written form, as it crosses a port. Makes it when only the objects exist. */
  encoded(): BatchData;
}

/** What every batch knows beside its records. */
export interface BatchHead {
  /** All records of a batch belong to one lane: a part of the source within which order is total. */
  readonly lane: string;
  /** After the last record: resuming here gives exactly what follows. */
  readonly position: Position;
  /** When the source read it, microseconds since 1970: the outer `ts_*` of the envelope. */
  readonly readAtMicros: bigint;
  /** The layout of `bytes`. */
  readonly layout: Layout;
  /** Who wrote it: the `connector`, `name` and `version` members of the `source` block. */
  readonly origin: Origin;
}

export interface Origin {
  /** The connector's type. */
  readonly connector: string;
  /** The source's name in the pipeline file. */
  readonly name: string;
  /** The program's version. */
  readonly version: string;
}

/** The order of the parts in `spans`: pairs of (start, end), after them the one of the own members. */
export const PARTS: readonly Part[] = ["text", "key", "before", "after", "source"];
/** Where the own members lie inside `source`: what only this connector wrote there, without a comma in front. */
export const OWN = 10;
export const SPAN_WIDTH = 12;
/** Start of a part that the record does not have. */
export const ABSENT = 0xffffffff;
/** Set in start and end of a part that lies in `side`, not in `text`. */
export const IN_SIDE = 0x80000000;
/** Bits of `flags`. */
export const BARE = 1;
export const KEY_IS_BYTES = 2;
/** Three bits from this one on: 1 + the number of the marker in SNAPSHOT_MARKERS; 0: what the operation says. */
export const MARKER_SHIFT = 2;
const MARKER_MASK = 7;
/** Right behind `source` stands `,"transaction":{…}`, an object without objects and braces in it. */
export const IN_TRANSACTION = 32;

/** Numbers of each record, in typed arrays over one buffer: no object per record. */
export interface BatchColumns {
  readonly capacity: number;
  readonly buffer: ArrayBuffer;
  readonly timeMicros: BigInt64Array;
  /** The index within the order's group; NaN: no order. */
  readonly orderIndex: Float64Array;
  readonly spans: Uint32Array;
  readonly streamOf: Uint16Array;
  readonly groupOf: Uint16Array;
  readonly operations: Uint8Array;
  readonly flags: Uint8Array;
}

/** A batch in written form: plain data, whose buffers can be transferred. */
export interface BatchData extends BatchHead {
  readonly length: number;
  /** The number of the first record in `columns`: records before it were dropped. */
  readonly first: number;
  readonly streams: readonly Stream[];
  /** Holds the texts one after the other; longer than what is used. */
  readonly text: Uint8Array;
  /** Holds the parts that the layout does not write. */
  readonly side: Uint8Array;
  readonly columns: BatchColumns;
  /** Order = group + "/" + 16 digits of the index (+ suffix). */
  readonly groups: readonly string[];
  readonly suffixes?: readonly (string | undefined)[];
  readonly headers?: readonly (readonly Header[] | undefined)[];
  /** Some integer has more than 15 digits, so that only the exact parser reads it rightly. */
  readonly exact: boolean;
}

/** Allocates the columns for up to `capacity` records, or lays them over a recycled buffer. */
export function batchColumns(capacity: number, recycled?: ArrayBuffer): BatchColumns {
  const size = capacity * 70;
  const buffer = recycled && recycled.byteLength >= size ? recycled : new ArrayBuffer(size);
  return {
    capacity,
    buffer,
    timeMicros: new BigInt64Array(buffer, 0, capacity),
    orderIndex: new Float64Array(buffer, 8 * capacity, capacity),
    spans: new Uint32Array(buffer, 16 * capacity, SPAN_WIDTH * capacity),
    streamOf: new Uint16Array(buffer, 64 * capacity, capacity),
    groupOf: new Uint16Array(buffer, 66 * capacity, capacity),
    operations: new Uint8Array(buffer, 68 * capacity, capacity),
    flags: new Uint8Array(buffer, 69 * capacity, capacity),
  };
}

/** The marker that the flags of a record hold; undefined: what the operation says. */
export function markerOf(flags: number): SnapshotMarker | undefined {
  return SNAPSHOT_MARKERS[(flags >> MARKER_SHIFT & MARKER_MASK) - 1];
}

/** `,"transaction":{…}` of record `n`, counted from the start of `columns`; undefined where it has none. */
export function transactionOf({ columns, text, side }: BatchData, n: number): Uint8Array | undefined {
  if ((columns.flags[n] & IN_TRANSACTION) === 0) return undefined;
  const at = columns.spans[n * SPAN_WIDTH + 2 * PARTS.indexOf("source") + 1];
  const [bytes, start] = at >= IN_SIDE ? [side, at - IN_SIDE] : [text, at];
  return bytes.subarray(start, bytes.indexOf(0x7d, start) + 1);
}

/** The text of an order: sorts by code unit as the lane does. */
export function orderText(group: string, index: number, suffix = ""): string {
  return `${group}/${index.toString().padStart(16, "0")}${suffix}`;
}

/** A span of record `n`, counted from the start of `columns`: twice the number of a part, or OWN. */
export function spanOf({ columns, text, side }: BatchData, n: number, span: number): Uint8Array | undefined {
  const start = columns.spans[n * SPAN_WIDTH + span];
  const end = columns.spans[n * SPAN_WIDTH + span + 1];
  if (start === ABSENT) return undefined;
  return start >= IN_SIDE ? side.subarray(start - IN_SIDE, end - IN_SIDE) : text.subarray(start, end);
}
