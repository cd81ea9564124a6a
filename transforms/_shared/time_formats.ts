/** The forms in which transforms write dates and times, and the types of columns that hold them. */
import type { ColumnType } from "../../formats/data/value.ts";
import { compileTimePattern } from "./time_pattern.ts";
import { clockText, dateText, type DateTime, dateTimeText, epochNanos, epochSeconds } from "./times.ts";
import { inZone, timeZone } from "./time_zones.ts";

export const TIME_FORMATS = [
  "iso8601",
  "rfc3339_z",
  "epoch_secs",
  "epoch_millis",
  "epoch_micros",
  "epoch_nanos",
  "date",
  "time",
] as const;

export type TimeFormat = (typeof TIME_FORMATS)[number];

/** Other names of them. */
export const TIME_FORMAT_NAMES: Readonly<Record<string, TimeFormat>> = {
  iso: "iso8601",
  rfc3339: "iso8601",
  epoch_seconds: "epoch_secs",
  date_only: "date",
  time_only: "time",
};

export interface TimeForm {
  readonly format: TimeFormat;
  /** Instead of the format: a pattern of time_pattern.ts. */
  readonly pattern?: string;
  /** Digits after the second; left out: as many as came. */
  readonly precision?: number;
  /** Where it is shown; left out: the zone that it came with, of a time without one UTC. */
  readonly timezone?: string;
}

export interface TimeWriter {
  /** The type of what is written, for times of a precision. */
  type(precision: number): ColumnType;
  write(time: DateTime): string | bigint;
}

const UTC = timeZone("UTC");

/** @throws {SyntaxError | RangeError} when the pattern or the time zone can't be understood */
export function timeWriter({ format, pattern, precision, timezone }: TimeForm): TimeWriter {
  const zone = timezone === undefined ? undefined : timeZone(timezone);
  const shown = (time: DateTime): DateTime => {
    if (zone) return inZone(epochSeconds(time), time, zone);
    return time.offset === undefined ? { ...time, offset: 0 } : time;
  };
  if (pattern !== undefined) {
    const compiled = compileTimePattern(pattern);
    return { type: () => ({ kind: "string" }), write: (time) => compiled.format(shown(time)) };
  }
  const utc = (time: DateTime) => inZone(epochSeconds(time), time, UTC);
  const timestamp = (digits: number): ColumnType => ({ kind: "timestamptz", precision: precision ?? digits });
  switch (format) {
    case "iso8601":
      return {
        type: timestamp,
        write: (time) => dateTimeText(shown(time), { digits: precision ?? time.digits }),
      };
    case "rfc3339_z":
      return {
        type: timestamp,
        write: (time) => dateTimeText(utc(time), { digits: precision ?? time.digits, utc: "Z" }),
      };
    case "date":
      return { type: () => ({ kind: "date" }), write: (time) => dateText(shown(time).days) };
    case "time":
      return {
        type: (digits) => ({ kind: "time", precision: precision ?? digits }),
        write: (time) => {
          const { second, nanos, digits } = shown(time);
          return clockText(second, nanos, precision ?? digits);
        },
      };
    default: {
      const nanosOf = NANOS_OF[format];
      return { type: () => ({ kind: "int64" }), write: (time) => floorDiv(epochNanos(time), nanosOf) };
    }
  }
}

const NANOS_OF = {
  epoch_secs: 1_000_000_000n,
  epoch_millis: 1_000_000n,
  epoch_micros: 1000n,
  epoch_nanos: 1n,
} as const;

function floorDiv(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}
