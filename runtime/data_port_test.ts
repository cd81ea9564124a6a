import assert from "node:assert/strict";
import fc from "fast-check";
import { anyRecord } from "../tests/fakes/arbitraries.ts";
import { fakeBatch, fakeRecord, fakeStream, ORDERS } from "../tests/fakes/records.ts";
import type { Batch } from "../formats/data/batch.ts";
import { BufferPool } from "../formats/data/buffer_pool.ts";
import { LAYOUTS } from "../formats/data/envelope.ts";
import { type Delivery, MAX_BATCHES_UNDER_WAY, PortReceiver, PortSender } from "./data_port.ts";

/** Both ends in one thread. */
class Line implements Disposable {
  readonly pool = new BufferPool();
  readonly sender: PortSender;
  readonly receiver: PortReceiver;
  arrivals = 0;
  sent = 0;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.sender = new PortSender(port1, this.pool);
    this.receiver = new PortReceiver(port2, () => this.arrivals++);
  }

  /** Sends in the background and counts what has left. */
  send(batch: Batch, copy = false): Promise<void> {
    return this.sender.send(this.sent + 1, batch, copy).then(() => void this.sent++);
  }

  async take(): Promise<Delivery> {
    await until(() => !this.receiver.isEmpty);
    return this.receiver.take()!;
  }

  async pass(batch: Batch, copy = false): Promise<Delivery> {
    await this.send(batch, copy);
    return await this.take();
  }

  [Symbol.dispose](): void {
    this.sender.close();
    this.receiver.close();
  }
}

/** Waits, a turn of the event loop at a time. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn === 5000) assert.fail(`Never came: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Long enough for whatever is under way between two ports of one thread. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** A batch whose text is about this long. */
function large(bytes: number): Batch {
  return fakeBatch([fakeRecord(1, { after: { id: 1n, customer: "x".repeat(bytes) } })], { layout: "plain" });
}

const text = (batch: Batch) => new TextDecoder().decode(batch.bytes);

Deno.test("a batch arrives as it was sent, in every layout", async () => {
  using line = new Line();
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRecord, { maxLength: 3 }),
      fc.constantFrom(...LAYOUTS),
      fc.boolean(),
      async (records, layout, copy) => {
        const batch = fakeBatch(records, { layout, lane: "snapshot/a.b/1", position: { v: 1, n: 7 } });
        const written = text(batch);
        const { batch: arrived, release } = await line.pass(batch, copy);
        assert.equal(text(arrived), written);
        assert.deepEqual(arrived.records, records);
        const { lane, position, layout: inLayout, readAtMicros } = arrived;
        assert.deepEqual({ lane, position, inLayout, readAtMicros }, {
          lane: "snapshot/a.b/1",
          position: { v: 1, n: 7 },
          inLayout: layout,
          readAtMicros: batch.readAtMicros,
        });
        release();
      },
    ),
    { seed: 42, numRuns: 60 },
  );
});

