/** The rows of files that hold rows (CSV, Avro, Parquet): which records have one, and the columns beside the table's. */
import type { Batch } from "../data/batch.ts";
import { RecordError } from "../data/errors.ts";
import type { DataRecord } from "../data/record.ts";
import type { Stream } from "../data/stream.ts";
import type { Column, Row, Value } from "../data/value.ts";
import { type FileEncoder, haveSameColumns, type RejectRow } from "./file_format.ts";

/** What `metadata_columns: true` adds behind the table's columns. */
export const METADATA_COLUMNS: readonly Column[] = [
  { name: "_rivven_op", type: { kind: "string" }, nullable: false },
  { name: "_rivven_ts", type: { kind: "timestamptz", precision: 6 }, nullable: false },
  { name: "_rivven_position", type: { kind: "string" }, nullable: true },
  { name: "_rivven_unavailable", type: { kind: "array", items: { kind: "string" } }, nullable: true },
];

/** Debezium's letters, and `m` for what is no change. */
const OP_LETTERS: Readonly<Partial<Record<DataRecord["operation"], string>>> = {
  insert: "c",
  update: "u",
  delete: "d",
  snapshot: "r",
  record: "c",
};

/**
 * The row that a file holds of a record; undefined when it holds none: tombstones, truncates, messages and schema
 * documents have no row, and a delete has one only beside the column that says so.
 *
 * @throws {RecordError} when columns were not sent by the source, and no column could say so
 */
export function rowOf(record: DataRecord, withMetadata: boolean): Row | undefined {
  const { operation } = record;
  const letter = OP_LETTERS[operation];
  if (letter === undefined || (operation === "delete" && !withMetadata)) return undefined;
  const row = operation === "delete" ? record.before ?? keyRow(record) : record.after;
  if (!isRow(row)) {
    throw new RecordError("The record is no row of names and values", { code: "schema_no_row" });
  }
  const { unavailable = [] } = record;
  if (!withMetadata) {
    if (unavailable.length === 0) return row;
    throw new RecordError(
      `The source did not send ${unavailable.join(", ")}, and a row of this file has no place to say so: ` +
        "have it sent (replica identity full, or toast: reselect), or set metadata_columns: true",
      { code: "schema_unavailable" },
    );
  }
  return {
    ...row,
    _rivven_op: letter,
    _rivven_ts: isoMicros(record.timeMicros),
    _rivven_position: record.order ?? null,
    _rivven_unavailable: unavailable.length > 0 ? unavailable : null,
  };
}

function keyRow({ key }: DataRecord): Row {
  return key === undefined || key instanceof Uint8Array ? {} : key;
}

function isRow(value: Value | undefined): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

/** `2026-01-31T12:00:00.123456Z`. */
function isoMicros(micros: bigint): string {
  const seconds = (micros - (((micros % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n;
  const fraction = String(micros - seconds * 1_000_000n).padStart(6, "0");
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, -5)}.${fraction}Z`;
}

/** Where a row goes: one of the formats. */
export interface RowWriter {
  /**
   * False when the row was not taken, because a column of unknown type has got another one from earlier rows: it begins
   * the next file.
   *
   * @throws {RecordError} when a value does not fit its column
   */
  write(row: Row): boolean | void;
  readonly bufferedBytes: number;
  end(): Promise<void>;
}

/** How a format begins a file of rows. */
export type BeginRows = (
  columns: readonly Column[],
  out: (bytes: Uint8Array) => void,
  stream: Stream,
) => RowWriter;

/**
 * Begins a file of rows. Its columns are the Stream's; where that has none, the names of the first record, each of type
 * `unknown`, and a record with a name that is not among them begins the next file.
 */
export function beginRows(
  batch: Batch,
  i: number,
  options: {
    readonly metadataColumns: boolean;
    /** The format's options say which columns a file has, so that a new name begins none. */
    readonly takesAnyName?: boolean;
  },
  begin: BeginRows,
  out: (bytes: Uint8Array) => void,
): FileEncoder {
  const { metadataColumns, takesAnyName = false } = options;
  const stream = batch.stream(i);
  const own = stream.columns ?? inferredColumns(batch.record(i));
  const columns = columnsOf(own, stream.key, metadataColumns);
  const known = stream.columns || takesAnyName ? undefined : new Set(columns.map(({ name }) => name));
  const writer = begin(columns, out, stream);
  return {
    add(batch: Batch, from: number, to: number, reject: RejectRow): number {
      let last = stream;
      for (let i = from; i < to; i++) {
        const own = batch.stream(i);
        if (own !== last) {
          if (!haveSameColumns(own, stream)) return i;
          last = own;
        }
        try {
          const row = rowOf(batch.record(i), metadataColumns);
          if (row === undefined) continue;
          if (known && Object.keys(row).some((name) => !known.has(name))) return i;
          if (writer.write(row) === false) return i;
        } catch (error) {
          if (!(error instanceof RecordError)) throw error;
          reject(i, error);
        }
      }
      return to;
    },
    get bufferedBytes() {
      return writer.bufferedBytes;
    },
    end: () => writer.end(),
  };
}

/**
 * The columns of a file. Beside deletes, which may be a key alone, and values that were not sent, only a key's columns
 * are in every row.
 */
export function columnsOf(
  own: readonly Column[],
  key: readonly string[],
  withMetadata: boolean,
): readonly Column[] {
  if (!withMetadata) return own;
  const optional = own.map((column) => key.includes(column.name) ? column : { ...column, nullable: true });
  return [...optional, ...METADATA_COLUMNS];
}

/** The columns of a Stream that knows none, as far as one record tells. */
function inferredColumns({ after, before }: DataRecord): Column[] {
  const row = isRow(after) ? after : before ?? {};
  return Object.keys(row).map((name) => ({ name, type: { kind: "unknown" }, nullable: true }));
}
