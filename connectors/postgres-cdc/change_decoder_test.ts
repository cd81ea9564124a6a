import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { batchFromData } from "../../formats/data/batch.ts";
import { BatchWriter } from "../../formats/data/batch_writer.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { seededRandom } from "../../tests/fakes/context.ts";
import { ChangeDecoder, type StreamPoint } from "./change_decoder.ts";
import type { RelationMessage } from "./pgoutput.ts";
import { makeRelation, type Relation, StreamBook } from "./relations.ts";
import captured from "./testdata/changes.json" with { type: "json" };
import { DEFAULT_TYPE_OPTIONS, TypeCatalog } from "./types/mod.ts";
import { FRAME, Wire } from "./wire.ts";

const MESSAGES = captured.messages.map((text) => Uint8Array.fromBase64(text));

/** A frame of the replication connection around a pgoutput message. */
function frame(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(30 + message.length);
  bytes[0] = FRAME.copyData;
  new DataView(bytes.buffer).setInt32(1, bytes.length - 1);
  bytes[5] = 0x77; // w
  bytes.set(message, 30);
  return bytes;
}

function keepalive(walEnd: bigint, wantsReply: boolean): Uint8Array {
  const bytes = new Uint8Array(23);
  const view = new DataView(bytes.buffer);
  bytes[0] = FRAME.copyData;
  view.setInt32(1, 22);
  bytes[5] = 0x6b; // k
  view.setBigUint64(6, walEnd);
  bytes[22] = wantsReply ? 1 : 0;
  return bytes;
}

/** A wire on which the test has the other end. */
async function wireWith(chunks: readonly Uint8Array[]): Promise<Wire> {
  const socket = new PassThrough();
  const wire = new Wire(socket, () => 0);
  for (const chunk of chunks) socket.write(chunk);
  socket.end();
  await new Promise((resolve) => socket.once("end", resolve));
  wire.take();
  return wire;
}

/** Types as text: the codecs have their own tests. */
const types = new TypeCatalog([], DEFAULT_TYPE_OPTIONS);

interface Decoded {
  readonly records: DataRecord[];
  readonly points: StreamPoint[];
  readonly decoder: ChangeDecoder;
}

const START: StreamPoint = { lsn: 0n, index: 0, lastCommit: 0n };

function decode(
  wire: Wire,
  start: StreamPoint = START,
  isSelected: (message: RelationMessage) => boolean = () => true,
  parses = true,
): Decoded {
  const writer = new BatchWriter({
    origin: { connector: "postgres-cdc", name: "test", version: "0" },
    layout: "standard",
    nowMicros: () => 0n,
  });
  writer.lane = "stream";
  const decoder = new ChangeDecoder(writer, start);
  const book = new StreamBook("db");
  const records: DataRecord[] = [];
  const points: StreamPoint[] = [];
  for (;;) {
    const stop = decoder.run(wire);
    if (writer.length > 0) {
      const batch = batchFromData(writer.finish({ v: 1 }));
      if (parses) records.push(...batch.records);
      writer.lane = "stream";
    }
    points.push(decoder.point);
    if (stop === "relation") decoder.setRelation(relationOf(decoder.pendingRelation!, isSelected, book));
    else if (stop !== "full") return { records, points, decoder };
  }
}

function relationOf(
  message: RelationMessage,
  isSelected: (message: RelationMessage) => boolean,
  book: StreamBook,
): Relation {
  return makeRelation(message, undefined, isSelected(message), book, types);
}

const short = ({ stream, operation, key, before, after, unavailable, order }: DataRecord) => [
  `${stream.name}/${stream.version} ${operation} ${order!.slice(-4)}`,
  key && JSON.stringify(key),
  before && JSON.stringify(before),
  after !== undefined ? JSON.stringify(after).replace(/b{9,}/, "b…") : undefined,
  unavailable?.join(),
];

