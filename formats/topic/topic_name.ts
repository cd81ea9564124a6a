/**
 * `cdc.{schema}.{table}` → the topic of a stream. The keys that hold patterns are checked with it; sinks that publish
 * to a broker and the routing of sources ask it once for each stream.
 */
import type { Stream } from "../data/stream.ts";
import { type Normalization, normalize, shorten } from "./normalization.ts";

/** What a placeholder stands for. */
export const PLACEHOLDERS: Readonly<Record<string, string>> = {
  source: "the source's name in the pipeline file",
  database: "the database",
  namespace: "the schema; MySQL: the database",
  schema: "the same as {namespace}",
  stream: "the table, topic or queue",
  table: "the same as {stream}",
};

/** Where a pattern has a placeholder and the stream nothing to put there. */
const UNKNOWN = "_unknown_";

/** What is wrong with a pattern, in a sentence; undefined when it is right. */
export function patternProblem(pattern: string): string | undefined {
  for (const [, name] of pattern.matchAll(/\{([^{}]*)\}/g)) {
    if (OF_RECORDS.test(name)) {
      const why = name.startsWith("field:")
        ? "is not the same for all records of a table, which have one topic here"
        : "would send the changes of one row to several topics, where nothing keeps their order";
      return `"{${name}}" ${why}: if that is what you want, use the transform content_router with ` +
        `topic_expression: "${expressionOf(pattern)}"`;
    }
    if (!(name in PLACEHOLDERS)) {
      const known = Object.keys(PLACEHOLDERS).map((name) => `{${name}}`).join(", ");
      return `There is no placeholder "{${name}}": use ${known}`;
    }
  }
  const fixed = pattern.replace(/\{[^{}]*\}/g, "");
  if (/[{}]/.test(fixed)) return `"${pattern}" has an unmatched brace`;
  if (!/^[A-Za-z0-9._-]*$/.test(fixed)) {
    return `"${pattern}" has characters that no topic can have: letters, digits, dots, - and _ are possible`;
  }
  return pattern.includes("{") ? undefined : topicProblem(pattern);
}

/** Placeholders that are not the same for all records of a stream. */
const OF_RECORDS = /^(?:op|operation|field:.*)$/;

/** What says the same to `content_router`: null, which leaves the topic as it is, where a field is missing. */
function expressionOf(pattern: string): string {
  const fields: string[] = [];
  const parts = pattern.split(/(\{[^{}]*\})/).filter(Boolean).map((part) => {
    const name = part.startsWith("{") ? part.slice(1, -1) : undefined;
    if (name === undefined) return `'${part}'`;
    if (name.startsWith("field:")) {
      const field = name.slice(6).trim();
      fields.push(field);
      return field;
    }
    return FUNCTIONS[name] ?? `'${name}'`;
  });
  const isMissing = [...new Set(fields)].map((field) => `${field} IS NULL`).join(" OR ");
  const topic = `concat(${parts.join(", ")})`;
  return isMissing === "" ? topic : `${isMissing} ? null : ${topic}`;
}

/** What gives a placeholder's value in an expression. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  op: "op()",
  operation: "op()",
  database: "database()",
  namespace: "schema()",
  schema: "schema()",
  stream: "table()",
  table: "table()",
};

/** What the broker would say to a topic's name; undefined when it takes it. */
export function topicProblem(topic: string): string | undefined {
  if (topic.includes("..")) return `"${topic}" has two dots in a row`;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/.test(topic)) {
    return `"${topic}" is no name of a topic: 1 to 255 letters, digits, dots, - and _, with a letter or digit in front`;
  }
  return undefined;
}

/**
 * The topic of a stream: what it has already, else what the pattern makes of its names. Not every result is a name
 * that the broker takes: ask `topicProblem`.
 */
export function topicOf(
  pattern: string | undefined,
  source: string,
  stream: Stream,
  normalization: Normalization,
): string {
  // What routing decided is the name itself.
  if (stream.topic !== undefined) return stream.topic;
  const { name, namespace = "", database = "" } = stream;
  const values: Readonly<Record<string, string>> = {
    source,
    database,
    namespace,
    schema: namespace,
    stream: name,
    table: name,
  };
  const chosen = pattern ?? (namespace === "" ? "{source}.{stream}" : "{source}.{namespace}.{stream}");
  const topic = chosen.replace(
    /\{([^{}]*)\}/g,
    (_, placeholder: string) => normalize(values[placeholder], normalization) || UNKNOWN,
  );
  return shorten(topic, normalization);
}
