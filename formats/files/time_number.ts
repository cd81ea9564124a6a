/**
 * Dates and times as the numbers that Parquet and Avro store: days, and units of a day or since 1970. What has no such number
 * (infinite, before year 1, finer than the unit, no date at all) is a Misfit, never rounded.
 */
import { Misfit } from "./misfit.ts";

/** Digits after the second that a unit holds: microseconds or nanoseconds. */
export type TimeDigits = 6 | 9;

const DAY = { 6: 86_400_000_000n, 9: 86_400_000_000_000n } as const;
const SECOND = { 6: 1e6, 9: 1e9 } as const;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Days from 1970-01-01 to a date such as `2026-01-31` or `+12026-01-31`. */
export function dateDays(text: string): number {
  return days(text, text.length);
}

/** Units since midnight of a time such as `12:00:00.5`. */
export function timeUnits(text: string, digits: TimeDigits): bigint {
  return BigInt(clock(text, 0, text.length, digits));
}

/** Units since 1970 of `2026-01-31T12:00:00.5`, as if that clock stood in Greenwich. */
export function timestampUnits(text: string, digits: TimeDigits): bigint {
  const middle = separator(text);
  if (zoneStart(text, middle) !== text.length) throw new Misfit("it names a zone");
  return instant(days(text, middle), clock(text, middle + 1, text.length, digits), 0, digits);
}

/** Units since 1970 of `2026-01-31T12:00:00.5Z`, or with an offset such as `+02:00`. */
export function zonedTimestampUnits(text: string, digits: TimeDigits): bigint {
  const middle = separator(text);
  const zone = zoneStart(text, middle);
  if (zone === text.length) throw new Misfit("it names no zone");
  return instant(
    days(text, middle),
    clock(text, middle + 1, zone, digits),
    offsetSeconds(text, zone),
    digits,
  );
}

function instant(days: number, units: number, offset: number, digits: TimeDigits): bigint {
  const value = BigInt(days) * DAY[digits] + BigInt(units - offset * SECOND[digits]);
  if (value > INT64_MAX || value < INT64_MIN) {
    throw new Misfit("it is too far from 1970 for a column of such precision");
  }
  return value;
}

function separator(text: string): number {
  const middle = text.charCodeAt(10) === T ? 10 : text.indexOf("T");
  if (middle < 0) throw notATime(text);
  return middle;
}

const T = 84;
const MINUS = 45;
const PLUS = 43;
const COLON = 58;
const DOT = 46;
const Z = 90;

function days(text: string, end: number): number {
  const first = text.charCodeAt(0);
  const isSigned = first === MINUS || first === PLUS;
  const start = isSigned ? 1 : 0;
  const yearEnd = end - 6;
  if (
    yearEnd < start + 4 || yearEnd > start + 7 || text.charCodeAt(yearEnd) !== MINUS ||
    text.charCodeAt(yearEnd + 3) !== MINUS
  ) throw notATime(text);
  const year = number(text, start, yearEnd);
  const month = number(text, yearEnd + 1, yearEnd + 3);
  const day = number(text, yearEnd + 4, end);
  if (year < 0 || month < 0 || day < 0) throw notATime(text);
  // Calendars of readers begin with year 1; 0000-00-00 is what MySQL has for no date.
  if (first === MINUS || year === 0) throw new Misfit("it is before the year 1");
  if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) {
    throw new Misfit("there is no such day");
  }
  return daysFromCivil(year, month, day);
}

function daysOfMonth(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years that begin in March, in eras of 400. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** Units since midnight, always below 2^53. */
function clock(text: string, start: number, end: number, digits: TimeDigits): number {
  if (
    end < start + 8 || text.charCodeAt(start + 2) !== COLON || text.charCodeAt(start + 5) !== COLON ||
    (end > start + 8 && (text.charCodeAt(start + 8) !== DOT || end === start + 9))
  ) throw notATime(text);
  const hours = number(text, start, start + 2);
  const minutes = number(text, start + 3, start + 5);
  const seconds = number(text, start + 6, start + 8);
  if (hours < 0 || minutes < 0 || seconds < 0) throw notATime(text);
  if (hours > 23 || minutes > 59 || seconds > 59) throw new Misfit("it is beyond the end of a day");
  let fraction = 0;
  let at = start + 9;
  for (let digit = 0; digit < digits; digit++, at++) {
    fraction *= 10;
    if (at >= end) continue;
    const value = text.charCodeAt(at) - 48;
    if (value < 0 || value > 9) throw notATime(text);
    fraction += value;
  }
  for (; at < end; at++) {
    if (text.charCodeAt(at) !== 48) throw new Misfit("it is finer than the column's precision");
  }
  return (hours * 3600 + minutes * 60 + seconds) * SECOND[digits] + fraction;
}

/** Where the zone begins behind the `T`, or the end of the text. */
function zoneStart(text: string, middle: number): number {
  for (let at = middle + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === Z || char === PLUS || char === MINUS) return at;
  }
  return text.length;
}

/** Seconds east of Greenwich: `Z`, `+02`, `+02:00`, `-00:01:15`. */
function offsetSeconds(text: string, zone: number): number {
  const first = text.charCodeAt(zone);
  if (first === Z && text.length === zone + 1) return 0;
  const match = /^[+-](\d\d)(?::?(\d\d)(?::?(\d\d))?)?$/.exec(text.slice(zone));
  if (!match) throw notATime(text);
  const [, hours, minutes = "0", seconds = "0"] = match;
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return first === MINUS ? -size : size;
}

/** The digits from `start` to `end` as a number; −1 where something else stands among them. */
function number(text: string, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function notATime(text: string): Misfit {
  return new Misfit(/^[+-]?infinity$/i.test(text) ? "it is infinite" : "its text is of another form");
}
