/** A circuit breaker that makes requests wait while the server is in trouble. It drops nothing. */
import type { Clock, Logger } from "../contract.ts";

export interface BreakerOptions {
  /** So many failed requests in a row open it; 0: it never opens. */
  readonly failures: number;
  /** How long it stays open. */
  readonly resetMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Breaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #openUntilMs: number | undefined;
  /** The one request that is let through to see whether the server is back. */
  #trial: PromiseWithResolvers<void> | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Resolves when a request may be sent; `succeeded()` or `failed()` follows. Soon when `signal` is aborted. */
  async enter(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (this.#openUntilMs !== undefined && !signal.aborted) {
      const waitMs = this.#openUntilMs - clock.monotonicMs();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      else if (this.#trial) await this.#trial.promise;
      else {
        this.#trial = Promise.withResolvers();
        return;
      }
    }
  }

  succeeded(): void {
    if (this.#openUntilMs !== undefined) this.#options.log.info("The server answers again");
    this.#failures = 0;
    this.#openUntilMs = undefined;
    this.#endTrial();
  }

  failed(): void {
    const { failures, resetMs, clock, log } = this.#options;
    this.#failures++;
    if (failures > 0 && this.#failures >= failures) {
      this.#openUntilMs = clock.monotonicMs() + resetMs;
      log.warn(`${this.#failures} requests in a row failed: the next one is sent in ${resetMs / 1000} s`);
    }
    this.#endTrial();
  }

  #endTrial(): void {
    this.#trial?.resolve();
    this.#trial = undefined;
  }
}
