/** Headers and facts as fields of the row: the work of header_to_value. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import { parseJson } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { addedColumn } from "../_shared/column_types.ts";
import { eventField, headerOf, typeIn } from "../_shared/event_fields.ts";
import { asJson } from "../_shared/json_values.ts";
import { eachPart, mayRetype, UntouchedParts } from "../_shared/parts.ts";
import { type FieldPath, newName, parsePath, plainPath, putAt, withColumn } from "../_shared/paths.ts";
import type { HeaderToValueConfig } from "./definition.ts";
import { ALL_FACTS, sourceOf } from "./sources.ts";

export function openTransform(config: HeaderToValueConfig, { origin }: TransformContext): Transform {
  const { parse_json, all_headers_prefix: prefix, operation, apply_to } = config;
  const headers = Object.entries(config.headers).map(([name, to]) => ({ name, to: parsePath(to) }));
  const facts = Object.entries(config.fields).map(([name, to]) => ({
    field: eventField(sourceOf(name), origin),
    to: parsePath(to),
  }));
  if (prefix !== undefined) {
    for (const name of ALL_FACTS) {
      facts.push({ field: eventField(sourceOf(name), origin), to: plainPath(prefix + name) });
    }
  }
  const targets = [
    ...facts.map(({ field, to }) => ({
      to,
      type: (stream: Stream) => typeIn(field, stream),
      value: (record: DataRecord) => field.read(record) ?? null,
    })),
    ...headers.map(({ name, to }) => ({
      to,
      type: (): ColumnType => ({ kind: parse_json ? "unknown" : "string" }),
      value: (record: DataRecord) => {
        const value = headerOf(record, name);
        return value === undefined ? undefined : headerValue(value, parse_json);
      },
    })),
  ];
  const moved = new Set(headers.map(({ name }) => name));
  const untouched = new UntouchedParts();
  /** By stream, the targets that have a column of their type. */
  const typed = new WeakMap<Stream, ReadonlySet<FieldPath>>();
  const fill = eachPart(
    apply_to,
    (row, record) => {
      let filled = row;
      const isTyped = typed.get(record.stream);
      for (const { to, value } of targets) {
        const one = value(record);
        if (one !== undefined) filled = withValue(filled, to, isTyped?.has(to) ? one : asJson(one));
      }
      return filled;
    },
    undefined,
    untouched,
  );
  return {
    stream(stream) {
      if (!stream.columns || !apply_to.includes("after")) return stream;
      const ofType = new Set<FieldPath>();
      let columns = stream.columns;
      for (const { to, type } of targets) {
        const name = newName(to);
        // What lies deeper makes JSON of its column.
        const wanted: ColumnType = name === undefined ? { kind: "json" } : type(stream);
        const column = name ?? to.segments[0].name;
        const isPossible = mayRetype(stream, column, wanted, apply_to);
        if (isPossible && name !== undefined) ofType.add(to);
        columns = withColumn(columns, addedColumn(column, isPossible ? wanted : { kind: "unknown" }));
      }
      const made = { ...stream, columns };
      typed.set(made, ofType);
      untouched.note(stream, made);
      return made;
    },
    async apply(records, reject) {
      const made = await fill(records, reject);
      return operation === "copy" ? made : made.map((record) => withoutHeaders(record, moved));
    },
  };
}

/** @throws {RecordError} when something that is no object is in the way */
function withValue(row: Row, to: FieldPath, value: Value): Row {
  const made = putAt(row, to, value);
  if (made === undefined) {
    throw new RecordError(`Cannot put a header at "${to.text}": something that is no object is in the way`, {
      code: "schema_no_object",
    });
  }
  const [{ name }, ...others] = to.segments;
  return others.length === 0 ? made : { ...made, [name]: asJson(made[name]) };
}

function headerValue(value: string | Uint8Array, parsesJson: boolean): Value {
  if (value instanceof Uint8Array) return value.toBase64();
  if (!parsesJson) return value;
  try {
    return parseJson(value, true);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return value;
  }
}

function withoutHeaders(record: DataRecord, names: ReadonlySet<string>): DataRecord {
  if (!record.headers?.some(([name]) => names.has(name))) return record;
  const headers = record.headers.filter(([name]) => !names.has(name));
  return { ...record, headers: headers.length > 0 ? headers : undefined };
}
