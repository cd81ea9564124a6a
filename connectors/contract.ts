/**
 * The contract between the runtime and a connector: what a connector says about itself (ConnectorDefinition) and
 * what it does (Source, Sink). connectors/README.md shows how to write one.
 */
import type { z } from "zod";
import type { Batch, Position } from "../formats/data/batch.ts";
import type { BatchWriter, BatchWriterLimits } from "../formats/data/batch_writer.ts";
import type { Layout } from "../formats/data/envelope.ts";
import type { ErrorReport, RecordError } from "../formats/data/errors.ts";
import type { Header, Operation } from "../formats/data/record.ts";
import type { Stream } from "../formats/data/stream.ts";
import type { Json } from "../formats/data/value.ts";

// ---- what a connector is ----------------------------------------------------------------------------------------

/** Everything there is to know about a connector without loading it. Plain data and pure functions. */
export interface ConnectorDefinition<Config = unknown> {
  /** What `connector:` says in a pipeline file; also the name of the connector's folder. */
  readonly type: string;
  /** Other names for it, each with the keys that it fixes: `{ s3: { provider: "s3" } }`. */
  readonly aliases?: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly version: string;
  readonly category: Category;
  readonly tags: readonly string[];
  readonly title: string;
  /** One line. */
  readonly summary: string;
  /** One paragraph. */
  readonly description: string;
  readonly docsUrl?: string;
  readonly author?: string;
  readonly license?: string;
  /** Every key described; secrets marked with `.meta({ secret: true })`. */
  readonly config: z.ZodType<Config>;
  /** Spellings of older versions and of other tools → the canonical ones, with a note for each. */
  readonly upgradeConfig?: (
    config: Record<string, unknown>,
  ) => { config: Record<string, unknown>; notes: string[] };
  /** Keys of other tools that have no counterpart here, by their path (`snapshot.max_retries`): what to do in their place. */
  readonly foreignKeys?: Readonly<Record<string, string>>;
  /**
   * What the keys leave out and this machine knows: a connection URI taken apart, variables and files that are the
   * custom for this kind of server. Called on the main thread between `upgradeConfig` and the schema, so that `plan`
   * shows what comes out and the worker needs no right to what it came from. Must give the same for the same machine.
   * Secrets that it finds go to keys that are marked secret.
   */
  readonly completeConfig?: (
    config: Record<string, unknown>,
    machine: Machine,
    role: "source" | "sink",
  ) => CompletedConfig;
  /**
   * Of connectors of a broker: the config with what the rest of the file says, where it says nothing itself. The plan
   * calls it for each worker, and shows what comes out.
   */
  withBrokerSettings?(config: Config, settings: BrokerSettings): Config;
  /** Exactly what its worker may reach; what is left out is denied. (A method, so that one list holds them all.) */
  permissions(config: Config, role: "source" | "sink"): Permissions;
  readonly source?: SourceRole;
  readonly sink?: SinkRole;
  /** A complete pipeline file that uses it. */
  readonly example: string;
}

/** What `completeConfig` may look at. */
export interface Machine {
  /** A variable of the environment; undefined when it is not set. */
  readonly env: (name: string) => string | undefined;
  /** The text of a file; throws when it can't be read. */
  readonly readFile: (path: string) => string;
  /** The permission bits of a file; undefined where files have none. */
  readonly fileMode: (path: string) => number | undefined;
}

export interface CompletedConfig {
  readonly config: Record<string, unknown>;
  /** Warnings, as those of `upgradeConfig`. */
  readonly notes: readonly string[];
  /** What can't be right, with the key to say it at. Holds no secret. */
  readonly problems: readonly { readonly key: string; readonly message: string; readonly hint?: string }[];
}

/** What a pipeline file says of brokers outside of the connectors' own configs. What it does not say is left out. */
export interface BrokerSettings {
  /** `settings.retry`. */
  readonly retry: {
    readonly max_retries?: number;
    readonly initial_backoff_ms?: number;
    readonly max_backoff_ms?: number;
    readonly backoff_multiplier?: number;
  };
  /** Topics that a sink may have to make: the source's `topic_config` over `settings.topic`. */
  readonly topic: {
    readonly auto_create?: boolean;
    readonly partitions?: number;
    readonly require_topic_exists?: boolean;
    readonly validate_existing?: boolean;
  };
}

