/**
 * Which files were begun since the last commit. A commit's saved state names files with their lengths; a file that
 * was begun after it is not in there, and must be emptied after a crash, since its records come again. So the name is
 * put on record, durably, before the first byte is written.
 */
import type { DocumentStore } from "../contract.ts";
import type { Json } from "../../formats/data/value.ts";

/** One file, as it was when it was begun. */
export interface BegunFile {
  readonly file: string;
  /** Bytes that it had; of a file that we do not know, all of them count as right. */
  readonly length: number;
  readonly isNew: boolean;
  /** The number of the last flush before it was begun. */
  readonly after: number;
}

export class BegunFiles {
  readonly #store: DocumentStore;
  readonly #key: string;
  #files: readonly BegunFile[];

  private constructor(store: DocumentStore, key: string, files: readonly BegunFile[]) {
    this.#store = store;
    this.#key = key;
    this.#files = files;
  }

  /** @param flow documents are shared by all flows of a sink, so each has its own */
  static async open(store: DocumentStore, flow: string): Promise<BegunFiles> {
    const key = `begun_files/${flow}`;
    const document = await store.get(key) as unknown as { v: 1; files: readonly BegunFile[] } | undefined;
    return new BegunFiles(store, key, document?.files ?? []);
  }

  /** Resolves when the files are on record. */
  async add(files: readonly BegunFile[]): Promise<void> {
    await this.#put([...this.#files, ...files]);
  }

  /** Each file that is not part of the commit with flush number `committed`, as it was before. */
  notIn(committed: number): BegunFile[] {
    const first = new Map<string, BegunFile>();
    for (const begun of this.#files) {
      // A file can have been begun, left alone for long, and begun again; what counts is its earliest state.
      if (begun.after >= committed && !first.has(begun.file)) first.set(begun.file, begun);
    }
    return [...first.values()];
  }

  /** Forgets what every commit since flush number `committed` contains. */
  async forgetBefore(committed: number): Promise<void> {
    const files = this.#files.filter(({ after }) => after >= committed);
    if (files.length < this.#files.length) await this.#put(files);
  }

  async clear(): Promise<void> {
    if (this.#files.length > 0) await this.#put([]);
  }

  async #put(files: readonly BegunFile[]): Promise<void> {
    await this.#store.put(this.#key, { v: 1, files } as unknown as Json);
    this.#files = files;
  }
}
