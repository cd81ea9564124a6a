/**
 * One consistent read of tables by COPY, on several connections that see the same snapshot of the server. Called by
 * reading.ts, which decides what point in the log the read shows; what is read in which pieces is in snapshot_plan.ts.
 */
import { batchFromData } from "../../formats/data/batch.ts";
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { SnapshotMarker } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Batch, Clock, Logger, SourceProgress } from "../contract.ts";
import { tableName } from "./catalog.ts";
import { Connection, quoteLiteral } from "./connection.ts";
import { CopyReader, type HeldRow } from "./copy_reader.ts";
import type { Endpoint } from "./endpoint.ts";
import { connectorError, serverError } from "./errors.ts";
import { merged } from "./merged.ts";
import type { PostgresPosition } from "./position.ts";
import { keyOf, type StreamBook } from "./relations.ts";
import {
  copyStatement,
  type EarlierSnapshot,
  hasRowsStatement,
  type Job,
  SnapshotPlan,
  type SnapshotTable,
  type StoredPlan,
  type TableExtent,
  type UnitProgress,
} from "./snapshot_plan.ts";
import { sourceMembers } from "./source_members.ts";
import { type StatementWatch, watched } from "./statement_watch.ts";
import type { TypeCatalog, ValueWriter } from "./types/mod.ts";
import type { UnreadableRows } from "./unreadable_rows.ts";
import type { Wire } from "./wire.ts";

export interface SnapshotOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newWriter: () => BatchWriter;
  readonly unreadable?: UnreadableRows;
  readonly types: TypeCatalog;
  readonly book: StreamBook;
  /** Called once with the Streams of all tables that have rows. */
  readonly prepare: (streams: readonly Stream[]) => Promise<void>;
  /** Writes what is to be said of a table before its first row. */
  readonly announce: (stream: Stream, writer: BatchWriter, row: Announced) => Promise<void>;
  readonly tables: readonly SnapshotTable[];
  /** The exported snapshot to read; undefined: the state at this moment. */
  readonly snapshotName: string | undefined;
  /** Called when all connections see that snapshot, so that who exported it may go on. */
  readonly onJoined: () => Promise<void>;
  /** The point in the log that the snapshot shows. */
  readonly lsn: bigint;
  readonly attempt: number;
  /** The most connections that read at once. */
  readonly parallel: number;
  /** About how many rows one statement reads, and come again after an interruption. */
  readonly rowsPerStatement: number;
  /** Pause between two statements of one connection. */
  readonly pauseMs: number;
  /** The longest time that the server may take for the next rows; 0: any. */
  readonly silenceMs: number;
  /** An attempt to go on with, whose rows are there already. */
  readonly earlier: EarlierSnapshot | undefined;
  /** Called before the first row. */
  readonly onPlanned: (plan: StoredPlan) => Promise<void>;
  /** The position of a batch. */
  readonly position: (tablesDone: number, plan: number, progress: UnitProgress) => PostgresPosition;
  readonly progress: (progress: SourceProgress) => void;
  /** Called between batches, at most every ten seconds; what it throws ends the snapshot. */
  readonly watch: () => Promise<void>;
  /** The position behind the last row. */
  readonly finalPosition: PostgresPosition;
  readonly signal: AbortSignal;
}

/** What the rows of a snapshot have in common. */
export interface Announced {
  readonly timeMicros: bigint;
  readonly own: Uint8Array;
}

const WATCH_EVERY_MS = 10_000;
/** A batch that is not full waits this long for more. */
const BATCH_WAIT_MS = 20;
/** How many tables are looked at by one statement. */
const TABLES_PER_STATEMENT = 100;

