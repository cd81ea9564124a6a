/**
 * Dates and times as text ↔ as numbers, exactly: nine digits after the second, any year, offsets with seconds. Used by
 * the transforms that convert times; what databases write and what RFC 3339 allows is read.
 */

/** A point on a calendar and a clock. The zone is an offset, or nobody knows it. */
export interface DateTime {
  /** Days since 1970-01-01. */
  readonly days: number;
  /** 0 to 86399. */
  readonly second: number;
  /** 0 to 999999999. */
  readonly nanos: number;
  /** How many digits the fraction was written with. */
  readonly digits: number;
  /** Seconds east of UTC; undefined where the text has no zone. */
  readonly offset: number | undefined;
  /** The text had a date and nothing else. */
  readonly isDate: boolean;
}

const TEXT =
  /^([+-]?\d{4,})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9})\d*)?)?(?: ?(Z|z|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?))?)?( BC)?$/;

/**
 * Reads a date with or without a time: RFC 3339, ISO 8601 with `T` or a blank, PostgreSQL's `…+00` and ` BC`, years of
 * more than four digits with a sign.
 *
 * @returns undefined when it is none, or there is no such day or time
 */
export function parseDateTime(text: string): DateTime | undefined {
  return usualDateTime(text) ?? anyDateTime(text);
}

/** `2026-01-31T12:00:00.5Z`, as nearly every time is written, without a regular expression: a third of the time. */
function usualDateTime(text: string): DateTime | undefined {
  const at = (i: number) => text.charCodeAt(i);
  const between = at(10);
  if (
    at(4) !== MINUS || at(7) !== MINUS || (between !== LETTER_T && between !== BLANK) || at(13) !== COLON ||
    at(16) !== COLON
  ) return undefined;
  const hour = pair(text, 11), minute = pair(text, 14), second = pair(text, 17);
  const days = daysOf(pair(text, 0) * 100 + pair(text, 2), pair(text, 5), pair(text, 8));
  // NaN is below no limit.
  if (days === undefined || Number.isNaN(days) || !(hour < 24 && minute < 60 && second < 60)) {
    return undefined;
  }
  let end = 19, nanos = 0, digits = 0;
  if (at(end) === DOT) {
    end++;
    for (let digit = at(end) - ZERO; digit >= 0 && digit <= 9; digit = at(++end) - ZERO) {
      nanos = nanos * 10 + digit;
      digits++;
    }
    if (digits === 0 || digits > 9) return undefined;
    nanos *= 10 ** (9 - digits);
  }
  const isLocal = end === text.length;
  if (!isLocal && !(at(end) === LETTER_Z && end + 1 === text.length)) return undefined;
  return {
    days,
    second: hour * 3600 + minute * 60 + second,
    nanos,
    digits,
    offset: isLocal ? undefined : 0,
    isDate: false,
  };
}

const ZERO = 48, MINUS = 45, DOT = 46, COLON = 58, BLANK = 32, LETTER_T = 84, LETTER_Z = 90;

/** Two digits as a number; NaN where there are none. */
function pair(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO, ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}

function anyDateTime(text: string): DateTime | undefined {
  const match = TEXT.exec(text);
  if (!match) return undefined;
  const [, yearText, month, day, hour, minute, second, fraction, zone, bc] = match;
  const year = bc === undefined ? Number(yearText) : 1 - Number(yearText);
  const days = daysOf(year, Number(month), Number(day));
  if (days === undefined) return undefined;
  const isDate = hour === undefined;
  const [h, m, s] = [hour, minute, second].map((digits) => Number(digits ?? 0));
  if (h > 23 || m > 59 || s > 59) return undefined;
  const offset = zone === undefined ? undefined : parseOffset(zone);
  if (zone !== undefined && offset === undefined) return undefined;
  return {
    days,
    second: h * 3600 + m * 60 + s,
    nanos: Number((fraction ?? "").padEnd(9, "0")),
    digits: fraction?.length ?? 0,
    offset,
    isDate,
  };
}

