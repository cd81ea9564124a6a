/** What an empty answer means, with a partition whose writer comes between two questions. */
import assert from "node:assert/strict";
import type { IncomingRecord, Messages } from "./client/messages.ts";
import { messagesOf } from "./client/testing.ts";
import { PartitionReader } from "./partition_reader.ts";

/** A partition of which a marker (`undefined`) is never given out; `before` is called ahead of each question. */
function partition(log: (IncomingRecord | undefined)[], before: (question: number) => void = () => {}) {
  let questions = 0;
  const client = {
    fetch: ({ offset }: { offset: number }) => {
      before(questions++);
      const found = log[offset] === undefined ? [] : log.slice(offset).filter((each) => each !== undefined);
      return Promise.resolve(messagesOf(found, offset));
    },
    offsets: () => {
      before(questions++);
      return Promise.resolve({ earliest: 0, latest: log.length });
    },
  };
  return new PartitionReader(client, "orders", 0, 0, "stop");
}

function record(offset: number): IncomingRecord {
  return { offset, key: undefined, value: new Uint8Array([offset]), timestampMs: 0 };
}

function offsetsOf(messages: Messages | undefined): number[] {
  return [...messages ?? []].map(({ offset }) => offset);
}

Deno.test("a record that is written behind an empty answer is read, whenever it comes", async () => {
  for (let at = 0; at <= 4; at++) {
    const log: IncomingRecord[] = [];
    const reader = partition(log, (question) => {
      if (question === at) log.push(record(0));
    });
    const found: number[] = [];
    for (let i = 0; i < 4; i++) {
      found.push(...offsetsOf(await reader.fetch(0) ?? await reader.look()));
    }
    assert.deepEqual(found, [0], `written before question ${at}`);
    assert.equal(reader.next, 1);
  }
});

Deno.test("markers are stepped over, one by one, and only after a second look", async () => {
  const reader = partition([undefined, undefined, record(2)]);
  const places: [number, boolean][] = [];
  for (let i = 0; i < 4; i++) {
    assert.equal(await reader.look(), undefined);
    places.push([reader.next, reader.isSuspicious]);
  }
  assert.deepEqual(places, [[0, true], [1, false], [1, true], [2, false]]);
  assert.deepEqual(offsetsOf(await reader.look()), [2]);
  assert.equal(await reader.look(), undefined);
  assert.equal(reader.next, 3);
});
