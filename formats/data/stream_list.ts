/** The Streams of a batch, each once: its records say which is theirs by number. batch_writer.ts fills it. */
import type { Stream } from "./stream.ts";

export class StreamList {
  /** By number. A list that was handed out is not changed any more once `begin()` was called. */
  streams: Stream[] = [];
  readonly #numbers = new Map<Stream, number>();
  #last: Stream | undefined;
  #lastNumber = 0;

  /** The number of a Stream, which is added when it is new here. Fast for the one that was asked for last. */
  numberOf(stream: Stream): number {
    if (stream === this.#last) return this.#lastNumber;
    let number = this.#numbers.get(stream);
    if (number === undefined) {
      number = this.streams.length;
      this.streams.push(stream);
      this.#numbers.set(stream, number);
    }
    this.#last = stream;
    return this.#lastNumber = number;
  }

  /** Begins the list of the next batch. */
  begin(): void {
    this.streams = [];
    this.#numbers.clear();
    this.#last = undefined;
  }
}
