/** JSON Lines: a JSON text a line. What a line says is json_records.ts's. */
import type { BatchWriter } from "../../data/batch_writer.ts";
import { RecordError } from "../../data/errors.ts";
import { parseJsonText } from "../../data/envelope_reader.ts";
import { type JsonOptions, JsonRecords } from "./json_records.ts";
import { MAX_REJECTED, TextBuffer, type TextFile, type TextReader } from "./text_reader.ts";

const NEWLINE = 0x0a;
const NO_BYTES = new Uint8Array();

export class JsonLines extends TextBuffer implements TextReader {
  rejected: Uint8Array = NO_BYTES;
  readonly #records: JsonRecords;
  readonly #maxBytes: number;
  /** Up to here in `bytes` there is no line end. */
  #scanned = 0;
  /** Of a line that is too long: how much of it is gone already. */
  #dropped = 0;
  #line: Uint8Array = NO_BYTES;

  constructor(
    options: JsonOptions & { readonly maxBytes: number },
    file: TextFile,
    offset: number,
    count: number,
  ) {
    super(offset, count);
    this.#records = new JsonRecords(options, file);
    this.#maxBytes = options.maxBytes;
  }

  next(isEnd: boolean): boolean {
    for (;;) {
      const found = this.bytes.indexOf(NEWLINE, this.#scanned);
      const isWhole = found >= 0 && found < this.to;
      if (!isWhole) {
        this.#scanned = this.to;
        if (this.to - this.from > this.#maxBytes) this.#drop();
        if (!isEnd || this.to - this.from + this.#dropped === 0) return false;
      }
      const end = isWhole ? found : this.to;
      const line = trimmed(this.bytes, this.from, end);
      // Without its line end a text counts when it is one: the writer may be in the middle of it.
      if (!isWhole && this.#dropped === 0 && line.length > 0 && parseJsonText(line) === undefined) {
        return false;
      }
      this.start = this.offset;
      const size = end - this.from + (isWhole ? 1 : 0);
      this.pass(size);
      this.offset += this.#dropped;
      this.count++;
      this.#scanned = this.from;
      if (this.#dropped > 0 || line.length > this.#maxBytes) {
        if (this.#dropped === 0) this.rejected = line.slice(0, MAX_REJECTED);
        this.#dropped = 0;
        throw new RecordError(`Line ${this.count} is longer than max_line_bytes (${this.#maxBytes})`, {
          code: "serialization_line_too_long",
        });
      }
      if (line.length === 0) continue;
      this.#line = line;
      return true;
    }
  }

  write(writer: BatchWriter): void {
    const missing = this.#records.write(writer, this.#line, this.start);
    if (missing === undefined) return;
    this.rejected = this.#line.slice(0, MAX_REJECTED);
    throw new RecordError(`Line ${this.count} is no ${missing}`, { code: "serialization_json" });
  }

  protected override moved(by: number): void {
    this.#scanned -= by;
  }

  /** Of a line that is too long only the beginning is kept. */
  #drop(): void {
    const size = this.to - this.from;
    if (this.#dropped === 0) {
      this.rejected = this.bytes.slice(this.from, Math.min(this.to, this.from + MAX_REJECTED));
    }
    this.#dropped += size;
    this.from = this.#scanned = this.to;
  }
}

/** Without white space at its ends (RFC 8259, section 2), and without a byte order mark. */
function trimmed(bytes: Uint8Array, from: number, to: number): Uint8Array {
  let [start, end] = [from, to];
  if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) start += 3;
  while (start < end && isSpace(bytes[start])) start++;
  while (end > start && isSpace(bytes[end - 1])) end--;
  return bytes.subarray(start, end);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === NEWLINE;
}