/** Reads the tables. The last batch has `finalPosition`, also when there are no rows at all. */
export async function* readSnapshot(options: SnapshotOptions): AsyncGenerator<Batch> {
  const { endpoint, clock, signal, newWriter } = options;
  const done = new AbortController();
  const over = AbortSignal.any([signal, done.signal]);
  const connections: Connection[] = [];
  const connect = async () => {
    const connection = await Connection.open(endpoint, clock, "sql", over);
    connections.push(connection);
    return connection;
  };
  try {
    const leader = await connect();
    const { plan, timeMicros, filled, snapshotName } = await begin(leader, options);
    await options.onPlanned(plan.stored);
    const state = new SnapshotState(options, plan, timeMicros, filled);
    await options.prepare(state.streams);
    const others = Math.min(options.parallel, state.waiting) - 1;
    if (others > 0) {
      await Promise.all(
        Array.from({ length: others }, async () => await join(await connect(), snapshotName)),
      );
    }
    // The transactions see it now, so the connection that exported it is not needed any more. It is not kept for the
    // stream: idle for the hours of a snapshot, it would be the first that a firewall cuts.
    await options.onJoined();
    const workers = connections.map((connection) =>
      new SnapshotReader(connection.takeOver(), newWriter(), state, over).run()
    );
    let watchedMs = clock.monotonicMs();
    state.report();
    for await (const reader of merged(workers, done)) {
      const { writer } = reader;
      state.rows += writer.length;
      yield batchFromData(writer.finish(reader.handOn()));
      state.report();
      if (clock.monotonicMs() - watchedMs >= WATCH_EVERY_MS) {
        await options.watch();
        watchedMs = clock.monotonicMs();
      }
    }
    if (signal.aborted || state.isDelivered) return;
    state.report();
    yield batchFromData(newWriter().finish(options.finalPosition));
  } catch (error) {
    if (signal.aborted) return;
    throw connectorError("Cannot read the snapshot", error);
  } finally {
    done.abort();
    // The transactions have only read, so there is nothing to end; and behind COPY pg does not know the connection.
    for (const connection of connections) connection.destroy();
  }
}

// ---- the beginning --------------------------------------------------------------------------------------------------

const TRIED = "Cannot begin the snapshot";
/** row_security off: rather an error than rows that are left out without a word. */
const SETTINGS = `set_config('statement_timeout', '0', true),
  set_config('idle_in_transaction_session_timeout', '0', true), set_config('row_security', 'off', true)`;

interface Begun {
  readonly plan: SnapshotPlan;
  readonly timeMicros: bigint;
  /** Oids of the tables that have rows. */
  readonly filled: ReadonlySet<number>;
  /** What the other connections join. */
  readonly snapshotName: string;
}

