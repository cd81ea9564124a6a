/**
 * The `rivven` layout exactly as this program writes it, read in its bytes: most messages in it, ten times as fast as
 * envelope_parts.ts. What is not exactly that is left to envelope_parts.ts, which gives the same for what both can read.
 */
import { isUtf8 } from "node:buffer";
import { microsOfText } from "./envelope_parts.ts";
import { met, NULL, skipString, skipValue, startsWith, TRUE } from "./json_scan.ts";
import type { Operation } from "./record.ts";

const utf8 = new TextEncoder();
const text = new TextDecoder();

const STREAM = utf8.encode('"stream":');
const NAMESPACE = utf8.encode(',"namespace":');
const TIMESTAMP = utf8.encode(',"timestamp":"');
const DATA = utf8.encode('Z","data":');
const OPEN_BEFORE = utf8.encode('{"before":');
const AFTER = utf8.encode(',"after":');
const METADATA = utf8.encode(',"metadata":{');
const OPEN_ORIGIN = utf8.encode(',"origin":{"name":');
const LANE = utf8.encode(',"lane":');
const ORDER = utf8.encode(',"order":');
const OPEN = 0x7b, CLOSE = 0x7d, COMMA = 0x2c, COLON = 0x3a, QUOTE = 0x22;
/** `2026-01-01T00:00:00.200311` */
const TIME_LENGTH = 26;

const HEADS = (["insert", "update", "delete", "record"] as const).map((operation) => ({
  operation,
  bytes: utf8.encode(`{"event_type":"${operation}",`),
}));

/** Members of `metadata` that the layout writes behind the connector's own, with their quotes. */
const POSITION = 0, SOURCE_LANE = 1, SOURCE = 2, SNAPSHOT = 4;
const MEMBERS = ["position", "lane", "source", "sequence", "snapshot"].map((name) =>
  utf8.encode(`"${name}"`)
);

/** Reads one envelope after the other into its own fields, as `StandardEnvelope` does. */
export class RivvenEnvelope {
  operation: Operation = "insert";
  timeMicros = 0n;
  /** Start and end of the rows; -1: there is none. */
  before = -1;
  beforeEnd = -1;
  after = -1;
  afterEnd = -1;
  /** From the name of the stream to the end of its namespace. */
  names = 0;
  namesEnd = 0;
  readonly isMySql = false;
  readonly isAsBefore = false;
  /** Whether a number in the rows has so many digits that only the exact parser reads it rightly. */
  isExact = false;
  /** The connector's own members and the origin, as `BatchWriter.end` takes them; good until the read after the next one. */
  own: Uint8Array = new Uint8Array();

  readonly #time = new Uint8Array(TIME_LENGTH);
  /** Two in turn, because the writer may look at the last record's own members once more. */
  #scratch = new Uint8Array(1024);
  #otherScratch = new Uint8Array(1024);
  /** Start and end of the values of MEMBERS; start 0: there is none. */
  readonly #members = new Int32Array(2 * MEMBERS.length);

