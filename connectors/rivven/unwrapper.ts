/** Messages of one partition as records: source.ts hands it each message, in order. */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { Operation } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { IncomingRecord } from "./client/requests.ts";
import { recognise, type Recognised } from "./envelope.ts";

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

interface Key {
  /** On one line. */
  readonly bytes: Uint8Array;
  /** Names of its columns; undefined: it is no JSON object. */
  readonly names: readonly string[] | undefined;
  readonly text: string | undefined;
}

/** The reader of one partition. */
export class Unwrapper {
  readonly #topic: string;
  readonly #streams: Streams;
  readonly #isPlain: boolean;
  /** Stream and key of the delete right before; what a tombstone behind it belongs to. */
  #deleted: { readonly stream: Stream; readonly key: string; readonly offset: number } | undefined;

  /** @param isPlain envelopes are not looked for */
  constructor(topic: string, streams: Streams, isPlain: boolean) {
    this.#topic = topic;
    this.#streams = streams;
    this.#isPlain = isPlain;
  }

  /** Notes the message before the first one, without a record of it. */
  prime(message: IncomingRecord): void {
    if (message.value.length === 0 || this.#isPlain) return;
    const json = parse(message.value);
    const found = json && recognise(message.value, json.value);
    if (found) {
      this.#note(
        found.operation,
        this.#streamOf(found, keyOf(message.key)),
        keyOf(message.key),
        message.offset,
      );
    }
  }

  /** Writes a message as a record. The writer must not be full. */
  write(writer: BatchWriter, message: IncomingRecord): void {
    const { value, offset } = message;
    const key = keyOf(message.key);
    const received = BigInt(message.timestampMs) * 1000n;
    if (value.length === 0 && key !== undefined) return this.#writeTombstone(writer, key, received, offset);
    const json = value.length === 0 ? undefined : parse(value);
    const found = json && !this.#isPlain ? recognise(value, json.value) : undefined;
    if (!found) return this.#writeMessage(writer, value, json?.value, key, received, offset);
    const stream = this.#streamOf(found, key);
    writer.begin(stream, found.operation, found.timeMicros ?? received, GROUP, offset);
    writer.snapshotMarker = found.marker;
    writeKey(writer, key);
    if (found.before) writePart(writer, "before", value, found.before);
    if (found.after) writePart(writer, "after", value, found.after);
    writer.end(found.own === "" ? NO_MEMBERS : utf8.encode(found.own));
    this.#note(found.operation, stream, key, offset);
  }

  /** An empty value with a key: the row is gone. It belongs to the table of the delete right before it. */
  #writeTombstone(writer: BatchWriter, key: Key, timeMicros: bigint, offset: number): void {
    const deleted = this.#deleted;
    const follows = deleted !== undefined && deleted.offset === offset - 1 && deleted.key === key.text;
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
    this.#deleted = operation === "delete" && key?.text !== undefined
      ? { stream, key: key.text, offset }
      : undefined;
  }
}

function writeKey(writer: BatchWriter, key: Key | undefined): void {
  if (key === undefined) return;
  writer.key(key.bytes, key.names === undefined);
  // The key may be all that a record has, so its digits count as those of a row do.
  if (key.text !== undefined && /\d{16}/.test(key.text)) writer.valueAs(LARGE, "");
}

function writePart(
  writer: BatchWriter,
  part: "before" | "after",
  json: Uint8Array,
  [start, end]: readonly [number, number],
): void {
  writer.beginValue(part);
  writer.json(json, start, end);
  writer.endValue();
}

function keyOf(bytes: Uint8Array | undefined): Key | undefined {
  if (bytes === undefined) return undefined;
  const json = parse(bytes);
  if (
    json === undefined || json.value === null || typeof json.value !== "object" || Array.isArray(json.value)
  ) {
    return { bytes, names: undefined, text: undefined };
  }
  const isOneLine = !/[\r\n]/.test(json.text);
  const text = isOneLine ? json.text : json.text.replace(/[\r\n]/g, " ");
  return { bytes: isOneLine ? bytes : utf8.encode(text), names: Object.keys(json.value), text };
}

function parse(bytes: Uint8Array): { readonly value: unknown; readonly text: string } | undefined {
  try {
    const text = strict.decode(bytes);
    return { value: JSON.parse(text), text };
  } catch {
    return undefined;
  }
}
