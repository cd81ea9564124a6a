/**
 * What a flush is about to make, saved before the first byte leaves: the name and the range of each file. When the
 * commit behind the flush is lost, the records come again, and go into the same files under the same names
 * (unfinished.ts); which of them are there already no longer matters.
 */
import type { DocumentStore } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Json } from "../../formats/data/value.ts";
import type { LayoutKeys } from "./layout.ts";

/** One file of a flush, with all records of its place and lane from `first` to `last`. */
export interface IntendedFile {
  readonly name: string;
  readonly place: string;
  readonly lane: string;
  readonly first: string;
  readonly last: string;
  /** For people who look into the state. */
  readonly records: number;
  /** Index in `layouts`. */
  readonly layout: number;
}

export interface Intent {
  readonly v: 1;
  /** Counts flushes; a commit saves the number of its own. */
  readonly flush: number;
  /** Where the files go. */
  readonly target: string;
  readonly layouts: readonly LayoutKeys[];
  readonly files: readonly IntendedFile[];
  /** Names of files without a range. */
  readonly unordered: readonly string[];
  /** Files of earlier flushes whose records have not all come again. */
  readonly unfinished: readonly IntendedFile[];
}

/** What `flush()` returns, and the commit saves. */
export type SavedFlush = { readonly v: 1; readonly flush: number };

/** The last intent of a flow; documents are shared by all flows of a sink, so each has its own. */
export class IntentStore {
  readonly #store: DocumentStore;
  readonly #key: string;

  constructor(store: DocumentStore, flow: string) {
    this.#store = store;
    this.#key = `intent of ${flow}`;
  }

  async get(): Promise<Intent | undefined> {
    const intent = await this.#store.get(this.#key) as unknown as Intent | undefined;
    if (intent !== undefined && intent.v !== 1) throw newerState();
    return intent;
  }

  /** Resolves when it is durable. */
  async put(intent: Intent): Promise<void> {
    await this.#store.put(this.#key, intent as unknown as Json);
  }
}

/** The number of the flush that the last commit has saved; 0: none. */
export function savedFlush(saved: Json | undefined): number {
  if (saved === undefined) return 0;
  const { v, flush } = saved as SavedFlush;
  if (v !== 1) throw newerState();
  return flush;
}

function newerState(): ConnectorError {
  return new ConnectorError("The saved state of the object-storage sink is from a newer version", {
    code: "state_version",
    hint: "Run it with the version that wrote it",
  });
}
