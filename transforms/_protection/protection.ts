/**
 * What mask_field, set_null, encrypt_field and decrypt_field have in common: which fields of which streams they
 * change, in keys, both images and payloads of every kind of record; and that nothing passes which they couldn't look at.
 */
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Column, Row, Value } from "../../formats/data/value.ts";
import { withParts } from "../_shared/parts.ts";
import { eachRecord, isRow } from "../_shared/records.ts";
import type { RejectRecord, Transform, TransformContext } from "../contract.ts";
import { changedType, type FieldEntry, StreamFields } from "./field_rules.ts";

export interface ProtectionOptions<Action> {
  readonly entries: readonly FieldEntry<Action>[];
  readonly context: TransformContext;
  /** What is done, for messages: `masked`. */
  readonly done: string;
  /** A field that a table, named with it, doesn't have is a warning instead of an error. */
  readonly allowUnmatched: boolean;
  /** Why a key column can't be treated like this, and what to do; undefined: it can. */
  readonly refuseKey: (action: Action) => { readonly reason: string; readonly hint: string } | undefined;
  /** What becomes of a column. Default: it stays. */
  readonly changeColumn?: (column: Column, action: Action) => Column;
  /** @throws {RecordError} without anything of the value */
  readonly change: (value: Value, action: Action, at: FieldPlace) => Value;
}

/** Where a field was found. */
export interface FieldPlace {
  readonly record: DataRecord;
  /** The row it is a part of; undefined for a payload that is no row. */
  readonly row: Row | undefined;
  /** Names from the column inwards. */
  readonly path: readonly string[];
  /** The stream as it came to the transform. */
  readonly stream: Stream;
}

const NOWHERE: readonly string[] = [];

/** So many of a table's columns are named in a message. */
const MOST_COLUMNS = 30;

/** How long a field that no table has may stay unmentioned, in microseconds. */
const PATIENCE = 60_000_000n;

/** A transform that changes fields. */
export class FieldProtection<Action> implements Transform {
  readonly #options: ProtectionOptions<Action>;
  readonly #fields = new WeakMap<Stream, StreamFields<Action>>();
  readonly #unmatched: Set<FieldEntry<Action>>;
  readonly #since: bigint;
  readonly #tables = new Set<string>();

  constructor(options: ProtectionOptions<Action>) {
    this.#options = options;
    this.#unmatched = new Set(options.entries);
    this.#since = options.context.nowMicros();
  }

  matches(stream: Stream): boolean {
    return !this.#fieldsOf(stream).isEmpty;
  }

  stream(stream: Stream): Stream {
    const fields = this.#fieldsOf(stream);
    if (fields.isEmpty) return stream;
    this.#checkKey(fields);
    const { changeColumn } = this.#options;
    if (stream.columns === undefined || changeColumn === undefined) return stream;
    const columns = stream.columns.map((column) => {
      const rule = fields.ruleFor(column);
      if (rule === undefined) return column;
      if (rule.whole !== undefined) return changeColumn(column, rule.whole);
      const type = changedType(column.type, rule.inside, changeColumn);
      return type === column.type ? column : { ...column, type };
    });
    const changed = { ...stream, columns };
    this.#fields.set(changed, fields);
    return changed;
  }

  apply(records: readonly DataRecord[], reject: RejectRecord): readonly DataRecord[] {
    if (this.#unmatched.size > 0 && this.#options.context.nowMicros() - this.#since > PATIENCE) {
      this.#warnUnmatched();
    }
    return this.#each(records, reject) as readonly DataRecord[];
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#warnUnmatched();
    return Promise.resolve();
  }

