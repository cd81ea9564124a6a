/**
 * The way of a batch, in three parts: from the source into the ports (in the source's worker), from the port into
 * the sink (in the sink's worker), and the commit (on the main thread), whose order is the whole promise that
 * nothing is lost. Batches flow as WHATWG streams; a chunk is a batch.
 */
import type { BatchLimits, Clock, Progress, Sink, Source } from "../connectors/contract.ts";
import type { Batch, Position } from "../formats/data/batch.ts";
import type { Layout } from "../formats/data/envelope.ts";
import type { Stream } from "../formats/data/stream.ts";
import type { Json } from "../formats/data/value.ts";
import type { Chain, Transformed } from "./chain/chain.ts";
import type { Marks } from "./state/checkpoint.ts";
import { type PortReceiver, type PortSender } from "./data_port.ts";
import type { DeadLetter, Rejected } from "./dead_letters/dead_letter.ts";
import { reached } from "./failpoint.ts";
import type { RateLimit } from "./rate_limit.ts";
import type { Rejections } from "./dead_letters/rejections.ts";
import { rejectedFor, type SourceRejections } from "./dead_letters/source_rejections.ts";

// ---- the source's end -------------------------------------------------------------------------------------------

/** One flow as the source's worker sees it. */
export interface FlowOutput {
  readonly sender: PortSender;
  /** Undefined: every stream. */
  readonly takes: ((stream: Stream) => boolean) | undefined;
  /** The transforms of the pipeline and of its sink. */
  readonly chain?: Chain;
  readonly rate: RateLimit;
}

export interface SourceEnd {
  readonly source: Source;
  readonly from: Position | undefined;
  readonly signal: AbortSignal;
  readonly rate: RateLimit;
  readonly outputs: readonly FlowOutput[];
  /** What the source could not decode. */
  readonly rejections: SourceRejections;
  /** The source's own transforms, which all flows share. */
  readonly chain?: Chain;
  /** Called for every batch that was read, before it is sent. */
  readonly onRead: (batch: Batch) => void;
}

/** Reads the source to its end, or until the signal is aborted, and sends every batch to every flow. */
export async function runSource(end: SourceEnd): Promise<void> {
  const { source, from, signal, rate, outputs, onRead, rejections, chain } = end;
  let seq = 0;
  const limited = new TransformStream<Transformed, Transformed>({
    async transform(read, controller) {
      reached("after_read");
      onRead(read.batch);
      await rate.take(read.batch.length, signal);
      controller.enqueue(read);
    },
  });
  const fanOut = new WritableStream<Transformed>({
    async write(read) {
      seq++;
      const shared = await through(chain, read);
      const parts: Transformed[] = [];
      for (const output of outputs) parts.push(await through(output.chain, partFor(output, shared)));
      // A buffer that another part needs is copied; so all parts are written before the first one leaves.
      const buffers = parts.map(({ batch }) => batch.encoded().text.buffer);
      for (let k = 0; k < outputs.length; k++) {
        const { sender, rate } = outputs[k];
        const { batch, rejected } = parts[k];
        await rate.take(batch.length, signal);
        await sender.send(seq, batch, buffers.indexOf(buffers[k], k + 1) >= 0, rejected);
      }
    },
  });
  const batches = withRejected(source.read(from, signal), rejections);
  await ReadableStream.from(batches).pipeThrough(limited).pipeTo(fanOut);
  for (const { sender } of outputs) sender.end();
}

/** Takes what was rejected at the very moment of the batch that it belongs to. */
async function* withRejected(
  batches: AsyncIterable<Batch>,
  rejections: SourceRejections,
): AsyncIterable<Transformed> {
  for await (const batch of batches) yield { batch, rejected: rejections.take() };
}

