/** Times in another form: the work of timestamp_converter. Loaded by workers. */
import type { Column, Value } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { type Conversion, convertFields } from "../_shared/field_changes.ts";
import { parsePath } from "../_shared/paths.ts";
import { timeWriter } from "../_shared/time_formats.ts";
import { isInfinity, precisionOf, timeReader, withZone } from "../_shared/time_readers.ts";
import { timeZone } from "../_shared/time_zones.ts";
import type { TimestampConverterConfig } from "./definition.ts";

export function openTransform(config: TimestampConverterConfig, context: TransformContext): Transform {
  const { format, pattern, output_precision, timezone, source_unit, source_format } = config;
  const writer = timeWriter({ format, pattern, precision: output_precision, timezone });
  const reader = timeReader(source_unit, source_format);
  const zone = timeZone(config.source_timezone);
  const isNumeric = pattern === undefined && format.startsWith("epoch_");
  const convert = (value: Value): Value | undefined => {
    if (isInfinity(value)) return isNumeric ? undefined : value;
    const time = reader.read(value);
    return time && writer.write(withZone(time, zone));
  };
  return convertFields({
    fields: config.fields.map((text) => parsePath(text, { ignoreCase: config.ignore_case })),
    conversionOf: (_index, column) => conversionOf(column),
    onError: config.on_error,
    parts: config.apply_to,
    verb: "convert the time of",
    counter: "timestamps_not_converted",
  }, context);

  function conversionOf(column: Column | undefined): Conversion {
    const type = writer.type(precisionOf(column, source_unit));
    switch (column?.type.kind) {
      case "timestamp":
      case "timestamptz":
      case "date":
      case "int16":
      case "int32":
      case "int64":
      case "uint64":
        // Only infinity can't be converted, and an integer column can't keep it.
        return { convert, type, neverKeeps: true };
      case "string":
        // Texts that are no times stay, and nobody knows which.
        return config.on_error === "keep" && !isNumeric
          ? { convert, type: { kind: "string" }, keptFits: true }
          : { convert, type };
      default:
        return { convert, type };
    }
  }
}
