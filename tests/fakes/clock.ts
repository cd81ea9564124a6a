/** A clock that moves only when a test says so, or jumps over every sleep. */
import type { Clock } from "../../connectors/contract.ts";

interface Sleeper {
  readonly wakesAtMs: number;
  readonly wake: () => void;
}

/** 2026-01-31T12:00:00Z, where every fake clock starts. */
export const FAKE_START_MICROS = 1_769_860_800_000_000n;

export class FakeClock implements Clock {
  #ms = 0;
  #sleepers: Sleeper[] = [];
  /** Milliseconds of all sleeps that were asked for. */
  sleptMs = 0;
  readonly #jumps: boolean;

  /** @param jumps true: a sleep moves the clock by its own length and ends at once */
  constructor(jumps = false) {
    this.#jumps = jumps;
  }

  nowMicros(): bigint {
    return FAKE_START_MICROS + BigInt(Math.round(this.#ms * 1000));
  }

  monotonicMs(): number {
    return this.#ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleptMs += ms;
    if (signal?.aborted) return Promise.resolve();
    if (this.#jumps) {
      this.advance(ms);
      // A turn of the event loop, so that a loop around a sleep does not starve timers and aborts.
      return new Promise((resolve) => setTimeout(resolve, 0));
    }
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener("abort", wake);
        this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.wake !== wake);
        resolve();
      };
      signal?.addEventListener("abort", wake, { once: true });
      this.#sleepers.push({ wakesAtMs: this.#ms + ms, wake });
    });
  }

  /** How many sleeps have not ended. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** Moves the clock and ends the sleeps that are over. */
  advance(ms: number): void {
    this.#ms += ms;
    for (const sleeper of this.#sleepers.filter(({ wakesAtMs }) => wakesAtMs <= this.#ms)) sleeper.wake();
  }
}
