/** The row instead of its envelope: the work of extract_new_record_state. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord, Header } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Column, Row, Value } from "../../formats/data/value.ts";
import type { RejectRecord, Transform, TransformContext } from "../contract.ts";
import { headerText, typeIn } from "../_shared/event_fields.ts";
import { asJson } from "../_shared/json_values.ts";
import { mayRetype, UntouchedParts } from "../_shared/parts.ts";
import { setMember, withColumn } from "../_shared/paths.ts";
import { isRow } from "../_shared/records.ts";
import { type Added, addedFields, addedHeaders } from "./added_fields.ts";
import type { ExtractNewRecordStateConfig } from "./definition.ts";

export function openTransform(config: ExtractNewRecordStateConfig, context: TransformContext): Transform {
  return new Extraction(config, context);
}

class Extraction implements Transform {
  readonly #config: ExtractNewRecordStateConfig;
  readonly #context: TransformContext;
  readonly #fields: readonly Added[];
  readonly #headers: readonly Added[];
  readonly #rewrites: boolean;
  readonly #marksAll: boolean;
  readonly #keepsTombstones: boolean;
  /** By stream, the added fields that have a column of their type. */
  readonly #typed = new WeakMap<Stream, ReadonlySet<string>>();
  readonly #untouched = new UntouchedParts();
  /** With `tombstone`: the delete before this record was left out, so a tombstone is due. */
  #tombstoneIsDue = false;
  #hasWarned = false;

  constructor(config: ExtractNewRecordStateConfig, context: TransformContext) {
    const { delete_handling: mode, drop_tombstones } = config;
    this.#config = config;
    this.#context = context;
    this.#fields = addedFields(config, context.origin);
    this.#headers = addedHeaders(config, context.origin);
    this.#marksAll = mode === "rewrite" || mode === "rewrite_with_tombstone";
    this.#rewrites = this.#marksAll || mode === undefined && !drop_tombstones;
    this.#keepsTombstones = !drop_tombstones &&
      (mode === undefined || mode === "none" || mode === "tombstone" || mode === "rewrite_with_tombstone");
  }

  stream(stream: Stream): Stream {
    if (!stream.columns) return stream;
    const added = this.#fields.map(({ name, field }): Column => ({
      name,
      type: typeIn(field, stream),
      nullable: true,
    }));
    if (this.#rewrites) added.unshift(this.#deletedColumn());
    if (added.length === 0) return stream;
    const typed = new Set<string>();
    let columns = stream.columns;
    for (const column of added) {
      // The row before the change keeps what it has under this name, and one column describes both.
      const isPossible = mayRetype(stream, column.name, column.type, ["after"]);
      if (isPossible) typed.add(column.name);
      columns = withColumn(columns, isPossible ? column : { ...column, type: { kind: "unknown" } });
    }
    const made = { ...stream, columns };
    this.#typed.set(made, typed);
    this.#untouched.note(stream, made);
    return made;
  }

  apply(records: readonly DataRecord[], reject: RejectRecord): readonly DataRecord[] {
    const out: DataRecord[] = [];
    for (const record of records) {
      if (this.#tombstoneIsDue) this.#noteTombstone(record);
      const { operation } = record;
      switch (operation) {
        case "tombstone":
          if (this.#keepsTombstones) out.push(record);
          break;
        case "delete":
          try {
            const made = this.#deleted(record);
            if (made) out.push(made);
          } catch (error) {
            if (!(error instanceof RecordError)) throw error;
            reject(record, error);
          }
          break;
        case "truncate":
        case "schema":
        case "message":
          if (this.#config.non_row_events === "pass") out.push(record);
          break;
        default:
          out.push(record.after === undefined ? record : this.#bare(record, record.after, undefined));
      }
    }
    return out;
  }

  /** What becomes of a delete; undefined: it goes. */
  #deleted(record: DataRecord): DataRecord | undefined {
    switch (this.#config.delete_handling) {
      case "none":
        return record;
      case "drop":
        return undefined;
      case "tombstone":
        this.#tombstoneIsDue = true;
        return undefined;
      case "delete_to_tombstone":
        if (record.key === undefined) {
          throw new RecordError("A delete without a key can't become a tombstone: it would say nothing", {
            code: "schema_tombstone_without_key",
          });
        }
        return {
          ...record,
          operation: "tombstone",
          before: undefined,
          after: undefined,
          unavailable: undefined,
        };
      default: {
        if (!this.#rewrites) return undefined;
        const row = record.before ?? (record.key instanceof Uint8Array ? undefined : record.key);
        if (row === undefined) {
          throw new RecordError("A delete with neither row nor key can't be rewritten as a row", {
            code: "schema_no_row",
          });
        }
        // Of the row before a delete, databases may send the key alone.
        const missing = record.stream.columns?.map(({ name }) => name)
          .filter((name) => !Object.hasOwn(row, name) && !this.#isAdded(name));
        return {
          ...this.#bare(record, row, true),
          operation: "update",
          unavailable: missing && missing.length > 0 ? missing : undefined,
        };
      }
    }
  }

  /** The record with its row by itself; `isDeleted` is undefined for rows that were not. */
  #bare(record: DataRecord, after: Value, isDeleted: true | undefined): DataRecord {
    const fields = this.#fields;
    const { stream } = record;
    const typed = this.#typed.get(stream);
    const isMarked = isDeleted || this.#marksAll && record.operation !== "record";
    let row = after;
    if (isRow(after) && (fields.length > 0 || isMarked)) {
      const copy: Record<string, Value> = { ...after };
      if (isMarked) setMember(copy, this.#config.deleted_field, this.#mark(isDeleted === true));
      for (const { name, field } of fields) {
        const value = field.read(record) ?? null;
        setMember(copy, name, typed?.has(name) ? value : asJson(value));
      }
      row = copy as Row;
    }
    return {
      stream,
      operation: record.operation,
      key: isRow(record.key) ? this.#untouched.change(record.key, stream) : record.key,
      before: record.before && this.#untouched.change(record.before, stream),
      after: row,
      unavailable: record.unavailable,
      timeMicros: record.timeMicros,
      source: record.source,
      headers: this.#headers.length > 0 ? this.#withHeaders(record) : record.headers,
      order: record.order,
      bare: true,
    };
  }

  #withHeaders(record: DataRecord): readonly Header[] | undefined {
    const headers: Header[] = [...record.headers ?? []];
    for (const { name, field } of this.#headers) {
      const value = headerText(field.read(record));
      if (value !== undefined) headers.push([name, value]);
    }
    return headers.length > 0 ? headers : undefined;
  }

  #mark(isDeleted: boolean): boolean | string {
    return this.#config.deleted_as_string ? String(isDeleted) : isDeleted;
  }

  #deletedColumn(): Column {
    const { deleted_field: name, deleted_as_string } = this.#config;
    return { name, type: { kind: deleted_as_string ? "string" : "boolean" }, nullable: !this.#marksAll };
  }

  #isAdded(name: string): boolean {
    return name === this.#config.deleted_field || this.#fields.some((added) => added.name === name);
  }

  /** Without tombstones of the source, `delete_handling: tombstone` would let every delete vanish. */
  #noteTombstone({ operation, stream }: DataRecord): void {
    this.#tombstoneIsDue = false;
    if (operation === "tombstone" || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#context.log.warn(
      `Deletes of ${
        qualifiedName(stream)
      } are lost: delete_handling: tombstone leaves only tombstones, and the source ` +
        "sends none. Switch them on there, or use delete_to_tombstone",
    );
  }
}
