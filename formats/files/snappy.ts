/**
 * Snappy's framing format, which its command line tools and readers of files expect (google/snappy,
 * framing_format.txt): a stream identifier, then chunks of at most 64 KiB, each with a checksum of what it holds.
 */
import { snappyCompress } from "npm:hysnappy@1.1.1";

/** Section 4.1: chunk type 0xff, six bytes long, "sNaPpY". */
export const SNAPPY_HEADER: Uint8Array = new Uint8Array([0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59]);

const MAX_CHUNK = 65_536;
const COMPRESSED = 0;
const UNCOMPRESSED = 1;

/** The chunks of `bytes`, without the stream identifier. */
export function snappyChunks(bytes: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += MAX_CHUNK) chunks.push(chunk(bytes.subarray(at, at + MAX_CHUNK)));
  const out = new Uint8Array(chunks.reduce((size, one) => size + one.length, 0));
  let end = 0;
  for (const one of chunks) {
    out.set(one, end);
    end += one.length;
  }
  return out;
}

function chunk(bytes: Uint8Array): Uint8Array {
  const compressed = snappyCompress(bytes);
  const [type, data] = compressed.length < bytes.length ? [COMPRESSED, compressed] : [UNCOMPRESSED, bytes];
  const out = new Uint8Array(8 + data.length);
  const view = new DataView(out.buffer);
  // Section 2: type, then the length of checksum and data in three bytes, little-endian.
  view.setUint32(0, type | (data.length + 4) << 8, true);
  view.setUint32(4, masked(crc32c(bytes)), true);
  out.set(data, 8);
  return out;
}

/** Section 3: rotated and added to, because checksums of checksums are weak. */
export function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  // The Castagnoli polynomial, reflected (RFC 3720, appendix B.4).
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C of the bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ crc >>> 8;
  return (crc ^ 0xffffffff) >>> 0;
}
