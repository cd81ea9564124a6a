/** Pieces of an object as one. */

/** Bytes `from` to `to` (exclusive) of the pieces in one array; a copy. */
export function joined(
  pieces: readonly Uint8Array[],
  from = 0,
  to = sizeOf(pieces),
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(to - from);
  let end = 0;
  for (const piece of slice(pieces, from, to)) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}

/** Bytes `from` to `to` (exclusive) of the pieces, as they lie in memory. */
export function slice(pieces: readonly Uint8Array[], from: number, to: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let start = 0;
  for (const piece of pieces) {
    const [first, last] = [Math.max(0, from - start), Math.min(piece.length, to - start)];
    if (first < last) found.push(piece.subarray(first, last));
    start += piece.length;
  }
  return found;
}

export function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((size, piece) => size + piece.length, 0);
}

/** Pieces from this size on are worth it. */
const FREED_BYTES = 16 << 10;

/**
 * Gives the memory of pieces back now, and not when the garbage collector comes to it, which lets a worker grow by what
 * several flushes have held. Nobody may look at them again.
 */
export function free(pieces: readonly Uint8Array[]): void {
  for (const { buffer, byteLength } of pieces) {
    // Part of a larger buffer it may be somebody else's as well.
    if (byteLength < FREED_BYTES || byteLength < buffer.byteLength || !(buffer instanceof ArrayBuffer)) {
      continue;
    }
    if (!buffer.detached) buffer.transfer(0);
  }
}
