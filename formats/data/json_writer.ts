/**
 * JSON text into a buffer that grows: one method a kind of value, none of them through a string where bytes are at
 * hand. batch_writer.ts adds the records around the values; codecs of connectors call these methods.
 */
import { needsExact, valueText } from "./json_value.ts";
import type { Value } from "./value.ts";

const utf8 = new TextEncoder();
const QUOTE = 0x22, BACKSLASH = 0x5c;
const NULL = utf8.encode("null"), TRUE = utf8.encode("true"), FALSE = utf8.encode("false");
/** From this many bytes on a text is copied in runs. */
const LONG_TEXT = 96;
const HEX = utf8.encode("0123456789abcdef");
const BASE64 = utf8.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
/** How the two low bits of the second byte of an escape are written; index = the byte escaped. */
const SHORT_ESCAPES = new Map(
  [[8, "b"], [9, "t"], [10, "n"], [12, "f"], [13, "r"]].map(([code, letter]) =>
    [code as number, (letter as string).charCodeAt(0)] as const
  ),
);

/** Up to this size a loop copies faster than a call of `set` (8 bytes: 7 ns against 16, measured). */
const SHORT = 12;

export class JsonWriter {
  bytes: Uint8Array;
  /** Where the next byte goes. Codecs may write to `bytes` themselves after `reserve`. */
  at = 0;
  /** Some integer has more than 15 digits, so that only the exact parser reads it rightly. */
  protected exact = false;

  /** @param size of the first buffer */
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    if (this.at + size <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + size));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  /** Bytes as they are. */
  literal(text: Uint8Array): void {
    const size = text.length;
    this.reserve(size);
    if (size > SHORT) this.bytes.set(text, this.at);
    else {
      const { bytes, at } = this;
      for (let i = 0; i < size; i++) bytes[at + i] = text[i];
    }
    this.at += size;
  }

  null(): void {
    this.literal(NULL);
  }

  boolean(value: boolean): void {
    this.literal(value ? TRUE : FALSE);
  }

  /** An integer's digits. */
  digits(source: Uint8Array, start: number, end: number): void {
    if (end - start > 15) this.exact = true;
    this.raw(source, start, end);
  }

  /** JSON text that needs no look: short numbers, floats, values already written once. */
  raw(source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.reserve(size);
    if (size > 24) {
      this.bytes.set(source.subarray(start, end), this.at);
      this.at += size;
      return;
    }
    const { bytes } = this;
    let at = this.at;
    for (let i = start; i < end; i++) bytes[at++] = source[i];
    this.at = at;
  }

  /** A string that needs no escapes: decimals, dates, uuids. */
  ascii(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start + 2);
    this.bytes[this.at++] = QUOTE;
    this.raw(source, start, end);
    this.reserve(1);
    this.bytes[this.at++] = QUOTE;
  }

  /** A string of UTF-8, escaped where JSON asks (RFC 8259, section 7). */
  text(source: Uint8Array, start: number, end: number): void {
    if (end - start >= LONG_TEXT) return this.#longText(source, start, end);
    this.reserve((end - start) * 6 + 2);
    const { bytes } = this;
    let at = this.at;
    bytes[at++] = QUOTE;
    for (let i = start; i < end; i++) {
      const byte = source[i];
      if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) bytes[at++] = byte;
      else at = writeEscape(bytes, at, byte);
    }
    bytes[at++] = QUOTE;
    this.at = at;
  }

  /**
   * Looks for what must be escaped, and copies what stands between as a whole: at 2000 bytes 1.8 µs against 2.8 of a
   * loop, at 41 no difference. A huge text takes no more room than it needs.
   */
  #longText(source: Uint8Array, start: number, end: number): void {
    let escapes = 0;
    for (let i = start; i < end; i++) {
      const byte = source[i];
      if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) escapes++;
    }
    this.reserve(end - start + 5 * escapes + 2);
    const { bytes } = this;
    let at = this.at;
    bytes[at++] = QUOTE;
    let from = start;
    for (let i = start; escapes > 0; i++) {
      const byte = source[i];
      if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) continue;
      bytes.set(source.subarray(from, i), at);
      at = writeEscape(bytes, at + i - from, byte);
      from = i + 1;
      escapes--;
    }
    bytes.set(source.subarray(from, end), at);
    at += end - from;
    bytes[at++] = QUOTE;
    this.at = at;
  }

  string(value: string): void {
    const text = JSON.stringify(value);
    this.reserve(text.length * 3);
    this.at += utf8.encodeInto(text, this.bytes.subarray(this.at)).written;
  }

  /** A JSON document as the source has it, brought onto one line. */
  json(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    const { bytes } = this;
    let at = this.at;
    let digits = 0;
    for (let i = start; i < end; i++) {
      const byte = source[i];
      // Inside JSON strings line breaks are escaped, so a raw one is white space.
      bytes[at++] = byte === 10 || byte === 13 ? 0x20 : byte;
      digits = byte >= 0x30 && byte <= 0x39 ? digits + 1 : 0;
      if (digits > 15) this.exact = true;
    }
    this.at = at;
  }

  /** Bytes as base64 (RFC 4648, section 4). */
  base64(source: Uint8Array): void {
    const size = source.length;
    this.reserve(Math.ceil(size / 3) * 4 + 2);
    const { bytes } = this;
    let at = this.at;
    bytes[at++] = QUOTE;
    let i = 0;
    for (; i + 2 < size; i += 3) {
      const word = source[i] << 16 | source[i + 1] << 8 | source[i + 2];
      bytes[at++] = BASE64[word >> 18];
      bytes[at++] = BASE64[word >> 12 & 63];
      bytes[at++] = BASE64[word >> 6 & 63];
      bytes[at++] = BASE64[word & 63];
    }
    if (i < size) {
      const word = source[i] << 16 | (i + 1 < size ? source[i + 1] << 8 : 0);
      bytes[at++] = BASE64[word >> 18];
      bytes[at++] = BASE64[word >> 12 & 63];
      bytes[at++] = i + 1 < size ? BASE64[word >> 6 & 63] : 0x3d;
      bytes[at++] = 0x3d;
    }
    bytes[at++] = QUOTE;
    this.at = at;
  }

  /** Any value; the way for everything that is not hot. */
  value(value: Value | undefined): void {
    if (typeof value === "string") return this.string(value);
    this.valueAs(value, valueText(value));
  }

  /** A value whose JSON text was made elsewhere. */
  valueAs(value: Value | undefined, text: string): void {
    if (needsExact(value)) this.exact = true;
    this.reserve(text.length * 3);
    this.at += utf8.encodeInto(text, this.bytes.subarray(this.at)).written;
  }
}

function writeEscape(bytes: Uint8Array, at: number, byte: number): number {
  bytes[at++] = BACKSLASH;
  if (byte === QUOTE || byte === BACKSLASH) {
    bytes[at++] = byte;
    return at;
  }
  const letter = SHORT_ESCAPES.get(byte);
  if (letter !== undefined) {
    bytes[at++] = letter;
    return at;
  }
  bytes[at++] = 0x75;
  bytes[at++] = 0x30;
  bytes[at++] = 0x30;
  bytes[at++] = HEX[byte >> 4];
  bytes[at++] = HEX[byte & 15];
  return at;
}

/** One after the other, in a buffer of their own. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const text = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    text.set(part, at);
    at += part.length;
  }
  return text;
}
