/**
 * What a pattern is: which numbers make a row, how they are drawn, and which fields show them. One file per pattern
 * beside this one; patterns.ts has them by name. Upstream's rules, draw by draw: crates/rivven-connect,
 * src/connectors/datagen.rs.
 */
import type { SeededRandom } from "../seeded_random.ts";
import type { Field } from "./fields.ts";

export interface Pattern {
  /** How many numbers a row is kept as, the common ones (fields.ts: SEQUENCE, MADE_AT) included. */
  readonly width: number;
  /** How many of its own numbers, from OWN on, say which row it is; an update keeps them. */
  readonly identityWidth: number;
  /** The first one is the identity. */
  readonly fields: readonly [Field, ...Field[]];
  /** Draws a row into `row[from…]`, where the common numbers stand already. */
  draw(random: SeededRandom, row: Float64Array, from: number): void;
  /** Changes one to three fields to other values. Undefined: there is nothing to change but a whole new row. */
  readonly amend?: (random: SeededRandom, row: Float64Array, from: number) => void;
}

/** What the keys of the configuration change about a pattern. */
export interface PatternOptions {
  /** `cents`: amounts of money have cents. `upstream`: whole numbers with upstream's binary noise. */
  readonly priceMode: "cents" | "upstream";
  /** Mail addresses only in domains that nobody can own. */
  readonly safeDomains: boolean;
}

/** A number of a row that an update may replace by another one from `from` to `to` − 1. */
export interface Replaceable {
  readonly slot: number;
  readonly from: number;
  readonly to: number;
}

/** An `amend` that replaces one to three numbers, neighbours in `replaceable`. */
export function replaceSome(replaceable: readonly Replaceable[]): NonNullable<Pattern["amend"]> {
  return (random, row, from) => {
    const count = random.range(1, 4);
    const first = random.below(replaceable.length);
    for (let i = 0; i < count; i++) {
      replaceOne(random, row, from, replaceable[(first + i) % replaceable.length]);
    }
  };
}

/** Replaces one number by another one of its range, never by itself. One draw. */
export function replaceOne(
  random: SeededRandom,
  row: Float64Array,
  from: number,
  { slot, from: least, to }: Replaceable,
): void {
  const step = random.range(1, to - least);
  row[from + slot] = least + (row[from + slot] - least + step) % (to - least);
}
