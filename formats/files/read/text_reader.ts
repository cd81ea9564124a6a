/** The contract of readers of text files: bytes in, records out. The `file` source uses it; json_lines.ts, … have one each. */
import type { BatchWriter } from "../../data/batch_writer.ts";

/** What all readers of a file are told. */
export interface TextFile {
  /** Time of records that say none, microseconds since 1970. */
  readonly timeMicros: bigint;
  /** What plain records have in `source` or `metadata`, as `BatchWriter.end` takes it. */
  readonly own: Uint8Array;
}

/** Reads one file on, from where it is told. All places count bytes of the text, decompressed. */
export interface TextReader {
  /** Where the next record begins, or what is between it and the last one. Reading can begin here anew. */
  readonly offset: number;
  /** Whether bytes are there that no record was made of. */
  readonly hasRest: boolean;
  /** How many records, or lines of JSON Lines, lie before `offset`. */
  readonly count: number;
  /** The last bytes before `offset`, up to 256, to know the place again. */
  readonly tail: Uint8Array;
  /** Room for more bytes; `filled` says how many were put there. */
  room(): Uint8Array;
  filled(count: number): void;
  /**
   * Goes to the next record, so that `write` can write it.
   *
   * @param isEnd the file has no more bytes than were given
   * @returns false: the record is not complete yet, or there is none. With `isEnd`, `offset` tells which: an incomplete
   * one is left there
   * @throws {RecordError} the record, which lies before `offset` now, is no record; `rejected` has its text
   */
  next(isEnd: boolean): boolean;
  /** Where the record begins that `next` has found or refused. */
  readonly start: number;
  /** The text of the record that was refused, or the beginning of one that is too large. */
  readonly rejected: Uint8Array;
  /** @throws {RecordError} as `next` */
  write(writer: BatchWriter): void;
}

/** Records in the order of their first bytes. */
export const GROUP = "0";
/** What is kept of a text that is too large, for a look at it. */
export const MAX_REJECTED = 64 * 1024;
const TAIL = 256;
const ROOM = 256 * 1024;

/** The bytes of a text file that are not read yet; readers extend it. */
export abstract class TextBuffer {
  offset: number;
  count: number;
  start = 0;
  protected bytes = new Uint8Array(ROOM * 2);
  /** In `bytes`: what is not read yet. */
  protected from = 0;
  protected to = 0;
  #tail: Uint8Array = new Uint8Array();

  constructor(offset: number, count: number) {
    this.offset = offset;
    this.count = count;
  }

  get tail(): Uint8Array {
    const before = this.bytes.slice(Math.max(0, this.from - TAIL), this.from);
    if (before.length === TAIL || this.#tail.length === 0) return before;
    const all = new Uint8Array(this.#tail.length + before.length);
    all.set(this.#tail);
    all.set(before, this.#tail.length);
    return all.slice(-TAIL);
  }

  get hasRest(): boolean {
    return this.to > this.from;
  }

  room(): Uint8Array {
    if (this.bytes.length - this.to < ROOM) {
      this.#tail = this.tail;
      const unread = this.to - this.from;
      const bytes = unread + ROOM > this.bytes.length ? new Uint8Array(this.bytes.length * 2) : this.bytes;
      if (bytes === this.bytes) bytes.copyWithin(0, this.from, this.to);
      else bytes.set(this.bytes.subarray(this.from, this.to));
      this.bytes = bytes;
      this.moved(this.from);
      this.from = 0;
      this.to = unread;
      this.#endSearches();
    }
    return this.bytes.subarray(this.to, this.to + ROOM);
  }

  filled(count: number): void {
    this.to += count;
    this.#endSearches();
  }

  /** A line end behind what is there, so that a search for one does not go through all that is not. */
  #endSearches(): void {
    if (this.to < this.bytes.length) this.bytes[this.to] = 0x0a;
  }

  /** What is unread lies `by` bytes nearer to the beginning of `bytes` now. */
  protected moved(_by: number): void {}

  /** Steps over `size` bytes: a record and what belongs to it. */
  protected pass(size: number): void {
    this.from += size;
    this.offset += size;
  }
}
