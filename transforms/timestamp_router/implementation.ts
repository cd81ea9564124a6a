/** Puts the time into topics: the work of timestamp_router. Loaded by workers. */
import type { Stream } from "../../formats/data/stream.ts";
import { eachRecord } from "../_shared/records.ts";
import { selected } from "../_shared/selected.ts";
import { currentTopic, routedTopic, TopicStreams } from "../_shared/topics.ts";
import type { Transform } from "../contract.ts";
import type { TimestampRouterConfig } from "./definition.ts";
import { dateFormat } from "./date_format.ts";

export function openTransform(config: TimestampRouterConfig): Transform {
  const format = dateFormat(config.timestamp_format);
  const unitMicros = BigInt(format.unitMillis) * 1000n;
  const streams = new TopicStreams();
  // Records come in the order of time, so that the last answer is nearly always the next one.
  let last: { readonly stream: Stream; readonly from: bigint; readonly made: Stream } | undefined;
  return {
    matches: selected({ tables: config.tables }),
    apply: eachRecord((record) => {
      const { stream, timeMicros } = record;
      if (last?.stream !== stream || timeMicros < last.from || timeMicros >= last.from + unitMicros) {
        const from = timeMicros - ((timeMicros % unitMicros) + unitMicros) % unitMicros;
        const timestamp = format.text(Number(from / 1000n));
        const topic = config.topic_format.replace(
          /\$\{(topic|timestamp)\}/g,
          (_, name) => name === "topic" ? currentTopic(stream) : timestamp,
        );
        last = { stream, from, made: streams.of(stream, routedTopic(topic, stream)) };
      }
      return { ...record, stream: last.made };
    }),
  };
}
