/** What came within a time: a set that forgets. */

/** Keys with the time at which each is forgotten; the least recently used goes first when there are too many. */
export class SeenSet {
  readonly #maxEntries: number;
  readonly #ttlMicros: bigint;
  /** In the order of use: a Map keeps the order in which keys were put in. */
  readonly #forgetAt = new Map<string, bigint>();

  constructor(maxEntries: number, ttlSeconds: number) {
    this.#maxEntries = maxEntries;
    this.#ttlMicros = BigInt(ttlSeconds) * 1_000_000n;
  }

  get size(): number {
    return this.#forgetAt.size;
  }

  /** True when the key came before. The time counts from when it came first, however often it comes again. */
  hasOrAdd(key: string, nowMicros: bigint): boolean {
    const forgetAt = this.#forgetAt.get(key);
    if (forgetAt !== undefined) {
      this.#forgetAt.delete(key);
      if (forgetAt > nowMicros) {
        this.#forgetAt.set(key, forgetAt);
        return true;
      }
    }
    if (this.#forgetAt.size >= this.#maxEntries) {
      const [oldest] = this.#forgetAt.keys();
      this.#forgetAt.delete(oldest);
    }
    this.#forgetAt.set(key, nowMicros + this.#ttlMicros);
    return false;
  }
}
