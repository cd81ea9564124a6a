/** The second half of a `read()`: the changes from one point on, and what goes on beside them. */
import type { Batch, SourceContext } from "../contract.ts";
import { parseSize } from "./bytes.ts";
import { Catalog } from "./catalog.ts";
import type { StreamPoint } from "./change_decoder.ts";
import type { Connection } from "./connection.ts";
import { beat } from "./heartbeat.ts";
import { incrementalSnapshots } from "./incremental.ts";
import type { IncrementalSnapshots, IncrementalState } from "./incremental_snapshot.ts";
import { originOption } from "./plugin_options.ts";
import { streamPosition } from "./position.ts";
import type { Publication } from "./publication.ts";
import { Replication } from "./replication.ts";
import { reselect } from "./reselect.ts";
import { announcer, nextAttempt, type ReadingOptions, type Run, schemaChangeTopic, slotWait } from "./run.ts";
import { monitorSlot } from "./slot_monitor.ts";
import { streamRelations } from "./stream_relations.ts";
import { TransactionMetadata } from "./transaction_metadata.ts";
import { unreadableRows } from "./unreadable_rows.ts";
import { wantedChanges } from "./wanted.ts";

/** Where and how the stream begins. */
export interface StreamStart {
  readonly publication: Publication;
  /** A replication connection on which nothing is under way; it is closed at the end. */
  readonly connection: Connection;
  readonly slot: string;
  readonly point: StreamPoint;
  /** Snapshots that signals had asked for, as the position has them. */
  readonly incremental?: IncrementalState;
}

export class Streaming {
  readonly #options: ReadingOptions;
  readonly #run: Run;
  readonly #start: StreamStart;
  readonly #progress: SourceContext["progress"];
  #replication: Replication | undefined;
  #acknowledged: bigint;

  /** @param acknowledged the LSN up to which everything is durable already; 0: unknown */
  constructor(
    options: ReadingOptions,
    run: Run,
    start: StreamStart,
    progress: SourceContext["progress"],
    acknowledged: bigint,
  ) {
    this.#options = options;
    this.#run = run;
    this.#start = start;
    this.#progress = progress;
    this.#acknowledged = acknowledged;
  }

  /** Everything before `lsn` is durable. */
  acknowledge(lsn: bigint): void {
    this.#acknowledged = lsn;
    this.#replication?.acknowledge(lsn);
  }

  async *batches(): AsyncGenerator<Batch> {
    const { config, context, endpoint, signal } = this.#options;
    const { facts, writer, history, origin } = this.#run;
    const { publication, connection, slot, point } = this.#start;
    const { clock, log, metrics } = context;
    const wait = slotWait(this.#options, slot);
    const incremental = this.#incremental();
    // Its statements may wait for locks of the tables; what the stream itself has to know must not stand behind them.
    const values = new Catalog(endpoint, context, config);
    const interrupt = () => values.interrupt();
    signal.addEventListener("abort", interrupt);
    const done = new AbortController();
    let beside: Promise<unknown> | undefined;
    try {
      const replication = this.#replication = new Replication({
        connection,
        clock,
        log,
        slot,
        publication: publication.name,
        serverVersion: facts.version,
        walSenderTimeoutMs: facts.walSenderTimeoutMs,
        statusIntervalMs: config.status_update_interval_ms,
        slotInUse: (tried, over) => wait.pause(tried, over),
        start: point,
        flushed: this.#acknowledged,
        writer,
        extras: {
          schemaChanges: schemaChangeTopic(this.#options),
          transactions: this.#transactions,
          incremental,
          wanted: wantedChanges(config),
          unreadable: unreadableRows(config, context),
        },
        pluginOptions: originOption(config),
        complete: async (batch, unsent) => await reselect(batch, unsent, { catalog: values, writer, log }),
        history,
        position: (at) => streamPosition(origin, at),
        relation: await streamRelations(this.#options, this.#run, publication),
        progress: this.#progress,
        metrics,
        signal,
      });
      const over = AbortSignal.any([signal, done.signal]);
      if (!context.preview) beside = this.#runBeside(replication, over);
      yield* incremental?.through(replication.read(), () => replication.hurry()) ?? replication.read();
    } finally {
      this.#replication = undefined;
      connection.destroy();
      done.abort();
      signal.removeEventListener("abort", interrupt);
      await values[Symbol.asyncDispose]();
      await beside;
    }
  }

  /** What goes on while the stream is read, until `signal` is aborted. */
  async #runBeside(replication: Replication, signal: AbortSignal): Promise<void> {
    const { config, context: { clock, log, metrics }, endpoint, catalog } = this.#options;
    const { max_wal_lag, heartbeat_interval_secs, heartbeat_action_query, heartbeat_emit_message } = config;
    await Promise.all([
      monitorSlot({
        catalog,
        clock,
        log,
        metrics,
        slot: this.#start.slot,
        maxBytes: max_wal_lag === undefined ? undefined : parseSize(max_wal_lag),
        onServerLsn: (lsn) => replication.noteServerLsn(lsn),
        onEndangered: () => replication.letGo(),
        onLost: (error) => replication.fail(error),
      }, signal),
      beat({
        endpoint,
        clock,
        log,
        metrics,
        intervalMs: heartbeat_interval_secs * 1000,
        actionQuery: heartbeat_action_query,
        emitsMessage: heartbeat_emit_message,
      }, signal),
    ]);
  }

  /** Snapshots that signals ask for; undefined: nobody may. */
  #incremental(): IncrementalSnapshots | undefined {
    const { config, context, endpoint, filter, signal } = this.#options;
    const { facts, origin, book, history } = this.#run;
    const { point, incremental } = this.#start;
    if (context.preview || !config.signal.enabled) return undefined;
    return incrementalSnapshots({
      config,
      context,
      endpoint,
      filter,
      tables: {
        facts,
        book,
        load: (table) => history.load([table]),
        nextAttempt: () => nextAttempt(context),
      },
      announce: announcer(this.#options, this.#run, point).announce,
      position: streamPosition(origin, point),
      saved: incremental,
      signal,
    });
  }

  get #transactions(): TransactionMetadata | undefined {
    const { config: { transaction_topic: topic, database }, context } = this.#options;
    if (!topic.enabled) return undefined;
    const topic_name = topic.topic_name ?? `${context.name}.transaction`;
    return new TransactionMetadata({ ...topic, topic_name }, database);
  }
}
