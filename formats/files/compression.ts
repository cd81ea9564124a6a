/**
 * Compression around a text file: bytes in, compressed bytes out, a piece at a time, so that a file's size is known
 * while it grows and memory stays bounded. A file is a row of whole members or frames, which each of these formats
 * allows; the same bytes give the same file, whatever pieces they come in.
 */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { compress as lz4Frame } from "npm:lz4js@0.2.0";
import type { Compression } from "./formats.ts";
import { SNAPPY_HEADER, snappyChunks } from "./snappy.ts";

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

  /** Bytes that wait to be compressed: less than a piece. */
  get bufferedBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes bytes over; gives back what is ready, possibly nothing. */
  push(bytes: Uint8Array): Uint8Array[] {
    if (!this.#compress) return bytes.length > 0 ? [bytes] : [];
    const out: Uint8Array[] = [];
    while (this.#waitingBytes + bytes.length >= PIECE_BYTES) {
      const taken = PIECE_BYTES - this.#waitingBytes;
      this.#wait(bytes.subarray(0, taken));
      bytes = bytes.subarray(taken);
      out.push(...this.#compressed());
    }
    if (bytes.length > 0) this.#wait(bytes);
    return out;
  }

  /** What is left. An empty file of a compressed format is empty, too. */
  end(): Uint8Array[] {
    return this.#waitingBytes > 0 ? this.#compressed() : [];
  }

  #wait(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #compressed(): Uint8Array[] {
    const all = concat(this.#waiting, this.#waitingBytes);
    const piece = this.#compress!(all);
    // A megabyte for each piece of a file: left to the garbage collector they add up to 20 at a time.
    if (this.#waiting.length > 1) (all.buffer as ArrayBuffer).transfer(0);
    this.#waiting = [];
    this.#waitingBytes = 0;
    const header = this.#header;
    this.#header = undefined;
    return header ? [header, piece] : [piece];
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
      return (piece) => zstdCompressSync(piece, { params: zstdParams(level) });
    case "snappy":
      return snappyChunks;
    case "lz4":
      return (piece) => lz4Frame(piece);
  }
}

function zstdParams(level?: number): Record<number, number> {
  return level === undefined ? { [ZSTD_CHECKSUM]: 1 } : { [ZSTD_CHECKSUM]: 1, [ZSTD_LEVEL]: level };
}

/** ZSTD_c_compressionLevel and ZSTD_c_checksumFlag (zstd.h). */
const ZSTD_LEVEL = 100;
const ZSTD_CHECKSUM = 201;

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
