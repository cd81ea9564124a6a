/**
 * One consistent read of tables, on one connection in one transaction: COPY for each table, its rows written straight
 * from the wire. The caller decides which point in the log the read shows.
 */
import { batchFromData } from "../../formats/data/batch.ts";
import { type BatchWriter, type WriterColumn, writerColumns } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Batch, Clock, SourceProgress } from "../contract.ts";
import { type Table, tableName } from "./catalog.ts";
import { sourceMembers } from "./source_members.ts";
import { unreadableValue } from "./stream_errors.ts";
import { Connection, quoteIdentifier, quoteLiteral } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { writeCopyRow } from "./copy_text.ts";
import { connectorError, serverError } from "./errors.ts";
import type { PostgresPosition } from "./position.ts";
import { quoteTable } from "./publication.ts";
import { keyOf, type StreamBook } from "./relations.ts";
import type { TypeCatalog, ValueWriter } from "./types/mod.ts";
import { FRAME, type ServerError, type Wire } from "./wire.ts";

/** A table and what of it is sent. */
export interface SnapshotTable {
  readonly table: Table;
  /** Names, in table order. */
  readonly columns: readonly string[];
  /** SQL; undefined: every row. */
  readonly rowFilter?: string;
}

export interface SnapshotOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly writer: BatchWriter;
  readonly types: TypeCatalog;
  readonly book: StreamBook;
  /** Called before the first row of a table, with an empty batch, to write there what is new about the table. */
  readonly announce: (
    stream: Stream,
    writer: BatchWriter,
    what: { readonly timeMicros: bigint; readonly own: Uint8Array },
  ) => Promise<void>;
  readonly tables: readonly SnapshotTable[];
  /** The exported snapshot to read; undefined: the state at this moment. */
  readonly snapshotName: string | undefined;
  /** Called when the transaction sees that snapshot, so that who exported it may go on. */
  readonly onJoined: () => Promise<void>;
  /** The point in the log that the snapshot shows. */
  readonly lsn: bigint;
  readonly attempt: number;
  /** The position of a batch behind which so many of the tables are done. */
  readonly position: (tablesDone: number) => PostgresPosition;
  readonly progress: (progress: SourceProgress) => void;
  /** Called between batches, at most every ten seconds; what it throws ends the snapshot. */
  readonly watch: () => Promise<void>;
  /** The position behind the last row. */
  readonly finalPosition: PostgresPosition;
  readonly signal: AbortSignal;
}

const WATCH_EVERY_MS = 10_000;
/** A batch that is not full waits this long for more. */
const BATCH_WAIT_MS = 20;

/** Reads the tables one after the other. The last batch has `finalPosition`, also when there are no rows at all. */
export async function* readSnapshot(options: SnapshotOptions): AsyncGenerator<Batch> {
  const { endpoint, clock, writer, types, book, lsn, signal } = options;
  await using connection = await Connection.open(endpoint, clock, "sql", signal);
  try {
    const { tables, timeMicros } = await begin(connection, options);
    const wire = connection.takeOver();
    const own = new TextEncoder().encode(sourceMembers(0n, lsn, null));
    let rows = 0;
    let watchedMs = clock.monotonicMs();
    const expectedRows = sumOfEstimates(tables);
    // Tables without rows are done already.
    const skipped = options.tables.length - tables.length;
    for (let t = 0; t < tables.length; t++) {
      const { table } = tables[t];
      const columns = streamOf(tables[t], book, types);
      const reader = new TableReader(wire, writer, columns, {
        own,
        timeMicros,
        group: String(options.attempt).padStart(16, "0"),
        isFirst: t === 0,
        isLast: t === tables.length - 1,
      });
      writer.lane = `snapshot/${tableName(table)}/${options.attempt}`;
      await options.announce(columns.stream, writer, { timeMicros, own });
      const progress = (tablesDone: number) => {
        options.progress({
          phase: "snapshot",
          snapshot: {
            tablesDone: skipped + tablesDone,
            tables: options.tables.length,
            rows,
            expectedRows,
            table: tableName(table),
          },
        });
      };
      progress(t);
      const reading = options.position(skipped + t);
      wire.query(copyStatement(tables[t]));
      for (;;) {
        const isDone = reader.run();
        if (reader.error && isDone) {
          throw serverError(`Cannot read table "${tableName(table)}"`, reader.error);
        }
        if (!isDone && !writer.isFull) {
          if (!wire.hasMore) {
            if (writer.length === 0) await wire.wait();
            else await wire.waitAtMost(BATCH_WAIT_MS);
          }
          if (wire.hasMore) {
            wire.take();
            continue;
          }
        }
        const isLast = isDone && t === tables.length - 1;
        if (writer.length > 0 && !isLast) {
          rows += writer.length;
          yield batchFromData(
            writer.finish(
              isDone ? options.position(skipped + t + 1) : reading,
            ),
          );
          progress(t);
          if (clock.monotonicMs() - watchedMs >= WATCH_EVERY_MS) {
            await options.watch();
            watchedMs = clock.monotonicMs();
          }
        }
        if (isDone) break;
      }
    }
    rows += writer.length;
    yield batchFromData(writer.finish(options.finalPosition));
    options.progress({
      phase: "snapshot",
      snapshot: { tablesDone: options.tables.length, tables: options.tables.length, rows, expectedRows },
    });
  } catch (error) {
    if (signal.aborted) return;
    throw connectorError("Cannot read the snapshot", error);
  } finally {
    // The transaction has only read, so there is nothing to end; and behind COPY pg does not know the connection.
    connection.destroy();
  }
}

