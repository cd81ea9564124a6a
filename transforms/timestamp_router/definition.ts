/** What timestamp_router is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { selectionProblems, tables } from "../_shared/selection.ts";
import { upgradeKeys } from "../_shared/spellings.ts";
import { topicProblem } from "../_shared/topics.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import { dateFormat } from "./date_format.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  topic_format: z.string().min(1).default("${topic}-${timestamp}").describe(
    "The new topic; ${topic} stands for the topic so far (`schema.table` where none is decided), ${timestamp} for the time",
  ),
  timestamp_format: z.string().min(1).default("yyyyMMdd").describe(
    "How the time is written, as a pattern of Java's: y year, M month, d day, D day of the year, H hour, m minute, s " +
      "second, S millisecond, E weekday; other letters stand in single quotes. In UTC",
  ),
  tables,
});

export type TimestampRouterConfig = z.output<typeof config>;

const definition: TransformDefinition<TimestampRouterConfig> = defineTransform({
  type: "timestamp_router",
  title: "Route records to topics by time",
  summary: "Sets topics that have the time of the record in their names",
  description:
    "The time is when the change was committed, or the time of the message. It goes into the topic of every record, " +
    "tombstones included, which have the time of their delete.",
  config,
  upgradeConfig: (config) =>
    upgradeKeys(config, { "topic.format": "topic_format", "timestamp.format": "timestamp_format" }),
  checkConfig(config) {
    const problems = selectionProblems({ tables: config.tables });
    const unknown = [...config.topic_format.matchAll(/\$\{([^}]*)\}/g)].find(([, name]) =>
      name !== "topic" && name !== "timestamp"
    );
    if (unknown) {
      problems.push({
        key: "topic_format",
        message: `There is no placeholder "${unknown[0]}"`,
        hint: "Use ${topic} and ${timestamp}",
      });
    }
    try {
      const text = dateFormat(config.timestamp_format).text(0);
      const message = topicProblem(
        config.topic_format.replace(/\$\{topic\}/g, "t").replace(/\$\{timestamp\}/g, () => text),
      );
      if (message && !unknown) problems.push({ key: "timestamp_format", message });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      problems.push({ key: "timestamp_format", message: error.message });
    }
    return problems;
  },
  example,
});

export default definition;