  /** @returns whether it was one; if not, the fields mean nothing */
  read(json: Uint8Array): boolean {
    const head = HEADS.find(({ bytes }) => startsWith(json, 0, bytes));
    if (head === undefined) return false;
    met.reset();
    let at = head.bytes.length;
    this.names = at;
    if (!startsWith(json, at, STREAM) || (at = skipString(json, at + STREAM.length)) < 0) return false;
    if (!startsWith(json, at, NAMESPACE)) return false;
    at += NAMESPACE.length;
    at = json[at] === QUOTE ? skipString(json, at) : startsWith(json, at, NULL) ? at + NULL.length : -1;
    if (at < 0 || !startsWith(json, at, TIMESTAMP)) return false;
    this.namesEnd = at;
    if (!this.#readTime(json, at + TIMESTAMP.length)) return false;
    at += TIMESTAMP.length + TIME_LENGTH;
    if (!startsWith(json, at, DATA)) return false;
    at = this.#readRows(json, at + DATA.length, head.operation);
    if (at < 0 || !startsWith(json, at, METADATA)) return false;
    this.isExact = met.isExact;

    const own = at + METADATA.length;
    const ownEnd = this.#readMembers(json, own);
    if (ownEnd < 0 || (met.bits >= 0x80 && !isUtf8(json))) return false;
    const isSnapshot = this.#members[2 * SNAPSHOT] > 0;
    // Only of an insert it means that.
    if (isSnapshot && !startsWith(json, this.#members[2 * SNAPSHOT], TRUE)) return false;
    this.operation = isSnapshot && head.operation === "insert" ? "snapshot" : head.operation;
    return this.#makeOwn(json, own, ownEnd);
  }

  /** The time is when the records of a batch were read, so it is mostly the one before. */
  #readTime(json: Uint8Array, at: number): boolean {
    if (startsWith(json, at, this.#time)) return true;
    const time = json.subarray(at, at + TIME_LENGTH);
    const micros = microsOfText(`${text.decode(time)}Z`);
    if (micros === undefined || time.length < TIME_LENGTH) return false;
    this.#time.set(time);
    this.timeMicros = micros;
    return true;
  }

  /** @returns behind `data`; -1 where it is not as this layout has it */
  #readRows(json: Uint8Array, start: number, operation: Operation): number {
    this.before = this.after = -1;
    if (operation !== "update") {
      const end = skipValue(json, start);
      if (end < 0) return -1;
      if (json[start] !== OPEN) return operation !== "record" && startsWith(json, start, NULL) ? end : -1;
      if (operation === "delete") [this.before, this.beforeEnd] = [start, end];
      else [this.after, this.afterEnd] = [start, end];
      return end;
    }
    if (!startsWith(json, start, OPEN_BEFORE)) return -1;
    const before = start + OPEN_BEFORE.length;
    const beforeEnd = skipValue(json, before);
    if (beforeEnd < 0 || !startsWith(json, beforeEnd, AFTER)) return -1;
    const after = beforeEnd + AFTER.length;
    const end = skipValue(json, after);
    if (end < 0 || json[end] !== CLOSE) return -1;
    if (!startsWith(json, before, NULL)) [this.before, this.beforeEnd] = [before, beforeEnd];
    if (!startsWith(json, after, NULL)) [this.after, this.afterEnd] = [after, end];
    return end + 1;
  }

  /** The members of `metadata` to the end of the envelope. @returns where the own ones end; -1: it is none */
  #readMembers(json: Uint8Array, start: number): number {
    const members = this.#members.fill(0);
    let ownEnd = start;
    let isOwn = true;
    let at = start;
    while (json[at] !== CLOSE) {
      if (at > start && json[at++] !== COMMA) return -1;
      const name = at;
      if ((at = skipString(json, name)) < 0 || json[at] !== COLON) return -1;
      const value = at + 1;
      const known = memberAt(json, name, at);
      if ((at = skipValue(json, value)) < 0) return -1;
      if (known < 0) {
        // The own members stand together, so that they are copied in one piece.
        if (!isOwn) return -1;
        ownEnd = at;
        continue;
      }
      if (members[2 * known] > 0) return -1;
      isOwn = false;
      members[2 * known] = value;
      members[2 * known + 1] = at;
    }
    return json[at + 1] === CLOSE && at + 2 === json.length ? ownEnd : -1;
  }

  /** The own members, and behind them `,"origin":{"name":…,"lane":…,"order":…}`. */
  #makeOwn(json: Uint8Array, own: number, ownEnd: number): boolean {
    const members = this.#members;
    const hasOrigin = members[2 * POSITION] > 0;
    for (const member of [SOURCE_LANE, SOURCE]) if (members[2 * member] > 0 !== hasOrigin) return false;
    const scratch = this.#turn(json.length - own + OPEN_ORIGIN.length + LANE.length + ORDER.length + 2);
    let at = 0;
    if (ownEnd > own) {
      scratch[at++] = COMMA;
      at = copy(json, own, ownEnd, scratch, at);
    }
    if (hasOrigin) {
      at = copy(OPEN_ORIGIN, 0, OPEN_ORIGIN.length, scratch, at);
      at = copy(json, members[2 * SOURCE], members[2 * SOURCE + 1], scratch, at);
      at = copy(LANE, 0, LANE.length, scratch, at);
      at = copy(json, members[2 * SOURCE_LANE], members[2 * SOURCE_LANE + 1], scratch, at);
      at = copy(ORDER, 0, ORDER.length, scratch, at);
      at = copy(json, members[2 * POSITION], members[2 * POSITION + 1], scratch, at);
      scratch[at++] = CLOSE;
    }
    this.own = scratch.subarray(0, at);
    return true;
  }

  /** The scratch that the record before does not have. */
  #turn(size: number): Uint8Array {
    let scratch = this.#otherScratch;
    this.#otherScratch = this.#scratch;
    if (scratch.length < size) scratch = new Uint8Array(size * 2);
    return this.#scratch = scratch;
  }
}

/** Which of MEMBERS the name in [start, end) is; -1: none. */
function memberAt(json: Uint8Array, start: number, end: number): number {
  for (let member = POSITION; member <= SNAPSHOT; member++) {
    const name = MEMBERS[member];
    if (name.length === end - start && startsWith(json, start, name)) return member;
  }
  return -1;
}

/** Few bytes, for which `set(subarray)` takes longer. @returns where the copy ends */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  const shift = at - start;
  for (let i = start; i < end; i++) to[i + shift] = from[i];
  return end + shift;
}
