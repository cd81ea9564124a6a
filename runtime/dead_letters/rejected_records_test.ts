import assert from "node:assert/strict";
import type { BatchLimits, UndecodedRecord } from "../../connectors/contract.ts";
import { type Batch, orderText } from "../../formats/data/batch.ts";
import { RecordError } from "../../formats/data/errors.ts";
import { streamMatcher } from "../../formats/data/stream_pattern.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord } from "../../tests/fakes/records.ts";
import { CollectingSink } from "../../tests/fakes/sink.ts";
import { ScriptedSource } from "../../tests/fakes/source.ts";
import type { Marks } from "../state/checkpoint.ts";
import { PortReceiver, PortSender } from "../data_port.ts";
import type { OnError, Rejected } from "./dead_letter.ts";
import { type Flushed, runSource, SinkEnd } from "../pipeline.ts";
import { RateLimit } from "../rate_limit.ts";
import { Rejections } from "./rejections.ts";
import { SourceRejections } from "./source_rejections.ts";

const CHEAP: BatchLimits = { cheap: true, maxRecords: 1e6, maxBytes: 1e9, maxWaitMs: 60_000 };
const odd = new RecordError("It is no row", { code: "serialization_row" });
const order = (n: number) => orderText("g", n);

function batchOf(...ids: number[]): Batch {
  const records = ids.map((id) => fakeRecord(id, { order: order(id) }));
  return fakeBatch(records, { layout: "plain", position: { v: 1, n: ids.at(-1) ?? 0 } });
}

const emptyAt = (n: number) => fakeBatch([], { layout: "plain", position: { v: 1, n } });

/** Record `n` of the lane, which can't be decoded. */
function undecoded(n: number, stream = "orders"): UndecodedRecord {
  const payload = new TextEncoder().encode(`row ${n}`);
  return { stream: { name: stream }, lane: "stream", order: order(n), payload };
}

/** The sink's end of a flow whose commits are all made, and what came of it. */
class Receiver implements AsyncDisposable {
  readonly sink = new CollectingSink();
  readonly commits: Flushed[] = [];
  readonly sender: PortSender;
  readonly running: Promise<void>;
  readonly #end: SinkEnd;

  constructor(onError: OnError, marks: Marks = {}, maxRatio = 1) {
    const { port1, port2 } = new MessageChannel();
    this.sender = new PortSender(port1);
    this.#end = new SinkEnd({
      sink: this.sink,
      port: port2,
      makeReceiver: (port, arrived) => new PortReceiver(port, arrived),
      marks,
      source: { name: "numbers", connector: "fake" },
      layout: "plain",
      limits: CHEAP,
      rejections: new Rejections({ flow: "flow", onError, maxRatio }, fakeSinkContext().log),
      clock: new FakeClock(),
      due: () => this.#end.flush().then((flushed) => this.commits.push(flushed), () => {}),
    });
    this.running = this.#end.run();
    this.running.catch(() => {});
  }

  get ids(): number[] {
    return this.sink.durable.map((line) => JSON.parse(line).id);
  }

  get letters(): (string | undefined)[] {
    return this.commits.flatMap(({ deadLetters }) => deadLetters.map(({ order }) => order));
  }

  get marks(): Marks {
    return Object.assign({}, ...this.commits.map(({ marks }) => marks));
  }

  get position(): unknown {
    return this.commits.at(-1)?.position?.n;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sender.close();
    this.#end.close();
    await this.running.catch(() => {});
  }
}

type Step = Batch | UndecodedRecord;

/** Runs a source that rejects and yields in this order, into flows that take what they take. */
async function run(
  steps: readonly Step[],
  flows: readonly { receiver: Receiver; takes?: string }[],
): Promise<void> {
  const rejections = new SourceRejections();
  const source = new ScriptedSource([]);
  source.read = async function* () {
    for (const step of steps) {
      if ("payload" in step) rejections.reject(step, odd);
      else yield step;
    }
  };
  const rate = new RateLimit(0, new FakeClock());
  await runSource({
    source,
    from: undefined,
    signal: new AbortController().signal,
    rate,
    outputs: flows.map(({ receiver: { sender }, takes }) => ({
      sender,
      takes: takes === undefined ? undefined : streamMatcher([takes]),
      rate,
    })),
    rejections,
    onRead: () => {},
  });
  for (const { receiver } of flows) await receiver.running;
}

Deno.test("records that can't be decoded are kept with the batch whose position covers them", async () => {
  await using receiver = new Receiver("dead_letter");
  await run([batchOf(1, 2), undecoded(3), undecoded(4), batchOf(5), batchOf(6)], [{ receiver }]);
  assert.deepEqual(receiver.ids, [1, 2, 5, 6]);
  assert.deepEqual(receiver.letters, [order(3), order(4)]);
  for (const { deadLetters, position } of receiver.commits) {
    if (deadLetters.length > 0) assert.ok(Number(position!.n) >= 5, "kept before its position");
    else if (Number(position?.n ?? 0) >= 5) {
      const earlier = receiver.commits.slice(
        0,
        receiver.commits.findIndex((one) => one.position === position),
      );
      assert.ok(
        earlier.some(({ deadLetters }) => deadLetters.length > 0),
        "the position came before its letters",
      );
    }
  }
});

