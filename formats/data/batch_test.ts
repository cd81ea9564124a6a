import assert from "node:assert/strict";
import fc from "fast-check";
import { anyRecord } from "../../tests/fakes/arbitraries.ts";
import { fakeBatch, fakeRecord, fakeStream, linesOf, ORDERS } from "../../tests/fakes/records.ts";
import { type Batch, batchFromData, batchFromRecords, type BatchHead, orderText, PARTS } from "./batch.ts";
import { BatchWriter } from "./batch_writer.ts";
import { BufferPool } from "./buffer_pool.ts";
import { type Layout, LAYOUTS } from "./envelope.ts";
import type { DataRecord } from "./record.ts";

const SEEDED = { seed: 42, numRuns: 150 };
const records = fc.array(anyRecord, { maxLength: 4 });
const layout = fc.constantFrom(...LAYOUTS);

function headOf(layout: Layout): BatchHead {
  const origin = { connector: "fake", name: "fake", version: "0.0.0" };
  return { lane: "stream", position: { v: 1 }, readAtMicros: 1_767_225_600_200_311n, layout, origin };
}

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

/** The batch as a sink's worker gets it: its typed arrays over copied buffers. */
function crossed(batch: Batch): Batch {
  const data = batch.encoded();
  return batchFromData({ ...data, text: data.text.slice(), side: data.side.slice() });
}

/** All members of a record, which may be made when they are asked for. */
const membersOf = (
  { stream, operation, key, before, after, unavailable, timeMicros, source, headers, order, bare }:
    DataRecord,
) => ({ stream, operation, key, before, after, unavailable, timeMicros, source, headers, order, bare });

function assertSame(found: Batch, wanted: Batch): void {
  assert.equal(text(found.bytes), text(wanted.bytes));
  assert.equal(found.length, wanted.length);
  assert.deepEqual(found.position, wanted.position);
  for (let i = 0; i < wanted.length; i++) {
    for (const part of PARTS) assert.equal(text(found.span(i, part)), text(wanted.span(i, part)), part);
    assert.equal(found.order(i), wanted.order(i));
    assert.equal(found.operation(i), wanted.operation(i));
    assert.deepEqual(found.stream(i), wanted.stream(i));
    assert.deepEqual(membersOf(found.record(i)), membersOf(wanted.record(i)));
  }
  assert.deepEqual(found.records, wanted.records);
}

Deno.test("records come back from their bytes as they were, and give the same bytes again", () => {
  fc.assert(
    fc.property(records, layout, (records, layout) => {
      const head = headOf(layout);
      const batch = crossed(batchFromRecords(head, records));
      assert.deepEqual(batch.records, records);
      assertSame(crossed(batchFromRecords(head, batch.records)), batch);
    }),
    SEEDED,
  );
});

Deno.test("every record is one line of JSON, and the spans lie where they should", () => {
  fc.assert(
    fc.property(records, layout, (records, layout) => {
      const batch = batchFromRecords(headOf(layout), records);
      const lines = records.map((_, i) => text(batch.span(i, "text"))!);
      assert.equal(text(batch.bytes), lines.join(""));
      for (const [i, line] of lines.entries()) {
        if (line !== "") {
          assert.equal(line.indexOf("\n"), line.length - 1);
          assert.ok(!line.includes("\r"));
          JSON.parse(line);
        }
        for (const part of ["before", "after", "source"] as const) {
          const span = batch.span(i, part);
          if (span) JSON.parse(text(span)!);
        }
        assert.equal(batch.span(i, "before") !== undefined, records[i].before !== undefined);
        assert.equal(batch.span(i, "after") !== undefined, records[i].after !== undefined);
      }
    }),
    SEEDED,
  );
});

Deno.test("a batch in another layout is what its records would have been written as", () => {
  fc.assert(
    fc.property(records, layout, layout, (records, from, to) => {
      const batch = crossed(batchFromRecords(headOf(from), records));
      const written = crossed(batchFromRecords(headOf(to), records));
      assertSame(batch.inLayout(to), written);
      assertSame(batch.inLayout(to).inLayout(from), batch);
    }),
    SEEDED,
  );
});

