/** What the compressions of files give back: all of it, however the bytes are cut, or an error. */
import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { seededRandom } from "../../../tests/fakes/context.ts";
import { Compressor } from "../compression.ts";
import { COMPRESSIONS } from "../formats.ts";
import { decompressor } from "./decompress.ts";

const KINDS = COMPRESSIONS.filter((kind) => kind !== "none");

/** Text that repeats itself here and there, and noise that can't be made smaller. */
function sample(size: number): Uint8Array {
  const random = seededRandom(7);
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = i % 3000 < 500 ? random() * 256 : 97 + (i * i >> 6) % 17;
  return bytes;
}

function compressed(kind: (typeof KINDS)[number], bytes: Uint8Array): Uint8Array {
  const compressor = new Compressor(kind);
  return joined([...compressor.push(bytes), ...compressor.end()]);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

async function read(kind: (typeof KINDS)[number], bytes: Uint8Array, cut: () => number): Promise<Uint8Array> {
  const reader = decompressor(kind);
  const out: Uint8Array[] = [];
  try {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + cut());
      out.push(...await reader.push(piece));
      at += piece.length;
    }
    out.push(...await reader.end());
  } finally {
    reader.close();
  }
  return joined(out);
}

for (const kind of KINDS) {
  Deno.test(`${kind}: several members or frames come back as they were, cut anywhere`, async () => {
    const small = sample(5000);
    const whole = joined([
      compressed(kind, small),
      compressed(kind, small.subarray(0, 1)),
      compressed(kind, small),
    ]);
    const expected = joined([small, small.subarray(0, 1), small]);
    assert.deepEqual(await read(kind, whole, () => 1), expected);
    const random = seededRandom(3);
    for (let k = 0; k < 5; k++) {
      assert.deepEqual(await read(kind, whole, () => 1 + random() * 999 | 0), expected);
    }
    const large = sample(3_000_000);
    assert.deepEqual(await read(kind, compressed(kind, large), () => 32_768), large);
    assert.deepEqual(await read(kind, new Uint8Array(), () => 1), new Uint8Array());
  });

  Deno.test(`${kind}: a file that is cut off or is something else is an error, and never fewer bytes`, async () => {
    const bytes = compressed(kind, sample(100_000));
    for (const end of [1, 3, 9, bytes.length >> 1, bytes.length - 1]) {
      await assert.rejects(
        read(kind, bytes.subarray(0, end), () => 5000),
        `cut at ${end} of ${bytes.length}`,
      );
    }
    const other = new TextEncoder().encode('{"this":"is no compressed file at all, but JSON"}\n');
    await assert.rejects(read(kind, other, () => 5000));
  });
}

Deno.test("a large frame of another program comes back in pieces, with checksum and size in its header", async () => {
  const large = sample(2_000_000);
  const frame = zstdCompressSync(large, { params: { 100: 1, 201: 1 } });
  const skippable = Uint8Array.of(0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
  const file = joined([skippable, frame, skippable, frame]);
  assert.deepEqual(await read("zstd", file, () => 4001), joined([large, large]));
  assert.deepEqual(await read("zstd", file, () => 32_768), joined([large, large]));
  assert.deepEqual(await read("gzip", gzipSync(large), () => 32_768), large);
});

Deno.test("LZ4 blocks that look back into those before are read", async () => {
  // Two blocks of one frame: "abcdefgh" stored, then a match of eight bytes eight bytes back, and "xyz12" behind it.
  const blocks = [
    [0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0],
    [8, 0, 0, 0x80, ...new TextEncoder().encode("abcdefgh")],
    [9, 0, 0, 0, 0x04, 8, 0, 0x50, ...new TextEncoder().encode("xyz12")],
    [0, 0, 0, 0],
  ];
  const file = Uint8Array.from(blocks.flat());
  assert.equal(new TextDecoder().decode(await read("lz4", file, () => 2)), "abcdefghabcdefghxyz12");
});
