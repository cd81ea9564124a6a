/** What outbox_router is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { compileRegex } from "../../formats/data/regex.ts";
import { regexProblems, selectionProblems, tables } from "../_shared/selection.ts";
import { booleanOf } from "../_shared/spellings.ts";
import { TopicTemplate } from "../_shared/topics.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const column = z.string().min(1);

const placement = z.strictObject({
  field: column.describe("A column of the outbox table"),
  placement: z.enum(["header", "envelope"]).describe(
    "Where its value goes: into a header of the message, or beside `payload` into its value",
  ),
  alias: z.string().min(1).optional().describe("The name there; the column's when left out"),
});

const config = z.strictObject({
  table_field_event_id: column.default("id").describe(
    "The column with the unique id of an event; it becomes the header `id`",
  ),
  table_field_event_key: column.default("aggregateid").describe(
    "The column with the key of the message; its text is the key. Null: a message without a key",
  ),
  table_field_event_payload: column.default("payload").describe("The column with the message itself"),
  table_field_event_timestamp: column.optional().describe(
    "A column with the time of the message: a timestamp, or an integer of milliseconds since 1970. The time of the " +
      "commit when left out, and where it is null",
  ),
  table_expand_json_payload: z.boolean().default(false).describe(
    "A payload that is a text with a JSON object or array becomes that object or array; other texts stay. Columns of " +
      "type json are never texts",
  ),
  table_fields_additional_placement: z.array(placement).default([]).describe(
    "Further columns that go into headers or beside the payload; with one beside it the value is an object with the " +
      "member `payload`",
  ),
  table_fields_additional_error_on_missing: z.boolean().default(true).describe(
    "A row without such a column is an error; otherwise the column is left out",
  ),
  table_op_invalid_behavior: z.enum(["warn", "error", "fatal"]).default("warn").describe(
    "What becomes of an update, which no outbox table should have: it is dropped with a warning; it is an error of the " +
      "record, so that on_error decides; the pipeline stops",
  ),
  route_by_field: column.default("aggregatetype").describe("The column whose value the topic is made of"),
  route_topic_regex: z.string().min(1).default("(?<routedByValue>.*)").describe(
    "A regular expression for that value, matched whole; where it doesn't match, the value is the topic",
  ),
  route_topic_replacement: z.string().min(1).default("outbox.event.${routedByValue}").describe(
    "The topic, with groups of the regular expression as ${name} or $1",
  ),
  route_tombstone_on_empty_payload: z.boolean().default(false).describe(
    "A null or blank payload becomes a tombstone: a key without a value",
  ),
  tables: tables.describe(
    "The outbox tables: `schema.table`, `*` and `?` stand for parts of a name, `/…/` is a regular expression. Left " +
      "out: the tables that have the columns for id, key, payload and route, and those whose columns are not known",
  ),
});

export type OutboxRouterConfig = z.output<typeof config>;

const definition: TransformDefinition<OutboxRouterConfig> = defineTransform({
  type: "outbox_router",
  aliases: { event_router: {}, outbox_event_router: {} },
  title: "Publish the events of an outbox table",
  summary: "Makes messages of the rows of an outbox table, each in the topic that its row names",
  description:
    "An inserted row, also one of a snapshot, becomes a message: payload as the value, written by itself in every " +
    "layout, the aggregate's id as the key, the event's id as a header. Deletes, tombstones and truncations of the " +
    "outbox table are cleaning up and are dropped. Records of other tables pass. As Debezium's outbox event router, " +
    "whose keys are spelled with _ here. A header can't choose a partition, so that the placement `partition` is refused.",
  config,
  upgradeConfig(config) {
    const upgraded: Record<string, unknown> = {};
    const notes: string[] = [];
    for (const [key, value] of Object.entries(config)) {
      const name = key.replaceAll(".", "_");
      // Schemas of Kafka Connect and tracing have no counterpart; these say nothing about what is published.
      if (name === "debezium_op_invalid_behavior") {
        upgraded.table_op_invalid_behavior = value;
        notes.push(`${key} is called table_op_invalid_behavior here`);
        continue;
      }
      if (name === "table_json_payload_null_behavior" || name.startsWith("tracing_")) {
        notes.push(`${key} has no effect here`);
        continue;
      }
      if (name !== key) notes.push(`${key} is called ${name} here`);
      upgraded[name] = BOOLEANS.has(name) ? booleanOf(value) : value;
    }
    const placements = upgraded.table_fields_additional_placement;
    if (typeof placements === "string") {
      upgraded.table_fields_additional_placement = placements.split(",").filter((text) => text.trim() !== "")
        .map((text) => {
          const [field, placement, alias] = text.split(":").map((part) => part.trim());
          return { field, placement, ...(alias ? { alias } : {}) };
        });
      notes.push("table_fields_additional_placement is a list of {field, placement, alias} here");
    }
    return { config: upgraded, notes };
  },
  checkConfig(config) {
    const problems = selectionProblems({ tables: config.tables });
    const wrong = regexProblems("route_topic_regex", config.route_topic_regex);
    problems.push(...wrong);
    if (wrong.length === 0) {
      try {
        new TopicTemplate(config.route_topic_replacement, compileRegex(config.route_topic_regex));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        problems.push({ key: "route_topic_replacement", message: error.message });
      }
    }
    const names = new Set<string>(["envelope:payload", "header:id"]);
    config.table_fields_additional_placement.forEach(({ field, placement, alias = field }, i) => {
      const name = `${placement}:${alias}`;
      if (names.has(name)) {
        problems.push({
          key: `table_fields_additional_placement.${i}`,
          message: `There is something else called "${alias}" in the ${placement}`,
          hint: "Give it an alias of its own",
        });
      }
      names.add(name);
    });
    return problems;
  },
  unwraps: true,
  example,
});

const BOOLEANS: ReadonlySet<string> = new Set([
  "table_expand_json_payload",
  "table_fields_additional_error_on_missing",
  "route_tombstone_on_empty_payload",
]);

export default definition;
