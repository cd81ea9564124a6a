/** What set_null is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { compileRegex } from "../../formats/data/regex.ts";
import {
  allowUnmatchedFields,
  fieldList,
  fieldNames,
  FIELDS_TEXT,
  selectorProblems,
} from "../_protection/config_keys.ts";
import { ignoreCase } from "../_shared/common_keys.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  fields: fieldNames.describe(`The fields that become null: ${FIELDS_TEXT}`),
  condition: z.union([
    z.string(),
    z.strictObject({ equals: z.union([z.string(), z.number(), z.boolean()]).describe("This value") }),
    z.strictObject({
      matches: z.string().min(1).describe("A text in which this regular expression finds something"),
    }),
  ]).default("always").describe(
    "Which values become null: always; if_empty: empty texts; any other text is a regular expression that finds " +
      "something in them; {equals: value}; {matches: expression}",
  ),
  ignore_case: ignoreCase,
  allow_unmatched_fields: allowUnmatchedFields,
});

export type SetNullConfig = z.output<typeof config>;

const definition: TransformDefinition<SetNullConfig> = defineTransform({
  type: "set_null",
  title: "Set fields to null",
  summary: "Replaces values by null, all or those that a condition finds",
  description:
    "Works on both images of a change and inside objects and arrays. The columns may be null from here on. Columns of " +
    "the key are refused. A record that can't be changed does not pass, and its dead letter holds no row.",
  config,
  protects: true,
  upgradeConfig(config) {
    const { condition } = config;
    const upgraded = {
      ...config,
      fields: fieldList(config.fields),
      ...(condition === "empty" ? { condition: "if_empty" } : {}),
    };
    return { config: upgraded, notes: [] };
  },
  checkConfig({ fields, condition }) {
    const problems = selectorProblems(fields.map((field, i) => [`fields.${i}`, field]));
    const expression = typeof condition === "string"
      ? condition
      : "matches" in condition
      ? condition.matches
      : "";
    try {
      compileRegex(expression);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      problems.push({ key: "condition", message, hint: "Write always, if_empty or a regular expression" });
    }
    return problems;
  },
  example,
});

export default definition;
