/**
 * How far each file of a source is read. A position names the files that were read last; the others, once there are
 * many, are in documents that it refers to, which are never changed: so it stays small, and what it says stays true.
 */
import type { Position } from "../../formats/data/batch.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Json } from "../../formats/data/value.ts";
import type { SourceContext } from "../contract.ts";

/** One file. */
export interface FileState {
  /** As it was when it was read last. */
  readonly name: string;
  readonly id: string;
  /** How often it was begun anew because it had been shortened. */
  readonly pass: number;
  /** Where to go on: bytes of the text decompressed, or records. */
  readonly offset: number;
  /** Lines or records before it. */
  readonly count: number;
  /** What stood before `offset`, to know the place again; empty: nothing to compare. */
  readonly check: string;
}

/** Everything in a file that was there before reading began at its end. */
export const ALL = Number.MAX_SAFE_INTEGER;

type Entry = readonly [name: string, id: string, pass: number, offset: number, count: number, check: string];
type Saved = {
  readonly v: 1;
  readonly files: readonly Entry[];
  /** Documents with the files before these. */
  readonly older?: { readonly key: string; readonly count: number };
};

/** Characters of the files in a position before some of them move to a document. */
const MAX_INLINE = 5000;

export class Progress {
  /** By id. */
  readonly files: Map<string, FileState>;
  readonly #store: SourceContext["state"];
  readonly #isLook: boolean;
  readonly #key: string;
  #documents = 0;
  /** In the position itself: id → the characters it takes; the one read last comes last. */
  readonly #inline = new Map<string, number>();
  #size = 0;
  /** Documents of the run before. */
  #old: Saved["older"];

  private constructor(
    context: SourceContext,
    files: Map<string, FileState>,
    old: Saved["older"],
    key: string,
  ) {
    this.#store = context.state;
    this.#isLook = context.preview;
    this.files = files;
    this.#old = old;
    this.#key = key;
  }

  /** @throws {ConnectorError} when the position is not ours, or its documents are gone */
  static async load(from: Position | undefined, context: SourceContext): Promise<Progress> {
    const saved = from === undefined ? undefined : readPosition(from);
    const files = new Map<string, FileState>();
    const add = (entries: readonly Entry[]) => {
      for (const [name, id, pass, offset, count, check] of entries) {
        files.delete(id);
        files.set(id, { name, id, pass, offset, count, check });
      }
    };
    for (let i = 0; i < (saved?.older?.count ?? 0); i++) {
      const document = await context.state.get(`${saved!.older!.key}/${i}`);
      if (!Array.isArray(document)) throw documentsGone(context.name);
      add(document as unknown as Entry[]);
    }
    add(saved?.files ?? []);
    const progress = new Progress(context, files, saved?.older, await freeKey(context));
    for (const state of files.values()) progress.#touch(state);
    return progress;
  }

  /** Notes how far a file is. */
  note(state: FileState): void {
    this.files.delete(state.id);
    this.files.set(state.id, state);
    this.#touch(state);
  }

  /** The file is gone. */
  forget(id: string): void {
    this.files.delete(id);
    this.#size -= this.#inline.get(id) ?? 0;
    this.#inline.delete(id);
  }

  /** The position with all that was noted; waits for documents to be durable. */
  async position(): Promise<Position> {
    if (this.#size > MAX_INLINE && !this.#isLook) await this.#moveOut();
    const files = [...this.#inline.keys()].map((id) => entryOf(this.files.get(id)!));
    const older = this.#documents > 0 ? { key: this.#key, count: this.#documents } : undefined;
    return { v: 1, files, ...(older ? { older } : {}) };
  }

  /** A position of this run is durable: what the run before has kept is not needed any more. */
  async acknowledged(): Promise<void> {
    const old = this.#old;
    if (!old || this.#isLook) return;
    this.#old = undefined;
    for (let i = 0; i < old.count; i++) await this.#store.put(`${old.key}/${i}`, null);
  }

  #touch(state: FileState): void {
    this.#size -= this.#inline.get(state.id) ?? 0;
    this.#inline.delete(state.id);
    const size = state.name.length * 2 + state.id.length + state.check.length + 40;
    this.#inline.set(state.id, size);
    this.#size += size;
  }

  /** Keeps half of what is inline, and puts the rest, which was read before, into documents. */
  async #moveOut(): Promise<void> {
    const entries: Entry[] = [];
    for (const [id, size] of this.#inline) {
      if (this.#size <= MAX_INLINE / 2) break;
      entries.push(entryOf(this.files.get(id)!));
      this.#inline.delete(id);
      this.#size -= size;
    }
    for (let at = 0; at < entries.length; at += 500) {
      await this.#store.put(
        `${this.#key}/${this.#documents}`,
        entries.slice(at, at + 500) as unknown as Json,
      );
      this.#documents++;
    }
  }
}

/** A position from which on comes all that is behind any of these. */
export function lowestPosition(name: string, positions: readonly Position[]): Position {
  const all = positions.map(readPosition);
  // Documents can't be read here.
  if (all.some(({ older }) => older)) throw documentsGone(name);
  const [first, ...others] = all;
  const files = first.files.flatMap((entry) => {
    const same = others.map(({ files }) => files.find(([, id]) => id === entry[1]));
    if (same.some((other) => other === undefined)) return [];
    return [
      [entry, ...same as Entry[]].reduce((a, b) => b[2] < a[2] || (b[2] === a[2] && b[3] < a[3]) ? b : a),
    ];
  });
  return { v: 1, files };
}

function readPosition(position: Position): Saved {
  const saved = position as unknown as Saved;
  if (saved.v === 1 && Array.isArray(saved.files)) return saved;
  throw new ConnectorError(`Cannot resume: the position is of version ${position.v}`, {
    code: "state_version",
    hint: "Run the version of the program that has saved it, or a newer one",
  });
}

/** A name for this run's documents that no run has used. */
async function freeKey({ state, clock, random }: SourceContext): Promise<string> {
  let key = `files ${clock.nowMicros().toString(36)}`;
  while (await state.get(`${key}/0`) !== undefined) key += Math.floor(random() * 36).toString(36);
  return key;
}

function documentsGone(name: string): ConnectorError {
  return new ConnectorError(
    `Cannot resume source "${name}": what its state directory knew of older files is not there`,
    {
      code: "state_documents_gone",
      hint: "Restore the state directory together with the target, or start anew with an empty one",
    },
  );
}

function entryOf({ name, id, pass, offset, count, check }: FileState): Entry {
  return [name, id, pass, offset, count, check];
}
