/** Snappy's framing format read back (google/snappy, framing_format.txt); snappy.ts writes it. For decompress.ts. */
import { snappyUncompress } from "npm:hysnappy@1.1.1";
import { crc32c, masked, SNAPPY_HEADER } from "../snappy.ts";
import type { FrameReader } from "./decompress.ts";
import { Pieces } from "./pieces.ts";

const MAX_CHUNK = 65_536;
const COMPRESSED = 0, UNCOMPRESSED = 1, IDENTIFIER = 0xff, FIRST_SKIPPABLE = 0x80;

export class SnappyChunks implements FrameReader {
  readonly #pieces = new Pieces();
  #isBegun = false;

  push(bytes: Uint8Array): Uint8Array[] {
    this.#pieces.add(bytes);
    const out: Uint8Array[] = [];
    for (;;) {
      const head = this.#pieces.peek(4);
      if (!head) return out;
      const size = head[1] | head[2] << 8 | head[3] << 16;
      const chunk = this.#pieces.take(4 + size);
      if (!chunk) return out;
      const data = this.#data(chunk[0], chunk.subarray(4));
      if (data) out.push(data);
    }
  }

  end(): void {
    if (this.#pieces.length > 0) throw new Error("unexpected end of file");
  }

  #data(type: number, body: Uint8Array): Uint8Array | undefined {
    if (type === IDENTIFIER) {
      if (!body.every((byte, i) => byte === SNAPPY_HEADER[4 + i])) {
        throw new Error("no snappy stream begins here");
      }
      this.#isBegun = true;
      return undefined;
    }
    if (!this.#isBegun) throw new Error("no snappy stream begins here");
    if (type > UNCOMPRESSED) {
      // Section 4.5 and 4.6: what readers step over, and what they must not.
      if (type >= FIRST_SKIPPABLE) return undefined;
      throw new Error(`a chunk of unknown type ${type}`);
    }
    if (body.length < 4) throw new Error("a chunk without a checksum");
    const expected = new DataView(body.buffer, body.byteOffset).getUint32(0, true);
    const data = type === COMPRESSED ? uncompressed(body.subarray(4)) : body.slice(4);
    if (masked(crc32c(data)) !== expected) throw new Error("a chunk does not have its checksum");
    return data;
  }
}

function uncompressed(block: Uint8Array): Uint8Array {
  let size = 0;
  for (let i = 0; i < 3; i++) {
    size |= (block[i] & 0x7f) << 7 * i;
    if (block[i] < 0x80) break;
  }
  if (size > MAX_CHUNK) throw new Error("a chunk is larger than the format allows");
  return snappyUncompress(block, size);
}
