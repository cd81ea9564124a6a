/** Keys made of fields of the row: the work of value_to_key. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import type { Transform } from "../contract.ts";
import { asJson } from "../_shared/json_values.ts";
import { withParts } from "../_shared/parts.ts";
import { type FieldPath, newName, parsePath, setMember, valueAt, withColumn } from "../_shared/paths.ts";
import { eachRecord, isRow, nthOrder } from "../_shared/records.ts";
import type { ValueToKeyConfig } from "./definition.ts";

const utf8 = new TextEncoder();

interface KeyField {
  readonly path: FieldPath;
  /** Its name in the key. */
  readonly name: string;
}

export function openTransform(config: ValueToKeyConfig): Transform {
  const fields = config.fields.map((text): KeyField => {
    const path = parsePath(text);
    return { path, name: newName(path) ?? text };
  });
  const keys = new KeyMaker(config, fields);
  let lastDelete: { oldKey: string; key: DataRecord["key"] } | undefined;
  return {
    stream: (stream) => keyedStream(stream, config, fields),
    apply: eachRecord((record) => {
      switch (record.operation) {
        case "truncate":
        case "schema":
        case "message":
          return record;
        case "tombstone": {
          // Of the row it knows the old key alone, but its delete came right before it.
          const known = lastDelete?.oldKey === keyText(record.key) ? lastDelete.key : undefined;
          const key = known ?? keys.of(record, rowWithKey(record.before, record));
          return withParts(record, key, record.before, record.after);
        }
        case "delete": {
          const key = keys.of(record, rowWithKey(record.before, record));
          lastDelete = { oldKey: keyText(record.key), key };
          return withParts(record, key, record.before, record.after);
        }
        default:
          return keyed(record);
      }
    }),
  };

  function keyed(record: DataRecord): DataRecord | readonly DataRecord[] {
    const { before, after, unavailable } = record;
    if (!isRow(after)) {
      if (config.on_missing === "fail") {
        throw new RecordError("Cannot make a key of fields: the value is no object", {
          code: "schema_no_object",
        });
      }
      return record;
    }
    const key = keys.of(record, before && unavailable ? completed(after, before, unavailable) : after);
    const kept = config.keep_value_field;
    const newAfter = kept === undefined ? after : withMember(after, kept, keys.fieldsOf(after));
    if (
      before && record.operation === "update" &&
      fields.every(({ path }) => valueAt(before, path) !== undefined)
    ) {
      const oldKey = keys.of(record, before);
      if (keyText(oldKey) !== keyText(key)) return moved(record, oldKey, key, newAfter);
    }
    return withParts(record, key, before, newAfter);
  }

  /** An update that changes the key: the row goes from one key to another. */
  function moved(
    record: DataRecord,
    oldKey: DataRecord["key"],
    key: DataRecord["key"],
    after: Row,
  ): DataRecord[] {
    const before = record.before!;
    const gone: DataRecord = {
      ...withParts(record, oldKey, before, undefined),
      operation: "delete",
      unavailable: undefined,
      // Written by itself, a delete would be nothing.
      bare: undefined,
    };
    const made = [gone];
    if (config.tombstone_for_old_key) {
      const order = nthOrder(record.order, made.length);
      made.push({ ...gone, operation: "tombstone", before: undefined, order });
    }
    const names = record.unavailable ?? [];
    const missing = names.filter((name) => !Object.hasOwn(before, name));
    made.push({
      ...withParts(record, key, undefined, completed(after, before, names)),
      operation: "insert",
      unavailable: missing.length > 0 ? missing : undefined,
      order: nthOrder(record.order, made.length),
    });
    return made;
  }
}

/** The row with what was not sent and did not change, where the row before the change has it. */
function completed(after: Row, before: Row, unavailable: readonly string[]): Row {
  const copy: Record<string, Value> = { ...after };
  for (const name of unavailable) if (Object.hasOwn(before, name)) setMember(copy, name, before[name]);
  return copy;
}

/** What is known of a row that is gone. */
function rowWithKey(row: Row | undefined, { key }: DataRecord): Row {
  return key === undefined || key instanceof Uint8Array ? row ?? {} : { ...key, ...row };
}

function withMember(row: Row, name: string, value: Value): Row {
  const copy: Record<string, Value> = { ...row };
  setMember(copy, name, value);
  return copy;
}

function keyText(key: DataRecord["key"]): string {
  return key === undefined ? "" : key instanceof Uint8Array ? key.toHex() : valueText(key);
}

class KeyMaker {
  readonly #config: ValueToKeyConfig;
  readonly #fields: readonly KeyField[];

  constructor(config: ValueToKeyConfig, fields: readonly KeyField[]) {
    this.#config = config;
    this.#fields = fields;
  }

  /**
   * The key that a row gives.
   *
   * @throws {RecordError} when a field is missing and must not be
   */
  of(record: DataRecord, row: Row): DataRecord["key"] {
    const { format, replace, on_missing } = this.#config;
    const key: Record<string, Value> = {};
    if (!replace && record.key !== undefined) {
      if (record.key instanceof Uint8Array) {
        throw new RecordError("Cannot add fields to a key that is no object", { code: "schema_no_object" });
      }
      Object.assign(key, record.key);
    }
    let count = 0;
    for (const { path, name } of this.#fields) {
      const value = valueAt(row, path);
      if (value === undefined && on_missing === "skip") continue;
      if (value === undefined && on_missing === "fail") {
        throw new RecordError(
          `Cannot make a key for ${qualifiedName(record.stream)}: field "${path.text}" is not in the ` +
            `${record.operation === "tombstone" ? "key" : "row"} of this ${record.operation}`,
          { code: "schema_key_field_missing" },
        );
      }
      // A field of the row's columns keeps its type; inside objects there is none.
      setMember(key, name, path.plain !== undefined ? value ?? null : asJson(value ?? null));
      count++;
    }
    if (count === 0) return record.key instanceof Uint8Array || replace ? undefined : key;
    if (format === "json") return key;
    if (format === "first_value") return utf8.encode(valueText(Object.values(key)[0]));
    return utf8.encode(Object.values(key).map(partText).join("|"));
  }

  /** The fields that a row has, as an object inside it. */
  fieldsOf(row: Row): Row {
    const found: Record<string, Value> = {};
    for (const { path, name } of this.#fields) {
      const value = valueAt(row, path);
      if (value !== undefined) setMember(found, name, asJson(value));
    }
    return found;
  }
}

function partText(value: Value): string {
  if (value === null) return "\\N";
  const text = typeof value === "string"
    ? value
    : value instanceof Uint8Array
    ? value.toBase64()
    : valueText(value);
  return text.replace(/[\\|]/g, "\\$&");
}

function keyedStream(stream: Stream, config: ValueToKeyConfig, fields: readonly KeyField[]): Stream {
  const names = fields.map(({ name }) => name);
  const key = config.replace ? names : [...new Set([...stream.key, ...names])];
  const { keep_value_field: kept } = config;
  const columns = kept !== undefined && stream.columns
    ? withColumn(stream.columns, { name: kept, type: { kind: "json" }, nullable: true })
    : stream.columns;
  return { ...stream, key, columns };
}
