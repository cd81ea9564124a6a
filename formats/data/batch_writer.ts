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
  IN_TRANSACTION,
  KEY_IS_BYTES,
  MARKER_SHIFT,
  markerOf,
  orderText,
  type Origin,
  OWN,
  type Position,
  SPAN_WIDTH,
  spanOf,
  transactionOf,
} from "./batch_data.ts";
import type { BatchWriterOptions, RewrittenRow } from "./batch_writer_options.ts";
import { type BufferPool, MAX_KEPT_BYTES } from "./buffer_pool.ts";
import {
  commonSource,
  type EnvelopeWriter,
  type Frame,
  frameOf,
  type Layout,
  operationIndex,
} from "./envelope.ts";
import { joined, JsonWriter } from "./json_writer.ts";
import { type Header, type Operation, SNAPSHOT_MARKERS, type SnapshotMarker } from "./record.ts";
import type { Stream } from "./stream.ts";
import { StreamList } from "./stream_list.ts";
import { keyPrefixes, type WriterColumn } from "./writer_columns.ts";

export type { BatchWriterLimits, BatchWriterOptions, RewrittenRow } from "./batch_writer_options.ts";
export { type WriterColumn, writerColumn, writerColumns } from "./writer_columns.ts";

/** Limits of a batch: whichever comes first. One larger record still makes a batch. */
export const MAX_RECORDS = 1000;
export const MAX_BYTES = 1 << 20;

const utf8 = new TextEncoder();
const OPEN = 0x7b, CLOSE = 0x7d, COMMA = 0x2c;
const LANE_MEMBER = utf8.encode(',"lane":"');
const ORDER_MEMBER = utf8.encode('","order":');
const NO_ORDER = utf8.encode("null");
const COLLECTION_ORDER = utf8.encode(',"data_collection_order":');
const NO_MEMBERS = new Uint8Array();
const INITIAL_SIDE_BYTES = 16 * 1024;
const TEXT = 0, KEY = 2, BEFORE = 4, AFTER = 6, SOURCE = 8;

export class BatchWriter extends JsonWriter implements EnvelopeWriter {
  readonly origin: Origin;
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
  readonly #streams = new StreamList();
  #groups: string[] = [];
  #suffixes: (string | undefined)[] | undefined;
  #headers: (readonly Header[] | undefined)[] | undefined;

  #frame!: Frame;
  /** Between `begin` and `end`. */
  #isOpen = false;
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
    const initialBytes = Math.min(maxBytes, MAX_BYTES) / 4 + 1024 | 0;
    super(initialBytes);
    this.#pool = pool;
    this.origin = origin;
    this.#layout = layout;
    this.#nowMicros = nowMicros;
    this.#maxRecords = Math.max(1, maxRecords);
    this.#maxBytes = maxBytes;
    this.#initialBytes = initialBytes;
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
    this.#isOpen = true;
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
    this.literal(prefix);
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
    streamOf[i] = this.#streams.numberOf(this.stream);
    groupOf[i] = this.#indexOfGroup();
    operations[i] = operationIndex(this.operation);
    if (this.#suffix !== undefined) (this.#suffixes ??= [])[i] = this.#suffix;
    if (this.#transaction !== undefined) {
      flags[i] |= IN_TRANSACTION;
      this.#transaction = undefined;
    }
    this.length++;
    this.#isOpen = false;
  }

