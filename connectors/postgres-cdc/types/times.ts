/**
 * date, time, timetz, timestamp, timestamptz and interval. By default their text with a T in it, written byte by byte;
 * numbers where `time_precision` asks for them. `infinity` and `-infinity` stay these words, whatever is asked for:
 * any number could be taken for a time.
 */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import { type Codec, decode, encode, malformed, spells, type ValueWriter } from "./codec.ts";
import {
  DAY_MICROS,
  inUtc,
  isoDate,
  isoOffset,
  isoTime,
  type Moment,
  readDate,
  readTime,
  utcTimeMicros,
} from "./moments.ts";
import type { TypeOptions } from "./options.ts";

const MINUS = 0x2d, PLUS = 0x2b, COLON = 0x3a, POINT = 0x2e, SPACE = 0x20, ZERO = 0x30, QUOTE = 0x22;
const T = 0x54, Z = 0x5a;

/** Units of `time_precision`, in how many make a second; the others are names of Debezium's modes. */
type Unit = "seconds" | "milliseconds" | "microseconds" | "nanoseconds";

/** Digits after the second: all that PostgreSQL has, unless the column has fewer. */
function precisionOf(typmod: number): number {
  return typmod < 0 || typmod > 6 ? 6 : typmod;
}

// ---- date -------------------------------------------------------------------------------------------------------

/** date: `2026-01-31`, or days since 1970 under every option of `time_precision` that asks for numbers. */
export function dateCodec({ time_precision }: TypeOptions): Codec {
  switch (time_precision) {
    case "iso":
      return { type: { kind: "date" }, write: writeDate };
    case "isostring":
      return {
        type: { kind: "string" },
        write: finite((out, source, start, end) => {
          out.string(`${isoDate(readDate("date", source, start, end, DATE).days)}Z`);
        }),
      };
    default:
      return {
        type: { kind: "int32" },
        write: finite((out, source, start, end) => {
          writeInteger(out, readDate("date", source, start, end, DATE).days);
        }),
      };
  }
}

const DATE = { time: false, offset: false };
const DATE_TIME = { time: true, offset: false };
const DATE_TIME_OFFSET = { time: true, offset: true };

const writeDate: ValueWriter = (out, source, start, end) => {
  if (end - start === 10 && isDate(source, start)) return out.ascii(source, start, end);
  if (isInfinity(source, start, end)) return out.ascii(source, start, end);
  out.string(isoDate(readDate("date", source, start, end, DATE).days));
};

// ---- time and timetz ----------------------------------------------------------------------------------------------

export function timeCodec(typmod: number, { time_precision }: TypeOptions): Codec {
  const precision = precisionOf(typmod);
  switch (time_precision) {
    case "iso":
      return { type: { kind: "time", precision }, write: writeTime };
    case "isostring":
      return {
        type: { kind: "timetz", precision },
        write: (out, source, start, end) => {
          out.string(`${isoTime(readTime("time", source, start, end, false).micros)}Z`);
        },
      };
    default: {
      const unit = unitOf(time_precision, precision);
      // A day has 86400000 milliseconds and more microseconds than an int32 holds.
      const kind = unit === "seconds" || unit === "milliseconds" ? "int32" : "int64";
      return {
        type: { kind },
        write: (out, source, start, end) => {
          writeUnit(out, "time", unit, readTime("time", source, start, end, false));
        },
      };
    }
  }
}

const writeTime: ValueWriter = (out, source, start, end) => {
  if (!isTime(source, start, end)) throw malformed("time", "it is not in ISO style");
  out.ascii(source, start, end);
};

/** timetz has no integer form that keeps its offset, so `time_precision` does not change it. */
export function timetzCodec(typmod: number, { timetz_handling }: TypeOptions): Codec {
  const toUtc = timetz_handling === "utc";
  return {
    type: { kind: "timetz", precision: precisionOf(typmod) },
    write: (out, source, start, end) => {
      const moment = readTime("timetz", source, start, end, true);
      out.string(
        toUtc
          ? `${isoTime(utcTimeMicros(moment))}Z`
          : `${isoTime(moment.micros)}${isoOffset(moment.offsetSeconds)}`,
      );
    },
  };
}

// ---- timestamp and timestamptz --------------------------------------------------------------------------------------

