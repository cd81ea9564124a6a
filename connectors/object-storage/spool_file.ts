/** One file while it is in memory: from its first record to the bytes of the object. */
import type { Batch, RecordError } from "../contract.ts";
import type { Compressor } from "../../formats/files/compression.ts";
import type { FileEncoder } from "../../formats/files/file_format.ts";
import { free } from "./bytes.ts";
import type { FileLayout } from "./layout.ts";

export class SpoolFile {
  readonly layout: FileLayout;
  readonly place: string;
  readonly lane: string;
  /** Orders of the first and the last record in it; undefined where the lane has none. */
  first: string | undefined;
  last: string | undefined;
  /** Records in it: not those that the format has refused. */
  records = 0;
  readonly #encoder: FileEncoder;
  readonly #compressor: Compressor;
  readonly #body: Uint8Array[] = [];
  #bodyBytes = 0;
  /** Given to the compressor since it gave anything back. */
  #waitingBytes = 0;
  /** Given to a compressor that may still need them. */
  #given: Uint8Array[] = [];
  #isEnded = false;

  /** Begins a file for records like record `i` of the batch. */
  constructor(layout: FileLayout, place: string, batch: Batch, i: number) {
    this.layout = layout;
    this.place = place;
    this.lane = batch.lane;
    this.#compressor = layout.compressor();
    this.#encoder = layout.format.begin(batch, i, (bytes) => this.#take(bytes));
  }

  /** Bytes that it holds in memory, about. */
  get heldBytes(): number {
    return this.#bodyBytes + this.#waitingBytes + (this.#isEnded ? 0 : this.#encoder.bufferedBytes);
  }

  get body(): readonly Uint8Array[] {
    return this.#body;
  }

  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  /** @returns the first record that it can't hold, because its columns are others; `to` when it holds all */
  add(
    batch: Batch,
    from: number,
    to: number,
    reject: (batch: Batch, i: number, error: RecordError) => void,
  ): number {
    let refused: Set<number> | undefined;
    const end = this.#encoder.add(batch, from, to, (i, error) => {
      (refused ??= new Set()).add(i);
      reject(batch, i, error);
    });
    // Names are made of records that are in the file: a refused one may come alone one day, as a replayed dead letter.
    let first = from;
    let last = end - 1;
    while (first <= last && refused?.has(first)) first++;
    while (last >= first && refused?.has(last)) last--;
    if (first > last) return end;
    this.records += end - from - (refused?.size ?? 0);
    this.first ??= batch.order(first);
    this.last = batch.order(last);
    return end;
  }

  /** Completes `body`. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    await this.#encoder.end();
    this.#isEnded = true;
    this.#push(this.#compressor.end());
    this.#waitingBytes = 0;
    free(this.#given);
    this.#given = [];
  }

  #take(bytes: Uint8Array): void {
    this.#waitingBytes += bytes.length;
    const ready = this.#compressor.push(bytes);
    if (this.layout.isCompressed) this.#given.push(bytes);
    if (ready.length === 0) return;
    this.#waitingBytes = 0;
    this.#push(ready);
    // It is through with all but the end of the last.
    free(this.#given.splice(0, this.#given.length - 1));
  }

  #push(pieces: readonly Uint8Array[]): void {
    for (let piece of pieces) {
      // A view of a buffer that is larger would hold all of it.
      if (piece.length < piece.buffer.byteLength * 0.9) piece = new Uint8Array(piece);
      this.#body.push(piece);
      this.#bodyBytes += piece.length;
    }
  }
}
