/**
 * Writes records as JSON text, the only code that does. A source calls, for each record,
 *
 *     begin(stream, operation, timeMicros, group, index)
 *     [beginRow("before")  column(c) value… endRow()]
 *     [beginRow("after")   column(c) value… endRow()]
 *     end(ownSourceMembers)
 *
 * and `finish(position)` when the batch is full or the wire has nothing more. Rows are written straight into their
 * place in the layout; parts that a layout does not show go to a second buffer, so that every part can be had.
 */
import {
  ABSENT,
  BARE,
  type Batch,
  type BatchColumns,
  batchColumns,
  type BatchData,
  IN_SIDE,
  KEY_IS_BYTES,
  MARKER_SHIFT,
  orderText,
  type Origin,
  OWN,
  type Position,
  SPAN_WIDTH,
  spanOf,
} from "./batch.ts";
import {
  COMMON_SOURCE_MEMBERS,
  commonSource,
  type Frame,
  frameOf,
  type Layout,
  operationIndex,
} from "./envelope.ts";
import { membersText, needsExact, valueText } from "./json_value.ts";
import {
  type DataRecord,
  type Header,
  type Operation,
  SNAPSHOT_MARKERS,
  type SnapshotMarker,
} from "./record.ts";
import type { Stream } from "./stream.ts";
import type { Row, Value } from "./value.ts";

/** Limits of a batch: whichever comes first. One larger record still makes a batch. */
export const MAX_RECORDS = 1000;
export const MAX_BYTES = 1 << 20;

export interface BatchWriterLimits {
  /** 1000 unless told. */
  readonly maxRecords?: number;
  /** 1 MiB unless told. */
  readonly maxBytes?: number;
}

export interface BatchWriterOptions extends BatchWriterLimits {
  readonly origin: Origin;
  readonly layout: Layout;
  /** Microseconds since 1970; asked once a batch. */
  readonly nowMicros: () => bigint;
  /** Where buffers of batches that nobody reads any more come from. */
  readonly pool?: BufferPool;
}

/** A buffer that one huge record has made larger than this is not used again. */
const MAX_KEPT_BYTES = 4 * MAX_BYTES;

/** Buffers of batches that have been written, for the next ones: fresh memory costs a page fault every 4 KiB. */
export class BufferPool {
  readonly #texts: ArrayBuffer[] = [];
  readonly #columns: ArrayBuffer[] = [];

  /** @param limit how many of each are kept */
  constructor(readonly limit: number = 8) {}