/** Through a chain of transforms; what they reject joins what was rejected before. */
async function through(chain: Chain | undefined, { batch, rejected }: Transformed): Promise<Transformed> {
  if (!chain) return { batch, rejected };
  const made = await chain.run(batch);
  return {
    batch: made.batch,
    rejected: rejected.length === 0 ? made.rejected : [...rejected, ...made.rejected],
  };
}

/** What of a batch belongs to a flow; possibly nothing but the position. */
function partFor({ takes }: FlowOutput, { batch, rejected }: Transformed): Transformed {
  if (!takes) return { batch, rejected };
  return { batch: batch.select((i) => takes(batch.stream(i))), rejected: rejectedFor(rejected, takes) };
}

// ---- the sink's end ---------------------------------------------------------------------------------------------

/** What a flush has made durable. */
export interface Flushed {
  /** The number of the last batch it covers; 0: none yet. */
  readonly seq: number;
  readonly position: Position | undefined;
  /** Only the lanes that moved. */
  readonly marks: Marks;
  readonly saved: Json | undefined;
  readonly deadLetters: readonly DeadLetter[];
  readonly skipped: number;
  readonly records: number;
  readonly bytes: number;
  /** Commit times at the source of the oldest and the newest record; 0n: none. */
  readonly oldestMicros: bigint;
  readonly newestMicros: bigint;
  /** True when the source has ended and everything is covered. */
  readonly isLast: boolean;
}

export interface SinkEndOptions {
  readonly sink: Sink;
  readonly port: MessagePort;
  readonly makeReceiver: (port: MessagePort, arrived: () => void) => PortReceiver;
  /** Records at or below these were made durable before; they are dropped. */
  readonly marks: Marks;
  /** The source that feeds it. */
  readonly source: { readonly name: string; readonly connector: string };
  /** How far the flow stays, whatever is written; undefined: as far as what is written. */
  readonly progress?: Progress;
  readonly layout: Layout;
  readonly limits: BatchLimits;
  readonly rejections: Rejections;
  readonly clock: Clock;
  /** Called when a flush is due; `flush()` is expected to follow. */
  readonly due: (because: "idle" | "limits" | "end") => void;
}

/** How often a flow that gets no records saves that its position has moved. */
const POSITION_INTERVAL_MS = 1000;

/**
 * Takes batches from the port into the sink, one call at a time, and says when a flush is due: for cheap flushes
 * whenever no batch is waiting, so that load sizes the batches and no timer sets the latency.
 */
export class SinkEnd {
  readonly #options: SinkEndOptions;
  readonly #receiver: PortReceiver;
  #wake: (() => void) | undefined;
  #closed = false;
  #flushRequest: PromiseWithResolvers<Flushed> | undefined;

  /** Lanes in which records may still come that are durable already. */
  readonly #toDrop: Map<string, string>;
  /** Of the lanes that moved since the last flush. */
  #marks: Record<string, string> = {};
  /** Of all lanes. */
  readonly #allMarks: Record<string, string>;
  #seq = 0;
  #position: Position | undefined;
  #records = 0;
  #bytes = 0;
  #oldestMicros = 0n;
  #newestMicros = 0n;
  #unflushedSinceMs: number | undefined;
  #lastFlushMs = -Infinity;
  #dueAsked = false;
  #lastFlushed = false;

  constructor(options: SinkEndOptions) {
    this.#options = options;
    this.#toDrop = new Map(Object.entries(options.marks));
    this.#allMarks = { ...options.marks };
    this.#receiver = options.makeReceiver(options.port, () => this.#wake?.());
  }

