/** Reads the quoted parts of arrays, composites, ranges and hstores. */
import { Scratch } from "./binary.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c;

/**
 * The last quoted text that was read: `source[start..end)`, which lies in the value itself or, where something was
 * escaped, in a buffer of our own until the next read. Each codec has its own reader, so a value may contain quoted
 * texts of other types.
 */
export class QuotedReader {
  source: Uint8Array = new Uint8Array();
  start = 0;
  end = 0;
  readonly #scratch = new Scratch();
  readonly #doubles: boolean;

  /** `doubles`: whether "" inside of quotes means ", as in composites and ranges; \" does everywhere. */
  constructor(doubles: boolean) {
    this.#doubles = doubles;
  }

  /** Reads from the opening quote at `at`. Returns where it goes on after the closing one, or -1 if there is none. */
  read(source: Uint8Array, at: number, end: number): number {
    const start = at + 1;
    for (let i = start; i < end; i++) {
      if (source[i] === BACKSLASH) return this.#unescape(source, start, end);
      if (source[i] === QUOTE) {
        if (this.#doubles && i + 1 < end && source[i + 1] === QUOTE) {
          return this.#unescape(source, start, end);
        }
        this.source = source;
        this.start = start;
        this.end = i;
        return i + 1;
      }
    }
    return -1;
  }

  #unescape(source: Uint8Array, start: number, end: number): number {
    const bytes = this.#scratch.take(end - start);
    let size = 0;
    for (let i = start; i < end; i++) {
      let byte = source[i];
      if (byte === BACKSLASH) {
        if (++i === end) return -1;
        byte = source[i];
      } else if (byte === QUOTE) {
        if (!this.#doubles || i + 1 >= end || source[i + 1] !== QUOTE) {
          this.source = bytes;
          this.start = 0;
          this.end = size;
          return i + 1;
        }
        i++;
      }
      bytes[size++] = byte;
    }
    return -1;
  }
}
