/** What value_to_header is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { pathProblem } from "../_shared/paths.ts";
import { listOf, upgradeKeys } from "../_shared/spellings.ts";
import { template } from "../_shared/templates.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const name = z.string().min(1);

const config = z.strictObject({
  fields: z.record(name, name).default({}).describe(
    "Field of the row, a name or a path → the header that gets its value; what is not there or null gives none",
  ),
  static_headers: z.record(name, z.string()).default({}).describe("Header → text, the same for every record"),
  templates: z.record(name, z.string()).default({}).describe(
    "Header → text with facts about the record in braces: {database}.{table}, {op}, {source.lsn}; {{ is a brace",
  ),
  operation: z.enum(["copy", "move"]).default("copy").describe(
    "Whether the fields stay in the row, or leave it",
  ),
  overwrite: z.boolean().default(true).describe(
    "Headers of the same name are replaced; false: the new one is added beside them",
  ),
});

export type ValueToHeaderConfig = z.output<typeof config>;

const definition: TransformDefinition<ValueToHeaderConfig> = defineTransform({
  type: "value_to_header",
  aliases: { insert_header: {}, header_from: {} },
  title: "Add headers",
  summary: "Gives messages headers: fields of the row, fixed texts, facts about the record",
  description:
    "Headers travel beside the message and are written by sinks that have some (Kafka, MQTT, SQS, HTTP); the Rivven broker's " +
    "messages have none. Texts stay as they are, other values are written as JSON. Values come from the row after the " +
    "change, of deletes from the row before it. A field that is moved leaves both images and its column goes; columns of " +
    "the key can only be copied.",
  config,
  upgradeConfig(config) {
    // Kafka Connect: HeaderFrom {headers, fields, operation}, InsertHeader {header, value.literal}.
    const names = listOf(config.headers), fields = listOf(config.fields);
    if (Array.isArray(names) && Array.isArray(fields) && names.length === fields.length) {
      const { headers: _headers, ...others } = config;
      return {
        config: { ...others, fields: Object.fromEntries(fields.map((field, i) => [field, names[i]])) },
        notes: ["headers and fields as two lists are written as one map here"],
      };
    }
    return upgradeKeys(config, {
      header: (value, { "value.literal": literal, value: text, ...config }) => ({
        ...config,
        static_headers: { [String(value)]: literal ?? text },
      }),
      headers: "static_headers",
    });
  },
  checkConfig({ fields, static_headers, templates }) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    for (const path of Object.keys(fields)) {
      const message = pathProblem(path);
      if (message) problems.push({ key: `fields.${path}`, message });
    }
    for (const [header, text] of Object.entries(templates)) {
      try {
        template(text);
      } catch (error) {
        problems.push({ key: `templates.${header}`, message: (error as Error).message });
      }
    }
    if ([fields, static_headers, templates].every((map) => Object.keys(map).length === 0)) {
      problems.push({
        key: "",
        message: "Names no header to add",
        hint: "Give fields, static_headers or templates",
      });
    }
    return problems;
  },
  example,
});

export default definition;