  /** Runs until the last batch is flushed, or `close()`. Throws what the sink throws. */
  async run(): Promise<void> {
    while (!this.#closed && !this.#lastFlushed) {
      if (this.#flushRequest) await this.#flush(this.#flushRequest);
      else if (!this.#receiver.isEmpty) await this.#write();
      else await this.#idle();
    }
  }

  /** Makes durable what was accepted so far; one at a time. */
  flush(): Promise<Flushed> {
    this.#flushRequest ??= Promise.withResolvers();
    this.#wake?.();
    return this.#flushRequest.promise;
  }

  /** How far the flow is with all that was accepted, for sinks that store it with the data. */
  progress(): Progress {
    if (this.#options.progress) return this.#options.progress;
    const { name: source, connector } = this.#options.source;
    return {
      source,
      connector,
      ...(this.#position ? { position: this.#position } : {}),
      marks: { ...this.#allMarks },
    };
  }

  close(): void {
    this.#closed = true;
    this.#receiver.close();
    this.#wake?.();
  }

  async #write(): Promise<void> {
    const { sink, layout, rejections, clock, limits } = this.#options;
    const { seq, batch, rejected, release } = this.#receiver.take()!;
    for (const one of rejected) this.#reject(one, batch.lane);
    if (rejected.length > 0) rejections.check();
    const fresh = this.#withoutDurable(batch);
    if (fresh.length > 0) {
      const written = fresh.inLayout(layout);
      const { lane, length } = written;
      const order = written.order(length - 1);
      this.#bytes += written.bytes.length;
      await sink.write(written);
      reached("after_write");
      this.#records += length;
      if (order !== undefined) this.#moveMark(lane, order);
      this.#noteTime(batch);
    }
    // With its batch: what was rejected of it must not count before the rest does.
    rejections.count(fresh.length);
    this.#seq = seq;
    this.#position = batch.position;
    this.#unflushedSinceMs ??= clock.monotonicMs();
    release();
    const maxWaitMs = this.#records > 0 ? limits.maxWaitMs : POSITION_INTERVAL_MS;
    if (
      sink.isFull || this.#records + rejections.waiting >= limits.maxRecords ||
      this.#bytes >= limits.maxBytes || clock.monotonicMs() - this.#unflushedSinceMs >= maxWaitMs
    ) this.#ask("limits");
  }

  /**
   * A record that never got into its batch. Of those that a transform rejected the mark tells that they are done with:
   * they lie between the records of the batch. One that could not be decoded may lie further ahead.
   */
  #reject(rejected: Rejected, batchLane: string): void {
    const { rejections, marks } = this.#options;
    const { lane, order, stage } = rejected.letter;
    if (order !== undefined && order <= marks[lane]) return;
    rejections.add(rejected);
    if (order !== undefined && stage === "transform" && lane === batchLane) this.#moveMark(lane, order);
  }

  #moveMark(lane: string, order: string): void {
    const mark = this.#marks[lane];
    if (mark === undefined || mark < order) this.#marks[lane] = this.#allMarks[lane] = order;
  }

  /** Nothing is waiting: asks for a flush when that is due, and waits for whatever comes first. */
  async #idle(): Promise<void> {
    const { clock, limits } = this.#options;
    let waitMs: number | undefined;
    if (this.#receiver.isDone) this.#ask("end");
    else if (this.#unflushedSinceMs !== undefined && !this.#dueAsked) {
      waitMs = this.#idleDueMs(this.#unflushedSinceMs) - clock.monotonicMs();
      if (waitMs <= 0) {
        this.#ask(limits.cheap ? "idle" : "limits");
        waitMs = undefined;
      }
    }
    if (this.#flushRequest) return;
    const woken = Promise.withResolvers<void>();
    const timer = new AbortController();
    this.#wake = () => {
      timer.abort();
      woken.resolve();
    };
    if (waitMs !== undefined) clock.sleep(waitMs, timer.signal).then(woken.resolve);
    await woken.promise;
    this.#wake = undefined;
  }

  /** From when on a flush is due although no limit is reached. */
  #idleDueMs(unflushedSinceMs: number): number {
    const { cheap, minIntervalMs = 0, maxWaitMs } = this.#options.limits;
    if (this.#records === 0) return this.#lastFlushMs + POSITION_INTERVAL_MS;
    return cheap ? this.#lastFlushMs + minIntervalMs : unflushedSinceMs + maxWaitMs;
  }

  #ask(because: "idle" | "limits" | "end"): void {
    if (this.#dueAsked) return;
    this.#dueAsked = true;
    this.#options.due(because);
  }

  async #flush(request: PromiseWithResolvers<Flushed>): Promise<void> {
    const { sink, rejections, clock } = this.#options;
    // What the target then says of itself covers the rejected records as well, so they are kept before.
    if (sink.recover && rejections.waiting > 0) return this.#onlyRejected(request);
    const isLast = this.#receiver.isDone;
    reached("before_flush");
    let saved: Json | undefined;
    let rejected: ReturnType<Rejections["take"]>;
    try {
      saved = await sink.flush() ?? undefined;
      rejected = rejections.take();
    } catch (error) {
      request.promise.catch(() => {});
      request.reject(error);
      throw error;
    }
    reached("after_flush");
    const flushed: Flushed = {
      ...rejected,
      seq: this.#seq,
      position: this.#position,
      marks: this.#marks,
      saved,
      records: this.#records,
      bytes: this.#bytes,
      oldestMicros: this.#oldestMicros,
      newestMicros: this.#newestMicros,
      isLast,
    };
    this.#marks = {};
    this.#records = this.#bytes = 0;
    this.#oldestMicros = this.#newestMicros = 0n;
    this.#unflushedSinceMs = undefined;
    this.#lastFlushMs = clock.monotonicMs();
    this.#dueAsked = false;
    this.#lastFlushed = isLast;
    this.#flushRequest = undefined;
    request.resolve(flushed);
  }

  /** Answers with what was rejected and nothing else; the flush comes right after it. */
  #onlyRejected(request: PromiseWithResolvers<Flushed>): void {
    const nothing = { records: 0, bytes: 0, oldestMicros: 0n, newestMicros: 0n };
    const { rejections } = this.#options;
    request.resolve({
      ...rejections.take(),
      ...nothing,
      seq: 0,
      position: undefined,
      marks: {},
      saved: undefined,
      isLast: false,
    });
    this.#flushRequest = undefined;
    this.#dueAsked = false;
    this.#ask("limits");
  }

