/** Bytes that come in pieces of any size and are taken in pieces of another: what readers of binary formats keep. */

export class Pieces {
  #bytes = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;

  /** How many bytes wait. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Copies them. */
  add(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) {
      const needed = this.length + bytes.length;
      const to = needed > this.#bytes.length
        ? new Uint8Array(Math.max(needed, this.#bytes.length * 2))
        : this.#bytes;
      const { length } = this;
      if (to === this.#bytes) to.copyWithin(0, this.#start, this.#end);
      else to.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = to;
      this.#start = 0;
      this.#end = length;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** The next bytes, which stay; undefined where there are not that many yet. Good until the next `add`. */
  peek(count: number): Uint8Array | undefined {
    return this.length < count ? undefined : this.#bytes.subarray(this.#start, this.#start + count);
  }

  /** The next bytes. Good until the next `add`. */
  take(count: number): Uint8Array | undefined {
    const taken = this.peek(count);
    if (taken) this.#start += count;
    return taken;
  }
}
