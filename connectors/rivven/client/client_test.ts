/** The client against a real broker, and against brokers that misbehave. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { requireServer } from "../../../tests/servers/missing.ts";
import { startRivvend } from "../../../tests/servers/rivvend.ts";
import { startProxy } from "../../../tests/servers/proxy.ts";
import { RivvenClient } from "./client.ts";
import { partitionOf } from "./partition.ts";
import * as requests from "./requests.ts";
import { frame, FrameReader, PostcardReader } from "./wire.ts";

const ascii = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
const ONE_TRY = { maxRetries: 0, initialBackoffMs: 1, maxBackoffMs: 1 };

Deno.test("every request makes its round trip with a real broker", async (t) => {
  await using broker = await requireServer(t, () => startRivvend({ defaultPartitions: 3 }));
  if (broker === undefined) return;
  await using client = broker.client();
  await client.request(requests.ping(), "ping");
  assert.deepEqual(await client.topics(), []);
  assert.equal(await client.partitions("orders"), undefined);
  assert.deepEqual(await client.ensureTopic("orders", 5), { partitions: 5, isNew: true });
  assert.deepEqual(await client.ensureTopic("orders", 7), { partitions: 5, isNew: false });
  assert.deepEqual(await client.ensureTopic("other"), { partitions: 3, isNew: true });
  assert.deepEqual((await client.topics()).sort(), ["orders", "other"]);

  const before = Date.now();
  const answer = await client.publish("orders", 2, [
    { key: ascii("k1"), value: ascii("a") },
    { value: ascii("bc") },
    { key: ascii(""), value: ascii("") },
  ]);
  assert.deepEqual(answer, { baseOffset: 0, partition: 2, count: 3 });
  const options = { topic: "orders", partition: 2, offset: 0, maxRecords: 100, maxWaitMs: 0 };
  const records = await client.consume(options);
  assert.deepEqual(records.map(({ offset, key, value }) => [offset, text(key), text(value)]), [
    [0, "k1", "a"],
    [1, undefined, "bc"],
    [2, "", ""],
  ]);
  assert.ok(records[0].timestampMs >= before && records[0].timestampMs <= Date.now());
  assert.deepEqual((await client.consume({ ...options, offset: 2 })).map(({ offset }) => offset), [2]);
  assert.deepEqual(await client.consume({ ...options, offset: 3 }), []);
  assert.deepEqual(await client.offsets("orders", 2), { earliest: 0, latest: 3 });
  assert.equal(await client.offsetAt("orders", 2, before), 0);
  assert.equal(await client.offsetAt("orders", 2, Date.now() + 60_000), undefined);
  assert.equal(await client.committed("group", "orders", 2), undefined);
  await client.commit("group", "orders", 2, 3);
  assert.equal(await client.committed("group", "orders", 2), 3);
  await client.request(requests.deleteTopic("other"), "delete a topic");
  assert.deepEqual(await client.topics(), ["orders"]);

  await assert.rejects(client.commit("group", "orders", 2, 4), { code: "state_offset_out_of_range" });
  await assert.rejects(client.publish("orders", 5, [{ value: ascii("x") }]), { code: "not_found_partition" });
  await assert.rejects(client.ensureTopic("_x"), { code: "config_topic_name" });
  await assert.rejects(client.consume({ ...options, topic: "none" }), { code: "not_found_topic" });
});

Deno.test("the broker puts a key where this client says", async (t) => {
  await using broker = await requireServer(t, () => startRivvend({ defaultPartitions: 16 }));
  if (broker === undefined) return;
  await using client = broker.client();
  for (const key of ["", "hello", "kafka", "abcd", "user-123", '{"id":7}']) {
    // Publish without a partition: the broker's own choice.
    const { partition } = await client.request<{ partition: number }>({
      name: "Publish",
      answer: 3,
      write(writer) {
        writer.u8(4);
        writer.string("keys");
        writer.u8(0);
        writer.optional(ascii(key), (bytes) => writer.blob(bytes));
        writer.string("x");
        writer.u8(0);
      },
      read: (reader) => ({ offset: reader.uint(), partition: reader.uint() }),
    }, "publish");
    assert.equal(partition, partitionOf(ascii(key), 16), key);
  }
});

Deno.test("a request takes no delayed acknowledgement's 40 ms", async (t) => {
  await using broker = await requireServer(t, () => startRivvend());
  if (broker === undefined) return;
  await using client = broker.client(1);
  await client.request(requests.ping(), "ping");
  const took: number[] = [];
  for (let i = 0; i < 50; i++) {
    const started = performance.now();
    await client.request(requests.ping(), "ping");
    took.push(performance.now() - started);
  }
  // A busy machine holds up some; that acknowledgement would hold up nearly all.
  const quarter = took.toSorted((a, b) => a - b)[12];
  assert.ok(quarter < 20, `${quarter} ms`);
});

Deno.test("answers of several megabytes come whole, and too large ones are asked for in parts", async (t) => {
  await using broker = await requireServer(t, () => startRivvend());
  if (broker === undefined) return;
  await using client = broker.client();
  await client.ensureTopic("large", 1);
  const value = new Uint8Array(4_000_000).map((_, i) => i * 7);
  for (let i = 0; i < 4; i++) await client.publish("large", 0, [{ value }]);
  const options = { topic: "large", partition: 0, offset: 0, maxRecords: 4000, maxWaitMs: 0 };
  let offset = 0;
  while (offset < 4) {
    const records = await client.consume({ ...options, offset });
    assert.ok(records.length > 0);
    for (const record of records) assert.deepEqual(record.value, value);
    offset += records.length;
  }
});

Deno.test("the second bootstrap server is used where the first is away", async (t) => {
  await using broker = await requireServer(t, () => startRivvend());
  if (broker === undefined) return;
  await using away = await startProxy({ target: { port: broker.port } });
  away.refuse();
  const servers = [{ host: away.host, port: away.port }, { host: broker.host, port: broker.port }];
  await using client = new RivvenClient({ servers, retry: ONE_TRY });
  assert.deepEqual(await client.topics(), []);
});

Deno.test("a cut connection is opened again, and the request sent again", async (t) => {
  await using broker = await requireServer(t, () => startRivvend());
  if (broker === undefined) return;
  await using proxy = await startProxy({ target: { port: broker.port } });
  const retried: string[] = [];
  await using client = new RivvenClient({
    servers: [{ host: proxy.host, port: proxy.port }],
    onRetry: ({ code }) => retried.push(code),
    sleep: () => Promise.resolve(),
  });
  await client.ensureTopic("t", 1);
  proxy.cutAfterBytes(5);
  await client.publish("t", 0, [{ value: new Uint8Array(1000) }]);
  assert.ok(retried.includes("connection_failed"), String(retried));
});

Deno.test("a partition has settled when the batch that is at work there has ended", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  await client.ensureTopic("t", 1);
  const batch = client.publish("t", 0, Array.from({ length: 300 }, () => ({ value: ascii("x") })));
  while ((await client.offsets("t", 0)).latest === 0);
  await client.settled("t", 0);
  assert.equal((await client.offsets("t", 0)).latest, 300);
  await batch;
});

Deno.test("a broker that has stopped answering is given up after the timeout, and asked again", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  const retried: string[] = [];
  await using client = new RivvenClient({
    servers: [{ host: broker.host, port: broker.port }],
    requestTimeoutMs: 300,
    onRetry: ({ code }) => {
      retried.push(code);
      broker.resume();
    },
  });
  await client.ensureTopic("t", 1);
  broker.pause();
  await client.publish("t", 0, [{ value: ascii("x") }]);
  assert.ok(retried.includes("timeout_broker"), String(retried));
  // The broker has taken the first one too, when it went on: at least once.
  const found = await client.consume({ topic: "t", partition: 0, offset: 0, maxRecords: 10, maxWaitMs: 0 });
  assert.ok(found.length >= 1 && found.every(({ value }) => text(value) === "x"));
});

/** A server that answers its first bytes as told. */
async function badBroker(answer: (socket: Socket) => void): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => answer(socket));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const BAD: Record<string, [answer: (socket: Socket) => void, code: string, message: RegExp]> = {
  "garbage": [
    (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    "connection_protocol",
    /message of \d+ bytes/,
  ],
  "half a frame, then the end": [
    (socket) => socket.end(Uint8Array.fromHex("0000000b000000")),
    "connection_failed",
    /closed the connection/,
  ],
  "half a frame, then nothing": [
    (socket) => socket.write(Uint8Array.fromHex("0000000b000000")),
    "timeout_broker",
    /no answer within 300 ms/,
  ],
  "nothing": [() => {}, "timeout_broker", /no answer within 300 ms/],
  "an oversized frame": [
    (socket) => socket.write(Uint8Array.fromHex("7fffffff00000001")),
    "connection_protocol",
    /2147483647 bytes/,
  ],
  "another request's answer": [
    (socket) => socket.write(Uint8Array.fromHex("0000000600000000090c")),
    "connection_protocol",
    /answer to request 9/,
  ],
  "another kind of answer": [
    (socket) => socket.write(Uint8Array.fromHex("0000000600000000010c")),
    "connection_protocol",
    /answer number 12 to Handshake/,
  ],
  "a message that ends too early": [
    (socket) => socket.write(Uint8Array.fromHex("00000007000000000123ff")),
    "connection_protocol",
    /ends in the middle/,
  ],
  "another version": [
    (socket) => socket.write(Uint8Array.fromHex("0000000a000000000123010001" + "78")),
    "config_broker_version",
    /protocol version 1/,
  ],
};

for (const [name, [answer, code, message]] of Object.entries(BAD)) {
  Deno.test(`a broker that answers with ${name} is a clear error, not a hang`, async () => {
    await using server = await badBroker(answer);
    await using client = new RivvenClient({
      servers: [{ host: "127.0.0.1", port: server.port }],
      requestTimeoutMs: 300,
      retry: ONE_TRY,
    });
    await assert.rejects(client.topics(), { code, message });
  });
}

Deno.test("errors of the broker say whether trying again can help", async () => {
  const { brokerError } = await import("./errors.ts");
  const cases: [string, string, boolean][] = [
    ["I/O error: No space left on device (os error 28)", "fatal_broker_disk", false],
    ["WAL_ERROR: x", "transient_wal", true],
    ["BUFFER_FULL: x", "rate_limited_buffer", true],
    ["RATE_LIMIT_EXCEEDED: x", "rate_limited_requests", true],
    ["Topic not found: x", "not_found_topic", false],
    ["INVALID_PARTITION: x", "not_found_partition", false],
    ["INVALID_TOPIC_NAME: x", "config_topic_name", false],
    ["NOT_LEADER_FOR_PARTITION: x", "transient_leader", true],
    ["AUTHORIZATION_FAILED: x", "permission_denied", false],
    ["AUTHENTICATION_REQUIRED: x", "auth_required", false],
    ["SESSION_EXPIRED: x", "transient_session", true],
    ["MESSAGE_TOO_LARGE: x", "serialization_too_large", false],
    ["INVALID_REQUEST: x", "internal_request", false],
    ["something new", "transient_broker", true],
  ];
  for (const [said, code, retryable] of cases) {
    const error = brokerError("publish", said);
    assert.deepEqual([error.code, error.retryable], [code, retryable], said);
  }
});

Deno.test("a throttled request is sent again after the time that the broker asks for", async () => {
  const waits: number[] = [];
  let answers = 0;
  const throttled = "000000240000000002" + "1e2812" + ascii("produce_bytes_rate").toHex() + "09" +
    ascii("anonymous").toHex();
  await using server = await badBroker((socket) => {
    socket.write(Uint8Array.fromHex("0000000b0000000001230201024f4b"));
    socket.on("data", (bytes: Uint8Array) => {
      // A nudge alone is no request.
      if (bytes.length < 5) return;
      answers++;
      const id = (answers + 1).toString(16).padStart(8, "0");
      socket.write(Uint8Array.fromHex(answers < 3 ? throttled.replace("00000002", id) : `0000000600${id}0c`));
    });
  });
  await using client = new RivvenClient({
    servers: [{ host: "127.0.0.1", port: server.port }],
    retry: ONE_TRY,
    sleep: (ms) => (waits.push(ms), Promise.resolve()),
  });
  await client.request(requests.ping(), "ping");
  assert.deepEqual(waits, [40, 40]);
});

Deno.test("while the quota for reading is used up, one request asks for a single record and the others wait", async () => {
  const asked: number[] = [];
  const throttled = `1e2812${ascii("consume_bytes_rate").toHex()}09${ascii("anonymous").toHex()}`;
  const send = (socket: Socket, correlation: number, payload: string) =>
    socket.write(frame(correlation, (writer) => writer.raw(Uint8Array.fromHex(payload))));
  await using server = await badBroker((socket) => {
    send(socket, 1, "230201024f4b");
    const frames = new FrameReader(1 << 20);
    socket.on("data", (bytes: Uint8Array) => {
      for (const { correlation, payload } of frames.push(new Uint8Array(bytes))) {
        // Consume: topic, partition, offset, most records.
        const reader = new PostcardReader(payload);
        assert.equal(reader.u8(), 5);
        reader.string();
        reader.uint();
        reader.uint();
        const count = (wanted: number) => asked.filter((records) => records === wanted).length;
        const isOver = count(100) >= 4 && count(1) >= 2;
        asked.push(reader.uint());
        send(socket, correlation, isOver ? "0400" : throttled);
      }
    });
  });
  await using client = new RivvenClient({
    servers: [{ host: "127.0.0.1", port: server.port }],
    retry: ONE_TRY,
    sleep: () => Promise.resolve(),
  });
  const read = (partition: number) =>
    client.consume({ topic: "t", partition, offset: 0, maxRecords: 100, maxWaitMs: 0 });
  assert.deepEqual(await Promise.all([0, 1, 2, 3].map(read)), [[], [], [], []]);
  assert.ok(asked.filter((records) => records === 1).length >= 3);
  assert.equal(asked.filter((records) => records === 100).length, 8);
  assert.deepEqual(asked.slice(-5), [1, 100, 100, 100, 100]);
});
