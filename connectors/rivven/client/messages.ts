/**
 * The records of one answer, as they lie in its frame. Reading makes an object of one when its turn comes: a thousand
 * objects of an answer that waits for its turn would be carried over by every garbage collection. client.ts gives it.
 */
import type { PostcardReader } from "./wire.ts";

/** A record as the broker has it. Key and value are views into the frame. */
export interface IncomingRecord {
  readonly offset: number;
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array;
  /** When the broker received it, milliseconds since 1970. */
  readonly timestampMs: number;
}

/** Start and end of key and value. */
const SPAN_WIDTH = 4;
const NO_KEY = -1;

export class Messages implements Iterable<IncomingRecord> {
  /** How many. */
  readonly length: number;
  /** The offset behind the last one; without one, the offset that was asked for. */
  readonly next: number;
  readonly #frame: PostcardReader;
  readonly #offsets: Float64Array;
  readonly #times: Float64Array;
  readonly #spans: Int32Array;

  /**
   * Reads a list of `MessageData`. Only what a reader may believe is in it: records with offsets from `from` on, each
   * above the one before. A broker that was killed gives others, too.
   */
  constructor(reader: PostcardReader, from: number) {
    const count = reader.count();
    this.#frame = reader;
    this.#offsets = new Float64Array(count);
    this.#times = new Float64Array(count);
    this.#spans = new Int32Array(count * SPAN_WIDTH);
    let length = 0;
    let next = from;
    for (let i = 0; i < count; i++) {
      const offset = reader.uint();
      reader.uint(); // its partition, which was asked for
      const keyStart = reader.bool() ? reader.skipBlob() : NO_KEY;
      const keyEnd = reader.at;
      const valueStart = reader.skipBlob();
      const valueEnd = reader.at;
      const time = reader.int();
      for (let headers = reader.uint(); headers > 0; headers--) {
        reader.skipBlob();
        reader.skipBlob();
      }
      if (offset < next) continue;
      next = offset + 1;
      this.#offsets[length] = offset;
      this.#times[length] = time;
      const span = SPAN_WIDTH * length++;
      this.#spans[span] = keyStart;
      this.#spans[span + 1] = keyEnd;
      this.#spans[span + 2] = valueStart;
      this.#spans[span + 3] = valueEnd;
    }
    this.length = length;
    this.next = next;
  }

  /** Record `i`, counted from 0. */
  at(i: number): IncomingRecord {
    const spans = this.#spans;
    const span = SPAN_WIDTH * i;
    return {
      offset: this.#offsets[i],
      key: spans[span] === NO_KEY ? undefined : this.#frame.view(spans[span], spans[span + 1]),
      value: this.#frame.view(spans[span + 2], spans[span + 3]),
      timestampMs: this.#times[i],
    };
  }

  *[Symbol.iterator](): Generator<IncomingRecord> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}
