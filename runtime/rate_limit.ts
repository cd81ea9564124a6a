/** A token bucket over batches: what `rate_limit` in a pipeline file means. */
import type { Clock } from "../connectors/contract.ts";

export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAtMs: number;

  /** @param perSecond records per second; 0: no limit. The bucket holds a tenth of a second. */
  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, perSecond / 10);
    this.#tokens = this.#burst;
    this.#clock = clock;
    this.#filledAtMs = clock.monotonicMs();
  }

  /**
   * Waits until `count` records may pass, or the signal is aborted. A count larger than the bucket drives it into
   * debt instead of waiting for ever: the records after it pay.
   */
  async take(count: number, signal?: AbortSignal): Promise<void> {
    if (this.#perSecond === 0 || count === 0) return;
    while (!signal?.aborted) {
      this.#fill();
      if (this.#tokens > 0) break;
      await this.#clock.sleep(Math.ceil((1 - this.#tokens) / this.#perSecond * 1000), signal);
    }
    this.#tokens -= count;
  }

  #fill(): void {
    const now = this.#clock.monotonicMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAtMs) / 1000 * this.#perSecond);
    this.#filledAtMs = now;
  }
}
