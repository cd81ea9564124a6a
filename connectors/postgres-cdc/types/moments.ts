/**
 * Dates and times as the server prints them under DateStyle ISO, taken apart and put together again: for what the
 * fast writers of times.ts don't take: years before Christ and beyond 9999, other offsets, numbers instead of text.
 */
import { malformed } from "./codec.ts";

/** A date, a time or both. What the text does not have is 0, so a time has the date 1970-01-01. */
export interface Moment {
  /** Days since 1970-01-01 in the proleptic Gregorian calendar. */
  readonly days: number;
  /** Microseconds of the day; 24:00:00 is the last. */
  readonly micros: number;
  /** East of Greenwich. */
  readonly offsetSeconds: number;
}

const MINUS = 0x2d, PLUS = 0x2b, COLON = 0x3a, POINT = 0x2e, SPACE = 0x20, ZERO = 0x30;
export const DAY_MICROS = 86_400_000_000;

/** Reads fields one after the other; every mismatch is a RecordError. */
class Fields {
  constructor(
    readonly typeName: string,
    readonly source: Uint8Array,
    public at: number,
    readonly end: number,
  ) {}

  /** A number of at least `least` and at most `most` digits. */
  digits(least: number, most: number): number {
    let value = 0;
    const first = this.at;
    while (this.at < this.end && this.at - first < most) {
      const digit = this.source[this.at] - ZERO;
      if (digit >>> 0 > 9) break;
      value = value * 10 + digit;
      this.at++;
    }
    if (this.at - first < least) throw malformed(this.typeName, "digits are missing");
    return value;
  }

  byte(byte: number): void {
    if (!this.has(byte)) throw malformed(this.typeName, "it is not in ISO style");
    this.at++;
  }

  has(byte: number): boolean {
    return this.at < this.end && this.source[this.at] === byte;
  }

  /** The fraction of a second in microseconds; 0 when there is none. */
  fraction(): number {
    if (!this.has(POINT)) return 0;
    this.at++;
    const first = this.at;
    const value = this.digits(1, 6);
    return value * 10 ** (6 - (this.at - first));
  }

  /** `12:00:00.5` in microseconds. */
  time(): number {
    const hours = this.digits(2, 2);
    this.byte(COLON);
    const minutes = this.digits(2, 2);
    this.byte(COLON);
    const seconds = this.digits(2, 2);
    const micros = (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + this.fraction();
    if (minutes > 59 || seconds > 59 || micros > DAY_MICROS) throw malformed(this.typeName, "no such time");
    return micros;
  }

  /** `+02`, `-03:30`, `+00:19:32` in seconds. */
  offset(): number {
    const sign = this.has(MINUS) ? -1 : 1;
    if (sign === 1) this.byte(PLUS);
    else this.at++;
    let seconds = this.digits(2, 2) * 3600;
    if (this.has(COLON)) {
      this.at++;
      seconds += this.digits(2, 2) * 60;
      if (this.has(COLON)) {
        this.at++;
        seconds += this.digits(2, 2);
      }
    }
    return sign * seconds;
  }

  /** `2026-01-31`, whose year may have more digits; in days, as if it were after Christ. */
  date(): { year: number; month: number; day: number } {
    const year = this.digits(4, 9);
    this.byte(MINUS);
    const month = this.digits(2, 2);
    this.byte(MINUS);
    const day = this.digits(2, 2);
    if (month < 1 || month > 12 || day < 1 || day > 31) throw malformed(this.typeName, "no such date");
    return { year, month, day };
  }

  /** Whether ` BC` follows. */
  beforeChrist(): boolean {
    if (!this.has(SPACE)) return false;
    this.at++;
    this.byte(0x42);
    this.byte(0x43);
    return true;
  }

  finish(): void {
    if (this.at !== this.end) throw malformed(this.typeName, "there is more than expected");
  }
}

/** Reads a date, a timestamp or a timestamptz. */
export function readDate(
  typeName: string,
  source: Uint8Array,
  start: number,
  end: number,
  parts: { readonly time: boolean; readonly offset: boolean },
): Moment {
  const fields = new Fields(typeName, source, start, end);
  const { year, month, day } = fields.date();
  let micros = 0;
  let offsetSeconds = 0;
  if (parts.time) {
    fields.byte(SPACE);
    micros = fields.time();
    if (parts.offset) offsetSeconds = fields.offset();
  }
  const isBefore = fields.beforeChrist();
  fields.finish();
  return { days: daysOf(isBefore ? 1 - year : year, month, day), micros, offsetSeconds };
}

/** Reads a time or a timetz. */
export function readTime(
  typeName: string,
  source: Uint8Array,
  start: number,
  end: number,
  hasOffset: boolean,
): Moment {
  const fields = new Fields(typeName, source, start, end);
  const micros = fields.time();
  const offsetSeconds = hasOffset ? fields.offset() : 0;
  fields.finish();
  return { days: 0, micros, offsetSeconds };
}

/** The same instant in UTC. */
export function inUtc({ days, micros, offsetSeconds }: Moment): Moment {
  const shifted = micros - offsetSeconds * 1_000_000;
  const carry = Math.floor(shifted / DAY_MICROS);
  return { days: days + carry, micros: shifted - carry * DAY_MICROS, offsetSeconds: 0 };
}

/** `2026-01-31`; years that have not four digits as ISO 8601's expanded ones: `-0043-03-15`, `+12026-01-01`. */
export function isoDate(days: number): string {
  const { year, month, day } = dateOf(days);
  const digits = String(Math.abs(year)).padStart(4, "0");
  const sign = year < 0 ? "-" : year > 9999 ? "+" : "";
  return `${sign}${digits}-${two(month)}-${two(day)}`;
}

/** `12:00:00.5`, with no more digits than are needed. */
export function isoTime(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  const fraction = micros % 1_000_000;
  const rest = fraction === 0 ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${
    two(seconds % 60)
  }${rest}`;
}

/** `+02:00`, `-00:19:32`. */
export function isoOffset(seconds: number): string {
  const size = Math.abs(seconds);
  const rest = size % 60 === 0 ? "" : `:${two(size % 60)}`;
  return `${seconds < 0 ? "-" : "+"}${two(Math.floor(size / 3600))}:${
    two(Math.floor(size / 60) % 60)
  }${rest}`;
}

/** The time of day in UTC, from 0 to less than 24 h; 24:00:00 stays where it has no offset. */
export function utcTimeMicros({ micros, offsetSeconds }: Moment): number {
  if (offsetSeconds === 0) return micros;
  const shifted = (micros - offsetSeconds * 1_000_000) % DAY_MICROS;
  return shifted < 0 ? shifted + DAY_MICROS : shifted;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

// Days and dates: years counted from March, so that the leap day is the last; 400 years have 146097 days.

function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146097 + dayOfEra - 719468;
}

function dateOf(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
