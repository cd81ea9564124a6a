/** What dedupe is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { fieldList } from "../_protection/config_keys.ts";
import { pathProblem } from "../_shared/paths.ts";
import { upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  key_strategy: z.enum(["position", "content", "fields"]).default("position").describe(
    "When a message is one that came before. position: by its place, where the source has one, otherwise by content; " +
      "content: topic or table, key, time and payload are the same; fields: so are these fields. A change of a " +
      "database is told by its place in the log whatever stands here",
  ),
  fields: z.array(z.string().min(1)).default([]).describe("key_strategy: fields: what a message is told by"),
  ttl_seconds: z.int().min(1).max(31_536_000).default(3600).describe("So long is remembered what came"),
  max_entries: z.int().min(1).max(50_000_000).default(100_000).describe(
    "So much is remembered at most; what was not seen for the longest time goes first. 1 million take about 100 MB",
  ),
  include_time: z.boolean().default(true).describe(
    "content, fields: false: the time of a message doesn't count, so that one sent again later is dropped too",
  ),
});

export type DedupeConfig = z.output<typeof config>;

const definition: TransformDefinition<DedupeConfig> = defineTransform({
  type: "dedupe",
  title: "Drop duplicates",
  summary: "Drops what came before within a time",
  description:
    "For messages that are sent again, as queues do, and for changes that stand twice in a topic. What the runtime reads " +
    "again itself after a restart needs no transform. A change is only dropped when the very same change came before: " +
    "same place in the log. So the second update of a row, or one that repeats what an earlier one did, always passes; " +
    "rows of a snapshot pass too. What was seen is forgotten after a restart. Counter: events_deduplicated_total.",
  config,
  upgradeConfig(config) {
    const upgraded = upgradeKeys(config, {
      window_secs: "ttl_seconds",
      lru_size: "max_entries",
      bloom_expected_insertions: (_, config) => config,
      bloom_fpp: (_, config) => config,
    });
    return { ...upgraded, config: { ...upgraded.config, fields: fieldList(upgraded.config.fields) } };
  },
  checkConfig({ key_strategy, fields }) {
    const problems = fields.flatMap((field, i) => {
      const message = pathProblem(field);
      return message === undefined ? [] : [{ key: `fields.${i}`, message }];
    });
    if ((key_strategy === "fields") === (fields.length > 0)) return problems;
    return [
      ...problems,
      fields.length > 0
        ? { key: "fields", message: "fields has no effect here", hint: "Write key_strategy: fields" }
        : { key: "key_strategy", message: "No field is named", hint: "Give fields: [event_id]" },
    ];
  },
  example,
});

export default definition;
