/**
 * A chain of transforms at work: opened in the source's worker (worker_host.ts), run for each batch (pipeline.ts).
 * What follows from a stream alone is decided once for each stream, and a batch that concerns no transform of the
 * chain passes as it is; one that does is parsed once for the whole chain.
 */
import { type Batch, batchFromRecords } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { nthOrder } from "../../transforms/_shared/records.ts";
import type { TransformContext } from "../../transforms/contract.ts";
import { openStep, type Route, type Step } from "./chain_step.ts";
import type { PlannedStep } from "./chain_plan.ts";
import type { RecordTest } from "./predicate.ts";
import type { Rejected } from "../dead_letters/dead_letter.ts";
import { SourceRejections } from "../dead_letters/source_rejections.ts";

export interface ChainOptions {
  /** Whose chain it is, for messages: `pipeline orders`. */
  readonly of?: string;
  readonly implementations: Readonly<Record<string, () => Promise<unknown>>>;
  readonly compileCondition: (text: string) => RecordTest;
  /** What every transform gets, beside its name. */
  readonly context: Omit<TransformContext, "name">;
}

/**
 * Opens the transforms of a chain, in order.
 *
 * @throws {ConnectorError} what a transform throws, with its name; those opened before it are closed
 */
export function openChain(planned: readonly PlannedStep[], options: ChainOptions): Promise<Chain> {
  return openPart(planned, options, new SourceRejections());
}

async function openPart(
  planned: readonly PlannedStep[],
  options: ChainOptions,
  rejections: SourceRejections,
): Promise<Chain> {
  await using opened = new AsyncDisposableStack();
  const steps: Step[] = [];
  for (const one of planned) {
    const step = await openStep(one, options, rejections, (steps) => openPart(steps, options, rejections));
    steps.push(opened.use(step));
  }
  opened.move();
  return new Chain(steps, rejections);
}

/** What a chain made of a batch. */
export interface Transformed {
  readonly batch: Batch;
  /** What could not become a part of it. */
  readonly rejected: readonly Rejected[];
}

const PASS: Route = { kind: "pass" };

export class Chain implements AsyncDisposable {
  readonly #steps: readonly Step[];
  readonly #rejections: SourceRejections;
  readonly #routes = new WeakMap<Stream, Route>();

  constructor(steps: readonly Step[], rejections: SourceRejections) {
    this.#steps = steps;
    this.#rejections = rejections;
  }

  /**
   * What becomes of a batch; its position, lane, layout and time of reading stay.
   *
   * @throws {ConnectorError} what a transform throws that is no RecordError, with its name
   */
  async run(batch: Batch): Promise<Transformed> {
    return { batch: await this.#run(batch), rejected: this.#rejections.take() };
  }

  async #run(batch: Batch): Promise<Batch> {
    if (batch.length === 0) return batch;
    let kind: Route["kind"] = "pass";
    for (const stream of batch.streams) {
      const route = this.route(stream);
      if (route.kind === "parse") return await this.#runParsed(batch);
      if (route.kind === "restream") kind = "restream";
    }
    if (kind === "pass") return batch;
    return batch.withStreams((stream) => {
      const route = this.route(stream);
      return route.kind === "restream" ? route.to : stream;
    });
  }

  /** What has to be done with records of a stream. */
  route(stream: Stream): Route {
    let route = this.#routes.get(stream);
    if (!route) this.#routes.set(stream, route = this.#route(stream));
    return route;
  }

  /** The same for records that are parsed; `batch` is the one that they came in. */
  async runRecords(records: readonly DataRecord[], batch: Batch): Promise<readonly DataRecord[]> {
    let out = records;
    for (const step of this.#steps) {
      if (out.length === 0) break;
      out = await step.run(out, batch);
    }
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const step of this.#steps.toReversed()) await step[Symbol.asyncDispose]();
  }

  #route(stream: Stream): Route {
    let to = stream;
    for (const step of this.#steps) {
      const route = step.route(to);
      if (route.kind === "parse") return route;
      if (route.kind === "restream") to = route.to;
    }
    return to === stream ? PASS : { kind: "restream", to };
  }

  async #runParsed(batch: Batch): Promise<Batch> {
    const { records } = batch;
    const out = await this.runRecords(records, batch);
    const kept = keptOf(records, out);
    if (kept) return batch.select((i) => kept[i] === 1);
    const { lane, position, readAtMicros, layout, origin } = batch;
    return batchFromRecords({ lane, position, readAtMicros, layout, origin }, withOwnOrders(out));
  }
}

/**
 * Two transforms that both make several of one record give the same order twice. Where that happens all that came from
 * that record are numbered anew, which is the same in every replay.
 */
function withOwnOrders(records: readonly DataRecord[]): readonly DataRecord[] {
  let out: DataRecord[] | undefined;
  for (let i = 1; i < records.length; i++) {
    const { order } = (out ?? records)[i];
    if (order === undefined || (out ?? records)[i - 1].order! < order) continue;
    const origin = originOf(order);
    const isSame = (record: DataRecord | undefined) => record?.order?.startsWith(origin) === true;
    let start = i;
    while (isSame(records[start - 1])) start--;
    let end = i + 1;
    while (isSame(records[end])) end++;
    if (end - start < 2) continue;
    out ??= [...records];
    for (let k = start; k < end; k++) {
      out[k] = { ...records[k], order: k === start ? origin : nthOrder(origin, k - start) };
    }
    i = end - 1;
  }
  return out ?? records;
}

/** The order of the record that it came from: a group, a slash and 16 digits. */
function originOf(order: string): string {
  return order.slice(0, order.lastIndexOf("/") + 17);
}

/** Which records are left, where nothing else has happened than that some were left out; else undefined. */
function keptOf(records: readonly DataRecord[], out: readonly DataRecord[]): Uint8Array | undefined {
  if (out.length > records.length) return undefined;
  const kept = new Uint8Array(records.length);
  let k = 0;
  for (let i = 0; i < records.length && k < out.length; i++) {
    if (records[i] !== out[k]) continue;
    kept[i] = 1;
    k++;
  }
  return k === out.length ? kept : undefined;
}
