/**
 * One Parquet file: row groups as they fill up, the footer at the end. parquet.ts fills them. Columns without others
 * inside are written by parquet_chunk.ts, arrays, groups and maps by the library.
 */
// hyparquet-writer, not parquet-wasm: with that one the process weighs 480 MB instead of 190, it works by promises, and
// it does not know the logical types UUID and JSON.
import type { SchemaTree } from "npm:hyparquet@1.31.5";
import { ByteWriter, ParquetWriter, type SchemaElement } from "npm:hyparquet-writer@0.17.0";
import { writeColumn } from "npm:hyparquet-writer@0.17.0/src/column.js";
import { encodeNestedValues } from "npm:hyparquet-writer@0.17.0/src/dremel.js";
import { schemaPathResolver } from "npm:hyparquet-writer@0.17.0/src/schema.js";
import { unconvertMinMax } from "npm:hyparquet-writer@0.17.0/src/unconvert.js";
import type { ParquetCompression } from "./formats.ts";
import { FlatCells } from "./parquet_cells.ts";
import { writeChunk, type WrittenChunk } from "./parquet_chunk.ts";
import { CODEC_OF, COMPRESSORS } from "./parquet_codecs.ts";
import type { ParquetColumn } from "./parquet_column.ts";
import type { Cell } from "./parquet_type.ts";

export interface ParquetFileOptions {
  readonly compression: ParquetCompression;
  readonly enableStatistics: boolean;
  readonly dataPageSize: number;
  readonly dictionaryPageSize: number;
}

/** Bytes of a text that statistics keep, as the library's own default. */
const STATISTICS_BYTES = 16;

export class ParquetFile {
  readonly #options: ParquetFileOptions;
  readonly #pieces: Pieces;
  #writer: ParquetWriter | undefined;
  #schema: SchemaElement[] = [];
  /** The page that was compressed last. */
  #page: Uint8Array | undefined;
  /** Of each column; one that is not nested has one element. */
  #elements: SchemaElement[][] = [];

  constructor(options: ParquetFileOptions, out: (bytes: Uint8Array) => void) {
    this.#options = options;
    this.#pieces = new Pieces(out);
  }

  /** Writes the cells that the columns have gathered. */
  writeGroup(columns: readonly ParquetColumn[], rows: number): void {
    const writer = this.#begin(columns);
    const pieces = this.#pieces;
    const start = pieces.offset;
    const written = columns.flatMap(({ name, cells }, i) =>
      cells instanceof FlatCells ? this.#writeFlat(name, cells) : this.#writeNested(name, cells, i)
    );
    const sizes = written.map(({ chunk }) => chunk.meta_data!.total_uncompressed_size);
    writer.row_groups.push({
      columns: written.map(({ chunk }) => chunk),
      total_byte_size: sizes.reduce((sum, size) => sum + size, 0n),
      num_rows: BigInt(rows),
      total_compressed_size: BigInt(pieces.offset - start),
    });
    writer.num_rows += BigInt(rows);
    writer.pendingIndexes.push(...written);
    pieces.flush();
    this.#shortenStatistics(writer);
    this.#freePage();
  }

