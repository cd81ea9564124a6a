/** Decimal numbers as text, exactly: for casts, which must not round through a double. */

/** unscaled × 10^−scale. */
export interface Decimal {
  readonly unscaled: bigint;
  /** Digits after the point; from 0. */
  readonly scale: number;
}

export type Rounding = "truncate" | "half_even" | "fail";

/** No database has more digits; a longer exponent would only fill memory. */
const MAX_DIGITS = 200_000;

/**
 * Reads `12`, `-1.50`, `.5`, `1e-7`.
 *
 * @returns undefined when the text is no number, or one of more than 200,000 digits
 */
export function parseDecimal(text: string): Decimal | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/.exec(text);
  if (!match) return undefined;
  const [, sign, whole, fraction = "", exponent = "0"] = match;
  if (whole === "" && fraction === "") return undefined;
  const scale = fraction.length - Number(exponent);
  if (whole.length + fraction.length + Math.abs(Number(exponent)) > MAX_DIGITS) return undefined;
  const digits = BigInt(whole + fraction) * (sign === "-" ? -1n : 1n);
  return scale >= 0 ? { unscaled: digits, scale } : { unscaled: digits * 10n ** BigInt(-scale), scale: 0 };
}

/** The number with so many digits after the point; undefined when digits other than zero would go and must not. */
export function rescale({ unscaled, scale }: Decimal, to: number, rounding: Rounding): Decimal | undefined {
  if (to >= scale) return { unscaled: unscaled * 10n ** BigInt(to - scale), scale: to };
  const unit = 10n ** BigInt(scale - to);
  const quotient = unscaled / unit, rest = unscaled % unit;
  if (rest === 0n || rounding === "truncate") return { unscaled: quotient, scale: to };
  if (rounding === "fail") return undefined;
  const twice = (rest < 0n ? -rest : rest) * 2n;
  const isUp = twice > unit || twice === unit && quotient % 2n !== 0n;
  return { unscaled: isUp ? quotient + (rest < 0n ? -1n : 1n) : quotient, scale: to };
}

/** `-1.50`: all digits after the point, zeros too. */
export function decimalText({ unscaled, scale }: Decimal): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const point = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return unscaled < 0n ? `-${text}` : text;
}