Deno.test("the ninth batch waits until one is released", async () => {
  using line = new Line();
  const sends = Array.from({ length: MAX_BATCHES_UNDER_WAY + 1 }, () => fakeBatch([fakeRecord(1)]));
  const all = (async () => {
    for (const batch of sends) await line.send(batch);
  })();
  await until(() => line.arrivals === 8);
  await settled();
  assert.deepEqual([line.sent, line.arrivals], [8, 8]);
  const first = line.receiver.take()!;
  await settled();
  assert.equal(line.sent, 8, "taken is not yet done with");
  first.release();
  await all;
  await until(() => line.arrivals === 9);
  const seqs = [first.seq];
  while (!line.receiver.isEmpty) seqs.push(line.receiver.take()!.seq);
  assert.deepEqual(seqs, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("no more than the byte budget is under way, but one batch of any size is", async () => {
  using line = new Line();
  const all = (async () => {
    for (const size of [6 << 20, 6 << 20, 6 << 20, 20 << 20, 1]) await line.send(large(size));
  })();
  await until(() => line.arrivals === 3);
  await settled();
  assert.equal(line.sent, 3, "16 MiB are reached by the third");
  for (let k = 0; k < 2; k++) (await line.take()).release();
  await until(() => line.arrivals === 4);
  (await line.take()).release();
  await settled();
  assert.equal(line.sent, 4, "20 MiB fill the line alone");
  (await line.take()).release();
  await all;
});

Deno.test("rows beside the text count, too", async () => {
  using line = new Line();
  const gone = (size: number) => {
    const before = { id: 1n, customer: "x".repeat(size) };
    return fakeBatch([fakeRecord(1, { operation: "delete", before, after: undefined })], { layout: "plain" });
  };
  const all = (async () => {
    for (let k = 0; k < 4; k++) await line.send(gone(6 << 20));
  })();
  await until(() => line.arrivals === 3);
  await settled();
  assert.equal(line.sent, 3);
  (await line.take()).release();
  await all;
});

Deno.test("a copy leaves the batch to its sender, without one its buffers are gone", async () => {
  using line = new Line();
  const batch = fakeBatch([fakeRecord(1), fakeRecord(2)]);
  const written = text(batch);
  const { batch: copied } = await line.pass(batch, true);
  assert.equal(text(batch), written);
  assert.deepEqual(batch.records, copied.records);
  await line.pass(batch, false);
  const { text: sent, side, columns } = batch.encoded();
  assert.deepEqual(
    [sent.buffer, side.buffer, columns.buffer].map((buffer) => (buffer as ArrayBuffer).detached),
    [
      true,
      true,
      true,
    ],
  );
});

Deno.test("a stream crosses once and is the same object ever after, a new version is another", async () => {
  const posted: { newStreams: readonly unknown[] }[] = [];
  const { port1, port2 } = new MessageChannel();
  const post = port1.postMessage.bind(port1);
  port1.postMessage = (message: { newStreams: readonly unknown[] }, transfer: never) => {
    posted.push(message);
    post(message, transfer);
  };
  const sender = new PortSender(port1);
  const receiver = new PortReceiver(port2, () => {});
  const customers = fakeStream("customers");
  const altered = { ...ORDERS, version: 2 };
  const streams = [[ORDERS], [ORDERS, customers], [customers, ORDERS], [altered]];
  const arrived: Batch[] = [];
  for (const [k, list] of streams.entries()) {
    await sender.send(k, fakeBatch(list.map((stream, i) => fakeRecord(i, { stream }))), false);
    await until(() => !receiver.isEmpty);
    arrived.push(receiver.take()!.batch);
  }
  sender.close();
  receiver.close();
  assert.deepEqual(posted.map(({ newStreams }) => newStreams.length), [1, 1, 0, 1]);
  assert.equal(arrived[0].stream(0), arrived[2].stream(1));
  assert.equal(arrived[1].stream(1), arrived[2].stream(0));
  assert.deepEqual(arrived[3].stream(0), altered);
});

Deno.test("buffers come back to the pool once a batch is released, and retained ones don't", async () => {
  using line = new Line();
  const back = async (use: (batch: Batch) => void) => {
    const { batch, release } = await line.pass(fakeBatch([fakeRecord(1), fakeRecord(2)]));
    use(batch);
    const kept = text(batch);
    release();
    await settled();
    const buffers = [line.pool.takeText(), line.pool.takeColumns()].map((buffer) => buffer !== undefined);
    if (!buffers[0]) assert.equal(text(batch), kept);
    return buffers;
  };
  assert.deepEqual(await back(() => {}), [true, true]);
  assert.deepEqual(await back((batch) => batch.retain()), [false, false]);
  assert.deepEqual(await back((batch) => batch.withoutFirst(1).retain()), [false, false]);
  assert.deepEqual(await back((batch) => batch.select((i) => i === 1).retain()), [true, true]);
});

Deno.test("selected and shortened batches cross as what they are", async () => {
  using line = new Line();
  const batch = () => fakeBatch([1, 2, 3, 4].map((id) => fakeRecord(id)), { layout: "standard" });
  for (
    const part of [
      batch().select((i) => i % 2 === 1),
      batch().withoutFirst(3),
      batch().select(() => false),
    ]
  ) {
    const [written, keys] = [text(part), part.records.map(({ key }) => key)];
    const { batch: arrived } = await line.pass(part);
    assert.equal(text(arrived), written);
    assert.deepEqual(arrived.records.map(({ key }) => key), keys);
  }
});

Deno.test("closing wakes a send that waits, and what is sent afterwards goes nowhere", async () => {
  const line = new Line();
  for (let k = 0; k < 8; k++) await line.send(fakeBatch([fakeRecord(k)]));
  let isOver = false;
  const ninth = line.send(fakeBatch([fakeRecord(9)])).then(() => isOver = true);
  await settled();
  assert.equal(isOver, false);
  line.sender.close();
  await ninth;
  await line.send(fakeBatch([fakeRecord(10)]));
  line.sender.end();
  line.receiver.close();
  assert.equal(line.arrivals, 8);
});

Deno.test("the end comes after the last batch, and is reached once that is taken", async () => {
  using line = new Line();
  await line.send(fakeBatch([fakeRecord(1)]));
  line.sender.end();
  await until(() => line.arrivals === 2);
  assert.deepEqual([line.receiver.isEmpty, line.receiver.isDone], [false, false]);
  line.receiver.take();
  assert.equal(line.receiver.isDone, true);
  assert.equal(line.receiver.take(), undefined);
});
