/**
 * What compression.ts and other programs have compressed, in pieces as they come from a file: whatever its size, a
 * piece in and a few pieces out are all that is held. A file may be a row of members or frames.
 */
import type { Buffer } from "node:buffer";
import { createGunzip, createZstdDecompress } from "node:zlib";
import type { Compression } from "../formats.ts";
import { Lz4Frames } from "./lz4.ts";
import { SnappyChunks } from "./unsnappy.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/** Pieces of this size at most are handed to `push`, so that even the densest one has room in memory when it is out. */
export const COMPRESSED_PIECE = 32 * 1024;

export interface Decompressor {
  /**
   * The next bytes of the file, and what has come out.
   *
   * @throws {Error} where they are not what they should be
   */
  push(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** @throws {Error} where the file ends in the middle of something */
  end(): Promise<readonly Uint8Array[]>;
  /** Lets go of it without an end. */
  close(): void;
}

export function decompressor(compression: Exclude<Compression, "none">): Decompressor {
  switch (compression) {
    case "gzip":
      return new Inflating(createGunzip());
    case "zstd":
      return new ZstdDecompressor();
    case "snappy":
      return synchronous(new SnappyChunks());
    case "lz4":
      return synchronous(new Lz4Frames());
  }
}

/** What needs no stream of the platform's. */
export interface FrameReader {
  push(bytes: Uint8Array): Uint8Array[];
  /** @throws {Error} where something is begun and not ended */
  end(): void;
}

function synchronous(reader: FrameReader): Decompressor {
  return {
    // Not async functions, because what they throw has to come as a rejection all the same.
    push: (bytes) => new Promise((resolve) => resolve(reader.push(bytes))),
    end: () => new Promise((resolve) => resolve((reader.end(), []))),
    close() {},
  };
}

type ZlibStream = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

/** One of the platform's streams, a piece at a time. */
class Inflating implements Decompressor {
  readonly #stream: ZlibStream;
  #out: Uint8Array[] = [];
  #failed: Error | undefined;
  #settle: ((error?: Error) => void) | undefined;
  #isEmpty = true;

  constructor(stream: ZlibStream) {
    this.#stream = stream;
    stream.on("data", (bytes: Buffer) => this.#out.push(bytes));
    stream.on("error", (error: Error) => {
      this.#failed = error;
      this.#settle?.(error);
    });
    stream.on("end", () => this.#settle?.());
  }

  async push(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    this.#isEmpty &&= bytes.length === 0;
    // The stream may keep it until it is asked for more.
    await this.#until((settle) => this.#stream.write(bytes.slice(), () => settle()));
    return this.#take();
  }

  async end(): Promise<readonly Uint8Array[]> {
    if (this.#isEmpty) {
      this.close();
      return [];
    }
    await this.#until(() => this.#stream.end());
    return this.#take();
  }

  close(): void {
    this.#stream.destroy();
  }

  #until(begin: (settle: () => void) => void): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed);
    return new Promise<void>((resolve, reject) => {
      this.#settle = (error) => error ? reject(error) : resolve();
      begin(this.#settle);
    });
  }

  #take(): Uint8Array[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}

/** The platform's stream reads one frame only, so each frame has its own. */
class ZstdDecompressor implements Decompressor {
  readonly #frames = new ZstdFrames();
  #inflating: Inflating | undefined;

  async push(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const out: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length) {
      const end = this.#frames.read(bytes, at);
      if (this.#frames.isSkippable) this.close();
      else {
        this.#inflating ??= new Inflating(createZstdDecompress());
        const begun = this.#frames.takeBegun();
        if (begun.length > 0) out.push(...await this.#inflating.push(begun));
        if (end > at) out.push(...await this.#inflating.push(bytes.subarray(at, end)));
        if (this.#frames.isAtEnd) {
          out.push(...await this.#inflating.end());
          this.#inflating = undefined;
        }
      }
      at = end;
    }
    return out;
  }

  end(): Promise<readonly Uint8Array[]> {
    this.close();
    if (!this.#frames.isAtEnd) return Promise.reject(new Error("unexpected end of file"));
    return Promise.resolve([]);
  }

  close(): void {
    this.#inflating?.close();
    this.#inflating = undefined;
  }
}
