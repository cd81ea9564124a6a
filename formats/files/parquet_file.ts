/** One Parquet file by way of the library: row groups as they fill up, the footer at the end. parquet.ts fills them. */
// hyparquet-writer, not parquet-wasm: it writes 0.3 M rows of ten columns a second where the other writes 0.5 M, but in
// half the memory (190 against 480 MB), without promises, and it knows the logical types UUID and JSON.
import { ByteWriter, ParquetWriter, type SchemaElement } from "npm:hyparquet-writer@0.17.0";
import { unconvertMinMax } from "npm:hyparquet-writer@0.17.0/src/unconvert.js";
import type { ParquetCompression } from "./formats.ts";
import { CODEC_OF, COMPRESSORS } from "./parquet_codecs.ts";
import type { ParquetColumn } from "./parquet_column.ts";
import { areDistinct, encodeTexts } from "./parquet_text.ts";
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
  readonly #out: (bytes: Uint8Array) => void;
  #writer: ParquetWriter | undefined;
  #schema: SchemaElement[] = [];
  /** The page that was compressed last. */
  #page: Uint8Array | undefined;
  /** Of each column; one that is not nested has one element. */
  #elements: SchemaElement[][] = [];

  constructor(options: ParquetFileOptions, out: (bytes: Uint8Array) => void) {
    this.#options = options;
    this.#out = out;
  }

  /** Writes the cells that the columns have gathered. */
  writeGroup(columns: readonly ParquetColumn[]): void {
    const writer = this.#begin(columns);
    const { dataPageSize: pageSize, dictionaryPageSize: dictionarySize } = this.#options;
    const columnData = columns.map(({ name, cells }, i) => ({ name, ...encoded(cells, this.#elements[i]) }));
    writer.write({ columnData, rowGroupSize: columnData[0].data.length, pageSize, dictionarySize });
    this.#shortenStatistics(writer);
    this.#freePage();
    for (const { buffers } of columnData) buffers?.forEach(free);
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
      writer: new Pieces(this.#out),
      schema: this.#schema,
      codec: CODEC_OF[compression],
      compressors: { [CODEC_OF[compression]]: (page: Uint8Array) => this.#compress(page) },
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

/** Cells in the form that the library writes best, and how it has to encode them; undefined: as it sees fit. */
function encoded(
  cells: readonly Cell[],
  elements: readonly SchemaElement[],
): { data: unknown[]; encoding: "PLAIN" | undefined; buffers?: readonly ArrayBuffer[] } {
  const logical = elements[0].logical_type?.type;
  // Large ones are bytes already, and the library can't compare bytes with texts.
  const isText = logical === "STRING" || logical === "JSON";
  if (isText && (areDistinct(cells) || cells.some((cell) => cell instanceof Uint8Array))) {
    const { texts, buffers } = encodeTexts(cells);
    return { data: texts, encoding: "PLAIN", buffers };
  }
  // A dictionary of the library has one entry for 0 and −0.
  const hasFloats = elements.some(({ type }) => type === "FLOAT" || type === "DOUBLE");
  return {
    data: cells as unknown[],
    encoding: hasFloats && cells.some(hasNegativeZero) ? "PLAIN" : undefined,
  };
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
