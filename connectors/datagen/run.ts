/** A pass over a generated stream: where it stands, what it draws from, how it is continued. Used by source.ts. */
import { setImmediate } from "node:timers";
import { Changes } from "./changes.ts";
import type { DatagenConfig } from "./connector.ts";
import type { Pattern } from "./patterns/pattern.ts";
import { cannotContinue, changesOf, type DatagenPosition } from "./position.ts";
import { SeededRandom } from "./seeded_random.ts";
import type { Times } from "./times.ts";

/** Steps replayed between two looks at the event loop: a few milliseconds. */
const REPLAY_STEPS = 50_000;

/** One pass over the stream, from record 0 on: where it stands and what it draws from. */
export class Run {
  /** The number of the next record. */
  sequence = 0;
  readonly random: SeededRandom;
  readonly row: Float64Array;
  /** With `cdc_mode`. */
  readonly changes: Changes | undefined;
  readonly group: string;
  readonly times: Times;
  readonly #seed: string;
  readonly #attempt: number;
  readonly #changesKeys: string | undefined;

  constructor(config: DatagenConfig, pattern: Pattern, times: Times, seed: string, attempt: number) {
    this.random = new SeededRandom(BigInt(seed));
    this.row = new Float64Array(pattern.width);
    this.changes = config.cdc_mode ? new Changes(config, pattern, this.random) : undefined;
    this.group = groupOf(attempt);
    this.times = times;
    this.#seed = seed;
    this.#attempt = attempt;
    this.#changesKeys = changesOf(config);
  }

  /** After the last record written. */
  position(): DatagenPosition {
    return {
      v: 1,
      sequence: this.sequence,
      state: this.random.state,
      seed: this.#seed,
      attempt: this.#attempt,
      at: this.sequence === 0 ? 0 : this.times.at(this.sequence - 1),
      changes: this.#changesKeys,
    };
  }

  /**
   * Goes on from a position of this run. With `cdc_mode` every step so far is made again, which brings back the rows
   * that can be updated. When they were made is known only with a virtual clock; otherwise all of them get the time
   * of the position.
   */
  async continueAt(position: DatagenPosition, signal: AbortSignal): Promise<void> {
    if (!this.changes) {
      this.random.restore(position.state);
      this.sequence = position.sequence;
      return;
    }
    while (this.sequence < position.sequence && !signal.aborted) {
      const until = Math.min(this.sequence + REPLAY_STEPS, position.sequence);
      for (; this.sequence < until; this.sequence++) {
        this.changes.step(this.sequence, this.times.isVirtual ? this.times.at(this.sequence) : position.at);
      }
      await nextTurn();
    }
    if (!signal.aborted && this.random.state !== position.state) {
      throw cannotContinue("drawing the records so far again leads elsewhere");
    }
  }
}

/** The order's group of an attempt: sorts by code unit as the numbers do. 9 → "9", 10 → "a10", 100 → "b100". */
function groupOf(attempt: number): string {
  const digits = String(attempt);
  return digits.length === 1 ? digits : String.fromCharCode(0x5f + digits.length) + digits;
}

/** Lets timers, messages and signals have their turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => resolve()));
}
