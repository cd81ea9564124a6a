/**
 * One attempt to run a source and everything it feeds: opens the workers, joins them by ports, commits whenever a
 * sink asks, until all flows have ended or one part fails. supervisor.ts decides what happens then.
 */
import type { Clock } from "../connectors/contract.ts";
import type { Position } from "../formats/data/batch.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import type { Checkpoints, Marks } from "./state/checkpoint.ts";
import { DeadLetterPublisher } from "./dead_letters/dead_letter_publisher.ts";
import type { Failpoint } from "./failpoint.ts";
import { commit, type Flushed } from "./pipeline.ts";
import type { PlannedConnector, PlannedFlow, PlannedSource } from "./plan.ts";
import {
  type Fields,
  type FlowStart,
  type LogLevel,
  PROTOCOL_VERSION,
  type WorkerStats,
} from "./protocol.ts";
import { cannotCompare, startOf } from "./recovery.ts";
import { Remote } from "./remote.ts";

export interface RunContext {
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly debug: boolean;
  readonly failpoint: Failpoint | undefined;
  /** Where the entry point of a connector's worker is. */
  readonly workerUrl: (connector: string, role: "source" | "sink") => URL;
  readonly programVersion: string;
  readonly heartbeatMs: number;
  readonly silenceMs: number;
}

/** Who is told what happens; `cli/run.ts` shows it to people. */
export interface Observer {
  log(level: LogLevel, from: string, message: string, fields?: Fields): void;
  sourceStats(source: string, stats: WorkerStats): void;
  committed(flow: string, flushed: Flushed): void;
}

/** How long a connector may take to let go of its connections. */
const CLOSE_GRACE_MS = 5000;

/**
 * Runs until every flow has flushed its last batch; `drain` makes the source stop reading, so that this comes soon.
 *
 * @throws {ConnectorError} what failed first
 */
export async function runOnce(source: PlannedSource, context: RunContext, drain: AbortSignal): Promise<void> {
  await using run = new SourceRun(source, context);
  await run.open();
  await run.start();
  await run.finished(drain);
  if (drain.aborted) await run.release();
}

class SourceRun implements AsyncDisposable {
  readonly #plan: PlannedSource;
  readonly #context: RunContext;
  readonly #source: Remote;
  readonly #flows: FlowRun[];
  readonly #failed = Promise.withResolvers<never>();
  #acknowledged = 0;

