/** The `stdout` sink: one write a batch, loaded by its worker. What it writes to is in output.ts. */
import type { Batch, CheckReport, Sink, SinkContext } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import { AvroRows } from "./avro.ts";
import type { StdoutConfig } from "./connector.ts";
import { type Output, standardOutput } from "./output.ts";
import { type Render, renderOf } from "./render.ts";

/** Opens the sink on the standard output of this process. */
export function openSink(config: StdoutConfig, context: SinkContext): Sink {
  return new StdoutSink(config, context, standardOutput(context.clock));
}

export class StdoutSink implements Sink {
  readonly #output: Output;
  readonly #context: SinkContext;
  readonly #render: Render | undefined;
  readonly #avro: AvroRows | undefined;
  readonly #perSecond: number;
  /** When the next record may be written, by the clock that never jumps. */
  #dueMs = 0;
  readonly #closing = new AbortController();

  constructor(config: StdoutConfig, context: SinkContext, output: Output) {
    this.#output = output;
    this.#context = context;
    this.#render = renderOf(config, output.kind === "terminal");
    this.#avro = config.format.startsWith("avro") ? new AvroRows(config) : undefined;
    this.#perSecond = config.rate_limit;
  }

  async write(batch: Batch): Promise<void> {
    if (this.#perSecond === 0) return await this.#output.write(this.#text(batch, 0, batch.length));
    const step = Math.max(1, Math.floor(this.#perSecond / 10));
    for (let from = 0; from < batch.length; from += step) {
      const to = Math.min(batch.length, from + step);
      await this.#waitFor(to - from);
      await this.#output.write(this.#text(batch, from, to));
    }
  }

  /** Nothing to do: what `write` has handed to the system is out of our hands. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  check(report: CheckReport): Promise<void> {
    const { kind } = this.#output;
    report({ name: "stdout", status: "ok", message: `The standard output is a ${kind}` });
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    return Promise.resolve();
  }

  #text(batch: Batch, from: number, to: number): Uint8Array {
    if (this.#avro) {
      return this.#avro.bytes(batch, from, to, (i, error) => this.#context.reject(batch, i, error));
    }
    const render = this.#render;
    if (!render) {
      return from === 0 && to === batch.length
        ? batch.bytes
        : batch.bytes.subarray(textStart(batch, from), textStart(batch, to));
    }
    let text = "";
    for (let i = from; i < to; i++) text += render(batch, i);
    return new TextEncoder().encode(text);
  }

  async #waitFor(count: number): Promise<void> {
    const { clock } = this.#context;
    const waitMs = this.#dueMs - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, this.#closing.signal);
    if (this.#closing.signal.aborted) {
      throw new ConnectorError("Closed while records waited for `rate_limit`", { code: "transient_closed" });
    }
    this.#dueMs = Math.max(clock.monotonicMs(), this.#dueMs) + count / this.#perSecond * 1000;
  }
}

/** Where the text of record `i` starts in the batch's bytes; their end for `i = length`. */
function textStart(batch: Batch, i: number): number {
  const { bytes } = batch;
  return i === batch.length ? bytes.length : batch.span(i, "text")!.byteOffset - bytes.byteOffset;
}
