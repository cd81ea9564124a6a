/** Which streams a transform is for, by the keys of selection.ts. For implementations. */
import type { Stream } from "../../formats/data/stream.ts";
import { streamMatcher } from "../../formats/data/stream_pattern.ts";
import { compileRegex } from "../../formats/data/regex.ts";
import { currentTopic } from "./topics.ts";

/** A test for streams; no tables and no pattern: all. */
export function selected(
  { tables, topic_regex }: { readonly tables: readonly string[]; readonly topic_regex?: string },
): (stream: Stream) => boolean {
  const isTable = tables.length === 0 ? () => true : streamMatcher(tables);
  const pattern = topic_regex === undefined ? undefined : compileRegex(topic_regex, { anchored: true });
  return (stream) => isTable(stream) && (pattern === undefined || pattern.test(currentTopic(stream)));
}
