/** The source against a real broker, with what the sink has published there and what others may. */
import assert from "node:assert/strict";
import type { RivvenClient } from "./client/client.ts";
import { consume } from "./client/requests.ts";
import type { PostcardReader } from "./client/wire.ts";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type { Json, Row } from "../../formats/data/value.ts";
import { systemClock } from "../../runtime/clock.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { fakeSinkContext, fakeSourceContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Rivvend, startRivvend } from "../../tests/servers/rivvend.ts";
import type { Batch, Position, Source } from "../contract.ts";
import definition from "./connector.ts";
import { openSink } from "./sink.ts";
import { openSource } from "./source.ts";

const utf8 = new TextEncoder();

function open(broker: Rivvend, config: Record<string, Json>) {
  const context = { ...fakeSourceContext({ connector: "rivven", name: "in" }), clock: systemClock };
  const source = openSource(definition.config.parse({ address: broker.address, ...config }), context);
  return { source, context };
}

type Found = DataRecord & { readonly lane: string; readonly position: Position };

/** Reads until there are `count` records. */
async function read(source: Source, count: number, from?: Position): Promise<Found[]> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 120_000);
  const found: Found[] = [];
  try {
    for await (const batch of source.read(from, stop.signal)) {
      found.push(
        ...batch.records.map((record) => ({ ...record, lane: batch.lane, position: batch.position })),
      );
      if (found.length >= count) stop.abort();
    }
  } finally {
    clearTimeout(timer);
  }
  assert.equal(found.length, count);
  return found;
}

async function publish(broker: Rivvend, batch: Batch, config: Record<string, Json>): Promise<void> {
  await using sink = await openSink(
    definition.config.parse({ address: broker.address, ...config }),
    fakeSinkContext(),
  );
  await sink.write(batch);
  await sink.flush();
}

/** What happens to rows of two tables, with numbers that a double can't hold. */
function someChanges(): DataRecord[] {
  const users = fakeStream("users", { database: "shop" });
  const big = 9_007_199_254_740_993n;
  return [
    fakeRecord(0, { operation: "snapshot", source: { snapshot: "last", lsn: "0/0" } }),
    fakeRecord(1),
    fakeRecord(2, { stream: users, key: { id: big }, after: { id: big, customer: 'é\n"', total: null } }),
    fakeRecord(3, {
      operation: "update",
      key: { id: 1n },
      before: { id: 1n, customer: "old" },
      after: { id: 1n, customer: "new" },
      unavailable: ["total"],
    }),
    fakeRecord(4, { operation: "delete", key: { id: 1n }, before: { id: 1n }, after: undefined }),
    fakeRecord(4, {
      operation: "tombstone",
      key: { id: 1n },
      after: undefined,
      order: "0000000000000001/0000000000000004.1",
    }),
    fakeRecord(5, {
      operation: "delete",
      stream: users,
      key: { id: big },
      before: { id: big },
      after: undefined,
    }),
    fakeRecord(5, {
      stream: users,
      operation: "tombstone",
      key: { id: big },
      after: undefined,
      order: "0000000000000001/0000000000000005.1",
    }),
  ];
}

/** What must be the same on both sides; an int64 that fits has no type any more without the table's columns. */
function essence(record: DataRecord) {
  const plain = (row: Row | undefined) =>
    row && Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value,
      ]),
    );
  const { stream, operation, key, before, after, unavailable } = record;
  return {
    stream: qualifiedName(stream),
    keyNames: stream.key,
    operation,
    key: plain(key as Row),
    before: plain(before),
    after: plain(after as Row),
    unavailable,
  };
}

