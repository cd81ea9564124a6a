/** Chains of transforms between a source and its ports: who gets what, and what marks say of it after a crash. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Batch, orderText } from "../formats/data/batch.ts";
import { RecordError } from "../formats/data/errors.ts";
import type { DataRecord } from "../formats/data/record.ts";
import { streamMatcher } from "../formats/data/stream_pattern.ts";
import { FakeClock } from "../tests/fakes/clock.ts";
import { fakeSinkContext } from "../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream, linesOf, ORDERS } from "../tests/fakes/records.ts";
import { CollectingSink } from "../tests/fakes/sink.ts";
import { ScriptedSource } from "../tests/fakes/source.ts";
import { eachRecord, nthOrder } from "../transforms/_shared/records.ts";
import type { Transform } from "../transforms/contract.ts";
import { type Chain, openChain } from "./chain/chain.ts";
import type { PlannedTransform } from "./chain/chain_plan.ts";
import type { Marks } from "./state/checkpoint.ts";
import { PortReceiver, PortSender } from "./data_port.ts";
import { runSource, SinkEnd } from "./pipeline.ts";
import { RateLimit } from "./rate_limit.ts";
import { Rejections } from "./dead_letters/rejections.ts";
import { SourceRejections } from "./dead_letters/source_rejections.ts";

const PAYMENTS = fakeStream("payments");
const never = new AbortController().signal;
const idOf = (record: DataRecord) => Number((record.after as { id: bigint }).id);

function chainOf(transform: Transform, onError: PlannedTransform["onError"] = "dead_letter"): Promise<Chain> {
  const planned: PlannedTransform = {
    kind: "transform",
    name: "it",
    type: "it",
    config: undefined,
    protects: false,
    withoutRow: false,
    onError,
  };
  return openChain([planned], {
    implementations: { it: () => Promise.resolve({ openTransform: () => transform }) },
    compileCondition: () => () => true,
    context: { log: { warn() {} }, metrics: { add() {} }, nowMicros: () => 0n, random: () => 0 },
  });
}

interface Got {
  readonly lines: string[];
  readonly topics: (string | undefined)[];
  readonly rejected: (string | undefined)[];
  readonly lengths: number[];
}

/** Sends the batches through the chains to as many flows, and returns what arrived at each. */
async function sent(
  batches: readonly Batch[],
  source: Chain | undefined,
  flows: readonly { chain?: Chain; streams?: string[] }[],
): Promise<Got[]> {
  const got: Got[] = [];
  const closing: (() => void)[] = [];
  const arrived: Promise<void>[] = [];
  const rate = new RateLimit(0, new FakeClock());
  const outputs = flows.map(({ chain, streams }) => {
    const { port1, port2 } = new MessageChannel();
    const to: Got = { lines: [], topics: [], rejected: [], lengths: [] };
    got.push(to);
    const done = Promise.withResolvers<void>();
    arrived.push(done.promise);
    const receiver = new PortReceiver(port2, () => {
      for (let delivery = receiver.take(); delivery; delivery = receiver.take()) {
        const { batch, rejected } = delivery;
        to.lines.push(...linesOf(batch));
        to.lengths.push(batch.length);
        for (let i = 0; i < batch.length; i++) to.topics.push(batch.stream(i).topic);
        to.rejected.push(...rejected.map(({ letter }) => letter.order));
        delivery.release();
      }
      if (receiver.isDone) done.resolve();
    });
    const sender = new PortSender(port1);
    closing.push(() => (sender.close(), receiver.close()));
    return { sender, takes: streams && streamMatcher(streams), chain, rate };
  });
  await runSource({
    source: new ScriptedSource(batches),
    from: undefined,
    signal: never,
    rate,
    outputs,
    rejections: new SourceRejections(),
    chain: source,
    onRead: () => {},
  });
  await Promise.all(arrived);
  closing.forEach((close) => close());
  return got;
}

Deno.test("flows with and without transforms share a batch: each gets its own, and no buffer is taken from another", async () => {
  const rename = (record: DataRecord) => ({ ...record, after: { id: (record.after as { id: bigint }).id } });
  const chains = {
    topic: await chainOf({ stream: (stream) => ({ ...stream, topic: "elsewhere" }) }),
    odd: await chainOf({ apply: eachRecord((record) => idOf(record) % 2 === 1 ? record : undefined) }),
    short: await chainOf({ apply: eachRecord(rename) }),
  };
  const batches = [1, 4].map((first) =>
    fakeBatch([0, 1, 2].map((i) => fakeRecord(first + i)), { layout: "plain", position: { v: 1, n: first } })
  );
  const all = batches.flatMap((batch) => linesOf(batch));
  const [plain, topic, odd, short, again] = await sent(batches, undefined, [
    {},
    { chain: chains.topic },
    { chain: chains.odd },
    { chain: chains.short },
    {},
  ]);
  assert.deepEqual(plain.lines, all);
  assert.deepEqual(again.lines, all);
  assert.deepEqual(topic.lines, all);
  assert.deepEqual(topic.topics, Array(6).fill("elsewhere"));
  assert.deepEqual(plain.topics, Array(6).fill(undefined));
  assert.deepEqual(odd.lines, [all[0], all[2], all[4]]);
  assert.deepEqual(short.lines, [1, 2, 3, 4, 5, 6].map((id) => `{"id":${id}}`));
});

