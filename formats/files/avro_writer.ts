/** Avro's binary encoding of single values, into a buffer that grows (Avro 1.12, "Binary encoding"). */

const utf8 = new TextEncoder();
/** In code units, of which each takes three bytes at most. */
const LONG_TEXT = 1 << 14;

/** Bytes of a length that is no larger than three times LONG_TEXT, as an int. */
function lengthBytes(length: number): number {
  return length < 1 << 6 ? 1 : length < 1 << 13 ? 2 : 3;
}

export class AvroWriter {
  /** Where the next byte goes. Setting it back takes back what was written behind. */
  end = 0;
  #bytes = new Uint8Array(1 << 12);
  #view = new DataView(this.#bytes.buffer);

  /** What was written, valid until the next write. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.end);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.end++] = value;
  }

  /** An int or a long that a number holds exactly. */
  integer(value: number): void {
    if (value < -0x4000_0000 || value > 0x3fff_ffff) return this.long(BigInt(value));
    this.#reserve(5);
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.#bytes[this.end++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.end++] = rest;
  }

  long(value: bigint): void {
    if (value >= -0x4000_0000n && value <= 0x3fff_ffffn) return this.integer(Number(value));
    this.#reserve(10);
    // Zigzag as in the small ones; what is left after one step of 32 bits fits into numbers.
    const zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    let low = Number(zigzag & 0xffff_ffffn);
    let high = Number(zigzag >> 32n);
    while (high > 0 || low > 0x7f) {
      this.#bytes[this.end++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.end++] = low;
  }

  float(value: number): void {
    this.#reserve(4);
    this.#view.setFloat32(this.end, value, true);
    this.end += 4;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.end, value, true);
    this.end += 8;
  }

  /** Well-formed text, with its length. */
  text(value: string): void {
    if (value.length > LONG_TEXT) return this.bytes(utf8.encode(value));
    // Encoded where it stays: most texts have as many bytes as code units, so that it is known where they begin.
    const guessed = this.end + lengthBytes(value.length);
    this.#reserve(value.length * 3 + 5);
    const { written } = utf8.encodeInto(value, this.#bytes.subarray(guessed));
    const start = this.end + lengthBytes(written);
    if (start !== guessed) this.#bytes.copyWithin(start, guessed, guessed + written);
    this.integer(written);
    this.end += written;
  }

  /** With their length. */
  bytes(value: Uint8Array): void {
    this.integer(value.length);
    this.fixed(value);
  }

  /** Without a length. */
  fixed(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.end);
    this.end += value.length;
  }

  #reserve(count: number): void {
    if (this.end + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.end + count));
    larger.set(this.written);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
