/**
 * The `standard` envelope exactly as this program writes it, read in its bytes: most messages, ten times as fast as
 * envelope_parts.ts. What is not exactly that is left to envelope_parts.ts, which gives the same for what both can read.
 */
import { isUtf8 } from "node:buffer";
import type { Operation } from "./record.ts";
import { met, NULL, skipString, skipValue, startsWith } from "./json_scan.ts";

const utf8 = new TextEncoder();

const OPEN_BEFORE = utf8.encode('{"before":');
const AFTER = utf8.encode(',"after":');
const SOURCE = utf8.encode(',"source":{');
/** The members of `source` that stand first, with what is before each value. */
const FIRST = ['"version":', ',"connector":', ',"name":'].map((text) => utf8.encode(text));
const TIMES = [',"ts_ms":', ',"ts_us":', ',"ts_ns":'].map((text) => utf8.encode(text));
const SNAPSHOT = utf8.encode(',"snapshot":');
const DB = utf8.encode(',"db":');
const SCHEMA = utf8.encode(',"schema":');
const TABLE = utf8.encode(',"table":');
const LANE = utf8.encode(',"lane":');
const ORDER = utf8.encode(',"order":');
const ORIGIN = utf8.encode(',"origin":');
const OP = utf8.encode('},"op":"');
const OUTER_TIMES = ['","ts_ms":', ',"ts_us":', ',"ts_ns":'].map((text) => utf8.encode(text));
const OPEN_ORIGIN = utf8.encode(',"origin":{');
const QUOTED_TRUE = utf8.encode('"true"');
const QUOTED_FALSE = utf8.encode('"false"');
const CLOSE = 0x7d, COMMA = 0x2c, COLON = 0x3a, ZERO = 0x30, M = 0x6d;

const OPERATIONS = new Map<number, Operation>([
  [0x63, "insert"],
  [0x75, "update"],
  [0x64, "delete"],
  [0x72, "snapshot"],
]);

/** Reads one envelope after the other into its own fields. */
export class StandardEnvelope {
  operation: Operation = "insert";
  timeMicros = 0n;
  /** Start and end of the rows; -1: there is none. */
  before = -1;
  beforeEnd = -1;
  after = -1;
  afterEnd = -1;
  /** From `,"db":` to the end of the table's name: what says which stream it is. */
  names = 0;
  namesEnd = 0;
  /** Whether the source's connector starts with an m, as MySQL's and MariaDB's do. */
  isMySql = false;
  /** Whether a number in the rows has so many digits that only the exact parser reads it rightly. */
  isExact = false;
  /** Whether all but the rows and the order is as in the envelope before: `names` are not looked for again then. */
  isAsBefore = false;
  /** The connector's own members and the origin, as `BatchWriter.end` takes them; good until the read after the next one. */
  own: Uint8Array = new Uint8Array();

  /** `own` of the envelope before. */
  #ownBefore: Uint8Array = new Uint8Array();
  #micros = -1;
  /** Two in turn, because the writer may look at the last record's own members once more. */
  #scratch = new Uint8Array(1024);
  #otherScratch = new Uint8Array(1024);
  /** Whether the other one holds the own members of the last envelope but for the order. */
  #otherFits = false;
  readonly #last = new Tail();

  /** @returns whether it was one; if not, the fields mean nothing */
  read(json: Uint8Array): boolean {
    if (!startsWith(json, 0, OPEN_BEFORE)) return false;
    met.reset();
    let at = OPEN_BEFORE.length;
    const before = at;
    if ((at = skipValue(json, at)) < 0 || !startsWith(json, at, AFTER)) return false;
    this.before = startsWith(json, before, NULL) ? -1 : before;
    this.beforeEnd = at;
    const after = at + AFTER.length;
    if ((at = skipValue(json, after)) < 0) return false;
    this.after = startsWith(json, after, NULL) ? -1 : after;
    this.afterEnd = at;
    this.isExact = met.isExact;
    this.isAsBefore = this.#last.isAt(json, at);
    if (this.isAsBefore) {
      if (met.bits >= 0x80 && !isUtf8(json)) return false;
      this.#changeOrder(json);
      return true;
    }

    if (!startsWith(json, at, SOURCE)) return false;
    const first = at += SOURCE.length;
    for (const name of FIRST) {
      if (!startsWith(json, at, name)) return false;
      if (name === FIRST[1]) this.isMySql = json[at + name.length + 1] === M;
      if ((at = skipString(json, at + name.length)) < 0) return false;
    }
    const firstEnd = at;
    let micros = 0;
    for (const name of TIMES) {
      if (!startsWith(json, at, name)) return false;
      const digits = at + name.length;
      at = digits;
      let number = 0;
      while (json[at] >= 0x30 && json[at] <= 0x39) number = number * 10 + json[at++] - 0x30;
      if (at === digits || (json[digits] === ZERO && at > digits + 1)) return false;
      if (name === TIMES[1]) micros = number;
    }
    if (micros > Number.MAX_SAFE_INTEGER || !startsWith(json, at, SNAPSHOT)) return false;
    const snapshot = at + SNAPSHOT.length;
    if ((at = skipString(json, snapshot)) < 0 || !startsWith(json, at, DB)) return false;
    this.names = at;
    if ((at = skipString(json, at + DB.length)) < 0) return false;
    if (startsWith(json, at, SCHEMA) && (at = skipString(json, at + SCHEMA.length)) < 0) return false;
    if (!startsWith(json, at, TABLE) || (at = skipString(json, at + TABLE.length)) < 0) return false;
    this.namesEnd = at;

    const own = at;
    while (!startsWith(json, at, LANE)) {
      if (json[at] !== COMMA || startsWith(json, at, ORIGIN)) return false;
      if ((at = skipString(json, at + 1)) < 0 || json[at] !== COLON) return false;
      if ((at = skipValue(json, at + 1)) < 0) return false;
    }
    const ownEnd = at;
    if ((at = skipString(json, at + LANE.length)) < 0 || !startsWith(json, at, ORDER)) return false;
    const order = at + ORDER.length;
    if ((at = skipString(json, order)) < 0) return false;
    const laneEnd = at;

    if (!startsWith(json, at, OP)) return false;
    const operation = OPERATIONS.get(json[at += OP.length]);
    if (operation === undefined) return false;
    at++;
    for (const name of OUTER_TIMES) {
      if (!startsWith(json, at, name)) return false;
      if ((at = skipValue(json, at + name.length)) < 0) return false;
    }
    if (json[at] !== CLOSE || at + 1 !== json.length) return false;
    if (!startsWith(json, snapshot, operation === "snapshot" ? QUOTED_TRUE : QUOTED_FALSE)) return false;
    if (met.bits >= 0x80 && !isUtf8(json)) return false;

    this.operation = operation;
    if (micros !== this.#micros) {
      this.#micros = micros;
      this.timeMicros = BigInt(micros);
    }
    this.#makeOwn(json, own, ownEnd, first, firstEnd, laneEnd);
    this.#last.keep(json, this.afterEnd, order, laneEnd);
    return true;
  }

