/**
 * LZ4 frames read back (lz4_Frame_format.md, 1.6.2): blocks that are independent or look back up to 64 KiB. The blocks
 * themselves are lz4js's. Checksums of blocks and contents are stepped over; those of headers, too. For decompress.ts.
 */
import { decompressBlock } from "npm:lz4js@0.2.0";
import type { FrameReader } from "./decompress.ts";
import { Pieces } from "./pieces.ts";

const MAGIC = 0x184d2204;
const SKIPPABLE = 0x184d2a50;
const WINDOW = 65_536;
const UNCOMPRESSED = 0x80000000;
/** By the block size number of the descriptor, from 4 on. */
const BLOCK_BYTES = [1 << 16, 1 << 18, 1 << 20, 1 << 22];

export class Lz4Frames implements FrameReader {
  readonly #pieces = new Pieces();
  #state: "frame" | "block" | "skip" = "frame";
  #skip = 0;
  #hasBlockChecksum = false;
  #hasContentChecksum = false;
  #isLinked = false;
  /** The last 64 KiB that came out, and behind them room for a block. */
  #window = new Uint8Array();
  #history = 0;

  push(bytes: Uint8Array): Uint8Array[] {
    this.#pieces.add(bytes);
    const out: Uint8Array[] = [];
    while (
      this.#state === "frame" ? this.#frame() : this.#state === "skip" ? this.#skipped() : this.#block(out)
    );
    return out;
  }

  end(): void {
    if (this.#state !== "frame" || this.#pieces.length > 0) throw new Error("unexpected end of file");
  }

  /** @returns whether to go on */
  #frame(): boolean {
    const head = this.#pieces.peek(8);
    if (!head) return false;
    const view = new DataView(head.buffer, head.byteOffset, 8);
    const magic = view.getUint32(0, true);
    if (magic - magic % 16 === SKIPPABLE) {
      this.#skip = view.getUint32(4, true);
      this.#pieces.take(8);
      this.#state = "skip";
      return true;
    }
    if (magic !== MAGIC) throw new Error("no LZ4 frame begins here");
    const flags = head[4];
    if (flags >> 6 !== 1) throw new Error("an LZ4 frame of an unknown version");
    if ((flags & 1) === 1) throw new Error("an LZ4 frame that needs a dictionary");
    const size = BLOCK_BYTES[(head[5] >> 4 & 7) - 4];
    if (size === undefined) throw new Error("an LZ4 frame with an unknown size of blocks");
    // Magic, flags, block size, content size where there is one, checksum of the header.
    if (!this.#pieces.take(7 + ((flags & 8) !== 0 ? 8 : 0))) return false;
    this.#isLinked = (flags & 0x20) === 0;
    this.#hasBlockChecksum = (flags & 0x10) !== 0;
    this.#hasContentChecksum = (flags & 4) !== 0;
    if (this.#window.length !== WINDOW + size) this.#window = new Uint8Array(WINDOW + size);
    this.#history = 0;
    this.#state = "block";
    return true;
  }

  #skipped(): boolean {
    const step = Math.min(this.#skip, this.#pieces.length);
    this.#pieces.take(step);
    this.#skip -= step;
    if (this.#skip > 0) return false;
    this.#state = "frame";
    return true;
  }

  #block(out: Uint8Array[]): boolean {
    const head = this.#pieces.peek(4);
    if (!head) return false;
    const word = new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true);
    if (word === 0) {
      if (!this.#pieces.take(4 + (this.#hasContentChecksum ? 4 : 0))) return false;
      this.#state = "frame";
      return true;
    }
    const size = word % UNCOMPRESSED;
    if (size > this.#window.length - WINDOW) throw new Error("an LZ4 block is larger than its frame allows");
    const taken = this.#pieces.take(4 + size + (this.#hasBlockChecksum ? 4 : 0));
    if (!taken) return false;
    out.push(this.#data(taken.subarray(4, 4 + size), word >= UNCOMPRESSED));
    return true;
  }

  #data(block: Uint8Array, isStored: boolean): Uint8Array {
    const start = this.#history;
    let end = start + block.length;
    if (isStored) this.#window.set(block, start);
    else end = decompressBlock(block, this.#window, 0, block.length, start);
    if (!(end >= start && end <= this.#window.length)) throw new Error("an LZ4 block is damaged");
    const data = this.#window.slice(start, end);
    this.#history = this.#isLinked ? Math.min(WINDOW, end) : 0;
    if (this.#isLinked) this.#window.copyWithin(0, end - this.#history, end);
    return data;
  }
}