Deno.test("captured changes become the records that the statements mean", async () => {
  const { records, decoder } = decode(await wireWith(MESSAGES.map(frame)));
  assert.deepEqual(records.map(short), [
    ["d/1 insert 0000", '{"id":"1"}', undefined, '{"id":"1","note":"one","big":"b…"}', undefined],
    ["d/1 insert 0001", '{"id":"2"}', undefined, '{"id":"2","note":null,"big":null}', undefined],
    ["d/1 update 0000", '{"id":"1"}', undefined, '{"id":"1","note":"uno"}', "big"],
    ["d/1 delete 0001", '{"id":"1"}', '{"id":"1"}', undefined, undefined],
    ["d/1 insert 0002", '{"id":"10"}', undefined, '{"id":"10","note":"uno"}', "big"],
    ["f/1 insert 0000", undefined, undefined, '{"a":"1","b":"2","note":"x"}', undefined],
    ["f/1 insert 0001", undefined, undefined, '{"a":"3","b":"4","note":null}', undefined],
    ["f/1 update 0000", undefined, '{"a":"1","b":"2","note":"x"}', '{"a":"1","b":"2","note":"y"}', undefined],
    [
      "f/1 update 0002",
      undefined,
      '{"a":"3","b":"4","note":null}',
      '{"a":"3","b":"5","note":null}',
      undefined,
    ],
    ["f/1 delete 0004", undefined, '{"a":"1","b":"2","note":"y"}', undefined, undefined],
    [
      "No Key/1 insert 0000",
      undefined,
      undefined,
      String.raw`{"x":"9223372036854775807","y":"quote \" backslash \\ tab \t end"}`,
      undefined,
    ],
    // A logical message stood before it.
    ["d/1 insert 0001", '{"id":"4"}', undefined, '{"id":"4","note":"after","big":""}', undefined],
    [
      "d/2 insert 0000",
      '{"id":"5"}',
      undefined,
      '{"id":"5","note":"five","big":null,"extra":"8"}',
      undefined,
    ],
    ["d/2 delete 0000", '{"id":"5"}', '{"id":"5"}', undefined, undefined],
  ]);
  assert.equal(decoder.inTransaction, false);
});

Deno.test("it makes no difference how the bytes are cut into pieces", async () => {
  const whole = MESSAGES.map(frame);
  const all = new Uint8Array(whole.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const bytes of whole) {
    all.set(bytes, at);
    at += bytes.length;
  }
  const expected = decode(await wireWith(whole)).records.map(short);
  const random = seededRandom(1);
  for (let round = 0; round < 20; round++) {
    const socket = new PassThrough();
    const wire = new Wire(socket, () => 0);
    const writer = new BatchWriter({
      origin: { connector: "c", name: "n", version: "0" },
      layout: "standard",
      nowMicros: () => 0n,
    });
    const decoder = new ChangeDecoder(writer, START);
    const book = new StreamBook("db");
    for (let from = 0; from < all.length;) {
      const size = 1 + Math.floor(random() * (round < 10 ? 40 : 2000));
      socket.write(all.slice(from, from + size));
      from += size;
      await wire.wait();
      wire.take();
      while (decoder.run(wire) === "relation") {
        decoder.setRelation(relationOf(decoder.pendingRelation!, () => true, book));
      }
    }
    assert.deepEqual(batchFromData(writer.finish({ v: 1 })).records.map(short), expected);
    socket.destroy();
  }
});

Deno.test("resuming behind any change skips exactly what is behind it; numbers don't depend on what is selected", async () => {
  const frames = MESSAGES.map(frame);
  const all = decode(await wireWith(frames)).records;
  for (let i = 0; i < all.length; i++) {
    const [group, index] = all[i].order!.split("/");
    const lsn = BigInt(`0x${group}`);
    // The server begins again with the transaction that is under way.
    const begin = MESSAGES.findIndex((message) =>
      message[0] === 0x42 && new DataView(message.buffer, message.byteOffset).getBigUint64(1) === lsn
    );
    const relations = MESSAGES.slice(0, begin).filter((message) => message[0] === 0x52);
    const again = [...relations, ...MESSAGES.slice(begin)].map(frame);
    const { records } = decode(await wireWith(again), { lsn, index: Number(index) + 1, lastCommit: 0n });
    const rest = all.slice(i + 1);
    // The history of schemas, which is not here, knows the versions that were announced before.
    const unversioned = (record: DataRecord) => short(record).with(0, short(record)[0]!.replace(/\/\d+/, ""));
    // A change of the key is two records with two numbers; other updates with an old row have one, and the next is free.
    assert.deepEqual(records.map(unversioned), rest.map(unversioned), String(all[i].order));
  }
  const some = decode(await wireWith(frames), START, ({ name }) => name === "d").records;
  assert.deepEqual(some.map(short), all.filter(({ stream }) => stream.name === "d").map(short));
});

