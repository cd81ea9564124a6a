/** One value into one type, exactly or not at all: the conversions of cast, by the kind of the target. */
import { parseJson, valueText } from "../../formats/data/json_value.ts";
import type { ColumnType, Value } from "../../formats/data/value.ts";
import { type Decimal, decimalText, parseDecimal, rescale, type Rounding } from "../_shared/decimals.ts";
import { asJson } from "../_shared/json_values.ts";
import { isInfinity } from "../_shared/time_readers.ts";
import {
  clockText,
  dateText,
  type DateTime,
  dateTimeText,
  epochSeconds,
  parseDateTime,
} from "../_shared/times.ts";
import { inZone, timeZone } from "../_shared/time_zones.ts";

/** The value in the new type; undefined when it can't be had. Never asked about null. */
export type Cast = (value: Value) => Value | undefined;

export interface CastOptions {
  /** Left out: integers are cut off, decimals rounded half to even. */
  readonly rounding?: Rounding;
  /** Text that is no JSON is an error, not a JSON text of itself. */
  readonly strictJson: boolean;
}

const UTC = timeZone("UTC");
const utf8 = new TextEncoder();

/** @param bits of an integer that is narrower than its column */
export function castTo(type: ColumnType, bits: number | undefined, options: CastOptions): Cast {
  switch (type.kind) {
    case "string":
      return toText;
    case "boolean":
      return toBoolean;
    case "int16":
      return toInteger(bits ?? 16, true, options.rounding ?? "truncate", Number);
    case "int32":
      return toInteger(32, true, options.rounding ?? "truncate", Number);
    case "int64":
      return toInteger(64, true, options.rounding ?? "truncate", (value) => value);
    case "uint64":
      return toInteger(64, false, options.rounding ?? "truncate", (value) => value);
    case "float32":
      return (value) => toFloat(value, shortestFloat32);
    case "float64":
      return (value) => toFloat(value, (number) => number);
    case "decimal":
      return toDecimal(type.precision, type.scale, options.rounding ?? "half_even");
    case "bytes":
      return (value) =>
        value instanceof Uint8Array ? value : typeof value === "string" ? utf8.encode(value) : undefined;
    case "uuid":
      return toUuid;
    case "json":
      return (value) => toJson(value, options.strictJson);
    case "date":
      return (value) => isInfinity(value) ? value : fromTime(value, ({ days }) => dateText(days));
    case "time":
      return (value) => toClock(value, type.precision);
    case "timestamp":
      return (value) =>
        isInfinity(value) ? value : fromTime(value, (time) => {
          // A local time has no zone: of the others it is the one in UTC.
          const utc = time.offset === undefined ? time : inZone(epochSeconds(time), time, UTC);
          return dateTimeText({ ...utc, offset: undefined }, {
            digits: Math.min(time.digits, type.precision),
          });
        });
    case "timestamptz":
      return (value) =>
        isInfinity(value)
          ? value
          : fromTime(value, (time) =>
            dateTimeText({ ...time, offset: time.offset ?? 0 }, {
              digits: Math.min(time.digits, type.precision),
              utc: "Z",
            }));
    default:
      return () => undefined;
  }
}

