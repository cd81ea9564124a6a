/**
 * What tells a published record from all others: the source it came from, its lane and its order, as its layout carries
 * them. published.ts compares what a partition holds with what is about to be sent.
 */
import type { Layout } from "../../formats/data/envelope.ts";

const utf8 = new TextDecoder();
const latin1 = new TextDecoder("latin1");

/** Whether records in this layout say which one of their source they are. */
export function carriesOrder(layout: Layout): boolean {
  return layout !== "plain" && layout !== "cdc_event";
}

/** Of so many keys the last record is remembered. Among more, which others must have written, no tombstone has a name. */
const MAX_KEYS = 500_000;

/** Names records one after the other. Both sides start at the same record, and name it the same. */
export class RecordNames {
  readonly #source: string;
  /** Key → the name of its last record; null: it had none. */
  readonly #last = new Map<string, string | null>();

  /** @param source the name of the source in the pipeline file; records of others have no name */
  constructor(source: string) {
    this.#source = source;
  }

  /**
   * The record's name; undefined where it is another source's, or does not say whose. A tombstone says nothing but its
   * key, so it is named after the record of its key before it, and has no name where that has none: left out, it would
   * no longer stand behind a row that comes twice.
   */
  next(key: Uint8Array | undefined, value: Uint8Array): string | undefined {
    if (value.length > 0 && key === undefined) return nameIn(value, this.#source);
    const keyText = latin1.decode(key);
    const before = this.#last.size < MAX_KEYS ? this.#last.get(keyText) : null;
    const name = value.length > 0 ? nameIn(value, this.#source) : tombstoneName(keyText, before);
    if (this.#last.size < MAX_KEYS) this.#last.set(keyText, name ?? null);
    return name;
  }
}

function tombstoneName(key: string, before: string | null | undefined): string | undefined {
  return before === null ? undefined : `tombstone ${key} ${before ?? ""}`;
}

type Parsed = { readonly [name: string]: unknown } | null | undefined;

/** Lane and order as the layouts have them: formats/data/envelope.ts writes `source` and, for `rivven`, `metadata`. */
function nameIn(value: Uint8Array, source: string): string | undefined {
  let parsed: Parsed;
  try {
    parsed = JSON.parse(utf8.decode(value));
  } catch {
    return undefined;
  }
  if (parsed === null || typeof parsed !== "object") return undefined;
  const members = (parsed.source ?? (parsed.payload as Parsed)?.source) as Parsed;
  const metadata = parsed.metadata as Parsed;
  const [name, lane, order] = typeof members === "object" && members
    ? [members.name, members.lane, members.order]
    : [metadata?.source, metadata?.lane, metadata?.position];
  return name === source && typeof lane === "string" && typeof order === "string"
    ? `${order} ${lane}`
    : undefined;
}
