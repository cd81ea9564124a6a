/**
 * Reads a table in pieces by its key, each piece a read of its own: for incremental_snapshot.ts, which joins them with
 * the stream. Nothing is written to the server.
 */
import { type Batch, batchFromData } from "../../formats/data/batch.ts";
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Clock } from "../contract.ts";
import { tableName } from "./catalog.ts";
import { Connection, quoteIdentifier, quoteLiteral } from "./connection.ts";
import { CopyReader } from "./copy_reader.ts";
import type { Endpoint } from "./endpoint.ts";
import { serverError } from "./errors.ts";
import { parseLsn } from "./lsn.ts";
import type { PostgresPosition } from "./position.ts";
import { quoteTable } from "./publication.ts";
import type { SnapshotTable } from "./snapshot_plan.ts";
import { sourceMembers } from "./source_members.ts";
import type { ValueWriter } from "./types/mod.ts";
import type { UnreadableRows } from "./unreadable_rows.ts";
import { SEEN, Visibility } from "./visibility.ts";
import { FRAME, type Wire } from "./wire.ts";

/** More than this in one piece, and it is read again as a smaller one. */
const MAX_BYTES = 16 << 20;
/** How long a piece waits for whoever has locked the table; the stream may have to wait as long. */
const LOCK_TIMEOUT_MS = 1000;

/** What is to be read of a table. */
export interface ChunkedTable {
  readonly source: SnapshotTable;
  readonly stream: Stream;
  readonly writers: readonly ValueWriter[];
  /** Columns that are unique and never null, in the order of an index. */
  readonly key: readonly string[];
  /** SQL; undefined: every row. */
  readonly filter: string | undefined;
  /** The greatest key that there was at the beginning, as text. */
  readonly max: readonly string[];
  readonly lane: string;
  readonly attempt: number;
}

/** A piece of a table. */
export interface Chunk {
  /** What was seen by the read. */
  readonly visibility: Visibility;
  /** Whatever it saw has committed before this place in the log. */
  readonly lsn: bigint;
  /** In the order of the key; their position is none yet. */
  readonly batches: readonly Batch[];
  /** The last key of the piece; undefined: the table is complete. */
  readonly last: readonly string[] | undefined;
  /** How many rows were asked for. */
  readonly size: number;
}

/**
 * The stream gets past a place in the log only when the log is flushed, and a transaction that has only read does not
 * flush what it has written all the same by tidying pages. With a number of its own it does, when it commits. In a busy
 * database others have done that already.
 */
const FLUSH =
  `SELECT CASE WHEN pg_is_in_recovery() OR pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() THEN NULL
  ELSE pg_current_xact_id() END`;

const NO_POSITION = { v: 1 } as unknown as PostgresPosition;

