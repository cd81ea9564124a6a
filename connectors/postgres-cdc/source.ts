/**
 * The source: decides from the saved position, the slot and `snapshot.mode` what is to be read, then reads it. The
 * hand-over from snapshot to stream is exact: the snapshot shows the state at the consistent point of a slot, and the
 * stream begins at that point.
 *
 * A slot that exists already can't export a snapshot. A temporary slot beside it can: its consistent point lies behind
 * what the permanent slot has confirmed, and the permanent slot is read from that point on. So an interrupted snapshot
 * is simply taken again, nothing has to be dropped, and a slot that an administrator has made is good as well.
 */
import { BatchWriter } from "../../formats/data/batch_writer.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import { type TableFilter, tableFilter } from "../_cdc/table_filter.ts";
import type { Batch, CheckReport, DiscoveredStream, Position, Source, SourceContext } from "../contract.ts";
import { Catalog, type ServerFacts, type Table, tableName } from "./catalog.ts";
import type { StreamPoint } from "./change_decoder.ts";
import { checkSource } from "./check.ts";
import { Connection, type Endpoint } from "./connection.ts";
import type { PostgresConfig } from "./connector.ts";
import { discoverTables } from "./discover.ts";
import { formatLsn, parseLsn } from "./lsn.ts";
import type { RelationMessage } from "./pgoutput.ts";
import { type PostgresPosition, readPosition, streamPoint, streamPosition } from "./position.ts";
import {
  addTablesStatement,
  ensurePublication,
  notPublished,
  type Publication,
  type PublicationPlan,
} from "./publication.ts";
import { makeRelation, type Relation, StreamBook } from "./relations.ts";
import { Replication } from "./replication.ts";
import { createSlot, dropSlot, isLost, readSlot, requireUsable, type Slot, slotLost } from "./slot.ts";
import { readSnapshot, type SnapshotTable } from "./snapshot.ts";

/** How long the creation of a slot waits for transactions that are open. */
const SLOT_CREATION_MS = 300_000;

export function openSource(config: PostgresConfig, context: SourceContext): Source {
  return new PostgresSource(config, context);
}

/** What a start has to do. */
interface StartPlan {
  readonly snapshot: boolean;
  /** Where the stream goes on; undefined: at the point of the snapshot, or of the slot. */
  readonly resume: StreamPoint | undefined;
  readonly slot: Slot | undefined;
}

class PostgresSource implements Source {
  readonly #config: PostgresConfig;
  readonly #context: SourceContext;
  readonly #endpoint: Endpoint;
  readonly #filter: TableFilter;
  readonly #catalog: Catalog;
  #replication: Replication | undefined;
  /** The highest LSN that was acknowledged while no stream was open. */
  #acknowledged = 0n;

  constructor(config: PostgresConfig, context: SourceContext) {
    this.#config = config;
    this.#context = context;
    this.#endpoint = endpointOf(config, context.name);
    this.#filter = filterOf(config, context);
    this.#catalog = new Catalog(this.#endpoint, context.clock, config);
  }