  give(text: ArrayBuffer, columns: ArrayBuffer): void {
    if (this.#texts.length < this.limit && text.byteLength <= MAX_KEPT_BYTES) this.#texts.push(text);
    if (this.#columns.length < this.limit) this.#columns.push(columns);
  }

  takeText(): ArrayBuffer | undefined {
    return this.#texts.pop();
  }

  takeColumns(): ArrayBuffer | undefined {
    return this.#columns.pop();
  }
}

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
const OPEN = 0x7b, CLOSE = 0x7d, COMMA = 0x2c, QUOTE = 0x22, BACKSLASH = 0x5c;
const NULL = utf8.encode("null"), TRUE = utf8.encode("true"), FALSE = utf8.encode("false");
const HEX = utf8.encode("0123456789abcdef");
const BASE64 = utf8.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const LANE_MEMBER = utf8.encode(',"lane":"');
const ORDER_MEMBER = utf8.encode('","order":');
const NO_ORDER = utf8.encode("null");
const NO_MEMBERS = new Uint8Array();
const INITIAL_SIDE_BYTES = 16 * 1024;
const TEXT = 0, KEY = 2, BEFORE = 4, AFTER = 6, SOURCE = 8;
/** How the two low bits of the second byte of an escape are written; index = the byte escaped. */
const SHORT_ESCAPES = new Map(
  [[8, "b"], [9, "t"], [10, "n"], [12, "f"], [13, "r"]].map(([code, letter]) =>
    [code as number, (letter as string).charCodeAt(0)] as const
  ),
);

export class BatchWriter {
  readonly origin: Origin;
  /** Where the next byte goes. Codecs may write to `bytes` themselves after `reserve`. */
  at = 0;
  bytes: Uint8Array;
  /** Set before the first record of a batch. */
  lane = "";
  /** Records so far. */
  length = 0;

  // The record being written; frames read these.
  operation: Operation = "record";
  stream!: Stream;
  timeMicros = 0n;
  orderIndex = NaN;
  /** What the `snapshot` member of `source` says instead of what the operation does: `first`, `last`. */
  snapshotMarker: SnapshotMarker | undefined;

  readonly #layout: Layout;
  readonly #nowMicros: () => bigint;
  readonly #maxRecords: number;
  readonly #maxBytes: number;
  readonly #initialBytes: number;
  #columns: BatchColumns;
  #side: Uint8Array;
  #sideAt = 0;
  #inSide = false;
  #readAtMicros: bigint | undefined;
  #streams: Stream[] = [];
  #streamIndex = new Map<Stream, number>();
  #groups: string[] = [];
  #suffixes: (string | undefined)[] | undefined;
  #headers: (readonly Header[] | undefined)[] | undefined;
  #exact = false;

  #frame!: Frame;
  #hasBefore = false;
  #hasAfter = false;
  #group: string | undefined;
  #suffix: string | undefined;
  #own: Uint8Array = NO_MEMBERS;
  /** Where the values of the key lie in `bytes` at the moment; [start, end] each. */
  #keyBounds: number[] = [];
  #keyFound = 0;
  #openKey = -1;
  #keyRowInSide = false;
  #keyFromBefore = false;
  readonly #pool: BufferPool | undefined;

  constructor(options: BatchWriterOptions) {
    const { origin, layout, nowMicros, maxRecords = MAX_RECORDS, maxBytes = MAX_BYTES, pool } = options;
    this.#pool = pool;
    this.origin = origin;
    this.#layout = layout;
    this.#nowMicros = nowMicros;
    this.#maxRecords = Math.max(1, maxRecords);
    this.#maxBytes = maxBytes;
    this.#initialBytes = Math.min(maxBytes, MAX_BYTES) / 4 + 1024 | 0;
    this.bytes = new Uint8Array(this.#initialBytes);
    this.#side = new Uint8Array(INITIAL_SIDE_BYTES);
    this.#columns = batchColumns(this.#maxRecords);
  }

  /** Whether the batch must be finished before the next record. */
  get isFull(): boolean {
    return this.length >= this.#maxRecords || this.at + this.#sideAt >= this.#maxBytes;
  }

  // ---- a record -------------------------------------------------------------------------------------------------

  /**
   * Starts a record. `group` and `index` are its order (events of one group count up); group undefined: no order.
   * `suffix` tells records of one index apart: `.1` for a tombstone after its delete. Requires `!isFull`.
   */
  begin(
    stream: Stream,
    operation: Operation,
    timeMicros: bigint,
    group: string | undefined,
    index: number,
    suffix?: string,
  ): void {
    const i = this.length;
    this.stream = stream;
    this.operation = operation;
    this.timeMicros = timeMicros;
    this.orderIndex = group === undefined ? NaN : index;
    this.#group = group;
    this.#suffix = suffix;
    this.#hasBefore = this.#hasAfter = this.#keyFromBefore = false;
    this.#keyFound = 0;
    this.#openKey = -1;
    this.snapshotMarker = undefined;
    this.#frame = operation === "schema" ? frameOf("plain", operation) : frameOf(this.#layout, operation);
    const { spans, flags } = this.#columns;
    const at = i * SPAN_WIDTH;
    spans[at + TEXT] = this.at;
    spans[at + KEY] =
      spans[at + BEFORE] =
      spans[at + AFTER] =
      spans[at + SOURCE] =
      spans[at + OWN] =
        ABSENT;
    flags[i] = 0;
    if (operation !== "tombstone") this.#frame.open(this);
  }

  /** Opens a row; it is closed by `endRow`. `before` comes first when there are both. */
  beginRow(part: "before" | "after"): void {
    this.beginValue(part);
    this.reserve(1);
    this.bytes[this.at++] = OPEN;
  }

  endRow(): void {
    if (this.#openKey >= 0) this.#closeKey();
    this.reserve(1);
    this.bytes[this.at++] = CLOSE;
    this.endValue();
  }

  /** Opens a part that is not a row of columns: one JSON value of any kind follows, then `endValue`. */
  beginValue(part: "before" | "after"): void {
    const operation = this.operation;
    if (part === "after") {
      if (operation !== "tombstone") this.#frame.middle(this, this.#hasBefore);
      this.#hasAfter = true;
      // The key is the row's before the change: what `after` says counts only where `before` did not say it.
      this.#keyFromBefore = this.#keyFound > 0 && this.#keyFound === this.stream.key.length;
      if (!this.#keyFromBefore) this.#keyFound = 0;
    } else this.#hasBefore = true;
    if (operation === "tombstone" || !this.#frame.holds(operation, part)) this.#swap();
    this.#columns.spans[this.length * SPAN_WIDTH + (part === "after" ? AFTER : BEFORE)] = this.#here();
  }

  endValue(): void {
    const part = this.#hasAfter ? AFTER : BEFORE;
    this.#columns.spans[this.length * SPAN_WIDTH + part + 1] = this.#here();
    if (this.#inSide) this.#swap();
  }

  /** The name of the next value. */
  column(column: WriterColumn): void {
    if (this.#openKey >= 0) this.#closeKey();
    const { prefix, keyIndex } = column;
    this.reserve(prefix.length + 1);
    if (this.bytes[this.at - 1] !== OPEN) this.bytes[this.at++] = COMMA;
    this.bytes.set(prefix, this.at);
    this.at += prefix.length;
    if (keyIndex >= 0 && !this.#keyFromBefore) {
      this.#openKey = keyIndex;
      this.#keyBounds[keyIndex * 2] = this.at;
      this.#keyRowInSide = this.#inSide;
    }
  }

  /**
   * Ends a record.
   *
   * @param own members of `source` that only this connector has, as JSON text that starts with a comma; may be one
   * array for many records, and must stay as it is until a record with another one has ended
   */
  end(own: Uint8Array = NO_MEMBERS): void {
    this.#setOwn(own);
    const i = this.length;
    const { spans, timeMicros, orderIndex, streamOf, groupOf, operations, flags } = this.#columns;
    if (this.snapshotMarker !== undefined) {
      flags[i] |= SNAPSHOT_MARKERS.indexOf(this.snapshotMarker) + 1 << MARKER_SHIFT;
    }
    if (
      this.#keyFound > 0 && this.#keyFound === this.stream.key.length &&
      spans[i * SPAN_WIDTH + KEY] === ABSENT
    ) {
      this.#writeKey();
    }
    if (this.operation !== "tombstone") this.#frame.close(this, this.#hasBefore, this.#hasAfter);
    spans[i * SPAN_WIDTH + TEXT + 1] = this.at;
    if (!this.#frame.holds(this.operation, "source") || this.operation === "tombstone") this.#sideSource();
    timeMicros[i] = this.timeMicros;
    orderIndex[i] = this.orderIndex;
    streamOf[i] = this.#indexOfStream(this.stream);
    groupOf[i] = this.#indexOfGroup();
    operations[i] = operationIndex(this.operation);
    if (this.#suffix !== undefined) (this.#suffixes ??= [])[i] = this.#suffix;
    this.length++;
  }

  /** A key that is not made of columns of the row: a queue's own bytes, or one that was made elsewhere. */
  key(key: Uint8Array, isBytes: boolean): void {
    const at = this.length * SPAN_WIDTH + KEY;
    this.#columns.spans[at] = this.#sideAt + IN_SIDE;
    this.#toSide(key);
    this.#columns.spans[at + 1] = this.#sideAt + IN_SIDE;
    if (isBytes) this.#columns.flags[this.length] |= KEY_IS_BYTES;
  }

  headers(headers: readonly Header[]): void {
    (this.#headers ??= [])[this.length] = headers;
  }

  /** Hands the batch over and starts the next one. Nothing may be written of a record that has begun. */
  finish(position: Position): BatchData {
    const data: BatchData = {
      origin: this.origin,
      lane: this.lane,
      position,
      readAtMicros: this.#readAtMicros ?? this.#nowMicros(),
      layout: this.#layout,
      length: this.length,
      first: 0,
      streams: this.#streams,
      text: this.bytes,
      side: this.#side.slice(0, this.#sideAt),
      columns: this.#columns,
      groups: this.#groups,
      suffixes: this.#suffixes,
      headers: this.#headers,
      exact: this.#exact,
    };
    const recycled = this.#pool?.takeText();
    this.bytes = recycled
      ? new Uint8Array(recycled)
      : new Uint8Array(this.bytes.length > MAX_KEPT_BYTES ? this.#initialBytes : this.bytes.length);
    if (this.#side.length > MAX_KEPT_BYTES) this.#side = new Uint8Array(INITIAL_SIDE_BYTES);
    this.#columns = batchColumns(this.#maxRecords, this.#pool?.takeColumns());
    this.at = this.#sideAt = this.length = 0;
    this.#readAtMicros = undefined;
    this.#streams = [];
    this.#streamIndex.clear();
    this.#groups = [];
    this.#suffixes = this.#headers = undefined;
    this.#exact = false;
    this.#perBatch.clear();
    this.#perStream.clear();
    this.#sourceFor = undefined;
    this.#own = NO_MEMBERS;
    this.#ownMade = undefined;
    this.#sideSourceAt = -1;
    return data;
  }

  // ---- values ---------------------------------------------------------------------------------------------------

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    if (this.at + size <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + size));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  /** Bytes as they are. */
  literal(text: Uint8Array): void {
    this.reserve(text.length);
    this.bytes.set(text, this.at);
    this.at += text.length;
  }

  null(): void {
    this.literal(NULL);
  }

  boolean(value: boolean): void {
    this.literal(value ? TRUE : FALSE);
  }

  /** An integer's digits. */
  digits(source: Uint8Array, start: number, end: number): void {
    if (end - start > 15) this.#exact = true;
    this.raw(source, start, end);
  }

  /** JSON text that needs no look: short numbers, floats, values already written once. */
  raw(source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.reserve(size);
    if (size > 24) {
      this.bytes.set(source.subarray(start, end), this.at);
      this.at += size;
      return;
    }
    const { bytes } = this;
    let at = this.at;
    for (let i = start; i < end; i++) bytes[at++] = source[i];
    this.at = at;
  }

  /** A string that needs no escapes: decimals, dates, uuids. */
  ascii(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start + 2);
    this.bytes[this.at++] = QUOTE;
    this.raw(source, start, end);
    this.reserve(1);
    this.bytes[this.at++] = QUOTE;
  }

  /** A string of UTF-8, escaped where JSON asks (RFC 8259, section 7). */
  text(source: Uint8Array, start: number, end: number): void {
    this.reserve((end - start) * 6 + 2);
    const { bytes } = this;
    let at = this.at;
    bytes[at++] = QUOTE;
    for (let i = start; i < end; i++) {
      const byte = source[i];
      if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) bytes[at++] = byte;
      else at = writeEscape(bytes, at, byte);
    }
    bytes[at++] = QUOTE;
    this.at = at;
  }

  string(value: string): void {
    const text = JSON.stringify(value);
    this.reserve(text.length * 3);
    this.at += utf8.encodeInto(text, this.bytes.subarray(this.at)).written;
  }

  /** A JSON document as the source has it, brought onto one line. */
  json(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    const { bytes } = this;
    let at = this.at;
    let digits = 0;
    for (let i = start; i < end; i++) {
      const byte = source[i];
      // Inside JSON strings line breaks are escaped, so a raw one is white space.
      bytes[at++] = byte === 10 || byte === 13 ? 0x20 : byte;
      digits = byte >= 0x30 && byte <= 0x39 ? digits + 1 : 0;
      if (digits > 15) this.#exact = true;
    }
    this.at = at;
  }

  /** Bytes as base64 (RFC 4648, section 4). */
  base64(source: Uint8Array): void {
    const size = source.length;
    this.reserve(Math.ceil(size / 3) * 4 + 2);
    const { bytes } = this;
    let at = this.at;
    bytes[at++] = QUOTE;
    let i = 0;
    for (; i + 2 < size; i += 3) {
      const word = source[i] << 16 | source[i + 1] << 8 | source[i + 2];
      bytes[at++] = BASE64[word >> 18];
      bytes[at++] = BASE64[word >> 12 & 63];
      bytes[at++] = BASE64[word >> 6 & 63];
      bytes[at++] = BASE64[word & 63];
    }
    if (i < size) {
      const word = source[i] << 16 | (i + 1 < size ? source[i + 1] << 8 : 0);
      bytes[at++] = BASE64[word >> 18];
      bytes[at++] = BASE64[word >> 12 & 63];
      bytes[at++] = i + 1 < size ? BASE64[word >> 6 & 63] : 0x3d;
      bytes[at++] = 0x3d;
    }
    bytes[at++] = QUOTE;
    this.at = at;
  }

  /** Any value; the way for everything that is not hot. */
  value(value: Value | undefined): void {
    if (typeof value === "string") return this.string(value);
    if (needsExact(value)) this.#exact = true;
    const text = valueText(value);
    this.reserve(text.length * 3);
    this.at += utf8.encodeInto(text, this.bytes.subarray(this.at)).written;
  }

  // ---- whole records ----------------------------------------------------------------------------------------------

  /** Writes a typed record. */
  writeRecord(record: DataRecord): void {
    const { stream, operation, before, after } = record;
    const { group, index, suffix } = splitOrder(record.order);
    this.begin(stream, operation, record.timeMicros, group, index, suffix);
    if (record.bare) this.#unwrap();
    if (record.key instanceof Uint8Array) this.key(record.key, true);
    else if (record.key) {
      const names = stream.key.some(isMovedName) ? stream.key : undefined;
      this.key(utf8.encode(names ? rowText(record.key, names) : valueText(record.key)), false);
    }
    if (before) this.#writeRow("before", before);
    if (after !== undefined) this.#writeRow("after", after);
    if (record.headers) this.headers(record.headers);
    this.snapshotMarker = markerOf(record);
    this.end(ownMembers(record));
  }

  /** Writes record `i` of another batch again, its parts unparsed. */
  copyRecord(batch: Batch, data: BatchData, i: number): void {
    const { columns, groups, suffixes, headers, first, exact } = data;
    const n = first + i;
    const index = columns.orderIndex[n];
    const group = Number.isNaN(index) ? undefined : groups[columns.groupOf[n]];
    this.begin(batch.stream(i), batch.operation(i), columns.timeMicros[n], group, index, suffixes?.[n]);
    const flags = columns.flags[n];
    if ((flags & BARE) !== 0) this.#unwrap();
    const key = batch.span(i, "key");
    if (key) this.key(key, (flags & KEY_IS_BYTES) !== 0);
    for (const part of ["before", "after"] as const) {
      const span = batch.span(i, part);
      if (!span) continue;
      this.beginValue(part);
      this.literal(span);
      this.endValue();
    }
    const recordHeaders = headers?.[n];
    if (recordHeaders) this.headers(recordHeaders);
    if (exact) this.#exact = true;
    this.snapshotMarker = SNAPSHOT_MARKERS[(flags >> MARKER_SHIFT) - 1];
    this.end(this.#copiedOwn(spanOf(data, n, OWN)));
  }

  /** Own members as `end` wants them; the array of the record before where they are the same. */
  #copiedOwn(members: Uint8Array | undefined): Uint8Array {
    if (!members) return NO_MEMBERS;
    const last = this.#own;
    if (last.length === members.length + 1) {
      let i = 0;
      while (i < members.length && members[i] === last[i + 1]) i++;
      if (i === members.length) return last;
    }
    return joined(COMMA_BYTES, members);
  }

  #writeRow(part: "before" | "after", row: Value): void {
    this.beginValue(part);
    const names = isRow(row) && rowOrder(this.stream);
    if (names) {
      if (needsExact(row)) this.#exact = true;
      this.literal(utf8.encode(rowText(row, names)));
    } else this.value(row);
    this.endValue();
  }

  /** The rest of the record is written without a layout around it. */
  #unwrap(): void {
    this.at = this.#columns.spans[this.length * SPAN_WIDTH + TEXT];
    this.#columns.flags[this.length] |= BARE;
    this.#frame = frameOf("plain", this.operation);
  }

  // ---- what frames ask for ----------------------------------------------------------------------------------------

  readonly #perBatch = new Map<string, Uint8Array>();
  readonly #perStream = new Map<string, Map<Stream, Uint8Array>>();

  /** Text that is the same for all records of a batch with one operation, made once. */
  perBatch(name: string, make: (operation: Operation, readAtMicros: bigint) => Uint8Array): Uint8Array {
    const id = name + this.operation;
    let text = this.#perBatch.get(id);
    if (!text) this.#perBatch.set(id, text = make(this.operation, this.#readAt()));
    return text;
  }

  /** Text that is the same for all records of a batch with one stream and one operation, made once. */
  perStream(
    name: string,
    make: (stream: Stream, operation: Operation, readAtMicros: bigint) => Uint8Array,
  ): Uint8Array {
    const id = name + this.operation;
    let byStream = this.#perStream.get(id);
    if (!byStream) this.#perStream.set(id, byStream = new Map());
    let text = byStream.get(this.stream);
    if (!text) byStream.set(this.stream, text = make(this.stream, this.operation, this.#readAt()));
    return text;
  }

  /** What the last `source` object was made of; `text`: its opening and the own members, once they came twice. */
  #sourceFor:
    | {
      readonly stream: Stream;
      readonly timeMicros: bigint;
      readonly snapshot: string;
      readonly common: Uint8Array;
      readonly lane: Uint8Array;
      text: Uint8Array | undefined;
    }
    | undefined;

  /** The whole `source` object, with lane and order. */
  sourceObject(): void {
    const { stream, timeMicros } = this;
    const own = this.#own;
    const snapshot = this.snapshotMarker ?? (this.operation === "snapshot" ? "true" : "false");
    let made = this.#sourceFor;
    if (
      !made || made.stream !== stream || made.timeMicros !== timeMicros || made.snapshot !== snapshot
    ) {
      const common = utf8.encode(commonSource(this.origin, stream, timeMicros, snapshot));
      const name = utf8.encode(this.lane === "" ? "" : JSON.stringify(this.lane).slice(1, -1));
      const lane = joined(LANE_MEMBER, name, ORDER_MEMBER);
      this.#sourceFor = made = { stream, timeMicros, snapshot, common, lane, text: undefined };
    }
    const { spans } = this.#columns;
    const span = this.length * SPAN_WIDTH;
    spans[span + SOURCE] = this.at;
    if (own.length > 0) {
      spans[span + OWN] = this.at + made.common.length + 1;
      spans[span + OWN + 1] = this.at + made.common.length + own.length;
    }
    if (this.#isOwnRepeated) this.literal(made.text ??= joined(made.common, own, made.lane));
    else {
      // Members that change with every record are not worth a text of their own.
      this.literal(made.common);
      this.literal(own);
      this.literal(made.lane);
    }
    this.#orderValue();
    this.reserve(1);
    this.bytes[this.at++] = CLOSE;
    spans[span + SOURCE + 1] = this.at;
  }

  /** Whether the record before had the same own members; then what was made of them can be used again. */
  #isOwnRepeated = false;

  #setOwn(own: Uint8Array): void {
    this.#isOwnRepeated = own === this.#own;
    if (this.#isOwnRepeated) return;
    this.#own = own;
    this.#ownMade = undefined;
    this.#sideSourceAt = -1;
    if (this.#sourceFor) this.#sourceFor.text = undefined;
  }

  #ownMade: { readonly by: (own: Uint8Array) => Uint8Array; readonly text: Uint8Array } | undefined;

  /** Text made of the own members, which start with a comma; made once for records that share them. */
  fromOwn(make: (own: Uint8Array) => Uint8Array): Uint8Array {
    if (this.#own.length === 0) return NO_MEMBERS;
    if (this.#ownMade?.by !== make) this.#ownMade = { by: make, text: make(this.#own) };
    return this.#ownMade.text;
  }

  /** A member as it is, with a comma where something precedes. */
  member(text: Uint8Array): void {
    this.reserve(1);
    if (this.bytes[this.at - 1] !== OPEN) this.bytes[this.at++] = COMMA;
    this.literal(text);
  }

  /** `name` and the order after it; nothing where there is no order. */
  orderMember(name: Uint8Array): void {
    if (Number.isNaN(this.orderIndex)) return;
    this.member(name);
    this.#orderValue();
  }

  /** `name` and the index within the order's group; nothing where there is no order. */
  orderIndexMember(name: Uint8Array): void {
    if (Number.isNaN(this.orderIndex)) return;
    this.member(name);
    const digits = String(this.orderIndex);
    this.reserve(digits.length);
    for (let i = 0; i < digits.length; i++) this.bytes[this.at++] = digits.charCodeAt(i);
  }

  // ---- details ----------------------------------------------------------------------------------------------------

  #orderGroup: string | undefined;
  #orderLast = NaN;
  #orderBytes: Uint8Array = NO_MEMBERS;

  /** The order as a JSON string. Counting up by one changes a digit or two in place. */
  #orderValue(): void {
    const index = this.orderIndex;
    if (Number.isNaN(index)) return this.literal(NO_ORDER);
    if (this.#orderGroup === this.#group && index === this.#orderLast + 1) {
      let digit = this.#orderBytes.length - 2;
      while (this.#orderBytes[digit] === 0x39) this.#orderBytes[digit--] = 0x30;
      this.#orderBytes[digit]++;
    } else {
      this.#orderBytes = utf8.encode(JSON.stringify(orderText(this.#group!, index)));
      this.#orderGroup = this.#group;
    }
    this.#orderLast = index;
    this.literal(this.#orderBytes);
    if (this.#suffix === undefined) return;
    this.at--;
    this.literal(utf8.encode(`${this.#suffix}"`));
  }

  #readAt(): bigint {
    return this.#readAtMicros ??= this.#nowMicros();
  }

  /** The current place as a span's start or end. */
  #here(): number {
    return this.#inSide ? this.at + IN_SIDE : this.at;
  }

  /** Exchanges the text and the side buffer, so that the same methods write to either. */
  #swap(): void {
    const bytes = this.bytes;
    const at = this.at;
    this.bytes = this.#side;
    this.at = this.#sideAt;
    this.#side = bytes;
    this.#sideAt = at;
    this.#inSide = !this.#inSide;
  }

  #closeKey(): void {
    this.#keyBounds[this.#openKey * 2 + 1] = this.at;
    this.#openKey = -1;
    this.#keyFound++;
  }

  /** `{"id":7}` beside the text, from the values where they were written. */
  #writeKey(): void {
    const names = keyPrefixes(this.stream);
    const bounds = this.#keyBounds;
    let size = 1;
    for (let k = 0; k < names.length; k++) size += names[k].length + bounds[k * 2 + 1] - bounds[k * 2];
    this.#reserveSide(size);
    const side = this.#side;
    const row = this.#keyRowInSide ? side : this.bytes;
    const span = this.length * SPAN_WIDTH + KEY;
    let at = this.#sideAt;
    this.#columns.spans[span] = at + IN_SIDE;
    for (let k = 0; k < names.length; k++) {
      const name = names[k];
      for (let i = 0; i < name.length; i++) side[at++] = name[i];
      for (let i = bounds[k * 2]; i < bounds[k * 2 + 1]; i++) side[at++] = row[i];
    }
    side[at++] = CLOSE;
    this.#columns.spans[span + 1] = at + IN_SIDE;
    this.#sideAt = at;
  }

  /** Where the own members of the last record lie in the side buffer; -1: nowhere yet. */
  #sideSourceAt = -1;

  /** Own members as an object beside the text; one for all records that share them. */
  #sideSource(): void {
    const size = this.#own.length;
    if (size === 0) return;
    if (this.#sideSourceAt < 0) {
      this.#sideSourceAt = this.#sideAt;
      this.#toSide(OPEN_BYTES);
      this.#toSide(this.#own.subarray(1));
      this.#toSide(CLOSE_BYTES);
    }
    const { spans } = this.#columns;
    const span = this.length * SPAN_WIDTH;
    const at = this.#sideSourceAt + IN_SIDE;
    spans[span + SOURCE] = at;
    spans[span + SOURCE + 1] = at + size + 1;
    spans[span + OWN] = at + 1;
    spans[span + OWN + 1] = at + size;
  }

  #reserveSide(size: number): void {
    if (this.#sideAt + size <= this.#side.length) return;
    const larger = new Uint8Array(Math.max(this.#side.length * 2, this.#sideAt + size));
    larger.set(this.#side.subarray(0, this.#sideAt));
    this.#side = larger;
  }

  #toSide(bytes: Uint8Array): void {
    this.#reserveSide(bytes.length);
    this.#side.set(bytes, this.#sideAt);
    this.#sideAt += bytes.length;
  }

  #lastStream: Stream | undefined;
  #lastStreamIndex = 0;

  #indexOfStream(stream: Stream): number {
    if (stream === this.#lastStream && this.#streams[this.#lastStreamIndex] === stream) {
      return this.#lastStreamIndex;
    }
    let index = this.#streamIndex.get(stream);
    if (index === undefined) {
      index = this.#streams.length;
      this.#streams.push(stream);
      this.#streamIndex.set(stream, index);
    }
    this.#lastStream = stream;
    return this.#lastStreamIndex = index;
  }

  #indexOfGroup(): number {
    if (this.#group === undefined) return 0;
    const last = this.#groups.length - 1;
    if (this.#groups[last] === this.#group) return last;
    this.#groups.push(this.#group);
    return last + 1;
  }
}

const OPEN_BYTES = new Uint8Array([OPEN]);
const CLOSE_BYTES = new Uint8Array([CLOSE]);
const COMMA_BYTES = new Uint8Array([COMMA]);

const prefixesByStream = new WeakMap<Stream, readonly Uint8Array[]>();

function keyPrefixes(stream: Stream): readonly Uint8Array[] {
  let prefixes = prefixesByStream.get(stream);
  if (!prefixes) {
    prefixes = stream.key.map((name, k) => utf8.encode(`${k === 0 ? "{" : ","}${JSON.stringify(name)}:`));
    prefixesByStream.set(stream, prefixes);
  }
  return prefixes;
}

const orderByStream = new WeakMap<Stream, readonly string[] | "any">();

/**
 * The names of the columns where a row as an object may not have them in the table's order: JavaScript moves names
 * such as `7` to an object's front.
 */
function rowOrder(stream: Stream): readonly string[] | undefined {
  let order = orderByStream.get(stream);
  if (!order) {
    const names = (stream.columns ?? []).map(({ name }) => name);
    orderByStream.set(stream, order = names.some(isMovedName) ? names : "any");
  }
  return order === "any" ? undefined : order;
}

function isMovedName(name: string): boolean {
  return /^(0|[1-9]\d*)$/.test(name);
}

function isRow(value: Value): value is Row {
  return value !== null && typeof value === "object" && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

/** The row in the order of `names`, then what else it has. */
function rowText(row: Row, names: readonly string[]): string {
  return membersText(row, [...new Set([...names, ...Object.keys(row)])]);
}

function writeEscape(bytes: Uint8Array, at: number, byte: number): number {
  bytes[at++] = BACKSLASH;
  if (byte === QUOTE || byte === BACKSLASH) {
    bytes[at++] = byte;
    return at;
  }
  const letter = SHORT_ESCAPES.get(byte);
  if (letter !== undefined) {
    bytes[at++] = letter;
    return at;
  }
  bytes[at++] = 0x75;
  bytes[at++] = 0x30;
  bytes[at++] = 0x30;
  bytes[at++] = HEX[byte >> 4];
  bytes[at++] = HEX[byte & 15];
  return at;
}

/** `<group>/<16 digits><suffix>` taken apart, as orderText() in batch.ts put it together. */
function splitOrder(
  order: string | undefined,
): { group: string | undefined; index: number; suffix?: string } {
  if (order === undefined) return { group: undefined, index: NaN };
  const slash = order.lastIndexOf("/");
  const digits = order.slice(slash + 1, slash + 17);
  if (slash < 0 || !/^\d{16}$/.test(digits)) {
    throw new TypeError(`The order of a record is a group, "/" and 16 digits, but not "${order}"`);
  }
  return {
    group: order.slice(0, slash),
    index: Number(digits),
    suffix: order.slice(slash + 17) || undefined,
  };
}

/** The marker that `source.snapshot` of a record asks for. */
function markerOf({ operation, source }: DataRecord): SnapshotMarker | undefined {
  return operation === "record" ? undefined : SNAPSHOT_MARKERS.find((marker) => marker === source?.snapshot);
}

/** The members of `source` that are the connector's own, as `end()` wants them. */
function ownMembers({ operation, source, unavailable }: DataRecord): Uint8Array {
  // Of a `record` they are metadata, where the envelope takes no name for itself.
  const isOwn = ([name]: [string, Value]) => operation === "record" || !COMMON_SOURCE_MEMBERS.has(name);
  const members = Object.entries(source ?? {}).filter(isOwn);
  if (unavailable) members.push(["unavailable_columns", unavailable]);
  if (members.length === 0) return NO_MEMBERS;
  return utf8.encode(members.map(([name, value]) => `,${JSON.stringify(name)}:${valueText(value)}`).join(""));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const text = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    text.set(part, at);
    at += part.length;
  }
  return text;
}
