/** What timezone_converter is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { applyTo, ignoreCase } from "../_shared/common_keys.ts";
import { fieldProblems } from "../_shared/field_changes.ts";
import { listOf, upgradeKeys } from "../_shared/spellings.ts";
import { compileTimePattern } from "../_shared/time_pattern.ts";
import { timeZoneProblem } from "../_shared/time_zones.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  fields: z.array(z.string().min(1)).min(1).describe("The fields: names, paths, patterns with * and ?"),
  from: z.string().min(1).optional().describe(
    "The time zone of times that come without one, such as America/New_York or -05:00. Left out: UTC, and columns whose " +
      "type has no zone stay as they are",
  ),
  to: z.string().min(1).default("UTC").describe("The time zone of what comes out"),
  date_only: z.boolean().default(false).describe("Only the day comes out: 2024-03-01"),
  format: z.string().min(1).optional().describe(
    "A pattern for what comes out, strftime's (%Y-%m-%d %H:%M) or of Unicode's letters; RFC 3339 with the offset when left " +
      "out",
  ),
  dst_ambiguous: z.enum(["earlier", "later", "fail", "keep"]).default("earlier").describe(
    "A local time that was twice, when clocks were put back: the earlier or the later one, the record is rejected, or the " +
      "value stays as it is",
  ),
  dst_gap: z.enum(["shift", "fail", "keep"]).default("shift").describe(
    "A local time that never was, when clocks were put forward: as long after the gap's start as it says, the record is " +
      "rejected, or the value stays as it is",
  ),
  on_error: z.enum(["keep", "null", "fail"]).default("keep").describe(
    "What becomes of values that are no time: they stay, become null, or the record is rejected. Those that stay or become " +
      "null are counted",
  ),
  apply_to: applyTo,
  ignore_case: ignoreCase,
});

export type TimezoneConverterConfig = z.output<typeof config>;

const definition: TransformDefinition<TimezoneConverterConfig> = defineTransform({
  type: "timezone_converter",
  title: "Convert time zones",
  summary: "Shows times in another time zone",
  description:
    "The moment stays the same, with all digits of its second; a text that has an offset is read by it, whatever `from` says. " +
    "Works on both images of a change and on the key. Zones have their rules of every year, daylight saving time too. A " +
    "date counts as its midnight.",
  config,
  upgradeConfig(config) {
    const upgraded = upgradeKeys(config, {
      "converted.timezone": "to",
      field: (field, config) => ({ ...config, fields: [field] }),
    });
    if (typeof upgraded.config.fields === "string") {
      upgraded.config = { ...upgraded.config, fields: listOf(upgraded.config.fields) };
    }
    return upgraded;
  },
  checkConfig({ fields, from, to, format, date_only }) {
    const problems = fieldProblems("fields", fields);
    for (const [key, name] of Object.entries({ from, to })) {
      const message = name === undefined ? undefined : timeZoneProblem(name);
      if (message) problems.push({ key, message, hint: "Write one such as Europe/Berlin, UTC or +02:00" });
    }
    try {
      if (format !== undefined) compileTimePattern(format);
    } catch (error) {
      problems.push({ key: "format", message: (error as Error).message });
    }
    if (format !== undefined && date_only) {
      problems.push({
        key: "format",
        message: "Says another form than date_only: true",
        hint: "Leave one of them out",
      });
    }
    return problems;
  },
  example,
});

export default definition;
