/**
 * The chunk of a row group's column that has no columns inside: the dictionary, if one is of use, and the pages
 * (parquet.thrift; Encodings.md). The library writes headers and runs; parquet_file.ts calls it.
 */
import { ByteWriter, type ParquetWriter } from "npm:hyparquet-writer@0.17.0";
import { writePageHeader } from "npm:hyparquet-writer@0.17.0/src/datapage.js";
import { writeRleBitPackedHybrid } from "npm:hyparquet-writer@0.17.0/src/encoding.js";
import type { FlatCells } from "./parquet_cells.ts";
import type { ParquetCodec } from "./parquet_codecs.ts";
import { bitWidth, type Dictionary, dictionaryOf } from "./parquet_dictionary.ts";
import { statisticsOf } from "./parquet_statistics.ts";

/** What the library knows of a chunk until the footer is written. */
export type WrittenChunk = ParquetWriter["pendingIndexes"][number];

export interface ChunkOptions {
  readonly writer: ByteWriter;
  readonly codec: ParquetCodec;
  readonly compress: (page: Uint8Array) => Uint8Array;
  readonly enableStatistics: boolean;
  readonly dataPageSize: number;
  readonly dictionaryPageSize: number;
}

/** Cells `row` to `rowEnd` (exclusive) of a column and their values, by number and where they are. */
interface Page {
  readonly row: number;
  readonly rowEnd: number;
  readonly value: number;
  readonly valueEnd: number;
  readonly at: number;
  readonly end: number;
}

/** Writes all cells of a column that is called `name`. */
export function writeChunk(name: string, cells: FlatCells, options: ChunkOptions): WrittenChunk {
  const { writer, codec, enableStatistics } = options;
  const type = cells.element.type!;
  const start = writer.offset;
  const dictionary = type === "BOOLEAN" ? undefined : dictionaryOf(cells, options.dictionaryPageSize);
  let size = dictionary ? writeDictionary(dictionary, options) : 0;
  const pagesStart = writer.offset;
  const encoding = dictionary ? "RLE_DICTIONARY" : type === "BOOLEAN" ? "RLE" : "PLAIN";
  const pages = pagesOf(cells, dictionary ? 4 : cells.width, options.dataPageSize);
  const locations = pages.map((page) => {
    const offset = writer.offset;
    size += writePage(page, cells, dictionary, encoding, options);
    return {
      offset: BigInt(offset),
      compressed_page_size: writer.offset - offset,
      first_row_index: BigInt(page.row),
    };
  });
  return {
    chunk: {
      file_offset: BigInt(start),
      meta_data: {
        type,
        encodings: dictionary ? ["PLAIN", encoding] : [encoding],
        path_in_schema: [name],
        codec,
        num_values: BigInt(cells.rows),
        total_compressed_size: BigInt(writer.offset - start),
        total_uncompressed_size: BigInt(size),
        data_page_offset: BigInt(pagesStart),
        dictionary_page_offset: dictionary && BigInt(start),
        statistics: enableStatistics ? statisticsOf(cells) : undefined,
      },
    },
    offsetIndex: pages.length > 1 ? { page_locations: locations } : undefined,
  };
}

/** @returns its bytes before compression */
function writeDictionary({ size, bytes }: Dictionary, { writer, compress }: ChunkOptions): number {
  const start = writer.offset;
  const compressed = compress(bytes);
  writePageHeader(writer, {
    type: "DICTIONARY_PAGE",
    uncompressed_page_size: bytes.length,
    compressed_page_size: compressed.length,
    dictionary_page_header: { num_values: size, encoding: "PLAIN" },
  });
  const headerSize = writer.offset - start;
  writer.appendBytes(compressed);
  return headerSize + bytes.length;
}

/** @returns its bytes before compression */
function writePage(
  page: Page,
  cells: FlatCells,
  dictionary: Dictionary | undefined,
  encoding: "PLAIN" | "RLE" | "RLE_DICTIONARY",
  { writer, compress }: ChunkOptions,
): number {
  const start = writer.offset;
  const levels = new ByteWriter(64);
  writeRleBitPackedHybrid(levels, cells.levels.subarray(page.row, page.rowEnd), 1);
  const values = dictionary
    ? numbersOf(dictionary, page)
    : encoding === "RLE"
    ? booleansOf(cells, page)
    : cells.bytes.subarray(page.at, page.end);
  const compressed = compress(values);
  writePageHeader(writer, {
    type: "DATA_PAGE_V2",
    uncompressed_page_size: levels.offset + values.length,
    compressed_page_size: levels.offset + compressed.length,
    data_page_header_v2: {
      num_values: page.rowEnd - page.row,
      num_nulls: page.rowEnd - page.row - (page.valueEnd - page.value),
      num_rows: page.rowEnd - page.row,
      encoding,
      definition_levels_byte_length: levels.offset,
      repetition_levels_byte_length: 0,
      is_compressed: true,
    },
  });
  const headerSize = writer.offset - start;
  writer.appendBytes(levels.getBytes());
  writer.appendBytes(compressed);
  return headerSize + levels.offset + values.length;
}

/** The width of the numbers, then runs of them. */
function numbersOf({ size, indexes }: Dictionary, { value, valueEnd }: Page): Uint8Array {
  const bytes = new ByteWriter();
  bytes.appendUint8(bitWidth(size));
  writeRleBitPackedHybrid(bytes, indexes.subarray(value, valueEnd), bitWidth(size));
  return bytes.getBytes();
}

/** The length, then runs of bits. */
function booleansOf({ bytes }: FlatCells, { at, end }: Page): Uint8Array {
  const runs = new ByteWriter();
  writeRleBitPackedHybrid(runs, bytes.subarray(at, end), 1);
  const all = new ByteWriter(runs.offset + 4);
  all.appendUint32(runs.offset);
  all.appendBytes(runs.getBytes());
  return all.getBytes();
}

/**
 * Cuts a column into pages of about that many bytes.
 *
 * @param width bytes of a value in its page; 0: what it takes in the cells
 */
function pagesOf(cells: FlatCells, width: number, pageSize: number): Page[] {
  const { levels, rows, values, byteLength } = cells;
  const all = { row: 0, rowEnd: rows, value: 0, valueEnd: values, at: 0, end: byteLength };
  if ((width ? width * values : byteLength) < pageSize) return [all];
  const pages: Page[] = [];
  let begin = { row: 0, value: 0, at: 0 };
  let [value, at, size] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    if (levels[row] === 0) continue;
    const next = cells.next(at);
    const bytes = width || next - at;
    if (size + bytes >= pageSize && row > begin.row) {
      pages.push({ ...begin, rowEnd: row, valueEnd: value, end: at });
      begin = { row, value, at };
      size = 0;
    }
    size += bytes;
    value++;
    at = next;
  }
  pages.push({ ...begin, rowEnd: rows, valueEnd: values, end: byteLength });
  return pages;
}