export function timestampCodec(typmod: number, { time_precision }: TypeOptions): Codec {
  const precision = precisionOf(typmod);
  const read = (source: Uint8Array, start: number, end: number) =>
    readDate("timestamp", source, start, end, DATE_TIME);
  switch (time_precision) {
    case "iso":
      return { type: { kind: "timestamp", precision }, write: writeTimestamp };
    case "isostring":
      return {
        type: { kind: "timestamptz", precision },
        write: finite((out, source, start, end) => out.string(`${isoDateTime(read(source, start, end))}Z`)),
      };
    default:
      return epochCodec("timestamp", unitOf(time_precision, precision), read);
  }
}

/** timestamptz; Debezium's modes leave it text. */
export function timestamptzCodec(typmod: number, { time_precision }: TypeOptions): Codec {
  switch (time_precision) {
    case "iso":
    case "adaptive":
    case "connect":
    case "isostring":
      return { type: { kind: "timestamptz", precision: precisionOf(typmod) }, write: writeTimestamptz };
    default:
      return epochCodec(
        "timestamptz",
        time_precision,
        (source, start, end) => readDate("timestamptz", source, start, end, DATE_TIME_OFFSET),
      );
  }
}

function epochCodec(
  typeName: string,
  unit: Unit,
  read: (source: Uint8Array, start: number, end: number) => Moment,
): Codec {
  return {
    type: { kind: "int64" },
    write: finite((out, source, start, end) => {
      writeUnit(out, typeName, unit, inUtc(read(source, start, end)));
    }),
  };
}

const writeTimestamp: ValueWriter = (out, source, start, end) => {
  if (isDate(source, start) && isTime(source, start + 11, end) && source[start + 10] === SPACE) {
    return writeWithT(out, source, start, end, false);
  }
  if (isInfinity(source, start, end)) return out.ascii(source, start, end);
  out.string(isoDateTime(readDate("timestamp", source, start, end, DATE_TIME)));
};

/** In a session with TimeZone UTC the text ends in `+00`, which is all the fast way takes. */
const writeTimestamptz: ValueWriter = (out, source, start, end) => {
  const timeEnd = end - 3;
  if (
    timeEnd >= start + 19 && source[timeEnd] === PLUS && source[timeEnd + 1] === ZERO &&
    source[timeEnd + 2] === ZERO && isDate(source, start) && source[start + 10] === SPACE &&
    isTime(source, start + 11, timeEnd)
  ) {
    return writeWithT(out, source, start, timeEnd, true);
  }
  if (isInfinity(source, start, end)) return out.ascii(source, start, end);
  out.string(`${isoDateTime(inUtc(readDate("timestamptz", source, start, end, DATE_TIME_OFFSET)))}Z`);
};

function isoDateTime({ days, micros }: Moment): string {
  return `${isoDate(days)}T${isoTime(micros)}`;
}

function writeWithT(out: BatchWriter, source: Uint8Array, start: number, end: number, withZ: boolean): void {
  out.reserve(end - start + 3);
  const { bytes } = out;
  let at = out.at;
  bytes[at++] = QUOTE;
  for (let i = start; i < end; i++) bytes[at++] = source[i];
  bytes[out.at + 11] = T;
  if (withZ) bytes[at++] = Z;
  bytes[at++] = QUOTE;
  out.at = at;
}

// ---- interval ---------------------------------------------------------------------------------------------------

/**
 * interval. Under IntervalStyle iso_8601 the server itself prints the duration, every field with its own sign:
 * `P1Y-2M3DT-4H5M6.000007S` (datetime.c, EncodeInterval).
 */
export function intervalCodec({ interval_handling }: TypeOptions): Codec {
  if (interval_handling === "numeric") {
    return {
      type: { kind: "int64" },
      write: finite((out, source, start, end) =>
        writeInteger(out, intervalMicros(decode(source, start, end)))
      ),
    };
  }
  return { type: { kind: "interval" }, write: writeInterval };
}

const FIELDS = new Uint8Array(128);
for (const letter of "PT-.YMDHS0123456789") FIELDS[letter.charCodeAt(0)] = 1;

const writeInterval: ValueWriter = (out, source, start, end) => {
  if (isInfinity(source, start, end)) return out.ascii(source, start, end);
  let isDuration = end - start > 2 && source[start] === 0x50;
  for (let i = start; i < end && isDuration; i++) isDuration = FIELDS[source[i]] === 1;
  if (!isDuration) throw malformed("interval", "it is not in IntervalStyle iso_8601");
  out.ascii(source, start, end);
};

const DURATION =
  /^P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d{1,6}))?S)?)?$/;

