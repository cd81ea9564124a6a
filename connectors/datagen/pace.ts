/** How many events are due when: the rate of a generated stream. source.ts asks it before each batch. */
import type { Clock } from "../contract.ts";

const TICK_MS = 10;

/**
 * A token bucket on a monotonic clock. It is filled in ticks of 10 ms, counted from the start, so a timer that fires
 * late delays events and loses none; it holds what one tick gives, so a stalled sink is not followed by a burst.
 */
export class Pace {
  readonly #clock: Clock;
  readonly #startMs: number;
  /** Hundredths of an event that a tick gives: as many as events in a second. */
  readonly #perTick: number;
  /** Hundredths of an event; the bucket starts full. */
  #tokens: number;
  #tick = 0;

  /** @param perSecond events per second, at least 1 */
  constructor(perSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#perTick = perSecond;
    this.#tokens = Math.max(perSecond, 100);
  }

  /** Waits until an event is due. Resolves with the number of events to make now; with 0 when `signal` is aborted. */
  async due(signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
      this.#fill();
      const events = Math.floor(this.#tokens / 100);
      if (events > 0) {
        this.#tokens -= events * 100;
        return events;
      }
      const ticks = Math.ceil((100 - this.#tokens) / this.#perTick);
      const atMs = this.#startMs + (this.#tick + ticks) * TICK_MS;
      await this.#clock.sleep(Math.max(0, atMs - this.#clock.monotonicMs()), signal);
    }
    return 0;
  }

  #fill(): void {
    const tick = Math.floor((this.#clock.monotonicMs() - this.#startMs) / TICK_MS);
    const filled = this.#tokens + (tick - this.#tick) * this.#perTick;
    // One tick's events, and the fraction of one that was left over: that has been earned.
    this.#tokens = Math.min(filled, this.#perTick + 99);
    this.#tick = tick;
  }
}
