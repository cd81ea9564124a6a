/**
 * Where the frames of a zstd file end (RFC 8878, section 3), found by the lengths in their headers without
 * decompressing: the platform's stream stops behind the first. decompress.ts has a stream for each frame.
 */

const MAGIC = 0xfd2fb528;
/** 3.1.2: sixteen numbers for frames that readers step over. */
const SKIPPABLE = 0x184d2a50;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];

type State = "magic" | "descriptor" | "skippable size" | "block header" | "checksum" | "content";

export class ZstdFrames {
  /** Between two frames, and before the first. */
  isAtEnd = true;
  /** The frame that was read last holds no data. */
  isSkippable = false;

  #state: State = "magic";
  /** Bytes of a number that is being read. */
  #number: number[] = [];
  /** Of content, bytes still to come. */
  #left = 0;
  #isLast = false;
  #hasChecksum = false;
  #undecided: number[] = [];
  #begun: Uint8Array = new Uint8Array();

  /**
   * Reads on to the end of the frame, or of the bytes. As long as it can't be told what kind of frame it is, it counts
   * as skippable; `takeBegun` then has what was read of it.
   *
   * @returns where it stopped
   * @throws {Error} where no frame begins
   */
  read(bytes: Uint8Array, start: number): number {
    if (this.isAtEnd) {
      this.isAtEnd = false;
      this.#state = "magic";
      this.#hasChecksum = false;
    }
    const wasUndecided = this.#state === "magic";
    let at = start;
    while (at < bytes.length && !this.isAtEnd) {
      if (this.#state === "content") {
        const step = Math.min(this.#left, bytes.length - at);
        at += step;
        this.#left -= step;
        if (this.#left === 0) this.#afterContent();
      } else this.#header(bytes[at++]);
    }
    if (this.#state === "magic" && !this.isAtEnd) {
      this.isSkippable = true;
      this.#undecided.push(...bytes.subarray(start, at));
    } else if (wasUndecided) {
      this.#begun = Uint8Array.from(this.#undecided);
      this.#undecided = [];
    }
    return at;
  }

  /** What came of a frame before it was known to hold data. */
  takeBegun(): Uint8Array {
    const begun = this.#begun;
    this.#begun = new Uint8Array();
    return begun;
  }

  #header(byte: number): void {
    if (this.#state === "descriptor") {
      // 3.1.1.1: content size, single segment, checksum, dictionary.
      const isSingle = (byte >> 5 & 1) === 1;
      this.#hasChecksum = (byte >> 2 & 1) === 1;
      const sizeBytes = byte >> 6 === 0 ? (isSingle ? 1 : 0) : 1 << (byte >> 6);
      this.#isLast = false;
      return this.#content((isSingle ? 0 : 1) + DICTIONARY_ID_BYTES[byte & 3] + sizeBytes);
    }
    this.#number.push(byte);
    if (this.#number.length < (this.#state === "block header" ? 3 : 4)) return;
    const number = this.#number.reduceRight((sum, digit) => sum * 256 + digit, 0);
    this.#number = [];
    switch (this.#state) {
      case "magic":
        this.isSkippable = number - number % 16 === SKIPPABLE;
        if (number !== MAGIC && !this.isSkippable) throw new Error("no zstd frame begins here");
        this.#state = this.isSkippable ? "skippable size" : "descriptor";
        return;
      case "skippable size":
        this.#isLast = true;
        return this.#content(number);
      case "block header": {
        // 3.1.1.2: a block of one repeated byte has one byte.
        this.#isLast = (number & 1) === 1;
        const isRepeated = (number >> 1 & 3) === 1;
        return this.#content(isRepeated ? 1 : number >> 3);
      }
      case "checksum":
        this.isAtEnd = true;
    }
  }

  #content(size: number): void {
    this.#left = size;
    this.#state = "content";
    if (size === 0) this.#afterContent();
  }

  #afterContent(): void {
    if (!this.#isLast) this.#state = "block header";
    else if (this.#hasChecksum) this.#state = "checksum";
    else this.isAtEnd = true;
  }
}