Deno.test("changes come out of the broker as they went in: operation, key, rows, time, place in their source", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  const records = someChanges();
  for (const layout of LAYOUTS) {
    if (layout === "plain") continue;
    const topic = `changes.${layout}`;
    await publish(broker, fakeBatch(records, { layout }), { topic, topic_config: { partitions: 1 } });
    await using source = open(broker, { topics: [topic] }).source;
    const found = await read(source, records.length);
    const expected = records.map((record) => {
      // What the older layouts have no place for.
      const unavailable = layout === "cdc_event" ? undefined : record.unavailable;
      const before = record.operation === "insert" ? undefined : record.before;
      return essence({ ...record, unavailable, before });
    });
    assert.deepEqual(found.map(essence), expected, layout);
    assert.deepEqual(
      found.map(({ lane, order }) => [lane, order]),
      records.map((_, i) => [`${topic}/0`, `0/${String(i).padStart(16, "0")}`]),
    );
    if (layout === "cdc_event") continue;
    for (const [i, record] of records.entries()) {
      if (record.operation === "tombstone") continue;
      assert.equal((found[i].source!.origin as Row).order, record.order, layout);
      if (layout === "rivven") continue;
      assert.equal(found[i].timeMicros, record.timeMicros);
      assert.equal(found[i].source!.lsn, record.source!.lsn);
      assert.equal((found[i].source!.origin as Row).connector, "fake");
    }
    if (layout !== "rivven") assert.equal(found[0].source!.snapshot, "last");
  }
});

Deno.test("reading goes on anywhere, also between a delete and its tombstone", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  const records = someChanges();
  await publish(broker, fakeBatch(records), { topic: "t", topic_config: { partitions: 1 } });
  await using source = open(broker, { topics: ["t"] }).source;
  const all = await read(source, records.length);
  for (let offset = 0; offset < records.length; offset++) {
    const rest = await read(source, records.length - offset, { v: 1, topics: { t: [offset] } });
    assert.deepEqual(rest.map(essence), all.slice(offset).map(essence), `from ${offset}`);
  }
});

Deno.test("all partitions of all topics are read, each in order, and from a position exactly the rest", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  const streams = ["a", "b", "c"].map((name) => fakeStream(name));
  const records = Array.from({ length: 900 }, (_, i) => fakeRecord(i, { stream: streams[i % 3] }));
  await publish(broker, fakeBatch(records), { topic: "cdc.{table}", topic_config: { partitions: 5 } });
  for (const connections of [3, 16]) {
    await using source = open(broker, { topics: ["cdc.*"], connections }).source;
    const all = await read(source, 900);
    assert.equal(new Set(all.map(({ lane }) => lane)).size, 15);
    const last = new Map<string, string>();
    for (const { lane, order } of all) {
      assert.ok((last.get(lane) ?? "") < order!, lane);
      last.set(lane, order!);
    }
    assert.deepEqual(
      all.map(({ key }) => Number((key as Row).id)).sort((a, b) => a - b),
      records.map((_, i) => i),
    );
    const { position } = all[450];
    const before = all.filter((record) =>
      all.findIndex((other) => other.position === position) > all.indexOf(record)
    )
      .concat(all.filter((record) => record.position === position));
    const rest = await read(source, 900 - before.length, position);
    const name = ({ lane, order }: Found) => `${lane} ${order}`;
    assert.deepEqual(
      rest.map(name).sort(),
      all.filter((record) => !before.includes(record)).map(name).sort(),
    );
  }
});

Deno.test("a first run begins where start_offset says, and a second one where the first would have", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  await client.ensureTopic("t", 1);
  await client.publish("t", 0, [{ value: utf8.encode("1") }]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const timestamp = new Date().toISOString();
  await client.publish("t", 0, [{ value: utf8.encode("2") }]);
  const first = async (config: Record<string, Json>) => {
    await using source = open(broker, { topics: ["t"], ...config }).source;
    const iterator = source.read(undefined, AbortSignal.timeout(120_000))[Symbol.asyncIterator]();
    const { value } = await iterator.next();
    await iterator.return?.();
    return value.position.topics;
  };
  assert.deepEqual(await first({}), { t: [0] });
  assert.deepEqual(await first({ start_offset: { timestamp } }), { t: [1] });
  assert.deepEqual(await first({ start_offset: "latest" }), { t: [2] });
  await client.commit("group", "t", 0, 1);
  assert.deepEqual(await first({ start_offset: "latest", consumer_group: "group" }), { t: [1] });

  await client.publish("t", 0, [{ value: utf8.encode("3") }]);
  await using source = open(broker, { topics: ["t"], start_offset: "latest" }).source;
  const [record] = await read(source, 1, { v: 1, topics: { t: [2] } });
  assert.equal(record.after, 3);
});

