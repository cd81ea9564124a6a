/**
 * One column chunk of a Parquet file, a page at a time: a row group may be larger than memory, its pages are not. The
 * library reads whole chunks only, so its parts for pages are used. For parquet_read.ts.
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { ColumnMetaData, SchemaTree } from "npm:hyparquet@1.31.5";
import { parquetHeader, readPage } from "npm:hyparquet@1.31.5/src/column.js";
import { convert } from "npm:hyparquet@1.31.5/src/convert.js";
import { decompressBlock } from "npm:lz4js@0.2.0";
import { type Decoder, type FlatPage, openFlatPage, type Values } from "./parquet_flat_page.ts";
import type { RandomAccess } from "./table_reader.ts";

/** What is read to find a page's header in, and what a header with long statistics may have. */
const HEADER_BYTES = 32 * 1024;
const MAX_HEADER_BYTES = 4 << 20;
/** Rows that are stepped over at a time. */
const MAX_STEP = 2000;

export class ColumnPages {
  /** Where the column stands in the schema, for nested ones. */
  readonly path: string;
  readonly #file: RandomAccess;
  readonly #decoder: Decoder;
  readonly #isNested: boolean;
  readonly #end: number;
  #at: number;
  #dictionary: Values;
  /** The open page: of most columns some rows at a time, of others all of it. */
  #flat: FlatPage | undefined;
  #rows: ArrayLike<unknown> = [];
  #from = 0;
  #skip: number;

  /** @param skip rows to step over first */
  constructor(file: RandomAccess, metadata: ColumnMetaData, path: readonly SchemaTree[], skip: number) {
    const { path_in_schema: pathInSchema, data_page_offset, dictionary_page_offset, total_compressed_size } =
      metadata;
    this.path = pathInSchema.join(".");
    this.#file = file;
    this.#isNested = path.length !== 2 || path[1].element.repetition_type === "REPEATED";
    const first = dictionary_page_offset && dictionary_page_offset < data_page_offset
      ? dictionary_page_offset
      : data_page_offset;
    this.#at = Number(first);
    this.#end = this.#at + Number(total_compressed_size);
    this.#skip = skip;
    this.#decoder = {
      ...metadata,
      pathInSchema,
      element: path.at(-1)!.element,
      schemaPath: path,
      utf8: false,
      compressors: COMPRESSORS,
      parsers: PARSERS,
    } as unknown as Decoder;
  }

  /** Reads pages until a row is complete. @returns how many are; 0: there are no more */
  async ready(): Promise<number> {
    for (;;) {
      const count = this.#complete();
      if (this.#skip > 0 && count > 0) {
        const step = Math.min(this.#skip, count, MAX_STEP);
        this.#skip -= step;
        this.take(step);
        continue;
      }
      if (count > 0 || this.#at >= this.#end) return count;
      await this.#page();
    }
  }

  /** The next rows, of those that are ready. */
  take(count: number): unknown[] {
    if (this.#flat) return this.#flat.take(count);
    const rows = Array.prototype.slice.call(this.#rows, this.#from, this.#from + count);
    this.#from += count;
    return rows;
  }

  /** The last row of a nested column may go on in the next page. */
  #complete(): number {
    if (this.#flat) return this.#flat.length;
    const count = this.#rows.length - this.#from;
    return this.#isNested && this.#at < this.#end ? Math.max(0, count - 1) : count;
  }

  async #page(): Promise<void> {
    const { header, reader } = await this.#header();
    if (header.type === "DICTIONARY_PAGE") {
      const { data } = readPage(reader, header, this.#decoder, undefined, undefined, 0);
      this.#dictionary = data && convert(data, this.#decoder);
      return;
    }
    if (!this.#isNested) {
      const { num_values: rows = 0 } = header.data_page_header ?? header.data_page_header_v2 ?? {};
      this.#flat = undefined;
      if (rows <= this.#skip) {
        this.#skip -= rows;
        this.#rows = [];
        return;
      }
      const { view, offset } = reader;
      const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, header.compressed_page_size);
      this.#flat = openFlatPage(bytes, header, this.#decoder, this.#dictionary);
      if (this.#flat) return;
    }
    const rest = this.#isNested ? Array.prototype.slice.call(this.#rows, this.#from) : undefined;
    const result = readPage(reader, header, this.#decoder, this.#dictionary, rest, this.#skip);
    if (result.skipped) {
      this.#skip -= result.skipped;
      return;
    }
    this.#rows = result.data ?? [];
    this.#from = 0;
  }

  /** The header of the next page, and a reader in front of what is in the page, which is stepped over. */
  async #header() {
    for (let size = HEADER_BYTES;; size *= 4) {
      const bytes = await this.#file.read(this.#at, Math.min(size, this.#end - this.#at));
      const reader = { view: new DataView(bytes.buffer), offset: 0 };
      let header: ReturnType<typeof parquetHeader>;
      try {
        header = parquetHeader(reader);
      } catch (error) {
        if (!(error instanceof RangeError) || size > MAX_HEADER_BYTES || size > this.#end - this.#at) {
          throw error;
        }
        continue;
      }
      const { offset } = reader;
      const length = header.compressed_page_size;
      const start = this.#at + offset;
      this.#at = start + length;
      if (offset + length <= bytes.length) return { header, reader };
      return {
        header,
        reader: { view: new DataView((await this.#file.read(start, length)).buffer), offset: 0 },
      };
    }
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Numbers stay numbers, texts are exact; what the schema says else parquet_values.ts sees to. */
export const PARSERS = {
  timestampFromNanoseconds: (nanos: bigint): bigint => nanos,
  stringFromBytes: (bytes: Uint8Array | undefined): string | undefined => bytes && strict.decode(bytes),
} as unknown as Decoder["parsers"];

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
