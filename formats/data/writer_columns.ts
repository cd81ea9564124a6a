/** The names of a stream's columns as JSON, made once: what BatchWriter writes in front of values. */
import type { Stream } from "./stream.ts";

/** A column as the writer wants it: its name already JSON, with the colon. Made by `writerColumns`. */
export interface WriterColumn {
  readonly prefix: Uint8Array;
  /** Its place in the key; -1 when it is not part of it. */
  readonly keyIndex: number;
}

/** The columns of a stream, ready for `column()`. */
export function writerColumns(stream: Stream): WriterColumn[] {
  return (stream.columns ?? []).map(({ name }) => writerColumn(name, stream.key.indexOf(name)));
}

/** One column, ready for `column()`. */
export function writerColumn(name: string, keyIndex = -1): WriterColumn {
  return { prefix: utf8.encode(`${JSON.stringify(name)}:`), keyIndex };
}

const utf8 = new TextEncoder();
const prefixesByStream = new WeakMap<Stream, readonly Uint8Array[]>();

/** What stands before each value of a key: `{"id":`, `,"part":`. */
export function keyPrefixes(stream: Stream): readonly Uint8Array[] {
  let prefixes = prefixesByStream.get(stream);
  if (!prefixes) {
    prefixes = stream.key.map((name, k) => utf8.encode(`${k === 0 ? "{" : ","}${JSON.stringify(name)}:`));
    prefixesByStream.set(stream, prefixes);
  }
  return prefixes;
}
