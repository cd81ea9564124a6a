/**
 * A page of a column that is not nested, some rows at a time: as values all of a page is many times its bytes, and
 * DuckDB's pages have all rows of a row group. For parquet_pages.ts.
 */
import type { PageHeader } from "npm:hyparquet@1.31.5";
import type { readPage } from "npm:hyparquet@1.31.5/src/column.js";
import { convert } from "npm:hyparquet@1.31.5/src/convert.js";
import { decompressPage } from "npm:hyparquet@1.31.5/src/datapage.js";
import { readRleBitPackedHybrid } from "npm:hyparquet@1.31.5/src/encoding.js";
import { readPlain } from "npm:hyparquet@1.31.5/src/plain.js";

export type Decoder = Parameters<typeof readPage>[2];
export type Values = Parameters<typeof readPage>[3];

/** The next values that are not NULL. */
type NextValues = (count: number) => ArrayLike<unknown>;

export class FlatPage {
  /** Rows that are left. */
  length: number;
  #row = 0;
  /** Of each row 1, or 0 where it is NULL; undefined: none is. */
  readonly #levels: Uint8Array | undefined;
  readonly #next: NextValues;

  constructor(rows: number, levels: Uint8Array | undefined, next: NextValues) {
    this.length = rows;
    this.#levels = levels;
    this.#next = next;
  }

  /** The next rows. */
  take(count: number): unknown[] {
    this.length -= count;
    if (!this.#levels) return Array.from(this.#next(count));
    const levels = this.#levels.subarray(this.#row, this.#row += count);
    let present = 0;
    for (let i = 0; i < count; i++) present += levels[i];
    const values = this.#next(present);
    let value = 0;
    return Array.from(levels, (level) => level === 1 ? values[value++] : undefined);
  }
}

/**
 * @param bytes what is in the page, as it is stored
 * @returns undefined where its values can be had only all at once
 */
export function openFlatPage(
  bytes: Uint8Array,
  { uncompressed_page_size: size, data_page_header: v1, data_page_header_v2: v2 }: PageHeader,
  decoder: Decoder,
  dictionary: Values,
): FlatPage | undefined {
  const header = v1 ?? v2;
  if (!header) return undefined;
  const { type, element, codec, compressors } = decoder;
  const isIndexed = header.encoding === "PLAIN_DICTIONARY" || header.encoding === "RLE_DICTIONARY";
  // Booleans in plain encoding are bits, which can't be begun anywhere.
  if (isIndexed ? !dictionary : header.encoding !== "PLAIN" || type === "BOOLEAN") return undefined;
  const levels = element.repetition_type === "REQUIRED" ? undefined : new Uint8Array(header.num_values);
  const decompressed = (bytes: Uint8Array, size: number) => decompressPage(bytes, size, codec, compressors);
  let reader: Parameters<typeof readPlain>[0];
  if (v2) {
    const { definition_levels_byte_length: levelBytes, is_compressed: isCompressed } = v2;
    if (levels) readRleBitPackedHybrid(readerOf(bytes), 1, levels, levelBytes);
    const values = bytes.subarray(levelBytes);
    reader = readerOf(isCompressed === false ? values : decompressed(values, size - levelBytes));
  } else {
    reader = readerOf(decompressed(bytes, size));
    if (levels) readRleBitPackedHybrid(reader, 1, levels);
  }
  if (!isIndexed) {
    const next = (count: number) => convert(readPlain(reader, type, count, element.type_length), decoder);
    return new FlatPage(header.num_values, levels, next);
  }
  let values = header.num_values;
  if (levels) values = levels.reduce((sum, level) => sum + level, 0);
  const indexes = indexesOf(reader, values);
  let at = 0;
  const next = (count: number) => Array.from(indexes.subarray(at, at += count), (i) => dictionary![i]);
  return new FlatPage(header.num_values, levels, next);
}

function readerOf(bytes: Uint8Array) {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
}

/** Numbers of entries, behind the bits that each takes. */
function indexesOf(reader: ReturnType<typeof readerOf>, count: number): Uint32Array {
  const indexes = new Uint32Array(count);
  const { view } = reader;
  // Without a value there may be nothing at all.
  const width = reader.offset < view.byteLength ? view.getUint8(reader.offset++) : 0;
  if (width > 0) readRleBitPackedHybrid(reader, width, indexes, view.byteLength - reader.offset);
  return indexes;
}