  constructor(plan: PlannedSource, context: RunContext) {
    this.#plan = plan;
    this.#context = context;
    this.#failed.promise.catch(() => {});
    this.#source = this.#remote(plan, {
      beat: (stats) => context.observer.sourceStats(plan.name, stats),
      due: () => {},
    });
    this.#flows = plan.flows.map((flow) => this.#flowRun(flow));
  }

  async open(): Promise<void> {
    const { name, connector, layout, streams, routing } = this.#plan;
    const origin = { connector, name, version: this.#context.programVersion };
    await this.#orFail(Promise.all([
      this.#source.call("open", {
        ...this.#opening(this.#plan),
        role: "source",
        origin,
        layout,
        streams,
        routing,
        preview: false,
      }),
      ...this.#flows.map(({ plan, remote }) =>
        remote.call("open", {
          ...this.#opening(plan.sink),
          role: "sink",
          flow: plan.name,
          layout: plan.layout,
          saved: this.#context.checkpoints.saved(plan.name, plan.sink.name),
          limits: plan.batch,
          onError: plan.onError,
          deadLetterMaxRatio: plan.deadLetterMaxRatio,
        })
      ),
    ]));
  }

  async start(): Promise<void> {
    const { marks, from } = await this.#orFail(this.#recover());
    const source = { name: this.#plan.name, connector: this.#plan.connector };
    const starts: FlowStart[] = [];
    for (const [i, { plan, remote }] of this.#flows.entries()) {
      const { port1, port2 } = new MessageChannel();
      const { streams, transforms, eventsPerSecond } = plan;
      starts.push({ name: plan.name, port: port1, streams, transforms, eventsPerSecond });
      const start = { port: port2, marks: marks[i], source };
      await this.#orFail(remote.call("startSink", start, [port2]));
    }
    const { transforms, eventsPerSecond } = this.#plan;
    const args = { from, flows: starts, transforms, eventsPerSecond };
    await this.#orFail(this.#source.call("startSource", args, starts.map(({ port }) => port)));
  }

  /** What each flow has, and where the source goes on: the targets are asked first, the checkpoint knows the rest. */
  async #recover(): Promise<{ marks: readonly Marks[]; from: Position | undefined }> {
    const { checkpoints, observer } = this.#context;
    const { name, connector } = this.#plan;
    const flows = await Promise.all(this.#flows.map(async ({ plan, remote }) => ({
      flow: plan.name,
      sink: plan.sink.name,
      marks: checkpoints.marks(plan.name),
      recovered: await remote.call("recover", undefined),
    })));
    const { marks, positions, warnings } = startOf(this.#plan, checkpoints.position(name, connector), flows);
    for (const warning of warnings) observer.log("warn", name, warning);
    const known = positions.filter((position) => position !== undefined);
    if (known.length < positions.length) return { marks, from: undefined };
    const from = known.length === 1 ? known[0] : await this.#source.call("lowest", known);
    if (!from) throw cannotCompare(name);
    return { marks, from };
  }

  async finished(drain: AbortSignal): Promise<void> {
    const stop = () => this.#source.call("stop", undefined).catch(() => {});
    drain.addEventListener("abort", stop, { once: true });
    if (drain.aborted) stop();
    try {
      await this.#orFail(Promise.all(this.#flows.map(({ finished }) => finished.promise)));
    } finally {
      drain.removeEventListener("abort", stop);
    }
  }

  /** After a drain: nothing is under way any more. */
  async release(): Promise<void> {
    await this.#orFail(this.#source.call("release", undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      ...[this.#source, ...this.#flows.map(({ remote }) => remote)].map((remote) =>
        remote.close(CLOSE_GRACE_MS)
      ),
      ...this.#flows.map(({ deadLetters }) => deadLetters?.[Symbol.asyncDispose]()),
    ]);
  }

  #orFail<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed.promise]);
  }

  #flowRun(plan: PlannedFlow): FlowRun {
    const flow: FlowRun = {
      plan,
      seq: 0,
      position: undefined,
      finished: Promise.withResolvers(),
      isCommitting: false,
      isDue: false,
      deadLetters: this.#publisher(plan),
      remote: this.#remote(plan.sink, {
        beat: () => {},
        due: () => {
          flow.isDue = true;
          this.#commitWhileDue(flow);
        },
      }, plan.name),
    };
    return flow;
  }

  async #commitWhileDue(flow: FlowRun): Promise<void> {
    if (flow.isCommitting) return;
    flow.isCommitting = true;
    try {
      while (flow.isDue) {
        flow.isDue = false;
        const flushed = await this.#commit(flow);
        this.#context.observer.committed(flow.plan.name, flushed);
        if (flushed.isLast) flow.finished.resolve();
      }
    } catch (error) {
      this.#failed.reject(error);
    } finally {
      flow.isCommitting = false;
    }
  }

  #commit(flow: FlowRun): Promise<Flushed> {
    return commit({
      flush: () => flow.remote.call("flush", undefined),
      publish: async (flushed) => {
        if (flow.deadLetters === undefined || flushed.deadLetters.length === 0) return flushed;
        return { ...flushed, deadLetters: await flow.deadLetters.publish(flushed.deadLetters) };
      },
      save: (flushed) => {
        if (flushed.seq > flow.seq) {
          flow.seq = flushed.seq;
          flow.position = flushed.position;
        }
        const { marks, saved, deadLetters } = flushed;
        this.#context.checkpoints.commit({
          flow: flow.plan.name,
          sink: flow.plan.sink.name,
          marks,
          saved,
          deadLetters,
          source: this.#plan.name,
          connector: this.#plan.connector,
          position: this.#lowest()?.position,
        });
      },
      acknowledge: async () => {
        const lowest = this.#lowest();
        if (!lowest?.position || lowest.seq <= this.#acknowledged) return;
        this.#acknowledged = lowest.seq;
        await this.#source.call("acknowledge", lowest.position);
      },
    });
  }

  #publisher({ name: flow, sink, deadLetters: planned }: PlannedFlow): DeadLetterPublisher | undefined {
    if (planned === undefined) return undefined;
    const { programVersion, clock } = this.#context;
    return new DeadLetterPublisher({
      planned,
      flow,
      source: this.#plan.name,
      sink: sink.name,
      programVersion,
      nowMicros: () => clock.nowMicros(),
      opening: this.#opening(planned.sink),
      start: (due) => this.#remote(planned.sink, { beat: () => {}, due }),
    });
  }

  /** The flow that is furthest behind, by emission: what it has made durable, all have. */
  #lowest(): { seq: number; position: Position | undefined } | undefined {
    return this.#flows.reduce((lowest, flow) => flow.seq < lowest.seq ? flow : lowest);
  }

  #opening({ name, role, connector, config }: PlannedConnector) {
    return {
      protocol: PROTOCOL_VERSION,
      connector,
      name,
      config,
      documents: this.#context.checkpoints.documents(scopeOf(role, name)),
      debug: this.#context.debug,
      failpoint: this.#context.failpoint,
      heartbeatMs: this.#context.heartbeatMs,
    } as const;
  }

  #remote(
    plan: PlannedConnector,
    events: { beat: (stats: WorkerStats) => void; due: () => void },
    flow?: string,
  ): Remote {
    const { observer, checkpoints, workerUrl, heartbeatMs, silenceMs } = this.#context;
    const { name, role, connector, permissions } = plan;
    return new Remote({
      title: `${role} "${name}"`,
      permissions,
      url: workerUrl(connector, role),
      heartbeatMs,
      silenceMs,
      events: {
        ...events,
        log: (level, message, fields) =>
          observer.log(level, flow ? `${flow} → ${name}` : name, message, fields),
        ended: () => {},
        failed: (error) => this.#failed.reject(named(error, role, name)),
        put: (documents) => checkpoints.putDocuments(scopeOf(role, name), documents),
      },
    });
  }
}

interface FlowRun {
  readonly plan: PlannedFlow;
  readonly remote: Remote;
  readonly finished: PromiseWithResolvers<void>;
  readonly deadLetters: DeadLetterPublisher | undefined;
  /** What the flow has made durable. */
  seq: number;
  position: Position | undefined;
  isDue: boolean;
  isCommitting: boolean;
}

/** A source and a sink may have one name; their documents are their own. */
function scopeOf(role: string, name: string): string {
  return `${role} ${name}`;
}

/** Says whose error it is, where it does not say so itself. */
function named(error: ConnectorError, role: string, name: string): ConnectorError {
  if (error.message.includes(`"${name}"`)) return error;
  const { message, code, hint, retryable, retryAfterMs } = error;
  return new ConnectorError(`${role} "${name}": ${message}`, {
    code,
    hint,
    retryable,
    retryAfterMs,
    cause: error.cause,
  });
}
