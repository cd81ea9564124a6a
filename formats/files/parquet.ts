/**
 * Parquet files: typed columns, compressed inside, one row group after the other, so that memory stays bounded whatever
 * the size of the file. formats.ts loads this where a pipeline writes Parquet.
 */
import { RecordError } from "../data/errors.ts";
import type { Column, Row } from "../data/value.ts";
import type { FileFormat } from "./file_format.ts";
import type { ParquetCompression } from "./formats.ts";
import { type ParquetColumn, parquetColumn, sizeOf } from "./parquet_column.ts";
import { ParquetFile } from "./parquet_file.ts";
import { Misfit } from "./misfit.ts";
import type { Cell } from "./parquet_type.ts";
import { beginRows, type RowWriter } from "./rows.ts";

export interface ParquetOptions {
  readonly compression: ParquetCompression;
  /** Rows of a row group. One that grows large is ended earlier. */
  readonly rowGroupSize: number;
  /** Smallest and largest value and number of NULLs of each column of a row group. */
  readonly enableStatistics: boolean;
  /** Bytes before compression. */
  readonly dataPageSize: number;
  /** Bytes of distinct values beyond which a column of a row group goes without a dictionary. */
  readonly dictionaryPageSize: number;
  /** A longer text or binary value, in bytes, is an error of its record. */
  readonly maxStringSize: number;
  readonly metadataColumns: boolean;
}

/**
 * The values of a row group take so much memory at most, and one row more. The library needs some ten times as much while
 * it encodes them: 90 MB beside a sink that does nothing.
 */
const MAX_GROUP_BYTES = 8 << 20;

export function parquetFormat(options: ParquetOptions): FileFormat {
  return {
    extension: ".parquet",
    mediaType: "application/vnd.apache.parquet",
    compressesOutside: false,
    begin: (batch, i, out) =>
      beginRows(batch, i, options, (columns, out) => new ParquetRows(options, columns, out), out),
  };
}

class ParquetRows implements RowWriter {
  readonly #options: ParquetOptions;
  readonly #columns: readonly ParquetColumn[];
  readonly #file: ParquetFile;
  /** Why no file can have such columns. */
  readonly #problem: string | undefined;
  /** The row at hand: it joins its columns when all of them have taken it. */
  readonly #row: Cell[] = [];
  #rows = 0;
  #bytes = 0;

  constructor(options: ParquetOptions, columns: readonly Column[], out: (bytes: Uint8Array) => void) {
    this.#options = options;
    this.#problem = problemOf(columns);
    this.#columns = columns.map((column) => parquetColumn(column, options));
    this.#file = new ParquetFile(options, out);
  }

  get bufferedBytes(): number {
    return this.#bytes;
  }

  write(row: Row): boolean {
    if (this.#problem !== undefined) {
      throw new RecordError(`A Parquet file can't hold the row: ${this.#problem}`, {
        code: "schema_columns",
      });
    }
    const columns = this.#columns;
    let present = 0;
    let bytes = 0;
    for (let i = 0; i < columns.length; i++) {
      const { name } = columns[i];
      const isPresent = Object.hasOwn(row, name);
      if (isPresent) present++;
      const cell = this.#take(columns[i], isPresent ? row[name] ?? null : null);
      if (cell === undefined) return false;
      this.#row[i] = cell;
      bytes += sizeOf(cell);
    }
    if (present < Object.keys(row).length) {
      throw new RecordError("The row has other names than its stream has columns", {
        code: "schema_columns",
      });
    }
    for (let i = 0; i < columns.length; i++) columns[i].keep(this.#row[i]);
    this.#rows++;
    this.#bytes += bytes;
    if (this.#rows >= this.#options.rowGroupSize || this.#bytes >= MAX_GROUP_BYTES) this.#flush();
    return true;
  }

  #take(column: ParquetColumn, value: Row[string]): Cell | undefined {
    try {
      return column.take(value);
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      throw new RecordError(
        `A Parquet file can't hold the value of column "${column.name}": ${error.message}`,
        {
          code: "serialization_parquet",
        },
      );
    }
  }

  #flush(): void {
    this.#file.writeGroup(this.#columns, this.#rows);
    for (const column of this.#columns) column.clear();
    this.#row.length = 0;
    this.#rows = 0;
    this.#bytes = 0;
  }

  end(): Promise<void> {
    if (this.#rows > 0) this.#flush();
    // Without columns that a file can have it is empty, as a text file without lines is.
    if (this.#problem === undefined) this.#file.end(this.#columns);
    return Promise.resolve();
  }
}

function problemOf(columns: readonly Column[]): string | undefined {
  const names = new Set(columns.map(({ name }) => name));
  if (names.size < columns.length) {
    return "two columns have one name. Rename one (rename_field), or leave metadata_columns out";
  }
  if (columns.length === 0) return "it has no columns";
  return columns.every(({ name }) => name.isWellFormed()) ? undefined : "a column's name has no UTF-8";
}