function toText(value: Value): string {
  switch (typeof value) {
    case "string":
      return value;
    case "object":
      return value instanceof Uint8Array ? value.toBase64() : valueText(value);
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

const TRUE = new Set(["true", "t", "yes", "y", "on", "1"]);
const FALSE = new Set(["false", "f", "no", "n", "off", "0"]);

function toBoolean(value: Value): boolean | undefined {
  switch (typeof value) {
    case "boolean":
      return value;
    case "number":
      return value !== 0;
    case "bigint":
      return value !== 0n;
    case "string": {
      const text = value.toLowerCase();
      return TRUE.has(text) ? true : FALSE.has(text) ? false : undefined;
    }
    default:
      return undefined;
  }
}

/** Numbers and their texts, as exactly as they are written. */
function toNumber(value: Value): Decimal | undefined {
  switch (typeof value) {
    case "bigint":
      return { unscaled: value, scale: 0 };
    case "boolean":
      return { unscaled: value ? 1n : 0n, scale: 0 };
    case "number":
      if (Number.isSafeInteger(value)) return { unscaled: BigInt(value), scale: 0 };
      return Number.isFinite(value) ? parseDecimal(String(value)) : undefined;
    case "string":
      return parseDecimal(value);
    default:
      return undefined;
  }
}

function toInteger(bits: number, isSigned: boolean, rounding: Rounding, as: (value: bigint) => Value): Cast {
  const max = 2n ** BigInt(isSigned ? bits - 1 : bits) - 1n, min = isSigned ? -max - 1n : 0n;
  const minNumber = Math.max(Number(min), Number.MIN_SAFE_INTEGER);
  const maxNumber = Math.min(Number(max), Number.MAX_SAFE_INTEGER);
  const isNumber = bits <= 32;
  return (value) => {
    if (typeof value === "number" && Number.isInteger(value) && value >= minNumber && value <= maxNumber) {
      return isNumber ? value + 0 : BigInt(value);
    }
    if (typeof value === "bigint") return value >= min && value <= max ? as(value) : undefined;
    const number = toNumber(value);
    const whole = number && rescale(number, 0, rounding)?.unscaled;
    return whole === undefined || whole < min || whole > max ? undefined : as(whole);
  };
}

function toFloat(value: Value, as: (value: number) => number | undefined): Value | undefined {
  if (typeof value === "number") return as(value);
  if (typeof value === "bigint") return as(Number(value));
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "string") return undefined;
  if (isInfinity(value)) return value.startsWith("-") ? "-Infinity" : "Infinity";
  if (value.toLowerCase() === "nan") return "NaN";
  const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value);
  const number = isNumber ? Number(value) : NaN;
  return Number.isFinite(number) ? as(number) : undefined;
}

/** The double with the fewest digits that is this number as a float; undefined when it is beyond what floats hold. */
function shortestFloat32(value: number): number | undefined {
  const float = Math.fround(value);
  if (!Number.isFinite(float)) return undefined;
  if (float === value && Number.isInteger(value)) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(float.toPrecision(digits));
    if (Math.fround(short) === float) return short;
  }
  return Number(float.toPrecision(9));
}

function toDecimal(precision: number | undefined, scale: number | undefined, rounding: Rounding): Cast {
  const limit = precision === undefined ? undefined : 10n ** BigInt(precision);
  return (value) => {
    if (scale !== undefined && typeof value === "string") {
      const padded = padDecimal(value, precision!, scale);
      if (padded !== undefined) return padded;
    }
    const number = toNumber(value);
    const scaled = number && (scale === undefined ? number : rescale(number, scale, rounding));
    if (!scaled || limit !== undefined && (scaled.unscaled >= limit || scaled.unscaled <= -limit)) {
      return undefined;
    }
    return decimalText(scaled);
  };
}

const SHORT_DECIMAL = /^-?([1-9]\d*|0)(?:\.(\d+))?$/;

/** The frequent case, a plain number that fits as it is, without calculating; undefined in all other cases. */
function padDecimal(text: string, precision: number, scale: number): string | undefined {
  const match = SHORT_DECIMAL.exec(text);
  if (!match || text.startsWith("-0")) return undefined;
  const [, whole, fraction = ""] = match;
  if (fraction.length > scale || whole.length > precision - scale) return undefined;
  if (fraction.length === scale) return text;
  return (fraction === "" ? text + "." : text) + "0".repeat(scale - fraction.length);
}

const UUID = /^\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/;

function toUuid(value: Value): string | undefined {
  const text = value instanceof Uint8Array && value.length === 16 ? value.toHex() : value;
  const match = typeof text === "string" ? UUID.exec(text.toLowerCase()) : null;
  return match?.slice(1).join("-");
}

function toJson(value: Value, isStrict: boolean): Value | undefined {
  if (typeof value !== "string") return asJson(value);
  try {
    return parseJson(value, true);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return isStrict ? undefined : value;
  }
}

function fromTime(value: Value, write: (time: DateTime) => string): string | undefined {
  const time = typeof value === "string" ? parseDateTime(value) : undefined;
  return time && write(time);
}

function toClock(value: Value, precision: number): string | undefined {
  if (typeof value !== "string") return undefined;
  const time = /^\d{2}:/.test(value) ? parseDateTime(`1970-01-01T${value}`) : parseDateTime(value);
  return time && clockText(time.second, time.nanos, Math.min(time.digits, precision));
}