/** Opens the first transaction and finds out how large the tables are, with a few statements for all of them. */
async function begin(connection: Connection, options: SnapshotOptions): Promise<Begun> {
  const { tables, attempt, parallel, rowsPerStatement, earlier } = options;
  await connection.query(TRIED, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (options.snapshotName !== undefined) {
    await connection.query(TRIED, `SET TRANSACTION SNAPSHOT ${quoteLiteral(options.snapshotName)}`);
  }
  const [{ micros, xmin, pages_can_be_ranges }] = await connection.query(
    TRIED,
    `SELECT (extract(epoch FROM now()) * 1000000)::bigint::text AS micros,
       pg_snapshot_xmin(pg_current_snapshot())::text AS xmin,
       (current_setting('server_version_num')::int >= 140000)::text AS pages_can_be_ranges, ${SETTINGS}`,
  );
  const filled = new Set<number>();
  for (let t = 0; t < tables.length; t += TABLES_PER_STATEMENT) {
    const some = tables.slice(t, t + TABLES_PER_STATEMENT);
    for (const oid of await tablesWithRows(connection, some, options)) filled.add(oid);
  }
  const extents = await readExtents(connection, tables, pages_can_be_ranges === "true");
  let { snapshotName } = options;
  if (snapshotName === undefined) {
    const [{ name }] = await connection.query(TRIED, "SELECT pg_export_snapshot() AS name");
    snapshotName = name!;
  }
  return {
    plan: new SnapshotPlan({
      tables,
      extents,
      attempt,
      xmin: xmin!,
      parallel,
      rowsPerStatement,
      earlier,
    }),
    timeMicros: BigInt(micros!),
    filled,
    snapshotName,
  };
}

/** Also keeps the tables from being changed until they are read: the statement's locks last as long as the snapshot. */
async function tablesWithRows(
  connection: Connection,
  tables: readonly SnapshotTable[],
  watch: StatementWatch,
): Promise<number[]> {
  const tried = tables.length === 1
    ? `Cannot read table "${tableName(tables[0].table)}"`
    : `Cannot read tables "${tableName(tables[0].table)}" to "${tableName(tables.at(-1)!.table)}"`;
  const statement = connection.query(tried, hasRowsStatement(tables));
  const [{ has_rows }] = await watched(connection, tried, statement, watch);
  return tables.filter((_, i) => has_rows![i] === "1").map(({ table }) => table.oid);
}

/**
 * @param canDivide whether the server reads a range of pages without reading the others: PostgreSQL 14 or newer
 * @throws {ConnectorError} `conflict_rewritten`: a table was rewritten since the snapshot was made. To it, such a table
 * looks empty (PostgreSQL documentation, "MVCC Caveats"). pg_class says what the snapshot sees, the function what is.
 */
async function readExtents(
  connection: Connection,
  tables: readonly SnapshotTable[],
  canDivide: boolean,
): Promise<Map<number, TableExtent>> {
  const rows = await connection.query(
    TRIED,
    `SELECT c.oid::text, coalesce(c.relfilenode, 0)::text AS seen, coalesce(pg_relation_filenode(c.oid), 0)::text AS now,
       (CASE c.relkind WHEN 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::int ELSE 0 END)::text AS pages
     FROM pg_class c WHERE c.oid = ANY($1::oid[])`,
    [tables.map(({ table }) => String(table.oid))],
  );
  const extents = new Map<number, TableExtent>();
  for (const { oid, seen, now, pages } of rows) {
    if (seen !== now) {
      const { table } = tables.find(({ table }) => table.oid === Number(oid))!;
      throw new ConnectorError(`Table "${tableName(table)}" was rewritten while the snapshot began`, {
        code: "conflict_rewritten",
        hint:
          "The snapshot begins anew. What rewrites tables: TRUNCATE, VACUUM FULL, CLUSTER, some ALTER TABLE",
      });
    }
    extents.set(Number(oid), { pages: Number(pages), fileNode: canDivide ? Number(now) : 0 });
  }
  return extents;
}

/** Makes another connection see the same. */
async function join(connection: Connection, snapshotName: string): Promise<void> {
  await connection.query(TRIED, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  await connection.query(TRIED, `SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshotName)}`);
  await connection.query(TRIED, `SELECT ${SETTINGS}`);
}

// ---- what the connections share -------------------------------------------------------------------------------------

/** A table with rows, while it is read. */
interface OpenTable {
  readonly source: SnapshotTable;
  readonly stream: Stream;
  readonly writers: readonly ValueWriter[];
  jobsLeft: number;
  isAnnounced: boolean;
  hasBegun: boolean;
  /** The last row so far of a part that is read, kept back until it is known whether it is the table's last. */
  kept: { readonly reader: CopyReader; readonly lane: string; readonly steps: readonly Step[] } | undefined;
}

class SnapshotState {
  readonly options: SnapshotOptions;
  readonly plan: SnapshotPlan;
  readonly timeMicros: bigint;
  readonly own: Uint8Array;
  readonly group: string;
  rows = 0;
  tablesDone: number;
  /** A batch with the position behind the last row is handed on. */
  isDelivered = false;
  readonly #expectedRows: number | undefined;
  readonly #startedMs: number;
  readonly #jobs: Job[] = [];
  readonly #jobsLeft = new Map<number, number>();
  readonly #open = new Map<number, OpenTable>();
  #tablesLeft: number;
  #isFirst = true;
  #table: string | undefined;

  constructor(
    options: SnapshotOptions,
    plan: SnapshotPlan,
    timeMicros: bigint,
    filled: ReadonlySet<number>,
  ) {
    this.options = options;
    this.plan = plan;
    this.timeMicros = timeMicros;
    this.own = new TextEncoder().encode(sourceMembers(0n, options.lsn, null));
    this.group = String(options.attempt).padStart(16, "0");
    this.tablesDone = plan.tablesDone;
    this.#startedMs = options.clock.monotonicMs();
    const empty = new Set<number>();
    for (const job of plan.jobs) {
      const { oid } = job.source.table;
      if (filled.has(oid)) {
        this.#jobs.push(job);
        this.#jobsLeft.set(oid, (this.#jobsLeft.get(oid) ?? 0) + 1);
      } else {
        empty.add(oid);
        plan.finished(job.unit);
        for (const { unit } of job.ranges ?? []) if (unit !== undefined) plan.finished(unit);
      }
    }
    this.tablesDone += empty.size;
    this.#tablesLeft = this.#jobsLeft.size;
    this.#expectedRows = sumOfEstimates(plan.jobs);
  }

  /** How many jobs nobody has begun yet. */
  get waiting(): number {
    return this.#jobs.length;
  }

  /** Those of the tables that have rows to be read. */
  get streams(): Stream[] {
    const sources = new Set(this.#jobs.map(({ source }) => source));
    return [...sources].map((source) => this.#streamOf(source).stream);
  }

  nextJob(): Job | undefined {
    const job = this.#jobs.shift();
    if (job) this.#table = tableName(job.source.table);
    return job;
  }

  table({ source }: Job): OpenTable {
    const { oid } = source.table;
    let open = this.#open.get(oid);
    if (!open) {
      const jobsLeft = this.#jobsLeft.get(oid)!;
      open = {
        ...this.#streamOf(source),
        source,
        jobsLeft,
        isAnnounced: false,
        hasBegun: false,
        kept: undefined,
      };
      this.#open.set(oid, open);
    }
    return open;
  }

  #streamOf({ table, columns }: SnapshotTable): Pick<OpenTable, "stream" | "writers"> {
    const { types, book } = this.options;
    const sent = columns.map((name) => table.columns.find((column) => column.name === name)!);
    const stream = book.stream(
      table,
      sent,
      keyOf(table, sent, [], book.rules.keyColumns(table)),
      table,
      types,
    );
    return { stream, writers: sent.map(({ type, typmod }) => types.writer(type, typmod)) };
  }

  firstMarker(table: OpenTable): SnapshotMarker | undefined {
    if (table.hasBegun) return undefined;
    table.hasBegun = true;
    if (!this.#isFirst) return "first_in_data_collection";
    this.#isFirst = false;
    return "first";
  }

  /** One of the table's jobs is complete. Returns what its last row says; undefined: others are under way still. */
  finishJob(table: OpenTable): SnapshotMarker | undefined {
    table.jobsLeft--;
    if (table.jobsLeft > 0) return undefined;
    this.#open.delete(table.source.table.oid);
    this.#tablesLeft--;
    return this.#tablesLeft === 0 ? "last" : "last_in_data_collection";
  }

  position(): PostgresPosition {
    const { plan, tablesDone } = this;
    if (tablesDone === this.options.tables.length) {
      this.isDelivered = true;
      return this.options.finalPosition;
    }
    return this.options.position(tablesDone, plan.stored.id, plan.progress);
  }

  report(): void {
    const { rows, tablesDone } = this;
    const { clock, progress } = this.options;
    const seconds = (clock.monotonicMs() - this.#startedMs) / 1000;
    const left = this.#expectedRows === undefined ? undefined : Math.max(0, this.#expectedRows - rows);
    progress({
      phase: "snapshot",
      snapshot: {
        tablesDone,
        tables: this.options.tables.length,
        rows,
        expectedRows: this.#expectedRows,
        secondsLeft: left === undefined || rows === 0 || seconds < 1 ? undefined : left / (rows / seconds),
        table: this.#table,
      },
    });
  }
}

/** The Stream of a table's rows and what writes its columns. */
export function streamOf(
  { table, columns }: SnapshotTable,
  book: StreamBook,
  types: TypeCatalog,
): { readonly stream: Stream; readonly writers: readonly ValueWriter[] } {
  const sent = columns.map((name) => table.columns.find((column) => column.name === name)!);
  const stream = book.stream(table, sent, keyOf(table, sent, [], book.rules.keyColumns(table)), table, types);
  return { stream, writers: sent.map(({ type, typmod }) => types.writer(type, typmod)) };
}

/** About how many rows are still to come; undefined where a table was never analysed. */
function sumOfEstimates(jobs: readonly Job[]): number | undefined {
  let sum = 0;
  for (const { source, ranges, pages } of jobs) {
    const { estimatedRows } = source.table;
    if (estimatedRows === undefined) return undefined;
    if (ranges === undefined) sum += estimatedRows;
    for (const { from, to, isRecheck } of ranges ?? []) {
      if (!isRecheck) sum += pages === 0 ? 0 : estimatedRows * ((to ?? pages) - from) / pages;
    }
  }
  return Math.round(sum);
}

// ---- one connection -------------------------------------------------------------------------------------------------

/** A step of the progress, and the row that must be handed on before it counts; undefined: none. */
interface Step {
  readonly behind: HeldRow | undefined;
  readonly take: () => void;
}

class SnapshotReader {
  readonly writer: BatchWriter;
  readonly #wire: Wire;
  readonly #state: SnapshotState;
  readonly #signal: AbortSignal;
  #steps: Step[] = [];
  #held: HeldRow | undefined;

  constructor(wire: Wire, writer: BatchWriter, state: SnapshotState, signal: AbortSignal) {
    this.#wire = wire;
    this.writer = writer;
    this.#state = state;
    this.#signal = signal;
  }

  /** What is in the writer is handed on now: returns the position behind it. */
  handOn(): PostgresPosition {
    this.#takeSteps();
    return this.#state.position();
  }

  /** Takes the steps whose rows are written; those behind a row that is kept back stay. */
  #takeSteps(): void {
    const ready = this.#steps.filter(({ behind }) => behind === undefined || behind !== this.#held);
    this.#steps = this.#steps.slice(ready.length);
    for (const { take } of ready) take();
  }

  /** Reads one job after the other. Yields itself whenever its writer holds a batch, which must be finished. */
  async *run(): AsyncGenerator<SnapshotReader> {
    const state = this.#state;
    const { own, timeMicros, group } = state;
    for (let job = state.nextJob(); job !== undefined; job = state.nextJob()) {
      const table = state.table(job);
      const { stream, writers } = table;
      const firstMarker = () => state.firstMarker(table);
      const { unreadable } = state.options;
      const context = { stream, writers, own, timeMicros, group, firstMarker, unreadable };
      const reader = new CopyReader(this.#wire, this.writer, context);
      this.writer.lane = job.lane;
      if (!table.isAnnounced) {
        table.isAnnounced = true;
        await state.options.announce(stream, this.writer, { timeMicros, own });
      }
      yield* this.#read(reader, table, job);
      yield* this.#finish(reader, table, job);
    }
  }

  async *#read(reader: CopyReader, { source }: OpenTable, job: Job): AsyncGenerator<SnapshotReader> {
    const { plan } = this.#state;
    const { clock, pauseMs } = this.#state.options;
    let isFirst = true;
    for (const { sql, unit, reached } of statementsOf(job, plan.stored.xmin)) {
      if (!isFirst && pauseMs > 0) {
        if (this.writer.length > 0) yield this;
        await clock.sleep(pauseMs, this.#signal);
      }
      isFirst = false;
      this.#wire.query(sql);
      for (let stop = reader.run(); stop !== "done"; stop = reader.run()) {
        this.#held = reader.held;
        if (stop === "full" || !(this.#wire.hasMore || await this.#wait(source))) yield this;
        else this.#wire.take();
      }
      this.#held = reader.held;
      if (reader.error) throw serverError(`Cannot read table "${tableName(source.table)}"`, reader.error);
      if (unit !== undefined) {
        const take = () => reached === undefined ? plan.finished(unit) : plan.reached(unit, reached);
        this.#steps.push({ behind: reader.held, take });
      }
    }
  }

  /** Waits for more. Returns false when what is in the writer should not wait any longer. */
  async #wait({ table }: SnapshotTable): Promise<boolean> {
    const wire = this.#wire;
    if (this.writer.length > 0) {
      await wire.waitAtMost(BATCH_WAIT_MS);
      return wire.hasMore;
    }
    const { silenceMs } = this.#state.options;
    if (silenceMs === 0) await wire.wait();
    else await wire.waitAtMost(silenceMs);
    if (!wire.hasMore && silenceMs > 0 && !this.#signal.aborted) {
      throw new ConnectorError(
        `Cannot read table "${tableName(table)}": the server has sent nothing for ${silenceMs / 1000} s`,
        {
          code: "timeout_snapshot",
          hint:
            "Raise snapshot.query_timeout_secs when its query takes long, or see what it waits for in pg_locks",
        },
      );
    }
    return true;
  }

  /** Writes the rows that were kept back, as far as it is known what they are. */
  async *#finish(reader: CopyReader, table: OpenTable, job: Job): AsyncGenerator<SnapshotReader> {
    const state = this.#state;
    const marker = state.finishJob(table);
    const { kept } = table;
    if (marker === undefined && reader.held !== undefined && kept === undefined) {
      // Should the parts that are still read have no more rows, this one is the last.
      const steps = this.#steps.filter(({ behind }) => behind === reader.held);
      this.#steps = this.#steps.filter(({ behind }) => behind !== reader.held);
      table.kept = { reader, lane: job.lane, steps };
      if (this.writer.length > 0) yield this;
      return;
    }
    if (marker !== undefined && kept !== undefined) {
      if (this.writer.length > 0) yield this;
      this.writer.lane = kept.lane;
      kept.reader.writeHeld(this.writer, reader.held === undefined ? marker : undefined);
      this.#steps.push(...kept.steps.map(({ take }) => ({ behind: undefined, take })));
      yield this;
      this.writer.lane = job.lane;
    }
    if (this.writer.isFull) yield this;
    reader.writeHeld(this.writer, marker);
    this.#held = undefined;
    if (marker !== undefined) this.#steps.push({ behind: undefined, take: () => state.tablesDone++ });
    if (this.writer.length > 0) yield this;
    else this.#takeSteps();
  }
}

/** What one statement reads. `reached`: the first page behind it; undefined: the unit is done. */
interface Statement {
  readonly sql: string;
  /** Whose progress it is; undefined: it makes none. */
  readonly unit: number | undefined;
  readonly reached: number | undefined;
}

function* statementsOf(
  { source, ranges, unit, pages, pagesPerStatement }: Job,
  xmin: string,
): Generator<Statement> {
  if (ranges === undefined) yield { sql: copyStatement(source), unit, reached: undefined };
  for (const { from, to, isRecheck, unit } of ranges ?? []) {
    const end = to ?? pages;
    for (let page = from, isLast = false; !isLast; page += pagesPerStatement) {
      isLast = page + pagesPerStatement >= end;
      const next = isLast ? to : page + pagesPerStatement;
      const writtenSince = isRecheck ? xmin : undefined;
      const sql = copyStatement(source, { from: page, to: next, writtenSince });
      yield { sql, unit, reached: isLast ? undefined : next };
    }
  }
}
