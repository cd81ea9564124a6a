/** Exact numbers: compared, added and multiplied as digits, whatever mixture of number, bigint and text they come in. */

/** Digits behind the point at most, so that 1e-1000000000 can't fill the memory. */
const MAX_SCALE = 2000;

const NUMBER = /^([+-]?)(?=[\d.]*\d)0*(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/;

/** A number as `sign × 0.digits × 10^point`, digits without zeros at either end. */
interface Parts {
  /** ±1, 0 for zero; ±2 infinite; 3 not a number, which sorts last, as in PostgreSQL. */
  readonly sign: number;
  readonly point: number;
  readonly digits: string;
}

function partsOf(value: number | bigint | string): Parts | undefined {
  const text = typeof value === "string" ? value : String(value);
  const match = NUMBER.exec(text);
  if (!match) return special(text);
  const [, sign, whole, fraction = "", exponent] = match;
  let digits = whole + fraction;
  let point = whole.length;
  if (point === 0) {
    digits = digits.replace(/^0+/, "");
    point = digits.length - fraction.length;
  }
  digits = digits.replace(/0+$/, "");
  if (digits === "") return { sign: 0, point: 0, digits };
  if (exponent !== undefined) point += Number(exponent);
  return { sign: sign === "-" ? -1 : 1, point, digits };
}

function special(text: string): Parts | undefined {
  switch (text.toLowerCase()) {
    case "nan":
      return { sign: 3, point: 0, digits: "" };
    case "infinity":
    case "inf":
      return { sign: 2, point: 0, digits: "" };
    case "-infinity":
    case "-inf":
      return { sign: -2, point: 0, digits: "" };
  }
}

/** Is the text a number, NaN and the infinities included? */
export function isNumeric(text: string): boolean {
  return partsOf(text) !== undefined;
}

/** −1, 0 or 1; NaN where one of them is a text and no number. */
export function compareNumbers(a: number | bigint | string, b: number | bigint | string): number {
  // JavaScript compares number with bigint exactly; a double beyond 2^53 counts as the digits that it is shown with.
  if (
    typeof a !== "string" && typeof b !== "string" && (typeof a === typeof b || !isLarge(a) && !isLarge(b))
  ) {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (a === b) return partsOf(a) ? 0 : NaN;
  const x = partsOf(a);
  const y = partsOf(b);
  if (!x || !y) return NaN;
  if (x.sign !== y.sign) return x.sign < y.sign ? -1 : 1;
  const size = x.point !== y.point
    ? (x.point < y.point ? -1 : 1)
    : x.digits === y.digits
    ? 0
    : x.digits < y.digits
    ? -1
    : 1;
  return x.sign < 0 && size !== 0 ? -size : size;
}

function isLarge(value: number | bigint): boolean {
  return typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
}

/** `digits × 10^-scale`. */
interface Scaled {
  readonly digits: bigint;
  readonly scale: number;
}

function scaledOf(value: number | bigint | string): Scaled | undefined {
  if (typeof value === "bigint") return { digits: value, scale: 0 };
  if (typeof value === "number" && Number.isSafeInteger(value)) return { digits: BigInt(value), scale: 0 };
  const match = NUMBER.exec(String(value));
  if (!match) return undefined;
  const [, sign, whole, fraction = "", exponent = "0"] = match;
  const digits = BigInt(`${whole}${fraction}` || "0");
  const scale = fraction.length - Number(exponent);
  if (Math.abs(scale) > MAX_SCALE) return undefined;
  const signed = sign === "-" ? -digits : digits;
  return scale < 0 ? { digits: signed * 10n ** BigInt(-scale), scale: 0 } : { digits: signed, scale };
}

function textOf({ digits, scale }: Scaled): string {
  if (scale === 0) return String(digits);
  const sign = digits < 0n ? "-" : "";
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, "0");
  return `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

/**
 * Exact sum, difference or product. Of two doubles a double; where a decimal (a text) takes part, a decimal with the
 * scale that SQL gives it; otherwise an integer. Undefined where one of them is no number, or infinite.
 */
export function calculate(
  op: "+" | "-" | "*",
  a: number | bigint | string,
  b: number | bigint | string,
): number | bigint | string | undefined {
  if (isDouble(a) && typeof b === "number" || isDouble(b) && typeof a === "number") {
    const result = op === "+" ? a + b : op === "-" ? a - b : a * b;
    return Number.isFinite(result) ? result : undefined;
  }
  const x = scaledOf(a);
  const y = scaledOf(b);
  if (!x || !y) return undefined;
  const result = op === "*"
    ? { digits: x.digits * y.digits, scale: x.scale + y.scale }
    : sum(x, y, op === "-");
  if (typeof a === "string" || typeof b === "string" || result.scale > 0) return textOf(result);
  return integer(result.digits, typeof a === "bigint" || typeof b === "bigint");
}

function isDouble(value: number | bigint | string): value is number {
  return typeof value === "number" && !Number.isSafeInteger(value);
}

function sum(x: Scaled, y: Scaled, negate: boolean): Scaled {
  const scale = Math.max(x.scale, y.scale);
  const left = x.digits * 10n ** BigInt(scale - x.scale);
  const right = y.digits * 10n ** BigInt(scale - y.scale);
  return { digits: negate ? left - right : left + right, scale };
}

function integer(value: bigint, keepBig: boolean): number | bigint {
  return !keepBig && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** A decimal with `digits` behind the point, half rounded away from zero; undefined for a division by zero. */
export function divide(
  a: number | bigint | string,
  b: number | bigint | string,
  digits: number,
): string | undefined {
  const x = scaledOf(a);
  const y = scaledOf(b);
  if (!x || !y || y.digits === 0n) return undefined;
  const shift = y.scale - x.scale + digits;
  let above = shift >= 0 ? x.digits * 10n ** BigInt(shift) : x.digits;
  let below = shift < 0 ? y.digits * 10n ** BigInt(-shift) : y.digits;
  if (below < 0n) [above, below] = [-above, -below];
  const half = above < 0n ? -below : below;
  return textOf({ digits: (above * 2n + half) / (below * 2n), scale: digits });
}

/** The number without its sign, in the form that it has. */
export function absolute(value: number | bigint | string): number | bigint | string | undefined {
  if (typeof value === "number") return Math.abs(value);
  if (typeof value === "bigint") return value < 0n ? -value : value;
  return partsOf(value) ? value.replace(/^[+-]/, "") : undefined;
}
