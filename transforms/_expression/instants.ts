/** Dates and times as texts → moments that compare and subtract, with all their digits. */

/** A point on the line of time (`day`), or of a day (`time`). Without a zone it counts as UTC. */
export interface Instant {
  readonly kind: "day" | "time";
  /** Since 1970, or since midnight; ±Infinity for `infinity`. */
  readonly seconds: number;
  readonly nanos: number;
}

const CLOCK = String.raw`(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,12}))?)?`;
const ZONE = String.raw`\s*(?:(Z|z)|([+-])(\d{2})(?::?(\d{2}))?(?::?(\d{2}))?)?`;
const MOMENT = new RegExp(`^([+-]?\\d{4,9})-(\\d{2})-(\\d{2})(?:[Tt ]${CLOCK})?${ZONE}$`);
const TIME = new RegExp(`^${CLOCK}${ZONE}$`);

/** Reads ISO 8601 and what databases print; undefined when the text is neither date nor time. */
export function parseInstant(text: string): Instant | undefined {
  const moment = MOMENT.exec(text);
  if (moment) {
    const [, year, month, day, ...clock] = moment;
    const days = daysSince1970(Number(year), Number(month), Number(day));
    const time = clockOf(clock);
    if (days === undefined || time === undefined) return undefined;
    return { kind: "day", seconds: days * 86_400 + time.seconds, nanos: time.nanos };
  }
  const time = TIME.exec(text);
  if (time) {
    const clock = clockOf(time.slice(1));
    return clock && { kind: "time", ...clock };
  }
  if (/^[+]?infinity$/i.test(text)) return { kind: "day", seconds: Infinity, nanos: 0 };
  if (/^-infinity$/i.test(text)) return { kind: "day", seconds: -Infinity, nanos: 0 };
}

function clockOf(
  [
    hours = "0",
    minutes = "0",
    seconds = "0",
    fraction = "",
    ,
    sign,
    zoneHours,
    zoneMinutes = "0",
    zoneSeconds = "0",
  ]: string[],
): { seconds: number; nanos: number } | undefined {
  const [h, m, s] = [Number(hours), Number(minutes), Number(seconds)];
  if (h > 24 || m > 59 || s > 60) return undefined;
  let offset = 0;
  if (sign) {
    offset = Number(zoneHours) * 3600 + Number(zoneMinutes) * 60 + Number(zoneSeconds);
    if (sign === "-") offset = -offset;
  }
  return { seconds: h * 3600 + m * 60 + s - offset, nanos: Number(fraction.padEnd(9, "0").slice(0, 9)) };
}

const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Proleptic Gregorian; undefined where the calendar has no such day. */
function daysSince1970(year: number, month: number, day: number): number | undefined {
  if (month < 1 || month > 12 || day < 1 || day > MONTH_DAYS[month - 1]) return undefined;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (month === 2 && day === 29 && !isLeap) return undefined;
  // Counted in years that start in March, 400 of them at a time.
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** −1, 0 or 1; NaN for a date and a time of day, which nothing compares. */
export function compareInstants(a: Instant, b: Instant): number {
  if (a.kind !== b.kind) return NaN;
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos === b.nanos ? 0 : a.nanos < b.nanos ? -1 : 1;
}

const UNIT_NANOS = {
  day: 86_400_000_000_000n,
  hour: 3_600_000_000_000n,
  minute: 60_000_000_000n,
  second: 1_000_000_000n,
  millisecond: 1_000_000n,
  microsecond: 1_000n,
} as const;

/** Whole units from one moment to another, cut towards zero; undefined where one is infinite or of another kind. */
export function unitsBetween(unit: keyof typeof UNIT_NANOS, from: Instant, to: Instant): bigint | undefined {
  if (from.kind !== to.kind || !Number.isFinite(from.seconds) || !Number.isFinite(to.seconds)) {
    return undefined;
  }
  const nanos = BigInt(to.seconds - from.seconds) * 1_000_000_000n + BigInt(to.nanos - from.nanos);
  return nanos / UNIT_NANOS[unit];
}

/** RFC 3339 in UTC with six digits, as timestamptz columns have it. */
export function microsText(micros: bigint): string {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = (micros - rest) / 1_000_000n;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, -5)}.${String(rest).padStart(6, "0")}Z`;
}
