/** What is bytes, or may be asked for as bytes: bytea, uuid and bit strings. */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import type { ColumnType } from "../../../formats/data/value.ts";
import { type Codec, malformed, spells, type ValueWriter, writeText } from "./codec.ts";
import type { TypeOptions } from "./options.ts";

const BACKSLASH = 0x5c, X = 0x78, QUOTE = 0x22, DASH = 0x2d, ZERO = 0x30, ONE = 0x31;
const OPEN = 0x5b, CLOSE = 0x5d, COMMA = 0x2c;
const PLUS = 0x2b, SLASH = 0x2f, UNDERSCORE = 0x5f;

/** Value of a hex digit; 255: none. */
const NIBBLES = new Uint8Array(256).fill(255);
const DIGITS = new Uint8Array(16);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  DIGITS[value] = digit.charCodeAt(0);
  NIBBLES[digit.charCodeAt(0)] = NIBBLES[digit.toUpperCase().charCodeAt(0)] = value;
}

/** How bytes are represented, whatever type they are of. */
export interface BinaryCodec {
  readonly type: ColumnType;
  readonly write: (out: BatchWriter, bytes: Uint8Array) => void;
}

export function binaryCodec({ binary_handling }: TypeOptions): BinaryCodec {
  switch (binary_handling) {
    case "base64":
      return { type: { kind: "bytes" }, write: (out, bytes) => out.base64(bytes) };
    case "base64url":
      return { type: { kind: "string" }, write: writeBase64Url };
    case "hex":
      return { type: { kind: "string" }, write: writeHex };
    case "bytes":
      return { type: { kind: "array", items: { kind: "int16" } }, write: writeNumbers };
  }
}

/** RFC 4648, section 5, with its padding. */
function writeBase64Url(out: BatchWriter, bytes: Uint8Array): void {
  const start = out.at;
  out.base64(bytes);
  const text = out.bytes;
  for (let i = start; i < out.at; i++) {
    if (text[i] === PLUS) text[i] = DASH;
    else if (text[i] === SLASH) text[i] = UNDERSCORE;
  }
}

function writeHex(out: BatchWriter, bytes: Uint8Array): void {
  out.reserve(bytes.length * 2 + 2);
  const text = out.bytes;
  let at = out.at;
  text[at++] = QUOTE;
  for (const byte of bytes) {
    text[at++] = DIGITS[byte >> 4];
    text[at++] = DIGITS[byte & 15];
  }
  text[at++] = QUOTE;
  out.at = at;
}

function writeNumbers(out: BatchWriter, bytes: Uint8Array): void {
  out.reserve(bytes.length * 4 + 2);
  const text = out.bytes;
  let at = out.at;
  text[at++] = OPEN;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (i > 0) text[at++] = COMMA;
    if (byte > 99) text[at++] = ZERO + (byte / 100 | 0);
    if (byte > 9) text[at++] = ZERO + (byte / 10 | 0) % 10;
    text[at++] = ZERO + byte % 10;
  }
  text[at++] = CLOSE;
  out.at = at;
}

/** A buffer that is used again for every value of a column. */
export class Scratch {
  #bytes = new Uint8Array(64);

