/**
 * Records on their way, with two faces: typed objects, and the JSON text of each record in one buffer. Either is made
 * from the other on demand, and on the fast path neither is made at all: a source writes text (batch_writer.ts), a
 * sink writes it on. Who may rely on what is in connectors/README.md.
 */
import { parseRecord, WrittenRecord } from "./batch_reader.ts";
import { BatchWriter } from "./batch_writer.ts";
import {
  type Batch,
  batchColumns,
  type BatchData,
  type BatchHead,
  IN_SIDE,
  orderText,
  type Origin,
  type Part,
  PARTS,
  type Position,
  SPAN_WIDTH,
  spanOf,
} from "./batch_data.ts";
import type { Layout } from "./envelope.ts";
import { type DataRecord, type Operation, OPERATIONS } from "./record.ts";
import { writeRecord } from "./record_writer.ts";
import type { Stream } from "./stream.ts";

export * from "./batch_data.ts";

/** A batch from its written form. */
export function batchFromData(data: BatchData): Batch & { readonly retained: boolean } {
  return new WrittenBatch(data);
}

/** A batch from typed objects; its bytes are written when somebody asks for them. */
export function batchFromRecords(head: BatchHead, records: readonly DataRecord[]): Batch {
  return new RecordBatch(head, records);
}

class WrittenBatch implements Batch {
  readonly lane: string;
  readonly position: Position;
  readonly length: number;
  readonly readAtMicros: bigint;
  readonly layout: Layout;
  readonly origin: Origin;
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
    this.origin = data.origin;
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

  record(i: number): DataRecord {
    return this.#records?.[i] ?? new WrittenRecord(this, this.#data, i);
  }

  get streams(): readonly Stream[] {
    return this.#data.streams;
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
    const rest = new WrittenBatch({ ...this.#data, first: first + count, length: this.length - count }, this);
    rest.#records = this.#records?.slice(count);
    return rest;
  }

  select(keep: (i: number) => boolean): Batch {
    const kept: number[] = [];
    for (let i = 0; i < this.length; i++) if (keep(i)) kept.push(i);
    if (kept.length === this.length) return this;
    const part = new WrittenBatch(selected(this.#data, kept));
    const records = this.#records;
    if (records) part.#records = kept.map((i) => records[i]);
    return part;
  }

  withStreams(change: (stream: Stream) => Stream): Batch {
    return new WrittenBatch({ ...this.#data, streams: this.#data.streams.map(change) }, this);
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
  readonly origin: Origin;
  readonly records: readonly DataRecord[];
  readonly #head: BatchHead;
  #written?: WrittenBatch;

  constructor(head: BatchHead, records: readonly DataRecord[]) {
    this.#head = head;
    this.lane = head.lane;
    this.position = head.position;
    this.readAtMicros = head.readAtMicros;
    this.layout = head.layout;
    this.origin = head.origin;
    this.records = records;
  }

  get length(): number {
    return this.records.length;
  }

  get bytes(): Uint8Array {
    return this.#write().bytes;
  }

  record(i: number): DataRecord {
    return this.records[i];
  }

  get streams(): readonly Stream[] {
    return [...new Set(this.records.map(({ stream }) => stream))];
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

  withStreams(change: (stream: Stream) => Stream): Batch {
    const changed = new Map(this.streams.map((stream) => [stream, change(stream)]));
    const records = this.records.map((record) => ({ ...record, stream: changed.get(record.stream)! }));
    return new RecordBatch(this.#head, records);
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
    for (const record of this.records) writeRecord(writer, record);
    return this.#written = new WrittenBatch(writer.finish(position));
  }
}
