/**
 * Where records are published: names of topics, patterns and templates for them, and streams with another topic.
 * What routers are made of. The rules for names are Kafka's; a broker that is stricter says so itself.
 */
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";

/** Longest name in bytes. */
const MAX_BYTES = 249;
/** What is left of a longer one; a hash of the whole follows. */
const KEPT_BYTES = 240;
/** Topics of one stream that are remembered. */
const MAX_TOPICS = 1000;

/** The topic of a stream as far as it is decided; else `namespace.name`, of which a sink makes one. */
export function currentTopic(stream: Stream): string {
  return stream.topic ?? qualifiedName(stream);
}

/** What is wrong with a topic's name; undefined when nothing is. */
export function topicProblem(topic: string): string | undefined {
  if (topic === "") return "A topic has a name";
  if (topic === "." || topic === "..") return `"${topic}" can't be the name of a topic`;
  return /^[A-Za-z0-9._-]+$/.test(topic)
    ? undefined
    : "The name of a topic has only letters, digits, dots, - and _ in it";
}

/** A name of at most 249 bytes: the front of a longer one, with a hash of the whole behind it. */
export function shortenTopic(topic: string): string {
  if (topic.length <= MAX_BYTES) return topic;
  let hash = 0;
  for (const byte of new TextEncoder().encode(topic)) hash = (Math.imul(hash, 31) + byte) >>> 0;
  return `${topic.slice(0, KEPT_BYTES)}_${hash.toString(16).padStart(8, "0")}`;
}

/**
 * The topic that a stream was routed to, shortened where it has to be.
 *
 * @throws {ConnectorError} when it is no name of a topic
 */
export function routedTopic(topic: string, stream: Stream): string {
  const problem = topicProblem(topic);
  if (!problem) return shortenTopic(topic);
  throw new ConnectorError(`Cannot route ${qualifiedName(stream)} to the topic "${topic}": ${problem}`, {
    code: "config_topic",
    hint: "Change the topic or the pattern that it is made with",
  });
}

/**
 * The same for a topic that is made of values of a row, which therefore stays out of the message.
 *
 * @throws {RecordError} when it is no name of a topic
 */
export function routedTopicOfRow(topic: string): string {
  const problem = topicProblem(topic);
  if (!problem) return shortenTopic(topic);
  throw new RecordError(`The topic made of the row's values is none: ${problem}`, { code: "config_topic" });
}

/** The streams that one stream becomes with other topics: the same object each time, up to a bound. */
export class TopicStreams {
  readonly #made = new WeakMap<Stream, Map<string, Stream>>();

  of(stream: Stream, topic: string): Stream {
    if (stream.topic === topic) return stream;
    let byTopic = this.#made.get(stream);
    if (!byTopic) this.#made.set(stream, byTopic = new Map());
    let made = byTopic.get(topic);
    if (!made) {
      if (byTopic.size >= MAX_TOPICS) byTopic.delete(byTopic.keys().next().value!);
      byTopic.set(topic, made = { ...stream, topic });
    }
    return made;
  }
}

// ---- templates --------------------------------------------------------------------------------------------------

type Part = string | number | { readonly group: string };

/**
 * A replacement as Java and JavaScript have it: `$1`, `${1}`, `${name}`, `$<name>` for groups; `$$` or `\$` for a
 * dollar sign.
 */
export class TopicTemplate {
  readonly #parts: readonly Part[];

  /** @throws {SyntaxError} when it names a group that the pattern does not have */
  constructor(template: string, pattern: RegExp) {
    const groups = new RegExp(`${pattern.source}|`, pattern.flags).exec("")!;
    this.#parts = partsOf(template, groups.length - 1, Object.keys(groups.groups ?? {}));
  }

  /** The text for one match; a group that took no part is empty. */
  expand(match: RegExpExecArray): string {
    let text = "";
    for (const part of this.#parts) {
      text += typeof part === "string"
        ? part
        : typeof part === "number"
        ? match[part] ?? ""
        : match.groups?.[part.group] ?? "";
    }
    return text;
  }
}

function partsOf(template: string, count: number, names: readonly string[]): Part[] {
  const parts: Part[] = [];
  const expression = /\$\$|\\(.)|\$\{([^}]*)\}|\$<([^>]*)>|\$(\d+)|\$/gs;
  let end = 0;
  for (const match of template.matchAll(expression)) {
    const [written, escaped, braced, pointed, digits] = match;
    parts.push(template.slice(end, match.index));
    end = match.index + written.length;
    const name = braced ?? pointed;
    if (escaped !== undefined) parts.push(escaped);
    else if (digits !== undefined) {
      // $12 is group 1 and a 2 where there are not that many groups.
      let length = digits.length;
      while (length > 1 && Number(digits.slice(0, length)) > count) length--;
      parts.push(groupNumber(digits.slice(0, length), count), digits.slice(length));
    } else if (name === undefined) parts.push("$");
    else if (/^\d+$/.test(name)) parts.push(groupNumber(name, count));
    else if (names.includes(name)) parts.push({ group: name });
    else throw new SyntaxError(`The pattern has no group "${name}"`);
  }
  parts.push(template.slice(end));
  return parts.filter((part) => part !== "");
}

function groupNumber(digits: string, count: number): number {
  const group = Number(digits);
  if (group > count) throw new SyntaxError(`The pattern has no group ${group}: it has ${count}`);
  return group;
}
