/**
 * Parquet files, some rows at a time out of one page of each column, so that memory stays bounded. The library gives
 * what is stored; parquet_values.ts makes values of it, since the library's own are rounded.
 */
import {
  type FileMetaData,
  parquetMetadataAsync,
  parquetSchema,
  type SchemaElement,
  type SchemaTree,
} from "npm:hyparquet@1.31.5";
import { assembleNested } from "npm:hyparquet@1.31.5/src/assemble.js";
import { getTreePath } from "npm:hyparquet@1.31.5/src/schema.js";
import type { Column, Value } from "../../data/value.ts";
import { ColumnPages, PARSERS } from "./parquet_pages.ts";
import { parquetColumns, type StoredColumn, storedSchema } from "./parquet_values.ts";
import { type RandomAccess, type TableReader, UnreadableError } from "./table_reader.ts";

const MAX_ROWS = 2000;
/** `PAR1` at the end, and the length of the footer before it. */
const END_BYTES = 8;
const MAGIC = 0x31524150;

/**
 * Opens a file to be read from row `from` on.
 *
 * @returns undefined when the file is not complete: it has no footer
 * @throws {Error} when it is damaged, or has what can't be read
 */
export async function openParquet(file: RandomAccess, from: number): Promise<ParquetReader | undefined> {
  if (file.size < 4 + END_BYTES) return undefined;
  const [head, end] = [await file.read(0, 4), await file.read(file.size - END_BYTES, END_BYTES)];
  if (wordAt(head, 0) !== MAGIC) throw new UnreadableError("no Parquet file begins so");
  if (wordAt(end, 4) !== MAGIC) return undefined;
  const buffer = {
    byteLength: file.size,
    slice: async (start: number, end = file.size) =>
      (await file.read(start, end - start)).buffer as ArrayBuffer,
  };
  const metadata = await parquetMetadataAsync(buffer);
  return new ParquetReader(file, metadata, from);
}

export class ParquetReader implements TableReader {
  readonly columns: readonly Column[];
  readonly hasRest = false;
  readonly #file: RandomAccess;
  readonly #metadata: FileMetaData;
  readonly #schema: SchemaTree;
  readonly #stored: readonly StoredColumn[];
  /** The row group that comes next, and how many of its rows to step over. */
  #group = 0;
  #skip: number;
  /** Rows of the open group that are still to come, and its columns: several pages each where they are nested. */
  #left = 0;
  #open: readonly (readonly ColumnPages[])[] = [];

  constructor(file: RandomAccess, metadata: FileMetaData, from: number) {
    this.#file = file;
    this.#metadata = metadata;
    this.#schema = parquetSchema({ ...metadata, schema: storedSchema(metadata.schema) as SchemaElement[] });
    this.#stored = parquetColumns(metadata.schema);
    this.columns = this.#stored.map(({ column }) => column);
    this.#skip = from;
  }

  async next(): Promise<readonly (readonly Value[])[]> {
    while (this.#left === 0) if (!this.#nextGroup()) return [];
    let count = Math.min(MAX_ROWS, this.#left);
    for (const column of this.#open) {
      for (const pages of column) count = Math.min(count, await pages.ready());
    }
    if (count === 0) throw new Error("a column has fewer rows than its row group");
    this.#left -= count;
    const rows: Value[][] = Array.from({ length: count }, () => new Array(this.#stored.length));
    for (const [c, { value }] of this.#stored.entries()) {
      const found = this.#take(c, count);
      for (let r = 0; r < count; r++) {
        const stored = found[r];
        rows[r][c] = stored === undefined || stored === null ? null : value(stored);
      }
    }
    return rows;
  }

  /** @returns false: there is none */
  #nextGroup(): boolean {
    const group = this.#metadata.row_groups[this.#group];
    if (!group) return false;
    this.#group++;
    const count = Number(group.num_rows);
    const skip = Math.min(count, this.#skip);
    this.#skip -= skip;
    this.#left = count - skip;
    if (this.#left === 0) return true;
    this.#open = this.#schema.children.map(({ element: { name } }) =>
      group.columns.flatMap(({ meta_data: metadata }) => {
        if (metadata?.path_in_schema[0] !== name) return [];
        return [
          new ColumnPages(this.#file, metadata, getTreePath(this.#schema, metadata.path_in_schema), skip),
        ];
      })
    );
    return true;
  }

  /** The next values of a column, as they are stored. */
  #take(c: number, count: number): readonly unknown[] {
    const node = this.#schema.children[c];
    const columns = this.#open[c];
    if (node.children.length === 0) return columns[0].take(count);
    const parts = new Map(columns.map((pages) => [pages.path, pages.take(count) as never]));
    assembleNested(parts, node, PARSERS);
    return parts.get(node.path.join(".")) as unknown as readonly unknown[];
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}