  #writeFlat(name: string, cells: FlatCells): WrittenChunk {
    const codec = CODEC_OF[this.#options.compression];
    const compress = COMPRESSORS[codec];
    return writeChunk(name, cells, { ...this.#options, writer: this.#pieces, codec, compress });
  }

  /** The library's way: one chunk for each column inside. */
  #writeNested(name: string, cells: readonly Cell[], i: number): WrittenChunk[] {
    const { compression, enableStatistics: stats, dataPageSize, dictionaryPageSize } = this.#options;
    const codec = CODEC_OF[compression];
    // A dictionary of the library has one entry for 0 and −0.
    const hasFloats = this.#elements[i].some(({ type }) => type === "FLOAT" || type === "DOUBLE");
    const column = {
      columnName: name,
      codec,
      compressors: { [codec]: (page: Uint8Array) => this.#compress(page) },
      stats,
      pageSize: dataPageSize,
      dictionarySize: dictionaryPageSize,
      columnIndex: false,
      offsetIndex: true,
      encoding: hasFloats && cells.some(hasNegativeZero) ? "PLAIN" : undefined,
    } as const;
    return leavesBelow(schemaPathResolver(this.#schema)([name])).map((path) => {
      const schemaPath = path.map(({ element }) => element);
      const pageData = encodeNestedValues(path, cells as unknown[]);
      return writeColumn({
        writer: this.#pieces,
        column: { ...column, element: schemaPath.at(-1)!, schemaPath },
        pageData,
      });
    });
  }

  end(columns: readonly ParquetColumn[]): void {
    const writer = this.#begin(columns);
    // While it encodes, the library would take the texts for values to make JSON of.
    for (const element of this.#schema) {
      if (element.logical_type?.type === "JSON") element.converted_type = "JSON";
    }
    writer.finish();
  }

  /** The library looks at a page for the last time before it has the next one compressed. */
  #compress(page: Uint8Array): Uint8Array {
    this.#freePage();
    this.#page = page;
    return COMPRESSORS[CODEC_OF[this.#options.compression]](page);
  }

  #freePage(): void {
    if (this.#page) free(this.#page.buffer as ArrayBuffer);
    this.#page = undefined;
  }

  /** The schema is known with the first row group: columns without a type have got one by then. */
  #begin(columns: readonly ParquetColumn[]): ParquetWriter {
    if (this.#writer) return this.#writer;
    const { compression, enableStatistics } = this.#options;
    this.#elements = columns.map((column) => column.elements());
    this.#schema = [{ name: "schema", num_children: columns.length }, ...this.#elements.flat()];
    return this.#writer = new ParquetWriter({
      writer: this.#pieces,
      schema: this.#schema,
      codec: CODEC_OF[compression],
      statistics: enableStatistics,
      createdBy: "rivven-connect",
    });
  }

  /**
   * The library keeps the smallest and the largest text of each row group whole until the footer is written, so a file
   * of long texts would take ever more memory. The first bytes of both are what it writes in the end.
   */
  #shortenStatistics(writer: ParquetWriter): void {
    const leaves = this.#schema.filter(({ type }) => type !== undefined);
    writer.row_groups.at(-1)?.columns.forEach(({ meta_data }, i) => {
      const statistics = meta_data?.statistics;
      const element = leaves[i];
      if (!statistics || element.type !== "BYTE_ARRAY") return;
      const { min_value: min, max_value: max } = statistics;
      if (min === undefined || max === undefined) return;
      const lower = unconvertMinMax(min, element, false, STATISTICS_BYTES);
      const upper = unconvertMinMax(max, element, true, STATISTICS_BYTES);
      // JSON has no useful order, and some long bytes have no short upper bound.
      const isKept = element.logical_type?.type !== "JSON" && upper !== undefined &&
        upper.length <= STATISTICS_BYTES;
      // Copies: a short one may lie in the buffer of all texts.
      statistics.min_value = isKept ? lower?.slice() : undefined;
      statistics.max_value = isKept ? upper.slice() : undefined;
      if (isKept && isLonger(min)) statistics.is_min_value_exact = false;
      if (isKept && isLonger(max)) statistics.is_max_value_exact = false;
    });
  }
}

/** The paths from the root to each column that has values. */
function leavesBelow(path: SchemaTree[]): SchemaTree[][] {
  const { children } = path.at(-1)!;
  return children.length === 0 ? [path] : children.flatMap((child) => leavesBelow([...path, child]));
}

function hasNegativeZero(cell: Cell): boolean {
  if (typeof cell === "number") return Object.is(cell, -0);
  if (typeof cell !== "object" || cell === null || cell instanceof Uint8Array) return false;
  return (Array.isArray(cell) ? cell : Object.values(cell)).some(hasNegativeZero);
}

/** Gives memory back at once: the collector of garbage lets a hundred megabytes of buffers wait. */
function free(buffer: ArrayBuffer): void {
  buffer.transfer(0);
}

function isLonger(value: unknown): boolean {
  const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(String(value));
  return bytes.length > STATISTICS_BYTES;
}

/** Bytes that the library has written wait until there are so many, or the row group ends. */
const PIECE_BYTES = 1 << 18;

/** The library's buffer, emptied whenever it is large, so that it never grows to the size of a row group. */
class Pieces extends ByteWriter {
  readonly #out: (bytes: Uint8Array) => void;

  constructor(out: (bytes: Uint8Array) => void) {
    super();
    this.#out = out;
  }

  override appendBytes(bytes: Uint8Array): void {
    super.appendBytes(bytes);
    if (this.index >= PIECE_BYTES) this.flush();
  }

  flush(): void {
    if (this.index > 0) this.#out(this.getBytes().slice());
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }
}