Deno.test("topics that appear later are found, and what was acknowledged is told to the group", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  const { source, context } = open(broker, {
    topics: ["late.*"],
    consumer_group: "g",
    start_offset: "latest",
  });
  {
    await using _ = source;
    const stop = new AbortController();
    const values: unknown[] = [];
    for await (const batch of source.read(undefined, stop.signal)) {
      if (batch.length === 0) {
        await client.ensureTopic("late.a", 2);
        await client.publish("late.a", 1, [{ value: utf8.encode("1") }, { value: utf8.encode("2") }]);
      }
      values.push(...batch.records.map(({ after }) => after));
      if (values.length === 2) stop.abort();
      await source.acknowledge(batch.position);
    }
    assert.deepEqual(values, [1, 2]);
  }
  assert.equal(await client.committed("g", "late.a", 1), 2);
  assert.ok(context.lines.some(({ message }) => message.includes('no topic "late.*" yet')));
});

Deno.test("reading goes on at the pipeline's own position or the group's, whichever is further", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  await client.ensureTopic("t", 2);
  for (const partition of [0, 1]) {
    await client.publish(
      "t",
      partition,
      Array.from({ length: 5 }, (_, i) => ({ value: utf8.encode(String(10 * partition + i)) })),
    );
  }
  await client.commit("g", "t", 0, 4);
  await client.commit("g", "t", 1, 1);
  const first = async (from: Position | undefined, config: Record<string, Json> = {}) => {
    const { source, context } = open(broker, { topics: ["t"], ...config });
    await using _ = source;
    const found = await read(source, 1, from);
    return { position: found[0].position, lines: context.lines.map(({ message }) => message) };
  };
  const values = async (from: Position, count: number, config: Record<string, Json>) => {
    await using source = open(broker, { topics: ["t"], ...config }).source;
    return (await read(source, count, from)).map(({ after }) => Number(after)).sort((a, b) => a - b);
  };
  const from = { v: 1, topics: { t: [2, 3] } };
  assert.deepEqual(await values(from, 3, { consumer_group: "g" }), [4, 13, 14]);
  assert.deepEqual(await values(from, 5, {}), [2, 3, 4, 13, 14]);
  // A topic that the state does not know: the group does.
  assert.deepEqual(await values({ v: 1, topics: {} }, 5, { consumer_group: "g" }), [4, 11, 12, 13, 14]);
  const { lines } = await first(from, { consumer_group: "g" });
  assert.ok(
    lines.some((line) => /Group "g" is at offset 4 of partition 0 .* and this pipeline at 2/.test(line)),
    lines.join("\n"),
  );
});

Deno.test("a preview shows what is there, whatever the group has read", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  await client.ensureTopic("t", 1);
  await client.publish("t", 0, [{ value: utf8.encode("1") }]);
  await client.commit("g", "t", 0, 1);
  const config = { address: broker.address, topics: ["t"], consumer_group: "g", start_offset: "latest" };
  const context = {
    ...fakeSourceContext({ connector: "rivven", name: "in", preview: true }),
    clock: systemClock,
  };
  await using source = openSource(definition.config.parse(config), context);
  const [record] = await read(source, 1);
  assert.equal(record.after, 1);
  await source.acknowledge(record.position);
  assert.equal(await client.committed("g", "t", 0), 1);
});

Deno.test("a group's offset that is out of range stops the source, or is what on_out_of_range says", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  await client.ensureTopic("t", 1);
  await client.publish("t", 0, Array.from({ length: 5 }, (_, i) => ({ value: utf8.encode(String(i)) })));
  await client.commit("g", "t", 0, 1);
  await deleteRecords(client, "t", 3);
  const config = { topics: ["t"], consumer_group: "g", start_offset: "latest" };
  {
    await using source = open(broker, config).source;
    await assert.rejects(read(source, 1), { code: "state_offsets_gone", message: /from offset 1/ });
  }
  await using source = open(broker, { ...config, on_out_of_range: "earliest" }).source;
  assert.deepEqual((await read(source, 2)).map(({ after }) => after), [3, 4]);
});

