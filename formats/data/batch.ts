/**
 * Records on their way, with two faces: typed objects, and the JSON text of each record in one buffer. Either is made
 * from the other on demand, and on the fast path neither is made at all: a source writes text (batch_writer.ts), a
 * sink writes it on. Who may rely on what is in connectors/README.md.
 */
import { parseRecord } from "./batch_reader.ts";
import { BatchWriter } from "./batch_writer.ts";
import type { Layout } from "./envelope.ts";
import { type DataRecord, type Header, type Operation, OPERATIONS } from "./record.ts";
import type { Stream } from "./stream.ts";
import type { Json } from "./value.ts";

/** Where to resume: JSON of its source, a few KiB at most. The runtime stores it and hands it back. */
export type Position = { readonly v: number; readonly [name: string]: Json | undefined };

/** A part of a record's JSON. `text` is the whole line with its \n, in the batch's layout. */
export type Part = "text" | "key" | "before" | "after" | "source";

export interface Batch {
  /** All records of a batch belong to one lane: a part of the source within which order is total. */
  readonly lane: string;
  /** After the last record: resuming here gives exactly what follows. */
  readonly position: Position;
  /** 0 is legal: only the position moved. */
  readonly length: number;
  /** When the source read it, microseconds since 1970: the outer `ts_*` of the envelope. */
  readonly readAtMicros: bigint;
  /** The layout of `bytes`. */
  readonly layout: Layout;
  /** UTF-8; the `text` of every record in order. */
  readonly bytes: Uint8Array;
  readonly records: readonly DataRecord[];
  stream(i: number): Stream;
  operation(i: number): Operation;
  order(i: number): string | undefined;
  /** A part's bytes; undefined where the record has none. `text` is empty where the layout writes nothing. */
  span(i: number, part: Part): Uint8Array | undefined;
  /** The same batch without its first `count` records. */
  withoutFirst(count: number): Batch;
  /** The same batch with only the records for which `keep` is true. */
  select(keep: (i: number) => boolean): Batch;
  /** The same records written in another layout; itself when it has that layout already. */
  inLayout(layout: Layout): Batch;
  /** Keeps the runtime from reusing the buffers once `write()` has resolved. */
  retain(): void;
  /** The written form, as it crosses a port. Makes it when only the objects exist. */
  encoded(): BatchData;
}

