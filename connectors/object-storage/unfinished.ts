/**
 * Files of a flush whose commit was lost, made anew from records that come again. Each has the name and the range that
 * the intent has for it, whatever the configuration says by now.
 */
import type { Batch } from "../contract.ts";
import type { IntendedFile } from "./intent.ts";
import type { FileLayout, Places } from "./layout.ts";
import type { SpoolFile } from "./spool_file.ts";

/** A file that is made anew. */
export interface UnfinishedFile {
  readonly intended: IntendedFile;
  readonly layout: FileLayout;
  /** One; several where a column came or went that was not seen the first time. */
  readonly pieces: SpoolFile[];
  /** Of two files for a record in two layouts, it is in the one with the lower rank. */
  readonly rank: number;
}

/** More are not kept: of lanes that never come again nobody knows that they don't. */
const MAX_FILES = 5000;

export class UnfinishedFiles {
  readonly #layouts: readonly FileLayout[];
  /** In the order of their rank. */
  readonly #all: readonly UnfinishedFile[];
  /** By layout, lane and place. */
  readonly #files = new Map<string, UnfinishedFile[]>();
  /** By lane, the order behind which no record is in one of the files. */
  readonly #ends = new Map<string, string>();

  /** @param files those of earlier flushes first: a record went to a fresh file only where none of these was for it */
  constructor(layouts: readonly FileLayout[], files: readonly IntendedFile[]) {
    this.#layouts = layouts;
    this.#all = files.slice(-MAX_FILES).map((intended, rank) => ({
      intended,
      layout: this.#layouts[intended.layout],
      pieces: [],
      rank,
    }));
    for (const file of this.#all) {
      const { layout, lane, place, last } = file.intended;
      const key = keyOf(layout, lane, place);
      const others = this.#files.get(key);
      if (others) others.push(file);
      else this.#files.set(key, [file]);
      const end = this.#ends.get(lane);
      if (end === undefined || end < last) this.#ends.set(lane, last);
    }
  }

  [Symbol.iterator](): Iterator<UnfinishedFile> {
    return this.#all[Symbol.iterator]();
  }

  /** Have the records of the files begun to come again, and not all come yet? */
  isBehind(reached: ReadonlyMap<string, string>): boolean {
    return [...this.#ends].some(([lane, end]) => reached.has(lane) && reached.get(lane)! < end);
  }

  /** How many of a batch's records may belong to one of the files; they come first. */
  countIn(batch: Batch): number {
    const end = this.#ends.get(batch.lane);
    return end === undefined ? 0 : firstBehind(batch, 0, end);
  }

  /** Finds the files of a batch's records. */
  finder(batch: Batch): (i: number) => Found | undefined {
    const places = this.#layouts.map((layout): Places => layout.placesOf(batch));
    return (i) => {
      const order = batch.order(i)!;
      let found: Found | undefined;
      for (const [k, { placeOf }] of places.entries()) {
        const place = placeOf(i);
        const files = this.#files.get(keyOf(k, batch.lane, place)) ?? [];
        // One flush has few files of a place.
        const file = files.find(({ intended }) => intended.first <= order && order <= intended.last);
        if (file && file.rank < (found?.file.rank ?? Infinity)) {
          // With several layouts the next record may be in a file of another one.
          const end = places.length > 1 ? i + 1 : endIn(batch, i, file, files);
          found = { file, places: places[k], place, end };
        }
      }
      return found;
    };
  }
}

export interface Found {
  readonly file: UnfinishedFile;
  readonly places: Places;
  readonly place: string;
  /** The first record of the batch behind `i` that may belong to another file, whatever its place. */
  readonly end: number;
}

/** Where the range of `file` ends in the batch, or that of another file of its place begins inside of it. */
function endIn(batch: Batch, i: number, file: UnfinishedFile, files: readonly UnfinishedFile[]): number {
  const order = batch.order(i)!;
  let end = firstBehind(batch, i, file.intended.last);
  for (const { intended: { first } } of files) {
    if (first > order && first <= batch.order(end - 1)!) end = firstNotBefore(batch, i, first);
  }
  return end;
}

/** The number of the first record from `from` on with this order or a higher one. */
function firstNotBefore(batch: Batch, from: number, order: string): number {
  let at = from;
  while (at < batch.length && batch.order(at)! < order) at++;
  return at;
}

/** The number of the first record from `from` on with a higher order. */
function firstBehind(batch: Batch, from: number, order: string): number {
  let [low, high] = [from, batch.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (batch.order(middle)! <= order) low = middle + 1;
    else high = middle;
  }
  return low;
}

function keyOf(layout: number, lane: string, place: string): string {
  return JSON.stringify([layout, lane, place]);
}