/** `Z`, `+02`, `+0230`, `+02:30`, `-00:44:30` → seconds east of UTC; undefined when it is none. */
export function parseOffset(text: string): number | undefined {
  if (/^z$/i.test(text)) return 0;
  const match = /^([+-])(\d{2}):?(\d{2})?:?(\d{2})?$/.exec(text);
  if (!match) return undefined;
  const [, sign, hours, minutes = "0", seconds = "0"] = match;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === "-" && offset > 0 ? -offset : offset;
}

/** `+02:00`, with seconds only where there are some; `utc` stands for zero. */
export function offsetText(offset: number, utc = "+00:00", colon = ":"): string {
  if (offset === 0) return utc;
  const size = Math.abs(offset);
  const parts = [Math.floor(size / 3600), Math.floor(size / 60) % 60];
  if (size % 60 !== 0) parts.push(size % 60);
  return (offset < 0 ? "-" : "+") + parts.map((part) => two(part)).join(colon);
}

/** Days since 1970 of a day of the Gregorian calendar, whatever the year; undefined when there is no such day. */
export function daysOf(year: number, month: number, day: number): number | undefined {
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  // Counted in years that begin in March, so that the leap day is the last one.
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** The other way round: year, month and day of days since 1970. */
export function dayOf(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

/** Seconds since 1970 of the moment; a time without a zone is taken to be at `offset`. */
export function epochSeconds({ days, second, offset }: DateTime, assumed = 0): number {
  return days * 86_400 + second - (offset ?? assumed);
}

/** The moment, at an offset. */
export function atOffset(
  seconds: number,
  nanos: number,
  digits: number,
  offset: number | undefined,
): DateTime {
  const local = seconds + (offset ?? 0);
  const days = Math.floor(local / 86_400);
  return { days, second: local - days * 86_400, nanos, digits, offset, isDate: false };
}

/** Nanoseconds since 1970. */
export function epochNanos(time: DateTime): bigint {
  return BigInt(epochSeconds(time)) * 1_000_000_000n + BigInt(time.nanos);
}

/** The moment that lies so many nanoseconds after 1970, in UTC; `digits` is the precision of the number. */
export function fromEpochNanos(nanos: bigint, digits: number): DateTime {
  let seconds = nanos / 1_000_000_000n, rest = nanos % 1_000_000_000n;
  if (rest < 0n) {
    rest += 1_000_000_000n;
    seconds -= 1n;
  }
  return atOffset(Number(seconds), Number(rest), digits, 0);
}

/** `2026-01-31`; years beyond four digits, and those before year 1, with a sign. */
export function dateText(days: number): string {
  if (days === lastDays) return lastDate;
  const { year, month, day } = dayOf(days);
  lastDays = days;
  return lastDate = `${yearText(year)}-${two(month)}-${two(day)}`;
}

/** Rows that come together are often of one day. */
let lastDays: number | undefined;
let lastDate = "";

export function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, "0");
  return (year < 0 ? "-" : "+") + String(Math.abs(year)).padStart(4, "0");
}

/** `hh:mm:` by the minute of the day, each made when it is needed first. */
const MINUTES: string[] = Array(24 * 60);

/** `12:00:00.5`, with so many digits after the second; left out: as many as there were, without zeros at the end. */
export function clockText(second: number, nanos: number, digits?: number): string {
  const minutes = Math.floor(second / 60);
  MINUTES[minutes] ??= `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:`;
  const clock = MINUTES[minutes] + two(second % 60);
  const fraction = fractionText(nanos, digits);
  return fraction === "" ? clock : `${clock}.${fraction}`;
}

/** Digits after the second; without `digits` those that count, for which nothing is lost. */
export function fractionText(nanos: number, digits?: number): string {
  const text = String(nanos).padStart(9, "0");
  return digits === undefined ? text.replace(/0+$/, "") : text.slice(0, digits);
}

/** `2026-01-31T12:00:00.5+02:00`; without an offset where the time has none. */
export function dateTimeText(
  time: DateTime,
  { digits, utc }: { digits?: number; utc?: string } = {},
): string {
  const zone = time.offset === undefined ? "" : offsetText(time.offset, utc);
  return `${dateText(time.days)}T${clockText(time.second, time.nanos, digits)}${zone}`;
}

export function two(number: number): string {
  return TWO_DIGITS[number] ?? String(number);
}

const TWO_DIGITS = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0"));
