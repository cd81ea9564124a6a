/** Messages of one partition as records: source.ts hands it each message, in order. */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { Operation } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { IncomingRecord } from "./client/requests.ts";
import { recognise, type Recognised } from "./envelope.ts";
import { startsWith } from "./json_scan.ts";
import { type Key, KeyReader } from "./keys.ts";
import { StandardEnvelope } from "./standard_envelope.ts";

/** Orders are `0/<offset>`: an offset says all there is. */
const GROUP = "0";
const NO_KEY: readonly string[] = [];
const NO_MEMBERS = new Uint8Array();
/** A number that only the exact parser reads rightly. */
const LARGE = 10n ** 18n;

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What all partitions of a source share: streams are made once. */
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

/** The reader of one partition. */
export class Unwrapper {
  readonly #topic: string;
  readonly #streams: Streams;
  readonly #isPlain: boolean;
  readonly #keys = new KeyReader();
  readonly #standard = new StandardEnvelope();
  readonly #known = new Map<string, Stream>();
  #last: { readonly names: Uint8Array; readonly key: readonly string[]; readonly stream: Stream } | undefined;
  /** Stream and key of the delete right before; what a tombstone behind it belongs to. */
  #deleted: { readonly stream: Stream; readonly key: Uint8Array; readonly offset: number } | undefined;

  /** @param isPlain envelopes are not looked for */
  constructor(topic: string, streams: Streams, isPlain: boolean) {
    this.#topic = topic;
    this.#streams = streams;
    this.#isPlain = isPlain;
  }

  /** Notes the message before the first one, without a record of it. */
  prime({ key: keyBytes, value, offset }: IncomingRecord): void {
    if (value.length === 0 || this.#isPlain) return;
    const json = parse(value);
    const found = json && recognise(value, json.value);
    const key = keyBytes && this.#keys.read(keyBytes);
    if (found) this.#note(found.operation, this.#streamOf(found, key), key, offset);
  }

  /** Writes a message as a record. The writer must not be full. */
  write(writer: BatchWriter, message: IncomingRecord): void {
    const { value, offset } = message;
    const key = message.key && this.#keys.read(message.key);
    if (!this.#isPlain && value.length > 0 && this.#standard.read(value)) {
      return this.#writeStandard(writer, value, key, offset);
    }
    const received = BigInt(message.timestampMs) * 1000n;
    if (value.length === 0 && key !== undefined) return this.#writeTombstone(writer, key, received, offset);
    const json = value.length === 0 ? undefined : parse(value);
    const found = json && !this.#isPlain ? recognise(value, json.value) : undefined;
    if (!found) return this.#writeMessage(writer, value, json?.value, key, received, offset);
    const stream = this.#streamOf(found, key);
    writer.begin(stream, found.operation, found.timeMicros ?? received, GROUP, offset);
    writer.snapshotMarker = found.marker;
    writeKey(writer, key);
    if (found.before) writePart(writer, "before", value, ...found.before);
    if (found.after) writePart(writer, "after", value, ...found.after);
    writer.end(found.own === "" ? NO_MEMBERS : utf8.encode(found.own));
    this.#note(found.operation, stream, key, offset);
  }

  /** The same for most messages, from what `#standard` has just read. */
  #writeStandard(writer: BatchWriter, value: Uint8Array, key: Key | undefined, offset: number): void {
    const { operation, timeMicros, before, beforeEnd, after, afterEnd, isExact, own } = this.#standard;
    const stream = this.#streamOfStandard(value, key?.names ?? NO_KEY);
    writer.begin(stream, operation, timeMicros, GROUP, offset);
    writeKey(writer, key);
    if (before >= 0) writeScanned(writer, "before", value, before, beforeEnd);
    if (after >= 0) writeScanned(writer, "after", value, after, afterEnd);
    if (isExact) writer.valueAs(LARGE, "");
    writer.end(own);
    this.#note(operation, stream, key, offset);
  }

  /** The stream that the names in the envelope and in the key say; mostly the one before. */
  #streamOfStandard(value: Uint8Array, key: readonly string[]): Stream {
    const { names, namesEnd, isMySql, isAsBefore } = this.#standard;
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

  /** An empty value with a key: the row is gone. It belongs to the table of the delete right before it. */
  #writeTombstone(writer: BatchWriter, key: Key, timeMicros: bigint, offset: number): void {
    const deleted = this.#deleted;
    const follows = deleted !== undefined && deleted.offset === offset - 1 && isSame(deleted.key, key.bytes);
    const stream = follows
      ? deleted.stream
      : this.#streams.of(this.#topic, undefined, undefined, key.names ?? NO_KEY, "row");
    writer.begin(stream, "tombstone", timeMicros, GROUP, offset);
    writeKey(writer, key);
    writer.end();
  }

  /** A message that is no envelope: JSON of any kind, or bytes. */
  #writeMessage(
    writer: BatchWriter,
    value: Uint8Array,
    json: unknown,
    key: Key | undefined,
    timeMicros: bigint,
    offset: number,
  ): void {
    const isRow = json !== null && typeof json === "object" && !Array.isArray(json);
    const payload = json === undefined ? "bytes" : isRow ? "row" : "json";
    const stream = this.#streams.of(this.#topic, undefined, undefined, key?.names ?? NO_KEY, payload);
    writer.begin(stream, "record", timeMicros, GROUP, offset);
    writeKey(writer, key);
    writer.beginValue("after");
    if (json === undefined) writer.base64(value);
    else writer.json(value, 0, value.length);
    writer.endValue();
    writer.end();
  }

  #streamOf({ name, namespace, database, isRow }: Recognised, key: Key | undefined): Stream {
    return this.#streams.of(name, namespace, database, key?.names ?? NO_KEY, isRow ? "row" : "json");
  }

  #note(operation: Operation, stream: Stream, key: Key | undefined, offset: number): void {
    this.#deleted = operation === "delete" && key ? { stream, key: key.bytes, offset } : undefined;
  }
}

function writeKey(writer: BatchWriter, key: Key | undefined): void {
  if (key === undefined) return;
  writer.key(key.bytes, key.names === undefined);
  // The key may be all that a record has, so its digits count as those of a row do.
  if (key.isExact) writer.valueAs(LARGE, "");
}

function writePart(
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

/** What a scan has found to be JSON on one line. */
function writeScanned(
  writer: BatchWriter,
  part: "before" | "after",
  json: Uint8Array,
  start: number,
  end: number,
): void {
  writer.beginValue(part);
  writer.raw(json, start, end);
  writer.endValue();
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && startsWith(a, 0, b);
}

function parse(bytes: Uint8Array): { readonly value: unknown; readonly text: string } | undefined {
  try {
    const text = strict.decode(bytes);
    return { value: JSON.parse(text), text };
  } catch {
    return undefined;
  }
}
