/** What header_to_value is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { applyToAfter } from "../_shared/common_keys.ts";
import { eventField } from "../_shared/event_fields.ts";
import { pathProblem } from "../_shared/paths.ts";
import { listOf, upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import { sourceOf } from "./sources.ts";
import example from "./example.gen.ts";

const name = z.string().min(1);

const config = z.strictObject({
  headers: z.record(name, name).default({}).describe(
    "Header of the message → the field of the row that gets it, a name or a path; a header that is not there gives none",
  ),
  fields: z.record(name, name).default({}).describe(
    "Fact about the record → the field that gets it: source_type, database, schema, table, op, timestamp (seconds), " +
      "transaction_id, ts_ms, topic, order, or a path such as source.lsn; null where there is none",
  ),
  all_headers_prefix: z.string().optional().describe(
    "Adds source_type, database, schema, table, op and ts (seconds), each behind this prefix",
  ),
  operation: z.enum(["copy", "move"]).default("copy").describe("Whether headers stay, or leave the message"),
  parse_json: z.boolean().default(false).describe(
    "Headers that are JSON become what they say; otherwise all are text",
  ),
  apply_to: applyToAfter,
});

export type HeaderToValueConfig = z.output<typeof config>;

const definition: TransformDefinition<HeaderToValueConfig> = defineTransform({
  type: "header_to_value",
  title: "Headers into the row",
  summary: "Copies or moves headers of the message, and facts about it, into the row",
  description:
    "Headers are what Kafka, MQTT and other queues send beside a message; facts are what the envelope says about a change. " +
    "Both become fields of the row, with columns where the stream has some: headers are text, or of unknown type with " +
    "parse_json. Bytes that are no UTF-8 become base64.",
  config,
  upgradeConfig(config) {
    // Earlier versions wrote move: true; Debezium writes two lists, of headers and of fields.
    const { headers, fields } = config;
    const names = listOf(headers), targets = listOf(fields);
    if (Array.isArray(names) && Array.isArray(targets) && names.length === targets.length) {
      const { fields: _fields, ...others } = config;
      const pairs = Object.fromEntries(names.map((name, i) => [name, targets[i]]));
      return {
        config: { ...others, headers: pairs },
        notes: ["headers and fields as two lists are written as one map here"],
      };
    }
    const upgraded = upgradeKeys(config, {
      move: (value, config) => ({ ...config, operation: value === true ? "move" : "copy" }),
    });
    if (Array.isArray(names) && fields === undefined) {
      upgraded.config = {
        ...upgraded.config,
        headers: Object.fromEntries(names.map((name) => [name, `\`${name}\``])),
      };
    }
    return upgraded;
  },
  checkConfig({ headers, fields, all_headers_prefix }) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    for (const [key, map] of Object.entries({ headers, fields })) {
      for (const [from, to] of Object.entries(map)) {
        const message = pathProblem(to);
        if (message) problems.push({ key: `${key}.${from}`, message });
      }
    }
    for (const fact of Object.keys(fields)) {
      try {
        eventField(sourceOf(fact));
      } catch (error) {
        problems.push({ key: `fields.${fact}`, message: (error as Error).message });
      }
    }
    if (Object.keys(headers).length + Object.keys(fields).length === 0 && all_headers_prefix === undefined) {
      problems.push({
        key: "",
        message: "Neither headers nor fields say what to add",
        hint: "Give at least one of them",
      });
    }
    return problems;
  },
  example,
});

export default definition;
