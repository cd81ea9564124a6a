/** Frames byte for byte, as rivvend 0.0.22 sent and took them. */
import assert from "node:assert/strict";
import * as requests from "./requests.ts";
import { messagesOf } from "./testing.ts";
import { frame, FrameReader, PostcardReader, PostcardWriter, WireError } from "./wire.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
const ascii = (text: string) => new TextEncoder().encode(text);

function written<T>(correlation: number, request: requests.Request<T>): string {
  return frame(correlation, (writer) => request.write(writer)).toHex();
}

function answered<T>(request: requests.Request<T>, text: string): requests.Outcome<T> {
  const [{ payload }] = new FrameReader(1 << 24).push(hex(text));
  return requests.readOutcome(request, payload);
}

const same = (found: string, expected: string) => assert.equal(found, expected.replaceAll(/\s/g, ""));

Deno.test("requests are written as the broker takes them", () => {
  same(written(1, requests.handshake("ts-client")), "00000011 00 00000001 21 02 09 74732d636c69656e74");
  same(written(7, requests.ping()), "00000006 00 00000007 0d");
  same(written(1, requests.createTopic("orders", 3)), "0000000f 00 00000001 06 06 6f7264657273 01 03");
  same(written(1, requests.createTopic("dlq")), "0000000b 00 00000001 06 03 646c71 00");
  const records = [
    { key: ascii("k1"), value: ascii("a") },
    { value: ascii("bc") },
    { key: ascii("k2"), value: ascii("") },
  ];
  const batch =
    "00000020 00 00000003 26 06 6f7264657273 01 01 03 01 02 6b31 01 61 00 02 6263 01 02 6b32 00 00";
  same(written(3, requests.publishBatch("orders", 1, records)), batch);
  const encoded = new PostcardWriter();
  for (const { key, value } of records) requests.writeRecordTo(encoded, key, value);
  same(written(3, requests.publishEncoded("orders", 1, { count: 3, bytes: encoded.written })), batch);
  const consume = { topic: "orders", partition: 1, offset: 128, maxRecords: 500, maxWaitMs: 5000 };
  same(
    written(6, requests.consume(consume)),
    "00000016 00 00000006 05 06 6f7264657273 01 8001 f403 00 01 8827",
  );
  same(
    written(8, requests.commitOffset("sink-a", "orders", 1, 131)),
    "00000017 00 00000008 09 06 73696e6b2d61 06 6f7264657273 01 8301",
  );
  same(
    written(9, requests.getOffset("sink-a", "orders", 1)),
    "00000015 00 00000009 0a 06 73696e6b2d61 06 6f7264657273 01",
  );
  same(written(10, requests.getMetadata("orders")), "0000000d 00 0000000a 0b 06 6f7264657273");
  same(written(11, requests.getOffsetBounds("orders", 1)), "0000000e 00 0000000b 0e 06 6f7264657273 01");
  same(written(12, requests.getClusterMetadata()), "00000007 00 0000000c 0c 00");
  same(
    written(13, requests.getOffsetForTimestamp("orders", 0, 1767225600123)),
    "00000014 00 0000000d 12 06 6f7264657273 00 f6a1d5edee66",
  );
  same(written(14, requests.listTopics()), "00000006 00 0000000e 07");
  same(written(16, requests.deleteTopic("dlq")), "0000000a 00 00000010 08 03 646c71");
  same(
    written(1, requests.scramFirst(ascii("n,,n=alice,r=abc"))),
    "00000017 00 00000001 02 10 6e2c2c6e3d616c6963652c723d616263",
  );
});

Deno.test("answers are read as the broker sends them", () => {
  const value = <T>(request: requests.Request<T>, text: string) => {
    const outcome = answered(request, text);
    assert.equal(outcome.kind, "answer");
    return (outcome as { value: T }).value;
  };
  assert.deepEqual(value(requests.handshake("x"), "0000000b 00 00000001 23 02 01 02 4f4b"), {
    serverVersion: 2,
    compatible: true,
    message: "OK",
  });
  assert.deepEqual(value(requests.createTopic("orders"), "0000000e 00 00000001 05 06 6f7264657273 03"), {
    name: "orders",
    partitions: 3,
  });
  assert.deepEqual(value(requests.publishBatch("orders", 1, []), "0000000a 00 00000003 28 8001 01 03"), {
    baseOffset: 128,
    partition: 1,
    count: 3,
  });
  const consume = { topic: "orders", partition: 1, offset: 128, maxRecords: 500, maxWaitMs: 0 };
  const messages = [...value(
    requests.consume(consume),
    `00000052 00 00000006 04 05 8001 01 01 02 6b31 01 61 ea88cfaac168 00 8101 01 00 02 6263 ee88cfaac168 00
     8201 01 01 02 6b32 00 f088cfaac168 00 8301 01 01 02 6b31 01 61 f488cfaac168 00 8401 01 00 02 6263 f888cfaac168 00`,
  )];
  assert.deepEqual(messages.map(({ offset }) => offset), [128, 129, 130, 131, 132]);
  assert.deepEqual(messages[0], {
    offset: 128,
    key: ascii("k1"),
    value: ascii("a"),
    timestampMs: 1795475235381,
  });
  assert.equal(messages[1].key, undefined);
  assert.equal(messages[2].value.length, 0);
  // A record with a header, should one ever come.
  const headed = "00000018 00 00000006 04 01 05 00 00 01 76 f6a1d5edee66 01 01 68 02 0102";
  const first = requests.consume({ ...consume, offset: 0 });
  assert.deepEqual([...value(first, headed)].map(({ offset }) => offset), [5]);
  assert.equal(value(requests.getOffset("g", "t", 0), "00000009 00 00000009 09 01 8301"), 131);
  assert.equal(value(requests.getOffset("g", "t", 0), "00000007 00 00000009 09 00"), undefined);
  assert.deepEqual(value(requests.getOffsetBounds("t", 1), "00000009 00 0000000b 0d 00 8301"), {
    earliest: 0,
    latest: 131,
  });
  assert.equal(value(requests.getOffsetForTimestamp("t", 0, 1), "00000008 00 0000000d 11 01 00"), 0);
  assert.deepEqual(value(requests.listTopics(), "00000012 00 0000000e 06 02 06 6f7264657273 03 646c71"), [
    "orders",
    "dlq",
  ]);
  const cluster = "0000001c 00 0000000c 0b 01 02 6e31 01 02 6e31 09 3132372e302e302e31 8447 00 00";
  assert.deepEqual(value(requests.getClusterMetadata(), cluster), {
    controllerId: "n1",
    brokers: [{ nodeId: "n1", host: "127.0.0.1", port: 9092 }],
  });
  const throttled =
    "00000024 00 00000002 1e 28 12 70726f647563655f62797465735f72617465 09 616e6f6e796d6f7573";
  assert.deepEqual(answered(requests.ping(), throttled), {
    kind: "throttled",
    waitMs: 40,
    quota: "produce_bytes_rate",
  });
  const missing = "0000001e 00 0000000a 12 17 546f706963206e6f7420666f756e643a206f7264657273";
  assert.deepEqual(answered(requests.getMetadata("orders"), missing), {
    kind: "error",
    message: "Topic not found: orders",
  });
});

