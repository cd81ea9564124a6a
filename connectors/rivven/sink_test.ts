/** The sink against a real broker: where records go, in which order, and what happens when the broker goes away. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Json } from "../../formats/data/value.ts";
import { systemClock } from "../../runtime/clock.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startProxy } from "../../tests/servers/proxy.ts";
import { type Rivvend, startRivvend } from "../../tests/servers/rivvend.ts";
import type { Sink } from "../contract.ts";
import type { RivvenClient } from "./client/client.ts";
import { partitionOf } from "./client/partition.ts";
import type { IncomingRecord } from "./client/messages.ts";
import definition, { type RivvenConfig } from "./connector.ts";
import { openSink } from "./sink.ts";

const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

function configOf(broker: Rivvend, more: Record<string, Json> = {}): RivvenConfig {
  return definition.config.parse({ address: broker.address, ...more });
}

async function open(broker: Rivvend, more: Record<string, Json> = {}, realTime = false) {
  const fake = fakeSinkContext();
  const context = realTime ? { ...fake, clock: systemClock } : fake;
  return { sink: await openSink(configOf(broker, more), context), context: fake };
}

/** All records of a topic, by partition. */
async function readAll(client: RivvenClient, topic: string): Promise<IncomingRecord[][]> {
  const partitions = await client.partitions(topic);
  assert.ok(partitions !== undefined, `There is no topic "${topic}"`);
  return await Promise.all(Array.from({ length: partitions }, async (_, partition) => {
    const records: IncomingRecord[] = [];
    const { latest } = await client.offsets(topic, partition);
    for (let offset = 0; offset < latest;) {
      const found = await client.consume({ topic, partition, offset, maxRecords: 1000, maxWaitMs: 0 });
      if (found.length === 0) break;
      records.push(...found);
      offset = found.at(-1)!.offset + 1;
    }
    return records;
  }));
}

/** Changes number `first` to `first + count` of 50 rows, in turn. */
function changes(first: number, count: number) {
  return fakeBatch(Array.from({ length: count }, (_, i) => {
    const id = BigInt((first + i) * 7 % 50);
    return fakeRecord(first + i, {
      key: { id },
      after: { id, customer: String(first + i) },
      operation: "update",
    });
  }));
}

const numberOf = ({ value }: IncomingRecord) => Number(JSON.parse(text(value)!).after.customer);

Deno.test("records go where the broker would put their key, and those of one key keep their order", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  {
    await using sink =
      (await open(broker, { topic: "t", topic_config: { partitions: 16 }, batch_size: 7 })).sink;
    for (let first = 0; first < 2000; first += 100) await sink.write(changes(first, 100));
    await sink.flush();
  }
  const partitions = await readAll(client, "t");
  assert.equal(partitions.length, 16);
  const last = new Map<string, number>();
  let count = 0;
  partitions.forEach((records, partition) => {
    for (const record of records) {
      const key = text(record.key)!;
      assert.match(key, /^\{"id":\d+\}$/);
      assert.equal(partitionOf(record.key!, 16), partition);
      assert.ok(numberOf(record) > (last.get(key) ?? -1), key);
      last.set(key, numberOf(record));
      count++;
    }
  });
  assert.equal(count, 2000);
});

Deno.test("records without a key stay in one partition, in their order", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  const stream = fakeStream("events", { key: [] });
  {
    await using sink = (await open(broker, { topic_config: { partitions: 8 } })).sink;
    await sink.write(
      fakeBatch(Array.from({ length: 250 }, (_, i) => fakeRecord(i, { stream, key: undefined }))),
    );
    await sink.flush();
  }
  const used = (await readAll(client, "fake.public.events")).filter((records) => records.length > 0);
  assert.equal(used.length, 1);
  assert.deepEqual(
    used[0].map(({ value }) => JSON.parse(text(value)!).after.id),
    Array.from({ length: 250 }, (_, i) => i),
  );
  assert.ok(used[0].every(({ key }) => key === undefined));
});

