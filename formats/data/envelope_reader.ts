/**
 * Texts in one of the written layouts, back as the records that they were made of: messages of topics, lines of files.
 * A source hands it one value after the other. envelope_parts.ts finds out what a value says, standard_envelope.ts and
 * rivven_envelope.ts do the same faster for most.
 */
import type { BatchWriter } from "./batch_writer.ts";
import { recognise } from "./envelope_parts.ts";
import { startsWith } from "./json_scan.ts";
import type { Operation } from "./record.ts";
import { RivvenEnvelope } from "./rivven_envelope.ts";
import { StandardEnvelope } from "./standard_envelope.ts";
import type { Stream } from "./stream.ts";

const NO_KEY: readonly string[] = [];
const NO_MEMBERS = new Uint8Array();
/** A number that only the exact parser reads rightly. */
const LARGE = 10n ** 18n;

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A record's key as it came beside the value. */
export interface KeyText {
  /** On one line where it is JSON. */
  readonly bytes: Uint8Array;
  /** Names of its columns; undefined: it is no JSON object. */
  readonly names: readonly string[] | undefined;
  /** Whether some number has so many digits that only the exact parser reads it rightly. */
  readonly isExact: boolean;
}

/** The streams of a source, each made once. */
export class Streams {
  readonly #made = new Map<string, Stream>();

  /** The one stream with these properties. */
  of(
    name: string,
    namespace: string | undefined,
    database: string | undefined,
    key: readonly string[],
    payload: Stream["payload"],
  ): Stream {
    const id = JSON.stringify([name, namespace, database, key, payload]);
    let stream = this.#made.get(id);
    if (!stream) this.#made.set(id, stream = { name, namespace, database, key, payload, version: 1 });
    return stream;
  }
}

/** Reads the values of one topic's partition, or of one file. */
export class EnvelopeReader {
  /** What the last record that was written is, and of what stream. */
  operation: Operation = "record";
  stream: Stream | undefined;
  /** Of a value that is no envelope: what it says; undefined where it is no JSON. */
  parsed: unknown;

  readonly #streams: Streams;
  readonly #standard = new StandardEnvelope();
  readonly #rivven = new RivvenEnvelope();
  readonly #known = new Map<string, Stream>();
  #last: { readonly names: Uint8Array; readonly key: readonly string[]; readonly stream: Stream } | undefined;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /**
   * Writes the record that a value says. The writer must not be full.
   *
   * @param otherMicros its time where the envelope has none
   * @param group with `index` the record's order
   * @returns false: it is no envelope, nothing is written, and `parsed` says what it is
   */
  write(
    writer: BatchWriter,
    value: Uint8Array,
    key: KeyText | undefined,
    otherMicros: bigint,
    group: string,
    index: number,
  ): boolean {
    if (this.#standard.read(value)) {
      this.#writeFast(this.#standard, writer, value, key, group, index);
      return true;
    }
    if (this.#rivven.read(value)) {
      this.#writeFast(this.#rivven, writer, value, key, group, index);
      return true;
    }
    this.parsed = parseJsonText(value);
    const found = this.parsed === undefined ? undefined : recognise(value, this.parsed);
    if (!found) return false;
    const { name, namespace, database, isRow } = found;
    this.stream = this.#streams.of(name, namespace, database, key?.names ?? NO_KEY, isRow ? "row" : "json");
    this.operation = found.operation;
    writer.begin(this.stream, found.operation, found.timeMicros ?? otherMicros, group, index);
    writer.snapshotMarker = found.marker;
    writeKey(writer, key);
    if (found.before) writePart(writer, "before", value, ...found.before);
    if (found.after) writePart(writer, "after", value, ...found.after);
    writer.end(found.own === "" ? NO_MEMBERS : utf8.encode(found.own));
    return true;
  }

  /** The same for most values, from what was just read. */
  #writeFast(
    envelope: StandardEnvelope | RivvenEnvelope,
    writer: BatchWriter,
    value: Uint8Array,
    key: KeyText | undefined,
    group: string,
    index: number,
  ): void {
    const { operation, timeMicros, before, beforeEnd, after, afterEnd, isExact, own } = envelope;
    this.stream = this.#streamOf(envelope, value, key?.names ?? NO_KEY);
    this.operation = operation;
    writer.begin(this.stream, operation, timeMicros, group, index);
    writeKey(writer, key);
    if (before >= 0) writeScanned(writer, "before", value, before, beforeEnd, false);
    if (after >= 0) writeScanned(writer, "after", value, after, afterEnd, false);
    if (isExact) writer.valueAs(LARGE, "");
    writer.end(own);
  }

  /** The stream that the names in the envelope and in the key say; mostly the one before. */
  #streamOf(
    envelope: StandardEnvelope | RivvenEnvelope,
    value: Uint8Array,
    key: readonly string[],
  ): Stream {
    const { names, namesEnd, isMySql, isAsBefore } = envelope;
    const last = this.#last;
    if (last && last.key === key) {
      if (isAsBefore) return last.stream;
      if (last.names.length === namesEnd - names && startsWith(value, names, last.names)) return last.stream;
    }
    const text = strict.decode(value.subarray(names, namesEnd));
    const id = `${isMySql}${text}${JSON.stringify(key)}`;
    let stream = this.#known.get(id);
    if (!stream) {
      const found = recognise(value, JSON.parse(strict.decode(value)))!;
      stream = this.#streams.of(found.name, found.namespace, found.database, key, "row");
      this.#known.set(id, stream);
    }
    this.#last = { names: value.slice(names, namesEnd), key, stream };
    return stream;
  }
}

/** Right after `begin`: the key as it came. */
export function writeKey(writer: BatchWriter, key: KeyText | undefined): void {
  if (key === undefined) return;
  writer.key(key.bytes, key.names === undefined);
  // The key may be all that a record has, so its digits count as those of a row do.
  if (key.isExact) writer.valueAs(LARGE, "");
}

/** A part that is valid JSON, brought onto one line. */
export function writePart(
  writer: BatchWriter,
  part: "before" | "after",
  json: Uint8Array,
  start: number,
  end: number,
): void {
  writer.beginValue(part);
  writer.json(json, start, end);
  writer.endValue();
}

/**
 * A part that a scan (json_scan.ts) has found to be JSON on one line.
 *
 * @param isExact whether it has met a number that only the exact parser reads rightly
 */
export function writeScanned(
  writer: BatchWriter,
  part: "before" | "after",
  json: Uint8Array,
  start: number,
  end: number,
  isExact: boolean,
): void {
  writer.beginValue(part);
  writer.raw(json, start, end);
  writer.endValue();
  if (isExact) writer.valueAs(LARGE, "");
}

/** What JSON says in UTF-8; undefined where it is neither. */
export function parseJsonText(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(strict.decode(bytes));
  } catch {
    return undefined;
  }
}
