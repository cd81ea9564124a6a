/**
 * One `read()`: decides what is to be read (start.ts), then reads it. The hand-over from snapshot to stream is exact:
 * the snapshot shows the state at the consistent point of a slot, and the stream begins at that point.
 *
 * A slot that exists already can't export a snapshot. A temporary slot beside it can: its consistent point lies behind
 * what the permanent slot has confirmed, and the permanent slot is read from that point on. So an interrupted snapshot
 * goes on with another one, nothing has to be dropped, and a slot that an administrator has made is good as well.
 */
import { batchFromData } from "../../formats/data/batch.ts";
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Json } from "../../formats/data/value.ts";
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { Batch, Position, SourceContext } from "../contract.ts";
import { parseSize } from "./bytes.ts";
import { capturePublication, publicationPlan, snapshotTables } from "./captured.ts";
import { type Catalog, lacksIdentity, type ServerFacts, type Table, tableName } from "./catalog.ts";
import type { StreamPoint } from "./change_decoder.ts";
import { Connection } from "./connection.ts";
import type { PostgresConfig } from "./connector.ts";
import type { Endpoint } from "./endpoint.ts";
import { beat } from "./heartbeat.ts";
import { incrementalSnapshots } from "./incremental.ts";
import type { IncrementalSnapshots, IncrementalState } from "./incremental_snapshot.ts";
import { formatLsn } from "./lsn.ts";
import type { RelationMessage } from "./pgoutput.ts";
import {
  type PositionOrigin,
  type PostgresPosition,
  readPosition,
  type SnapshotProgress,
  streamPoint,
  streamPosition,
} from "./position.ts";
import { type Publication, readPublication } from "./publication.ts";
import { makeRelation, type Relation, StreamBook } from "./relations.ts";
import { Replication } from "./replication.ts";
import type { SchemaChangeTopic } from "./schema_change.ts";
import { type Place, SchemaHistory } from "./schema_history.ts";
import { requireFailover, requireServer } from "./server.ts";
import { signalTable } from "./signals.ts";
import { createSlot, dropSlot, enableFailover, isLost, readSlot, slotLost, slotOfStandby } from "./slot.ts";
import { monitorSlot } from "./slot_monitor.ts";
import { measured } from "./source_metrics.ts";
import { autosetReplicaIdentity } from "./replica_identity.ts";
import { reselect } from "./reselect.ts";
import { rowRules, warnAboutKey } from "./row_rules.ts";
import { missingOption, originOption } from "./plugin_options.ts";
import { TransactionMetadata } from "./transaction_metadata.ts";
import { wantedChanges } from "./wanted.ts";
import { type Announced, readSnapshot, streamOf } from "./snapshot.ts";
import { sourceMembers } from "./source_members.ts";
import type { EarlierSnapshot, StoredPlan } from "./snapshot_plan.ts";
import { decideStart, slotMissing, type StartPlan } from "./start.ts";
import { historyError } from "./timeline.ts";
import { unreadableRows } from "./unreadable_rows.ts";

/** How long the creation of a slot waits for transactions that are open. */
const SLOT_CREATION_MS = 300_000;

export interface ReadingOptions {
  readonly config: PostgresConfig;
  readonly context: SourceContext;
  readonly endpoint: Endpoint;
  readonly filter: TableFilter;
  readonly catalog: Catalog;
  readonly signal: AbortSignal;
}

/** What is the same for the whole reading, once the server has been asked. */
interface Run {
  readonly facts: ServerFacts;
  readonly origin: PositionOrigin;
  readonly writer: ReturnType<SourceContext["batchWriter"]>;
  readonly history: SchemaHistory;
  readonly book: StreamBook;
}

/** A slot that was just made, and the connection that holds its exported snapshot open. */
interface NewSlot {
  readonly connection: Connection;
  readonly lsn: bigint;
  readonly snapshotName: string | undefined;
}