Deno.test("another layout keeps the text of values and own members as the source wrote it", () => {
  // As a jsonb column could be: white space, a long fraction, a name twice.
  const odd = new TextEncoder().encode('{"a": 1.50,"a":12345678901234567890.10}');
  const writer = new BatchWriter({ ...headOf("standard"), nowMicros: () => 0n });
  writer.begin(ORDERS, "insert", 0n, "g", 1);
  writer.beginValue("after");
  writer.json(odd, 0, odd.length);
  writer.endValue();
  writer.end(new TextEncoder().encode(',"lsn_num": 18446744073709551615,"x":1.0'));
  const batch = batchFromData(writer.finish({ v: 1 }));
  assert.equal(text(batch.inLayout("plain").bytes), `${text(odd)}\n`);
  const back = text(batch.inLayout("plain").inLayout("cdc_event").inLayout("standard").bytes)!;
  assert.equal(back, text(batch.bytes));
  assert.ok(back.includes(',"lsn_num": 18446744073709551615,"x":1.0,"lane":'));
  assert.deepEqual(batch.records[0].source, { lsn_num: 18446744073709551615n, x: 1 });
});

Deno.test("a batch in another layout is made without parsing its rows", () => {
  const batch = fakeBatch([fakeRecord(1), fakeRecord(2)], { layout: "standard" });
  Object.defineProperty(batch, "records", {
    get: () => assert.fail("the records were parsed"),
  });
  assert.deepEqual(linesOf(batch.inLayout("plain")).map((line) => JSON.parse(line).id), [1, 2]);
});

Deno.test("select() gives the kept records with every part in place", () => {
  fc.assert(
    fc.property(records, layout, fc.nat({ max: 15 }), (records, layout, kept) => {
      const keep = (i: number) => (kept >> i & 1) === 1;
      const batch = crossed(batchFromRecords(headOf(layout), records));
      const wanted = batchFromRecords(headOf(layout), records.filter((_, i) => keep(i)));
      assertSame(batch.select(keep), crossed(wanted));
      assertSame(batchFromRecords(headOf(layout), records).select(keep), wanted);
      assert.equal(batch.select(() => true), batch);
      assertSame(batch.select(() => false), batchFromRecords(headOf(layout), []));
    }),
    SEEDED,
  );
});

Deno.test("select() keeps runs out of a batch of a thousand", () => {
  const all = Array.from({ length: 1000 }, (_, i) => fakeRecord(i));
  const batch = fakeBatch(all, { layout: "standard" });
  const keep = (i: number) => i >= 100 && i < 200 || i % 7 === 0 || i === 999;
  assertSame(
    batch.select(keep),
    fakeBatch(all.filter((_, i) => keep(i)), { layout: "standard", position: batch.position }),
  );
});

Deno.test("withoutFirst() drops records from the front, once and again, and then selects and rewrites the rest", () => {
  fc.assert(
    fc.property(records, layout, layout, fc.nat({ max: 4 }), (records, layout, other, wish) => {
      const count = Math.min(wish, records.length);
      const rest = records.slice(count);
      const batch = crossed(batchFromRecords(headOf(layout), records)).withoutFirst(count);
      assertSame(batch, batchFromRecords(headOf(layout), rest));
      assertSame(batch.inLayout(other), batchFromRecords(headOf(other), rest));
      const odd = (i: number) => i % 2 === 1;
      assertSame(batch.select(odd), batchFromRecords(headOf(layout), rest.filter((_, i) => odd(i))));
      const one = Math.min(1, rest.length);
      assertSame(batch.withoutFirst(one), batchFromRecords(headOf(layout), rest.slice(one)));
    }),
    SEEDED,
  );
});

Deno.test("what is kept of a batch without its first records keeps the buffers, too", () => {
  const batch = batchFromData(fakeBatch([fakeRecord(1), fakeRecord(2)]).encoded());
  assert.equal(batch.retained, false);
  batch.withoutFirst(1).retain();
  assert.equal(batch.retained, true);
});

Deno.test("an order is its group, sixteen digits and the suffix, and sorts as they do", () => {
  assert.equal(orderText("16E9118", 42), "16E9118/0000000000000042");
  assert.equal(orderText("16E9118", 42, ".1"), "16E9118/0000000000000042.1");
  const sorted = [orderText("a", 9), orderText("a", 9, ".1"), orderText("a", 10), orderText("b", 0)];
  assert.deepEqual(sorted.toSorted(), sorted);
});

Deno.test("records with an order that has no index are refused", () => {
  for (const order of ["", "7", "a/7", "a/000000000000000x", "0000000000000007"]) {
    assert.throws(() => batchFromRecords(headOf("plain"), [fakeRecord(1, { order })]).bytes, /order/);
  }
});

