/**
 * Every message between the main thread and a worker. `remote.ts` is the main thread's side, `worker_host.ts` the
 * worker's. Rows never pass here: they go from worker to worker (data_port.ts).
 */
import type {
  BatchLimits,
  CheckFinding,
  DiscoveredStream,
  Progress,
  SourceProgress,
  StreamSelection,
} from "../connectors/contract.ts";
import type { Origin, Position } from "../formats/data/batch.ts";
import type { Layout } from "../formats/data/envelope.ts";
import type { ErrorReport } from "../formats/data/errors.ts";
import type { Json } from "../formats/data/value.ts";
import type { PlannedStep } from "./chain/chain_plan.ts";
import type { Marks } from "./state/checkpoint.ts";
import type { Failpoint } from "./failpoint.ts";
import type { Flushed } from "./pipeline.ts";
import type { TopicRouting } from "./topic_routing.ts";

/** Both sides of a connection must have the same; it grows with every change of meaning. */
export const PROTOCOL_VERSION = 1;

interface OpenCommon {
  readonly protocol: typeof PROTOCOL_VERSION;
  /** The connector's type: which implementation to load. */
  readonly connector: string;
  /** Its name in the pipeline file. */
  readonly name: string;
  /** Validated, plain data. */
  readonly config: unknown;
  /** The documents that it put earlier. */
  readonly documents: Readonly<Record<string, Json>>;
  readonly debug: boolean;
  readonly failpoint: Failpoint | undefined;
  readonly heartbeatMs: number;
}

export interface OpenSource extends OpenCommon {
  readonly role: "source";
  readonly origin: Origin;
  readonly layout: Layout;
  readonly streams: readonly StreamSelection[];
  readonly routing: TopicRouting | undefined;
  readonly preview: boolean;
}

export interface OpenSink extends OpenCommon {
  readonly role: "sink";
  readonly flow: string;
  readonly layout: Layout;
  readonly saved: Json | undefined;
  readonly limits: BatchLimits;
  readonly onError: "skip" | "stop" | "dead_letter";
  readonly deadLetterMaxRatio: number;
}

/** A flow that a source feeds; the port travels in the message's transfer list. */
export interface FlowStart {
  /** Of the pipeline, where there are several that could be meant in a message. */
  readonly name?: string;
  readonly port: MessagePort;
  readonly streams: readonly string[];
  readonly transforms: readonly PlannedStep[];
  readonly eventsPerSecond: number;
}

/** What starts a sink: where batches come from, and what of them it has already. */
export interface SinkStart {
  readonly port: MessagePort;
  readonly marks: Marks;
  readonly source: { readonly name: string; readonly connector: string };
  /** How far the flow stays, whatever is written: for records out of their order. */
  readonly progress?: Progress;
}

/** What starts the reading of a source, with the transforms that all its flows share. */
export interface SourceStart {
  readonly from: Position | undefined;
  readonly flows: readonly FlowStart[];
  readonly transforms: readonly PlannedStep[];
  readonly eventsPerSecond: number;
}

/** What the main thread can ask, with the arguments and the answer of each. */
export interface Calls {
  open: { args: OpenSource | OpenSink; result: void };
  check: { args: undefined; result: readonly CheckFinding[] };
  discover: { args: undefined; result: readonly DiscoveredStream[] };
  startSource: { args: SourceStart; result: void };
  /** Between `open` and `startSink`: what the target says that it has. */
  recover: { args: undefined; result: Progress | undefined };
  /** Of a source: the lowest of positions; undefined where it can't tell. */
  lowest: { args: readonly Position[]; result: Position | undefined };
  /** Of a source that was stopped and has had everything acknowledged. */
  release: { args: undefined; result: void };
  startSink: { args: SinkStart; result: void };
  acknowledge: { args: Position; result: void };
  flush: { args: undefined; result: Flushed };
  /** A source stops reading; what it has read goes on its way. */
  stop: { args: undefined; result: void };
  close: { args: undefined; result: void };
  /** What a worker without rights can reach; for the self-test. */
  probe: { args: undefined; result: readonly ProbeResult[] };
}

export interface ProbeResult {
  readonly what: string;
  readonly denied: boolean;
}

export type CallName = keyof Calls;

export type ToWorker =
  | { readonly kind: "call"; readonly id: number; readonly method: CallName; readonly args: unknown }
  | { readonly kind: "put_done"; readonly id: number; readonly error?: ErrorReport };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: ErrorReport }
  | { readonly kind: "log"; readonly level: LogLevel; readonly message: string; readonly fields?: Fields }
  | { readonly kind: "beat"; readonly stats: WorkerStats }
  | { readonly kind: "put"; readonly id: number; readonly documents: Readonly<Record<string, Json>> }
  /** A sink asks for a commit. */
  | { readonly kind: "due"; readonly because: "idle" | "limits" | "end" }
  /** The source has nothing more and everything it read has been sent; or the sink has flushed the last batch. */
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly error: ErrorReport }
  /** The last message of a worker that ends in an orderly way. */
  | { readonly kind: "bye" };

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Fields = Readonly<Record<string, Json>>;

/** What a worker tells about itself with every heartbeat. Counters count from its start. */
export interface WorkerStats {
  readonly records: number;
  readonly bytes: number;
  readonly progress?: SourceProgress;
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
}
