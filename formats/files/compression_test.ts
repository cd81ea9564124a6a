/** Compressed files, opened by the tools that people have for them. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { seededRandom } from "../../tests/fakes/context.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { AVRO_READER, type Python, runProgram, startPython } from "../../tests/servers/python.ts";
import { Compressor } from "./compression.ts";
import { type Compression, COMPRESSIONS } from "./formats.ts";
import { joined } from "./testing.ts";

/** Text that shrinks, then noise that does not: 2.5 MB. */
function sample(): Uint8Array {
  const random = seededRandom(5);
  const bytes = new Uint8Array(2_500_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = i < 1_500_000 ? 97 + (i * i >> 7) % 11 : random() * 256;
  return bytes;
}

function compress(kind: Compression, bytes: Uint8Array, pieceBytes: number, level?: number): Uint8Array {
  const compressor = new Compressor(kind, level);
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    out.push(...compressor.push(bytes.subarray(at, at + pieceBytes)));
    assert.ok(compressor.bufferedBytes < 1 << 20, `${compressor.bufferedBytes} bytes wait`);
  }
  out.push(...compressor.end());
  assert.equal(compressor.bufferedBytes, 0);
  return joined(out);
}

/** assert.deepEqual() would print megabytes. */
function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** What opens a file of each kind. cramjam wraps the snap crate, and refuses a stream with a wrong checksum. */
const OPENERS: Record<
  Exclude<Compression, "none">,
  (bytes: Uint8Array, python: Python) => Promise<Uint8Array>
> = {
  gzip: (bytes) => runProgram("gzip", ["-dc"], bytes),
  zstd: (bytes) => runProgram("zstd", ["-dcq"], bytes),
  lz4: (bytes) => runProgram("lz4", ["-dc", "-"], bytes),
  snappy: (bytes, python) =>
    python.run(
      "import cramjam, sys; sys.stdout.buffer.write(bytes(cramjam.snappy.decompress(sys.stdin.buffer.read())))",
      bytes,
    ),
};

for (const [kind, open] of Object.entries(OPENERS) as [keyof typeof OPENERS, typeof OPENERS.gzip][]) {
  Deno.test(`${kind}: the usual tool opens a file, and the same bytes give the same file`, async (t) => {
    await requireServer(t, async () => {
      const python = await startPython(AVRO_READER);
      const bytes = sample();
      const file = compress(kind, bytes, 100_000);
      assert.ok(equal(compress(kind, bytes, 777_777), file));
      assert.ok(equal(compress(kind, bytes, bytes.length), file));
      assert.ok(file.length < bytes.length * 0.75, `${file.length} bytes`);
      assert.ok(equal(await open(file, python), bytes));
      const tiny = new Uint8Array([120]);
      assert.deepEqual(await open(compress(kind, tiny, 1), python), tiny);
      if (kind === "lz4") return; // Its frames are written without a checksum.
      const broken = file.slice();
      broken[file.length - 100_000] ^= 1;
      await assert.rejects(open(broken, python), "no checksum tells that a byte is another one");
    });
  });
}

Deno.test("a level changes the size", () => {
  const bytes = sample().subarray(0, 1_500_000);
  for (const kind of ["gzip", "zstd"] as const) {
    assert.ok(compress(kind, bytes, 1 << 16, 9).length < compress(kind, bytes, 1 << 16, 1).length, kind);
  }
});

Deno.test("nothing is nothing, and none is what it was", () => {
  for (const kind of COMPRESSIONS) assert.deepEqual(new Compressor(kind).end(), []);
  const bytes = new Uint8Array([1, 2]);
  assert.deepEqual(new Compressor("none").push(bytes), [bytes]);
});