/** What every batch knows beside its records. */
export interface BatchHead {
  readonly lane: string;
  readonly position: Position;
  readonly readAtMicros: bigint;
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
/** From this bit on: 1 + the number of the marker in SNAPSHOT_MARKERS; 0: what the operation says. */
export const MARKER_SHIFT = 2;

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

/** A batch from its written form. */
export function batchFromData(data: BatchData): Batch & { readonly retained: boolean } {
  return new WrittenBatch(data);
}

/** A batch from typed objects; its bytes are written when somebody asks for them. */
export function batchFromRecords(head: BatchHead, records: readonly DataRecord[]): Batch {
  return new RecordBatch(head, records);
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

class WrittenBatch implements Batch {
  readonly lane: string;
  readonly position: Position;
  readonly length: number;
  readonly readAtMicros: bigint;
  readonly layout: Layout;
  retained = false;
  readonly #data: BatchData;
  /** The batch whose buffers these are, where this one is a part of it. */
  readonly #whole: WrittenBatch | undefined;
  #records?: readonly DataRecord[];

  constructor(data: BatchData, whole?: WrittenBatch) {
    this.#data = data;
    this.#whole = whole;
    this.lane = data.lane;
    this.position = data.position;
    this.length = data.length;
    this.readAtMicros = data.readAtMicros;
    this.layout = data.layout;
  }

  get bytes(): Uint8Array {
    const { length, first, text, columns } = this.#data;
    if (length === 0) return text.subarray(0, 0);
    return text.subarray(
      columns.spans[first * SPAN_WIDTH],
      columns.spans[(first + length - 1) * SPAN_WIDTH + 1],
    );
  }

  get records(): readonly DataRecord[] {
    return this.#records ??= Array.from({ length: this.length }, (_, i) => parseRecord(this, this.#data, i));
  }

  stream(i: number): Stream {
    return this.#data.streams[this.#data.columns.streamOf[this.#data.first + i]];
  }

  operation(i: number): Operation {
    return OPERATIONS[this.#data.columns.operations[this.#data.first + i]];
  }

  order(i: number): string | undefined {
    const { columns, groups, suffixes, first } = this.#data;
    const index = columns.orderIndex[first + i];
    if (Number.isNaN(index)) return undefined;
    return orderText(groups[columns.groupOf[first + i]], index, suffixes?.[first + i]);
  }

  span(i: number, part: Part): Uint8Array | undefined {
    return spanOf(this.#data, this.#data.first + i, PARTS.indexOf(part) * 2);
  }

  withoutFirst(count: number): Batch {
    if (count === 0) return this;
    const { first } = this.#data;
    return new WrittenBatch({ ...this.#data, first: first + count, length: this.length - count }, this);
  }

  select(keep: (i: number) => boolean): Batch {
    const kept: number[] = [];
    for (let i = 0; i < this.length; i++) if (keep(i)) kept.push(i);
    return kept.length === this.length ? this : new WrittenBatch(selected(this.#data, kept));
  }

  inLayout(layout: Layout): Batch {
    if (layout === this.layout) return this;
    const data = this.#data;
    const writer = new BatchWriter({
      ...data,
      layout,
      nowMicros: () => data.readAtMicros,
      maxRecords: this.length,
    });
    writer.lane = this.lane;
    for (let i = 0; i < this.length; i++) writer.copyRecord(this, data, i);
    return new WrittenBatch(writer.finish(this.position));
  }

  retain(): void {
    this.retained = true;
    this.#whole?.retain();
  }

  encoded(): BatchData {
    return this.#data;
  }
}

/** Only the records numbered in `kept` (counted from `first`), their texts moved together in a buffer of their own. */
function selected(data: BatchData, kept: readonly number[]): BatchData {
  const { columns: from, first } = data;
  const to = batchColumns(Math.max(1, kept.length));
  const pick = <T>(values: readonly T[] | undefined) => values && kept.map((i) => values[first + i]);
  let size = 0;
  for (const i of kept) {
    const at = (first + i) * SPAN_WIDTH;
    size += from.spans[at + 1] - from.spans[at];
  }
  const text = new Uint8Array(size);
  let end = 0;
  kept.forEach((i, k) => {
    const n = first + i;
    const spans = from.spans.subarray(n * SPAN_WIDTH, (n + 1) * SPAN_WIDTH);
    text.set(data.text.subarray(spans[0], spans[1]), end);
    const shift = end - spans[0];
    // ABSENT and parts in `side` have the high bit set and stay where they are.
    for (let s = 0; s < SPAN_WIDTH; s++) {
      to.spans[k * SPAN_WIDTH + s] = spans[s] < IN_SIDE ? spans[s] + shift : spans[s];
    }
    end += spans[1] - spans[0];
    to.timeMicros[k] = from.timeMicros[n];
    to.orderIndex[k] = from.orderIndex[n];
    to.streamOf[k] = from.streamOf[n];
    to.groupOf[k] = from.groupOf[n];
    to.operations[k] = from.operations[n];
    to.flags[k] = from.flags[n];
  });
  return {
    ...data,
    length: kept.length,
    first: 0,
    text,
    side: data.side.slice(),
    columns: to,
    suffixes: pick(data.suffixes),
    headers: pick(data.headers),
  };
}

class RecordBatch implements Batch {
  readonly lane: string;
  readonly position: Position;
  readonly readAtMicros: bigint;
  readonly layout: Layout;
  readonly records: readonly DataRecord[];
  readonly #head: BatchHead;
  #written?: WrittenBatch;

  constructor(head: BatchHead, records: readonly DataRecord[]) {
    this.#head = head;
    this.lane = head.lane;
    this.position = head.position;
    this.readAtMicros = head.readAtMicros;
    this.layout = head.layout;
    this.records = records;
  }

  get length(): number {
    return this.records.length;
  }

  get bytes(): Uint8Array {
    return this.#write().bytes;
  }

  stream(i: number): Stream {
    return this.records[i].stream;
  }

  operation(i: number): Operation {
    return this.records[i].operation;
  }

  order(i: number): string | undefined {
    return this.records[i].order;
  }

  span(i: number, part: Part): Uint8Array | undefined {
    return this.#write().span(i, part);
  }

  withoutFirst(count: number): Batch {
    return count === 0 ? this : new RecordBatch(this.#head, this.records.slice(count));
  }

  select(keep: (i: number) => boolean): Batch {
    const records = this.records.filter((_, i) => keep(i));
    return records.length === this.length ? this : new RecordBatch(this.#head, records);
  }

  inLayout(layout: Layout): Batch {
    return layout === this.layout ? this : new RecordBatch({ ...this.#head, layout }, this.records);
  }

  retain(): void {}

  encoded(): BatchData {
    return this.#write().encoded();
  }

  #write(): WrittenBatch {
    if (this.#written) return this.#written;
    const { origin, layout, lane, readAtMicros, position } = this.#head;
    const writer = new BatchWriter({
      origin,
      layout,
      nowMicros: () => readAtMicros,
      maxRecords: this.records.length,
    });
    writer.lane = lane;
    for (const record of this.records) writer.writeRecord(record);
    return this.#written = new WrittenBatch(writer.finish(position));
  }
}
