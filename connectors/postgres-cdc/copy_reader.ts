/**
 * The answer to COPY, read from the wire into a BatchWriter: the hot loop of a snapshot. A table may be read by several
 * statements one after the other; the last row of each is kept back until it is known whether another one follows,
 * because the last row of a table is marked as such.
 */
import { batchFromData } from "../../formats/data/batch.ts";
import { type BatchWriter, type WriterColumn, writerColumns } from "../../formats/data/batch_writer.ts";
import type { RecordError } from "../../formats/data/errors.ts";
import type { SnapshotMarker } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { unreadableRow } from "./stream_errors.ts";
import { writeCopyRow } from "./copy_text.ts";
import { unreadableColumn, type UnreadableRows } from "./unreadable_rows.ts";
import type { ValueWriter } from "./types/mod.ts";
import { FRAME, type ServerError, type Wire } from "./wire.ts";

/** What all rows of one lane share. */
export interface RowContext {
  readonly stream: Stream;
  readonly writers: readonly ValueWriter[];
  /** The connector's own members of `source`. */
  readonly own: Uint8Array;
  readonly timeMicros: bigint;
  readonly group: string;
  /** What the first row says in `source.snapshot`; undefined: nothing special. */
  readonly firstMarker: () => SnapshotMarker | undefined;
  /** What every row says that nothing special is said of. */
  readonly marker?: SnapshotMarker;
  /** The number of the first row; 0 unless told. */
  readonly firstIndex?: number;
  /** Takes rows with a value that can't be read; undefined: such a row is the end. */
  readonly unreadable?: UnreadableRows;
}

/** A row that is kept back: its line and its number in the lane. */
export interface HeldRow {
  readonly line: Uint8Array;
  readonly index: number;
}

/** Why the loop stopped. `more`: all that has arrived is read. `full`: finish the batch first. `done`: no more rows. */
export type CopyStop = "more" | "full" | "done";

export class CopyReader {
  /** What the server said when it could not go on. */
  error: ServerError | undefined;
  /** The last row of what was read so far. */
  held: HeldRow | undefined;
  readonly #wire: Wire;
  readonly #writer: BatchWriter;
  readonly #context: RowContext;
  readonly #columns: readonly WriterColumn[];
  #index: number;

  constructor(wire: Wire, writer: BatchWriter, context: RowContext) {
    this.#wire = wire;
    this.#writer = writer;
    this.#context = context;
    this.#columns = writerColumns(context.stream);
    this.#index = context.firstIndex ?? 0;
  }

  /** Writes what has arrived of the answer to one statement. */
  run(): CopyStop {
    const wire = this.#wire;
    const writer = this.#writer;
    for (;;) {
      if (writer.isFull) return "full";
      const start = wire.start;
      if (!wire.nextFrame()) return "more";
      const { frameType } = wire;
      if (frameType === FRAME.copyData) {
        if (wire.end === wire.start) {
          // It may be the last one: what comes behind it decides.
          wire.start = start;
          return "more";
        }
        if (this.held !== undefined) {
          wire.start = start;
          this.writeHeld(writer, undefined);
          continue;
        }
        const index = this.#index++;
        if (wire.bytes[wire.start] === FRAME.copyData) {
          const marker = index === 0 ? this.#context.firstMarker() : undefined;
          this.#row(writer, wire.bytes, wire.frameStart, wire.frameEnd, index, marker);
        } else this.held = { line: wire.bytes.slice(wire.frameStart, wire.frameEnd), index };
      } else if (frameType === FRAME.readyForQuery) return "done";
      else if (frameType === FRAME.error) this.error = wire.serverError();
    }
  }

  /**
   * Writes the row that was kept back, if there is one.
   *
   * @param writer has room, and the lane of the row
   * @param marker undefined: nothing special, unless it is the first
   */
  writeHeld(writer: BatchWriter, marker: SnapshotMarker | undefined): void {
    if (this.held === undefined) return;
    const { line, index } = this.held;
    this.held = undefined;
    if (index === 0) {
      // Debezium's order: last, first, last_in_data_collection, first_in_data_collection.
      const first = this.#context.firstMarker();
      if (marker === undefined || (first === "first" && marker !== "last")) marker = first;
    }
    this.#row(writer, line, 0, line.length, index, marker);
  }

  #row(
    writer: BatchWriter,
    bytes: Uint8Array,
    start: number,
    end: number,
    index: number,
    marker: SnapshotMarker | undefined,
  ): void {
    const { stream, writers, own, timeMicros, group } = this.#context;
    writer.begin(stream, "snapshot", timeMicros, group, index);
    writer.snapshotMarker = marker ?? this.#context.marker;
    writer.beginRow("after");
    writeCopyRow(writer, this.#columns, writers, bytes, start, end, this.#onUnreadable);
    writer.endRow();
    writer.end(own);
    if (this.#wrong !== undefined) this.#reject(writer, this.#wrong);
  }

  /** What is wrong with the row that was just written. */
  #wrong: RecordError | undefined;
  readonly #onUnreadable = (place: number, error: RecordError): void => {
    this.#wrong ??= unreadableColumn(this.#context.stream, place, error);
  };

  #reject(writer: BatchWriter, error: RecordError): void {
    const { unreadable } = this.#context;
    this.#wrong = undefined;
    if (unreadable === undefined) throw unreadableRow(error);
    unreadable.reject(batchFromData(writer.takeBack(writer.length - 1)), error);
  }
}
