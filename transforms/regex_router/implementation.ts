/** Sets topics by regular expressions on names: the work of regex_router. Loaded by workers. */
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import { compileRegex } from "../../formats/data/regex.ts";
import { selected } from "../_shared/selected.ts";
import { currentTopic, routedTopic, TopicStreams, TopicTemplate } from "../_shared/topics.ts";
import type { Transform } from "../contract.ts";
import type { RegexRouterConfig } from "./definition.ts";

/** Where earlier versions sent what no pattern matched. */
const LEGACY_TOPIC = "default";

export function openTransform(config: RegexRouterConfig): Transform {
  const topicFor = router(config);
  const isSelected = selected({ tables: config.tables });
  const streams = new TopicStreams();
  const routed = (stream: Stream) => {
    const topic = isSelected(stream) ? topicFor(stream) : undefined;
    return topic === undefined ? stream : streams.of(stream, routedTopic(topic, stream));
  };
  if (config.key_enforce_uniqueness) return uniqueKeys(config, topicFor, isSelected, routed);
  return {
    matches: (stream) => routed(stream) !== stream,
    stream: routed,
  };
}

/** The topic for a stream; undefined: none of the patterns says anything about it. */
function router(config: RegexRouterConfig): (stream: Stream) => string | undefined {
  const routes = config.routes.map(({ pattern, topic }) => {
    const regex = compileRegex(pattern, { anchored: config.anchored });
    return { regex, template: new TopicTemplate(topic, regex) };
  });
  const otherwise = config.default_topic ?? (config.legacy_default ? LEGACY_TOPIC : undefined);
  return (stream) => {
    const name = nameFor(config.match_on, stream);
    for (const { regex, template } of routes) {
      const match = regex.exec(name);
      if (match) return template.expand(match);
    }
    return otherwise;
  };
}

function nameFor(part: RegexRouterConfig["match_on"], stream: Stream): string {
  switch (part) {
    case "table":
      return qualifiedName(stream);
    case "topic":
      return currentTopic(stream);
    case "database":
      return stream.database ?? "";
  }
}

/** The same with a field in the keys that tells the tables apart. */
function uniqueKeys(
  config: RegexRouterConfig,
  topicFor: (stream: Stream) => string | undefined,
  isSelected: (stream: Stream) => boolean,
  routed: (stream: Stream) => Stream,
): Transform {
  const { key_field_name: field } = config;
  const valueFor = keyValue(config);
  const values = new WeakMap<Stream, string>();
  return {
    matches: (stream) => isSelected(stream) && topicFor(stream) !== undefined,
    stream(stream) {
      const to = routed(stream);
      const made: Stream = { ...to, key: to.key.length > 0 ? [...to.key, field] : to.key };
      values.set(made, valueFor(currentTopic(stream)));
      return made;
    },
    apply: (records) =>
      records.map((record): DataRecord => {
        const { key } = record;
        const value = values.get(record.stream);
        if (!key || key instanceof Uint8Array || value === undefined) return record;
        return { ...record, key: { ...key, [field]: value } };
      }),
  };
}

/** What stands in the key for a former topic: as Debezium has it, the topic where the pattern does not match. */
function keyValue({ key_field_regex, key_field_replacement }: RegexRouterConfig): (topic: string) => string {
  if (key_field_regex === undefined || key_field_replacement === undefined) return (topic) => topic;
  const regex = compileRegex(key_field_regex, { anchored: true });
  const template = new TopicTemplate(key_field_replacement, regex);
  return (topic) => {
    const match = regex.exec(topic);
    return match ? template.expand(match) : topic;
  };
}