export const CATEGORIES = {
  database_cdc: "Change data capture",
  database_batch: "Databases, in batches",
  messaging_kafka: "Kafka",
  messaging_mqtt: "MQTT",
  messaging_cloud: "Cloud queues",
  messaging_rivven: "Rivven",
  storage_object: "Object storage",
  storage_file: "Files",
  warehouse: "Warehouses",
  lakehouse: "Lakehouse",
  http_api: "HTTP",
  utility_generate: "Generated data",
  utility_debug: "Debugging",
} as const;

export type Category = keyof typeof CATEGORIES;

/**
 * The rights of one worker. `net`: `host:port`, `host`, IP, CIDR, `*.domain`, `unix:/path`. `read`, `write`: files
 * and folders. `env`, `sys`: names. Subprocesses, native libraries and remote code can't be asked for.
 */
export interface Permissions {
  readonly net?: readonly string[];
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly env?: readonly string[];
  readonly sys?: readonly string[];
}

export type Guarantee = "at_most_once" | "at_least_once" | "exactly_once";

export interface SourceRole {
  /** What the source can give at best; a flow's guarantee is the weaker of source and sink. */
  readonly guarantee: Guarantee;
  readonly ordering: "none" | "per_key" | "per_lane";
  /** `singleton`: one instance; `scalable`: several share the load; `partitioned`: one per partition. */
  readonly mode: "singleton" | "scalable" | "partitioned";
  readonly syncModes: readonly ("full_refresh" | "incremental" | "cdc")[];
  readonly discover: boolean;
  /**
   * True: it takes snapshots, and rows of one that was interrupted are read again in another lane, so that a sink can't
   * tell by lane and order that it has them.
   */
  readonly snapshots?: boolean;
  /**
   * Why records may be missing with this configuration, whatever the sink does, as the end of a sentence that begins
   * with the source: `reads from …`. Undefined: none are.
   */
  loss?(config: never): string | undefined;
  /**
   * The configuration with which a first run begins at `start`, whatever the other side knows of an earlier one (the
   * offsets of a group): for `run --reset-position`. Without it a source can only begin where it always does.
   */
  startAt?(config: never, start: StartAt): unknown;
}

/** A place in a log: one of its ends, or the first record at or after an RFC 3339 time. */
export type StartAt = "earliest" | "latest" | { readonly timestamp: string };

export interface SinkRole {
  /** What it can give at best; `exception` says where it does not. */
  readonly guarantee: Guarantee;
  /** How exactly-once is reached: T1 position stored with the data, T2 pinned range and idempotent name, T3 upsert
   * by key, `lookup` looked up in the target before it is written, `truncate` cut back to what the checkpoint knows. */
  readonly technique?: "T1" | "T2" | "T3" | "lookup" | "truncate";
  /**
   * Why a flow with this configuration and layout gets no more than at-least-once, as the end of a sentence that begins
   * with the sink: `writes layout plain, …`. Undefined: it does get `guarantee`.
   */
  exception?(config: never, layout: Layout): string | undefined;
  /** Operations it can write; others are rejected record by record. */
  readonly accepts: readonly Operation[];
  /** The layout that `auto` means for it; undefined: it takes rows, whatever the layout. */
  readonly layout: Layout;
  readonly batch: BatchLimits;
  /** What of `batch` depends on the configuration. */
  batchOf?(config: never): Partial<BatchLimits>;
}

/**
 * When the runtime flushes a sink. `cheap`: whenever no batch is waiting, at most every `minIntervalMs`; the limits
 * then only bound what a busy sink leaves unflushed.
 */
export interface BatchLimits {
  readonly cheap: boolean;
  readonly minIntervalMs?: number;
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
}

/** Checks a definition at compile time and returns it unchanged. */
export function defineConnector<Config>(
  definition: ConnectorDefinition<Config>,
): ConnectorDefinition<Config> {
  return definition;
}

