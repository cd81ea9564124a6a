import assert from "node:assert/strict";
import { RecordError } from "../../formats/data/errors.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream, linesOf } from "../../tests/fakes/records.ts";
import { Rejections } from "./rejections.ts";
import { rejectedFor, SourceRejections } from "./source_rejections.ts";

const odd = new RecordError("Byte 3 is no UTF-8", { code: "serialization_text" });
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const undecoded = {
  stream: { name: "orders" },
  lane: "orders/0",
  order: "g/1",
  payload: new Uint8Array([1]),
};

Deno.test("what was rejected is handed over once, with the batch that comes next", () => {
  const rejections = new SourceRejections();
  assert.deepEqual(rejections.take(), []);
  const payload = new Uint8Array([1, 2]);
  rejections.reject({ ...undecoded, payload, origin: { partition: 0, offset: 7n }, onError: "skip" }, odd);
  payload.fill(9);
  const [{ letter, onError }] = rejections.take();
  assert.equal(onError, "skip");
  assert.deepEqual([letter.stage, letter.code, letter.error], ["decode", odd.code, odd.message]);
  assert.deepEqual(letter.payload, new Uint8Array([1, 2]), "the source's buffer is used again");
  assert.deepEqual(letter.origin, { partition: 0, offset: 7n });
  assert.deepEqual(rejections.take(), []);
});

Deno.test("a record that a transform could not handle is kept as it entered it", () => {
  const rejections = new SourceRejections();
  const batch = fakeBatch([fakeRecord(1), fakeRecord(2)], { lane: "stream" });
  rejections.rejectRecord(batch.encoded(), batch.records[1], odd, {
    transform: "cast #1",
    withoutRow: false,
  });
  const [{ letter, onError }] = rejections.take();
  assert.equal(onError, undefined);
  assert.equal(text(letter.payload), `${linesOf(batch.inLayout("standard"))[1]}\n`);
  assert.equal(text(letter.key!), '{"id":2}');
  assert.deepEqual(
    [letter.stage, letter.transform, letter.lane, letter.order, letter.stream.name],
    ["transform", "cast #1", "stream", batch.order(1), "orders"],
  );
});

for (const operation of ["insert", "update", "delete", "snapshot", "record"] as const) {
  Deno.test(`of a record (${operation}) that could not be hidden no value is kept, neither row nor key`, () => {
    const rejections = new SourceRejections();
    const row = { id: 4711n, customer: "Ada Lovelace", total: "1.00" };
    const record = fakeRecord(1, {
      operation,
      key: { id: 4711n },
      before: row,
      after: row,
      order: "g/0000000000000009",
    });
    const batch = fakeBatch([record]);
    rejections.rejectRecord(batch.encoded(), record, odd, { transform: "mask #1", withoutRow: true });
    const [{ letter }] = rejections.take();
    assert.equal(letter.withheld, true);
    assert.equal(letter.key, undefined);
    assert.doesNotMatch(text(letter.payload), /4711|Lovelace/);
    assert.match(text(letter.payload), /"order":"g\/0000000000000009"/);
  });
}

Deno.test("a flow that takes only some streams gets only their letters", () => {
  const rejections = new SourceRejections();
  rejections.reject(undecoded, odd);
  rejections.reject({ ...undecoded, stream: fakeStream("people") }, odd);
  const rejected = rejections.take();
  assert.equal(rejectedFor(rejected, undefined).length, 2);
  const people = rejectedFor(rejected, ({ name }) => name === "people");
  assert.deepEqual(people.map(({ letter }) => letter.stream.name), ["people"]);
});

function sinkEnd(onError: "stop" | "skip" | "dead_letter", maxRatio = 1) {
  const context = fakeSinkContext();
  return { rejections: new Rejections({ flow: "f", onError, maxRatio }, context.log), lines: context.lines };
}

function rejectedOf(more: object = {}) {
  const source = new SourceRejections();
  source.reject({ ...undecoded, ...more }, odd);
  source.rejectRecord(fakeBatch([]).encoded(), fakeRecord(1, { order: "g/0000000000000002" }), odd, {
    transform: "cast #1",
    withoutRow: false,
  });
  return source.take();
}

Deno.test("stop names the step that failed, the record and what was wrong", () => {
  const [undecodable, untransformed] = rejectedOf();
  for (
    const [rejected, message] of [
      [undecodable, "Cannot decode record g/1 of orders: Byte 3 is no UTF-8"],
      [
        untransformed,
        'Transform "cast #1" failed on record g/0000000000000002 of orders: Byte 3 is no UTF-8',
      ],
    ] as const
  ) {
    const { rejections } = sinkEnd("stop");
    rejections.add(rejected);
    assert.throws(() => rejections.count(0), { message, code: "serialization_record_rejected" });
    assert.throws(() => rejections.take(), { message });
  }
});

Deno.test("skip counts and warns, and does not warn where it is to be quiet", () => {
  const { rejections, lines } = sinkEnd("skip");
  for (const rejected of [...rejectedOf(), ...rejectedOf({ quiet: true })]) rejections.add(rejected);
  rejections.count(0);
  assert.deepEqual(rejections.take(), { deadLetters: [], skipped: 4 });
  assert.deepEqual(lines.map(({ message }) => message), [
    "Skipped record g/1 of orders: Byte 3 is no UTF-8",
    "Skipped record g/0000000000000002 of orders: Byte 3 is no UTF-8",
    "Skipped record g/0000000000000002 of orders: Byte 3 is no UTF-8",
  ]);
});

Deno.test("what the step itself says wins over the flow", () => {
  const stop = sinkEnd("skip").rejections;
  stop.add(rejectedOf({ onError: "stop" })[0]);
  assert.throws(() => stop.count(0), {
    code: "serialization_record_rejected",
    hint: "Its source's event_processing_failure_handling_mode asks for that",
  });
  const keep = sinkEnd("stop").rejections;
  keep.add(rejectedOf({ onError: "dead_letter" })[0]);
  assert.equal(keep.waiting, 1);
  assert.equal(keep.take().deadLetters.length, 1);
});

Deno.test("letters from before the sink count towards the ratio that stops a flow", () => {
  const { rejections } = sinkEnd("dead_letter", 0.5);
  rejections.count(50);
  for (let n = 0; n < 50; n++) rejections.add(rejectedOf()[0]);
  rejections.count(0);
  rejections.add(rejectedOf()[0]);
  assert.throws(() => rejections.count(0), {
    code: "fatal_too_many_rejected",
    message: "51 of the last 101 records were rejected",
  });
});

Deno.test("of what could not be decoded nothing is kept where a transform would have hidden something", () => {
  const rejections = new SourceRejections();
  rejections.withholds = true;
  const payload = new TextEncoder().encode('{"ssn":"123-45-6789"');
  const headers = [["ssn", "123-45-6789"]] as const;
  rejections.reject({ ...undecoded, payload, key: payload, headers }, odd);
  const [{ letter }] = rejections.take();
  assert.equal(letter.withheld, true);
  assert.deepEqual([letter.payload.length, letter.key, letter.headers], [0, undefined, undefined]);
  assert.deepEqual([letter.lane, letter.order, letter.stream.name], ["orders/0", "g/1", "orders"]);
});
