/** What cast is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { COLUMN_TYPE_NAMES, parseColumnType } from "../_shared/column_types.ts";
import { applyTo, ignoreCase } from "../_shared/common_keys.ts";
import { fieldProblems } from "../_shared/field_changes.ts";
import { mapOf, upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  specs: z.record(z.string().min(1), z.string().min(1)).default({}).describe(
    `Field → type. Fields are names, paths and patterns with * and ?; types are ${COLUMN_TYPE_NAMES}. integer and long ` +
      "mean int64, float and double mean float64",
  ),
  whole_value: z.string().min(1).optional().describe(
    "A type for values that are no rows, as messages of a queue may be",
  ),
  rounding: z.enum(["truncate", "half_even", "fail"]).optional().describe(
    "What becomes of digits after the point that the type has no room for: cut off, rounded (halves to the even " +
      "neighbour), or an error. Left out: integers cut off, decimals round",
  ),
  on_error: z.enum(["null", "keep", "fail"]).default("null").describe(
    "What becomes of values that can't be had in the type: they become null, stay, or the record is rejected. Those that " +
      "stay or become null are counted",
  ),
  null_to_string: z.boolean().default(false).describe(
    'Null becomes the text "null" where the type is string, as in earlier versions; otherwise null stays null',
  ),
  apply_to: applyTo,
  ignore_case: ignoreCase,
});

export type CastConfig = z.output<typeof config>;

const definition: TransformDefinition<CastConfig> = defineTransform({
  type: "cast",
  title: "Other types",
  summary: "Converts fields to other types, exactly or not at all",
  description:
    "Works on both images of a change and on the key; the types of the columns follow. No value goes through a rounded " +
    "number: integers have all their digits and are checked against the width, decimals are text. Booleans are read from " +
    "true, t, yes, y, on, 1 and their opposites; text becomes bytes as UTF-8, bytes become text as base64; text becomes JSON " +
    "by being parsed, and stays text where it is none (unless on_error is fail). Times are read as RFC 3339 and as " +
    "databases write them; for numbers that count since 1970 there is timestamp_converter.",
  config,
  upgradeConfig(config) {
    // Kafka Connect: `a:int32,b:string`, or one type for the whole value.
    const spec = config.spec;
    const isWhole = typeof spec === "string" && !spec.includes(":");
    const upgraded = upgradeKeys(config, {
      spec: isWhole ? "whole_value" : "specs",
      "replace.null.with.default": (_value, config) => config,
    });
    if (upgraded.config.specs !== undefined) {
      upgraded.config = { ...upgraded.config, specs: mapOf(upgraded.config.specs) };
    }
    return upgraded;
  },
  checkConfig({ specs, whole_value }) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    const checkType = (key: string, text: string) => {
      if (parseColumnType(text)) return;
      problems.push({
        key,
        message: `There is no type "${text}"`,
        hint: `Write one of ${COLUMN_TYPE_NAMES}`,
      });
    };
    for (const [field, type] of Object.entries(specs)) {
      problems.push(...fieldProblems("specs", [field]).map((one) => ({ ...one, key: `specs.${field}` })));
      checkType(`specs.${field}`, type);
    }
    if (whole_value !== undefined) checkType("whole_value", whole_value);
    if (Object.keys(specs).length === 0 && whole_value === undefined) {
      problems.push({
        key: "specs",
        message: "Names no field",
        hint: "Write field: type, as in price: decimal(12,2)",
      });
    }
    return problems;
  },
  example,
});

export default definition;
