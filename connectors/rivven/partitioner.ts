/**
 * Which partition each record of a stream goes to, as `partitioner` says. Every choice is a function of the record's
 * key or of its stream, so that the records of one key keep their order. sink.ts asks once for each stream.
 */
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { memberSpans } from "../../formats/data/json_spans.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import { partitionOf } from "./client/partition.ts";
import type { RivvenConfig } from "./connector.ts";

/** The number of a partition. The key is JSON text, or bytes as a queue gave them. */
export type Choice = (key: Uint8Array | undefined) => number;

const utf8 = new TextEncoder();
const OPEN = 0x7b, COMMA = 0x2c, CLOSE = 0x7d;

/**
 * @param count how many partitions the topic has
 * @returns an error where no record of the stream has a partition
 * @throws {ConnectorError} `not_found_partition` where the topic has not the one that was chosen
 */
export function choiceFor(
  partitioner: RivvenConfig["partitioner"],
  topic: string,
  stream: Stream,
  count: number,
): Choice | RecordError {
  const { strategy, columns, partition = 0 } = partitioner ?? { strategy: "key_hash" };
  const always = (partition: number) => () => partition;
  const whole = partitionOf(utf8.encode(qualifiedName(stream)), count);
  switch (strategy) {
    case "table_hash":
      return always(partitionOf(utf8.encode(stream.name), count));
    case "full_table_hash":
      return always(whole);
    case "sticky":
      if (partition < count) return always(partition);
      throw new ConnectorError(
        `Cannot publish to partition ${partition} of topic "${topic}": it has ${count}`,
        {
          code: "not_found_partition",
          hint: "Correct partitioner.partition; the first one is 0",
        },
      );
    case "key_hash":
      break;
  }
  // Without a key there is one partition for the whole stream, never one in turn.
  if (columns === undefined) return (key) => key === undefined ? whole : partitionOf(key, count);
  const missing = columns.filter((column) => !stream.key.includes(column));
  if (missing.length > 0) {
    const names = missing.map((name) => `"${name}"`).join(" and ");
    return new RecordError(
      `The key of "${
        qualifiedName(stream)
      }" has no ${names}, by which partitioner.columns chooses the partition`,
      { code: "schema_partition_column" },
    );
  }
  const prefixes = columns.map((name) => utf8.encode(`${JSON.stringify(name)}:`));
  return (key) => key === undefined ? whole : partitionOf(partOf(key, columns, prefixes), count);
}

/** `{"customer":7}` of `{"id":1,"customer":7}`: as if that were the whole key. */
function partOf(key: Uint8Array, columns: readonly string[], prefixes: readonly Uint8Array[]): Uint8Array {
  const spans = memberSpans(key);
  const part = new Uint8Array(key.length + 2);
  let at = 0;
  columns.forEach((column, i) => {
    const span = spans.get(column);
    if (!span) return;
    part[at] = at === 0 ? OPEN : COMMA;
    part.set(prefixes[i], ++at);
    at += prefixes[i].length;
    part.set(key.subarray(...span), at);
    at += span[1] - span[0];
  });
  if (at === 0) part[at++] = OPEN;
  part[at++] = CLOSE;
  return part.subarray(0, at);
}