  async *read(from: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    const context = this.#context;
    const config = this.#config;
    const catalog = this.#catalog;
    context.progress({ phase: "starting" });
    const facts = await catalog.facts();
    requireServer(facts, config);
    const origin = { system: facts.systemId, slot: config.slot_name };
    const saved = from === undefined ? undefined : readPosition(from, origin);
    if (saved?.snapshot?.state === "finished") return context.progress({ phase: "finished" });

    const publication = await this.#publication(facts);
    const plan = await this.#plan(saved);
    if (signal.aborted) return;
    const writer = new BatchWriter({
      origin: { connector: "postgres-cdc", name: context.name, version: VERSION },
      layout: context.layout,
      nowMicros: () => context.clock.nowMicros(),
    });
    const book = new StreamBook(config.database);
    let start = plan.resume;
    if (plan.snapshot) {
      const consistent = yield* this.#snapshot(plan, publication, facts, writer, book, signal);
      if (signal.aborted) return;
      if (config.snapshot.mode === "initial_only") return context.progress({ phase: "finished" });
      start ??= { lsn: consistent, index: 0, lastCommit: 0n };
    } else if (plan.slot === undefined) {
      const created = await this.#createSlot(config.slot_name, {
        isTemporary: false,
        exports: false,
        facts,
        signal,
      });
      await created.connection[Symbol.asyncDispose]();
      start = { lsn: created.lsn, index: 0, lastCommit: 0n };
    }
    start ??= { lsn: plan.slot?.confirmedLsn ?? 0n, index: 0, lastCommit: 0n };
    context.log.info(`Streaming from ${formatLsn(start.lsn)}`, {
      slot: config.slot_name,
      publication: publication.name,
    });
    this.#replication = new Replication({
      endpoint: this.#endpoint,
      clock: context.clock,
      log: context.log,
      slot: config.slot_name,
      publication: publication.name,
      serverVersion: facts.version,
      walSenderTimeoutMs: facts.walSenderTimeoutMs,
      statusIntervalMs: config.status_update_interval_ms,
      slotWaitMs: config.slot_max_retries * config.slot_retry_delay_ms,
      slotRetryDelayMs: config.slot_retry_delay_ms,
      start,
      flushed: saved !== undefined && saved.snapshot === undefined ? parseLsn(saved.lsn) : this.#acknowledged,
      writer,
      position: (point) => streamPosition(origin, point),
      relation: await this.#relations(publication, book),
      slotHolder: async () => (await readSlot(catalog, config.slot_name))?.activePid ?? undefined,
      progress: context.progress,
      signal,
    });
    try {
      yield* this.#replication.read();
    } finally {
      this.#replication = undefined;
    }
  }

  acknowledge(position: Position): Promise<void> {
    const { lsn, snapshot } = position as PostgresPosition;
    // While a snapshot is under way the stream's changes behind it are still to come.
    if (snapshot !== undefined) return Promise.resolve();
    this.#acknowledged = parseLsn(lsn);
    this.#replication?.acknowledge(this.#acknowledged);
    return Promise.resolve();
  }

  async check(report: CheckReport): Promise<void> {
    await checkSource(
      this.#catalog,
      this.#endpoint,
      this.#config,
      this.#filter,
      this.#publicationPlan(),
      report,
    );
  }

  async discover(): Promise<readonly DiscoveredStream[]> {
    return await discoverTables(this.#catalog, this.#endpoint.database, this.#filter);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#catalog[Symbol.asyncDispose]();
  }

  // ---- what to read -----------------------------------------------------------------------------------------------

  #publicationPlan(): PublicationPlan {
    const { publication, auto_create_publication, publication_autocreate_mode, schemas, tables } =
      this.#config;
    const isPlain = schemas.every((schema) => !/[*?]/.test(schema) && !schema.startsWith("/"));
    const onlySchemas = tables.length === 0 && this.#config.exclude_tables.length === 0 &&
      this.#context.streams.length === 0;
    return {
      name: publication,
      mode: auto_create_publication ? publication_autocreate_mode : "disabled",
      filter: this.#filter,
      wholeSchemas: isPlain && onlySchemas ? schemas : [],
    };
  }

  async #publication(facts: ServerFacts): Promise<Publication> {
    const { log } = this.#context;
    const publication = await ensurePublication(this.#catalog, facts, this.#publicationPlan(), log);
    if (publication.missingOperations.length > 0) {
      log.warn(`Publication "${publication.name}" leaves out operations`, {
        operations: publication.missingOperations,
      });
    }
    if (this.#filter.exact.length > 0) {
      const missing = notPublished(this.#filter, publication, await this.#catalog.allTables());
      if (missing.length > 0) {
        throw new ConnectorError(
          `Publication "${publication.name}" does not send ${
            missing.map((table) => `"${tableName(table)}"`).join(", ")
          }`,
          { code: "config_publication", hint: `Run: ${addTablesStatement(publication.name, missing)}` },
        );
      }
    }
    return publication;
  }

  /** @throws {ConnectorError} `state_*` where going on would lose changes without a word */
  async #plan(saved: PostgresPosition | undefined): Promise<StartPlan> {
    const { slot_name, database, snapshot: { mode } } = this.#config;
    const { log } = this.#context;
    if (mode === "initial_only") return { snapshot: true, resume: undefined, slot: undefined };
    const slot = await readSlot(this.#catalog, slot_name);
    const isStreaming = saved !== undefined && saved.snapshot === undefined;
    if (!isStreaming) {
      if (slot) requireUsable(slot, database);
      if (saved) {
        log.info("The last snapshot was interrupted; a new one is taken, its rows come again", {
          slot: slot_name,
        });
      } else if (slot) {
        log.info(`Slot "${slot_name}" exists and no position is saved`, {
          confirmed: slot.confirmedLsn === undefined ? null : formatLsn(slot.confirmedLsn),
          then: mode === "never"
            ? "streaming goes on where it was confirmed"
            : "streaming begins behind the snapshot",
        });
      }
      return { snapshot: mode !== "never", resume: undefined, slot };
    }
    const resume = streamPoint(saved);
    const gone = slot === undefined
      ? slotMissing(slot_name, resume)
      : isLost(slot)
      ? slotLost(slot)
      : slot.confirmedLsn !== undefined && slot.confirmedLsn > resume.lsn
      ? slotAhead(slot, resume)
      : undefined;
    if (gone) {
      if (mode !== "when_needed") throw gone;
      log.warn(`${gone.message}. A new snapshot is taken (snapshot.mode: when_needed)`);
      if (!slot || !isLost(slot)) return { snapshot: true, resume: undefined, slot };
      await dropSlot(this.#catalog, slot_name); // of no use to anybody any more
      return { snapshot: true, resume: undefined, slot: undefined };
    }
    requireUsable(slot!, database);
    return { snapshot: mode === "always", resume, slot };
  }

  // ---- the snapshot -----------------------------------------------------------------------------------------------

  /** Yields the snapshot and returns the point in the log that it shows. */
  async *#snapshot(
    plan: StartPlan,
    publication: Publication,
    facts: ServerFacts,
    writer: BatchWriter,
    book: StreamBook,
    signal: AbortSignal,
  ): AsyncGenerator<Batch, bigint> {
    const { clock, log, progress } = this.#context;
    const { slot_name, snapshot } = this.#config;
    const attempt = await this.#nextAttempt();
    const tables = await this.#snapshotTables(publication);
    const types = await this.#catalog.learnTypes(
      tables.flatMap(({ table }) => table.columns.map(({ type }) => type)),
    );
    const isFinite = snapshot.mode === "initial_only";
    const exported = isFinite ? undefined : await this.#createSlot(
      plan.slot === undefined ? slot_name : temporaryName(slot_name, this.#context.random()),
      { isTemporary: plan.slot !== undefined, exports: true, facts, signal },
    );
    const lsn = exported?.lsn ?? await this.#currentLsn(facts);
    log.info(`Reading a snapshot of ${tables.length} tables at ${formatLsn(lsn)}`, { attempt });
    const origin = { system: facts.systemId, slot: slot_name };
    const start = plan.resume ?? { lsn, index: 0, lastCommit: 0n };
    const position = streamPosition(origin, start);
    try {
      yield* readSnapshot({
        endpoint: this.#endpoint,
        clock,
        writer,
        types,
        book,
        tables,
        snapshotName: exported?.snapshotName,
        // The transaction sees it now, so the connection that exported it is not needed any more. It is not kept
        // for the stream: idle for the hours of a snapshot, it would be the first that a firewall cuts.
        onJoined: async () => await exported?.connection[Symbol.asyncDispose](),
        lsn,
        attempt,
        position: (snapshot) => ({ ...position, snapshot }),
        finalPosition: isFinite
          ? {
            ...position,
            snapshot: {
              state: "finished",
              attempt,
              lsn: formatLsn(lsn),
              tablesDone: tables.length,
              tables: tables.length,
            },
          }
          : position,
        progress,
        watch: async () => {
          if (isFinite) return;
          const slot = await readSlot(this.#catalog, slot_name);
          if (slot === undefined) throw slotMissing(slot_name, start);
          if (isLost(slot)) throw slotLost(slot);
        },
        signal,
      });
    } finally {
      await exported?.connection[Symbol.asyncDispose]();
    }
    return lsn;
  }

  /** A number that no earlier read has had, also one whose rows some sink has and whose position was never saved. */
  async #nextAttempt(): Promise<number> {
    const { state } = this.#context;
    const last = await state.get("snapshot_attempt");
    const attempt = (typeof last === "number" ? last : 0) + 1;
    await state.put("snapshot_attempt", attempt);
    return attempt;
  }

  async #snapshotTables(publication: Publication): Promise<SnapshotTable[]> {
    const { include_tables, exclude_tables } = this.#config.snapshot;
    const wanted = tableFilter({
      schemas: [],
      tables: include_tables,
      excludeTables: exclude_tables,
      streams: [],
    });
    const tables = await this.#catalog.tablesByOid(publication.tables.map(({ oid }) => oid));
    const published = new Map(publication.tables.map((table) => [table.oid, table]));
    return tables
      .filter((table) => this.#filter.includes(table) && wanted.includes(table))
      .map((table) => {
        const { columns, rowFilter } = published.get(table.oid)!;
        return {
          table,
          columns: table.columns.map(({ name }) => name).filter((name) => isSent(table, name, columns)),
          rowFilter,
        };
      });
  }

  async #createSlot(
    name: string,
    { isTemporary, exports, facts, signal }: {
      readonly isTemporary: boolean;
      readonly exports: boolean;
      readonly facts: ServerFacts;
      readonly signal: AbortSignal;
    },
  ): Promise<{ connection: Connection; lsn: bigint; snapshotName: string | undefined }> {
    const { clock, log } = this.#context;
    if (!isTemporary && !this.#config.auto_create_slot) {
      throw new ConnectorError(`There is no replication slot "${name}" and it must not be created`, {
        code: "not_found_slot",
        hint:
          `Create it: SELECT pg_create_logical_replication_slot('${name}', 'pgoutput'); or set auto_create_slot to true`,
      });
    }
    const connection = await Connection.open(this.#endpoint, clock, "replication");
    const cut = () => connection.destroy();
    signal.addEventListener("abort", cut);
    try {
      const slot = await createSlot(
        connection,
        { name, isTemporary, exports, version: facts.version, timeoutMs: SLOT_CREATION_MS },
        { catalog: this.#catalog, clock, log, signal },
      );
      log.info(`Created ${isTemporary ? "temporary " : ""}replication slot "${name}"`, {
        consistentPoint: formatLsn(slot.consistentPoint),
      });
      return { connection, lsn: slot.consistentPoint, snapshotName: slot.snapshotName };
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", cut);
    }
  }

  async #currentLsn(facts: ServerFacts): Promise<bigint> {
    const [{ lsn }] = await this.#catalog.query(
      "Cannot read the log's position",
      `SELECT ${facts.isStandby ? "pg_last_wal_replay_lsn()" : "pg_current_wal_lsn()"}::text AS lsn`,
    );
    return parseLsn(lsn!);
  }

  // ---- the stream -------------------------------------------------------------------------------------------------

  /** Makes a Relation of what the stream announces; the catalog is asked again when it says otherwise. */
  async #relations(
    publication: Publication,
    book: StreamBook,
  ): Promise<(message: RelationMessage) => Promise<Relation>> {
    const tables = new Map<number, Table>();
    for (const table of await this.#catalog.tablesByOid(publication.tables.map(({ oid }) => oid))) {
      tables.set(table.oid, table);
    }
    const seen = new Set<number>();
    return async (message) => {
      let table = tables.get(message.oid);
      if (seen.has(message.oid) || !table || !agrees(table, message)) {
        [table] = await this.#catalog.tablesByOid([message.oid]);
        if (table) tables.set(message.oid, table);
      }
      seen.add(message.oid);
      const types = await this.#catalog.learnTypes(message.columns.map(({ type }) => type));
      return makeRelation(message, table, this.#filter.streams(message), book, types);
    };
  }
}

