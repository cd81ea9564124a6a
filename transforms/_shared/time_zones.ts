/**
 * Time zones by name (`Europe/Berlin`, from the runtime's own time zone data) and as fixed offsets (`+02:00`): which
 * offset holds at a moment, and which moment a local time means.
 */
import { atOffset, type DateTime, parseOffset } from "./times.ts";

export interface TimeZone {
  readonly name: string;
  /** Seconds east of UTC at a moment, given in seconds since 1970. */
  offsetAt(seconds: number): number;
}

/** @throws {RangeError} when there is no such zone */
export function timeZone(name: string): TimeZone {
  if (/^(utc|gmt|z)$/i.test(name)) return { name, offsetAt: () => 0 };
  const fixed = parseOffset(name);
  if (fixed !== undefined) return { name, offsetAt: () => fixed };
  // Throws for names that there are not.
  new Intl.DateTimeFormat("en", { timeZone: name });
  return { name, offsetAt: rememberedOffsets(name) };
}

/** What is wrong with a zone's name as it stands in a file; undefined when nothing is. */
export function timeZoneProblem(name: string): string | undefined {
  try {
    timeZone(name);
  } catch {
    return `There is no time zone "${name}"`;
  }
}

/** Since 1973 offsets have changed only at whole quarters of an hour of UTC, in every zone. */
const QUARTER = 900;
const QUARTERS_FROM = 94_694_400;
const MAX_REMEMBERED = 10_000;
/** The range of Temporal.Instant, in seconds. */
const LAST_SECOND = 8_640_000_000_000;

function rememberedOffsets(name: string): (seconds: number) => number {
  const known = new Map<number, number>();
  return (seconds) => {
    const quarter = Math.floor(seconds / QUARTER);
    const isRemembered = seconds >= QUARTERS_FROM;
    const before = isRemembered ? known.get(quarter) : undefined;
    if (before !== undefined) return before;
    // Beyond what the runtime's calendar holds, the rules of its end go on.
    const inRange = Math.max(-LAST_SECOND, Math.min(LAST_SECOND, seconds));
    const zoned = Temporal.Instant.fromEpochMilliseconds(inRange * 1000).toZonedDateTimeISO(name);
    const offset = Math.round(zoned.offsetNanoseconds / 1e9);
    if (isRemembered) {
      if (known.size >= MAX_REMEMBERED) known.clear();
      known.set(quarter, offset);
    }
    return offset;
  };
}

/** The moment in another zone. */
export function inZone(seconds: number, { nanos, digits }: DateTime, zone: TimeZone): DateTime {
  return atOffset(seconds, nanos, digits, zone.offsetAt(seconds));
}

/** What a local time means in a zone. */
export type Local =
  | { readonly kind: "one"; readonly seconds: number }
  /** Clocks were put back: it was this time twice. */
  | { readonly kind: "ambiguous"; readonly earlier: number; readonly later: number }
  /** Clocks were put forward: there was no such time. `shifted`: as if they had not been, the time behind the gap. */
  | { readonly kind: "gap"; readonly shifted: number };

/** The moments, in seconds since 1970, that a time without a zone means in one. */
export function localIn({ days, second }: DateTime, zone: TimeZone): Local {
  const local = days * 86_400 + second;
  const before = zone.offsetAt(local - 86_400), after = zone.offsetAt(local + 86_400);
  const moments = [...new Set([before, after])].map((offset) => local - offset)
    .filter((moment) => moment + zone.offsetAt(moment) === local).sort((a, b) => a - b);
  if (moments.length === 1) return { kind: "one", seconds: moments[0] };
  if (moments.length === 0) return { kind: "gap", shifted: local - before };
  return { kind: "ambiguous", earlier: moments[0], later: moments[1] };
}
