/** Written records back into typed objects: used by batch.ts when somebody asks for `records`. */
import {
  BARE,
  type Batch,
  type BatchData,
  KEY_IS_BYTES,
  markerOf,
  OWN,
  spanOf,
  transactionOf,
} from "./batch_data.ts";
import { hasRounded, parseJson, type Restore, restoreRow, restoresOf } from "./json_value.ts";
import { startsWith } from "./json_scan.ts";
import type { DataRecord, Operation } from "./record.ts";
import type { Stream } from "./stream.ts";
import type { Row, Value } from "./value.ts";

/** Reads record `i` of a batch from its parts. */
export function parseRecord(batch: Batch, data: BatchData, i: number): DataRecord {
  const stream = batch.stream(i);
  const { columns, first, exact, headers } = data;
  const flags = columns.flags[first + i];
  const source = readOwn(data, first + i);
  return {
    stream,
    operation: batch.operation(i),
    key: readKey(batch, i, stream, flags, exact),
    before: readRow(batch, i, "before", stream, exact),
    after: readAfter(batch, i, stream, exact),
    unavailable: source?.unavailable,
    timeMicros: columns.timeMicros[first + i],
    source: source?.members,
    headers: headers?.[first + i],
    order: batch.order(i),
    bare: (flags & BARE) !== 0,
  };
}

/**
 * Record `i` of a batch, whose members are made when somebody asks, each time anew: most of those who look at records
 * one at a time want the row alone.
 */
export class WrittenRecord implements DataRecord {
  readonly #batch: Batch;
  readonly #data: BatchData;
  readonly #i: number;

  constructor(batch: Batch, data: BatchData, i: number) {
    this.#batch = batch;
    this.#data = data;
    this.#i = i;
  }

  get stream(): Stream {
    return this.#batch.stream(this.#i);
  }

  get operation(): Operation {
    return this.#batch.operation(this.#i);
  }

  get key(): DataRecord["key"] {
    return readKey(this.#batch, this.#i, this.stream, this.#flags, this.#data.exact);
  }

  get before(): Row | undefined {
    return readRow(this.#batch, this.#i, "before", this.stream, this.#data.exact);
  }

  get after(): Value | undefined {
    return readAfter(this.#batch, this.#i, this.stream, this.#data.exact);
  }

  get unavailable(): readonly string[] | undefined {
    const own = spanOf(this.#data, this.#n, OWN);
    return own && has(own, UNAVAILABLE) ? readOwn(this.#data, this.#n).unavailable : undefined;
  }

  get timeMicros(): bigint {
    return this.#data.columns.timeMicros[this.#n];
  }

  get source(): Row | undefined {
    return readOwn(this.#data, this.#n).members;
  }

  get headers(): DataRecord["headers"] {
    return this.#data.headers?.[this.#n];
  }

  get order(): string | undefined {
    return this.#batch.order(this.#i);
  }

  get bare(): boolean {
    return (this.#flags & BARE) !== 0;
  }

  /** Its number in `columns`. */
  get #n(): number {
    return this.#data.first + this.#i;
  }

  get #flags(): number {
    return this.#data.columns.flags[this.#n];
  }
}

const UNAVAILABLE = new TextEncoder().encode('"unavailable_columns":');

/** Whether `text` is among the bytes. */
function has(bytes: Uint8Array, text: Uint8Array): boolean {
  const last = bytes.length - text.length;
  for (let at = 0; at <= last; at++) if (startsWith(bytes, at, text)) return true;
  return false;
}

function readKey(batch: Batch, i: number, stream: Stream, flags: number, exact: boolean) {
  const bytes = batch.span(i, "key");
  if (!bytes) return undefined;
  return (flags & KEY_IS_BYTES) !== 0 ? bytes : restored(parseJson(bytes, exact), stream) as Row;
}

function readRow(batch: Batch, i: number, part: "before" | "after", stream: Stream, exact: boolean) {
  const bytes = batch.span(i, part);
  return bytes && restored(parseJson(bytes, exact), stream) as Row;
}

function readAfter(batch: Batch, i: number, stream: Stream, exact: boolean): Value | undefined {
  const operation = batch.operation(i);
  // Messages and schema documents are no rows: members that are called like a column are none.
  const isDocument = operation === "message" || operation === "schema";
  if (stream.payload === "row" && !isDocument) return readRow(batch, i, "after", stream, exact);
  const bytes = batch.span(i, "after");
  if (!bytes) return undefined;
  const value = parseJson(bytes, exact);
  if (isDocument) return value;
  return stream.payload === "bytes" && typeof value === "string" ? Uint8Array.fromBase64(value) : value;
}

/** The source's own members, and with them the marker of a snapshot and the place in a transaction. */
function readOwn(data: BatchData, n: number): { members?: Row; unavailable?: readonly string[] } {
  const marker = markerOf(data.columns.flags[n]);
  const transaction = transactionOf(data, n);
  const bytes = spanOf(data, n, OWN);
  const { unavailable_columns: unavailable, ...own } = bytes ? parseMembers(bytes) : {};
  const members = {
    ...(marker ? { snapshot: marker } : {}),
    ...own,
    ...(transaction ? parseMembers(transaction.subarray(1)) : {}),
  };
  return {
    members: Object.keys(members).length > 0 ? members : undefined,
    unavailable: unavailable as readonly string[] | undefined,
  };
}

const decoder = new TextDecoder();

/** Few connectors have integers beyond 2^53 here, so the exact parser is for those that turn out to. */
function parseMembers(bytes: Uint8Array): Row {
  const text = `{${decoder.decode(bytes)}}`;
  const members = parseJson(text, false);
  return (hasRounded(members) ? parseJson(text, true) : members) as Row;
}

const restoresByStream = new WeakMap<Stream, Map<string, Restore> | "none">();

function restored(row: Value, stream: Stream): Value {
  let restores = restoresByStream.get(stream);
  if (restores === undefined) {
    restores = (stream.columns && restoresOf(stream.columns)) ?? "none";
    restoresByStream.set(stream, restores);
  }
  if (restores !== "none" && row !== null && typeof row === "object") restoreRow(row as Row, restores);
  return row;
}
