/**
 * The worker's side: seals itself, loads one implementation, answers remote.ts, and runs its end of the pipeline.
 * The entry points in workers/ say which implementations there are.
 */
import type {
  CheckFinding,
  ConnectorContext,
  Sink,
  SinkModule,
  Source,
  SourceModule,
  SourceProgress,
} from "../connectors/contract.ts";
import type { Position } from "../formats/data/batch.ts";
import { BatchWriter } from "../formats/data/batch_writer.ts";
import { BufferPool } from "../formats/data/buffer_pool.ts";
import { ConnectorError, errorFromReport, reportError } from "../formats/data/errors.ts";
import { streamMatcher } from "../formats/data/stream_pattern.ts";
import type { Json } from "../formats/data/value.ts";
import { type Chain, openChain } from "./chain/chain.ts";
import { type PlannedStep, protectsAny } from "./chain/chain_plan.ts";
import { systemClock } from "./clock.ts";
import { conditionTest } from "./chain/condition.ts";
import { explainDenial, seal } from "./confinement.ts";
import { PortReceiver, PortSender } from "./data_port.ts";
import { armFailpoint } from "./failpoint.ts";
import { type FlowOutput, runSource, SinkEnd } from "./pipeline.ts";
import {
  type CallName,
  type Calls,
  type FromWorker,
  type OpenSink,
  type OpenSource,
  PROTOCOL_VERSION,
  type SourceStart,
  type ToWorker,
} from "./protocol.ts";
import { RateLimit } from "./rate_limit.ts";
import { Rejections } from "./dead_letters/rejections.ts";
import { SourceRejections } from "./dead_letters/source_rejections.ts";
import { routed } from "./topic_routing.ts";

/** How the implementations of one connector are loaded. */
export interface Implementation {
  readonly source?: () => Promise<unknown>;
  readonly sink?: () => Promise<unknown>;
}

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  close(): void;
};

/** What a worker can load. */
export interface Implementations {
  readonly connectors: Readonly<Record<string, Implementation>>;
  readonly transforms: Readonly<Record<string, () => Promise<unknown>>>;
}

/** Serves the main thread until it closes this worker. */
export function serveWorker(implementations: Implementations): void {
  const worker = new WorkerHost(implementations);
  scope.onmessage = ({ data }) => worker.receive(data);
  scope.postMessage({ kind: "ready" });
}

/** The self-test has a worker of its own. */
type Handlers = {
  [M in Exclude<CallName, "probe">]: (args: Calls[M]["args"]) => Promise<Calls[M]["result"]>;
};

class WorkerHost {
  readonly #implementations: Implementations;
  #name = "";
  #role: "source" | "sink" = "source";
  #source: Source | undefined;
  #sink: Sink | undefined;
  #end: SinkEnd | undefined;
  #open: OpenSource | OpenSink | undefined;
  #rejections: Rejections | undefined;
  readonly #sourceRejections = new SourceRejections();
  readonly #stop = new AbortController();
  readonly #pool = new BufferPool();
  readonly #senders: PortSender[] = [];
  readonly #chains: Chain[] = [];
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  /** Documents that the next microtask sends, and what is waited for then. */
  #unsent: Record<string, Json> | undefined;
  #lastPut: PromiseWithResolvers<void> | undefined;
  readonly #puts = new Map<number, PromiseWithResolvers<void>>();
  #nextPut = 0;
  #records = 0;
  #bytes = 0;
  #progress: SourceProgress | undefined;
  readonly #counters: Record<string, number> = {};
  readonly #gauges: Record<string, number> = {};

  constructor(implementations: Implementations) {
    this.#implementations = implementations;
  }

