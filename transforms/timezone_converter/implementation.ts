/** Times in another time zone: the work of timezone_converter. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import type { Column, Value } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { type Conversion, convertFields } from "../_shared/field_changes.ts";
import { parsePath } from "../_shared/paths.ts";
import { timeWriter } from "../_shared/time_formats.ts";
import { isInfinity, precisionOf, timeReader } from "../_shared/time_readers.ts";
import { atOffset, type DateTime } from "../_shared/times.ts";
import { localIn, timeZone } from "../_shared/time_zones.ts";
import type { TimezoneConverterConfig } from "./definition.ts";

export function openTransform(config: TimezoneConverterConfig, context: TransformContext): Transform {
  const { to, date_only, format, dst_ambiguous, dst_gap, on_error } = config;
  const from = timeZone(config.from ?? "UTC");
  const reader = timeReader("auto", undefined);
  const writer = timeWriter({ format: date_only ? "date" : "iso8601", pattern: format, timezone: to });
  const mayKeep = dst_ambiguous === "keep" || dst_gap === "keep";

  /** The moment that is meant; undefined: the clocks leave it open, and the value is to stay as it is. */
  const momentOf = (time: DateTime): DateTime | undefined => {
    if (time.offset !== undefined) return time;
    const local = localIn(time, from);
    if (local.kind === "one") return atOffset(local.seconds, time.nanos, time.digits, 0);
    const rule = local.kind === "gap" ? dst_gap : dst_ambiguous;
    if (rule === "keep") return undefined;
    if (rule === "fail") {
      throw new RecordError(
        `A local time can't be converted: in ${from.name} there was ${
          local.kind === "gap"
            ? "no such time when clocks were put forward"
            : "such a time twice when clocks were put back"
        }`,
        { code: "schema_conversion" },
      );
    }
    const seconds = local.kind === "gap" ? local.shifted : rule === "later" ? local.later : local.earlier;
    return atOffset(seconds, time.nanos, time.digits, 0);
  };

  const convert = (value: Value): Value | undefined => {
    if (isInfinity(value)) return value;
    const time = reader.read(value);
    if (!time) return undefined;
    const moment = momentOf(time);
    return moment === undefined ? value : writer.write(moment);
  };

  function conversionOf(column: Column | undefined): Conversion | undefined {
    const type = writer.type(precisionOf(column, "auto"));
    const conversion = (others: Partial<Conversion>): Conversion => ({ convert, type, ...others });
    switch (column?.type.kind) {
      case "timestamptz":
        return conversion({ neverKeeps: true });
      case "timestamp":
      case "date":
        if (config.from === undefined) return undefined;
        // A text without a zone would not fit a column whose times have one.
        return mayKeep
          ? conversion({ type: { kind: "string" }, keptFits: true })
          : conversion({ neverKeeps: true });
      case "string":
        return on_error === "keep" || mayKeep
          ? conversion({ type: { kind: "string" }, keptFits: true })
          : conversion({});
      default:
        return conversion({});
    }
  }

  return convertFields({
    fields: config.fields.map((text) => parsePath(text, { ignoreCase: config.ignore_case })),
    conversionOf: (_index, column) => conversionOf(column),
    onError: on_error,
    parts: config.apply_to,
    verb: "convert the time zone of",
    counter: "timezones_not_converted",
  }, context);
}
