/**
 * Parquet files, by row group and a part of one at a time, so that memory stays bounded. The library gives what is
 * stored; parquet_values.ts makes values of it, since the library's own are rounded.
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  type SchemaElement,
} from "npm:hyparquet@1.31.5";
import { decompressBlock } from "npm:lz4js@0.2.0";
import type { Column, Value } from "../../data/value.ts";
import { parquetColumns, type StoredColumn, storedSchema } from "./parquet_values.ts";
import { type RandomAccess, type TableReader, UnreadableError } from "./table_reader.ts";

/** Values that are held at once take about so many bytes, before they are values. */
const PART_BYTES = 8 << 20;
const MAX_ROWS = 10_000;
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
  return new ParquetReader(buffer, metadata, from);
}

interface AsyncBuffer {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

export class ParquetReader implements TableReader {
  readonly columns: readonly Column[];
  readonly hasRest = false;
  readonly #file: AsyncBuffer;
  readonly #metadata: FileMetaData;
  readonly #stored: readonly StoredColumn[];
  /** The row that comes next, in the file. */
  #next: number;

  constructor(file: AsyncBuffer, metadata: FileMetaData, from: number) {
    this.#file = file;
    this.#metadata = { ...metadata, schema: storedSchema(metadata.schema) as SchemaElement[] };
    this.#stored = parquetColumns(metadata.schema);
    this.columns = this.#stored.map(({ column }) => column);
    this.#next = from;
  }

  async next(): Promise<readonly (readonly Value[])[]> {
    const part = this.#part();
    if (!part) return [];
    const { start, end } = part;
    const rows: Value[][] = Array.from({ length: end - start }, () => new Array(this.#stored.length));
    // One after the other: of a column the library holds all that its row group has of it.
    for (const [c, { column: { name }, value }] of this.#stored.entries()) {
      const found = new Array<unknown>(rows.length);
      await parquetRead({
        file: this.#file,
        metadata: this.#metadata,
        columns: [name],
        rowStart: start,
        rowEnd: end,
        utf8: false,
        compressors: COMPRESSORS,
        parsers: PARSERS,
        onChunk: ({ columnData, rowStart }) => {
          const first = Math.max(0, start - rowStart);
          const last = Math.min(columnData.length, end - rowStart);
          for (let i = first; i < last; i++) found[rowStart + i - start] = columnData[i];
        },
      });
      for (let r = 0; r < rows.length; r++) {
        const stored = found[r];
        rows[r][c] = stored === undefined || stored === null ? null : value(stored);
      }
    }
    this.#next = end;
    return rows;
  }

  /** The next rows, all of one row group. */
  #part(): { readonly start: number; readonly end: number } | undefined {
    let groupStart = 0;
    for (const { num_rows, total_byte_size } of this.#metadata.row_groups) {
      const count = Number(num_rows);
      const groupEnd = groupStart + count;
      if (this.#next < groupEnd) {
        const perRow = Math.max(1, Number(total_byte_size) / count);
        const rows = Math.min(MAX_ROWS, Math.max(1, Math.floor(PART_BYTES / perRow)));
        // Small groups are read as a whole: each part begins a column anew.
        const size = Number(total_byte_size) <= PART_BYTES && count <= 5 * MAX_ROWS ? count : rows;
        return { start: this.#next, end: Math.min(groupEnd, this.#next + size) };
      }
      groupStart = groupEnd;
    }
    return undefined;
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Numbers stay numbers, texts are exact; what the schema says else parquet_values.ts sees to. */
const PARSERS = {
  timestampFromNanoseconds: (nanos: bigint) => nanos,
  stringFromBytes: (bytes: Uint8Array | undefined) => bytes && strict.decode(bytes),
} as unknown as NonNullable<Parameters<typeof parquetRead>[0]["parsers"]>;

const COMPRESSORS = {
  GZIP: (input: Uint8Array) => new Uint8Array(gunzipSync(input)),
  ZSTD: (input: Uint8Array) => new Uint8Array(zstdDecompressSync(input)),
  BROTLI: (input: Uint8Array) => new Uint8Array(brotliDecompressSync(input)),
  LZ4_RAW: (input: Uint8Array, size: number) => lz4Block(input, size),
  LZ4: (input: Uint8Array, size: number) => hadoopLz4(input, size) ?? lz4Block(input, size),
};

function lz4Block(input: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  if (decompressBlock(input, out, 0, input.length, 0) !== size) throw new Error("an LZ4 block is damaged");
  return out;
}

/** Hadoop's framing: sizes in front of each block, highest byte first. Undefined where it is none. */
function hadoopLz4(input: Uint8Array, size: number): Uint8Array | undefined {
  const out = new Uint8Array(size);
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  let [at, end] = [0, 0];
  while (at + 8 <= input.length) {
    const [plain, packed] = [view.getUint32(at), view.getUint32(at + 4)];
    if (at + 8 + packed > input.length || end + plain > size) return undefined;
    if (decompressBlock(input, out, at + 8, packed, end) !== end + plain) return undefined;
    at += 8 + packed;
    end += plain;
  }
  return at === input.length && end === size ? out : undefined;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}
