import assert from "node:assert/strict";
import fc from "fast-check";
import type { BatchLimits, CheckReport, Sink, Source } from "../connectors/contract.ts";
import { type Batch, orderText, type Position } from "../formats/data/batch.ts";
import type { Layout } from "../formats/data/envelope.ts";
import { ConnectorError, RecordError } from "../formats/data/errors.ts";
import { streamMatcher } from "../formats/data/stream_pattern.ts";
import { FakeClock } from "../tests/fakes/clock.ts";
import { fakeSinkContext } from "../tests/fakes/context.ts";
import { fakeBatch, type FakeBatchOptions, fakeRecord, fakeStream } from "../tests/fakes/records.ts";
import { CollectingSink } from "../tests/fakes/sink.ts";
import { ScriptedSource } from "../tests/fakes/source.ts";
import type { Marks } from "./state/checkpoint.ts";
import { PortReceiver, PortSender } from "./data_port.ts";
import { commit, type Flushed, runSource, SinkEnd } from "./pipeline.ts";
import { RateLimit } from "./rate_limit.ts";
import { Rejections } from "./dead_letters/rejections.ts";
import { SourceRejections } from "./dead_letters/source_rejections.ts";

const never = new AbortController().signal;
const CHEAP: BatchLimits = { cheap: true, maxRecords: 1e6, maxBytes: 1e9, maxWaitMs: 60_000 };
const DEAR: BatchLimits = { cheap: false, maxRecords: 100, maxBytes: 1e9, maxWaitMs: 5000 };

/** Records numbered `from` to `to`, whose order is their number. */
function batchOf(from: number, to: number, options: FakeBatchOptions & { group?: string } = {}): Batch {
  const { group = "g" } = options;
  const ids = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const records = ids.map((id) => fakeRecord(id, { order: group === "" ? undefined : orderText(group, id) }));
  return fakeBatch(records, { layout: "plain", position: { v: 1, n: to }, ...options });
}

const emptyAt = (n: number): Batch => fakeBatch([], { layout: "plain", position: { v: 1, n } });

interface FlowOptions {
  readonly sink?: Sink;
  readonly marks?: Marks;
  readonly layout?: Layout;
  readonly limits?: BatchLimits;
  readonly rejections?: Rejections;
  /** False: the test flushes by itself. */
  readonly commits?: boolean;
}

/** The three parts of a pipeline joined in one thread, with what the main thread does. */
class Flow implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly sink: Sink;
  readonly sender: PortSender;
  readonly end: SinkEnd;
  readonly steps: string[] = [];
  readonly dues: string[] = [];
  readonly commits: Flushed[] = [];
  readonly running: Promise<void>;
  #seq = 0;

  constructor(options: FlowOptions = {}) {
    const { sink = new CollectingSink(), marks = {}, layout = "plain", limits = CHEAP, commits = true } =
      options;
    this.sink = sink;
    const { port1, port2 } = new MessageChannel();
    this.sender = new PortSender(port1);
    this.end = new SinkEnd({
      sink,
      port: port2,
      makeReceiver: (port, arrived) => new PortReceiver(port, arrived),
      marks,
      source: { name: "numbers", connector: "fake" },
      layout,
      limits,
      rejections: options.rejections ?? rejections("dead_letter"),
      clock: this.clock,
      due: (because) => {
        this.dues.push(because);
        if (commits) this.#commit();
      },
    });
    this.running = this.end.run();
    this.running.catch(() => {});
  }

  get collected(): CollectingSink {
    return this.sink as CollectingSink;
  }

  async send(...batches: Batch[]): Promise<void> {
    for (const batch of batches) await this.sender.send(++this.#seq, batch, false);
  }

  /** Sends the batches and the end, and waits for the last commit. */
  async finish(...batches: Batch[]): Promise<void> {
    await this.send(...batches);
    this.sender.end();
    await this.running;
    await until(() => this.commits.at(-1)?.isLast === true);
  }

  /** Ids of what is durable. */
  get ids(): number[] {
    return this.collected.durable.map((line) => JSON.parse(line).id);
  }

  async #commit(): Promise<void> {
    const flushed = await commit({
      flush: () => this.end.flush(),
      save: () => void this.steps.push("save"),
      acknowledge: () => Promise.resolve(void this.steps.push("acknowledge")),
    }).catch(() => undefined);
    if (flushed) this.commits.push(flushed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sender.close();
    this.end.close();
    await this.running.catch(() => {});
  }
}

