/** Values of any kind → times: texts of databases and of RFC 3339, patterns, numbers since 1970. */
import type { Column, Value } from "../../formats/data/value.ts";
import { compileTimePattern } from "./time_pattern.ts";
import { type DateTime, fromEpochNanos, parseDateTime } from "./times.ts";
import { inZone, localIn, type TimeZone } from "./time_zones.ts";

export type SourceUnit = "auto" | "seconds" | "millis" | "micros" | "nanos";

const NANOS = { seconds: 1_000_000_000n, millis: 1_000_000n, micros: 1000n, nanos: 1n } as const;
const DIGITS = { seconds: 0, millis: 3, micros: 6, nanos: 9 } as const;

export interface TimeReader {
  /** Undefined: the value is no time. The offset is undefined where the value has no zone. */
  read(value: Value): DateTime | undefined;
}

/** @throws {SyntaxError} when the pattern can't be understood */
export function timeReader(unit: SourceUnit, pattern: string | undefined): TimeReader {
  const compiled = pattern === undefined ? undefined : compileTimePattern(pattern);
  return {
    read(value) {
      if (typeof value === "number") return fromNumber(value, unit);
      if (typeof value === "bigint") return fromInteger(value, unit);
      if (typeof value !== "string") return undefined;
      if (compiled) return compiled.parse(value);
      // A date has its first hyphen where an integer has a digit.
      return value[4] !== "-" && /^-?\d{5,20}$/.test(value)
        ? fromInteger(BigInt(value), unit)
        : parseDateTime(value);
    },
  };
}

function fromNumber(value: number, unit: SourceUnit): DateTime | undefined {
  if (!Number.isFinite(value)) return undefined;
  if (Number.isInteger(value)) return fromInteger(BigInt(value), unit);
  const known = unit === "auto" ? unitOf(BigInt(Math.trunc(value))) : unit;
  // The digits that the number shows: 0.1 is a tenth, whatever its binary form.
  const match = /^(-?)(\d+)\.(\d+)$/.exec(String(value));
  if (!match) return undefined;
  const [, sign, whole, fraction] = match;
  const scaled = BigInt(whole + fraction) * NANOS[known] / 10n ** BigInt(fraction.length);
  return fromEpochNanos(sign === "-" ? -scaled : scaled, 9);
}

function fromInteger(value: bigint, unit: SourceUnit): DateTime {
  const known = unit === "auto" ? unitOf(value) : unit;
  return fromEpochNanos(value * NANOS[known], DIGITS[known]);
}

function unitOf(value: bigint): keyof typeof NANOS {
  const size = value < 0n ? -value : value;
  if (size < 100_000_000_000n) return "seconds";
  if (size < 100_000_000_000_000n) return "millis";
  return size < 100_000_000_000_000_000n ? "micros" : "nanos";
}

/** A time without a zone as one of `zone`: the earlier one where it was twice, behind the gap where it never was. */
export function withZone(time: DateTime, zone: TimeZone): DateTime {
  if (time.offset !== undefined) return time;
  const local = localIn(time, zone);
  const seconds = local.kind === "one" ? local.seconds : local.kind === "gap" ? local.shifted : local.earlier;
  return inZone(seconds, time, zone);
}

/** Texts that databases have for times without an end. */
export function isInfinity(value: Value): boolean {
  return typeof value === "string" && /^[+-]?infinity$/i.test(value);
}

/** How many digits after the second the values of a column can have. */
export function precisionOf(column: Column | undefined, unit: SourceUnit): number {
  switch (column?.type.kind) {
    case "timestamp":
    case "timestamptz":
      return column.type.precision;
    case "date":
      return 0;
    case "int16":
    case "int32":
    case "int64":
    case "uint64":
      return unit === "auto" ? 9 : DIGITS[unit];
    default:
      return 9;
  }
}