Deno.test("a stream that does not go on where it should is an error", async () => {
  const frames = MESSAGES.map(frame);
  const first = new DataView(MESSAGES[0].buffer, MESSAGES[0].byteOffset).getBigUint64(1);
  const code = (code: string) => (error: unknown) => error instanceof ConnectorError && error.code === code;
  const other = await wireWith(frames);
  assert.throws(
    () => decode(other, { lsn: first - 8n, index: 1, lastCommit: 0n }),
    code("state_transaction_gone"),
  );
  const shorter = await wireWith(frames);
  assert.throws(
    () => decode(shorter, { lsn: first, index: 99, lastCommit: 0n }),
    code("state_transaction_gone"),
  );
});

Deno.test("a keepalive moves the position between transactions only", async () => {
  const begin = frame(MESSAGES[0]);
  const first = new DataView(MESSAGES[0].buffer, MESSAGES[0].byteOffset).getBigUint64(1);
  const before = decode(
    await wireWith([keepalive(first - 100n, true), begin, keepalive(first + 100n, false)]),
  );
  assert.deepEqual(before.decoder.point, { lsn: first, index: 0, lastCommit: 0n });
  assert.equal(before.decoder.replyRequested, true);
  assert.equal(before.decoder.receivedLsn, first + 100n);
  const idle = decode(await wireWith([keepalive(first - 100n, false)]));
  assert.equal(idle.decoder.point.lsn, first - 100n);
  // Inside a transaction that was interrupted, nothing is known to be complete.
  const resumed = decode(await wireWith([keepalive(first + 100n, false)]), {
    lsn: first,
    index: 3,
    lastCommit: 0n,
  });
  assert.deepEqual(resumed.decoder.point, { lsn: first, index: 3, lastCommit: 0n });
});

Deno.test("every truncation of a message is an error or a shorter record, never a hang", async () => {
  for (let m = 0; m < MESSAGES.length; m++) {
    for (let size = 0; size < MESSAGES[m].length; size++) {
      if (MESSAGES[m].length > 500 && size % 97 > 0) continue;
      const frames = MESSAGES.slice(0, m).map(frame);
      await decodesOrFails([...frames, frame(MESSAGES[m].subarray(0, size))]);
    }
  }
});

Deno.test("100,000 damaged messages are errors or records, never a hang", async () => {
  const random = seededRandom(42);
  const below = (limit: number) => Math.floor(random() * limit);
  // Damage to the announcement of a table spoils what follows, so a few streams of many damaged messages will do.
  const small = MESSAGES.filter(({ length }) => length < 500);
  let damaged = 0;
  let failed = 0;
  while (damaged < 100_000) {
    const frames = small.map((message) => {
      if (random() < 0.6) return frame(message);
      damaged++;
      const copy = message.slice();
      for (let n = 1 + below(4); n > 0; n--) {
        const at = below(copy.length);
        copy[at] = random() < 0.5 ? below(256) : copy[at] ^ (1 << below(8));
      }
      return frame(copy);
    });
    if (!await decodesOrFails(frames)) failed++;
  }
  assert(failed > 1000, `${failed} streams failed`);
});

/** Decodes; returns whether it came to the end. An error must be one that a person can read. */
async function decodesOrFails(frames: readonly Uint8Array[]): Promise<boolean> {
  const wire = await wireWith(frames);
  try {
    // Damaged text need not be UTF-8, so nobody could parse it.
    decode(wire, START, () => true, false);
    return true;
  } catch (error) {
    assert(error instanceof ConnectorError, `${error instanceof Error ? error.stack : error}`);
    assert.match(error.code, /^(serialization|state|fatal)_/);
    return false;
  }
}