// ---- what a connector does --------------------------------------------------------------------------------------

export interface Source extends AsyncDisposable {
  /**
   * Batches in source order, starting right after `from`; from the beginning when undefined. Ends when a finite
   * source is exhausted, and soon (within a second) after `signal` is aborted.
   */
  read(from: Position | undefined, signal: AbortSignal): AsyncIterable<Batch>;
  /** Everything up to `position` is durable and checkpointed: upstream may release it. */
  acknowledge(position: Position): Promise<void>;
  /** Every endpoint, right and setting that `read` will need, one finding each. Changes nothing. */
  check(report: CheckReport): Promise<void>;
  /** The tables or topics to choose from. */
  discover?(): Promise<readonly DiscoveredStream[]>;
  /**
   * A position from which on all comes that is behind any of these. Asked for where a target was set back (`recover`)
   * that shares its source with other pipelines; without it that is an error.
   */
  lowest?(positions: readonly Position[]): Position;
  /**
   * The pipelines were asked to stop and have: reading has ended, and all that was read is durable and acknowledged. What
   * the other side keeps for this source alone may go, where the configuration says so. Not called after a failure.
   */
  release?(): Promise<void>;
}

export interface Sink extends AsyncDisposable {
  /**
   * Takes the batch over, in the layout of the flow. Resolving means accepted, not yet durable. The batch's buffers
   * are reused after that, unless `batch.retain()` was called.
   */
  write(batch: Batch): Promise<void>;
  /**
   * Resolves when everything accepted so far is durable at the destination. What it returns is saved in the
   * commit's transaction and handed to the next `openSink` (a file's length, say). Called again only when that is
   * saved.
   */
  flush(): Promise<Json | void>;
  /** Read after each `write`. True: it holds as much as it may, so a flush is due whatever the limits of `batch` say. */
  readonly isFull?: boolean;
  /**
   * What the target itself says it has of this flow: the `context.progress()` that the last `flush()` has stored with
   * the data, in one transaction. Asked for once, before the first batch; it goes before what the checkpoint says.
   * Undefined: the target has nothing of this flow.
   */
  recover?(): Promise<Progress | undefined>;
  check(report: CheckReport): Promise<void>;
}

/** How far a flow is, as plain JSON: what a target of technique T1 stores with the data. */
export interface Progress {
  /** The source's name in the pipeline file. */
  readonly source: string;
  /** The source's type. What another source has stored is not believed. */
  readonly connector: string;
  /** The source goes on here. */
  readonly position?: Position;
  /** For each lane the order of the last record. */
  readonly marks: Readonly<Record<string, string>>;
}

/** A stream that a source could read. */
export interface DiscoveredStream {
  readonly stream: Stream;
  /** About how many rows it has, where the source can tell cheaply. */
  readonly estimatedRows?: number;
  readonly syncModes: readonly ("full_refresh" | "incremental" | "cdc")[];
  /** What would keep it from being captured, or limit it. */
  readonly remarks?: readonly string[];
}

/** Called once per finding. A warning does not make the check fail. */
export type CheckReport = (finding: CheckFinding) => void;

export interface CheckFinding {
  /** What was looked at, as a short noun: `wal_level`, `connection`. */
  readonly name: string;
  readonly status: "ok" | "warning" | "failed";
  /** What was found. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
  /** `config`: the file is wrong (exit code 2); `environment`: what it names is (exit code 3). */
  readonly blame?: "config" | "environment";
}

// ---- what a connector gets --------------------------------------------------------------------------------------

/** A connector uses nothing global but what it is handed here, so it runs in tests without network or real time. */
export interface ConnectorContext {
  /** The name of the source or sink in the pipeline file. */
  readonly name: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Small documents of this connector, durable when `put` resolves. */
  readonly state: DocumentStore;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
}

