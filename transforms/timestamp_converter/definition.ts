/** What timestamp_converter is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { applyTo, ignoreCase } from "../_shared/common_keys.ts";
import { fieldProblems } from "../_shared/field_changes.ts";
import { listOf, upgradeKeys } from "../_shared/spellings.ts";
import { TIME_FORMAT_NAMES, TIME_FORMATS } from "../_shared/time_formats.ts";
import { compileTimePattern } from "../_shared/time_pattern.ts";
import { timeZoneProblem } from "../_shared/time_zones.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  fields: z.array(z.string().min(1)).min(1).describe("The fields: names, paths, patterns with * and ?"),
  format: z.enum(TIME_FORMATS).default("iso8601").describe(
    "What comes out. iso8601: 2024-03-01T10:00:00+00:00; rfc3339_z: the same in UTC with Z; epoch_secs, epoch_millis, " +
      "epoch_micros, epoch_nanos: integers since 1970, cut off downwards; date: 2024-03-01; time: 10:00:00",
  ),
  pattern: z.string().min(1).optional().describe(
    "What comes out, instead of format: a strftime pattern (%Y-%m-%d %H:%M:%S) or one of Unicode's letters " +
      "(yyyy-MM-dd HH:mm:ss)",
  ),
  timezone: z.string().min(1).optional().describe(
    "The time zone of what comes out, such as Europe/Berlin or +02:00. Left out: the one that came, of times without a " +
      "zone source_timezone's",
  ),
  output_precision: z.int().min(0).max(9).optional().describe(
    "Digits after the second in what comes out; the others are cut off. Left out: as many as came",
  ),
  source_unit: z.enum(["auto", "seconds", "millis", "micros", "nanos"]).default("auto").describe(
    "What numbers count since 1970; auto decides by their size: below 10¹¹ seconds, below 10¹⁴ milliseconds, below 10¹⁷ " +
      "microseconds, above nanoseconds",
  ),
  source_timezone: z.string().min(1).default("UTC").describe("The time zone of times that come without one"),
  source_format: z.string().min(1).optional().describe(
    "How texts that come in are read, as for pattern. Left out: RFC 3339 and what databases write",
  ),
  on_error: z.enum(["keep", "null", "fail"]).default("keep").describe(
    "What becomes of values that are no time: they stay, become null, or the record is rejected. Those that stay or " +
      "become null are counted",
  ),
  apply_to: applyTo,
  ignore_case: ignoreCase,
});

export type TimestampConverterConfig = z.output<typeof config>;

const definition: TransformDefinition<TimestampConverterConfig> = defineTransform({
  type: "timestamp_converter",
  title: "Convert times",
  summary: "Writes dates and times in another form: text, integers since 1970, patterns",
  description:
    "Works on both images of a change and on the key. Times keep all their digits, up to nanoseconds; infinity stays as " +
    "text, and is an error where an integer is to come out of a column that holds times. Of a column's type it is known " +
    "what comes out, so the column's new type is too; of texts that may stay as they are it is not. A time that a change " +
    "of the clocks made ambiguous counts as the earlier one.",
  config,
  upgradeConfig(config) {
    const upgraded = upgradeKeys(config, {
      field: (field, config) => ({ ...config, fields: [field] }),
      "target.type": (value, config) => ({ ...config, ...kafkaTarget(String(value), config) }),
      "unix.precision": (_value, config) => config,
      "replace.null.with.default": (_value, config) => config,
    });
    const { fields, format } = upgraded.config;
    if (typeof fields === "string") upgraded.config = { ...upgraded.config, fields: listOf(fields) };
    const canonical = typeof format === "string" && Object.hasOwn(TIME_FORMAT_NAMES, format)
      ? TIME_FORMAT_NAMES[format]
      : undefined;
    if (canonical) upgraded.config = { ...upgraded.config, format: canonical };
    return upgraded;
  },
  checkConfig({ fields, pattern, source_format, timezone, source_timezone }) {
    const problems = fieldProblems("fields", fields);
    for (const [key, text] of Object.entries({ pattern, source_format })) {
      try {
        if (text !== undefined) compileTimePattern(text);
      } catch (error) {
        problems.push({ key, message: (error as Error).message });
      }
    }
    for (const [key, name] of Object.entries({ timezone, source_timezone })) {
      const message = name === undefined ? undefined : timeZoneProblem(name);
      if (message) problems.push({ key, message, hint: "Write one such as Europe/Berlin, UTC or +02:00" });
    }
    return problems;
  },
  example,
});

/** Kafka Connect's `target.type`, with its `format` (a Java pattern, for reading too) and `unix.precision`. */
function kafkaTarget(type: string, config: Record<string, unknown>): Record<string, unknown> {
  const { format } = config;
  const reads = typeof format === "string" ? { source_format: format } : {};
  switch (type) {
    case "string":
      return { pattern: format, format: undefined };
    case "unix": {
      const units: Record<string, string> = {
        seconds: "epoch_secs",
        milliseconds: "epoch_millis",
        microseconds: "epoch_micros",
        nanoseconds: "epoch_nanos",
      };
      return { ...reads, format: units[String(config["unix.precision"] ?? "milliseconds")] };
    }
    case "Date":
      return { ...reads, format: "date" };
    case "Time":
      return { ...reads, format: "time" };
    case "Timestamp":
      return { ...reads, format: "rfc3339_z" };
    default:
      return { format: type };
  }
}

export default definition;
