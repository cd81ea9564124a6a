/**
 * The random numbers of generated data: xorshift64, as upstream's datagen has it, so that a seed gives the same
 * rows here and there. The state is kept in two 32-bit halves, because a BigInt per draw costs more than a row.
 * Used by patterns/ for values and by changes.ts for what happens to them.
 */

/** What seed 0 is replaced by: xorshift never leaves the state 0. */
const SEED_OF_ZERO = 0x853c49e6748fea9bn;
const TWO_32 = 4294967296;
const TWO_64 = 18446744073709551616;

/** A xorshift64 generator (Marsaglia 2003, shifts 13, 7, 17). Every draw moves the state by one step. */
export class SeededRandom {
  /** The halves of the last drawn value, which is also the state; as signed 32-bit integers. */
  high: number;
  low: number;

  /** @param seed 0 to 2⁶⁴ − 1 */
  constructor(seed: bigint) {
    const state = seed === 0n ? SEED_OF_ZERO : seed;
    this.high = Number(state >> 32n) | 0;
    this.low = Number(state & 0xffffffffn) | 0;
  }

  /** The state as 16 hex digits; `restore` takes it back. */
  get state(): string {
    return hex8(this.high) + hex8(this.low);
  }

  /** Goes on from a state that `state` gave. */
  restore(state: string): void {
    this.high = parseInt(state.slice(0, 8), 16) | 0;
    this.low = parseInt(state.slice(8), 16) | 0;
  }

  /** Draws; the value is in `high` and `low`. */
  next(): void {
    let { high, low } = this;
    high ^= high << 13 | low >>> 19;
    low ^= low << 13;
    // `low` takes bits of `high` from before this step's change.
    low ^= low >>> 7 | high << 25;
    high ^= high >>> 7;
    high ^= high << 17 | low >>> 15;
    low ^= low << 17;
    this.high = high;
    this.low = low;
  }

  /** Draws an integer from 0 to n − 1: the 64-bit value modulo n. `n` is at most 2²¹, so that doubles are exact. */
  below(n: number): number {
    this.next();
    const value = ((this.high >>> 0) % n) * TWO_32 + (this.low >>> 0);
    // The quotient may be rounded up to the next integer, never down below one.
    const rest = value - Math.floor(value / n) * n;
    return rest < 0 ? rest + n : rest;
  }

  /** Draws an integer from `from` to `to` − 1. */
  range(from: number, to: number): number {
    return from + this.below(to - from);
  }

  /** Draws a number from 0 to 1, both included: the value as a double, by 2⁶⁴. */
  fraction(): number {
    this.next();
    return ((this.high >>> 0) * TWO_32 + (this.low >>> 0)) / TWO_64;
  }

  /** Draws 1 for an even value, 0 for an odd one. */
  truth(): number {
    this.next();
    return 1 - (this.low & 1);
  }

  /** Draws an integer from `from` to `to` − 1 out of the upper 32 bits alone. */
  upperRange(from: number, to: number): number {
    this.next();
    return from + (this.high >>> 0) % (to - from);
  }
}

function hex8(half: number): string {
  return (half >>> 0).toString(16).padStart(8, "0");
}
