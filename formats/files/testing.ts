/** Files as tests make them. */
import type { Batch } from "../data/batch.ts";
import type { RecordError } from "../data/errors.ts";
import type { FileFormat } from "./file_format.ts";

export interface WrittenFiles {
  readonly files: readonly Uint8Array<ArrayBuffer>[];
  /** Records that no file could hold, numbered over all batches. */
  readonly rejected: readonly { readonly i: number; readonly error: RecordError }[];
  /** The most that an encoder held back. */
  readonly mostBuffered: number;
}

/** Writes batches as a sink would: the next file begins where one ends. */
export async function writeFiles(format: FileFormat, ...batches: readonly Batch[]): Promise<WrittenFiles> {
  const files: Uint8Array<ArrayBuffer>[] = [];
  const rejected: { i: number; error: RecordError }[] = [];
  let pieces: Uint8Array[] = [];
  let encoder: ReturnType<FileFormat["begin"]> | undefined;
  let [before, mostBuffered] = [0, 0];
  const finish = async () => {
    await encoder?.end();
    if (encoder) files.push(joined(pieces));
    encoder = undefined;
    pieces = [];
  };
  for (const batch of batches) {
    for (let from = 0; from < batch.length;) {
      encoder ??= format.begin(batch, from, (bytes) => pieces.push(bytes));
      from = encoder.add(batch, from, batch.length, (i, error) => rejected.push({ i: before + i, error }));
      mostBuffered = Math.max(mostBuffered, encoder.bufferedBytes);
      if (from < batch.length) await finish();
    }
    before += batch.length;
  }
  await finish();
  return { files, rejected, mostBuffered };
}

/** Pieces as one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