  /** At least `size` bytes, holding whatever was there. */
  take(size: number): Uint8Array {
    if (this.#bytes.length < size) this.#bytes = new Uint8Array(Math.max(size, this.#bytes.length * 2));
    return this.#bytes;
  }

  /** The bytes that hex digits stand for, until the next call; undefined when they are none. */
  unhex(source: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const size = (end - start) >> 1;
    if (size * 2 !== end - start) return undefined;
    const bytes = this.take(size);
    let bad = 0;
    for (let i = 0, at = start; i < size; i++, at += 2) {
      const high = NIBBLES[source[at]];
      const low = NIBBLES[source[at + 1]];
      bad |= high | low;
      bytes[i] = high << 4 | low;
    }
    return bad > 15 ? undefined : bytes.subarray(0, size);
  }
}

/** bytea under bytea_output hex: `\xdeadbeef`. */
export function byteaCodec(options: TypeOptions): Codec {
  const { type, write } = binaryCodec(options);
  const scratch = new Scratch();
  return {
    type,
    write(out, source, start, end) {
      const isHex = end - start >= 2 && source[start] === BACKSLASH && source[start + 1] === X;
      const bytes = isHex ? scratch.unhex(source, start + 2, end) : undefined;
      if (!bytes) throw malformed("bytea", "it is not in the hex format");
      write(out, bytes);
    },
  };
}

/** uuid: its text, which the server prints in lower case, or its 16 bytes in the order they are written. */
export function uuidCodec(options: TypeOptions): Codec {
  if (options.uuid_handling === "string") return { type: { kind: "uuid" }, write: writeUuid };
  const { type, write } = binaryCodec(options);
  const scratch = new Scratch();
  const digits = new Uint8Array(32);
  return {
    type,
    write(out, source, start, end) {
      checkUuid(source, start, end);
      let at = 0;
      for (let i = start; i < end; i++) {
        if (source[i] !== DASH) digits[at++] = source[i];
      }
      write(out, scratch.unhex(digits, 0, 32)!);
    },
  };
}

/** Where a uuid's hex digits stand: 8-4-4-4-12. */
const UUID_GROUPS = [0, 9, 14, 19, 24, 37];

const writeUuid: ValueWriter = (out, source, start, end) => {
  out.reserve(38);
  const { bytes } = out;
  let at = out.at;
  bytes[at++] = QUOTE;
  checkUuid(source, start, end);
  for (let i = start; i < end; i++) bytes[at++] = source[i];
  bytes[at++] = QUOTE;
  out.at = at;
};

function checkUuid(source: Uint8Array, start: number, end: number): void {
  if (end - start !== 36) throw malformed("uuid", "it has not 36 characters");
  let bad = source[start + 8] ^ DASH | source[start + 13] ^ DASH | source[start + 18] ^ DASH |
    source[start + 23] ^ DASH;
  for (let group = 0; group < 5; group++) {
    const groupEnd = start + UUID_GROUPS[group + 1] - 1;
    for (let i = start + UUID_GROUPS[group]; i < groupEnd; i++) bad |= NIBBLES[source[i]] & 240;
  }
  if (bad !== 0) throw malformed("uuid", "it is not written as 8-4-4-4-12 hex digits");
}

/**
 * bit and varbit. bit(1) is a boolean; longer ones are their text, or bytes as Debezium has them: the last bit is the
 * lowest of the first byte (which does not tell the length of a varbit).
 */
export function bitCodec(typeName: string, length: number, options: TypeOptions): Codec {
  if (typeName === "bit" && length === 1) return { type: { kind: "boolean" }, write: writeOneBit };
  if (options.bit_handling === "text") {
    return {
      type: { kind: "string" },
      write(out, source, start, end) {
        checkBits(typeName, source, start, end);
        out.ascii(source, start, end);
      },
    };
  }
  const { type, write } = binaryCodec(options);
  const scratch = new Scratch();
  return {
    type,
    write(out, source, start, end) {
      checkBits(typeName, source, start, end);
      const size = Math.ceil((end - start) / 8);
      const bytes = scratch.take(size).subarray(0, size).fill(0);
      for (let bit = 0; bit < end - start; bit++) {
        bytes[bit >> 3] |= (source[end - 1 - bit] & 1) << (bit & 7);
      }
      write(out, bytes);
    },
  };
}

const writeOneBit: ValueWriter = (out, source, start, end) => {
  if (!spells(source, start, end, "0") && !spells(source, start, end, "1")) {
    throw malformed("bit(1)", "it is not one bit");
  }
  out.boolean(source[start] === ONE);
};

function checkBits(typeName: string, source: Uint8Array, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    if (source[i] !== ZERO && source[i] !== ONE) throw malformed(typeName, "it is not made of 0 and 1");
  }
}

const WORDS = [[0x66, 0x61, 0x6c, 0x73, 0x65], [0x74, 0x72, 0x75, 0x65]];

/** boolean: `t` and `f`. */
export const writeBoolean: ValueWriter = (out, source, start, end) => {
  const byte = source[start];
  if (end - start !== 1 || (byte !== 0x74 && byte !== 0x66)) {
    throw malformed("boolean", 'it is not "t" or "f"');
  }
  const word = WORDS[byte === 0x74 ? 1 : 0];
  out.reserve(5);
  const { bytes } = out;
  let at = out.at;
  for (let i = 0; i < word.length; i++) bytes[at++] = word[i];
  out.at = at;
};

/** "char": one byte. A server before 16 prints those above 127 as they are, later ones as `\ooo`; we always do that. */
export const writeChar: ValueWriter = (out, source, start, end) => {
  if (end - start !== 1 || source[start] < 0x80) return writeText(out, source, start, end);
  out.string(`\\${source[start].toString(8)}`);
};
