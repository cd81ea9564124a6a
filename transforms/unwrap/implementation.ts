/** The content of a field in the place of the row, or in the row: the work of unwrap. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import { parseJson, valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import type { Transform } from "../contract.ts";
import { asJson, keyWithoutColumns } from "../_shared/json_values.ts";
import { withParts } from "../_shared/parts.ts";
import {
  columnAt,
  parsePath,
  removeAt,
  setMember,
  updateColumns,
  valueAt,
  withColumn,
} from "../_shared/paths.ts";
import { eachRecord, isRow, isRowRecord } from "../_shared/records.ts";
import type { UnwrapConfig } from "./definition.ts";

export function openTransform(config: UnwrapConfig): Transform {
  const unwrapper = new Unwrapper(config);
  return {
    stream: (stream) => unwrapper.stream(stream),
    apply: eachRecord((record) => {
      if (config.target === "key") return unwrapper.key(record);
      return isRowRecord(record) ? unwrapper.value(record) : unwrapper.withoutRow(record);
    }),
  };
}

class Unwrapper {
  readonly #config: UnwrapConfig;
  readonly #path;
  /** By stream, the columns that a struct has become. */
  readonly #fieldsOf = new WeakMap<Stream, readonly string[]>();

  constructor(config: UnwrapConfig) {
    this.#config = config;
    this.#path = parsePath(config.field);
  }

  stream(stream: Stream): Stream {
    const { mode, target, on_collision, parse_json } = this.#config;
    if (target === "key") return stream;
    const type = columnAt(stream.columns, this.#path)?.type;
    const fields = type?.kind === "struct" && !parse_json ? type.fields : undefined;
    if (mode === "replace") {
      return fields
        ? { ...stream, columns: fields.map((field) => ({ ...field, nullable: true })) }
        : { ...stream, columns: undefined, payload: "json" };
    }
    if (!stream.columns) return stream;
    // A table without the column: nothing becomes of it.
    const [{ name }] = this.#path.segments;
    if (!type && !stream.columns.some((column) => column.name === name)) return stream;
    if (!fields) return { ...stream, columns: undefined };
    let columns = updateColumns(stream.columns, this.#path, () => undefined);
    for (const field of fields) {
      if (on_collision === "keep" && columns.some(({ name }) => name === field.name)) continue;
      columns = withColumn(columns, { ...field, nullable: true });
    }
    const made = { ...stream, columns };
    this.#fieldsOf.set(made, fields.map(({ name }) => name));
    return made;
  }

  /** A record of rows with its content. */
  value(record: DataRecord): DataRecord | undefined {
    const { mode, on_missing } = this.#config;
    const { before, after, operation } = record;
    const main = operation === "delete" ? before : after;
    if (!isRow(main) || this.#contentOf(main) === undefined) {
      if (on_missing === "drop") return undefined;
      if (on_missing === "fail") {
        throw new RecordError(
          `Cannot unwrap field "${this.#path.text}": the row has ${
            mode === "merge" ? "no object" : "nothing"
          } there`,
          { code: "schema_field_missing" },
        );
      }
    }
    const names = record.unavailable?.includes(this.#path.segments[0].name)
      ? this.#unsent(record)
      : record.unavailable;
    const key = keyWithoutColumns(record.key, record.stream);
    const newBefore = before && this.#imageOf(before, record);
    const newAfter = isRow(after)
      ? this.#imageOf(after, record)
      : record.stream.payload === "json"
      ? after && asJson(after)
      : after;
    if (mode === "merge") return withParts(record, key, newBefore as Row | undefined, newAfter, names);
    const isBare = operation !== "delete" && newAfter !== undefined && newAfter !== after;
    return {
      ...withParts(record, key, isRow(newBefore) ? newBefore : undefined, newAfter, undefined),
      unavailable: newAfter === after ? names : undefined,
      bare: isBare || record.bare,
    };
  }

  /** A record of another kind, whose key has lost its columns too. */
  withoutRow(record: DataRecord): DataRecord {
    const key = keyWithoutColumns(record.key, record.stream);
    // A tombstone may have the row that is gone.
    const before = record.before && this.#imageOf(record.before, record);
    if (key === record.key && before === record.before) return record;
    return withParts(record, key, before && isRow(before) ? before : undefined, record.after);
  }

  /** A record whose key is one value. */
  key(record: DataRecord): DataRecord | undefined {
    const { key } = record;
    const value = isRow(key) ? this.#valueOf(key) : undefined;
    if (value !== undefined && value !== null) {
      const text = typeof value === "string"
        ? utf8.encode(value)
        : value instanceof Uint8Array
        ? value
        : undefined;
      return withParts(record, text ?? utf8.encode(valueText(value)), record.before, record.after);
    }
    if (key === undefined || this.#config.on_missing === "keep") return record;
    if (this.#config.on_missing === "drop") return undefined;
    throw new RecordError(`Cannot unwrap field "${this.#path.text}": the key has nothing there`, {
      code: "schema_field_missing",
    });
  }

  /** One image; the same one where it has no such content. */
  #imageOf(row: Row, { stream }: DataRecord): Value {
    const content = this.#contentOf(row);
    const typed = (value: Value) => stream.columns ? value : asJson(value);
    // A row that stays among others that were replaced has none of their columns.
    if (content === undefined) return this.#config.mode === "replace" ? asJson(row) : typed(row);
    return typed(this.#config.mode === "replace" ? content : this.#merged(row, content as Row));
  }

  #merged(row: Row, content: Row): Row {
    const { on_collision } = this.#config;
    const rest = removeAt(row, this.#path);
    const merged: Record<string, Value> = { ...rest };
    for (const name of Object.keys(content)) {
      if (Object.hasOwn(rest, name)) {
        if (on_collision === "keep") continue;
        if (on_collision === "fail") {
          throw new RecordError(
            `Cannot unwrap field "${this.#path.text}": the row has a field "${name}" already`,
            {
              code: "schema_unwrap_collision",
            },
          );
        }
      }
      setMember(merged, name, content[name]);
    }
    return merged;
  }

  /** What takes the row's place or joins it; undefined: it is not there, or nothing to merge. */
  #contentOf(row: Row): Value | undefined {
    const value = this.#valueOf(row);
    return this.#config.mode === "merge" && !isRow(value) ? undefined : value;
  }

  #valueOf(row: Row): Value | undefined {
    const value = valueAt(row, this.#path);
    if (!this.#config.parse_json || typeof value !== "string") return value;
    try {
      return parseJson(value, true);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new RecordError(`Cannot unwrap field "${this.#path.text}": its text is no JSON`, {
        code: "serialization_json",
      });
    }
  }

  /** Columns that were not sent, when the field was not: those that its fields have become. */
  #unsent({ unavailable, stream }: DataRecord): readonly string[] | undefined {
    const fields = this.#fieldsOf.get(stream);
    if (!fields || this.#path.plain === undefined) return unavailable;
    return unavailable?.flatMap((name) => name === this.#path.plain ? fields : [name]);
  }
}

const utf8 = new TextEncoder();