const VERSION = "0.1.0";

function endpointOf(config: PostgresConfig, name: string): Endpoint {
  const { host, port, database, user, password, connect_timeout_secs } = config;
  return {
    host,
    port,
    database,
    user,
    password,
    connectTimeoutMs: connect_timeout_secs * 1000,
    applicationName: `rivven-connect ${name}`,
  };
}

function filterOf(
  { schemas, tables, exclude_tables }: PostgresConfig,
  { streams }: SourceContext,
): TableFilter {
  return tableFilter({ schemas, tables, excludeTables: exclude_tables, streams });
}

function requireServer(facts: ServerFacts, config: PostgresConfig): void {
  if (facts.version < 130000) {
    throw new ConnectorError(`PostgreSQL ${facts.versionText} is too old: version 13 or newer is needed`, {
      code: "config_server_version",
    });
  }
  if (facts.walLevel !== "logical" && config.snapshot.mode !== "initial_only") {
    throw new ConnectorError(
      `wal_level is "${facts.walLevel}", so the server writes no changes that could be read`,
      {
        code: "config_wal_level",
        hint: "Run: ALTER SYSTEM SET wal_level = 'logical'; and restart the server",
      },
    );
  }
}

/** Generated columns are not sent, unless PostgreSQL 18 was told to, and then the publication names them. */
function isSent(table: Table, name: string, published: readonly string[] | undefined): boolean {
  const generated = table.columns.find((column) => column.name === name)!.generated;
  return published === undefined ? generated === "" : published.includes(name) && generated !== "v";
}