/** Debezium's MicroDuration: a month has 365.25 / 12 days, which is a whole number of microseconds. */
function intervalMicros(text: string): bigint {
  const match = DURATION.exec(text);
  if (!match) throw malformed("interval", "it is not in IntervalStyle iso_8601");
  const field = (i: number) => BigInt(match[i] ?? 0);
  const seconds = BigInt(`${match[7] ?? 0}${(match[8] ?? "").padEnd(6, "0")}`);
  return (field(1) * 12n + field(2)) * 2_629_800_000_000n + field(3) * BigInt(DAY_MICROS) +
    (field(4) * 60n + field(5)) * 60_000_000n + (match[6] === "-" ? -seconds : seconds);
}

// ---- shared -----------------------------------------------------------------------------------------------------

/** The unit for a column: Debezium's `adaptive` goes by its precision, `connect` always takes milliseconds. */
function unitOf(time_precision: Unit | "adaptive" | "connect", precision: number): Unit {
  if (time_precision === "connect") return "milliseconds";
  if (time_precision === "adaptive") return precision <= 3 ? "milliseconds" : "microseconds";
  return time_precision;
}

/** Microseconds in a unit; nanoseconds are counted as microseconds with three zeros. */
const UNIT_MICROS: Record<Unit, number> = {
  seconds: 1_000_000,
  milliseconds: 1000,
  microseconds: 1,
  nanoseconds: 1,
};
/** Within so many days of 1970 (until 2243) microseconds are exact in a double and nanoseconds fit in 64 bits. */
const NEAR_DAYS = 100_000;

/** Whole units since 1970, rounded down: what is finer than the unit that was asked for is left out. */
function writeUnit(out: BatchWriter, typeName: string, unit: Unit, { days, micros }: Moment): void {
  const size = UNIT_MICROS[unit];
  const ofDay = Math.floor(micros / size);
  if (days > -NEAR_DAYS && days < NEAR_DAYS) {
    writeInteger(out, days * (DAY_MICROS / size) + ofDay, unit === "nanoseconds" ? 3 : 0);
    return;
  }
  const value = BigInt(days) * BigInt(DAY_MICROS / size) + BigInt(ofDay);
  if (unit !== "nanoseconds") return writeInteger(out, value);
  const nanos = value * 1000n;
  if (BigInt.asIntN(64, nanos) !== nanos) {
    throw malformed(typeName, "64 bits can't count its nanoseconds since 1970; use a coarser time_precision");
  }
  writeInteger(out, nanos);
}

const digits = new Uint8Array(24);

/** An integer, with `zeros` more zeros behind it. */
function writeInteger(out: BatchWriter, value: number | bigint, zeros = 0): void {
  if (typeof value === "bigint") {
    const text = encode(String(value));
    return out.digits(text, 0, text.length);
  }
  let at = digits.length;
  if (value !== 0) { for (; zeros > 0; zeros--) digits[--at] = ZERO; }
  let rest = Math.abs(value);
  do {
    const tenth = Math.floor(rest / 10);
    digits[--at] = ZERO + rest - tenth * 10;
    rest = tenth;
  } while (rest > 0);
  if (value < 0) digits[--at] = MINUS;
  out.digits(digits, at, digits.length);
}

/** Takes infinity out of the way. */
function finite(write: ValueWriter): ValueWriter {
  return (out, source, start, end) => {
    if (isInfinity(source, start, end)) out.ascii(source, start, end);
    else write(out, source, start, end);
  };
}

function isInfinity(source: Uint8Array, start: number, end: number): boolean {
  return spells(source, start, end, "infinity") || spells(source, start, end, "-infinity");
}

/** Whether `2026-01-31` stands here. */
function isDate(source: Uint8Array, at: number): boolean {
  return source[at + 4] === MINUS && source[at + 7] === MINUS && isDigit(source[at]) &&
    isDigit(source[at + 1]) && isDigit(source[at + 2]) && isDigit(source[at + 3]) &&
    areTwoDigits(source, at + 5) &&
    areTwoDigits(source, at + 8);
}

/** Whether `12:00:00` with or without a fraction stands here. */
function isTime(source: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8 || source[at + 2] !== COLON || source[at + 5] !== COLON) return false;
  if (!areTwoDigits(source, at) || !areTwoDigits(source, at + 3) || !areTwoDigits(source, at + 6)) {
    return false;
  }
  if (end - at === 8) return true;
  if (end - at < 10 || source[at + 8] !== POINT) return false;
  for (let i = at + 9; i < end; i++) {
    if (!isDigit(source[i])) return false;
  }
  return true;
}

function areTwoDigits(source: Uint8Array, at: number): boolean {
  return isDigit(source[at]) && isDigit(source[at + 1]);
}

function isDigit(byte: number): boolean {
  return (byte - ZERO) >>> 0 <= 9;
}
