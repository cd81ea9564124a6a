/**
 * `json` files: one array of records, or JSON texts one after the other, over as many lines as they like. What a text
 * says is json_records.ts's. Values are found by their braces, so a file of any size is read in pieces.
 */
import type { BatchWriter } from "../../data/batch_writer.ts";
import { RecordError } from "../../data/errors.ts";
import { type JsonOptions, JsonRecords } from "./json_records.ts";
import { MAX_REJECTED, TextBuffer, type TextFile, type TextReader } from "./text_reader.ts";

const QUOTE = 0x22,
  BACKSLASH = 0x5c,
  COMMA = 0x2c,
  OPEN_ARRAY = 0x5b,
  CLOSE_ARRAY = 0x5d,
  OPEN = 0x7b,
  CLOSE = 0x7d;
const NO_BYTES = new Uint8Array();

/** Something stands where neither a value nor the end can be: nothing behind it can be read. */
export class StructureError extends Error {}

/** Where in an array reading is. */
type Place = "start" | "open" | "in value" | "behind value" | "comma" | "closed";

/** Where it is behind a byte that is no white space. */
function placeBehind(byte: number, place: Place): Place {
  switch (place) {
    case "open":
      return byte === CLOSE_ARRAY ? "closed" : "in value";
    case "comma":
      return "in value";
    case "behind value":
      if (byte === COMMA) return "comma";
      if (byte === CLOSE_ARRAY) return "closed";
      // Where reading begins anew, the array may have been closed before.
      if (byte === OPEN_ARRAY) return "open";
      throw new StructureError("neither a comma nor a bracket stands behind a value");
    default:
      if (byte === OPEN_ARRAY) return "open";
      throw new StructureError("something stands behind the array");
  }
}

export class JsonValues extends TextBuffer implements TextReader {
  rejected: Uint8Array = NO_BYTES;
  readonly #records: JsonRecords;
  readonly #maxBytes: number;
  /** The file begins with a bracket. */
  readonly #isArray: boolean;
  #place: Place;
  /** Up to here in `bytes` the value is read, with what the next three say. */
  #scanned = 0;
  #depth = 0;
  #isText = false;
  #isEscaped = false;
  #value: Uint8Array = NO_BYTES;

  /** @param isArray what `isJsonArray` says of the file's beginning */
  constructor(
    options: JsonOptions & { readonly maxBytes: number; readonly isArray: boolean },
    file: TextFile,
    offset: number,
    count: number,
  ) {
    super(offset, count);
    this.#records = new JsonRecords(options, file);
    this.#maxBytes = options.maxBytes;
    this.#isArray = options.isArray;
    this.#place = offset > 0 ? "behind value" : "start";
  }

  /** @throws {StructureError} when the file can't be read on */
  next(isEnd: boolean): boolean {
    if (this.#place !== "in value" && !this.#begin()) return false;
    const end = this.#valueEnd(isEnd);
    if (end < 0) {
      if (this.to - this.from <= this.#maxBytes) return false;
      throw new StructureError(`value ${this.count + 1} is longer than max_line_bytes (${this.#maxBytes})`);
    }
    this.#value = this.bytes.subarray(this.from, end);
    this.start = this.offset;
    this.pass(end - this.from);
    this.#scanned = this.from;
    this.count++;
    this.#place = "behind value";
    return true;
  }

  write(writer: BatchWriter): void {
    const missing = this.#records.write(writer, this.#value, this.start);
    if (missing === undefined) return;
    this.rejected = this.#value.slice(0, MAX_REJECTED);
    throw new RecordError(`Value ${this.count} is no ${missing}`, { code: "serialization_json" });
  }

  protected override moved(by: number): void {
    this.#scanned -= by;
  }

  /** Goes to where a value begins. @returns false: there is none yet */
  #begin(): boolean {
    const { bytes, to } = this;
    let at = this.from;
    if (this.offset === 0 && bytes[at] === 0xef && to > at) {
      if (to < at + 3) return false;
      if (bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) at += 3;
    }
    let place = this.#place;
    for (; at < to; at++) {
      const byte = bytes[at];
      if (byte <= 0x20) continue;
      const next = this.#isArray ? placeBehind(byte, place) : "in value";
      if (next === "in value") {
        this.#passTo(at, next);
        return true;
      }
      place = next;
    }
    // A comma is looked at again with the value behind it, so that reading can begin anew in front of both.
    if (place === "closed" || !this.#isArray) this.#passTo(at, place);
    return false;
  }

  #passTo(at: number, place: Place): void {
    this.pass(at - this.from);
    this.#scanned = this.from;
    this.#place = place;
  }

  /** Behind the value that begins at `from`; -1: it is not complete. */
  #valueEnd(isEnd: boolean): number {
    const { bytes, to } = this;
    let at = this.#scanned;
    for (; at < to; at++) {
      const byte = bytes[at];
      if (this.#isText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) {
          this.#isText = false;
          if (this.#depth === 0) return at + 1;
        }
      } else if (byte === QUOTE) {
        if (this.#depth === 0 && at > this.from) return at;
        this.#isText = true;
      } else if (byte === OPEN || byte === OPEN_ARRAY) {
        if (this.#depth === 0 && at > this.from) return at;
        this.#depth++;
      } else if (byte === CLOSE || byte === CLOSE_ARRAY) {
        // A bracket behind a number, or one too many.
        if (this.#depth === 0) return at > this.from ? at : at + 1;
        if (--this.#depth === 0) return at + 1;
      } else if (this.#depth === 0 && at > this.from && (byte === COMMA || byte <= 0x20)) return at;
    }
    this.#scanned = at;
    return isEnd && at > this.from && this.#depth === 0 && !this.#isText ? at : -1;
  }
}

/** Whether a file that begins so is one array; undefined: it takes more to tell. */
export function isJsonArray(bytes: Uint8Array): boolean | undefined {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  for (let at = start; at < bytes.length; at++) if (bytes[at] > 0x20) return bytes[at] === OPEN_ARRAY;
  return undefined;
}
