/** What an empty answer means, with a partition whose writer comes between two questions. */
import assert from "node:assert/strict";
import type { IncomingRecord } from "./client/requests.ts";
import { PartitionReader } from "./partition_reader.ts";

/** A partition of which a marker (`undefined`) is never given out; `before` is called ahead of each question. */
function partition(log: (IncomingRecord | undefined)[], before: (question: number) => void = () => {}) {
  let questions = 0;
  const client = {
    consume: ({ offset }: { offset: number }) => {
      before(questions++);
      return Promise.resolve(
        log[offset] === undefined ? [] : log.slice(offset).filter((each) => each !== undefined),
      );
    },
    offsets: () => {
      before(questions++);
      return Promise.resolve({ earliest: 0, latest: log.length });
    },
  };
  return new PartitionReader(client, "orders", 0, 0, "stop");
}

function record(offset: number): IncomingRecord {
  return { offset, key: undefined, value: new Uint8Array([offset]) } as IncomingRecord;
}

Deno.test("a record that is written behind an empty answer is read, whenever it comes", async () => {
  for (let at = 0; at <= 4; at++) {
    const log: IncomingRecord[] = [];
    const reader = partition(log, (question) => {
      if (question === at) log.push(record(0));
    });
    const found: number[] = [];
    for (let i = 0; i < 4; i++) {
      let records = await reader.fetch(0);
      if (records.length === 0) records = await reader.look();
      found.push(...records.map(({ offset }) => offset));
    }
    assert.deepEqual(found, [0], `written before question ${at}`);
    assert.equal(reader.next, 1);
  }
});

Deno.test("markers are stepped over, one by one, and only after a second look", async () => {
  const reader = partition([undefined, undefined, record(2)]);
  const places: [number, boolean][] = [];
  for (let i = 0; i < 4; i++) {
    assert.deepEqual(await reader.look(), []);
    places.push([reader.next, reader.isSuspicious]);
  }
  assert.deepEqual(places, [[0, true], [1, false], [1, true], [2, false]]);
  assert.deepEqual((await reader.look()).map(({ offset }) => offset), [2]);
  assert.deepEqual(await reader.look(), []);
  assert.equal(reader.next, 3);
});
