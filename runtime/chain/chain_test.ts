import assert from "node:assert/strict";
import fc from "fast-check";
import { type Batch, batchFromData, batchFromRecords } from "../../formats/data/batch.ts";
import { type Layout, LAYOUTS } from "../../formats/data/envelope.ts";
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { fakeBatch, fakeRecord, fakeStream, linesOf, ORDERS } from "../../tests/fakes/records.ts";
import { eachRecord, nthOrder } from "../../transforms/_shared/records.ts";
import type { Transform } from "../../transforms/contract.ts";
import { type Chain, openChain } from "./chain.ts";
import { forFlow, forSource, type PlannedStep, type PlannedTransform } from "./chain_plan.ts";
import { conditionTest } from "./condition.ts";

const PAYMENTS = fakeStream("payments");
const refused = new RecordError("The test refuses it", { code: "serialization_refused" });

/** A planned transform whose implementation is a function of the test. */
function step(name: string, more: Partial<PlannedTransform> = {}): PlannedTransform {
  return {
    kind: "transform",
    name,
    type: name,
    config: undefined,
    protects: false,
    withoutRow: false,
    ...more,
  };
}

function chainOf(
  steps: readonly PlannedStep[],
  transforms: Record<string, Transform>,
  of?: string,
): Promise<Chain> {
  return openChain(steps, {
    of,
    implementations: Object.fromEntries(
      Object.entries(transforms).map((
        [name, transform],
      ) => [name, () => Promise.resolve({ openTransform: () => transform })]),
    ),
    compileCondition: (text) => conditionTest(text, () => 0n),
    context: { log: { warn() {} }, metrics: { add() {} }, nowMicros: () => 0n, random: () => 0.5 },
  });
}

const idOf = (record: DataRecord) => Number((record.after as { id: bigint }).id);
const ids = (batch: Batch) => batch.records.map(idOf);
const letters = (rejected: readonly { letter: { order?: string } }[]) =>
  rejected.map(({ letter }) => letter.order);

