/**
 * Bytes on the wire: the postcard encoding (postcard 1.x, "wire format" of its documentation) and the frame around
 * each message. requests.ts says what is written with it, connection.ts sends it.
 */

/** Longest frame after its length prefix; the broker's default for requests, its limit for responses. */
export const MAX_FRAME_BYTES = 10 * 1024 * 1024;
/** Bytes of a frame before the payload: length (4), format (1), correlation id (4). */
export const HEAD_BYTES = 9;
/** The least that the length of a frame can be: format, correlation id, one byte of payload. */
export const MIN_FRAME_LENGTH = 6;
/** The format byte of postcard. */
export const POSTCARD = 0;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Writes postcard values into a buffer that grows. */
export class PostcardWriter {
  bytes: Uint8Array<ArrayBuffer>;
  at = 0;

  constructor(size = 256) {
    this.bytes = new Uint8Array(size);
  }

  /** What was written so far; a view. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.at);
  }

  reserve(size: number): void {
    if (this.at + size <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + size));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** u16, u32, u64 and lengths: a whole number up to 2^53 - 1. */
  uint(value: number): void {
    this.reserve(8);
    while (value > 0x7f) {
      this.bytes[this.at++] = value % 128 | 0x80;
      value = Math.floor(value / 128);
    }
    this.bytes[this.at++] = value;
  }

  /** i16, i32, i64 up to ±2^52: zigzag, so that small negative numbers stay short. */
  int(value: number): void {
    this.uint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  blob(value: Uint8Array): void {
    this.uint(value.length);
    this.raw(value);
  }

  string(value: string): void {
    this.blob(utf8.encode(value));
  }

  /** An absent value, or a present one that `write` writes. */
  optional<T>(value: T | undefined, write: (value: T) => void): void {
    this.bool(value !== undefined);
    if (value !== undefined) write(value);
  }
}

/** What the other side sent can't be read: not this protocol, or damaged. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** Reads postcard values. Bytes behind the last value are ignored: the format's only way to grow. */
export class PostcardReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  u8(): number {
    if (this.#at >= this.#bytes.length) throw new WireError("the message ends in the middle of a value");
    return this.#bytes[this.#at++];
  }

  bool(): boolean {
    const byte = this.u8();
    if (byte > 1) throw new WireError(`a yes-or-no value is ${byte}`);
    return byte === 1;
  }

  /** u16, u32, u64. Offsets and times beyond 2^53 do not occur: they are refused, never rounded. */
  uint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new WireError("a number is larger than 2^53");
        return value;
      }
      factor *= 128;
    }
    throw new WireError("a number has more than ten bytes");
  }

  int(): number {
    const value = this.uint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Raw bytes; a view into the frame. */
  blob(): Uint8Array {
    const start = this.skipBlob();
    return this.view(start, this.#at);
  }

  /** Steps over raw bytes. @returns where they start; they end at `at` */
  skipBlob(): number {
    const size = this.uint();
    const start = this.#at;
    const end = start + size;
    if (end > this.#bytes.length) throw new WireError("the message ends in the middle of a value");
    this.#at = end;
    return start;
  }

  /** Where the next value starts. */
  get at(): number {
    return this.#at;
  }

  /** Bytes of what is read. */
  view(start: number, end: number): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start);
  }

  string(): string {
    const bytes = this.blob();
    try {
      return fromUtf8.decode(bytes);
    } catch {
      throw new WireError("a text is not UTF-8");
    }
  }

  optional<T>(read: () => T): T | undefined {
    return this.bool() ? read() : undefined;
  }

  /** How many items of a list follow. */
  count(): number {
    const count = this.uint();
    // Each item takes a byte at least, so a damaged count can't make us allocate much.
    if (count > this.#bytes.length - this.#at) throw new WireError("a list is longer than its message");
    return count;
  }

  list<T>(read: () => T): T[] {
    const count = this.count();
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }
}

/** A whole frame around what `write` writes. */
export function frame(correlation: number, write: (writer: PostcardWriter) => void, size = 256): Uint8Array {
  const writer = new PostcardWriter(size + HEAD_BYTES);
  writer.at = HEAD_BYTES;
  write(writer);
  const view = new DataView(writer.bytes.buffer);
  view.setUint32(0, writer.at - 4);
  view.setUint8(4, POSTCARD);
  view.setUint32(5, correlation);
  return writer.written;
}

/** A frame taken apart; `payload` is a view. */
export interface Frame {
  readonly correlation: number;
  readonly payload: Uint8Array;
}

/** Cuts what arrives into frames. */
export class FrameReader {
  #bytes = new Uint8Array(0);
  #end = 0;
  readonly #maxLength: number;

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** Of a frame that has begun, its bytes so far; 0: between two frames. */
  get pendingBytes(): number {
    return this.#end;
  }

  /**
   * Takes a piece over and gives the frames that are complete.
   *
   * @throws {WireError} when no frame of this protocol begins like this
   */
  push(piece: Uint8Array): Frame[] {
    let rest = piece;
    const frames: Frame[] = [];
    while (rest.length > 0) {
      if (this.#end === 0) {
        const size = this.#sizeOf(rest, rest.length);
        if (size !== undefined && size <= rest.length) {
          frames.push(frameOf(rest.subarray(0, size)));
          rest = rest.subarray(size);
          continue;
        }
      }
      rest = this.#keep(rest);
      const size = this.#sizeOf(this.#bytes, this.#end);
      if (size === undefined || this.#end < size) continue;
      frames.push(frameOf(this.#bytes.subarray(0, size)));
      // The frame's values are views: the buffer is theirs from now on.
      this.#bytes = new Uint8Array(0);
      this.#end = 0;
    }
    return frames;
  }

  /** Adds what still belongs to the frame that has begun; gives the rest. */
  #keep(piece: Uint8Array): Uint8Array {
    const wanted = this.#sizeOf(this.#bytes, this.#end) ??
      this.#sizeOf(piece, this.#end === 0 ? piece.length : 0) ?? 4;
    const taken = Math.min(piece.length, wanted - this.#end);
    if (this.#bytes.length < wanted) {
      const larger = new Uint8Array(wanted);
      larger.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = larger;
    }
    this.#bytes.set(piece.subarray(0, taken), this.#end);
    this.#end += taken;
    return piece.subarray(taken);
  }

  /** Bytes of the frame that begins here, its prefix included; undefined while the prefix is incomplete. */
  #sizeOf(bytes: Uint8Array, available: number): number | undefined {
    if (available < 4) return undefined;
    const length = (bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]) >>> 0;
    if (length < MIN_FRAME_LENGTH || length > this.#maxLength) {
      throw new WireError(
        `a message of ${length} bytes, where ${MIN_FRAME_LENGTH} to ${this.#maxLength} are possible`,
      );
    }
    return length + 4;
  }
}

function frameOf(bytes: Uint8Array): Frame {
  if (bytes[4] !== POSTCARD) {
    throw new WireError(`a message in format ${bytes[4]}, where only ${POSTCARD} was asked for`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { correlation: view.getUint32(5), payload: bytes.subarray(HEAD_BYTES) };
}