Deno.test("numbers have the bytes that postcard gives them, up to 2^53 and not beyond", () => {
  const bytes = (write: (writer: PostcardWriter) => void) => {
    const writer = new PostcardWriter(1);
    write(writer);
    return writer.written.toHex();
  };
  const cases: [number, string][] = [
    [0, "00"],
    [127, "7f"],
    [128, "8001"],
    [300, "ac02"],
    [65535, "ffff03"],
    [10485760, "80808005"],
    [2 ** 32 - 1, "ffffffff0f"],
    [Number.MAX_SAFE_INTEGER, "ffffffffffffff0f"],
  ];
  for (const [number, text] of cases) {
    assert.equal(bytes((writer) => writer.uint(number)), text);
    assert.equal(new PostcardReader(hex(text)).uint(), number);
  }
  assert.equal(bytes((writer) => writer.int(-1)), "01");
  assert.equal(bytes((writer) => writer.int(2147483647)), "feffffff0f");
  assert.equal(new PostcardReader(hex("03")).int(), -2);
  assert.throws(() => new PostcardReader(hex("ffffffffffffffffff01")).uint(), WireError);
  assert.throws(() => new PostcardReader(hex("ffffffffffffffffffff01")).uint(), WireError);
  assert.throws(() => new PostcardReader(hex("80")).uint(), WireError);
  assert.throws(() => new PostcardReader(hex("02")).bool(), WireError);
  assert.throws(() => new PostcardReader(hex("05aa")).blob(), WireError);
  assert.throws(() => new PostcardReader(hex("ffffff7f")).list(() => 0), WireError);
});

Deno.test("frames are cut at any place of what arrives", () => {
  const stream = hex("00000006 00 00000007 0c 0000000b 00 00000001 23 02 01 02 4f4b 00000006 00 00000008 0c");
  for (let size = 1; size <= stream.length; size++) {
    const reader = new FrameReader(1000);
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      for (const { correlation, payload } of reader.push(stream.slice(at, at + size))) {
        found.push(`${correlation} ${payload.toHex()}`);
      }
    }
    assert.deepEqual(found, ["7 0c", "1 230201024f4b", "8 0c"], `pieces of ${size}`);
    assert.equal(reader.pendingBytes, 0);
  }
});

Deno.test("what is no frame is refused at its first bytes", () => {
  for (const text of ["48545450 2f312e31", "00000002 00 0c", "00000006 01 00000001 0c", "7fffffff"]) {
    assert.throws(() => new FrameReader(1 << 20).push(hex(text)), WireError, text);
  }
  const reader = new FrameReader(1 << 20);
  assert.deepEqual(reader.push(hex("00")), []);
  assert.throws(() => reader.push(hex("ffffff")), WireError);
});

Deno.test("offsets below the asked one, or not increasing, are dropped", () => {
  const record = (offset: number) => ({ offset, key: undefined, value: ascii("x"), timestampMs: 0 });
  const offsets = (all: number[], from: number) => {
    const messages = messagesOf(all.map(record), from);
    const found = [...messages].map(({ offset }) => offset);
    assert.deepEqual([messages.length, messages.next], [found.length, (found.at(-1) ?? from - 1) + 1]);
    return found;
  };
  assert.deepEqual(offsets([3, 4, 7], 3), [3, 4, 7]);
  assert.deepEqual(offsets([1, 2, 3, 0, 0, 3, 4], 2), [2, 3, 4]);
  assert.deepEqual(offsets([0, 0, 0], 0), [0]);
  assert.deepEqual(offsets([0, 1, 0], 2), []);
});
