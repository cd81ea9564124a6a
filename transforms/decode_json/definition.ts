/** What decode_json is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { applyTo, ignoreCase } from "../_shared/common_keys.ts";
import { fieldProblems } from "../_shared/field_changes.ts";
import { listOf } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  fields: z.array(z.string().min(1)).default([]).describe("The fields: names, paths, patterns with * and ?"),
  messages: z.boolean().default(false).describe(
    "The content of logical messages (pg_logical_emit_message) becomes what its JSON says, instead of base64",
  ),
  on_error: z.enum(["keep", "null", "fail"]).default("keep").describe(
    "What becomes of texts that are no JSON: they stay, become null, or the record is rejected. Those that stay or become null " +
      "are counted",
  ),
  apply_to: applyTo,
  ignore_case: ignoreCase,
});

export type DecodeJsonConfig = z.output<typeof config>;

const definition: TransformDefinition<DecodeJsonConfig> = defineTransform({
  type: "decode_json",
  aliases: { decode_logical_decoding_message_content: { messages: true } },
  title: "Parse JSON in texts",
  summary: "Turns texts and bytes that hold JSON into what they say",
  description:
    "Works on both images of a change and on the key. Integers keep all their digits. The column becomes a JSON column, in which " +
    "a text that stays is a JSON text. Values that are no texts stay as they are.",
  config,
  upgradeConfig(config) {
    const { fields } = config;
    return { config: typeof fields === "string" ? { ...config, fields: listOf(fields) } : config, notes: [] };
  },
  checkConfig({ fields, messages }) {
    const problems = fieldProblems("fields", fields);
    if (fields.length === 0 && !messages) problems.push({ key: "fields", message: "Names no field" });
    return problems;
  },
  example,
});

export default definition;