Deno.test("streams of two tables, an altered table and records without order share a batch", () => {
  const altered = { ...ORDERS, version: 2, columns: ORDERS.columns!.slice(0, 2) };
  const streams = [ORDERS, fakeStream("customers"), altered, fakeStream("customers"), ORDERS];
  const list = streams.map((stream, i) =>
    fakeRecord(i, { stream, order: i === 3 ? undefined : orderText(i < 2 ? "a" : "b", i) })
  );
  const batch = crossed(batchFromRecords(headOf("standard"), list));
  assert.deepEqual(list.map((_, i) => batch.stream(i)), streams);
  assert.deepEqual(list.map((_, i) => batch.order(i)), list.map(({ order }) => order));
  assert.deepEqual(batch.records.map(({ stream }) => stream.version), [1, 1, 2, 1, 1]);
});

Deno.test("members of a message or of a schema document are no columns, whatever they are called", () => {
  const stream = fakeStream("files", {
    columns: [{ name: "id", type: { kind: "int64" }, nullable: false }, {
      name: "ddl",
      type: { kind: "bytes" },
      nullable: true,
    }],
  });
  const document = { id: 1, ddl: "alter table files" };
  const operations = ["message", "schema"] as const;
  const list = operations.map((operation) =>
    fakeRecord(1, { stream, operation, key: undefined, after: document })
  );
  const batch = crossed(batchFromRecords(headOf("standard"), list));
  assert.deepEqual(batch.records.map(({ after }) => after), [document, document]);
});

Deno.test("an empty batch moves the position and nothing else", () => {
  for (const layout of LAYOUTS) {
    const batch = crossed(batchFromRecords(headOf(layout), []));
    assert.equal(batch.length, 0);
    assert.equal(batch.bytes.length, 0);
    assert.deepEqual(batch.records, []);
    assert.deepEqual(batch.inLayout("plain").position, { v: 1 });
  }
});

Deno.test("a batch of objects is written once, when its bytes are asked for", () => {
  const list: DataRecord[] = [fakeRecord(1)];
  const batch = batchFromRecords(headOf("plain"), list);
  assert.equal(batch.records, list);
  assert.equal(batch.encoded(), batch.encoded());
  assert.equal(batch.bytes.buffer, batch.span(0, "after")!.buffer);
});

Deno.test("a pool hands buffers out again, as many as its limit, none that are far too large", () => {
  const pool = new BufferPool(2);
  assert.equal(pool.takeText(), undefined);
  const buffers = [1, 2, 3].map((size) => new ArrayBuffer(size));
  for (const buffer of buffers) pool.give(buffer, buffer);
  assert.deepEqual([pool.takeText(), pool.takeText(), pool.takeText()], [buffers[1], buffers[0], undefined]);
  assert.deepEqual([pool.takeColumns(), pool.takeColumns(), pool.takeColumns()], [
    buffers[1],
    buffers[0],
    undefined,
  ]);
  pool.give(new ArrayBuffer(100 << 20), new ArrayBuffer(8));
  assert.ok(pool.takeText() === undefined, "a buffer of 100 MiB was kept");
});

Deno.test("another topic changes the streams of a batch and none of its bytes, in both faces", () => {
  for (const layout of LAYOUTS) {
    const payments = fakeStream("payments");
    const given = [fakeRecord(1), fakeRecord(2, { stream: payments }), fakeRecord(3)];
    for (const batch of [fakeBatch(given, { layout }), batchFromRecords(headOf(layout), given)]) {
      const routed = batch.withStreams((stream) =>
        stream === ORDERS ? { ...stream, topic: "elsewhere" } : stream
      );
      assert.equal(text(routed.bytes), text(batch.bytes));
      assert.deepEqual(routed.origin, batch.origin);
      assert.deepEqual([0, 1, 2].map((i) => routed.stream(i).topic), ["elsewhere", undefined, "elsewhere"]);
      assert.deepEqual(routed.records.map(({ stream }) => stream.topic), [
        "elsewhere",
        undefined,
        "elsewhere",
      ]);
      assert.deepEqual(batch.streams.map(({ topic }) => topic), [undefined, undefined]);
    }
  }
});

Deno.test("a part of a batch that is parsed already is not parsed again", () => {
  const batch = fakeBatch([fakeRecord(1), fakeRecord(2), fakeRecord(3)]);
  const { records } = batch;
  assert.equal(batch.select((i) => i !== 1).records[1], records[2]);
  assert.equal(batch.withoutFirst(2).records[0], records[2]);
});

Deno.test("a key keeps all its digits where the record has nothing else", () => {
  const stream = fakeStream("orders", { columns: undefined, key: ["id"] });
  const alone: DataRecord = {
    stream,
    operation: "tombstone",
    key: { id: 2n ** 60n },
    timeMicros: 0n,
  };
  for (const layout of LAYOUTS) {
    const [found] = crossed(batchFromRecords(headOf(layout), [alone])).records;
    assert.deepEqual(found.key, { id: 2n ** 60n }, layout);
  }
});
