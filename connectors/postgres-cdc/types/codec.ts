/** What every type of PostgreSQL has here: a codec. The files beside this one make them, catalog.ts hands them out. */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import { RecordError } from "../../../formats/data/errors.ts";
import type { ColumnType } from "../../../formats/data/value.ts";

/**
 * Writes one text-format value (not NULL) as JSON. `source[start..end)` is the value exactly as the server's output
 * function prints it, unescaped: UTF-8, which the server guarantees.
 *
 * @throws {RecordError} `serialization_malformed_value`: that text is none of this type; part of it may be written
 */
export type ValueWriter = (out: BatchWriter, source: Uint8Array, start: number, end: number) => void;

/** The two halves of a representation, which an option changes together. */
export interface Codec {
  /** What its columns are called in a schema. */
  readonly type: ColumnType;
  readonly write: ValueWriter;
}

/** The error of text that no value of the type has. `found` says what is wrong without quoting the value. */
export function malformed(typeName: string, found: string): RecordError {
  return new RecordError(`Cannot read a value of type "${typeName}": ${found}`, {
    code: "serialization_malformed_value",
  });
}

/** Any text as a JSON string. */
export const writeText: ValueWriter = (out, source, start, end) => out.text(source, start, end);

/** What has no codec of its own. */
export const TEXT: Codec = { type: { kind: "string" }, write: writeText };

/** Whether `source[start..end)` is exactly this ASCII text. */
export function spells(source: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (source[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** One byte that needs no escape. */
export function writeByte(out: BatchWriter, byte: number): void {
  out.reserve(1);
  out.bytes[out.at++] = byte;
}

const decoder = new TextDecoder();

/** The value as a JS string, for what is not hot. */
export function decode(source: Uint8Array, start: number, end: number): string {
  return decoder.decode(source.subarray(start, end));
}

const encoder = new TextEncoder();

/** A text that is known before any value is. */
export function encode(text: string): Uint8Array {
  return encoder.encode(text);
}