Deno.test("a tombstone is an empty value behind its delete; a layout's empty text deletes nothing", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  const records = [
    fakeRecord(1),
    fakeRecord(2, { key: { id: 1n }, operation: "delete", before: { id: 1n }, after: undefined }),
    fakeRecord(3, { key: { id: 1n }, operation: "tombstone", after: undefined }),
    fakeRecord(4, { key: undefined, operation: "tombstone", after: undefined }),
  ];
  for (const layout of ["auto", "plain"] as const) {
    const { sink, context } = await open(broker, { topic: layout, topic_config: { partitions: 4 } });
    await using _ = sink;
    await sink.write(fakeBatch(records, { layout }));
    await sink.flush();
    assert.deepEqual(context.rejected.map(({ i, error }) => [i, error.code]), [[
      3,
      "schema_tombstone_without_key",
    ]]);
    const found = (await readAll(client, layout)).flat();
    const ops = layout === "auto" ? ["c", "d", undefined] : ["row", undefined];
    assert.deepEqual(
      found.map(({ value }) => value.length === 0 ? undefined : JSON.parse(text(value)!).op ?? "row"),
      ops,
    );
    assert.ok(found.every(({ key }) => text(key) === '{"id":1}'));
  }
});

Deno.test("streams without a possible topic are rejected", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  const { sink, context } = await open(broker, {
    topic: "{namespace}.x",
    normalization: { strip_prefixes: ["public"] },
  });
  await using _ = sink;
  await sink.write(fakeBatch([fakeRecord(1)]));
  await sink.flush();
  assert.equal(context.rejected[0].error.code, "config_topic_name");
});

Deno.test("a missing topic stops the sink at its start, or is waited for, where none may be made", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  const batch = fakeBatch([fakeRecord(1)]);
  const none = { auto_create: false };
  await assert.rejects(open(broker, { topic: "none", topic_config: none }), {
    code: "not_found_topic",
    retryable: false,
  });
  {
    await using sink = (await open(broker, { topic: "none.{table}", topic_config: none })).sink;
    await assert.rejects(sink.write(batch), { code: "not_found_topic", retryable: false });
  }
  const waits = { auto_create: false, require_topic_exists: false };
  {
    await using sink = (await open(broker, { topic: "none", topic_config: waits })).sink;
    await assert.rejects(sink.write(batch), { code: "not_found_topic", retryable: true });
  }
  await using client = broker.client();
  await client.ensureTopic("none", 2);
  {
    await using sink = (await open(broker, { topic: "none", topic_config: waits })).sink;
    await sink.write(batch);
    await sink.flush();
  }
  assert.equal((await readAll(client, "none")).flat().length, 1);
  const other = { partitions: 5, validate_existing: true };
  await using sink = (await open(broker, { topic: "none", topic_config: other })).sink;
  await assert.rejects(sink.write(batch), {
    code: "config_topic_partitions",
    message: /has 2 partitions, and 5 are configured/,
  });
});

Deno.test("a topic that the record's stream has wins, and two streams that become one topic are told apart on demand", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  const streams = [
    fakeStream("orders", { topic: "routed" }),
    fakeStream("a b"),
    fakeStream("a_b"),
  ];
  const batch = fakeBatch(streams.map((stream, i) => fakeRecord(i, { stream })));
  {
    const { sink, context } = await open(broker, {
      topic: "x.{table}",
      normalization: { on_collision: "hash_suffix" },
    });
    await using _ = sink;
    await sink.write(batch);
    await sink.flush();
    assert.match(context.lines[0].message, /was made/);
    assert.ok(context.lines.some(({ message }) => message.includes('both become topic "x.a_b"')));
  }
  const topics = (await client.topics()).sort();
  assert.deepEqual(topics.map((topic) => topic.replace(/_[0-9a-f]{8}$/, "_#")), [
    "routed",
    "x.a_b",
    "x.a_b_#",
  ]);
  for (const [i, topic] of topics.entries()) {
    const [record] = (await readAll(client, topic)).flat();
    assert.equal(JSON.parse(text(record.value)!).after.id, i);
  }
  await using failing = (await open(broker, {
    topic: "x.{table}",
    normalization: { on_collision: "fail" },
  })).sink;
  await assert.rejects(failing.write(batch), { code: "config_topic_collision" });
});

