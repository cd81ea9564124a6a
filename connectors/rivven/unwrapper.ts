/** Messages of one partition as records: source.ts hands it each message, in order. */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import {
  EnvelopeReader,
  type KeyText,
  parseJsonText,
  type Streams,
  writeKey,
} from "../../formats/data/envelope_reader.ts";
import { recognise } from "../../formats/data/envelope_parts.ts";
import { startsWith } from "../../formats/data/json_scan.ts";
import type { Operation } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { IncomingRecord } from "./client/messages.ts";
import { KeyReader } from "./keys.ts";

/** Orders are `0/<offset>`: an offset says all there is. */
const GROUP = "0";
const NO_KEY: readonly string[] = [];

/** The reader of one partition. */
export class Unwrapper {
  readonly #topic: string;
  readonly #streams: Streams;
  readonly #isPlain: boolean;
  readonly #keys = new KeyReader();
  readonly #envelopes: EnvelopeReader;
  #lastMs = NaN;
  #lastMicros = 0n;
  /** Stream and key of the delete right before; what a tombstone behind it belongs to. */
  #deleted: { readonly stream: Stream; readonly key: Uint8Array; readonly offset: number } | undefined;

  /** @param isPlain envelopes are not looked for */
  constructor(topic: string, streams: Streams, isPlain: boolean) {
    this.#topic = topic;
    this.#streams = streams;
    this.#isPlain = isPlain;
    this.#envelopes = new EnvelopeReader(streams);
  }

  /** Notes the message before the first one, without a record of it. */
  prime({ key: keyBytes, value, offset }: IncomingRecord): void {
    if (value.length === 0 || this.#isPlain) return;
    const parsed = parseJsonText(value);
    const found = parsed === undefined ? undefined : recognise(value, parsed);
    const key = keyBytes && this.#keys.read(keyBytes);
    if (!found) return;
    const { name, namespace, database, isRow } = found;
    const stream = this.#streams.of(name, namespace, database, key?.names ?? NO_KEY, isRow ? "row" : "json");
    this.#note(found.operation, stream, key, offset);
  }

  /** Writes a message as a record. The writer must not be full. */
  write(writer: BatchWriter, message: IncomingRecord): void {
    const { value, offset } = message;
    const key = message.key && this.#keys.read(message.key);
    const received = this.#microsOf(message.timestampMs);
    if (value.length === 0) {
      if (key !== undefined) return this.#writeTombstone(writer, key, received, offset);
      return this.#writeMessage(writer, value, undefined, key, received, offset);
    }
    if (this.#isPlain) return this.#writeMessage(writer, value, parseJsonText(value), key, received, offset);
    const envelopes = this.#envelopes;
    if (envelopes.write(writer, value, key, received, GROUP, offset)) {
      return this.#note(envelopes.operation, envelopes.stream!, key, offset);
    }
    this.#writeMessage(writer, value, envelopes.parsed, key, received, offset);
  }

  /** An empty value with a key: the row is gone. It belongs to the table of the delete right before it. */
  #writeTombstone(writer: BatchWriter, key: KeyText, timeMicros: bigint, offset: number): void {
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
    key: KeyText | undefined,
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

  /** Neighbours were mostly published in the same millisecond. */
  #microsOf(ms: number): bigint {
    if (ms !== this.#lastMs) {
      this.#lastMs = ms;
      this.#lastMicros = BigInt(ms) * 1000n;
    }
    return this.#lastMicros;
  }

  #note(operation: Operation, stream: Stream, key: KeyText | undefined, offset: number): void {
    this.#deleted = operation === "delete" && key ? { stream, key: key.bytes, offset } : undefined;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && startsWith(a, 0, b);
}
