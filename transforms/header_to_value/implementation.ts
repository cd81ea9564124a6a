/** Headers and facts as fields of the row: the work of header_to_value. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import { parseJson } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Value } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { addedColumn } from "../_shared/column_types.ts";
import { eventField, headerOf, typeIn } from "../_shared/event_fields.ts";
import { asJson } from "../_shared/json_values.ts";
import { eachPart } from "../_shared/parts.ts";
import { type FieldPath, newName, parsePath, putAt, withColumn } from "../_shared/paths.ts";
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
      facts.push({ field: eventField(sourceOf(name), origin), to: parsePath(`\`${prefix}${name}\``) });
    }
  }
  const moved = new Set(headers.map(({ name }) => name));
  const fill = eachPart(apply_to, (row, record) => {
    let filled = row;
    const isTyped = record.stream.columns !== undefined;
    const put = (to: FieldPath, value: Value) => {
      const isTop = newName(to) !== undefined;
      const made = putAt(filled, to, isTyped && isTop ? value : asJson(value));
      if (made === undefined) throw noObject(to);
      filled = made;
    };
    for (const { field, to } of facts) put(to, field.read(record) ?? null);
    for (const { name, to } of headers) {
      const value = headerOf(record, name);
      if (value !== undefined) put(to, headerValue(value, parse_json));
    }
    return filled;
  });
  return {
    stream(stream) {
      if (!stream.columns || !apply_to.includes("after")) return stream;
      let columns = stream.columns;
      for (const { field, to } of facts) columns = put(to, typeIn(field, stream));
      for (const { to } of headers) columns = put(to, { kind: parse_json ? "unknown" : "string" });
      return { ...stream, columns };

      function put(to: FieldPath, type: ReturnType<typeof typeIn>) {
        const name = newName(to);
        return name !== undefined
          ? withColumn(columns, addedColumn(name, type))
          : withColumn(columns, addedColumn(to.segments[0].name, { kind: "json" }));
      }
    },
    async apply(records, reject) {
      const made = await fill(records, reject);
      return operation === "copy" ? made : made.map((record) => withoutHeaders(record, moved));
    },
  };
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

function noObject(to: FieldPath): RecordError {
  return new RecordError(`Cannot put a header at "${to.text}": something that is no object is in the way`, {
    code: "schema_no_object",
  });
}
