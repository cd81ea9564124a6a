/** A sink that keeps what it is given, shows what is durable, and fails when a test says so. */
import type { Batch, CheckReport, Sink } from "../../connectors/contract.ts";
import type { Json } from "../../formats/data/value.ts";

export class CollectingSink implements Sink {
  /** Lines accepted by `write`, not flushed. */
  pending: string[] = [];
  /** Lines that a `flush` has made durable. */
  readonly durable: string[] = [];
  /** `write` and `flush`, as they were called. */
  readonly steps: string[] = [];
  flushes = 0;
  isDisposed = false;
  /** Thrown by the next call of that name. */
  failNext: { write?: Error; flush?: Error } = {};

  write(batch: Batch): Promise<void> {
    this.steps.push("write");
    const { write } = this.failNext;
    if (write) {
      this.failNext = {};
      return Promise.reject(write);
    }
    // Decoded at once: the buffers are reused when `write` has resolved.
    const text = new TextDecoder().decode(batch.bytes);
    if (text !== "") this.pending.push(...text.slice(0, -1).split("\n"));
    return Promise.resolve();
  }

  flush(): Promise<Json> {
    this.steps.push("flush");
    const { flush } = this.failNext;
    if (flush) {
      this.failNext = {};
      return Promise.reject(flush);
    }
    this.durable.push(...this.pending);
    this.pending = [];
    return Promise.resolve({ flush: ++this.flushes });
  }

  check(report: CheckReport): Promise<void> {
    report({ name: "memory", status: "ok", message: "There is some" });
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    return Promise.resolve();
  }
}