export interface SourceContext extends ConnectorContext {
  /** The layout its sinks agree on. */
  readonly layout: Layout;
  /** A writer for this source's records, in that layout; its buffers come back once the sinks are done with them. */
  readonly batchWriter: (limits?: BatchWriterLimits) => BatchWriter;
  /** The `streams:` of the pipeline file; empty: all that the connector's own keys select. */
  readonly streams: readonly StreamSelection[];
  /**
   * True: only a look. Records are read and nothing is acknowledged; the source leaves no trace on the other side,
   * such as a replication slot.
   */
  readonly preview: boolean;
  /** Tells people how far it is; cheap, call it as often as something changed. */
  readonly progress: (progress: SourceProgress) => void;
  /**
   * A record that can't be decoded: what `on_error` says happens to it. It belongs to the batch that `read()` yields
   * next, whose position lies behind it; where nothing else is left, that is an empty batch. A source that reads
   * ahead calls this only when all batches from before the record have been yielded.
   */
  readonly reject: (record: UndecodedRecord, error: RecordError) => void;
}

/** A record as the other side sent it. The error says what was wrong with it, and no value of it. */
export interface UndecodedRecord {
  /** At least its names; the columns where they are known. */
  readonly stream: Pick<Stream, "name"> & Partial<Stream>;
  readonly lane: string;
  readonly order: string | undefined;
  /** What could not be decoded; copied. */
  readonly payload: Uint8Array;
  readonly key?: Uint8Array;
  readonly headers?: readonly Header[];
  /** Where the message lay, for sources that read topics. */
  readonly origin?: { readonly topic?: string; readonly partition?: number; readonly offset?: bigint };
  /** What the connector's own keys say instead of the pipeline's `on_error`. */
  readonly onError?: "skip" | "stop" | "dead_letter";
  /** True: skipped without a warning, only counted. */
  readonly quiet?: boolean;
}

export interface StreamSelection {
  readonly name: string;
  readonly namespace?: string;
  readonly sync_mode: "full_refresh" | "incremental";
  readonly cursor_field?: string;
}

export interface SourceProgress {
  readonly phase: "starting" | "snapshot" | "streaming" | "finished";
  readonly snapshot?: {
    readonly tablesDone: number;
    readonly tables: number;
    readonly rows: number;
    /** About how many there will be; undefined when unknown. */
    readonly expectedRows?: number;
    /** About how long it will take yet; undefined when unknown. */
    readonly secondsLeft?: number;
    /** The table that was begun last. */
    readonly table?: string;
  };
  /** How far the source is ahead of what was read. */
  readonly lagBytes?: number;
  readonly lagMs?: number;
}

export interface SinkContext extends ConnectorContext {
  /** The flow that the sink is opened for: the pipeline's name. */
  readonly flow: string;
  /** The layout that batches arrive in. */
  readonly layout: Layout;
  /** What `flush()` returned for the last commit. */
  readonly saved: Json | undefined;
  /**
   * Within `flush()`: how far the flow is with all that was accepted. To be stored with the data where the target has
   * transactions, also when of a commit's records all were rejected.
   */
  readonly progress: () => Progress;
  /** The destination will never take record `i`: what `on_error` says happens to it. Before `flush()` resolves. */
  readonly reject: (batch: Batch, i: number, error: RecordError) => void;
}

export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, Json>>): void;
  info(message: string, fields?: Readonly<Record<string, Json>>): void;
  warn(message: string, fields?: Readonly<Record<string, Json>>): void;
  error(message: string, fields?: Readonly<Record<string, Json>>): void;
}

/** Counters and gauges of one connector; the runtime adds its labels. Names end in their unit. */
export interface Metrics {
  add(name: string, by?: number): void;
  set(name: string, value: number): void;
}

export interface DocumentStore {
  get(key: string): Promise<Json | undefined>;
  /** Resolves when the document is durable. */
  put(key: string, value: Json): Promise<void>;
}

export interface Clock {
  /** Microseconds since 1970. */
  nowMicros(): bigint;
  /** Milliseconds of a clock that never jumps. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` is aborted. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What `source.ts` of a connector exports. */
export interface SourceModule {
  openSource(config: never, context: SourceContext): Source | Promise<Source>;
}

/** What `sink.ts` of a connector exports. */
export interface SinkModule {
  openSink(config: never, context: SinkContext): Sink | Promise<Sink>;
}

export type { Batch, ErrorReport, Layout, Position, RecordError, Stream };