function rejections(onError: "skip" | "stop" | "dead_letter"): Rejections {
  return new Rejections({ flow: "flow", onError, maxRatio: 1 }, fakeSinkContext().log);
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn === 5000) assert.fail(`Never came: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** A sink whose calls last until the test lets them go on, and whose n-th record it refuses. */
class StepSink implements Sink {
  readonly steps: string[];
  readonly batches: string[][] = [];
  gate: PromiseWithResolvers<void> | undefined;

  constructor(steps: string[] = []) {
    this.steps = steps;
  }

  async write(batch: Batch): Promise<void> {
    this.steps.push("write");
    this.batches.push(new TextDecoder().decode(batch.bytes).trimEnd().split("\n"));
    await this.gate?.promise;
    this.steps.push("written");
  }

  async flush(): Promise<void> {
    this.steps.push("flush");
    await this.gate?.promise;
    this.steps.push("flushed");
  }

  check(_report: CheckReport): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

// ---- the promise ----------------------------------------------------------------------------------------------------

Deno.test("a pipeline saves a position only after the sink has flushed, and acknowledges it only after that", async () => {
  const steps: string[] = [];
  const sink = new CollectingSink();
  sink.write = () => Promise.resolve(void steps.push("write"));
  sink.flush = () => Promise.resolve(steps.push("flush"));
  const { port1, port2 } = new MessageChannel();
  const source = new ScriptedSource([fakeBatch([fakeRecord(1)], { position: { v: 1, n: 7 } })]);
  const end = new SinkEnd({
    sink,
    port: port2,
    makeReceiver: (port, arrived) => new PortReceiver(port, arrived),
    marks: {},
    source: { name: "numbers", connector: "fake" },
    layout: "plain",
    limits: CHEAP,
    rejections: rejections("stop"),
    clock: new FakeClock(),
    due: () => {},
  });
  const running = end.run();
  const sender = new PortSender(port1);
  const rate = new RateLimit(0, new FakeClock());
  await runSource({
    source,
    from: undefined,
    signal: never,
    rate,
    outputs: [{ sender, takes: undefined, rate }],
    rejections: new SourceRejections(),
    onRead: () => {},
  });
  await until(() => steps.length === 1);

  await commit({
    flush: () => end.flush(),
    save: ({ position }) => void steps.push(`save ${position?.n}`),
    acknowledge: async () => {
      await source.acknowledge({ v: 1, n: 7 });
      steps.push("acknowledge");
    },
  });

  assert.deepEqual(steps, ["write", "flush", "save 7", "acknowledge"]);
  await running;
  sender.close();
  end.close();
});

for (const failing of ["flush", "save"] as const) {
  Deno.test(`a commit whose ${failing} fails does nothing after it`, async () => {
    const steps: string[] = [];
    const step = (name: string) => {
      steps.push(name);
      if (name === failing) throw new Error("disk full");
    };
    const flushed = { seq: 1 } as Flushed;
    await assert.rejects(
      commit({
        flush: () => new Promise((resolve) => resolve((step("flush"), flushed))),
        save: () => step("save"),
        acknowledge: () => Promise.resolve(step("acknowledge")),
      }),
      /disk full/,
    );
    assert.deepEqual(steps, failing === "flush" ? ["flush"] : ["flush", "save"]);
  });
}

Deno.test("a commit says what it covers", async () => {
  await using flow = new Flow();
  await flow.finish(batchOf(1, 3), batchOf(4, 5));
  const last = flow.commits.at(-1)!;
  assert.deepEqual(flow.ids, [1, 2, 3, 4, 5]);
  assert.deepEqual([last.seq, last.position, last.isLast], [2, { v: 1, n: 5 }, true]);
  assert.deepEqual(last.saved, { flush: flow.commits.length });
  const sums = flow.commits.reduce((sum, { records, bytes }) => [sum[0] + records, sum[1] + bytes], [0, 0]);
  assert.deepEqual(sums, [
    5,
    flow.collected.durable.reduce((size, line) => size + new TextEncoder().encode(line).length + 1, 0),
  ]);
  const marks = Object.assign({}, ...flow.commits.map(({ marks }) => marks));
  assert.deepEqual(marks, { stream: orderText("g", 5) });
  assert.equal(flow.commits.find(({ records }) => records > 0)!.newestMicros > 0n, true);
});

// ---- marks ----------------------------------------------------------------------------------------------------------

Deno.test("exactly the records at or below the mark are dropped, wherever it lies", async () => {
  const sizes = fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat({ max: 22 }), async (sizes, mark) => {
      await using flow = new Flow({ marks: { stream: orderText("g", mark), other: orderText("g", 3) } });
      let next = 1;
      const batches = sizes.map((size) => {
        const batch = size === 0 ? emptyAt(next - 1) : batchOf(next, next + size - 1);
        next += size;
        return batch;
      });
      await flow.finish(...batches);
      const all = Array.from({ length: next - 1 }, (_, i) => i + 1);
      assert.deepEqual(flow.ids, all.filter((id) => id > mark));
      assert.deepEqual(flow.commits.at(-1)!.position, { v: 1, n: next - 1 });
    }),
    { seed: 42, numRuns: 60 },
  );
});

Deno.test("a mark drops records of its lane and of no other", async () => {
  await using flow = new Flow({ marks: { a: orderText("g", 2), b: orderText("g", 4) } });
  const [a, b, c] = ["a", "b", "c"].map((lane) => ({ lane }));
  await flow.finish(batchOf(1, 2, a), batchOf(1, 3, c), batchOf(3, 5, b), batchOf(3, 3, a));
  assert.deepEqual(flow.ids, [1, 2, 3, 5, 3]);
  const marks = Object.assign({}, ...flow.commits.map(({ marks }) => marks));
  assert.deepEqual(marks, { a: orderText("g", 3), b: orderText("g", 5), c: orderText("g", 3) });
});

Deno.test("a commit holds the marks of the lanes that moved, and no others", async () => {
  await using flow = new Flow();
  await flow.send(batchOf(1, 2, { lane: "a" }));
  await until(() => flow.commits.length === 1);
  await flow.finish(batchOf(1, 1, { lane: "b" }), emptyAt(9));
  assert.deepEqual(flow.commits[0].marks, { a: orderText("g", 2) });
  assert.deepEqual(Object.assign({}, ...flow.commits.slice(1).map(({ marks }) => marks)), {
    b: orderText("g", 1),
  });
});

Deno.test("marks tell tombstones from their deletes and groups from each other", async () => {
  const orders = [["f", 9, ""], ["g", 1, ""], ["g", 1, ".1"], ["g", 2, ""]] as const;
  const batch = () =>
    fakeBatch(
      orders.map(([group, i, suffix], id) => fakeRecord(id, { order: orderText(group, i, suffix) })),
      { layout: "plain" },
    );
  const after = async (mark: string) => {
    await using flow = new Flow({ marks: { stream: mark } });
    await flow.finish(batch());
    return flow.ids;
  };
  assert.deepEqual(await after(orderText("f", 9)), [1, 2, 3]);
  assert.deepEqual(await after(orderText("g", 1)), [2, 3]);
  assert.deepEqual(await after(orderText("g", 1, ".1")), [3]);
  assert.deepEqual(await after(orderText("e", 10)), [0, 1, 2, 3]);
});

Deno.test("a lane without order has no mark, and nothing of it is dropped", async () => {
  await using flow = new Flow({ marks: { stream: orderText("g", 9) } });
  await flow.finish(batchOf(1, 2, { lane: "", group: "" }));
  assert.deepEqual(flow.ids, [1, 2]);
  assert.deepEqual(
    flow.commits.map(({ marks }) => marks).filter((marks) => Object.keys(marks).length > 0),
    [],
  );
});

Deno.test("the sink gets its own layout, whatever the source wrote", async () => {
  await using flow = new Flow({ layout: "plain", marks: { stream: orderText("g", 1) } });
  await flow.finish(batchOf(1, 2, { layout: "standard" }));
  assert.deepEqual(flow.collected.durable.map((line) => Object.keys(JSON.parse(line))), [[
    "id",
    "customer",
    "total",
  ]]);
});

// ---- when a flush is due --------------------------------------------------------------------------------------------

Deno.test("a cheap sink is flushed whenever no batch is waiting", async () => {
  await using flow = new Flow();
  await flow.send(batchOf(1, 2), batchOf(3, 4));
  await until(() => flow.ids.length === 4);
  await flow.send(batchOf(5, 5));
  await until(() => flow.ids.length === 5);
  assert.ok(flow.dues.every((because) => because === "idle"));
});

Deno.test("a cheap sink is flushed no more often than its interval", async () => {
  await using flow = new Flow({ limits: { ...CHEAP, minIntervalMs: 100 } });
  await flow.send(batchOf(1, 1));
  await until(() => flow.ids.length === 1);
  await flow.send(batchOf(2, 2));
  await until(() => flow.clock.sleeping === 1);
  flow.clock.advance(99);
  await settled();
  assert.deepEqual(flow.ids, [1]);
  flow.clock.advance(1);
  await until(() => flow.ids.length === 2);
});

Deno.test("a dear sink is flushed at its number of records, its bytes or its time, and not before", async () => {
  const limits = { ...DEAR, maxRecords: 10 };
  {
    await using flow = new Flow({ limits });
    await flow.send(batchOf(1, 9));
    await until(() => flow.clock.sleeping === 1);
    assert.deepEqual(flow.dues, []);
    await flow.send(batchOf(10, 10));
    await until(() => flow.ids.length === 10);
    assert.deepEqual(flow.dues, ["limits"]);
  }
  {
    const size = batchOf(1, 1).bytes.length;
    await using flow = new Flow({ limits: { ...DEAR, maxBytes: 2 * size } });
    await flow.send(batchOf(1, 1));
    await until(() => flow.clock.sleeping === 1);
    assert.deepEqual(flow.dues, []);
    await flow.send(batchOf(2, 2));
    await until(() => flow.ids.length === 2);
  }
  {
    await using flow = new Flow({ limits });
    await flow.send(batchOf(1, 1));
    await until(() => flow.clock.sleeping === 1);
    flow.clock.advance(3000);
    await flow.send(batchOf(2, 2));
    await until(() => flow.collected.pending.length === 2 && flow.clock.sleeping === 1);
    flow.clock.advance(1999);
    await settled();
    assert.deepEqual(flow.dues, [], "the time runs from the first record");
    flow.clock.advance(1);
    await until(() => flow.ids.length === 2);
    assert.deepEqual(flow.dues, ["limits"]);
  }
});

Deno.test("a sink that is full is flushed, whatever its limits say", async () => {
  const sink = new CollectingSink();
  const full = Object.defineProperty(sink, "isFull", { get: () => sink.pending.length >= 3 });
  await using flow = new Flow({ sink: full, limits: DEAR });
  await flow.send(batchOf(1, 2));
  await until(() => flow.clock.sleeping === 1);
  assert.deepEqual(flow.dues, []);
  await flow.send(batchOf(3, 3));
  await until(() => flow.ids.length === 3);
  assert.deepEqual(flow.dues, ["limits"]);
});

Deno.test("a busy sink is flushed in time, too", async () => {
  await using flow = new Flow({ limits: DEAR });
  await flow.send(batchOf(1, 1));
  await until(() => flow.clock.sleeping === 1);
  flow.clock.advance(4999);
  // The next batch is there before the timer is.
  const sent = flow.send(batchOf(2, 2));
  flow.clock.advance(1);
  await sent;
  await until(() => flow.ids.length > 0);
});

for (const [name, limits] of [["cheap", CHEAP], ["dear", { ...DEAR, maxWaitMs: 100 }]] as const) {
  Deno.test(`batches that only move the position cause one commit a second, of a ${name} sink`, async () => {
    await using flow = new Flow({ limits });
    for (let n = 1; n <= 100; n++) {
      await flow.send(emptyAt(n));
      await settledBriefly(flow);
      flow.clock.advance(50);
    }
    await settled();
    assert.ok(
      flow.commits.length >= 4 && flow.commits.length <= 6,
      `${flow.commits.length} commits in 5 seconds`,
    );
    assert.ok((flow.commits.at(-1)!.position as Position).n as number >= 80);
    assert.deepEqual(flow.collected.steps.filter((step) => step === "write"), []);
  });
}

/** Until the end of the sink waits for something. */
async function settledBriefly(flow: Flow): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  await until(() => flow.clock.sleeping <= 1);
}

Deno.test("a flush that is asked for while the sink writes comes after that write, before the next", async () => {
  const sink = new StepSink();
  sink.gate = Promise.withResolvers();
  await using flow = new Flow({ sink, commits: false });
  await flow.send(batchOf(1, 1), batchOf(2, 2));
  await until(() => sink.steps.length === 1);
  const flushing = flow.end.flush();
  await settled();
  assert.deepEqual(sink.steps, ["write"]);
  sink.gate.resolve();
  const { seq, position, records } = await flushing;
  assert.deepEqual(sink.steps.slice(0, 4), ["write", "written", "flush", "flushed"]);
  assert.deepEqual([seq, position, records], [1, { v: 1, n: 1 }, 1]);
});

Deno.test("write() and flush() of a sink are called one at a time", async () => {
  const sink = new StepSink();
  await using flow = new Flow({ sink, limits: { ...CHEAP, maxRecords: 1 } });
  await flow.finish(...Array.from({ length: 20 }, (_, i) => batchOf(i + 1, i + 1)));
  for (let i = 0; i < sink.steps.length; i += 2) {
    assert.ok(["write written", "flush flushed"].includes(sink.steps.slice(i, i + 2).join(" ")));
  }
  assert.equal(sink.batches.flat().length, 20);
});

Deno.test("a source that ends without a batch ends the flow with a last commit of nothing", async () => {
  await using flow = new Flow();
  await flow.finish();
  assert.deepEqual(flow.dues, ["end"]);
  const [{ seq, position, marks, records, isLast }] = flow.commits;
  assert.deepEqual({ seq, position, marks, records, isLast }, {
    seq: 0,
    position: undefined,
    marks: {},
    records: 0,
    isLast: true,
  });
});

Deno.test("only the commit after the end is the last, and a dear sink does not keep it waiting", async () => {
  await using flow = new Flow({ limits: DEAR });
  await flow.send(batchOf(1, 100));
  await until(() => flow.commits.length === 1);
  await flow.finish(batchOf(101, 101));
  assert.deepEqual(flow.commits.map(({ isLast }) => isLast), [false, true]);
  assert.deepEqual(flow.dues, ["limits", "end"]);
});

// ---- failures -------------------------------------------------------------------------------------------------------

Deno.test("a sink that throws in write() ends its end, and nothing is flushed", async () => {
  await using flow = new Flow();
  flow.collected.failNext = { write: new ConnectorError("The target is gone", { code: "connection_lost" }) };
  await flow.send(batchOf(1, 2), batchOf(3, 3));
  await assert.rejects(flow.running, /target is gone/);
  await settled();
  assert.deepEqual([flow.collected.steps, flow.commits], [["write"], []]);
});

Deno.test("a sink that throws in flush() fails the commit and its end", async () => {
  await using flow = new Flow({ commits: false });
  flow.collected.failNext = { flush: new ConnectorError("The target is full", { code: "transient_full" }) };
  await flow.send(batchOf(1, 2));
  await until(() => flow.dues.length === 1);
  await assert.rejects(flow.end.flush(), /target is full/);
  await assert.rejects(flow.running, /target is full/);
});

Deno.test("a record that was refused while it was flushed fails the commit where on_error is stop", async () => {
  const refused = rejections("stop");
  const sink = new CollectingSink();
  const flush = sink.flush.bind(sink);
  sink.flush = () => {
    refused.reject(batchOf(1, 1), 0, new RecordError("too long", { code: "schema_refused" }));
    return flush();
  };
  await using flow = new Flow({ sink, rejections: refused, commits: false });
  await flow.send(batchOf(1, 1));
  await until(() => flow.dues.length === 1);
  await assert.rejects(flow.end.flush(), /refused record g/);
  await assert.rejects(flow.running, /refused record g/);
});

Deno.test("refused records travel with the commit of the others, once", async () => {
  const kept = rejections("dead_letter");
  const sink = new CollectingSink();
  sink.write = (batch) => {
    kept.reject(batch, 0, new RecordError("too long", { code: "schema_refused" }));
    return CollectingSink.prototype.write.call(sink, batch.withoutFirst(1));
  };
  await using flow = new Flow({ sink, rejections: kept });
  await flow.finish(batchOf(1, 2), batchOf(3, 4));
  assert.deepEqual(flow.ids, [2, 4]);
  assert.deepEqual(flow.commits.flatMap(({ deadLetters }) => deadLetters.map(({ order }) => order)), [
    orderText("g", 1),
    orderText("g", 3),
  ]);
});

Deno.test("where the target says itself how far it is, refused records are kept before it is told of them", async () => {
  const kept = rejections("dead_letter");
  const sink: CollectingSink & Pick<Sink, "recover"> = new CollectingSink();
  sink.recover = () => Promise.resolve(undefined);
  sink.write = (batch) => {
    kept.reject(batch, 0, new RecordError("too long", { code: "schema_refused" }));
    return CollectingSink.prototype.write.call(sink, batch.withoutFirst(1));
  };
  await using flow = new Flow({ sink, rejections: kept });
  await flow.finish(batchOf(1, 3));
  assert.deepEqual(flow.ids, [2, 3]);
  assert.deepEqual(flow.commits.map(({ seq, deadLetters, marks }) => [seq, deadLetters.length, marks]), [
    [0, 1, {}],
    [1, 0, { stream: orderText("g", 3) }],
  ]);
});

Deno.test("progress() says how far the flow is with all that was accepted, with what it had before", async () => {
  const marks = { stream: orderText("g", 2), snapshot: orderText("a", 9) };
  await using flow = new Flow({ marks, commits: false });
  assert.deepEqual(flow.end.progress(), { source: "numbers", connector: "fake", marks });
  await flow.send(batchOf(1, 5));
  await until(() => flow.dues.length > 0);
  const progress = { source: "numbers", connector: "fake", position: { v: 1, n: 5 } };
  assert.deepEqual(flow.end.progress(), { ...progress, marks: { ...marks, stream: orderText("g", 5) } });
  await flow.end.flush();
  assert.deepEqual(flow.end.progress(), { ...progress, marks: { ...marks, stream: orderText("g", 5) } });
});

// ---- the source's end -----------------------------------------------------------------------------------------------

interface Received {
  readonly seq: number;
  readonly ids: readonly number[];
  readonly position: Position;
}

/** Runs a source into as many flows as there are patterns, and returns what each got. */
async function fanOut(source: Source, patterns: readonly string[][], signal = never): Promise<Received[][]> {
  const clock = new FakeClock(true);
  const channels = patterns.map(() => new MessageChannel());
  const received: Received[][] = patterns.map(() => []);
  const receivers = channels.map(({ port2 }, k) => {
    const receiver: PortReceiver = new PortReceiver(port2, () => {
      for (let next = receiver.take(); next; next = receiver.take()) {
        const ids = next.batch.records.map(({ after }) => Number((after as { id: bigint }).id));
        received[k].push({ seq: next.seq, ids, position: next.batch.position });
        next.release();
      }
    });
    return receiver;
  });
  const rate = new RateLimit(0, clock);
  const outputs = patterns.map((list, k) => ({
    sender: new PortSender(channels[k].port1),
    takes: list.length > 0 ? streamMatcher(list) : undefined,
    rate,
  }));
  try {
    const rejections = new SourceRejections();
    await runSource({ source, from: undefined, signal, rate, outputs, rejections, onRead: () => {} });
    await until(() => receivers.every(({ isDone }) => isDone));
  } finally {
    for (const { sender } of outputs) sender.close();
    for (const receiver of receivers) receiver.close();
  }
  return received;
}

Deno.test("every flow gets its streams and every position", async () => {
  const customers = fakeStream("customers");
  const mixed = fakeBatch([fakeRecord(1), fakeRecord(2, { stream: customers }), fakeRecord(3)], {
    position: { v: 1, n: 3 },
  });
  const source = () => new ScriptedSource([mixed, fakeBatch([fakeRecord(4)], { position: { v: 1, n: 4 } })]);
  const [all, some, none, again] = await fanOut(source(), [[], ["customers"], ["nothing"], []]);
  const positions = [3, 4].map((n) => ({ v: 1, n }));
  for (const flow of [all, some, none, again]) {
    assert.deepEqual(flow.map(({ position }) => position), positions);
    assert.deepEqual(flow.map(({ seq }) => seq), [1, 2]);
  }
  assert.deepEqual([all, some, none, again].map((flow) => flow.map(({ ids }) => ids)), [
    [[1, 2, 3], [4]],
    [[2], []],
    [[], []],
    [[1, 2, 3], [4]],
  ]);
});

Deno.test("a source that throws ends its end with that error, and no flow is told that all has come", async () => {
  const source = new ScriptedSource([]);
  source.read = async function* () {
    yield batchOf(1, 1);
    throw new ConnectorError("The database went away", { code: "connection_lost" });
  };
  await assert.rejects(fanOut(source, [[]]), /database went away/);
});

Deno.test("an aborted source ends in order", async () => {
  const stop = new AbortController();
  const source = new ScriptedSource([batchOf(1, 1), batchOf(2, 2)], true);
  const received = fanOut(source, [[]], stop.signal);
  await settled();
  stop.abort();
  assert.deepEqual((await received)[0].flatMap(({ ids }) => ids), [1, 2]);
});

Deno.test("a rate limit holds the source back, and not after it was told to stop", async () => {
  const clock = new FakeClock(true);
  const { port1, port2 } = new MessageChannel();
  const receiver: PortReceiver = new PortReceiver(port2, () => receiver.take()?.release());
  const sender = new PortSender(port1);
  const run = (signal: AbortSignal) => {
    const source = new ScriptedSource(Array.from({ length: 10 }, (_, i) => batchOf(i * 10 + 1, i * 10 + 10)));
    const rate = new RateLimit(10, clock);
    const free = new RateLimit(0, clock);
    return runSource({
      source,
      from: undefined,
      signal,
      rate,
      outputs: [{ sender, takes: undefined, rate: free }],
      rejections: new SourceRejections(),
      onRead: () => {},
    });
  };
  await run(never);
  assert.ok(
    clock.monotonicMs() >= 8900 && clock.monotonicMs() <= 9200,
    `${clock.monotonicMs()} ms for 100 records`,
  );
  const before = clock.monotonicMs();
  await run(AbortSignal.abort());
  assert.equal(clock.monotonicMs(), before);
  sender.close();
  receiver.close();
});
