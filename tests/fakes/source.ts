/** A source that gives what a test scripted, and remembers what it was told. */
import type { Batch, CheckReport, Position, Source } from "../../connectors/contract.ts";

export class ScriptedSource implements Source {
  readonly #batches: readonly Batch[];
  readonly #isEndless: boolean;
  readonly acknowledged: Position[] = [];
  /** Where each `read` started. */
  readonly reads: (Position | undefined)[] = [];
  isDisposed = false;

  /** @param isEndless true: after the last batch it waits until it is told to stop, as a stream of changes does */
  constructor(batches: readonly Batch[], isEndless = false) {
    this.#batches = batches;
    this.#isEndless = isEndless;
  }

  async *read(from: Position | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    this.reads.push(from);
    const start = from === undefined
      ? 0
      : this.#batches.findIndex(({ position }) => JSON.stringify(position) === JSON.stringify(from)) + 1;
    if (from !== undefined && start === 0) throw new Error(`No batch ends at ${JSON.stringify(from)}`);
    for (const batch of this.#batches.slice(start)) {
      if (signal.aborted) return;
      yield batch;
    }
    if (this.#isEndless && !signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
  }

  acknowledge(position: Position): Promise<void> {
    this.acknowledged.push(position);
    return Promise.resolve();
  }

  check(report: CheckReport): Promise<void> {
    report({ name: "script", status: "ok", message: `${this.#batches.length} batches` });
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    return Promise.resolve();
  }
}