/** Opens the transaction and finds out which tables have rows, so that the last row can be marked as such. */
async function begin(
  connection: Connection,
  { tables, snapshotName, onJoined }: SnapshotOptions,
): Promise<{ tables: SnapshotTable[]; timeMicros: bigint }> {
  const tried = "Cannot begin the snapshot";
  await connection.query(tried, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (snapshotName !== undefined) {
    await connection.query(tried, `SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshotName)}`);
  }
  // row_security off: rather an error than rows that are left out without a word.
  const [{ micros }] = await connection.query(
    tried,
    `SELECT (extract(epoch FROM now()) * 1000000)::bigint::text AS micros,
       set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
       set_config('row_security', 'off', true)`,
  );
  await onJoined();
  const filled: SnapshotTable[] = [];
  for (const each of tables) {
    const [{ has_rows }] = await connection.query(
      `Cannot read table "${tableName(each.table)}"`,
      `SELECT EXISTS (${select("1", each)})::text AS has_rows`,
    );
    if (has_rows === "true") filled.push(each);
  }
  return { tables: filled, timeMicros: BigInt(micros!) };
}

function copyStatement(table: SnapshotTable): string {
  return `COPY (${select(table.columns.map(quoteIdentifier).join(", "), table)}) TO STDOUT`;
}

/** ONLY: tables that inherit from this one are published by themselves; a partitioned one has no rows of its own. */
function select(what: string, { table, rowFilter }: SnapshotTable): string {
  return `SELECT ${what} FROM ${table.isPartitioned ? "" : "ONLY "}${quoteTable(table)}` +
    (rowFilter === undefined ? "" : ` WHERE ${rowFilter}`);
}

function streamOf({ table, columns }: SnapshotTable, book: StreamBook, types: TypeCatalog): StreamColumns {
  const sent = columns.map((name) => table.columns.find((column) => column.name === name)!);
  const stream = book.stream(table, sent, keyOf(table, sent, [], book.rules.keyColumns(table)), table, types);
  return { stream, writers: sent.map(({ type, typmod }) => types.writer(type, typmod)) };
}

interface StreamColumns {
  readonly stream: Stream;
  readonly writers: readonly ValueWriter[];
}

function sumOfEstimates(tables: readonly SnapshotTable[]): number | undefined {
  let sum = 0;
  for (const { table } of tables) {
    if (table.estimatedRows === undefined) return undefined;
    sum += table.estimatedRows;
  }
  return sum;
}

/** What all rows of a table share. */
interface RowContext {
  readonly own: Uint8Array;
  readonly timeMicros: bigint;
  readonly group: string;
  /** Whether it is the first, the last table that has rows. */
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Writes the rows of one COPY. */
class TableReader {
  /** What the server said when it could not go on. */
  error: ServerError | undefined;
  readonly #wire: Wire;
  readonly #writer: BatchWriter;
  readonly #stream: Stream;
  readonly #columns: readonly WriterColumn[];
  readonly #writers: readonly ValueWriter[];
  readonly #what: RowContext;
  #index = 0;

  constructor(wire: Wire, writer: BatchWriter, { stream, writers }: StreamColumns, what: RowContext) {
    this.#wire = wire;
    this.#writer = writer;
    this.#stream = stream;
    this.#columns = writerColumns(stream);
    this.#writers = writers;
    this.#what = what;
  }

  /** Writes what has arrived until the batch is full. Returns true when the table is complete, or has failed. */
  run(): boolean {
    const wire = this.#wire;
    const writer = this.#writer;
    for (;;) {
      if (writer.isFull) return false;
      const start = wire.start;
      if (!wire.nextFrame()) return false;
      const { frameType } = wire;
      if (frameType === FRAME.copyData) {
        // The last row is marked, so a row is written when it is known what comes behind it.
        if (wire.end === wire.start) {
          wire.start = start;
          return false;
        }
        this.#row(wire.bytes[wire.start] === FRAME.copyData);
      } else if (frameType === FRAME.readyForQuery) return true;
      else if (frameType === FRAME.error) this.error = wire.serverError();
    }
  }

  #row(hasNext: boolean): void {
    const { own, timeMicros, group, isFirst, isLast } = this.#what;
    const wire = this.#wire;
    const writer = this.#writer;
    const index = this.#index++;
    writer.begin(this.#stream, "snapshot", timeMicros, group, index);
    if (!hasNext) writer.snapshotMarker = isLast ? "last" : "last_in_data_collection";
    else if (index === 0) writer.snapshotMarker = isFirst ? "first" : "first_in_data_collection";
    writer.beginRow("after");
    writeCopyRow(
      writer,
      this.#columns,
      this.#writers,
      wire.bytes,
      wire.frameStart,
      wire.frameEnd,
      (place, error) => {
        throw unreadableValue(this.#stream, place, error);
      },
    );
    writer.endRow();
    writer.end(own);
  }
}
