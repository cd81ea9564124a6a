/** Encrypting and decrypting fields of records: what encrypt_field and decrypt_field do to one value at its place. */
import { RecordError } from "../../formats/data/errors.ts";
import { membersText, parseJson, restoreOf, valueText } from "../../formats/data/json_value.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { FieldPlace } from "./protection.ts";
import { type Binding, type Opener, placeText, readSealed, type Sealed, type Sealer } from "./sealed.ts";
import { placeProblem, rowProblem } from "./where.ts";

export const BINDABLE = ["database", "schema", "table", "column", "key"] as const;

/** What an encrypted value is bound to, so that it opens nowhere else. */
export type Bind = readonly (typeof BINDABLE)[number][];

/** How many values one key should encrypt at most with random nonces: NIST SP 800-38D, section 8.3. */
const MAX_VALUES = 2 ** 32;

const MAX_PLACES = 10_000;

/** Values encrypted since the worker started, by key. */
const encrypted = new Map<string, number>();

/** Encrypts values for the places where they are. */
export class FieldSealer {
  readonly #sealer: Sealer;
  readonly #bind: Bind;
  readonly #bindsKey: boolean;
  readonly #warn: (message: string) => void;
  readonly #countKey: string;
  readonly #places = new WeakMap<Stream, Places>();
  /** The key of the row whose fields are being encrypted: they come one after the other. */
  #lastRow: Row | undefined;
  #lastKey: string | undefined;

  constructor(sealer: Sealer, bind: Bind, warn: (message: string) => void) {
    this.#sealer = sealer;
    this.#bind = bind;
    this.#bindsKey = bind.includes("key");
    this.#warn = warn;
    this.#countKey = JSON.stringify([sealer.ring.id, sealer.ring.active]);
  }

  seal(value: Value, at: FieldPlace): Value {
    this.#count();
    return this.#sealer.seal(valueText(value), this.#bindingOf(at));
  }

  #bindingOf({ stream, record, row, path }: FieldPlace): Binding {
    const place = this.#placesOf(stream).of(path);
    if (!this.#bindsKey || stream.key.length === 0) return { place, row: undefined };
    return { place, row: this.#rowOf(row ?? {}, record.key, stream.key) };
  }

  #placesOf(stream: Stream): Places {
    let places = this.#places.get(stream);
    if (places === undefined) this.#places.set(stream, places = new Places(stream, this.#bind));
    return places;
  }

  /** The key columns as this image has them, as far as it does: `before` of a row whose key changes has the old one. */
  #rowOf(row: Row, key: Row | Uint8Array | undefined, names: readonly string[]): string | undefined {
    if (row === this.#lastRow) return this.#lastKey;
    const others = key === undefined || key instanceof Uint8Array ? {} : key;
    const from: Record<string, Value> = {};
    let isWhole = true;
    for (const name of names) {
      const holder = Object.hasOwn(row, name) ? row : others;
      if (Object.hasOwn(holder, name)) from[name] = holder[name];
      else isWhole = false;
    }
    this.#lastRow = row;
    return this.#lastKey = isWhole ? membersText(from, names) : undefined;
  }

  #count(): void {
    const count = (encrypted.get(this.#countKey) ?? 0) + 1;
    encrypted.set(this.#countKey, count);
    if (count !== MAX_VALUES || this.#sealer.algorithm === "deterministic") return;
    const { id, active } = this.#sealer.ring;
    this.#warn(
      `2^32 values have been encrypted with version ${active} of the key "${id}", as many as one key should; ` +
        `add a version and make it the active one`,
    );
  }
}

/** The places of one stream's fields, written once each. */
class Places {
  readonly #table: readonly string[];
  readonly #bindsColumn: boolean;
  readonly #ofColumn = new Map<string, string>();

  constructor({ database = "", namespace = "", name }: Stream, bind: Bind) {
    const if_ = (what: Bind[number], text: string) => bind.includes(what) ? text : "";
    this.#table = [if_("database", database), if_("schema", namespace), if_("table", name)];
    this.#bindsColumn = bind.includes("column");
  }

  /** @param path names from the column inwards */
  of(path: readonly string[]): string {
    const column = this.#bindsColumn ? path : [""];
    if (column.length > 1) return placeText([...this.#table, ...column]);
    let place = this.#ofColumn.get(column[0]);
    if (place !== undefined) return place;
    place = placeText([...this.#table, column[0]]);
    // Payloads without columns may have names without end.
    if (this.#ofColumn.size >= MAX_PLACES) this.#ofColumn.clear();
    this.#ofColumn.set(column[0], place);
    return place;
  }
}

export interface OpenOptions {
  readonly onMissingKey: "keep" | "fail";
  /** False: values open wherever they are found. */
  readonly checkPlace: boolean;
  /** Types of columns, for what JSON has no type for. */
  readonly typeOf: (column: string) => ColumnType | undefined;
}

/** The value that was encrypted; other values, and those of unknown keys where they are to be kept, as they are. */
export function openField(value: Value, at: FieldPlace, opener: Opener, options: OpenOptions): Value {
  const sealed = readSealed(value);
  if (sealed === undefined) return value;
  if (!opener.hasKey(sealed) && options.onMissingKey === "keep") return value;
  if (options.checkPlace) checkPlace(sealed, at);
  const opened = parseJson(opener.open(sealed), true);
  const type = at.path.length === 1 ? options.typeOf(at.path[0]) : undefined;
  const restore = type && opened !== null ? restoreOf(type) : undefined;
  return restore ? restore(opened) : opened;
}

function checkPlace({ binding }: Sealed, { stream, path, row }: FieldPlace): void {
  if (binding === undefined) return;
  const { database, namespace, name } = stream;
  const problem = placeProblem(binding.place, [database, namespace, name], path) ??
    (row && rowProblem(binding.row, row));
  if (problem !== undefined) throw new RecordError(problem, { code: "serialization_wrong_place" });
}
