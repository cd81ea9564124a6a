/** JSON in texts as what it says: the work of decode_json. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import { parseJson } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Value } from "../../formats/data/value.ts";
import type { RejectRecord, Transform, TransformContext } from "../contract.ts";
import { convertFields } from "../_shared/field_changes.ts";
import { asJson } from "../_shared/json_values.ts";
import { parsePath } from "../_shared/paths.ts";
import { isRow } from "../_shared/records.ts";
import type { DecodeJsonConfig } from "./definition.ts";

const COUNTER = "json_not_decoded";

export function openTransform(config: DecodeJsonConfig, context: TransformContext): Transform {
  const fields = convertFields({
    fields: config.fields.map((text) => parsePath(text, { ignoreCase: config.ignore_case })),
    conversionOf: () => ({ convert: decoded, type: { kind: "json" }, keptFits: true }),
    onError: config.on_error,
    parts: config.apply_to,
    verb: "decode the JSON in",
    counter: COUNTER,
  }, context);
  if (!config.messages) return fields;
  return {
    stream: (stream) => fields.stream!(stream),
    apply(records, reject) {
      return fields.apply!(decodedMessages(records, config, context, reject), reject);
    },
  };
}

/** Undefined: it is text or bytes, but no JSON. */
function decoded(value: Value): Value | undefined {
  if (typeof value !== "string" && !(value instanceof Uint8Array)) return asJson(value);
  try {
    return parseJson(value, true);
  } catch (error) {
    // Bytes that are no UTF-8 are a TypeError.
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    return undefined;
  }
}

function decodedMessages(
  records: readonly DataRecord[],
  { on_error }: DecodeJsonConfig,
  context: TransformContext,
  reject: RejectRecord,
): DataRecord[] {
  const out: DataRecord[] = [];
  for (const record of records) {
    const { after, operation } = record;
    if (operation !== "message" || !isRow(after) || typeof after.content !== "string") {
      out.push(record);
      continue;
    }
    const content = decoded(Uint8Array.fromBase64(after.content));
    if (content === undefined && on_error === "fail") {
      reject(
        record,
        new RecordError("The content of the message is no JSON", { code: "serialization_json" }),
      );
      continue;
    }
    if (content === undefined) context.metrics.add(COUNTER);
    const kept = on_error === "null" ? null : after.content;
    out.push({ ...record, after: { ...after, content: content ?? kept } });
  }
  return out;
}
