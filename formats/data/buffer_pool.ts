/** Memory that goes round between the two ends of a port: batch_writer.ts takes it, the runtime gives it back. */

/** A buffer that one huge record has made larger than this is not used again. */
export const MAX_KEPT_BYTES = 4 << 20;

/** Buffers of batches that have been written, for the next ones: fresh memory costs a page fault every 4 KiB. */
export class BufferPool {
  readonly #texts: ArrayBuffer[] = [];
  readonly #columns: ArrayBuffer[] = [];

  /** @param limit how many of each are kept */
  constructor(readonly limit: number = 8) {}

  give(text: ArrayBuffer, columns: ArrayBuffer): void {
    if (this.#texts.length < this.limit && text.byteLength <= MAX_KEPT_BYTES) this.#texts.push(text);
    if (this.#columns.length < this.limit) this.#columns.push(columns);
  }

  takeText(): ArrayBuffer | undefined {
    return this.#texts.pop();
  }

  takeColumns(): ArrayBuffer | undefined {
    return this.#columns.pop();
  }
}
