/** HMAC-SHA-256 of short texts, many times with one key. */
import crypto from "node:crypto";

const BLOCK = 64;
const DIGEST = 32;

/** Gives the 64 hexadecimal digits for a message. */
export type Hmac = (message: Uint8Array) => string;

/**
 * HMAC-SHA-256 (RFC 2104) with one key. Of two digests in one call each, as hexadecimal digits: `crypto.createHmac` makes
 * an object of a stream every time, and digests as buffers take longer too (7 µs against 2, measured).
 */
export function hmacSha256(key: Uint8Array): Hmac {
  const short = key.length > BLOCK ? Uint8Array.fromHex(sha256(key)) : key;
  const inner = new Uint8Array(BLOCK + 256);
  const outer = new Uint8Array(BLOCK + DIGEST);
  const padded = (byte: number) => Uint8Array.from({ length: BLOCK }, (_, i) => (short[i] ?? 0) ^ byte);
  const innerPad = padded(0x36);
  inner.set(innerPad);
  outer.set(padded(0x5c));
  return (message) => {
    const size = BLOCK + message.length;
    let input = inner.subarray(0, size);
    if (size > inner.length) {
      input = new Uint8Array(size);
      input.set(innerPad);
    }
    input.set(message, BLOCK);
    outer.subarray(BLOCK).setFromHex(sha256(input));
    return sha256(outer);
  };
}

function sha256(bytes: Uint8Array): string {
  return crypto.hash("sha256", bytes, "hex");
}
