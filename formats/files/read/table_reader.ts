/** The contract of readers of files with typed rows (avro_file.ts, parquet_read.ts): read by place, in pieces. */
import type { Column, Value } from "../../data/value.ts";

/** A file, as a reader of any format sees it. */
export interface RandomAccess {
  readonly size: number;
  /** Exactly these bytes, in a buffer of their own. Within the size. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Reads on from where it was opened. */
export interface TableReader {
  /** In the file's order. */
  readonly columns: readonly Column[];
  /**
   * The next rows, each with a value for every column; none: at the end.
   *
   * @throws {Error} when the file is damaged
   */
  next(): Promise<readonly (readonly Value[])[]>;
  /** Whether the file ends in something that is not complete; good at the end. */
  readonly hasRest: boolean;
}

/** Nobody can read this. Said with the file's name. */
export class UnreadableError extends Error {}
