/**
 * Rows as COPY … TO STDOUT writes them in text format (PostgreSQL documentation, COPY, "Text Format"): values between
 * tabs, `\N` for NULL, a few characters escaped with a backslash.
 */
import type { BatchWriter, WriterColumn } from "../../formats/data/batch_writer.ts";
import { RecordError } from "../../formats/data/errors.ts";
import type { ValueWriter } from "./types/mod.ts";

const TAB = 9, LINE_END = 10, BACKSLASH = 0x5c, NULL_LETTER = 0x4e;

/** What follows a backslash → what it stands for; anything else stands for itself. */
const ESCAPES = new Uint8Array(256).map((_, byte) => byte);
ESCAPES[0x62] = 8; // b
ESCAPES[0x74] = TAB; // t
ESCAPES[0x6e] = LINE_END; // n
ESCAPES[0x76] = 11; // v
ESCAPES[0x66] = 12; // f
ESCAPES[0x72] = 13; // r

/**
 * Writes the columns of one line. Escapes are undone in place, so `bytes[start..end)` is changed.
 *
 * @param end behind the line, whose line end may be there or not
 * @param onUnreadable is called with the place of a value that its writer can't read; the value's text stands there
 * @throws {RecordError} when the line has another number of values
 */
export function writeCopyRow(
  out: BatchWriter,
  columns: readonly WriterColumn[],
  writers: readonly ValueWriter[],
  bytes: Uint8Array,
  start: number,
  end: number,
  onUnreadable: (place: number, error: RecordError) => void,
): void {
  if (end > start && bytes[end - 1] === LINE_END) end--;
  const last = columns.length - 1;
  if (last < 0) return;
  let at = start;
  for (let i = 0;; i++) {
    const valueStart = at;
    let escaped = -1;
    while (at < end) {
      const byte = bytes[at];
      if (byte === TAB) break;
      if (byte === BACKSLASH) {
        if (escaped < 0) escaped = at;
        at++;
      }
      at++;
    }
    if (at > end) throw wrongShape("a line ends inside an escape");
    out.column(columns[i]);
    if (escaped === valueStart && at - valueStart === 2 && bytes[at - 1] === NULL_LETTER) out.null();
    else {
      const valueEnd = escaped < 0 ? at : unescape(bytes, escaped, at);
      const before = out.at;
      try {
        writers[i](out, bytes, valueStart, valueEnd);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        onUnreadable(i, error);
        out.at = before;
        out.text(bytes, valueStart, valueEnd);
      }
    }
    if (i === last) {
      if (at < end) throw wrongShape("a line has more values than columns");
      return;
    }
    if (at >= end) throw wrongShape("a line has fewer values than columns");
    at++;
  }
}

/** Undoes the escapes of `bytes[from..end)` in place and returns the new end. */
function unescape(bytes: Uint8Array, from: number, end: number): number {
  let to = from;
  for (let at = from; at < end; at++) {
    let byte = bytes[at];
    if (byte === BACKSLASH) byte = ESCAPES[bytes[++at]];
    bytes[to++] = byte;
  }
  return to;
}

function wrongShape(found: string): RecordError {
  return new RecordError(`Cannot read a row of COPY: ${found}`, { code: "serialization_copy" });
}