  readonly #each = eachRecord((record) => {
    // What these two hold is no row of the table.
    if (record.operation === "schema" || record.operation === "message") return record;
    const fields = this.#fieldsOf(record.stream);
    if (fields.isEmpty) return record;
    try {
      return this.#changeRecord(record, fields);
    } catch (error) {
      if (error instanceof RecordError) throw error;
      // Whatever it says, it may have the value in it.
      const kind = error instanceof Error ? error.name : "error";
      throw new RecordError(`A field could not be ${this.#options.done} (${kind})`, {
        code: "internal_protection",
      });
    }
  });

  #changeRecord(record: DataRecord, fields: StreamFields<Action>): DataRecord {
    const { key, before, after } = record;
    const { stream } = fields;
    const { change } = this.#options;
    if (after instanceof Uint8Array) {
      throw new RecordError(
        `The payload is no JSON, so no field in it can be ${this.#options.done}; name the streams whose fields are ` +
          `meant, as in "topic:field"`,
        { code: "serialization_not_json" },
      );
    }
    // One for all fields of a record; change() looks at it at once and doesn't keep it.
    const at: { -readonly [Key in keyof FieldPlace]: FieldPlace[Key] } = {
      record,
      row: undefined,
      path: NOWHERE,
      stream,
    };
    const changeField = (value: Value, action: Action, path: readonly string[]) => {
      at.path = path;
      return change(value, action, at);
    };
    const changeIn = (row: Row) => {
      at.row = row;
      return fields.changeRow(row, changeField);
    };
    const newKey = key !== undefined && !(key instanceof Uint8Array) ? changeIn(key) : key;
    const newBefore = before && changeIn(before);
    const changePayload = (payload: Value) => {
      at.row = undefined;
      return fields.changePayload(payload, changeField);
    };
    const newAfter = isRow(after)
      ? changeIn(after)
      : after === undefined || after === null
      ? after
      : changePayload(after);
    if (newKey === key && newBefore === before && newAfter === after) return record;
    return withParts(record, newKey, newBefore, newAfter);
  }

  #fieldsOf(stream: Stream): StreamFields<Action> {
    let fields = this.#fields.get(stream);
    if (fields === undefined) {
      this.#fields.set(stream, fields = new StreamFields(this.#options.entries, stream));
      this.#note(fields);
    }
    return fields;
  }

  /** Which entries have found something, and which ought to have. */
  #note(fields: StreamFields<Action>): void {
    const { stream } = fields;
    if (this.#tables.size < 8) this.#tables.add(qualifiedName(stream));
    for (const entry of this.#options.entries) {
      // Without columns, any row may have the field.
      const isUnknown = stream.columns === undefined && entry.selector.pathsIn(stream).length > 0;
      if (isUnknown || fields.finds(entry)) this.#unmatched.delete(entry);
      else if (stream.columns !== undefined && entry.selector.names(stream)) {
        this.#failUnmatched(entry, stream);
      }
    }
  }

  #failUnmatched({ selector }: FieldEntry<Action>, stream: Stream): void {
    const { context, allowUnmatched, done } = this.#options;
    const message = `"${qualifiedName(stream)}" has no column for "${selector.text}", which is to be ${done}`;
    if (allowUnmatched) return context.log.warn(message);
    const all = stream.columns!.map(({ name }) => name);
    const columns = all.slice(0, MOST_COLUMNS).join(", ") + (all.length > MOST_COLUMNS ? ", …" : "");
    throw new ConnectorError(message, {
      code: "config_unmatched_field",
      hint:
        `Its columns are ${columns}. Correct the name. A column that was renamed is found under both names by a ` +
        "pattern, as in table:ssn*; a transform of its own takes allow_unmatched_fields: true, too",
    });
  }

  /** Says once which fields no table had. */
  #warnUnmatched(): void {
    if (this.#tables.size === 0) return;
    const { context, done } = this.#options;
    for (const { selector } of this.#unmatched) {
      context.log.warn(
        `No table that came has "${selector.text}", which is to be ${done}; there were ` +
          [...this.#tables].join(", "),
      );
    }
    this.#unmatched.clear();
  }

  #checkKey(fields: StreamFields<Action>): void {
    const { stream } = fields;
    const columns = new Map(stream.columns?.map((column) => [column.name, column]));
    for (const name of stream.key) {
      const column = columns.get(name);
      const rule = column === undefined ? fields.rule(name) : fields.ruleFor(column);
      const actions = [rule?.whole, ...(rule?.inside ?? []).map(({ action }) => action)];
      for (const action of actions) {
        const refusal = action === undefined ? undefined : this.#options.refuseKey(action);
        if (refusal === undefined) continue;
        throw new ConnectorError(
          `"${name}" is a key column of "${
            qualifiedName(stream)
          }" and can't be ${this.#options.done}: ${refusal.reason}`,
          { code: "config_key_protection", hint: refusal.hint },
        );
      }
    }
  }
}
