/**
 * One `read()`: decides what is to be read (start.ts), then reads it. The hand-over from snapshot to stream is exact:
 * the snapshot shows the state at the consistent point of a slot, and the stream begins at that point.
 *
 * A slot that exists already can't export a snapshot. A temporary slot beside it can: its consistent point lies behind
 * what the permanent slot has confirmed, and the permanent slot is read from that point on. So an interrupted snapshot
 * goes on with another one, nothing has to be dropped, and a slot that an administrator has made is good as well.
 */
import { batchFromData } from "../../formats/data/batch.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Json } from "../../formats/data/value.ts";
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { Batch, Position, SourceContext } from "../contract.ts";
import { capturePublication, publicationPlan, snapshotTables, tellUnmatched } from "./captured.ts";
import { type Catalog, type ServerFacts } from "./catalog.ts";
import type { StreamPoint } from "./change_decoder.ts";
import { Connection } from "./connection.ts";
import type { PostgresConfig } from "./connector.ts";
import type { Endpoint } from "./endpoint.ts";
import { formatLsn } from "./lsn.ts";
import {
  type PostgresPosition,
  readPosition,
  type SnapshotProgress,
  streamPoint,
  streamPosition,
} from "./position.ts";
import { type Publication, readPublication } from "./publication.ts";
import { StreamBook } from "./relations.ts";
import { type Place, SchemaHistory } from "./schema_history.ts";
import { requireFailover, requireServer } from "./server.ts";
import {
  createSlot,
  dropSlot,
  enableFailover,
  isLost,
  readSlot,
  type Slot,
  slotLost,
  slotOfStandby,
} from "./slot.ts";
import { measured } from "./source_metrics.ts";
import { wasDropped } from "./slot_release.ts";
import { autosetReplicaIdentity } from "./replica_identity.ts";
import { rowRules } from "./row_rules.ts";
import { missingOption } from "./plugin_options.ts";
import {
  announcer,
  lastAttempt,
  nextAttempt,
  type ReadingOptions,
  replicationConnection,
  type Run,
  schemaChangeTopic,
  slotWait,
} from "./run.ts";
import { Streaming, type StreamStart } from "./streaming.ts";
import { readSnapshot, streamOf } from "./snapshot.ts";
import { sourceMembers } from "./source_members.ts";
import type { EarlierSnapshot, StoredPlan } from "./snapshot_plan.ts";
import { decideStart, slotMissing, type StartPlan } from "./start.ts";
import { historyError } from "./timeline.ts";
import { unreadableRows } from "./unreadable_rows.ts";

