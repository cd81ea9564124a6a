/** What every sink must do: `testSink` registers its tests. */
import assert from "node:assert/strict";
import type { Batch, ConnectorDefinition, Sink } from "../../connectors/contract.ts";
import { implementations } from "../../connectors/implementations.gen.ts";
import type { Json } from "../../formats/data/value.ts";
import { type FakeSinkContext, fakeSinkContext } from "../fakes/context.ts";
import { requireServer } from "../servers/missing.ts";
import { fakeBatch, fakeBatches, fakeRecord, fakeStream, linesOf } from "../fakes/records.ts";
import type { Environments, SinkEnvironment } from "./environment.ts";

/** Registers the tests of one sink, once for each environment. */
export function testSink(definition: ConnectorDefinition, environments: Environments<SinkEnvironment>): void {
  for (const [label, make] of Object.entries(environments)) {
    testIn(definition, (what, fn) => {
      Deno.test(`${definition.type} sink, ${label}: ${what}`, async (t) => {
        await using environment = await requireServer(t, make);
        if (environment === undefined) return;
        await fn(new Target(definition, environment));
      });
    });
  }
}

function testIn(
  { sink: role }: ConnectorDefinition,
  test: (what: string, fn: (target: Target) => Promise<void>) => void,
): void {
  const isExactlyOnce = role!.guarantee === "exactly_once";

  test("records can be read after flush(), each once and in order", async (target) => {
    await using sink = await target.open();
    const batches = fakeBatches(3, 40);
    for (const batch of batches) await target.write(sink, batch);
    await sink.flush();
    assert.deepEqual(await target.lines(), linesOf(...batches));
    await target.write(sink, fakeBatches(1, 1, 120)[0]);
    await sink.flush();
    assert.equal((await target.lines()).length, 121);
  });

  test("records of several streams in one batch all arrive", async (target) => {
    await using sink = await target.open();
    const streams = ["orders", "customers", "../x"].map((name) => fakeStream(name));
    const batch = fakeBatch(
      Array.from({ length: 60 }, (_, id) => fakeRecord(id, { stream: streams[id % 7 % 3] })),
    );
    await target.write(sink, batch);
    await sink.flush();
    assert.deepEqual((await target.lines()).toSorted(), linesOf(batch).toSorted());
  });

  test("empty batches, flushes of nothing and operations without a text are legal", async (target) => {
    await using sink = await target.open();
    await sink.flush();
    await target.write(sink, fakeBatch([]));
    await sink.flush();
    const batch = fakeBatch(role!.accepts.map((operation, id) =>
      fakeRecord(id, {
        operation,
        before: operation === "delete" || operation === "update" ? { id: BigInt(id) } : undefined,
        after: operation === "delete" || operation === "tombstone" || operation === "truncate"
          ? undefined
          : { id: BigInt(id) },
      })
    ));
    await target.write(sink, batch);
    await sink.flush();
    await sink.flush();
    assert.deepEqual(await target.lines(), linesOf(batch));
    assert.deepEqual(target.context.rejected, []);
  });

  test("what was written and not flushed before a crash is there after it was written again", async (target) => {
    const [first, lost, last] = fakeBatches(3, 20);
    let saved: Json | undefined;
    {
      await using sink = await target.open();
      await target.write(sink, first);
      saved = await target.flush(sink);
      await target.write(sink, lost);
    }
    await using sink = await target.open(saved);
    await target.write(sink, lost);
    await target.write(sink, last);
    await sink.flush();
    assertHolds(await target.lines(), linesOf(first, lost, last), isExactlyOnce);
  });

  test("what was flushed in a commit that was lost is there after it was written again", async (target) => {
    const [first, lost, last] = fakeBatches(3, 20);
    let saved: Json | undefined;
    {
      await using sink = await target.open();
      await target.write(sink, first);
      saved = await target.flush(sink);
      await target.write(sink, lost);
      await sink.flush();
    }
    await using sink = await target.open(saved);
    for (const batch of [lost, last]) await target.write(sink, batch);
    await sink.flush();
    assertHolds(await target.lines(), linesOf(first, lost, last), isExactlyOnce);
  });

  test("what was flushed in a first commit that was lost is there after it was written again", async (target) => {
    const [lost, last] = fakeBatches(2, 20);
    {
      await using sink = await target.open();
      await target.write(sink, lost);
      await sink.flush();
    }
    await using sink = await target.open();
    if (role!.technique === "truncate") assert.deepEqual(await target.lines(), []);
    for (const batch of [lost, last]) await target.write(sink, batch);
    await sink.flush();
    assertHolds(await target.lines(), linesOf(lost, last), isExactlyOnce);
  });

  test("opening it again and again changes nothing", async (target) => {
    const [batch] = fakeBatches(1, 20);
    let saved: Json | undefined;
    {
      await using sink = await target.open();
      await target.write(sink, batch);
      saved = await target.flush(sink);
    }
    for (let i = 0; i < 3; i++) {
      await using sink = await target.open(saved);
      saved = await target.flush(sink) ?? saved;
    }
    assert.deepEqual(await target.lines(), linesOf(batch));
  });

  test("writing a batch twice does what the environment says", async (target) => {
    await using sink = await target.open();
    const [batch] = fakeBatches(1, 20);
    await target.write(sink, batch);
    await target.write(sink, batch);
    await sink.flush();
    const expected = target.environment.repeated === "twice" ? linesOf(batch, batch) : linesOf(batch);
    assert.deepEqual(await target.lines(), expected);
  });

  test("a record that the target refuses is rejected, and the others arrive", async (target) => {
    const { refused } = target.environment;
    await using sink = await target.open();
    if (!refused) {
      await target.write(sink, fakeBatches(1, 5)[0]);
      await sink.flush();
      assert.deepEqual(target.context.rejected, []);
      return;
    }
    const lines = linesOf(refused.batch).filter((_, i) => i !== refused.i);
    await target.write(sink, refused.batch);
    await sink.flush();
    assert.deepEqual(target.context.rejected.map(({ i }) => i), [refused.i]);
    assert.deepEqual(await target.lines(), lines);
  });

  test("check() finds nothing wrong, and changes nothing", async (target) => {
    const before = await target.lines();
    await using sink = await target.open();
    const findings: string[] = [];
    await sink.check(({ name, status, message }) => {
      findings.push(status);
      assert.ok(status !== "failed", `${name}: ${message}`);
    });
    assert.ok(findings.length > 0);
    assert.deepEqual(await target.lines(), before);
  });

  test("it keeps no buffer that it did not ask to keep", async (target) => {
    await using sink = await target.open();
    const batches = fakeBatches(2, 20);
    const lines = linesOf(...batches);
    for (const batch of batches) {
      const { text, side, columns } = batch.encoded();
      await target.write(sink, batch);
      // What the runtime does once `write` has resolved: the buffers get other contents.
      if ((batch as Batch & { retained?: boolean }).retained) continue;
      for (const bytes of [text, side, new Uint8Array(columns.buffer)]) bytes.fill(0x78);
    }
    await sink.flush();
    assert.deepEqual(await target.lines(), lines);
  });
}