Deno.test("how many were rejected is judged with the whole batch that they belong to", async () => {
  const rejected = Array.from({ length: 150 }, (_, i) => undecoded(i + 1));
  const rest = () => batchOf(...Array.from({ length: 200 }, (_, i) => 151 + i));
  await using few = new Receiver("dead_letter", {}, 0.5);
  await run([...rejected, rest()], [{ receiver: few }]);
  assert.equal(few.ids.length, 200);
  assert.equal(few.letters.length, 150);

  await using many = new Receiver("dead_letter", {}, 0.4);
  await assert.rejects(run([...rejected, rest()], [{ receiver: many }]), { code: "fatal_too_many_rejected" });
  assert.deepEqual(many.commits, []);
  await using all = new Receiver("dead_letter", {}, 0.5);
  await assert.rejects(run([...rejected, emptyAt(150)], [{ receiver: all }]), {
    code: "fatal_too_many_rejected",
  });
});

Deno.test("a batch all of whose records were rejected moves the position", async () => {
  await using receiver = new Receiver("dead_letter");
  await run([undecoded(1), undecoded(2), emptyAt(2)], [{ receiver }]);
  assert.deepEqual([receiver.ids, receiver.letters, receiver.position], [[], [order(1), order(2)], 2]);
});

Deno.test("stop fails the flow before anything behind the record is written or acknowledged", async () => {
  await using receiver = new Receiver("stop");
  await assert.rejects(run([batchOf(1), undecoded(2), batchOf(3), batchOf(4)], [{ receiver }]), {
    message: `Cannot decode record ${order(2)} of orders: It is no row`,
    retryable: false,
  });
  assert.ok(receiver.commits.every(({ position }) => Number(position?.n ?? 0) < 2));
  assert.ok(!receiver.ids.includes(3));
});

Deno.test("skip goes on, and the commit says how many it left out", async () => {
  await using receiver = new Receiver("skip");
  await run([undecoded(1), batchOf(2), undecoded(3), emptyAt(3)], [{ receiver }]);
  assert.deepEqual([receiver.ids, receiver.letters, receiver.position], [[2], [], 3]);
  assert.equal(receiver.commits.reduce((sum, { skipped }) => sum + skipped, 0), 2);
});

Deno.test("every flow decides about the rejected records of the streams that it takes", async () => {
  await using all = new Receiver("dead_letter");
  await using people = new Receiver("dead_letter");
  await using skipping = new Receiver("skip");
  await run([undecoded(1), undecoded(2, "people"), emptyAt(2)], [
    { receiver: all },
    { receiver: people, takes: "people" },
    { receiver: skipping },
  ]);
  assert.deepEqual([all.letters, people.letters, skipping.letters], [[order(1), order(2)], [order(2)], []]);
  assert.deepEqual([all.position, people.position, skipping.position], [2, 2, 2]);
});

Deno.test("what is at or below the mark was kept before and is not kept again", async () => {
  await using receiver = new Receiver("dead_letter", { stream: order(4) });
  await run([undecoded(1), batchOf(2, 3), undecoded(4), undecoded(5), batchOf(6)], [{ receiver }]);
  assert.deepEqual([receiver.ids, receiver.letters], [[6], [order(5)]]);
});

/** What a transform left out of the batch with the position `n`. */
function untransformed(...ids: number[]): readonly Rejected[] {
  const rejections = new SourceRejections();
  for (const id of ids) {
    rejections.rejectRecord(batchOf(id).encoded(), fakeRecord(id, { order: order(id) }), odd, {
      transform: "cast #1",
      withoutRow: false,
    });
  }
  return rejections.take();
}

Deno.test("the mark moves past records that a transform rejected, also where nothing else is left", async () => {
  await using receiver = new Receiver("dead_letter");
  await receiver.sender.send(1, batchOf(1, 3), false, untransformed(2, 4));
  await receiver.sender.send(2, emptyAt(6), false, untransformed(5, 6));
  receiver.sender.end();
  await receiver.running;
  assert.deepEqual(receiver.letters, [2, 4, 5, 6].map(order));
  assert.deepEqual([receiver.marks, receiver.position], [{ stream: order(6) }, 6]);
});

Deno.test("one that could not be decoded does not move the mark, since it may lie ahead of its batch", async () => {
  await using receiver = new Receiver("dead_letter");
  await run([undecoded(9), batchOf(1)], [{ receiver }]);
  assert.deepEqual(receiver.marks, { stream: order(1) });
});

Deno.test("dead letters count against what may be under way between the workers", async () => {
  const { port1, port2 } = new MessageChannel();
  const arrivals: number[] = [];
  const receiver = new PortReceiver(port2, () => arrivals.push(1));
  const sender = new PortSender(port1);
  const rejections = new SourceRejections();
  rejections.reject({ ...undecoded(1), payload: new Uint8Array(17 << 20) }, odd);
  await sender.send(1, batchOf(1), false, rejections.take());
  let sent = false;
  const second = sender.send(2, batchOf(2), false).then(() => sent = true);
  for (let turn = 0; turn < 5000 && arrivals.length === 0; turn++) {
    await new Promise((wake) => setTimeout(wake, 0));
  }
  assert.equal(sent, false);
  const delivery = receiver.take()!;
  assert.equal(delivery.rejected[0].letter.payload.length, 17 << 20);
  delivery.release();
  await second;
  sender.close();
  receiver.close();
});
