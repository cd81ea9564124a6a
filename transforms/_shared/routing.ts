/** What routers by record have in common: topics of tombstones, records in other streams. */
import type { DataRecord } from "../../formats/data/record.ts";
import { LastDelete } from "./deletes.ts";
import { eachRecord, isRowRecord } from "./records.ts";
import { TopicStreams } from "./topics.ts";
import type { Transform } from "../contract.ts";

/**
 * `apply` of a router that looks at rows: `topicOf` gives the topic of a row's record, or undefined where it stays.
 * A tombstone goes where its delete went; one that stands alone, and every one with `tombstonesFollow: false`, is asked
 * about with its key. Others stay.
 */
export function routeRecords(
  topicOf: (record: DataRecord) => string | undefined,
  { tombstonesFollow = true }: { readonly tombstonesFollow?: boolean } = {},
): NonNullable<Transform["apply"]> {
  const streams = new TopicStreams();
  const lastDelete = new LastDelete<{ readonly topic: string | undefined }>();
  return eachRecord((record) => {
    let topic: string | undefined;
    if (record.operation === "tombstone") {
      const known = tombstonesFollow ? lastDelete.of(record) : undefined;
      topic = known ? known.topic : topicOf(record);
    } else if (isRowRecord(record)) {
      topic = topicOf(record);
      if (record.operation === "delete") lastDelete.remember(record, { topic });
    }
    if (topic === undefined || topic === record.stream.topic) return record;
    return { ...record, stream: streams.of(record.stream, topic) };
  });
}