export class ChunkReader implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #writer: BatchWriter;
  readonly #unreadable: UnreadableRows;

  private constructor(
    connection: Connection,
    clock: Clock,
    writer: BatchWriter,
    unreadable: UnreadableRows,
  ) {
    this.#unreadable = unreadable;
    this.#connection = connection;
    this.#wire = connection.takeOver();
    this.#clock = clock;
    this.#writer = writer;
  }

  static async open(
    endpoint: Endpoint,
    clock: Clock,
    writer: BatchWriter,
    unreadable: UnreadableRows,
    signal: AbortSignal,
  ): Promise<ChunkReader> {
    const connection = await Connection.open(endpoint, clock, "sql", signal);
    await connection.query(
      "Cannot prepare to read tables",
      `SELECT set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', false), set_config('statement_timeout', '0', false),
         set_config('row_security', 'off', false)`,
    );
    return new ChunkReader(connection, clock, writer, unreadable);
  }

  /**
   * Reads the rows behind `after`, at most `size` of them, fewer where they are too large.
   *
   * @param firstIndex number of the first row in its lane
   * @throws {ConnectorError} the server's; the connection may be of no use after it
   */
  async read(
    table: ChunkedTable,
    after: readonly string[] | undefined,
    size: number,
    firstIndex: number,
  ): Promise<Chunk> {
    const { source } = table;
    const tried = `Cannot read a piece of table "${tableName(source.table)}"`;
    // The lock comes before the snapshot: a table that is rewritten between them would look empty.
    const [row] = await this.#rows(
      tried,
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE ${
        fromClause(source)
      } IN ACCESS SHARE MODE; ` +
        seenAndLastStatement(table, after, size),
    );
    const [snapshot, seenLsn, ...last] = row;
    const visibility = new Visibility(snapshot!);
    const lsn = parseLsn(seenLsn!);
    const isComplete = last.some((value) => value === null);
    const batches = isComplete
      ? []
      : await this.#copy(tried, table, rangeStatement(table, after, last as string[]), lsn, firstIndex);
    await this.#rows(tried, `${FLUSH}; COMMIT`);
    if (batches === undefined) return await this.read(table, after, size >> 1, firstIndex);
    return {
      visibility,
      lsn,
      batches,
      last: isComplete ? undefined : last as string[],
      size,
    };
  }

  /** Undefined: there are too many bytes. */
  async #copy(
    tried: string,
    table: ChunkedTable,
    sql: string,
    lsn: bigint,
    firstIndex: number,
  ): Promise<Batch[] | undefined> {
    const { stream, writers, attempt, lane } = table;
    const wire = this.#wire;
    const writer = this.#writer;
    const batches: Batch[] = [];
    const reader = new CopyReader(wire, writer, {
      stream,
      writers,
      own: new TextEncoder().encode(sourceMembers(0n, lsn, null)),
      timeMicros: this.#clock.nowMicros(),
      group: String(attempt).padStart(16, "0"),
      firstMarker: () => "incremental",
      marker: "incremental",
      firstIndex,
      unreadable: this.#unreadable,
    });
    let bytes = 0;
    let rows = 0;
    writer.lane = lane;
    const finish = () => {
      const batch = batchFromData(writer.finish(NO_POSITION));
      bytes += batch.bytes.length;
      rows += batch.length;
      // A single row may have any size.
      if (bytes <= MAX_BYTES || rows === 1) batches.push(batch);
    };
    wire.query(sql);
    for (let stop = reader.run(); stop !== "done"; stop = reader.run()) {
      if (stop === "full") finish();
      else {
        if (!wire.hasMore) await wire.wait();
        wire.take();
      }
    }
    if (reader.error) throw serverError(tried, reader.error);
    if (writer.isFull) finish();
    reader.writeHeld(writer, undefined);
    if (writer.length > 0) finish();
    return bytes > MAX_BYTES && rows > 1 ? undefined : batches;
  }

  /** Runs statements and returns the rows of all of them. */
  async #rows(tried: string, sql: string): Promise<(string | null)[][]> {
    const wire = this.#wire;
    const rows: (string | null)[][] = [];
    let error;
    wire.query(sql);
    for (let type = await wire.readFrame(); type !== FRAME.readyForQuery; type = await wire.readFrame()) {
      if (type === FRAME.error) error = wire.serverError();
      else if (type === FRAME.dataRow) rows.push(wire.dataRow());
    }
    if (error) throw serverError(tried, error);
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.terminate();
  }
}

function fromClause({ table }: SnapshotTable): string {
  return `${table.isPartitioned ? "" : "ONLY "}${quoteTable(table)}`;
}

function columnList(names: readonly string[]): string {
  return names.map(quoteIdentifier).join(", ");
}

/** `("a", "b") > ('1', 'x')`: the values take the types of the columns. */
function compared(key: readonly string[], operator: string, values: readonly string[]): string {
  return `(${columnList(key)}) ${operator} (${values.map(quoteLiteral).join(", ")})`;
}

/** What the read sees, and the last key among the next rows; nulls where there are none. */
function seenAndLastStatement(
  { source, key, max }: ChunkedTable,
  after: readonly string[] | undefined,
  size: number,
): string {
  const behind = after === undefined ? "" : `${compared(key, ">", after)} AND `;
  const descending = key.map((name) => `${quoteIdentifier(name)} DESC`).join(", ");
  const texts = key.map((name) => `last.${quoteIdentifier(name)}::text`).join(", ");
  return `SELECT ${SEEN},
      (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text, ${texts}
    FROM (SELECT) AS one LEFT JOIN (
      SELECT * FROM (
        SELECT ${columnList(key)} FROM ${fromClause(source)}
        WHERE ${behind}${compared(key, "<=", max)} ORDER BY ${columnList(key)} LIMIT ${size}
      ) AS next ORDER BY ${descending} LIMIT 1
    ) AS last ON true`;
}

function rangeStatement(
  { source, key, filter }: ChunkedTable,
  after: readonly string[] | undefined,
  last: readonly string[],
): string {
  const conditions = [
    ...(after === undefined ? [] : [compared(key, ">", after)]),
    compared(key, "<=", last),
    ...(source.rowFilter === undefined ? [] : [`(${source.rowFilter})`]),
    // On a line of its own, so that a comment in it ends there.
    ...(filter === undefined ? [] : [`(${filter}\n)`]),
  ];
  const from = source.override === undefined ? fromClause(source) : `(${source.override}) AS chosen`;
  return `COPY (SELECT ${columnList(source.columns)} FROM ${from}
    WHERE ${conditions.join(" AND ")} ORDER BY ${columnList(key)}) TO STDOUT`;
}
