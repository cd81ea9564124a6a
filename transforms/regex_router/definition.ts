/** What regex_router is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { compileRegex } from "../../formats/data/regex.ts";
import { regexProblems, selectionProblems, tables } from "../_shared/selection.ts";
import { booleanOf, upgradeKeys } from "../_shared/spellings.ts";
import { topicProblem, TopicTemplate } from "../_shared/topics.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const text = z.string().min(1);

const config = z.strictObject({
  routes: z.array(z.strictObject({
    pattern: text.describe("A regular expression in JavaScript's syntax"),
    topic: text.describe(
      "The topic of what it matches; $1 or ${name} stand for its groups, $$ for a dollar sign",
    ),
  })).min(1).describe("Patterns and topics; the first that matches decides"),
  match_on: z.enum(["table", "topic", "database"]).default("table").describe(
    "What the patterns look at: `schema.table`, the topic so far (`schema.table` where none is decided), the database",
  ),
  anchored: z.boolean().default(false).describe(
    "Whether a pattern must match the whole name, as in Kafka Connect; otherwise it may match anywhere in it",
  ),
  default_topic: text.optional().describe(
    "The topic of what no pattern matches. Left out: the topic stays as it is",
  ),
  legacy_default: z.boolean().default(false).describe(
    "What no pattern matches goes to the topic `default`, as in earlier versions, where default_topic is left out",
  ),
  tables,
  key_enforce_uniqueness: z.boolean().default(false).describe(
    "Adds a field with the former topic to the keys of records that are routed, so that rows of several tables with " +
      "equal keys stay apart in one topic. Such records are parsed, and only their keys have the field",
  ),
  key_field_name: text.default("__dbz__physicalTableIdentifier").describe("Name of the field in the key"),
  key_field_regex: text.optional().describe(
    "A regular expression for the former topic, matched whole; what it matches becomes key_field_replacement",
  ),
  key_field_replacement: text.optional().describe("Value of the field in the key, with groups as $1"),
});

export type RegexRouterConfig = z.output<typeof config>;

const definition: TransformDefinition<RegexRouterConfig> = defineTransform({
  type: "regex_router",
  aliases: { by_logical_table_router: { match_on: "topic", anchored: true } },
  title: "Route tables to topics by name",
  summary: "Sets the topic of tables by regular expressions",
  description:
    "Looks at the name of a table, its topic or its database, and sets the topic, for every kind of record, tombstones " +
    "included. Rows are not looked at, so that batches pass unparsed, unless key_enforce_uniqueness is set. Routing by " +
    "values of a row is what content_router does. A topic's name that is too long is cut, with a hash behind it.",
  config,
  upgradeConfig(config) {
    const kafka = kafkaForm(config);
    const { config: upgraded, notes } = upgradeKeys(kafka.config, {
      "key.enforce.uniqueness": "key_enforce_uniqueness",
      "key.field.name": "key_field_name",
      "key.field.regex": "key_field_regex",
      "key.field.replacement": "key_field_replacement",
      "logical.table.cache.size": (_value, config) => config,
      "schema.name.adjustment.mode": (_value, config) => config,
    });
    if (upgraded.key_enforce_uniqueness !== undefined) {
      upgraded.key_enforce_uniqueness = booleanOf(upgraded.key_enforce_uniqueness);
    }
    return { config: upgraded, notes: [...kafka.notes, ...notes] };
  },
  checkConfig(config) {
    const problems = selectionProblems({ tables: config.tables });
    config.routes.forEach(({ pattern, topic }, i) => {
      const wrong = regexProblems(`routes.${i}.pattern`, pattern);
      problems.push(...wrong);
      if (wrong.length === 0) problems.push(...templateProblems(`routes.${i}.topic`, topic, pattern));
    });
    if (config.default_topic !== undefined) {
      const message = topicProblem(config.default_topic);
      if (message) problems.push({ key: "default_topic", message });
    }
    const { key_field_regex: regex, key_field_replacement: replacement } = config;
    if ((regex === undefined) !== (replacement === undefined)) {
      problems.push({
        key: regex === undefined ? "key_field_replacement" : "key_field_regex",
        message: "key_field_regex and key_field_replacement go together",
      });
    } else if (regex !== undefined) {
      const wrong = regexProblems("key_field_regex", regex);
      problems.push(...wrong);
      if (wrong.length === 0) {
        problems.push(...templateProblems("key_field_replacement", replacement!, regex));
      }
    }
    return problems;
  },
  example,
});

/** Kafka Connect's `regex`, `replacement`; Debezium's `topic.regex`, `topic.replacement`: whole topics. */
function kafkaForm(config: Record<string, unknown>): { config: Record<string, unknown>; notes: string[] } {
  const { regex, replacement, "topic.regex": topicRegex, "topic.replacement": topicReplacement, ...others } =
    config;
  if (config.routes !== undefined) return { config: { ...config }, notes: [] };
  const isDebezium = topicRegex !== undefined && topicReplacement !== undefined;
  if (!isDebezium && (regex === undefined || replacement === undefined)) {
    return { config: { ...config }, notes: [] };
  }
  const route = isDebezium
    ? { pattern: topicRegex, topic: topicReplacement }
    : { pattern: regex, topic: replacement };
  return {
    config: {
      match_on: "topic",
      anchored: true,
      ...(isDebezium && !("key.enforce.uniqueness" in others) ? { key_enforce_uniqueness: true } : {}),
      ...others,
      routes: [route],
    },
    notes: [
      `${
        isDebezium ? "topic.regex and topic.replacement" : "regex and replacement"
      } are a list of routes here, with ` +
      "match_on: topic and anchored: true",
    ],
  };
}

function templateProblems(
  key: string,
  template: string,
  pattern: string,
): { key: string; message: string }[] {
  try {
    new TopicTemplate(template, compileRegex(pattern));
    return [];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [{ key, message: error.message }];
  }
}

export default definition;
