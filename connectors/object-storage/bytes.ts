/** Pieces of an object as one. */

/** Bytes `from` to `to` of the pieces that lie one behind the other; a copy. */
export function joined(
  pieces: readonly Uint8Array[],
  from = 0,
  to = sizeOf(pieces),
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(to - from);
  let start = 0;
  for (const piece of pieces) {
    const end = start + piece.length;
    if (end > from && start < to) {
      const first = Math.max(0, from - start);
      bytes.set(piece.subarray(first, to - start), start + first - from);
    }
    start = end;
  }
  return bytes;
}

export function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((size, piece) => size + piece.length, 0);
}