  /** The own members, and behind them `,"origin":{"version":…,"connector":…,"name":…,"lane":…,"order":…}`. */
  #makeOwn(
    json: Uint8Array,
    own: number,
    ownEnd: number,
    first: number,
    firstEnd: number,
    laneEnd: number,
  ): void {
    const size = laneEnd - own + firstEnd - first + OPEN_ORIGIN.length + 1;
    const scratch = this.#turn(size);
    this.#otherFits = false;
    let at = 0;
    const put = (bytes: Uint8Array) => {
      scratch.set(bytes, at);
      at += bytes.length;
    };
    put(json.subarray(own, ownEnd));
    put(OPEN_ORIGIN);
    put(json.subarray(first, firstEnd));
    put(json.subarray(ownEnd, laneEnd));
    scratch[at++] = CLOSE;
    this.#ownBefore = this.own;
    this.own = scratch.subarray(0, at);
  }

  /** The own members of the envelope before with another order, which stands at their end. */
  #changeOrder(json: Uint8Array): void {
    const { length } = this.own;
    const last = this.own;
    const scratch = this.#turn(length);
    if (!this.#otherFits) scratch.set(last);
    this.#otherFits = true;
    const { orderLength, tailLength } = this.#last;
    let from = json.length - tailLength;
    for (let to = length - 1 - orderLength; to < length - 1; to++) scratch[to] = json[from++];
    const before = this.#ownBefore;
    this.#ownBefore = last;
    // Scratches alternate, so mostly there is such a view already.
    this.own = before.length === length && before.buffer === scratch.buffer
      ? before
      : scratch.subarray(0, length);
  }

  /** The scratch that the record before does not have. */
  #turn(size: number): Uint8Array {
    let scratch = this.#otherScratch;
    this.#otherScratch = this.#scratch;
    if (scratch.length < size) scratch = new Uint8Array(size * 2);
    return this.#scratch = scratch;
  }
}

/** Of the frame that the message before lay in; one for all partitions, since it keeps the frame alive. */
let frame: DataView = new DataView(new ArrayBuffer(0));

/**
 * What stands behind the rows of an envelope: but for the order it is the same for all rows of a transaction, so most
 * of it is compared instead of read, four bytes at a time.
 */
class Tail {
  /** Of the order with its quotes. */
  orderLength = 0;
  /** From the order to the end. */
  tailLength = 0;
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = -1;
  #order = 0;

  keep(json: Uint8Array, start: number, order: number, orderEnd: number): void {
    this.#length = json.length - start;
    if (this.#bytes.length < this.#length) {
      this.#bytes = new Uint8Array(this.#length * 2);
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.#bytes.set(json.subarray(start));
    this.#order = order - start;
    this.orderLength = orderEnd - order;
    this.tailLength = json.length - order;
  }

  /** Whether it stands at `at`, with some order of the same length. */
  isAt(json: Uint8Array, at: number): boolean {
    if (json.length - at !== this.#length) return false;
    if (frame.buffer !== json.buffer) frame = new DataView(json.buffer);
    const orderEnd = this.#order + this.orderLength;
    const start = json.byteOffset + at;
    return this.#isSame(start, 0, this.#order) && this.#isSame(start, orderEnd, this.#length) &&
      skipString(json, at + this.#order) === at + orderEnd;
  }

  #isSame(start: number, from: number, to: number): boolean {
    const view = this.#view;
    let i = from;
    for (; i + 4 <= to; i += 4) if (frame.getInt32(start + i) !== view.getInt32(i)) return false;
    for (; i < to; i++) if (frame.getUint8(start + i) !== view.getUint8(i)) return false;
    return true;
  }
}
