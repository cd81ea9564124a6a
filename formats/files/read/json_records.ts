/**
 * JSON texts of a file as records: one of our layouts becomes the record that it was written from, everything else a
 * `record` of its own. json_lines.ts and json_values.ts find the texts.
 */
import { isUtf8 } from "node:buffer";
import type { BatchWriter } from "../../data/batch_writer.ts";
import {
  EnvelopeReader,
  type KeyText,
  parseJsonText,
  type Streams,
  writeKey,
  writePart,
  writeScanned,
} from "../../data/envelope_reader.ts";
import { met, skipString, skipValue, startsWith } from "../../data/json_scan.ts";
import { memberSpans } from "../../data/json_spans.ts";
import type { Stream } from "../../data/stream.ts";
import { GROUP, type TextFile } from "./text_reader.ts";

export interface JsonOptions {
  /** The stream of records that don't say theirs. */
  readonly stream: string;
  /** Shared by all files of a source. */
  readonly streams: Streams;
  /** True: layouts are not looked for. */
  readonly isPlain: boolean;
  /** Names of the key's columns: what no layout says. A record without one of them has no key. */
  readonly key: readonly string[];
}

const utf8 = new TextEncoder();
const OPEN = 0x7b, CLOSE = 0x7d, COMMA = 0x2c, COLON = 0x3a, QUOTE = 0x22, BACKSLASH = 0x5c;
const OPEN_STANDARD = utf8.encode('{"before":');
/** Each layout has one of these among its outermost members. */
const TELLING = ['"op"', '"payload"', '"event_type"', '"source_type"'].map((name) => utf8.encode(name));

export class JsonRecords {
  readonly #options: JsonOptions;
  readonly #file: TextFile;
  readonly #envelopes: EnvelopeReader;
  readonly #keyNames: ReadonlySet<string>;
  /** The stream of the last record that did not say its own. */
  #last: Stream | undefined;

  constructor(options: JsonOptions, file: TextFile) {
    this.#options = options;
    this.#file = file;
    this.#envelopes = new EnvelopeReader(options.streams);
    this.#keyNames = new Set(options.key);
  }

  /**
   * Writes the record of a text without white space around it. The writer must not be full.
   *
   * @param index the record's order
   * @returns what the text is not; undefined: it is written
   */
  write(writer: BatchWriter, json: Uint8Array, index: number): "JSON" | "UTF-8" | undefined {
    const { isPlain, key: keyNames } = this.#options;
    const hasKey = keyNames.length > 0;
    if (!startsWith(json, 0, OPEN_STANDARD) && isPlainRow(json, isPlain)) {
      const { isExact } = met;
      this.#begin(writer, "row", hasKey ? this.#keyOf(json, 0) : undefined, index);
      writeScanned(writer, "after", json, 0, json.length, isExact);
      writer.end(this.#file.own);
      return undefined;
    }
    const key = hasKey && parseJsonText(json) !== undefined ? this.#keyOf(json, rowAt(json)) : undefined;
    if (!isPlain && this.#envelopes.write(writer, json, key, this.#file.timeMicros, GROUP, index)) {
      return undefined;
    }
    const parsed = isPlain ? parseJsonText(json) : this.#envelopes.parsed;
    if (parsed === undefined) return isUtf8(json) ? "JSON" : "UTF-8";
    const isRow = parsed !== null && typeof parsed === "object" && !Array.isArray(parsed);
    this.#begin(writer, isRow ? "row" : "json", isRow ? key : undefined, index);
    writePart(writer, "after", json, 0, json.length);
    writer.end(this.#file.own);
    return undefined;
  }

  #begin(writer: BatchWriter, payload: Stream["payload"], key: KeyText | undefined, index: number): void {
    const { streams, stream: name } = this.#options;
    const names = key?.names ?? NO_NAMES;
    const last = this.#last;
    const isSame = last && last.payload === payload && last.key === names;
    const stream = isSame ? last : streams.of(name, undefined, undefined, names, payload);
    this.#last = stream;
    writer.begin(stream, "record", this.#file.timeMicros, GROUP, index);
    writeKey(writer, key);
  }

  /** The key's columns of the row that begins at `start`; undefined where one is missing. */
  #keyOf(json: Uint8Array, start: number): KeyText | undefined {
    if (start < 0 || json[start] !== OPEN) return undefined;
    const spans = memberSpans(json, start);
    const parts: string[] = [];
    let isExact = false;
    for (const name of this.#keyNames) {
      const span = spans.get(name);
      if (!span) return undefined;
      const text = new TextDecoder().decode(json.subarray(...span)).replace(/[\r\n]/g, " ");
      parts.push(`${JSON.stringify(name)}:${text}`);
      if (/\d{16}/.test(text)) isExact = true;
    }
    return { bytes: utf8.encode(`{${parts.join(",")}}`), names: this.#options.key, isExact };
  }
}

const NO_NAMES: readonly string[] = [];

/** Where the row begins whose columns are the key: the one before the change, where there is one. -1: there is none. */
function rowAt(json: Uint8Array, start = 0): number {
  if (json[start] !== OPEN) return -1;
  const spans = memberSpans(json, start);
  const [payload] = spans.get("payload") ?? [-1];
  if (payload >= 0 && spans.has("schema")) return rowAt(json, payload);
  if (spans.has("event_type") && spans.has("data")) {
    const [data] = spans.get("data")!;
    return json[data] === OPEN ? changedRowAt(json, data) : -1;
  }
  return spans.has("op") ? changedRowAt(json, start) : start;
}

function changedRowAt(json: Uint8Array, start: number): number {
  const spans = memberSpans(json, start);
  const rows = ["before", "after"].flatMap((name) => spans.get(name)?.[0] ?? []);
  if (rows.length === 0) return start;
  return rows.find((at) => json[at] === OPEN) ?? -1;
}

/** Whether this is one object and certainly in none of our layouts; `met` is about it then. */
function isPlainRow(json: Uint8Array, isPlain: boolean): boolean {
  if (json[0] !== OPEN) return false;
  met.reset();
  let at = 1;
  if (json[at] === CLOSE) return json.length === 2;
  for (;;) {
    const name = at;
    at = skipString(json, at);
    if (at < 0 || json[at] !== COLON || (!isPlain && isTelling(json, name, at))) return false;
    at = skipValue(json, at + 1, 1);
    if (at < 0) return false;
    if (json[at] === CLOSE) break;
    if (json[at] !== COMMA || json[++at] !== QUOTE) return false;
  }
  return at + 1 === json.length && (met.bits < 0x80 || isUtf8(json));
}

function isTelling(json: Uint8Array, start: number, end: number): boolean {
  // With an escape in it a name can be anything.
  for (let i = start; i < end; i++) if (json[i] === BACKSLASH) return true;
  return TELLING.some((name) => name.length === end - start && startsWith(json, start, name));
}