export class Reading {
  readonly #config: PostgresConfig;
  readonly #context: SourceContext;
  readonly #endpoint: Endpoint;
  readonly #filter: TableFilter;
  readonly #catalog: Catalog;
  readonly #signal: AbortSignal;
  readonly #progress: SourceContext["progress"];
  #replication: Replication | undefined;
  /** The highest LSN that is known to be durable; 0: none. */
  #acknowledged = 0n;

  constructor({ config, context, endpoint, filter, catalog, signal }: ReadingOptions) {
    this.#config = config;
    this.#context = context;
    this.#endpoint = endpoint;
    this.#filter = filter;
    this.#catalog = catalog;
    this.#signal = signal;
    this.#progress = measured(context.progress, context.metrics);
  }

  /** Everything before `lsn` is durable. */
  acknowledge(lsn: bigint): void {
    this.#acknowledged = lsn;
    this.#replication?.acknowledge(lsn);
  }

  async *batches(from: Position | undefined): AsyncGenerator<Batch> {
    const { preview } = this.#context;
    const { slot_name, snapshot: { mode }, database } = this.#config;
    this.#progress({ phase: "starting" });
    const facts = await this.#catalog.facts();
    const onlySnapshot = mode === "initial_only" || (preview && mode !== "never");
    requireServer(facts, !onlySnapshot);
    const missing = onlySnapshot ? undefined : missingOption(this.#config, facts);
    if (missing) throw missing;
    if (!onlySnapshot && this.#config.slot_failover) requireFailover(facts);
    const origin = { system: facts.systemId, timeline: facts.timeline, slot: slot_name };
    const saved = from === undefined ? undefined : readPosition(from, origin);
    const history = new SchemaHistory(
      preview ? undefined : this.#context.state,
      saved && deliveredBefore(saved),
    );
    const book = new StreamBook(database, history, rowRules(this.#config));
    const run: Run = { facts, origin, writer: this.#context.batchWriter(), history, book };
    if (onlySnapshot) {
      if (saved?.snapshot?.state !== "finished") yield* this.#snapshotOnly(run);
    } else if (preview) yield* this.#previewOfStream(run);
    else yield* this.#snapshotAndStream(run, saved && await this.#inHistory(saved, facts));
    if (!this.#signal.aborted) this.#progress({ phase: "finished" });
  }

  // ---- the ways through -------------------------------------------------------------------------------------------

  async *#snapshotAndStream(run: Run, saved: PostgresPosition | undefined): AsyncGenerator<Batch> {
    const { log } = this.#context;
    const { slot_name } = this.#config;
    const publication = await this.#publication(run.facts);
    const { replica_identity_autoset } = this.#config;
    await autosetReplicaIdentity(this.#catalog, replica_identity_autoset, this.#filter, publication, log);
    const slot = await readSlot(this.#catalog, slot_name);
    if (slot?.isSynced && run.facts.isStandby) throw slotOfStandby(slot);
    const found = decideStart(saved, slot, run.facts.lsn, await this.#lastAttempt() > 0, this.#config);
    const plan = found.replacesSlot ? { ...found, slot: undefined } : found;
    log.info(plan.reason, { slot: slot_name, snapshot: plan.snapshot });
    // Not where a snapshot takes the place of the position: another server would believe that it may let go of that.
    if (saved && saved.snapshot === undefined && plan.resume) this.#acknowledged = plan.resume.lsn;
    if (found.replacesSlot) await dropSlot(this.#catalog, slot_name);
    if (this.#config.slot_failover && plan.slot?.isFailover === false) await this.#enableFailover(slot_name);
    if (this.#signal.aborted) return;
    let startLsn = plan.slot?.confirmedLsn ?? 0n;
    if (plan.snapshot) startLsn = yield* this.#snapshot(run, publication, plan, saved);
    else if (plan.slot === undefined) {
      const created = await this.#newSlot(run, slot_name, { isTemporary: false, exports: false });
      await created.connection[Symbol.asyncDispose]();
      startLsn = created.lsn;
    }
    if (this.#signal.aborted) return;
    const start = plan.resume ?? { lsn: startLsn, index: 0, lastCommit: 0n };
    if (this.#config.snapshot.mode === "no_data" && plan.resume === undefined) {
      yield* this.#tablesWithoutRows(run, publication, start);
    }
    log.info(`Streaming from ${formatLsn(start.lsn)}`, { slot: slot_name, publication: publication.name });
    const connection = await this.#replicationConnection();
    yield* this.#stream(run, publication, connection, slot_name, start, saved?.incremental);
  }

  /** Rows as they are now and then the end; needs neither slot nor publication, and leaves nothing behind. */
  async *#snapshotOnly(run: Run): AsyncGenerator<Batch> {
    const publication = this.#context.preview
      ? await readPublication(this.#catalog, this.#config.publication)
      : undefined;
    yield* this.#readTables(run, publication, {
      shownLsn: run.facts.lsn,
      resumeAt: { lsn: run.facts.lsn, index: 0, lastCommit: 0n },
      isFinite: true,
    });
  }

  /** Changes from now on, through a slot that vanishes with the connection. */
  async *#previewOfStream(run: Run): AsyncGenerator<Batch> {
    const { publication: name } = this.#config;
    const publication = await readPublication(this.#catalog, name);
    if (!publication) {
      throw new ConnectorError(`There is no publication "${name}" yet, so there are no changes to preview`, {
        code: "not_found_publication",
        hint: "A run creates it; until then only rows can be previewed (snapshot.mode other than never)",
      });
    }
    const slot = temporaryName(this.#config.slot_name, this.#context.random());
    const { connection, lsn } = await this.#newSlot(run, slot, { isTemporary: true, exports: false });
    yield* this.#stream(run, publication, connection, slot, { lsn, index: 0, lastCommit: 0n });
  }

  async #enableFailover(slot: string): Promise<void> {
    await using connection = await this.#replicationConnection();
    await enableFailover(connection, slot);
    this.#context.log.info(`Standbys copy slot "${slot}" from now on`);
  }

  async #publication(facts: ServerFacts): Promise<Publication> {
    const { log, state, streams } = this.#context;
    return await capturePublication(
      this.#catalog,
      facts,
      publicationPlan(this.#config, this.#filter, streams),
      log,
      { when: this.#config.refresh_publication_on_start, state },
    );
  }

  /** The position, when it is of this server's log; undefined when it is not and a snapshot may take its place. */
  async #inHistory(saved: PostgresPosition, facts: ServerFacts): Promise<PostgresPosition | undefined> {
    const { timeline } = saved;
    if (timeline === undefined || facts.timeline === undefined || timeline === facts.timeline) return saved;
    const connection = await this.#replicationConnection();
    const error = await historyError({ ...saved, timeline }, facts.timeline, connection)
      .finally(() => connection.destroy());
    if (error === undefined) return saved;
    if (this.#config.snapshot.mode !== "when_needed") throw error;
    this.#context.log.warn(`${error.message}; a new snapshot is taken`);
    return undefined;
  }

  // ---- the snapshot -----------------------------------------------------------------------------------------------

  /** Yields the snapshot and returns the point in the log that it shows. */
  async *#snapshot(
    run: Run,
    publication: Publication,
    plan: StartPlan,
    saved: PostgresPosition | undefined,
  ): AsyncGenerator<Batch, bigint> {
    const { slot_name } = this.#config;
    const name = plan.slot === undefined ? slot_name : temporaryName(slot_name, this.#context.random());
    const exported = await this.#newSlot(run, name, { isTemporary: plan.slot !== undefined, exports: true });
    const { lsn, connection } = exported;
    try {
      yield* this.#readTables(run, publication, {
        shownLsn: lsn,
        resumeAt: plan.resume ?? { lsn, index: 0, lastCommit: 0n },
        isFinite: false,
        exported,
        earlier: await this.#earlierSnapshot(saved, plan),
      });
    } finally {
      await connection[Symbol.asyncDispose]();
    }
    return lsn;
  }

  /** The snapshot that was interrupted, if its slot still has what has changed since. */
  async #earlierSnapshot(
    saved: PostgresPosition | undefined,
    { slot, resume }: StartPlan,
  ): Promise<EarlierSnapshot | undefined> {
    const { plan: id, units } = saved?.snapshot ?? {};
    if (id === undefined || units === undefined || slot === undefined || resume === undefined) {
      return undefined;
    }
    const plan = await this.#context.state.get("snapshot_plan") as StoredPlan | undefined;
    return plan?.id === id ? { plan, progress: units } : undefined;
  }

  async *#readTables(
    run: Run,
    publication: Publication | undefined,
    { shownLsn, resumeAt, isFinite, exported, earlier }: {
      readonly shownLsn: bigint;
      readonly resumeAt: StreamPoint;
      /** Nothing comes behind it. */
      readonly isFinite: boolean;
      readonly exported?: NewSlot;
      readonly earlier?: EarlierSnapshot;
    },
  ): AsyncGenerator<Batch> {
    const { facts, history, book, origin } = run;
    const { batchWriter, clock, log, state } = this.#context;
    const { parallel_tables, batch_size, throttle_delay_ms, query_timeout_secs } = this.#config.snapshot;
    const attempt = await this.#nextAttempt();
    const tables = await snapshotTables(
      this.#catalog,
      facts,
      this.#filter,
      this.#config.snapshot,
      publication,
    );
    const types = await this.#catalog.learnTypes(
      tables.flatMap(({ table }) => table.columns.map(({ type }) => type)),
    );
    for (const { table } of tables) await history.load(table);
    log.info(`Reading a snapshot of ${tables.length} tables at ${formatLsn(shownLsn)}`, {
      attempt,
      ...(earlier ? { goesOnWith: earlier.plan.id } : {}),
    });
    const position = streamPosition(origin, resumeAt);
    const reading = (progress: Partial<SnapshotProgress>): PostgresPosition => ({
      ...position,
      snapshot: {
        state: "reading",
        attempt,
        lsn: formatLsn(shownLsn),
        tablesDone: tables.length,
        tables: tables.length,
        ...progress,
      },
    });
    yield* readSnapshot({
      endpoint: this.#endpoint,
      clock,
      newWriter: batchWriter,
      unreadable: unreadableRows(this.#config, this.#context),
      types,
      book,
      announce: this.#announcer(run, snapshotPlace(resumeAt), shownLsn),
      tables,
      snapshotName: exported?.snapshotName,
      // The transaction sees it now, so the connection that exported it is not needed any more. It is not kept for
      // the stream: idle for the hours of a snapshot, it would be the first that a firewall cuts.
      onJoined: async () => await exported?.connection[Symbol.asyncDispose](),
      lsn: shownLsn,
      attempt,
      parallel: parallel_tables,
      rowsPerStatement: batch_size,
      pauseMs: throttle_delay_ms,
      silenceMs: query_timeout_secs * 1000,
      earlier,
      // Without a stream behind it another read can't go on where this one has stopped.
      onPlanned: async (plan) =>
        await (isFinite ? undefined : state.put("snapshot_plan", plan as unknown as Json)),
      position: (tablesDone, plan, units) => reading({ tablesDone, ...(isFinite ? {} : { plan, units }) }),
      finalPosition: isFinite ? reading({ state: "finished" }) : position,
      progress: this.#progress,
      watch: async () => await (isFinite ? undefined : this.#watchSlot(resumeAt.lsn)),
      signal: this.#signal,
    });
  }

  /** The columns of the tables, as `schema_change_topic` wants them. */
  async *#tablesWithoutRows(
    { facts, history, writer, book, origin }: Run,
    publication: Publication,
    start: StreamPoint,
  ): AsyncGenerator<Batch> {
    const topic = this.#schemaChanges;
    if (!topic.enabled) return;
    const attempt = await this.#nextAttempt();
    const { snapshot } = this.#config;
    const tables = await snapshotTables(this.#catalog, facts, this.#filter, snapshot, publication);
    const all = tables.flatMap(({ table }) => table.columns.map(({ type }) => type));
    const types = await this.#catalog.learnTypes(all);
    const own = new TextEncoder().encode(sourceMembers(0n, start.lsn, null));
    const timeMicros = this.#context.clock.nowMicros();
    const position = streamPosition(origin, start);
    // Until all of them are delivered another start begins anew.
    const unfinished: PostgresPosition = {
      ...position,
      snapshot: {
        state: "reading",
        attempt,
        lsn: formatLsn(start.lsn),
        tablesDone: 0,
        tables: tables.length,
      },
    };
    writer.lane = `schema/${attempt}`;
    const group = String(attempt).padStart(16, "0");
    for (const [index, source] of tables.entries()) {
      await history.load(source.table);
      const { stream } = streamOf(source, book, types);
      const news = book.news(stream);
      if (news === undefined) continue;
      news.announce(snapshotPlace(start));
      news.write(writer, topic, { timeMicros, lsn: start.lsn, group, index, own });
      if (!writer.isFull) continue;
      await history.save(0n);
      yield batchFromData(writer.finish(unfinished));
    }
    await history.save(0n);
    yield batchFromData(writer.finish(position));
  }

  /** Writes what has to be said of a Stream before its first row in a snapshot. */
  #announcer({ book, history }: Pick<Run, "book" | "history">, place: Place, lsn = place.lsn) {
    return async (stream: Stream, to: BatchWriter, { timeMicros, own }: Announced): Promise<void> => {
      const news = book.news(stream);
      if (!news) return;
      news.announce(place);
      await history.save(0n);
      // Rows are in the group of the attempt, which is at least 1.
      const [group, index] = ["0".repeat(16), 0];
      news.write(to, this.#schemaChanges, { timeMicros, lsn, group, index, own });
    };
  }

  /** Ends a snapshot that is of no use any more, because the stream behind it is lost. */
  async #watchSlot(lsn: bigint): Promise<void> {
    const { slot_name } = this.#config;
    const slot = await readSlot(this.#catalog, slot_name);
    if (slot === undefined) throw slotMissing(slot_name, lsn);
    if (isLost(slot)) throw slotLost(slot);
  }

  /** A number that no earlier read has had, also one whose rows some sink has and whose position was never saved. */
  async #nextAttempt(): Promise<number> {
    const { state, preview } = this.#context;
    if (preview) return 1;
    const attempt = await this.#lastAttempt() + 1;
    await state.put("snapshot_attempt", attempt);
    return attempt;
  }

  /** 0: no snapshot was ever begun. */
  async #lastAttempt(): Promise<number> {
    const last = await this.#context.state.get("snapshot_attempt");
    return typeof last === "number" ? last : 0;
  }

  async #newSlot(
    { facts }: Run,
    name: string,
    { isTemporary, exports }: { readonly isTemporary: boolean; readonly exports: boolean },
  ): Promise<NewSlot> {
    const { clock, log } = this.#context;
    if (!isTemporary && !this.#config.auto_create_slot) {
      throw new ConnectorError(`There is no replication slot "${name}" and it must not be created`, {
        code: "not_found_slot",
        hint:
          `Run: SELECT pg_create_logical_replication_slot('${name}', 'pgoutput'); or set auto_create_slot to true`,
      });
    }
    const connection = await this.#replicationConnection();
    try {
      const { consistentPoint, snapshotName } = await createSlot(
        connection,
        {
          name,
          isTemporary,
          isFailover: !isTemporary && this.#config.slot_failover,
          isStandby: facts.isStandby,
          exports,
          version: facts.version,
          timeoutMs: SLOT_CREATION_MS,
        },
        { catalog: this.#catalog, clock, log, signal: this.#signal },
      );
      log.info(`Created ${isTemporary ? "temporary " : ""}replication slot "${name}"`, {
        consistentPoint: formatLsn(consistentPoint),
      });
      return { connection, lsn: consistentPoint, snapshotName };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  get #transactions(): TransactionMetadata | undefined {
    const { transaction_topic: topic, database } = this.#config;
    if (!topic.enabled) return undefined;
    const topic_name = topic.topic_name ?? `${this.#context.name}.transaction`;
    return new TransactionMetadata({ ...topic, topic_name }, database);
  }

  get #schemaChanges(): SchemaChangeTopic {
    const { schema_change_topic: topic } = this.#config;
    return { ...topic, topic_name: topic.topic_name ?? `${this.#context.name}.schema_changes` };
  }

  async #replicationConnection(): Promise<Connection> {
    return await Connection.open(this.#endpoint, this.#context.clock, "replication", this.#signal);
  }

  // ---- the stream -------------------------------------------------------------------------------------------------

  async *#stream(
    run: Run,
    publication: Publication,
    connection: Connection,
    slot: string,
    start: StreamPoint,
    wanted?: IncrementalState,
  ): AsyncGenerator<Batch> {
    const { facts, writer, history, book, origin } = run;
    const { clock, log, metrics } = this.#context;
    const { slot_max_retries, slot_retry_delay_ms, status_update_interval_ms } = this.#config;
    const incremental = this.#incremental(run, start, wanted);
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
        statusIntervalMs: status_update_interval_ms,
        slotWaitMs: slot_max_retries * slot_retry_delay_ms,
        slotRetryDelayMs: slot_retry_delay_ms,
        start,
        flushed: this.#acknowledged,
        writer,
        extras: {
          schemaChanges: this.#schemaChanges,
          transactions: this.#transactions,
          incremental,
          wanted: wantedChanges(this.#config),
          unreadable: unreadableRows(this.#config, this.#context),
        },
        pluginOptions: originOption(this.#config),
        complete: async (batch, unsent) =>
          await reselect(batch, unsent, { catalog: this.#catalog, writer, log }),
        history,
        position: (point) => streamPosition(origin, point),
        relation: await this.#relations(publication, book, history),
        slotHolder: async () => (await readSlot(this.#catalog, slot))?.activePid ?? undefined,
        progress: this.#progress,
        metrics,
        signal: this.#signal,
      });
      const over = AbortSignal.any([this.#signal, done.signal]);
      if (!this.#context.preview) beside = this.#runBeside(replication, slot, over);
      yield* incremental?.through(replication.read(), () => replication.hurry()) ?? replication.read();
    } finally {
      this.#replication = undefined;
      connection.destroy();
      done.abort();
      await beside;
    }
  }

  /** What goes on while the stream is read, until `signal` is aborted. */
  async #runBeside(replication: Replication, slot: string, signal: AbortSignal): Promise<void> {
    const { clock, log, metrics } = this.#context;
    const { max_wal_lag, heartbeat_interval_secs, heartbeat_action_query, heartbeat_emit_message } =
      this.#config;
    await Promise.all([
      monitorSlot({
        catalog: this.#catalog,
        clock,
        log,
        metrics,
        slot,
        maxBytes: max_wal_lag === undefined ? undefined : parseSize(max_wal_lag),
        onServerLsn: (lsn) => replication.noteServerLsn(lsn),
        onEndangered: () => replication.letGo(),
        onLost: (error) => replication.fail(error),
      }, signal),
      beat({
        endpoint: this.#endpoint,
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
  #incremental(
    { facts, origin, book, history }: Run,
    start: StreamPoint,
    saved: IncrementalState | undefined,
  ): IncrementalSnapshots | undefined {
    const config = this.#config;
    const { preview } = this.#context;
    if (preview || !config.signal.enabled) return undefined;
    return incrementalSnapshots({
      config,
      context: this.#context,
      endpoint: this.#endpoint,
      filter: this.#filter,
      tables: {
        facts,
        book,
        load: (table) => history.load(table),
        nextAttempt: () => this.#nextAttempt(),
      },
      announce: this.#announcer({ book, history }, start),
      position: streamPosition(origin, start),
      saved,
      signal: this.#signal,
    });
  }

  /** Makes a Relation of what the stream announces; the catalog is asked again when it says otherwise. */
  async #relations(
    publication: Publication,
    book: StreamBook,
    history: SchemaHistory,
  ): Promise<(message: RelationMessage, typesAreStale: boolean) => Promise<Relation>> {
    const known = await this.#catalog.tablesByOid(publication.tables.map(({ oid }) => oid));
    const tables = new Map(known.map((table) => [table.oid, table]));
    const unidentified = known.filter((table) => this.#filter.streams(table) && lacksIdentity(table));
    if (unidentified.length > 0) {
      this.#context.log.warn("The server refuses updates and deletes of tables without replica identity", {
        tables: unidentified.map(tableName),
        hint: "ALTER TABLE … REPLICA IDENTITY FULL, or add a primary key",
      });
    }
    const seen = new Set<number>();
    const expected = new Set(publication.tables.map(({ oid }) => oid));
    const { log } = this.#context;
    const warned = new Set<string>();
    const signals = signalTable(this.#config);
    const isSignalTable = ({ schema, name }: RelationMessage) =>
      schema === signals?.schema && name === signals.name;
    return async (message, typesAreStale) => {
      let table = tables.get(message.oid);
      if (seen.has(message.oid) || !table || !agrees(table, message)) {
        [table] = await this.#catalog.tablesByOid([message.oid]);
        if (table) tables.set(message.oid, table);
      }
      seen.add(message.oid);
      if (typesAreStale) await this.#catalog.refreshTypes();
      const types = await this.#catalog.learnTypes(message.columns.map(({ type }) => type));
      const isSelected = this.#filter.streams(message) || isSignalTable(message);
      if (isSelected) await history.load(message);
      if (isSelected && !expected.has(message.oid)) {
        expected.add(message.oid);
        log.info(
          `Table "${
            tableName(message)
          }" has joined the stream; rows from before it was published are not read`,
        );
      }
      const relation = makeRelation(message, table, isSelected, book, types);
      if (isSelected) warnAboutKey(relation, book.rules, warned, log);
      return relation;
    };
  }
}

/** Schemas that a snapshot announces have reached the sinks once reading resumes at the point behind it. */
function snapshotPlace({ lsn, index }: StreamPoint): Place {
  return { lsn, index: index - 0.5 };
}

/** What begins before it has reached the sinks. */
function deliveredBefore(saved: PostgresPosition): Place {
  const point = streamPoint(saved);
  return saved.snapshot?.state === "reading" ? snapshotPlace(point) : point;
}

/** Whether the catalog, which shows the present, still is as the stream says it was. */
function agrees(table: Table, { schema, name, columns }: RelationMessage): boolean {
  return table.schema === schema && table.name === name &&
    columns.every((column) =>
      table.columns.some((now) =>
        now.name === column.name && now.type === column.type && now.typmod === column.typmod
      )
    );
}

/** At most 63 lower case letters, digits and _; random, because an earlier one may be dying still. */
function temporaryName(slot: string, random: number): string {
  return `${slot.slice(0, 45)}_tmp_${Math.floor(random * 0xffffffff).toString(36)}`;
}
