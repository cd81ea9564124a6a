/**
 * Simulated changes of a table: which operation comes next, on which row. It keeps up to 10 000 rows that can be
 * updated and deleted. source.ts writes what a step leaves here; replaying the same steps restores the pool.
 */
import type { DatagenConfig } from "./connector.ts";
import { MADE_AT, OWN, SEQUENCE } from "./patterns/fields.ts";
import type { Pattern } from "./patterns/pattern.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** As many rows as upstream keeps. */
const MAX_POOL = 10_000;

export type Change = "insert" | "update" | "delete" | "snapshot";

export class Changes {
  /** The row before the last step's change, where it had one. */
  readonly before: Float64Array;
  /** The row after the last step's change, where it has one. */
  readonly after: Float64Array;

  readonly #pattern: Pattern;
  readonly #random: SeededRandom;
  readonly #partial: boolean;
  readonly #initialRows: number;
  readonly #weights: Required<DatagenConfig>["cdc_weights"];
  readonly #totalWeight: number;
  readonly #width: number;
  /** The rows of the pool, one after the other. */
  #pool: Float64Array;
  #size = 0;

  constructor(config: DatagenConfig, pattern: Pattern, random: SeededRandom) {
    this.#pattern = pattern;
    this.#random = random;
    this.#partial = config.update_mode === "partial";
    this.#initialRows = config.initial_rows;
    this.#weights = config.cdc_weights ?? DEFAULT_WEIGHTS;
    this.#totalWeight = this.#weights.insert + this.#weights.update + this.#weights.delete;
    this.#width = pattern.width;
    this.before = new Float64Array(pattern.width);
    this.after = new Float64Array(pattern.width);
    this.#pool = new Float64Array(256 * pattern.width);
  }

  /** Makes the next change. `before` and `after` hold its rows until the next step. */
  step(sequence: number, nowMicros: number): Change {
    const change = this.#choose(sequence);
    if (change === "delete") this.#delete();
    else if (change === "update") this.#update(sequence, nowMicros);
    else this.#insert(sequence, nowMicros);
    return change;
  }

  #choose(sequence: number): Change {
    if (sequence < this.#initialRows) return "snapshot";
    if (this.#size === 0) return "insert";
    const roll = this.#random.below(this.#totalWeight);
    if (roll < this.#weights.insert) return "insert";
    return roll < this.#weights.insert + this.#weights.update ? "update" : "delete";
  }

  #insert(sequence: number, nowMicros: number): void {
    const { after } = this;
    after[SEQUENCE] = sequence;
    after[MADE_AT] = nowMicros;
    this.#pattern.draw(this.#random, after, 0);
    const place = this.#size < MAX_POOL ? this.#size++ : this.#random.below(MAX_POOL);
    this.#store(place);
  }

  #update(sequence: number, nowMicros: number): void {
    const { before, after } = this;
    const place = this.#random.below(this.#size);
    this.#load(place);
    after.set(before);
    after[SEQUENCE] = sequence;
    after[MADE_AT] = nowMicros;
    const { amend, identityWidth } = this.#pattern;
    if (this.#partial && amend) amend(this.#random, after, 0);
    else {
      this.#pattern.draw(this.#random, after, 0);
      for (let i = OWN; i < OWN + identityWidth; i++) after[i] = before[i];
    }
    this.#store(place);
  }

  #delete(): void {
    const place = this.#random.below(this.#size);
    this.#load(place);
    const last = --this.#size;
    this.#pool.copyWithin(place * this.#width, last * this.#width, (last + 1) * this.#width);
  }

  #load(place: number): void {
    const from = place * this.#width;
    for (let i = 0; i < this.#width; i++) this.before[i] = this.#pool[from + i];
  }

  #store(place: number): void {
    const from = place * this.#width;
    if (from >= this.#pool.length) {
      const larger = new Float64Array(this.#pool.length * 2);
      larger.set(this.#pool);
      this.#pool = larger;
    }
    for (let i = 0; i < this.#width; i++) this.#pool[from + i] = this.after[i];
  }
}

/** The seed's split. */
export const DEFAULT_WEIGHTS = { insert: 60, update: 30, delete: 10 };
