/** A Rivven broker to publish to and to read from, for the suites. */
import type { RivvenClient } from "../../connectors/rivven/client/client.ts";
import { systemClock } from "../../runtime/clock.ts";
import { fakeBatch, fakeRecord } from "../fakes/records.ts";
import { startRivvend } from "../servers/rivvend.ts";
import { disposable, type SinkEnvironment, type SourceEnvironment } from "./environment.ts";

/** One partition each, so that a reader finds one order. */
export async function rivvenTopics(): Promise<SinkEnvironment> {
  const broker = await startRivvend();
  const client = broker.client();
  const large = fakeBatch([
    fakeRecord(1),
    fakeRecord(2, { after: { id: 2n, customer: "x".repeat(10 << 20) } }),
    fakeRecord(3),
  ]);
  return disposable({
    config: { address: broker.address, topic_config: { partitions: 1 }, connections: 4 },
    clock: systemClock,
    repeated: "twice" as const,
    refused: { batch: large, i: 1 },
    lines: () => allLines(client),
  }, async () => {
    await client[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
  });
}

/** The values of all records of all topics, without tombstones. */
async function allLines(client: RivvenClient): Promise<string[]> {
  const text = new TextDecoder();
  const lines: string[] = [];
  for (const topic of (await client.topics()).sort()) {
    const { latest } = await client.offsets(topic, 0);
    for (let offset = 0; offset < latest;) {
      const records = await client.consume({ topic, partition: 0, offset, maxRecords: 1000, maxWaitMs: 0 });
      if (records.length === 0) break;
      for (const { value } of records) if (value.length > 0) lines.push(text.decode(value));
      offset = records.at(-1)!.offset + 1;
    }
  }
  return lines;
}

/** Messages of every kind in one partition, so that two reads find one order. */
export async function rivvenMessages(): Promise<SourceEnvironment> {
  const broker = await startRivvend();
  const client = broker.client();
  const records = 300;
  await client.ensureTopic("messages", 1);
  const utf8 = new TextEncoder();
  await client.publish(
    "messages",
    0,
    Array.from({ length: records }, (_, i) => ({
      ...(i % 4 === 0 ? {} : { key: utf8.encode(i % 4 === 1 ? `key ${i}` : `{"id":${i}}`) }),
      value: i % 7 === 3 ? new Uint8Array([0xff, i]) : utf8.encode(
        i % 7 === 4 && i % 4 === 2 ? "" : i % 7 === 5 ? `[${i}]` : `{"id": ${i},\n"n": 9007199254740993}`,
      ),
    })),
  );
  return disposable({
    config: { address: broker.address, topics: ["mess*"], connections: 4, consumer_group: "conformance" },
    records,
    isEndless: true,
    clock: systemClock,
    released: async () => await client.committed("conformance", "messages", 0) ?? null,
  }, async () => {
    await client[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
  });
}
