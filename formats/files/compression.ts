/**
 * Compression around a text file: bytes in, compressed bytes out, a piece at a time, so that a file's size is known
 * while it grows and memory stays bounded. A file is a row of whole members or frames, which each of these formats
 * allows; the same bytes in the same pieces give the same file.
 */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { compress as lz4Frame } from "npm:lz4js@0.2.0";
import type { Compression } from "./formats.ts";
import { SNAPPY_HEADER, snappyChunks } from "./snappy.ts";

// Definitions take the names from formats.ts, which loads none of this.
export { type Compression, COMPRESSIONS } from "./formats.ts";

/** What a file's name ends in behind its format's own ending. */
export const COMPRESSION_SUFFIX: Readonly<Record<Compression, string>> = {
  none: "",
  gzip: ".gz",
  zstd: ".zst",
  snappy: ".snappy",
  lz4: ".lz4",
};

/** Pieces of this size are compressed by themselves: large enough that it costs next to no ratio. */
const PIECE_BYTES = 1 << 20;

export class Compressor {
  readonly #compress: ((piece: Uint8Array) => Uint8Array) | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #header: Uint8Array | undefined;

  /** @param level of gzip (1–9, 6 when left out) and zstd (1–22, 3 when left out) */
  constructor(compression: Compression, level?: number) {
    this.#compress = compressorOf(compression, level);
    this.#header = compression === "snappy" ? SNAPPY_HEADER : undefined;
  }

  /** Takes bytes over; gives back what is ready, possibly nothing. */
  push(bytes: Uint8Array): Uint8Array[] {
    if (!this.#compress) return bytes.length > 0 ? [bytes] : [];
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    return this.#waitingBytes >= PIECE_BYTES ? this.#compressed() : [];
  }

  /** What is left. An empty file of a compressed format is empty, too. */
  end(): Uint8Array[] {
    return this.#waitingBytes > 0 ? this.#compressed() : [];
  }

  #compressed(): Uint8Array[] {
    const all = concat(this.#waiting, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    const out = this.#header ? [this.#header] : [];
    this.#header = undefined;
    for (let at = 0; at < all.length; at += PIECE_BYTES) {
      out.push(this.#compress!(all.subarray(at, at + PIECE_BYTES)));
    }
    return out;
  }
}

function compressorOf(
  compression: Compression,
  level?: number,
): ((piece: Uint8Array) => Uint8Array) | undefined {
  switch (compression) {
    case "none":
      return undefined;
    case "gzip":
      return (piece) => gzipSync(piece, { level });
    case "zstd":
      return (piece) =>
        zstdCompressSync(piece, level === undefined ? {} : { params: { [ZSTD_LEVEL]: level } });
    case "snappy":
      return snappyChunks;
    case "lz4":
      return (piece) => lz4Frame(piece);
  }
}

/** ZSTD_c_compressionLevel (zstd.h). */
const ZSTD_LEVEL = 100;

function concat(pieces: readonly Uint8Array[], size: number): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
