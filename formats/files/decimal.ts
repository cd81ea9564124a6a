/** Decimals of Parquet: whole numbers of units, 10^-scale each, as narrow as the precision allows. */
import type { ColumnType, Value } from "../data/value.ts";
import { isNot, Misfit } from "./misfit.ts";
import type { ParquetType } from "./parquet_type.ts";

/** More digits than Arrow's decimal128, DuckDB and Iceberg hold. */
const MAX_PRECISION = 38;

/** Undefined where the type is not bounded, or wider than readers can take: text then. */
export function decimalParquet(type: ColumnType & { kind: "decimal" }): ParquetType | undefined {
  if (type.precision === undefined || type.scale === undefined) return undefined;
  // PostgreSQL has numeric(5,-2) and numeric(2,4); Parquet's scale is from 0 to the precision.
  const scale = Math.max(0, type.scale);
  const precision = Math.max(type.precision - Math.min(0, type.scale), scale, 1);
  if (precision > MAX_PRECISION) return undefined;
  const limit = 10n ** BigInt(precision);
  const physical = precision <= 9
    ? { type: "INT32" } as const
    : precision <= 18
    ? { type: "INT64" } as const
    : { type: "FIXED_LEN_BYTE_ARRAY", type_length: bytesFor(limit) } as const;
  return {
    elements: (name) => [{
      ...physical,
      name,
      repetition_type: "OPTIONAL",
      converted_type: "DECIMAL",
      precision,
      scale,
      logical_type: { type: "DECIMAL", precision, scale },
    }],
    cell(value) {
      const text = decimalText(value);
      const units = plainUnits(text, scale) ?? unscaled(text, scale);
      if (units >= limit || units <= -limit) throw new Misfit("it has more digits than the precision");
      return units;
    },
  };
}

/** Bytes of two's complement that hold every number below `limit`. */
function bytesFor(limit: bigint): number {
  let bytes = 1;
  while (1n << BigInt(bytes * 8 - 1) < limit) bytes++;
  return bytes;
}

function decimalText(value: Value): string {
  if (typeof value === "string") return value;
  // What a transform made of it.
  if (typeof value === "bigint" || typeof value === "number") return String(value);
  throw isNot(value, "the text of a decimal");
}

/** The usual `-12.50` of up to 15 digits, in one pass; undefined for whatever else. */
function plainUnits(text: string, scale: number): bigint | undefined {
  if (text.length > 17) return undefined;
  const isNegative = text.charCodeAt(0) === MINUS;
  let units = 0;
  let digits = 0;
  let point = -1;
  for (let at = isNegative ? 1 : 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === POINT && point < 0 && digits > 0) point = digits;
    else if (char >= 48 && char <= 57) {
      units = units * 10 + char - 48;
      digits++;
    } else return undefined;
  }
  const missing = scale - (point < 0 ? 0 : digits - point);
  if (digits === 0 || point === digits || missing < 0 || digits + missing > 15) return undefined;
  for (let i = 0; i < missing; i++) units *= 10;
  return BigInt(isNegative ? -units : units);
}

const MINUS = 45;
const POINT = 46;

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;

function unscaled(text: string, scale: number): bigint {
  const match = DECIMAL.exec(text);
  if (!match || (match[2] === "" && !match[3])) {
    throw new Misfit(
      /^([+-]?inf(inity)?|nan)$/i.test(text) ? "it is NaN or infinite" : "its text is no decimal",
    );
  }
  const [, sign, whole, fraction = "", exponent = "0"] = match;
  const digits = whole + fraction;
  // How many zeros behind the digits make units of them; a negative number takes digits away.
  const shift = scale - fraction.length + Number(exponent);
  if (shift < 0 && !/^0*$/.test(digits.slice(shift))) throw new Misfit("it has more digits than the scale");
  const units = shift < 0 ? digits.slice(0, shift) : digits + "0".repeat(shift);
  // Digits that a number holds are read five times as fast by way of one.
  const size = units.length <= 15 ? BigInt(Number(units)) : BigInt(units);
  return sign === "-" ? -size : size;
}