Deno.test("the group's offsets follow after offset_commit_interval records, without it after a second", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  await client.ensureTopic("t", 1);
  await client.publish("t", 0, Array.from({ length: 10 }, (_, i) => ({ value: utf8.encode(String(i)) })));
  const clock = new FakeClock();
  const config = definition.config.parse({
    address: broker.address,
    topics: ["t"],
    consumer_group: "g",
    offset_commit_interval: 3,
  });
  const context = { ...fakeSourceContext({ connector: "rivven", name: "in" }), clock };
  await using source = openSource(config, context);
  const after = async (offset: number) => {
    await source.acknowledge({ v: 1, topics: { t: [offset] } });
    return await client.committed("g", "t", 0);
  };
  assert.equal(await after(1), 1);
  assert.equal(await after(3), 1);
  assert.equal(await after(4), 4);
  assert.equal(await after(5), 4);
  clock.advance(1000);
  assert.equal(await after(6), 6);
});

Deno.test("what a killed broker repeats at offset 0 is dropped", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  {
    await using client = broker.client();
    await client.ensureTopic("t", 1);
    await client.publish("t", 0, Array.from({ length: 20 }, (_, i) => ({ value: utf8.encode(String(i)) })));
  }
  await broker.kill({ keepsLog: true });
  await broker.start();
  await using client = broker.client();
  await client.publish("t", 0, [{ value: utf8.encode("20") }]);
  // The broker does repeat them.
  const options = { topic: "t", partition: 0, offset: 0, maxRecords: 1000, maxWaitMs: 0 };
  const counted = { ...consume(options), read: (reader: PostcardReader) => reader.count() };
  const count = await client.request(counted, "count what comes");
  assert.ok(count > 21, `${count} records`);
  await using source = open(broker, { topics: ["t"] }).source;
  const found = await read(source, 21);
  assert.deepEqual(found.map(({ after }) => after), Array.from({ length: 21 }, (_, i) => i));
});

Deno.test("records that are gone stop the source with the offsets, or are stepped over where that is configured", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  await client.ensureTopic("t", 1);
  await client.publish("t", 0, Array.from({ length: 5 }, (_, i) => ({ value: utf8.encode(String(i)) })));
  await deleteRecords(client, "t", 3);
  const from = (offset: number): Position => ({ v: 1, topics: { t: [offset] } });
  {
    await using source = open(broker, { topics: ["t"] }).source;
    await assert.rejects(read(source, 1, from(1)), {
      code: "state_offsets_gone",
      message: /from offset 1: it has 3 to 5/,
    });
    await assert.rejects(read(source, 1, from(9)), { code: "state_offset_out_of_range" });
  }
  await using source = open(broker, { topics: ["t"], on_out_of_range: "earliest" }).source;
  assert.deepEqual((await read(source, 2, from(1))).map(({ after }) => after), [3, 4]);
  assert.deepEqual((await read(source, 2, from(9))).map(({ after }) => after), [3, 4]);
});

Deno.test("a broker that goes away while it is read is waited for", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  {
    await using client = broker.client();
    await client.ensureTopic("t", 2);
    await client.publish("t", 1, [{ value: utf8.encode("1") }]);
  }
  await using source = open(broker, {
    topics: ["t"],
    retry: { max_retries: 100, initial_backoff_ms: 20, max_backoff_ms: 100 },
  }).source;
  const stop = new AbortController();
  const values: unknown[] = [];
  for await (const batch of source.read(undefined, stop.signal)) {
    values.push(...batch.records.map(({ after }) => after));
    if (values.length === 2) stop.abort();
    else if (values.length === 1 && batch.length === 1) {
      await broker.kill();
      await broker.start();
      await using client = broker.client();
      await client.publish("t", 0, [{ value: utf8.encode("2") }]);
    }
  }
  assert.deepEqual(values, [1, 2]);
});

Deno.test("with envelope: none a message is what it is", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await publish(broker, fakeBatch([fakeRecord(1)]), { topic: "t", topic_config: { partitions: 1 } });
  await using source = open(broker, { topics: ["t"], envelope: "none" }).source;
  const [record] = await read(source, 1);
  assert.deepEqual([record.operation, record.stream.name, (record.after as Row).op], ["record", "t", "c"]);
});

/** Deletes what lies before an offset of partition 0. */
async function deleteRecords(client: RivvenClient, topic: string, before: number): Promise<void> {
  await client.request({
    name: "DeleteRecords",
    answer: 33,
    write(writer) {
      writer.u8(31);
      writer.string(topic);
      writer.uint(1);
      writer.uint(0);
      writer.uint(before);
    },
    read: () => {},
  }, "delete records");
}