function agrees(table: Table, { schema, name, columns }: RelationMessage): boolean {
  return table.schema === schema && table.name === name &&
    columns.every((column) =>
      table.columns.some((now) =>
        now.name === column.name && now.type === column.type && now.typmod === column.typmod
      )
    );
}

/** At most 63 bytes of lower case letters, digits and _; random, because another one may be dying still. */
function temporaryName(slot: string, random: number): string {
  return `${slot.slice(0, 45)}_snap_${Math.floor(random * 0xffffffff).toString(36)}`;
}

function slotMissing(name: string, { lsn }: StreamPoint): ConnectorError {
  return new ConnectorError(
    `Slot "${name}" is gone, and with it the changes since the saved position ${formatLsn(lsn)}`,
    {
      code: "state_slot_gone",
      hint:
        "A new slot would hide the gap. Take a new snapshot: delete the saved position of this source, or set " +
        "snapshot.mode to when_needed; to go on without those changes, delete it and set snapshot.mode to never",
    },
  );
}

function slotAhead({ name, confirmedLsn }: Slot, { lsn }: StreamPoint): ConnectorError {
  return new ConnectorError(
    `Slot "${name}" was confirmed up to ${formatLsn(confirmedLsn!)}, beyond the saved position ${
      formatLsn(lsn)
    }: ` +
      "somebody else has read from it, and the changes between are gone",
    {
      code: "state_position_gone",
      hint:
        "Take a new snapshot: delete the saved position of this source, or set snapshot.mode to when_needed",
    },
  );
}