/** A batch whose rows can't be asked for. */
function unparsed(batch: Batch): Batch {
  return new Proxy(batch, {
    get(target, name) {
      if (name === "records") throw new Error("The batch was parsed");
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

Deno.test("a batch that concerns no transform passes as it is, and nobody asks about its stream again", async () => {
  let asked = 0;
  const transform: Transform = {
    matches: (stream) => {
      asked++;
      return stream.name === "payments";
    },
    apply: eachRecord(() => undefined),
  };
  await using chain = await chainOf([step("drop")], { drop: transform });
  for (let i = 0; i < 3; i++) {
    const batch = unparsed(fakeBatch([fakeRecord(1), fakeRecord(2)]));
    assert.equal((await chain.run(batch)).batch, batch);
  }
  assert.equal(asked, 1);
  const { batch } = await chain.run(fakeBatch([fakeRecord(1), fakeRecord(2, { stream: PAYMENTS })]));
  assert.deepEqual(ids(batch), [1]);
});

Deno.test("a transform that only changes the topic changes no byte and parses nothing", async () => {
  const route: Transform = {
    stream: (stream) => ({ ...stream, topic: `topic.${stream.topic ?? stream.name}` }),
  };
  await using chain = await chainOf([step("route"), step("again", { type: "route" })], { route });
  const given = fakeBatch([fakeRecord(1), fakeRecord(2, { stream: PAYMENTS })], { layout: "standard" });
  const { batch } = await chain.run(unparsed(given));
  assert.deepEqual([0, 1].map((i) => batch.stream(i).topic), ["topic.topic.orders", "topic.topic.payments"]);
  assert.equal(batch.encoded().text, given.encoded().text);
  const next = (await chain.run(fakeBatch([fakeRecord(3)]))).batch;
  assert.equal(next.stream(0), batch.stream(0), "one Stream for each that comes");
});

Deno.test("another name of the table is written into the layouts, so that records are written anew", async () => {
  const rename: Transform = { stream: (stream) => ({ ...stream, name: "bills" }) };
  await using chain = await chainOf([step("rename")], { rename });
  const { batch } = await chain.run(fakeBatch([fakeRecord(1)], { layout: "standard" }));
  assert.equal(JSON.parse(linesOf(batch)[0]).source.table, "bills");
});

Deno.test("a chain that only leaves records out keeps the texts of the others", async () => {
  const even: Transform = { apply: eachRecord((record) => idOf(record) % 2 === 0 ? record : undefined) };
  await using chain = await chainOf([step("even")], { even });
  const given = fakeBatch([1, 2, 3, 4].map((id) => fakeRecord(id)), { layout: "standard" });
  const { batch } = await chain.run(given);
  assert.deepEqual(linesOf(batch), linesOf(given).filter((_, i) => i % 2 === 1));
  assert.deepEqual(batch.position, given.position);
});

/** What becomes of record `id`: by the remainder of a division, so that a model can tell it as well. */
type Fate = "pass" | "drop" | "change" | "twice" | "reject";
const FATES: readonly Fate[] = ["pass", "drop", "change", "twice", "reject"];

function byFate(fates: readonly Fate[], salt: number): { transform: Transform; fate: (id: number) => Fate } {
  const fate = (id: number) => fates[(id * 7 + salt) % fates.length];
  const change = (record: DataRecord, mark: string): DataRecord => {
    const row = record.after as { customer: string };
    return { ...record, after: { ...row, customer: row.customer + mark } };
  };
  return {
    fate,
    transform: {
      apply: eachRecord((record) => {
        switch (fate(idOf(record))) {
          case "pass":
            return record;
          case "drop":
            return undefined;
          case "change":
            return change(record, `+${salt}`);
          case "twice":
            return [record, { ...change(record, "copy"), order: nthOrder(record.order, 1) }];
          case "reject":
            throw refused;
        }
      }),
    },
  };
}

const fates = fc.array(fc.constantFrom(...FATES), { minLength: 1, maxLength: 5 });

Deno.test("dropped, multiplied and rejected: order, position and head stay, every record is in the batch or rejected", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fates, { minLength: 1, maxLength: 3 }),
      fc.nat({ max: 30 }),
      fc.constantFrom<Layout>(...LAYOUTS),
      fc.constantFrom("skip", "pass"),
      async (chainFates, count, layout, onError) => {
        const parts = chainFates.map((fates, i) => byFate(fates, i));
        const transforms = Object.fromEntries(parts.map(({ transform }, i) => [`t${i}`, transform]));
        const steps = parts.map((_, i) => step(`t${i}`, { onError: onError as "skip" | "pass" }));
        await using chain = await chainOf(steps, transforms);
        const records = Array.from(
          { length: count },
          (_, i) => fakeRecord(i + 1, { stream: i % 3 === 0 ? PAYMENTS : ORDERS }),
        );
        const given = fakeBatch(records, { layout });
        const { batch, rejected } = await chain.run(given);

        const wanted: string[] = [];
        const lost: string[] = [];
        for (const { order } of records) {
          let orders = [order!];
          for (const { fate } of parts) {
            const does = fate(Number(order!.split("/")[1]));
            if (does === "drop") orders = [];
            if (does === "twice") orders = orders.flatMap((one) => [one, nthOrder(one, 1)!]);
            if (does === "reject" && onError === "skip") {
              lost.push(...orders);
              orders = [];
            }
          }
          // Numbered anew where two transforms gave the same number.
          const isUnique = new Set(orders).size === orders.length;
          wanted.push(...(isUnique ? orders : orders.map((_, k) => k === 0 ? order! : nthOrder(order, k)!)));
        }
        const crossed = batchFromData(batch.encoded());
        for (const made of [batch, crossed]) {
          const orders = Array.from({ length: made.length }, (_, i) => made.order(i)!);
          assert.deepEqual(orders, wanted);
          assert.deepEqual(orders, orders.toSorted());
          assert.equal(new Set(orders).size, orders.length);
        }
        assert.deepEqual(letters(rejected).toSorted(), lost.toSorted());
        assert.deepEqual(crossed.records, batch.records);
        const { lane, position, readAtMicros, origin } = given;
        assert.deepEqual(
          [batch.lane, batch.position, batch.readAtMicros, batch.origin, batch.layout],
          [lane, position, readAtMicros, origin, layout],
        );
        assert.equal(linesOf(crossed).length, batch.length);
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});

Deno.test("what a chain writes is what the source would have written, in every layout", async () => {
  const upper: Transform = {
    apply: eachRecord((record) => ({
      ...record,
      after: { ...record.after as { customer: string }, customer: "ADA" },
    })),
  };
  await using chain = await chainOf([step("upper")], { upper });
  for (const layout of LAYOUTS) {
    const operations = (["insert", "snapshot", "record"] as const).map((operation, i) =>
      fakeRecord(i + 1, { operation })
    );
    const { batch } = await chain.run(fakeBatch(operations, { layout }));
    const wanted = operations.map((record) => ({
      ...record,
      after: { ...record.after as { customer: string }, customer: "ADA" },
    }));
    assert.deepEqual(linesOf(batch), linesOf(fakeBatch(wanted, { layout })), layout);
  }
});

Deno.test("a record that can't be transformed goes to its on_error as it came, with the transform's name", async () => {
  const fail: Transform = {
    stream: (stream) => ({ ...stream, topic: "changed" }),
    apply: eachRecord((record) => {
      if (idOf(record) === 2) throw refused;
      return record;
    }),
  };
  const run = async (more: Partial<PlannedTransform>) => {
    await using chain = await chainOf([step("fail", more)], { fail });
    return await chain.run(fakeBatch([1, 2, 3].map((id) => fakeRecord(id))));
  };
  const { batch, rejected } = await run({ onError: "dead_letter" });
  assert.deepEqual(ids(batch), [1, 3]);
  const [{ letter, onError }] = rejected;
  assert.deepEqual([letter.transform, letter.code, letter.stage, onError], [
    "fail",
    "serialization_refused",
    "transform",
    "dead_letter",
  ]);
  assert.equal(letter.stream, ORDERS);
  assert.equal(JSON.parse(new TextDecoder().decode(letter.payload)).after.id, 2);

  const passing = await run({ onError: "pass" });
  assert.deepEqual(ids(passing.batch), [1, 2, 3]);
  assert.deepEqual(passing.batch.records.map(({ stream }) => stream.topic), [
    "changed",
    undefined,
    "changed",
  ]);
  assert.deepEqual(passing.rejected, []);

  const hidden = await run({ withoutRow: true });
  assert.doesNotMatch(new TextDecoder().decode(hidden.rejected[0].letter.payload), /customer/);
});

Deno.test("a letter from in front of something that hides holds no row; a source's chain stops without a word", () => {
  const steps = [step("cast"), step("mask", { protects: true, onError: "skip" }), step("rename")];
  const what = (steps: readonly PlannedStep[]) =>
    steps.map((one) => one.kind === "transform" && [one.name, one.withoutRow, one.onError]);
  assert.deepEqual(what(forFlow(steps)), [
    ["cast", true, undefined],
    ["mask", true, "skip"],
    ["rename", false, undefined],
  ]);
  assert.deepEqual(
    what(forSource([step("first"), step("second", { onError: "pass" })], [{ transforms: steps }])),
    [
      ["first", true, "stop"],
      ["second", true, "pass"],
    ],
  );
  const fork: PlannedStep = {
    kind: "fork",
    name: "f",
    when: {},
    then: [step("in"), steps[1]],
    otherwise: [step("no")],
  };
  const [first, inFork] = forFlow([step("first"), fork]);
  assert.deepEqual(what([first]), [["first", true, undefined]]);
  assert.ok(inFork.kind === "fork");
  assert.deepEqual(what(inFork.then), [["in", true, undefined], ["mask", true, "skip"]]);
  assert.deepEqual(what(inFork.otherwise), [["no", false, undefined]]);
});

Deno.test("records that a predicate leaves alone keep their stream, and all keep their order", async () => {
  const mark: Transform = {
    stream: (stream) => ({ ...stream, topic: "marked" }),
    apply: (records) => records.map((record) => ({ ...record, source: { marked: true } })),
  };
  const predicate = { condition: "id in (2, 3, 5)", tables: ["=orders"] };
  await using chain = await chainOf([step("mark", { predicate })], { mark });
  const given = [1, 2, 3, 4, 5].map((id) => fakeRecord(id));
  const { batch } = await chain.run(fakeBatch([...given, fakeRecord(6, { stream: PAYMENTS })]));
  assert.deepEqual(batch.records.map(({ stream }) => stream.topic), [
    undefined,
    "marked",
    "marked",
    undefined,
    "marked",
    undefined,
  ]);
  assert.deepEqual(ids(batch), [1, 2, 3, 4, 5, 6]);
  const untouched = unparsed(fakeBatch([fakeRecord(7, { stream: PAYMENTS })]));
  assert.equal((await chain.run(untouched)).batch, untouched);
});

Deno.test("a fork sends each record one way and joins them in order, each with the stream of its way", async () => {
  const name = (topic: string): Transform => ({ stream: (stream) => ({ ...stream, topic }) });
  const drop: Transform = { apply: eachRecord(() => undefined) };
  const fork: PlannedStep = {
    kind: "fork",
    name: "fork",
    when: { condition: "id > 2" },
    then: [step("large"), step("drop", { predicate: { condition: "id = 4" } })],
    otherwise: [step("small")],
  };
  await using chain = await chainOf([fork], { large: name("large"), small: name("small"), drop });
  const { batch } = await chain.run(fakeBatch([3, 1, 4, 2, 5].map((id, i) => fakeRecord(id, orderAt(i)))));
  assert.deepEqual(ids(batch), [3, 1, 2, 5]);
  assert.deepEqual(batch.records.map(({ stream }) => stream.topic), ["large", "small", "small", "large"]);

  const byTable: PlannedStep = {
    ...fork,
    when: { tables: ["=payments"] },
    then: [],
    otherwise: [step("small")],
  };
  await using plain = await chainOf([byTable], { small: name("small") });
  const mixed = unparsed(fakeBatch([fakeRecord(1), fakeRecord(2, { stream: PAYMENTS })]));
  const routed = (await plain.run(mixed)).batch;
  assert.deepEqual(
    [0, 1].map((i) => routed.stream(i).topic),
    ["small", undefined],
    "decided without parsing",
  );
});

function orderAt(i: number): Partial<DataRecord> {
  return { order: `g/${String(i).padStart(16, "0")}` };
}

Deno.test("a fault of a transform's code stops with its name and without a value of the row", async () => {
  const faulty: Transform = {
    apply: eachRecord((record) => ({ ...record, after: { id: BigInt(`secret ${idOf(record)}`) } })),
  };
  await using chain = await chainOf([step("faulty")], { faulty });
  await assert.rejects(chain.run(fakeBatch([fakeRecord(1)])), (error) => {
    assert.ok(error instanceof ConnectorError);
    assert.match(error.message, /Transform "faulty" failed: SyntaxError/);
    assert.doesNotMatch(JSON.stringify([error.message, error.cause ?? ""]), /secret/);
    return true;
  });
});

Deno.test("what a transform can't do with a table is said once, with its name, and stops", async () => {
  const picky: Transform = {
    stream: (stream: Stream) => {
      throw new ConnectorError(`${stream.name} has no column "x"`, { code: "config" });
    },
  };
  await using chain = await chainOf([step("picky")], { picky });
  await assert.rejects(chain.run(fakeBatch([fakeRecord(1)])), /Transform "picky": orders has no column "x"/);
  await using ofPipeline = await chainOf([step("picky")], { picky }, "pipeline orders");
  await assert.rejects(
    ofPipeline.run(fakeBatch([fakeRecord(1)])),
    /Transform "picky" of pipeline orders: orders has no column "x"/,
  );
});

Deno.test("transforms are closed in reverse order, also those that were open when a later one failed to open", async () => {
  const closed: string[] = [];
  const closing = (name: string): Transform => ({
    [Symbol.asyncDispose]: () => Promise.resolve(void closed.push(name)),
  });
  {
    await using _chain = await chainOf([step("a"), step("b")], { a: closing("a"), b: closing("b") });
  }
  assert.deepEqual(closed, ["b", "a"]);
  await assert.rejects(chainOf([step("a"), step("missing")], { a: closing("a") }), /no transform "missing"/);
  assert.deepEqual(closed, ["b", "a", "a"]);
});

Deno.test("asynchronous transforms, and records without order", async () => {
  const slow: Transform = {
    apply: async (records, reject) => {
      await Promise.resolve();
      reject(records[0], refused);
      return records.slice(1);
    },
  };
  await using chain = await chainOf([step("slow", { onError: "pass" })], { slow });
  const records = [1, 2].map((id) => fakeRecord(id, { order: undefined }));
  const { batch } = await chain.run(batchFromRecords(fakeBatch([], { layout: "plain", lane: "" }), records));
  assert.deepEqual(ids(batch), [2, 1]);
});
