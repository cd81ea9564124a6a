/** A bearer token that is fetched when it is needed, and anew before it ends. For gcs/ and azure/. */
import type { Clock } from "../contract.ts";

export interface FetchedToken {
  readonly text: string;
  /** How long it counts from now on. */
  readonly lifeMs: number;
}

/** A token is fetched anew this long before it ends: longer than a clock is wrong or a request takes. */
const RENEW_EARLY_MS = 5 * 60_000;

export class Token {
  readonly #clock: Clock;
  readonly #fetch: () => Promise<FetchedToken>;
  #current: { readonly text: string; readonly untilMs: number } | undefined;
  #fetching: Promise<string> | undefined;

  /** @param fetch asks for a new one; throws when there is none to be had */
  constructor(clock: Clock, fetch: () => Promise<FetchedToken>) {
    this.#clock = clock;
    this.#fetch = fetch;
  }

  /** One that counts. Calls at the same time share what is fetched. */
  async get(): Promise<string> {
    if (this.#current && this.#clock.monotonicMs() < this.#current.untilMs) return this.#current.text;
    this.#fetching ??= this.#renew().finally(() => this.#fetching = undefined);
    return await this.#fetching;
  }

  /** The server has refused `text`: the next is another one. */
  refused(text: string): void {
    if (this.#current?.text === text) this.#current = undefined;
  }

  async #renew(): Promise<string> {
    const { text, lifeMs } = await this.#fetch();
    // One that lives shorter than that is used for half of its life.
    const usedMs = Math.max(lifeMs - RENEW_EARLY_MS, lifeMs / 2);
    this.#current = { text, untilMs: this.#clock.monotonicMs() + usedMs };
    return text;
  }
}
