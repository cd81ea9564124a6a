/** The contract of file formats: how records become the bytes of files. Sinks that write files use it. */
import type { Batch } from "../data/batch.ts";
import type { RecordError } from "../data/errors.ts";
import type { Stream } from "../data/stream.ts";

/** A format with its options. */
export interface FileFormat {
  /** With its dot: `.csv`. */
  readonly extension: string;
  readonly mediaType: string;
  /** Whether a compression may be put around the file; else the format compresses inside. */
  readonly compressesOutside: boolean;
  /**
   * Begins a file for records like record `i` of the batch. Bytes go to `out` as they become ready; their buffers are
   * the receiver's.
   */
  begin(batch: Batch, i: number, out: (bytes: Uint8Array) => void): FileEncoder;
}

/** One file that is being written. Keeps no buffer of a batch. */
export interface FileEncoder {
  /**
   * Takes records `from` to `to` (exclusive) over. Returns the number of the first one that this file can't hold, because
   * its columns are others: a new file begins there.
   */
  add(batch: Batch, from: number, to: number, reject: RejectRow): number;
  /** Bytes that were taken over and not yet given to `out`, about. */
  readonly bufferedBytes: number;
  /** Gives the rest to `out`: the file is complete when this resolves. */
  end(): Promise<void>;
}

/** Record `i` can't be held by this format. */
export type RejectRow = (i: number, error: RecordError) => void;

/** Are records of `b` in one file with those of `a`? Columns decide, not the version that counts them. */
export function haveSameColumns(a: Stream, b: Stream): boolean {
  return a === b || (a.columns === undefined) === (b.columns === undefined) &&
      JSON.stringify(a.columns) === JSON.stringify(b.columns);
}
