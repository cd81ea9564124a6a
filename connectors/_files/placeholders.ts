/**
 * What placeholders of names and folders stand for, such as `{stream}` and `{yyyy}`. For the templates of the
 * connectors that write files; how a name is made safe, and which places may have one, is their matter.
 */
import { createHash } from "node:crypto";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";

/** Each with its meaning, for documentation. Dates are UTC. */
export const STREAM_PLACEHOLDERS: Readonly<Record<string, string>> = {
  database: "the database",
  namespace: "the schema; MySQL: the database",
  schema: "the same as {namespace}",
  stream: "the table, topic or queue",
  table: "the same as {stream}",
  topic: "the topic that routing decided on, otherwise namespace.stream",
  pipeline: "the pipeline's name",
  yyyy: "year of the change",
  MM: "month of the change, 01 to 12",
  dd: "day of the change, 01 to 31",
  HH: "hour of the change, 00 to 23",
};

/** Those that are a part of the change's time. */
export const DATE_PLACEHOLDERS: readonly string[] = ["yyyy", "MM", "dd", "HH"];

const MICROS_PER_HOUR = 3_600_000_000n;
const MS_PER_HOUR = 3_600_000;

/**
 * What is wrong with the placeholders of a template, in a sentence; undefined when they are right.
 *
 * @param known all that there are, for the sentence
 */
export function placeholderProblem(
  template: string,
  known: readonly string[],
  isKnown: (name: string) => boolean = (name) => known.includes(name),
): string | undefined {
  for (const [, name] of template.matchAll(/\{([^{}]*)\}/g)) {
    if (isKnown(name)) continue;
    return `There is no placeholder "{${name}}": use ${known.map((one) => `{${one}}`).join(", ")}`;
  }
  if (/[{}]/.test(template.replace(/\{[^{}]*\}/g, ""))) return `"${template}" has an unmatched brace`;
  return undefined;
}

/** The value of a placeholder that is no date; empty where the source has none. */
export function streamName(placeholder: string, stream: Stream | undefined, pipeline: string): string {
  switch (placeholder) {
    case "pipeline":
      return pipeline;
    case "database":
      return stream?.database ?? "";
    case "namespace":
    case "schema":
      return stream?.namespace ?? "";
    case "topic":
      return stream?.topic ?? (stream ? qualifiedName(stream) : "");
    default:
      return stream?.name ?? "";
  }
}

/** Hours since 1970 of a time in microseconds. */
export function hourOf(timeMicros: bigint): number {
  // Division rounds towards zero, which is the wrong hour before 1970.
  const hour = Number(timeMicros / MICROS_PER_HOUR);
  return timeMicros < 0n && BigInt(hour) * MICROS_PER_HOUR !== timeMicros ? hour - 1 : hour;
}

/** The values of the date's placeholders in an hour. */
export function dateParts(hour: number): Readonly<Record<string, string>> {
  const text = new Date(hour * MS_PER_HOUR).toISOString();
  const [, yyyy, MM, dd, HH] = /^([+-]?\d+)-(\d\d)-(\d\d)T(\d\d)/.exec(text)!;
  return { yyyy, MM, dd, HH };
}

/** `%2F` for a slash. */
export function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** The text itself, or its start and a hash of `whole` where it has more than `maxBytes`. */
export function shortened(text: string, whole: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 16);
  const start = new TextDecoder().decode(bytes.subarray(0, maxBytes - 18)).replace(/\uFFFD+$/, "");
  return `${start}%~${hash}`;
}
