/** Fields in other types: the work of cast. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { parseColumnType } from "../_shared/column_types.ts";
import { convertFields } from "../_shared/field_changes.ts";
import { asJson } from "../_shared/json_values.ts";
import { parsePath } from "../_shared/paths.ts";
import { isRow } from "../_shared/records.ts";
import { castTo } from "./casts.ts";
import type { CastConfig } from "./definition.ts";

export function openTransform(config: CastConfig, context: TransformContext): Transform {
  const { specs, rounding, on_error, null_to_string, whole_value } = config;
  const options = { rounding, strictJson: on_error === "fail" };
  const targets = Object.values(specs).map((text) => {
    const { type, bits } = parseColumnType(text)!;
    const cast = castTo(type, bits, options);
    const takesNull = null_to_string && type.kind === "string";
    // A JSON text that is none stays as a text, which JSON has too.
    const keptFits = type.kind === "json" || type.kind === "string";
    const convert: typeof cast = takesNull ? (value) => value === null ? "null" : cast(value) : cast;
    return { convert, type, takesNull, keptFits };
  });
  const fields = convertFields({
    fields: Object.keys(specs).map((text) => parsePath(text, { ignoreCase: config.ignore_case })),
    conversionOf: (index) => targets[index],
    onError: on_error,
    parts: config.apply_to,
    verb: "cast",
    counter: "casts_failed",
  }, context);
  return whole_value === undefined ? fields : withWholeValues(fields, config, whole_value, context);
}

/** Values that are no rows are converted too; they are JSON afterwards. */
function withWholeValues(
  fields: Transform,
  config: CastConfig,
  target: string,
  context: TransformContext,
): Transform {
  const { type, bits } = parseColumnType(target)!;
  const cast = castTo(type, bits, { rounding: config.rounding, strictJson: config.on_error === "fail" });
  return {
    stream(stream) {
      const made = fields.stream!(stream);
      return stream.payload === "bytes" ? { ...made, payload: "json" } : made;
    },
    async apply(records, reject) {
      const out: DataRecord[] = [];
      for (const record of records) {
        const { after, operation } = record;
        if (operation !== "record" || after === undefined || after === null || isRow(after)) {
          out.push(record);
          continue;
        }
        const value = cast(after);
        if (value === undefined && config.on_error === "fail") {
          reject(record, new RecordError("Cannot cast the value", { code: "schema_conversion" }));
          continue;
        }
        if (value === undefined) context.metrics.add("casts_failed");
        out.push({ ...record, after: asJson(value ?? (config.on_error === "null" ? null : after)) });
      }
      return await fields.apply!(out, reject);
    },
  };
}