/** How long the creation of a slot waits for transactions that are open. */
const SLOT_CREATION_MS = 300_000;

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
  readonly #options: ReadingOptions;
  /** The slot of the configuration is there, and nobody else reads from it. */
  hasSlot = false;
  #streaming: Streaming | undefined;
  /** The highest LSN that is known to be durable; 0: none. */
  #acknowledged = 0n;

  constructor(options: ReadingOptions) {
    const { config, context, endpoint, filter, catalog, signal } = this.#options = options;
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
    this.#streaming?.acknowledge(lsn);
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
    if (!this.#filter.isOpen) {
      tellUnmatched(this.#filter, await this.#catalog.allTables(), this.#context.log, this.#config);
    }
    const origin = { system: facts.systemId, timeline: facts.timeline, slot: slot_name };
    const saved = from === undefined ? undefined : readPosition(from, origin);
    const history = new SchemaHistory(
      preview ? undefined : this.#context.state,
      saved && deliveredBefore(saved),
      mode === "recovery",
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
    const { clock, log } = this.#context;
    const { slot_name } = this.#config;
    const publication = await this.#publication(run.facts);
    const { replica_identity_autoset } = this.#config;
    await autosetReplicaIdentity(this.#catalog, replica_identity_autoset, this.#filter, publication, {
      clock,
      log,
      signal: this.#signal,
    });
    if (this.#signal.aborted) return;
    const slot = await this.#freeSlot(slot_name);
    if (slot?.isSynced && run.facts.isStandby) throw slotOfStandby(slot);
    const found = decideStart({
      saved,
      slot,
      serverLsn: run.facts.lsn,
      hasAttempted: await lastAttempt(this.#context) > 0,
      wasDropped: saved && await wasDropped(this.#context.state, saved),
    }, this.#config);
    const plan = found.replacesSlot ? { ...found, slot: undefined } : found;
    if (plan.isGap) {
      log.warn(`${plan.reason}; a new snapshot takes its place, and does not tell what was deleted`);
    } else log.info(plan.reason, { slot: slot_name, snapshot: plan.snapshot });
    // Not where a snapshot takes the place of the position: another server would believe that it may let go of that.
    if (saved && saved.snapshot === undefined && plan.resume) this.#acknowledged = plan.resume.lsn;
    if (found.replacesSlot) await dropSlot(this.#catalog, slot_name);
    if (this.#config.slot_failover && plan.slot?.isFailover === false) await this.#enableFailover(slot_name);
    if (this.#signal.aborted) return;
    this.hasSlot = plan.slot !== undefined;
    let startLsn = plan.slot?.confirmedLsn ?? 0n;
    await using held = new HeldConnection();
    if (plan.snapshot) startLsn = yield* this.#snapshot(run, publication, plan, saved, held);
    else if (plan.slot === undefined) {
      const isTemporary = this.#config.slot_temporary;
      const created = await this.#newSlot(run, slot_name, { isTemporary, exports: false });
      if (isTemporary) held.connection = created.connection;
      else await created.connection[Symbol.asyncDispose]();
      startLsn = created.lsn;
    }
    if (this.#signal.aborted) return;
    const start = plan.resume ?? { lsn: startLsn, index: 0, lastCommit: 0n };
    const { mode } = this.#config.snapshot;
    if (mode === "no_data" && plan.resume === undefined || mode === "recovery" && !plan.snapshot) {
      yield* this.#tablesWithoutRows(run, publication, start, plan.resume && saved);
    }
    log.info(`Streaming from ${formatLsn(start.lsn)}`, { slot: slot_name, publication: publication.name });
    yield* this.#stream(run, {
      publication,
      connection: held.connection ?? await replicationConnection(this.#options),
      slot: slot_name,
      point: start,
      incremental: saved?.incremental,
    });
  }

  /** The slot, once nobody else reads from it: a snapshot that is taken before would be for nothing. */
  async #freeSlot(name: string): Promise<Slot | undefined> {
    const wait = slotWait(this.#options, name);
    for (;;) {
      const slot = await readSlot(this.#catalog, name);
      if (slot === undefined || slot.activePid === null || this.#signal.aborted) return slot;
      await wait.pause(`Cannot start reading from slot "${name}"`, this.#signal);
    }
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
    yield* this.#stream(run, { publication, connection, slot, point: { lsn, index: 0, lastCommit: 0n } });
  }

  async *#stream(run: Run, start: StreamStart): AsyncGenerator<Batch> {
    const streaming = new Streaming(this.#options, run, start, this.#progress, this.#acknowledged);
    this.#streaming = streaming;
    try {
      yield* streaming.batches();
    } finally {
      this.#streaming = undefined;
    }
  }

  async #enableFailover(slot: string): Promise<void> {
    await using connection = await replicationConnection(this.#options);
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
    const connection = await replicationConnection(this.#options);
    const error = await historyError({ ...saved, timeline }, facts.timeline, connection)
      .finally(() => connection.destroy());
    if (error === undefined) return saved;
    if (this.#config.snapshot.mode !== "when_needed") throw error;
    this.#context.log.warn(`${error.message}; a new snapshot is taken`);
    return undefined;
  }

  // ---- the snapshot -----------------------------------------------------------------------------------------------

  /**
   * Yields the snapshot and returns the point in the log that it shows.
   *
   * @param held the connection of the slot, where that goes with it
   */
  async *#snapshot(
    run: Run,
    publication: Publication,
    plan: StartPlan,
    saved: PostgresPosition | undefined,
    held: HeldConnection,
  ): AsyncGenerator<Batch, bigint> {
    const { slot_name, slot_temporary } = this.#config;
    const isBeside = plan.slot !== undefined;
    const name = isBeside ? temporaryName(slot_name, this.#context.random()) : slot_name;
    const exported = await this.#newSlot(run, name, {
      isTemporary: isBeside || slot_temporary,
      exports: true,
    });
    const { lsn, connection } = exported;
    if (slot_temporary) held.connection = connection;
    try {
      yield* this.#readTables(run, publication, {
        shownLsn: lsn,
        resumeAt: plan.resume ?? { lsn, index: 0, lastCommit: 0n },
        isFinite: false,
        exported,
        earlier: await this.#earlierSnapshot(saved, plan),
      });
    } finally {
      if (!slot_temporary) await connection[Symbol.asyncDispose]();
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
    const attempt = await nextAttempt(this.#context);
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
    types.olderValues.areAllowed = false;
    await history.load(tables.map(({ table }) => table));
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
      log,
      newWriter: batchWriter,
      unreadable: unreadableRows(this.#options.config, this.#options.context),
      types,
      book,
      ...announcer(this.#options, run, snapshotPlace(resumeAt), shownLsn),
      tables,
      snapshotName: exported?.snapshotName,
      onJoined: async () => await (exported && this.#joined(exported.connection, facts.version)),
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

  /**
   * The transaction sees the snapshot now, so the connection that exported it is not needed any more. It is not kept for
   * the stream: idle for the hours of a snapshot, it would be the first that a firewall cuts. Unless a slot goes with it.
   */
  async #joined(connection: Connection, version: number): Promise<void> {
    if (!this.#config.slot_temporary) return await connection[Symbol.asyncDispose]();
    if (version >= 140000) {
      await connection.query("Cannot keep the connection of the slot", "SET idle_session_timeout = 0");
    }
  }

  /**
   * The columns of the tables, as `schema_change_topic` wants them.
   *
   * @param saved the position that is kept; undefined: there is none yet
   */
  async *#tablesWithoutRows(
    { facts, history, writer, book, origin }: Run,
    publication: Publication,
    start: StreamPoint,
    saved?: PostgresPosition,
  ): AsyncGenerator<Batch> {
    const topic = schemaChangeTopic(this.#options);
    if (!topic.enabled) return;
    const attempt = await nextAttempt(this.#context);
    const { snapshot } = this.#config;
    const tables = await snapshotTables(this.#catalog, facts, this.#filter, snapshot, publication);
    const all = tables.flatMap(({ table }) => table.columns.map(({ type }) => type));
    const types = await this.#catalog.learnTypes(all);
    await history.load(tables.map(({ table }) => table));
    const own = new TextEncoder().encode(sourceMembers(0n, start.lsn, null));
    const timeMicros = this.#context.clock.nowMicros();
    const position = saved ?? streamPosition(origin, start);
    // Until all of them are delivered another start begins anew.
    const unfinished: PostgresPosition = saved ?? {
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

  /** Ends a snapshot that is of no use any more, because the stream behind it is lost. */
  async #watchSlot(lsn: bigint): Promise<void> {
    const { slot_name, slot_temporary } = this.#config;
    const slot = await readSlot(this.#catalog, slot_name);
    if (slot === undefined && slot_temporary) throw connectionOfSlotLost(slot_name);
    if (slot === undefined) throw slotMissing(slot_name, lsn);
    if (isLost(slot)) throw slotLost(slot);
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
    const connection = await replicationConnection(this.#options);
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
      this.hasSlot ||= !isTemporary;
      log.info(`Created ${isTemporary ? "temporary " : ""}replication slot "${name}"`, {
        consistentPoint: formatLsn(consistentPoint),
      });
      return { connection, lsn: consistentPoint, snapshotName };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }
}

/** A connection that a temporary slot lives with, until the stream takes it over. */
class HeldConnection implements AsyncDisposable {
  connection: Connection | undefined;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection?.[Symbol.asyncDispose]();
  }
}

function connectionOfSlotLost(slot: string): ConnectorError {
  return new ConnectorError(`The connection that temporary slot "${slot}" lives with was lost`, {
    code: "connection_lost",
  });
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

/** At most 63 lower case letters, digits and _; random, because an earlier one may be dying still. */
function temporaryName(slot: string, random: number): string {
  return `${slot.slice(0, 45)}_tmp_${Math.floor(random * 0xffffffff).toString(36)}`;
}
