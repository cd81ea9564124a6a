import assert from "node:assert/strict";
import { type Batch, batchFromRecords } from "../../formats/data/batch.ts";
import { RecordError } from "../../formats/data/errors.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, linesOf, ORDERS } from "../../tests/fakes/records.ts";
import { type RejectionPolicy, Rejections } from "./rejections.ts";

function open(policy: Partial<RejectionPolicy> = {}) {
  const context = fakeSinkContext();
  const all = { flow: "orders", onError: "dead_letter", maxRatio: 0.1, ...policy } as const;
  return { rejections: new Rejections(all, context.log), lines: context.lines };
}

const tooLong = new RecordError("Column total is too long", { code: "schema_too_long" });
const batch = (): Batch =>
  fakeBatch([1, 2, 3].map((id) => fakeRecord(id)), { layout: "plain", lane: "stream" });

Deno.test("dead_letter keeps the record's standard text, its place and what was wrong", () => {
  const { rejections } = open();
  rejections.reject(batch(), 1, tooLong);
  const { deadLetters, skipped } = rejections.take();
  assert.equal(skipped, 0);
  const [{ payload, key, ...letter }] = deadLetters;
  assert.deepEqual(letter, {
    lane: "stream",
    order: "0000000000000001/0000000000000002",
    stream: ORDERS,
    record: { operation: "insert", bare: false, keyIsBytes: false },
    stage: "sink",
    code: "schema_too_long",
    error: "Column total is too long",
    withheld: false,
    headers: undefined,
    origin: undefined,
  });
  assert.equal(new TextDecoder().decode(key), '{"id":2}');
  const [standard] = linesOf(batch().select((i) => i === 1).inLayout("standard"));
  assert.equal(new TextDecoder().decode(payload), `${standard}\n`);
  assert.deepEqual(rejections.take().deadLetters, [], "handed over twice");
});

Deno.test("a record keeps its standard text in the dead letter whatever the batch is made of", () => {
  const head = { ...fakeBatch([]).encoded(), lane: "stream", position: { v: 1 } };
  const made = batchFromRecords({ ...head, layout: "standard" }, [fakeRecord(1), fakeRecord(2)]);
  const { rejections } = open();
  rejections.reject(made, 1, tooLong);
  rejections.reject(made.withoutFirst(1), 0, tooLong);
  const [a, b] = rejections.take().deadLetters.map(({ payload }) => new TextDecoder().decode(payload));
  assert.equal(a, `${linesOf(made)[1]}\n`);
  assert.equal(b, a);
});

Deno.test("a dead letter outlives the buffers of its batch", () => {
  for (const written of [batch(), fakeBatch([fakeRecord(1)], { layout: "standard" })]) {
    const { rejections } = open();
    rejections.reject(written, 0, tooLong);
    const { text, side } = written.encoded();
    text.fill(0);
    side.fill(0);
    const [{ payload, key }] = rejections.take().deadLetters;
    assert.equal(JSON.parse(new TextDecoder().decode(payload)).after.id, 1);
    assert.equal(new TextDecoder().decode(key), '{"id":1}');
  }
});

Deno.test("a record that can't be parsed becomes a dead letter all the same", () => {
  const bytes = { ...ORDERS, columns: [{ name: "id", type: { kind: "bytes" as const }, nullable: false }] };
  const odd = fakeBatch([fakeRecord(1, { stream: bytes, key: undefined, after: { id: "no base64!" } })], {
    layout: "plain",
  });
  assert.throws(() => odd.records);
  const { rejections } = open();
  rejections.reject(odd, 0, tooLong);
  assert.match(new TextDecoder().decode(rejections.take().deadLetters[0].payload), /no base64!/);
});

Deno.test("skip counts and warns, without a word of the row", () => {
  const { rejections, lines } = open({ onError: "skip" });
  rejections.reject(batch(), 0, tooLong);
  rejections.reject(batch(), 2, tooLong);
  assert.deepEqual(rejections.take(), { deadLetters: [], skipped: 2 });
  assert.equal(rejections.take().skipped, 0);
  assert.deepEqual(lines.map(({ level }) => level), ["warn", "warn"]);
  assert.match(lines[0].message, /Skipped record 0000000000000001\/0000000000000001 of orders/);
  assert.doesNotMatch(JSON.stringify(lines), /customer/);
});

Deno.test("stop fails with the first record that was refused, and hands nothing over", () => {
  const { rejections } = open({ onError: "stop" });
  rejections.count(100);
  rejections.reject(batch(), 0, tooLong);
  rejections.reject(batch(), 1, new RecordError("another", { code: "schema" }));
  const wanted = {
    code: "serialization_record_rejected",
    retryable: false,
    message: "The sink refused record 0000000000000001/0000000000000001 of orders: Column total is too long",
    hint: 'Set settings.on_error of pipeline "orders" to dead_letter or skip to go on without such records',
  };
  assert.throws(() => rejections.count(1), wanted);
  assert.throws(() => rejections.take(), wanted);
});

/** Feeds hundreds of records, of each of which so many are refused, until that stops the flow. */
function refusedUntil(refusedOfEach: readonly number[], policy: Partial<RejectionPolicy> = {}): number {
  const { rejections } = open({ maxRatio: 0.1, ...policy });
  const one = batch();
  for (const [hundred, refused] of refusedOfEach.entries()) {
    for (let k = 0; k < refused; k++) rejections.reject(one, 0, tooLong);
    try {
      rejections.count(100);
    } catch (error) {
      assert.equal((error as { code: string }).code, "fatal_too_many_rejected");
      return hundred;
    }
  }
  return -1;
}

Deno.test("a flow stops when more than its share of the last thousand or so records was refused", () => {
  assert.equal(refusedUntil(Array(50).fill(10)), -1, "a tenth is allowed");
  assert.equal(refusedUntil(Array(50).fill(11)), 0);
  assert.equal(refusedUntil([...Array(40).fill(0), ...Array(40).fill(50)]) > 40, true);
  assert.ok(refusedUntil([...Array(40).fill(0), ...Array(40).fill(50)]) < 45, "it looks back no further");
  assert.equal(
    refusedUntil([...Array(10).fill(5), 60, ...Array(40).fill(5)]),
    -1,
    "a short bad period is no reason",
  );
});

Deno.test("a few refused records of a few are no reason to stop, and skip never is", () => {
  const { rejections } = open();
  for (let k = 0; k < 99; k++) {
    rejections.reject(batch(), 0, tooLong);
    rejections.count(1);
  }
  assert.throws(() => {
    rejections.reject(batch(), 0, tooLong);
    rejections.count(1);
  }, { code: "fatal_too_many_rejected" });
  assert.equal(refusedUntil(Array(50).fill(100), { onError: "skip" }), -1);
});