Deno.test("a broker that is killed and comes back gets every record once, those of a key in order", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  {
    const { sink } = await open(broker, {
      topic: "t",
      topic_config: { partitions: 8 },
      connections: 8,
      batch_size: 50,
      retry: { max_retries: 100, initial_backoff_ms: 20, max_backoff_ms: 100 },
    }, true);
    await using _: Sink = sink;
    let first = 0;
    const load = async (count: number) => {
      for (const end = first + count; first < end; first += 100) await sink.write(changes(first, 100));
    };
    await load(500);
    for (let kills = 0; kills < 3; kills++) {
      await load(500);
      await broker.kill();
      const later = load(300);
      await broker.start();
      await later;
    }
    await sink.flush();
    assert.equal(first, 2900);
  }
  assert.equal(await assertOrdered(client, 2900), 0);
});

Deno.test("with connections that are cut while batches are on their way every record is there once, those of a key in order", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using proxy = await startProxy({ target: { port: broker.port } });
  {
    const { sink } = await open(broker, {
      address: `${proxy.host}:${proxy.port}`,
      topic: "t",
      topic_config: { partitions: 4 },
      batch_size: 50,
      retry: { max_retries: 100, initial_backoff_ms: 1, max_backoff_ms: 5 },
    }, true);
    await using _ = sink;
    for (let first = 0; first < 2000; first += 100) {
      await sink.write(changes(first, 100));
      if (first % 200 !== 0) continue;
      await new Promise((resolve) => setTimeout(resolve, 30));
      proxy.cut();
    }
    await sink.flush();
  }
  await using client = broker.client();
  assert.equal(await assertOrdered(client, 2000), 0);
});

/** Changes 0 to `count` are in topic "t", each key's in order but for repetitions. @returns how many are repeated */
async function assertOrdered(client: RivvenClient, count: number): Promise<number> {
  const seen = new Set<number>();
  let repeated = 0;
  for (const records of await readAll(client, "t")) {
    const highest = new Map<string, number>();
    const final = new Map<string, number>();
    for (const record of records) {
      const [key, number] = [text(record.key)!, numberOf(record)];
      // What comes for the first time is newer than all before; what comes again is a repetition.
      if (seen.has(number)) repeated++;
      else assert.ok(number > (highest.get(key) ?? -1), `${key}: ${number} after ${highest.get(key)}`);
      seen.add(number);
      highest.set(key, Math.max(number, highest.get(key) ?? -1));
      final.set(key, number);
    }
    assert.deepEqual(final, highest, "The last record of a key is its newest");
  }
  assert.equal(seen.size, count);
  return repeated;
}

Deno.test("an I/O error of the broker ends the flow and is not tried again", async () => {
  let publishes = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => {
      // A nudge may have been sent before: then the frame lacks its first byte.
      if (bytes.length < 5) return;
      const at = bytes[0] === 0 && bytes[1] === 0 && bytes[4] === 0 ? 5 : 4;
      const id = new Uint8Array(bytes).subarray(at, at + 4).toHex();
      const variant = bytes[at + 4];
      const error = new TextEncoder().encode("I/O error: No space left on device (os error 28)");
      if (variant === 38) publishes++;
      const payload = variant === 33
        ? "230201024f4b"
        : variant === 11
        ? "0a017401"
        : variant === 14
        ? "0d0000"
        : `12${error.length.toString(16)}${error.toHex()}`;
      const length = (payload.length / 2 + 5).toString(16).padStart(8, "0");
      socket.write(Uint8Array.fromHex(`${length}00${id}${payload}`));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  {
    const config = definition.config.parse({ address: `127.0.0.1:${port}`, topic: "t" });
    await using sink = await openSink(config, fakeSinkContext());
    await sink.write(fakeBatch([fakeRecord(1)]));
    await assert.rejects(sink.flush(), { code: "fatal_broker_disk", retryable: false });
    await assert.rejects(sink.write(fakeBatch([fakeRecord(2)])), { code: "fatal_broker_disk" });
    assert.equal(publishes, 1);
  }
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, "close");
});