  /** Drops what an earlier run made durable: records at or below the lane's mark. */
  #withoutDurable(batch: Batch): Batch {
    const mark = this.#toDrop.get(batch.lane);
    if (mark === undefined || batch.length === 0) return batch;
    let low = 0;
    let high = batch.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (batch.order(middle)! <= mark) low = middle + 1;
      else high = middle;
    }
    if (low < batch.length) this.#toDrop.delete(batch.lane);
    return batch.withoutFirst(low);
  }

  #noteTime(batch: Batch): void {
    const { columns: { timeMicros }, first, length } = batch.encoded();
    if (this.#oldestMicros === 0n) this.#oldestMicros = timeMicros[first];
    const newest = timeMicros[first + length - 1];
    if (newest > this.#newestMicros) this.#newestMicros = newest;
  }
}

// ---- the commit -------------------------------------------------------------------------------------------------

/** What a commit is made of; each step is durable when it resolves. */
export interface CommitSteps {
  flush(): Promise<Flushed>;
  /** Dead letters to where they go besides the state; what is left is saved. */
  publish?(flushed: Flushed): Promise<Flushed>;
  save(flushed: Flushed): void;
  acknowledge(): Promise<void>;
}

/** The promise that nothing is lost is the order of these three steps. */
export async function commit({ flush, publish, save, acknowledge }: CommitSteps): Promise<Flushed> {
  const flushed = await flush(); // durable at the destination,
  const rest = await publish?.(flushed) ?? flushed; // what it refused durable in its topic,
  reached("before_save");
  save(rest); // then durable here, in one transaction,
  reached("after_save");
  reached("before_acknowledge");
  await acknowledge(); // and only then may the source forget it
  reached("after_acknowledge");
  return flushed;
}