  async receive(message: ToWorker): Promise<void> {
    if (message.kind === "put_done") {
      const put = this.#puts.get(message.id);
      this.#puts.delete(message.id);
      return message.error ? put?.reject(errorFromReport(message.error)) : put?.resolve();
    }
    const { id, method, args } = message;
    try {
      const value = await (this.#handlers[method as keyof Handlers] as (args: unknown) => Promise<unknown>)(
        args,
      );
      scope.postMessage({ kind: "result", id, value });
    } catch (error) {
      scope.postMessage({ kind: "error", id, error: this.#report(error) });
    }
    if (method === "close") {
      scope.postMessage({ kind: "bye" });
      scope.close();
    }
  }

  readonly #handlers: Handlers = {
    open: async (open) => {
      if (open.protocol !== PROTOCOL_VERSION) {
        throw new Error(`Protocol ${open.protocol}, not ${PROTOCOL_VERSION}`);
      }
      armFailpoint(open.failpoint);
      this.#open = open;
      this.#name = open.name;
      this.#role = open.role;
      this.#heartbeat = setInterval(() => this.#beat(), open.heartbeatMs);
      seal();
      if (open.role === "source") await this.#openSource(open);
      else await this.#openSink(open);
    },
    check: async () => {
      const findings: CheckFinding[] = [];
      await (this.#source ?? this.#sink)!.check((finding) => findings.push(finding));
      return findings;
    },
    discover: async () => await this.#source!.discover?.() ?? [],
    recover: async () => await this.#sink!.recover?.(),
    lowest: (positions) => Promise.resolve(this.#source!.lowest?.(positions)),
    release: async () => await this.#source!.release?.(),
    startSource: (start) => this.#startSource(start),
    startSink: ({ port, marks, source, progress }) => {
      const { layout, limits } = this.#open as OpenSink;
      this.#end = new SinkEnd({
        sink: this.#sink!,
        port,
        makeReceiver: (port, arrived) => new PortReceiver(port, arrived),
        marks,
        source,
        progress,
        layout,
        limits,
        rejections: this.#rejections!,
        clock: systemClock,
        due: (because) => scope.postMessage({ kind: "due", because }),
      });
      this.#watch(this.#end.run());
      return Promise.resolve();
    },
    acknowledge: (position: Position) => this.#source!.acknowledge(position),
    flush: async () => {
      const flushed = await this.#end!.flush();
      this.#records += flushed.records;
      this.#bytes += flushed.bytes;
      return flushed;
    },
    stop: () => {
      this.#stop.abort();
      return Promise.resolve();
    },
    close: async () => {
      clearInterval(this.#heartbeat);
      this.#stop.abort();
      this.#end?.close();
      for (const sender of this.#senders) sender.close();
      for (const chain of this.#chains) await chain[Symbol.asyncDispose]();
      await (this.#source ?? this.#sink)?.[Symbol.asyncDispose]();
    },
  };

  async #openSource(open: OpenSource): Promise<void> {
    const { origin, layout, streams, routing, preview } = open;
    const { openSource } = await this.#load<SourceModule>("source", open.connector);
    const context = this.#context();
    const source = await openSource(open.config as never, {
      ...context,
      layout,
      streams,
      preview,
      batchWriter: (limits) =>
        new BatchWriter({ ...limits, origin, layout, nowMicros: systemClock.nowMicros, pool: this.#pool }),
      progress: (progress) => this.#progress = progress,
      reject: this.#sourceRejections.reject,
    });
    this.#source = routed(source, routing, { ...context, preview });
  }

  async #openSink(open: OpenSink): Promise<void> {
    const { flow, layout, saved, onError, deadLetterMaxRatio: maxRatio } = open;
    const context = this.#context();
    this.#rejections = new Rejections({ flow, onError, maxRatio }, context.log);
    const { reject } = this.#rejections;
    const { openSink } = await this.#load<SinkModule>("sink", open.connector);
    const progress = () => this.#end!.progress();
    this.#sink = await openSink(open.config as never, { ...context, flow, layout, saved, progress, reject });
  }

  async #startSource({ from, flows, transforms, eventsPerSecond }: SourceStart): Promise<void> {
    const { signal } = this.#stop;
    this.#sourceRejections.withholds = protectsAny([
      ...transforms,
      ...flows.flatMap((flow) => flow.transforms),
    ]);
    const chain = await this.#openChain(transforms);
    const outputs: FlowOutput[] = [];
    for (const { name, port, streams, transforms, eventsPerSecond } of flows) {
      const chain = await this.#openChain(transforms, name && `pipeline ${name}`);
      const sender = new PortSender(port, this.#pool);
      this.#senders.push(sender);
      const takes = streams.length > 0 ? streamMatcher(streams) : undefined;
      outputs.push({ sender, takes, chain, rate: new RateLimit(eventsPerSecond, systemClock) });
    }
    const rate = new RateLimit(eventsPerSecond, systemClock);
    const onRead = (batch: { length: number; bytes: Uint8Array }) => {
      this.#records += batch.length;
      this.#bytes += batch.bytes.length;
    };
    const rejections = this.#sourceRejections;
    this.#watch(runSource({ source: this.#source!, from, signal, rate, outputs, rejections, chain, onRead }));
  }

  async #openChain(transforms: readonly PlannedStep[], of?: string): Promise<Chain | undefined> {
    if (transforms.length === 0) return undefined;
    const { log, metrics, random } = this.#context();
    const { nowMicros } = systemClock;
    const origin = this.#open?.role === "source" ? this.#open.origin : undefined;
    const chain = await openChain(transforms, {
      of,
      implementations: this.#implementations.transforms,
      compileCondition: (text) => conditionTest(text, nowMicros),
      context: { origin, log, metrics, random, nowMicros },
    });
    this.#chains.push(chain);
    return chain;
  }

  #load<Module>(role: "source" | "sink", connector: string): Promise<Module> {
    const load = this.#implementations.connectors[connector]?.[role];
    if (!load) {
      throw new ConnectorError(`There is no ${role} "${connector}" in this build`, { code: "config" });
    }
    return load() as Promise<Module>;
  }

  #context(): ConnectorContext {
    const { name, documents, debug } = this.#open!;
    const log =
      (level: "debug" | "info" | "warn" | "error") => (message: string, fields?: Record<string, Json>) => {
        if (level !== "debug" || debug) scope.postMessage({ kind: "log", level, message, fields });
      };
    const known: Record<string, Json> = { ...documents };
    return {
      name,
      log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
      metrics: {
        add: (metric, by = 1) => this.#counters[metric] = (this.#counters[metric] ?? 0) + by,
        set: (metric, value) => this.#gauges[metric] = value,
      },
      state: {
        get: (key) => Promise.resolve(known[key]),
        put: async (key, value) => {
          await this.#put(key, value);
          known[key] = value;
        },
      },
      clock: systemClock,
      random: Math.random,
    };
  }

  /** Documents that are put in one go are saved in one transaction: a thousand take no longer than one. */
  #put(key: string, value: Json): Promise<void> {
    if (this.#unsent === undefined) {
      const documents: Record<string, Json> = this.#unsent = {};
      const id = this.#nextPut++;
      const put = this.#lastPut = Promise.withResolvers<void>();
      this.#puts.set(id, put);
      queueMicrotask(() => {
        this.#unsent = undefined;
        scope.postMessage({ kind: "put", id, documents });
      });
    }
    this.#unsent[key] = value;
    return this.#lastPut!.promise;
  }

  /** Tells the main thread how a running end ends. */
  #watch(running: Promise<void>): void {
    running.then(
      () => {
        this.#beat();
        scope.postMessage({ kind: "ended" });
      },
      (error) => scope.postMessage({ kind: "failed", error: this.#report(error) }),
    );
  }

  #beat(): void {
    scope.postMessage({
      kind: "beat",
      stats: {
        records: this.#records,
        bytes: this.#bytes,
        progress: this.#progress,
        counters: this.#counters,
        gauges: this.#gauges,
      },
    });
  }

  #report(error: unknown) {
    return reportError(explainDenial(error, this.#name, this.#role) ?? error);
  }
}
