/** Floats as the numbers that Parquet and Avro store. What they can't hold exactly is a Misfit, never rounded. */
import type { Value } from "../data/value.ts";
import { isNot, Misfit } from "./misfit.ts";

const SPECIALS: Readonly<Record<string, number>> = { NaN, Infinity, "-Infinity": -Infinity };

/** The number of 64 bits that a value is; what JSON has not, such as `NaN`, is a text. */
export function double(value: Value): number {
  if (typeof value === "number") return value;
  if (typeof value === "string" && Object.hasOwn(SPECIALS, value)) return SPECIALS[value];
  if (typeof value === "bigint" && BigInt(Number(value)) === value) return Number(value);
  throw isNot(value, "a number that 64 bits hold exactly");
}

/** The number of 32 bits. Sources write the shortest digits that name one, which as a float64 is another number. */
export function single(value: Value): number {
  const wide = double(value);
  const narrow = Math.fround(wide);
  if (narrow === wide || Number.isNaN(wide)) return narrow;
  for (let digits = 9; digits > 0; digits--) {
    if (Number(narrow.toPrecision(digits)) === wide) return narrow;
  }
  throw new Misfit("it is no number of 32 bits");
}