  /** Right after the `end` of a delete: its tombstone, with its key, behind it in order. Nothing where it has no key. */
  tombstone(): void {
    const { spans } = this.#columns;
    const ended = (this.length - 1) * SPAN_WIDTH + KEY;
    if (spans[ended] === ABSENT) return;
    this.begin(this.stream, "tombstone", this.timeMicros, this.#group, this.orderIndex, ".1");
    const at = this.length * SPAN_WIDTH + KEY;
    spans[at] = spans[ended];
    spans[at + 1] = spans[ended + 1];
    this.end(this.#own);
  }

  /**
   * Takes back a record that was begun, and ended ones, until `length` are left: a row that can't be written to its end
   * leaves nothing behind.
   */
  rollback(length: number): void {
    if (length === this.length && !this.#isOpen) return;
    if (this.#inSide) this.#swap();
    this.at = this.#columns.spans[length * SPAN_WIDTH + TEXT];
    this.length = length;
    this.#isOpen = false;
    for (const list of [this.#suffixes, this.#headers]) {
      if (list && list.length > length) list.length = length;
    }
  }

  #transaction: Uint8Array | undefined;
  #totalOrder = NaN;
  #collectionOrder = NaN;

  /**
   * Before `begin`: the record's place in its transaction, Debezium's `transaction` block.
   *
   * @param opening `,"transaction":{"id":"…","total_order":`, without other braces
   */
  transactionOfNext(opening: Uint8Array, totalOrder: number, collectionOrder: number): void {
    this.#transaction = opening;
    this.#totalOrder = totalOrder;
    this.#collectionOrder = collectionOrder;
  }

  /** The `transaction` member, right behind `source`. */
  #transactionMember(text: Uint8Array): void {
    this.literal(text);
    // What is copied from another record is complete.
    if (text[text.length - 1] === CLOSE) return;
    this.#smallInteger(this.#totalOrder);
    this.literal(COLLECTION_ORDER);
    this.#smallInteger(this.#collectionOrder);
    this.reserve(1);
    this.bytes[this.at++] = CLOSE;
  }

  #smallInteger(value: number): void {
    const digits = String(value);
    this.reserve(digits.length);
    for (let i = 0; i < digits.length; i++) this.bytes[this.at++] = digits.charCodeAt(i);
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
    const data = this.#data(position);
    const recycled = this.#pool?.takeText();
    this.bytes = recycled
      ? new Uint8Array(recycled)
      : new Uint8Array(this.bytes.length > MAX_KEPT_BYTES ? this.#initialBytes : this.bytes.length);
    if (this.#side.length > MAX_KEPT_BYTES) this.#side = new Uint8Array(INITIAL_SIDE_BYTES);
    this.#columns = batchColumns(this.#maxRecords, this.#pool?.takeColumns());
    this.at = this.#sideAt = this.length = 0;
    this.#readAtMicros = undefined;
    this.#streams.begin();
    this.#groups = [];
    this.#suffixes = this.#headers = undefined;
    this.exact = false;
    this.#perBatch.clear();
    this.#lastPerBatch = undefined;
    this.#perStream.clear();
    this.#sourceFor = undefined;
    this.#own = NO_MEMBERS;
    this.#ownMade = undefined;
    this.#sideSourceAt = -1;
    return data;
  }

  /** Takes the records from number `from` on out of the batch again: what only in the end turned out to be none. */
  takeBack(from: number): BatchData {
    const { text, columns, suffixes, headers, ...data } = this.#data({ v: 0 });
    const own = { text: text.slice(), columns: batchColumns(columns.capacity, columns.buffer.slice(0)) };
    const lists = { suffixes: suffixes?.slice(), headers: headers?.slice() };
    this.rollback(from);
    return { ...data, ...own, ...lists, first: from, length: data.length - from };
  }

  #data(position: Position): BatchData {
    const { origin, lane, length, exact, bytes: text } = this;
    return {
      origin,
      lane,
      position,
      readAtMicros: this.#readAtMicros ?? this.#nowMicros(),
      layout: this.#layout,
      length,
      first: 0,
      streams: this.#streams.streams,
      text,
      side: this.#side.slice(0, this.#sideAt),
      columns: this.#columns,
      groups: this.#groups,
      suffixes: this.#suffixes,
      headers: this.#headers,
      exact,
    };
  }

  // ---- whole records ----------------------------------------------------------------------------------------------

  /** Writes record `i` of another batch again, its parts unparsed but for what is `rewritten`. */
  copyRecord(batch: Batch, data: BatchData, i: number, rewritten?: RewrittenRow): void {
    const { columns, groups, suffixes, headers, first, exact } = data;
    const n = first + i;
    const index = columns.orderIndex[n];
    const group = Number.isNaN(index) ? undefined : groups[columns.groupOf[n]];
    this.begin(batch.stream(i), batch.operation(i), columns.timeMicros[n], group, index, suffixes?.[n]);
    const flags = columns.flags[n];
    if ((flags & BARE) !== 0) this.unwrap();
    const key = batch.span(i, "key");
    if (key) this.key(key, (flags & KEY_IS_BYTES) !== 0);
    for (const part of ["before", "after"] as const) {
      const span = batch.span(i, part);
      if (!span) continue;
      if (part === "after" && rewritten) {
        rewritten.write();
        continue;
      }
      this.beginValue(part);
      this.literal(span);
      this.endValue();
    }
    const recordHeaders = headers?.[n];
    if (recordHeaders) this.headers(recordHeaders);
    if (exact) this.exact = true;
    this.snapshotMarker = markerOf(flags);
    this.#transaction = transactionOf(data, n);
    this.end(rewritten?.own ?? this.#copiedOwn(spanOf(data, n, OWN)));
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

  /** Right after `begin`: the record is written without a layout around it. */
  unwrap(): void {
    this.at = this.#columns.spans[this.length * SPAN_WIDTH + TEXT];
    this.#columns.flags[this.length] |= BARE;
    this.#frame = frameOf("plain", this.operation);
  }

  // ---- what frames ask for ----------------------------------------------------------------------------------------

  readonly #perBatch = new Map<string, Uint8Array>();
  /** The text of `#perBatch` that was asked for last: mostly the one that is asked for next. */
  #lastPerBatch:
    | { readonly name: string; readonly operation: Operation; readonly text: Uint8Array }
    | undefined;
  readonly #perStream = new Map<string, Map<Stream, Uint8Array>>();

  /** Text that is the same for all records of a batch with one operation, made once. */
  perBatch(name: string, make: (operation: Operation, readAtMicros: bigint) => Uint8Array): Uint8Array {
    const { operation } = this;
    const last = this.#lastPerBatch;
    if (last !== undefined && last.name === name && last.operation === operation) return last.text;
    const id = name + operation;
    let text = this.#perBatch.get(id);
    if (!text) this.#perBatch.set(id, text = make(operation, this.#readAt()));
    this.#lastPerBatch = { name, operation, text };
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
    if (this.#transaction !== undefined) this.#transactionMember(this.#transaction);
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
    this.#smallInteger(this.orderIndex);
  }

  // ---- details ----------------------------------------------------------------------------------------------------

  #orderGroup: string | undefined;
  #orderLast = NaN;
  #orderBytes: Uint8Array = NO_MEMBERS;

  /** The order as a JSON string. Within a group only digits change: one or two where it counts up by one. */
  #orderValue(): void {
    const index = this.orderIndex;
    if (Number.isNaN(index)) return this.literal(NO_ORDER);
    if (this.#orderGroup === this.#group && index === this.#orderLast + 1) {
      let digit = this.#orderBytes.length - 2;
      while (this.#orderBytes[digit] === 0x39) this.#orderBytes[digit--] = 0x30;
      this.#orderBytes[digit]++;
    } else if (this.#orderGroup === this.#group) {
      let rest = index;
      for (let digit = this.#orderBytes.length - 2, k = 0; k < 16; digit--, k++) {
        const tens = Math.floor(rest / 10);
        this.#orderBytes[digit] = 0x30 + (rest - tens * 10);
        rest = tens;
      }
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
    const transaction = this.#transaction;
    if (transaction !== undefined) this.#sideSourceAt = -1;
    else if (size === 0) return;
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
    spans[span + SOURCE + 1] = at + Math.max(2, size + 1);
    if (size > 0) {
      spans[span + OWN] = at + 1;
      spans[span + OWN + 1] = at + size;
    }
    if (transaction === undefined) return;
    // It follows its source, so that source is nobody else's.
    this.#swap();
    this.#transactionMember(transaction);
    this.#swap();
    this.#sideSourceAt = -1;
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

  #indexOfGroup(): number {
    if (this.#group === undefined) return 0;
    const last = this.#groups.length - 1;
    if (this.#groups[last] === this.#group) return last;
    this.#groups.push(this.#group);
    return last + 1;
  }
}

const [OPEN_BYTES, CLOSE_BYTES, COMMA_BYTES] = [OPEN, CLOSE, COMMA].map((byte) => new Uint8Array([byte]));