/** One environment, and the state that outlives the sinks opened in it. */
class Target {
  readonly environment: SinkEnvironment;
  readonly #definition: ConnectorDefinition;
  readonly #documents = new Map<string, Json>();
  context!: FakeSinkContext;

  constructor(definition: ConnectorDefinition, environment: SinkEnvironment) {
    this.#definition = definition;
    this.environment = environment;
  }

  async open(saved?: Json): Promise<Sink> {
    const config = this.#definition.config.parse(this.environment.config);
    const fake = fakeSinkContext({ documents: this.#documents, saved: throughJson(saved) });
    const { clock } = this.environment;
    this.context = fake;
    const context = clock ? { ...fake, clock } : fake;
    if (this.environment.open) return await this.environment.open(config, context);
    const { openSink } = await implementations[this.#definition.type].sink!();
    return await openSink(config as never, context);
  }

  async write(sink: Sink, batch: Batch): Promise<void> {
    await sink.write(batch.inLayout(this.context.layout));
  }

  async flush(sink: Sink): Promise<Json | undefined> {
    return await sink.flush() ?? undefined;
  }

  lines(): Promise<readonly string[]> {
    return this.environment.lines();
  }
}

/** What is saved becomes text on the way. */
function throughJson(saved: Json | undefined): Json | undefined {
  return saved === undefined ? undefined : JSON.parse(JSON.stringify(saved));
}

function assertHolds(found: readonly string[], expected: readonly string[], isExactlyOnce: boolean): void {
  if (isExactlyOnce) return assert.deepEqual(found, expected);
  for (const line of expected) assert.ok(found.includes(line), `Lost: ${line}`);
  for (const line of found) assert.ok(expected.includes(line), `Nobody wrote: ${line}`);
}