Deno.test("what the source's chain rejects concerns every flow of the stream, what a flow's chain rejects that flow", async () => {
  const reject = (id: number): Transform => ({
    apply: eachRecord((record) => {
      if (idOf(record) === id) throw new RecordError("no", { code: "serialization" });
      return record;
    }),
  });
  const records = [1, 2, 3].map((id) => fakeRecord(id, { stream: id === 3 ? PAYMENTS : ORDERS }));
  const [all, orders, payments] = await sent(
    [fakeBatch(records, { layout: "plain" })],
    await chainOf(reject(1)),
    [
      { chain: await chainOf(reject(3)) },
      { streams: ["public.orders"] },
      { streams: ["public.payments"], chain: await chainOf(reject(3)) },
    ],
  );
  const order = (id: number) => orderText("0000000000000001", id);
  assert.deepEqual([all.rejected, all.lines.length], [[order(1), order(3)], 1]);
  assert.deepEqual([orders.rejected, orders.lines.length], [[order(1)], 1]);
  assert.deepEqual(
    [payments.rejected, payments.lengths],
    [[order(3)], [0]],
    "the position moves all the same",
  );
});

/** Sends the batches to a sink behind a chain, from the first one on, and makes everything durable. */
async function run(batches: readonly Batch[], chain: Chain, marks: Marks) {
  const { port1, port2 } = new MessageChannel();
  const sink = new CollectingSink();
  const end = new SinkEnd({
    sink,
    port: port2,
    makeReceiver: (port, arrived) => new PortReceiver(port, arrived),
    marks,
    source: { name: "numbers", connector: "fake" },
    layout: "plain",
    limits: { cheap: true, maxRecords: 1e6, maxBytes: 1e9, maxWaitMs: 60_000 },
    rejections: new Rejections({ flow: "flow", onError: "dead_letter", maxRatio: 1 }, fakeSinkContext().log),
    clock: new FakeClock(),
    due: () =>
      end.flush().then((flushed) => {
        letters.push(...flushed.deadLetters.map(({ order }) => order));
        Object.assign(moved, flushed.marks);
        if (flushed.isLast) done.resolve();
      }),
  });
  const letters: (string | undefined)[] = [];
  const moved: Record<string, string> = { ...marks };
  const done = Promise.withResolvers<void>();
  const running = end.run();
  const sender = new PortSender(port1);
  const rate = new RateLimit(0, new FakeClock());
  await runSource({
    source: new ScriptedSource(batches),
    from: undefined,
    signal: never,
    rate,
    outputs: [{ sender, takes: undefined, chain, rate }],
    rejections: new SourceRejections(),
    onRead: () => {},
  });
  await done.promise;
  await running;
  sender.close();
  end.close();
  return { letters, lines: sink.durable, marks: moved };
}

Deno.test("after a crash, marks tell what is durable although the chain drops, doubles and rejects", async () => {
  const fates = fc.array(fc.constantFrom("pass", "drop", "twice", "reject"), { minLength: 1, maxLength: 7 });
  await fc.assert(
    fc.asyncProperty(
      fates,
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }),
      fc.nat({ max: 5 }),
      async (fates, sizes, durable) => {
        const transform: Transform = {
          apply: eachRecord((record) => {
            const fate = fates[idOf(record) % fates.length];
            if (fate === "reject") throw new RecordError("no", { code: "serialization" });
            if (fate === "twice") return [record, { ...record, order: nthOrder(record.order, 1) }];
            return fate === "pass" ? record : undefined;
          }),
        };
        let id = 0;
        const batches = () => {
          id = 0;
          return sizes.map((size) =>
            fakeBatch(Array.from({ length: size }, () => fakeRecord(++id)), {
              layout: "plain",
              position: { v: 1, n: id },
            })
          );
        };
        await using chain = await chainOf(transform);
        const whole = await run(batches(), chain, {});
        const first = await run(batches().slice(0, durable), chain, {});
        const second = await run(batches(), chain, first.marks);
        assert.deepEqual([...first.lines, ...second.lines], whole.lines);
        assert.deepEqual([...first.letters, ...second.letters], whole.letters);
      },
    ),
    { seed: 11, numRuns: 60 },
  );
});
