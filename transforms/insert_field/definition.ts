/** What insert_field is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { applyToAfter } from "../_shared/common_keys.ts";
import { pathProblem } from "../_shared/paths.ts";
import { upgradeKeys } from "../_shared/spellings.ts";
import { template } from "../_shared/templates.ts";
import { TIME_FORMAT_NAMES, TIME_FORMATS } from "../_shared/time_formats.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const name = z.string().min(1);

const config = z.strictObject({
  static_fields: z.record(name, z.json()).default({}).describe(
    "Name → value, the same in every row: any JSON",
  ),
  templates: z.record(name, z.string()).default({}).describe(
    "Name → text with facts about the record in braces: {database}.{table}, {op}, {source.lsn}; {{ is a brace",
  ),
  copy_fields: z.record(name, name).default({}).describe(
    "New name → the field of the row whose value it gets",
  ),
  event_timestamp_field: name.optional().describe(
    "Gets the time of the event: the commit, the message's own time",
  ),
  timestamp_field: name.optional().describe(
    "Gets the time at which the record is processed; reading again gives another one, so event_timestamp_field is better",
  ),
  date_field: name.optional().describe("Gets the day on which the record is processed, in UTC"),
  timestamp_format: z.enum(TIME_FORMATS).default("iso8601").describe(
    "How both times are written. iso8601: 2024-03-01T10:00:00.123456+00:00; rfc3339_z: with Z; epoch_secs, epoch_millis, " +
      "epoch_micros, epoch_nanos: integers since 1970; date; time",
  ),
  topic_field: name.optional().describe(
    "Gets the topic, as far as it is decided: by routing, or the queue that was read",
  ),
  partition_field: name.optional().describe(
    "Gets the partition that the record was read from; null for databases",
  ),
  offset_field: name.optional().describe("Gets the offset that the record was read from; null for databases"),
  key_field: name.optional().describe("Gets the whole key: an object, or text where the key is no object"),
  uuid_field: name.optional().describe(
    "Gets a UUID (version 5) of the event itself: its source, stream and place in the order, so that reading again gives " +
      "the same one",
  ),
  overwrite: z.boolean().default(true).describe(
    "Fields that are there already are replaced; false: they stay",
  ),
  apply_to: applyToAfter,
});

export type InsertFieldConfig = z.output<typeof config>;

/** Keys whose value is one field's name. */
const SINGLE = [
  "event_timestamp_field",
  "timestamp_field",
  "date_field",
  "topic_field",
  "partition_field",
  "offset_field",
  "key_field",
  "uuid_field",
] as const;

const definition: TransformDefinition<InsertFieldConfig> = defineTransform({
  type: "insert_field",
  aliases: { add_field: {} },
  title: "Add fields",
  summary: "Adds fixed values, times, copies and facts about the record to rows",
  description:
    "Fields are added behind the others, in the order of the keys here; columns with their types follow. By default only " +
    "the row after the change gets them, so deletes stay as they are: see apply_to. A copy of a column that was not sent " +
    "counts as not sent itself.",
  config,
  upgradeConfig(config) {
    // Earlier versions: add_field {field, value}.
    const { field, value, ...others } = config;
    const isPair = typeof field === "string" && value !== undefined && config.static_fields === undefined;
    const upgraded = upgradeKeys(isPair ? { ...others, static_fields: { [field]: value } } : config, {
      "topic.field": kafkaName("topic_field"),
      "partition.field": kafkaName("partition_field"),
      "offset.field": kafkaName("offset_field"),
      "timestamp.field": kafkaName("event_timestamp_field"),
      "static.field": (value, { "static.value": text, ...config }) => ({
        ...config,
        static_fields: { ...config.static_fields as Record<string, unknown>, [bareName(value)]: text },
      }),
      copy_field: "copy_fields",
      "replace.null.with.default": (_value, config) => config,
    });
    if (isPair) upgraded.notes.push("field and value are written as static_fields here");
    const { timestamp_format: format } = upgraded.config;
    if (typeof format === "string" && Object.hasOwn(TIME_FORMAT_NAMES, format)) {
      upgraded.config = { ...upgraded.config, timestamp_format: TIME_FORMAT_NAMES[format] };
    }
    return upgraded;
  },
  checkConfig(config) {
    const { static_fields, templates, copy_fields } = config;
    const problems: { key: string; message: string; hint?: string }[] = [];
    const seen = new Map<string, string>();
    const claim = (key: string, name: string) => {
      const other = seen.get(name);
      if (other !== undefined) problems.push({ key, message: `"${name}" is the field of ${other} already` });
      seen.set(name, key);
    };
    for (const [name, value] of Object.entries(static_fields)) {
      claim(`static_fields.${name}`, name);
      if (isInexact(value)) {
        problems.push({
          key: `static_fields.${name}`,
          message: "Holds an integer beyond 2⁵³, which can't be kept exactly",
          hint: "Write it in quotes",
        });
      }
    }
    for (const [name, text] of Object.entries(templates)) {
      claim(`templates.${name}`, name);
      try {
        template(text);
      } catch (error) {
        problems.push({ key: `templates.${name}`, message: (error as Error).message });
      }
    }
    for (const [name, path] of Object.entries(copy_fields)) {
      claim(`copy_fields.${name}`, name);
      const message = pathProblem(path);
      if (message) problems.push({ key: `copy_fields.${name}`, message });
    }
    for (const key of SINGLE) if (config[key] !== undefined) claim(key, config[key]);
    if (seen.size === 0) {
      problems.push({
        key: "",
        message: "Names no field to add",
        hint: "Give static_fields, templates or one of the others",
      });
    }
    return problems;
  },
  example,
});

/** Kafka Connect marks required and optional fields with ! and ?. */
function bareName(value: unknown): string {
  return String(value).replace(/[!?]$/, "");
}

function kafkaName(
  key: string,
): (value: unknown, config: Record<string, unknown>) => Record<string, unknown> {
  return (value, config) => ({ ...config, [key]: bareName(value) });
}

function isInexact(value: unknown): boolean {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  return value !== null && typeof value === "object" && Object.values(value).some(isInexact);
}

export default definition;
