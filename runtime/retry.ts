/** When to try again: exponential backoff with jitter that forgets its past after a good period. */

export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Of each wait, how much is left to chance: 0.1 is ±10 %. */
  readonly jitter: number;
  /** Having run this long without failing, the next failure starts from `initialMs` again. */
  readonly resetAfterMs: number;
}

export const RESTART_BACKOFF: BackoffOptions = {
  initialMs: 1000,
  maxMs: 60_000,
  jitter: 0.1,
  resetAfterMs: 60_000,
};

/** Waits between attempts, doubling from `initialMs` to `maxMs`. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #failures = 0;

  constructor(options: BackoffOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** Failures since the last good period. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * How long to wait after a failure, in milliseconds.
   *
   * @param ranForMs how long the attempt had been working
   * @param askedMs how long the other side asked us to wait at least
   */
  next(ranForMs: number, askedMs = 0): number {
    const { initialMs, maxMs, jitter, resetAfterMs } = this.#options;
    if (ranForMs >= resetAfterMs) this.#failures = 0;
    const wait = Math.min(maxMs, initialMs * 2 ** this.#failures++);
    return Math.max(askedMs, Math.round(wait * (1 + jitter * (2 * this.#random() - 1))));
  }
}
