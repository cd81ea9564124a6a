/**
 * Batches from the source's worker straight to the sink's: bytes in transferred buffers, over a MessagePort, with
 * credits, since `postMessage` itself never says stop. Both ends are used by pipeline.ts; in tests both live in one
 * thread.
 */
import {
  type Batch,
  type BatchColumns,
  batchColumns,
  type BatchData,
  batchFromData,
  type BatchHead,
  SPAN_WIDTH,
} from "../formats/data/batch.ts";
import type { BufferPool } from "../formats/data/buffer_pool.ts";
import type { Header } from "../formats/data/record.ts";
import type { Stream } from "../formats/data/stream.ts";
import type { Rejected } from "./dead_letters/dead_letter.ts";

/** How much may be under way between the two ends: whichever bound is reached first. */
export const MAX_BATCHES_UNDER_WAY = 8;
export const MAX_BYTES_UNDER_WAY = 16 << 20;

/** A batch as a message. Streams are sent once and named by number afterwards. */
interface BatchMessage {
  readonly kind: "batch";
  readonly seq: number;
  readonly head: BatchHead;
  readonly newStreams: readonly Stream[];
  readonly streams: readonly number[];
  readonly length: number;
  readonly first: number;
  readonly text: ArrayBuffer;
  readonly textStart: number;
  readonly textEnd: number;
  readonly side: ArrayBuffer;
  readonly columns: ArrayBuffer;
  readonly capacity: number;
  readonly groups: readonly string[];
  readonly suffixes?: readonly (string | undefined)[];
  readonly headers?: readonly (readonly Header[] | undefined)[];
  readonly exact: boolean;
  /** What could not become a part of this batch. */
  readonly rejected?: readonly Rejected[];
}

type ToSink = BatchMessage | { readonly kind: "end" };

/** The sink is done with a batch; its buffers come back where it has not kept them. */
interface Credit {
  readonly kind: "credit";
  readonly bytes: number;
  readonly text?: ArrayBuffer;
  readonly columns?: ArrayBuffer;
}

/** The source's end. */
export class PortSender {
  readonly #port: MessagePort;
  readonly #pool: BufferPool | undefined;
  readonly #streamNumbers = new Map<Stream, number>();
  #batches = 0;
  #bytes = 0;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(port: MessagePort, pool?: BufferPool) {
    this.#port = port;
    this.#pool = pool;
    port.onmessage = ({ data }: MessageEvent<Credit>) => {
      this.#batches--;
      this.#bytes -= data.bytes;
      if (data.text && data.columns) this.#pool?.give(data.text, data.columns);
      this.#wake?.();
    };
  }

  /**
   * Sends a batch once there is room for it.
   *
   * @param seq its number in the order in which the source emitted it
   * @param copy leaves the batch's buffers here, for another receiver
   * @param rejected what could not become a part of it, and is covered by its position
   */
  async send(seq: number, batch: Batch, copy: boolean, rejected: readonly Rejected[] = []): Promise<void> {
    while (!this.#closed && this.#isFull()) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#closed) return;
    const { message, transfer } = this.#message(seq, batch.encoded(), copy, rejected);
    this.#batches++;
    this.#bytes += sizeOf(message);
    this.#port.postMessage(message, transfer);
  }

  /** Nothing follows. */
  end(): void {
    if (!this.#closed) this.#port.postMessage({ kind: "end" } satisfies ToSink);
  }

  /** Lets go of the port; a `send` that waits returns. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
    this.#port.close();
  }

  #isFull(): boolean {
    return this.#batches >= MAX_BATCHES_UNDER_WAY ||
      (this.#batches > 0 && this.#bytes >= MAX_BYTES_UNDER_WAY);
  }

  #message(
    seq: number,
    data: BatchData,
    copy: boolean,
    rejected: readonly Rejected[],
  ): { message: BatchMessage; transfer: ArrayBuffer[] } {
    const newStreams: Stream[] = [];
    const streams = data.streams.map((stream) => {
      let number = this.#streamNumbers.get(stream);
      if (number === undefined) {
        number = this.#streamNumbers.size;
        this.#streamNumbers.set(stream, number);
        newStreams.push(stream);
      }
      return number;
    });
    const { origin, lane, position, readAtMicros, layout, length, first, groups, suffixes, headers, exact } =
      data;
    const end = textEnd(data);
    const text = copy ? data.text.slice(0, end) : data.text;
    const side = copy ? data.side.slice() : data.side;
    const columns = copy ? data.columns.buffer.slice(0) : data.columns.buffer;
    const message: BatchMessage = {
      kind: "batch",
      seq,
      head: { origin, lane, position, readAtMicros, layout },
      newStreams,
      streams,
      length,
      first,
      text: text.buffer as ArrayBuffer,
      textStart: text.byteOffset,
      textEnd: text.byteOffset + end,
      side: side.buffer as ArrayBuffer,
      columns,
      capacity: data.columns.capacity,
      groups,
      suffixes,
      headers,
      exact,
      ...(rejected.length > 0 ? { rejected } : {}),
    };
    return { message, transfer: [message.text, message.side, message.columns] };
  }
}

/** What a message counts against the budget: both ends must come to the same. */
function sizeOf({ textStart, textEnd, side, rejected = [] }: BatchMessage): number {
  let size = textEnd - textStart + side.byteLength;
  for (const { letter: { payload } } of rejected) size += payload.byteLength;
  return size;
}

/** Where the last record's text ends. */
function textEnd(
  { columns, first, length }: { columns: BatchColumns; first: number; length: number },
): number {
  return length === 0 ? 0 : columns.spans[(first + length - 1) * SPAN_WIDTH + 1];
}

/** A batch that has arrived. */
export interface Delivery {
  readonly seq: number;
  readonly batch: Batch;
  readonly rejected: readonly Rejected[];
  /** Tells the sender that the batch is done with. */
  release(): void;
}

/** The sink's end: a queue that never holds more than the sender's credits allow. */
export class PortReceiver {
  readonly #port: MessagePort;
  readonly #streams: Stream[] = [];
  readonly #queue: BatchMessage[] = [];
  #ended = false;

  /** @param arrived called for every batch and for the end */
  constructor(port: MessagePort, arrived: () => void) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<ToSink>) => {
      if (data.kind === "end") this.#ended = true;
      else this.#queue.push(data);
      arrived();
    };
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** True when the sender has ended and everything has been taken. */
  get isDone(): boolean {
    return this.#ended && this.isEmpty;
  }

  /** The next batch; undefined when none is waiting. */
  take(): Delivery | undefined {
    const message = this.#queue.shift();
    if (!message) return undefined;
    this.#streams.push(...message.newStreams);
    const batch = batchFromData({
      ...message.head,
      length: message.length,
      first: message.first,
      streams: message.streams.map((number) => this.#streams[number]),
      text: new Uint8Array(message.text, message.textStart),
      side: new Uint8Array(message.side),
      columns: batchColumns(message.capacity, message.columns),
      groups: message.groups,
      suffixes: message.suffixes,
      headers: message.headers,
      exact: message.exact,
    });
    const bytes = sizeOf(message);
    return {
      seq: message.seq,
      batch,
      rejected: message.rejected ?? [],
      release: () => {
        const credit: Credit = { kind: "credit", bytes };
        if (batch.retained || message.textStart !== 0) return this.#port.postMessage(credit);
        const { text, columns } = message;
        this.#port.postMessage({ ...credit, text, columns } satisfies Credit, [text, columns]);
      },
    };
  }

  close(): void {
    this.#port.close();
  }
}
