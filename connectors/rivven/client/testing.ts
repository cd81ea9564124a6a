/** Answers of a broker, for tests that need no broker. */
import { type IncomingRecord, Messages } from "./messages.ts";
import { PostcardReader, PostcardWriter } from "./wire.ts";

/** What comes of an answer with these records to a question for those from `from` on. */
export function messagesOf(records: readonly IncomingRecord[], from = 0): Messages {
  const writer = new PostcardWriter();
  writer.uint(records.length);
  for (const { offset, key, value, timestampMs } of records) {
    writer.uint(offset);
    writer.uint(0);
    writer.optional(key, (key) => writer.blob(key));
    writer.blob(value);
    writer.int(timestampMs);
    writer.uint(0);
  }
  return new Messages(new PostcardReader(writer.written), from);
}
