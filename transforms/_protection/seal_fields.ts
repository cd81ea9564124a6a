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

/** Values encrypted since the worker started, by key. */
const encrypted = new Map<string, number>();

/** Encrypts values for the places where they are. */
export class FieldSealer {
  readonly #sealer: Sealer;
  readonly #bind: Bind;
  readonly #warn: (message: string) => void;
  readonly #countKey: string;
  readonly #tables = new WeakMap<Stream, readonly string[]>();
  /** The key of the row whose fields are being encrypted: they come one after the other. */
  #lastRow: Row | undefined;
  #lastKey: string | undefined;

  constructor(sealer: Sealer, bind: Bind, warn: (message: string) => void) {
    this.#sealer = sealer;
    this.#bind = bind;
    this.#warn = warn;
    this.#countKey = JSON.stringify([sealer.ring.id, sealer.ring.active]);
  }

  seal(value: Value, at: FieldPlace): Value {
    this.#count();
    return this.#sealer.seal(valueText(value), this.#bindingOf(at));
  }

  #bindingOf({ stream, record, row, path }: FieldPlace): Binding {
    const column = this.#bind.includes("column") ? path : [""];
    const place = placeText([...this.#tableOf(stream), ...column]);
    if (!this.#bind.includes("key") || stream.key.length === 0) return { place };
    return { place, row: this.#rowOf(row ?? {}, record.key, stream.key) };
  }

  #tableOf(stream: Stream): readonly string[] {
    let names = this.#tables.get(stream);
    if (names === undefined) {
      const { database = "", namespace = "", name } = stream;
      const if_ = (what: Bind[number], text: string) => this.#bind.includes(what) ? text : "";
      this.#tables.set(
        stream,
        names = [if_("database", database), if_("schema", namespace), if_("table", name)],
      );
    }
    return names;
  }

  /** The key columns as this image has them, as far as it does: `before` of a row whose key changes has the old one. */
  #rowOf(row: Row, key: Row | Uint8Array | undefined, names: readonly string[]): string | undefined {
    if (row === this.#lastRow) return this.#lastKey;
    const others = key === undefined || key instanceof Uint8Array ? {} : key;
    const from: Row = { ...others, ...row };
    const isWhole = names.every((name) => Object.hasOwn(from, name));
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
