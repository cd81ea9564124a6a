/**
 * How pages of Parquet files are compressed: names as in pipeline files, the names of the file format, and the code.
 * Only parquet.ts uses this; compression around whole files is in compression.ts.
 */
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from "node:zlib";
import { snappyCompress } from "npm:hyparquet-writer@0.17.0/src/snappy.js";
import { compressBlock, compressBound } from "npm:lz4js@0.2.0";
import type { ParquetCompression } from "./formats.ts";

/** Names of `CompressionCodec` in parquet.thrift. `LZ4` there is a framing that readers disagree about. */
export type ParquetCodec = "UNCOMPRESSED" | "SNAPPY" | "GZIP" | "ZSTD" | "LZ4_RAW" | "BROTLI";

export const CODEC_OF: Readonly<Record<ParquetCompression, ParquetCodec>> = {
  none: "UNCOMPRESSED",
  snappy: "SNAPPY",
  gzip: "GZIP",
  zstd: "ZSTD",
  lz4: "LZ4_RAW",
  brotli: "BROTLI",
};

export const COMPRESSORS: Readonly<Record<ParquetCodec, (page: Uint8Array) => Uint8Array>> = {
  UNCOMPRESSED: (page) => page,
  SNAPPY: snappyCompress,
  GZIP: (page) => gzipSync(page),
  ZSTD: (page) => zstdCompressSync(page),
  LZ4_RAW: lz4Block,
  // The default, 11, takes fifty times as long for a tenth of the size.
  BROTLI: (page) => brotliCompressSync(page, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
};

/** One for all blocks: positions of an earlier page would be taken for this one's, so it is cleared before each. */
let hashTable: Uint32Array | undefined;

/** One LZ4 block, without frame and size (lz4_Block_format.md). */
function lz4Block(page: Uint8Array): Uint8Array {
  hashTable ??= new Uint32Array(1 << 16);
  hashTable.fill(0);
  const block = new Uint8Array(compressBound(page.length));
  const size = compressBlock(page, block, 0, page.length, hashTable);
  return size > 0 ? block.subarray(0, size) : literals(page);
}

/** A block without a match: its token, the length, the bytes. */
function literals(page: Uint8Array): Uint8Array {
  const { length } = page;
  const lengthBytes = length < 15 ? 0 : Math.floor((length - 15) / 255) + 1;
  const block = new Uint8Array(1 + lengthBytes + length);
  block[0] = Math.min(length, 15) << 4;
  if (lengthBytes > 0) {
    block.fill(255, 1, lengthBytes);
    block[lengthBytes] = (length - 15) % 255;
  }
  block.set(page, 1 + lengthBytes);
  return block;
}
