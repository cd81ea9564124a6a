import assert from "node:assert/strict";
import fc from "fast-check";
import { anyRecord, anyText } from "../../tests/fakes/arbitraries.ts";
import { fakeRecord, fakeStream, ORDERS } from "../../tests/fakes/records.ts";
import { type Batch, batchFromData, orderText, PARTS } from "./batch.ts";
import {
  BatchWriter,
  type BatchWriterOptions,
  MAX_RECORDS,
  writerColumn,
  writerColumns,
} from "./batch_writer.ts";
import { BufferPool } from "./buffer_pool.ts";
import { LAYOUTS } from "./envelope.ts";
import { numberText, valueText } from "./json_value.ts";
import type { DataRecord, SnapshotMarker } from "./record.ts";
import type { Stream } from "./stream.ts";
import type { ColumnType, Row, Value } from "./value.ts";
import { writeRecord } from "./record_writer.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

function writerOf(more: Partial<BatchWriterOptions> = {}): BatchWriter {
  const origin = { connector: "fake", name: "fake", version: "0.0.0" };
  const writer = new BatchWriter({
    origin,
    layout: "plain",
    nowMicros: () => 1_767_225_600_200_311n,
    ...more,
  });
  writer.lane = "stream";
  return writer;
}

const finished = (writer: BatchWriter): Batch => batchFromData(writer.finish({ v: 1 }));

/** What one value comes out as. */
function valueWritten(write: (writer: BatchWriter) => void): string {
  const writer = writerOf();
  writer.begin(ORDERS, "record", 0n, undefined, 0);
  writer.beginValue("after");
  write(writer);
  writer.endValue();
  writer.end();
  return text(finished(writer).bytes)!.slice(0, -1);
}

const column = writerColumn("id", 0);

/** An insert of one row with the key `id`, whose second column is as long as a test wants. */
function insert(writer: BatchWriter, id: number, padding = "", own?: Uint8Array): void {
  writer.begin(ORDERS, "insert", 1n, "g", id);
  writer.beginRow("after");
  writer.column(column);
  writer.value(id);
  writer.column(writerColumn("customer"));
  writer.string(padding);
  writer.endRow();
  writer.end(own);
}

// ---- the two ways to write a record ---------------------------------------------------------------------------------

/** Writes a record column by column, as a source does from the wire. */
function writeAsSource(writer: BatchWriter, record: DataRecord): void {
  const { stream, operation, before, after, order } = record;
  const [, group, digits, suffix] = /^(.*)\/(\d{16})(.*)$/s.exec(order ?? "") ?? [];
  const { snapshot, transaction, ...own } = record.source ?? {};
  if (transaction !== undefined) {
    const { id, total_order, data_collection_order } = transaction as Row;
    const opening = utf8(`,"transaction":{"id":${JSON.stringify(id)},"total_order":`);
    writer.transactionOfNext(opening, total_order as number, data_collection_order as number);
  }
  writer.begin(stream, operation, record.timeMicros, group, Number(digits), suffix || undefined);
  if (record.key instanceof Uint8Array) writer.key(record.key, true);
  for (const [part, value] of [["before", before], ["after", after]] as const) {
    if (value === undefined) continue;
    if (stream.payload !== "row" || operation === "message" || operation === "schema") {
      writer.beginValue(part);
      writer.value(value);
      writer.endValue();
      continue;
    }
    writer.beginRow(part);
    for (const [c, column] of writerColumns(stream).entries()) {
      const { name, type } = stream.columns![c];
      if (!Object.hasOwn(value as Row, name)) continue;
      writer.column(column);
      writeValue(writer, type, (value as Row)[name]);
    }
    writer.endRow();
  }
  if (snapshot !== undefined) writer.snapshotMarker = snapshot as SnapshotMarker;
  if (record.headers) writer.headers(record.headers);
  const members = Object.entries(own);
  if (record.unavailable) members.push(["unavailable_columns", record.unavailable]);
  writer.end(utf8(members.map(([name, value]) => `,${JSON.stringify(name)}:${valueText(value)}`).join("")));
}

/** With the method that a codec for the type would use. */
function writeValue(writer: BatchWriter, type: ColumnType, value: Value): void {
  const all = (text: string) => {
    const bytes = utf8(`..${text}.`);
    return [bytes, 2, bytes.length - 1] as const;
  };
  if (value === null) return writer.null();
  if (typeof value === "boolean") return writer.boolean(value);
  if (value instanceof Uint8Array) return writer.base64(value);
  if (typeof value === "bigint") return writer.digits(...all(String(value)));
  if (typeof value === "number") return writer.raw(...all(numberText(value)));
  if (typeof value !== "string") {
    return type.kind === "json" ? writer.json(...all(valueText(value))) : writer.value(value);
  }
  if (type.kind === "json" || type.kind === "unknown" || !value.isWellFormed()) return writer.string(value);
  return type.kind === "string" ? writer.text(...all(value)) : writer.ascii(...all(value));
}

Deno.test("what a source writes column by column is what its record is written as, key included", () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 4 }), fc.constantFrom(...LAYOUTS), (records, layout) => {
      const [source, objects] = [writerOf({ layout }), writerOf({ layout })];
      for (const record of records) {
        writeAsSource(source, record);
        writeRecord(objects, record);
      }
      const [found, wanted] = [finished(source), finished(objects)];
      assert.equal(text(found.bytes), text(wanted.bytes));
      for (let i = 0; i < records.length; i++) {
        for (const part of PARTS) assert.equal(text(found.span(i, part)), text(wanted.span(i, part)), part);
      }
      assert.deepEqual(found.records, records);
    }),
    { seed: 42, numRuns: 300 },
  );
});

// ---- keys -----------------------------------------------------------------------------------------------------------

const PAIR: Stream = fakeStream("pair", {
  columns: ["a", "b", "c"].map((name) => ({ name, type: { kind: "int32" }, nullable: true })),
  key: ["c", "a"],
});

/** The key of an update with these rows. */
function keyOf(
  layout: BatchWriterOptions["layout"],
  before: Row | undefined,
  after: Row,
): string | undefined {
  const writer = writerOf({ layout });
  writer.begin(PAIR, "update", 0n, "g", 0);
  const columns = writerColumns(PAIR);
  for (const [part, row] of [["before", before], ["after", after]] as const) {
    if (!row) continue;
    writer.beginRow(part);
    for (const [c, name] of ["a", "b", "c"].entries()) {
      if (!(name in row)) continue;
      writer.column(columns[c]);
      writer.value(row[name]);
    }
    writer.endRow();
  }
  writer.end();
  return text(finished(writer).span(0, "key"));
}

Deno.test("a key has its columns in key order, from the row before the change where that has them all", () => {
  for (const layout of LAYOUTS) {
    const after = { a: 1, b: 2, c: 3 };
    assert.equal(keyOf(layout, undefined, after), '{"c":3,"a":1}');
    assert.equal(keyOf(layout, { a: 10, b: 20, c: 30 }, after), '{"c":30,"a":10}');
    assert.equal(keyOf(layout, { c: 30, a: null }, { b: 2 }), '{"c":30,"a":null}');
    assert.equal(keyOf(layout, { a: 10, b: 20 }, after), '{"c":3,"a":1}', "half a key before");
    assert.equal(keyOf(layout, { b: 20 }, { a: 1, b: 2 }), undefined, "half a key after");
    assert.equal(keyOf(layout, { a: 10 }, { c: 3 }), undefined, "two halves");
    assert.equal(keyOf(layout, {}, {}), undefined);
  }
});

Deno.test("a stream without key columns has no key, a queue's own bytes are one", () => {
  const writer = writerOf();
  const keyless = fakeStream("keyless", { key: [] });
  writer.begin(keyless, "insert", 0n, undefined, 0);
  writer.beginRow("after");
  writer.column(writerColumns(keyless)[0]);
  writer.value(1);
  writer.endRow();
  writer.end();
  writer.begin(keyless, "record", 0n, undefined, 0);
  writer.key(new Uint8Array([0, 255]), true);
  writer.end();
  const batch = finished(writer);
  assert.equal(batch.span(0, "key"), undefined);
  assert.deepEqual(batch.records.map(({ key }) => key), [undefined, new Uint8Array([0, 255])]);
});

Deno.test("a key that was set by hand is not replaced by the row's", () => {
  const writer = writerOf();
  writer.begin(ORDERS, "insert", 0n, "g", 0);
  writer.key(utf8('{"id":99}'), false);
  writer.beginRow("after");
  writer.column(column);
  writer.value(1);
  writer.endRow();
  writer.end();
  assert.equal(text(finished(writer).span(0, "key")), '{"id":99}');
});

// ---- values ---------------------------------------------------------------------------------------------------------

Deno.test("text() escapes every character of ASCII as JSON.stringify does, alone and among others", () => {
  for (let code = 0; code < 0x80; code++) {
    for (const value of [String.fromCharCode(code), `é${String.fromCharCode(code)}b`]) {
      const bytes = utf8(value);
      assert.equal(valueWritten((writer) => writer.text(bytes, 0, bytes.length)), JSON.stringify(value));
    }
  }
});

Deno.test("text(), string() and value() write any text as JSON.stringify does", () => {
  fc.assert(
    fc.property(anyText, (value) => {
      const json = JSON.stringify(value);
      assert.equal(valueWritten((writer) => writer.string(value)), json);
      assert.equal(valueWritten((writer) => writer.value(value)), json);
      if (!value.isWellFormed()) return;
      const bytes = utf8(`<${value}>`);
      assert.equal(valueWritten((writer) => writer.text(bytes, 1, bytes.length - 1)), json);
    }),
    { seed: 42, numRuns: 300 },
  );
});

Deno.test("base64() is what toBase64() gives, for every length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      assert.equal(valueWritten((writer) => writer.base64(bytes)), `"${bytes.toBase64()}"`);
    }),
    { seed: 42, numRuns: 300 },
  );
});

Deno.test("raw(), ascii() and digits() take the bytes between two bounds, short or long", () => {
  for (const size of [0, 1, 24, 25, 100]) {
    const bytes = utf8(`xx${"7".repeat(size)}yy`);
    const wanted = "7".repeat(size);
    assert.equal(valueWritten((writer) => writer.raw(bytes, 2, size + 2)), wanted);
    assert.equal(valueWritten((writer) => writer.digits(bytes, 2, size + 2)), wanted);
    assert.equal(valueWritten((writer) => writer.ascii(bytes, 2, size + 2)), `"${wanted}"`);
  }
});

Deno.test("json() brings a document of many lines onto one and changes nothing else", () => {
  const document = '{\r\n\t"a": [1,\n2],\r"b": "x\\ny"}';
  const bytes = utf8(document);
  const line = valueWritten((writer) => writer.json(bytes, 0, bytes.length));
  assert.deepEqual([line.includes("\n"), line.includes("\r")], [false, false]);
  assert.deepEqual(JSON.parse(line), JSON.parse(document));
  assert.equal(line.length, document.length);
});

Deno.test("the exact parser is used for batches with an integer of more than 15 digits, and for no others", () => {
  const isExact = (write: (writer: BatchWriter) => void) => {
    const writer = writerOf();
    writer.begin(ORDERS, "record", 0n, undefined, 0);
    writer.beginValue("after");
    write(writer);
    writer.endValue();
    writer.end();
    const first = writer.finish({ v: 1 }).exact;
    insert(writer, 1);
    assert.equal(writer.finish({ v: 1 }).exact, false, "the batch after it");
    return first;
  };
  const digits = (text: string) => isExact((writer) => writer.digits(utf8(text), 0, text.length));
  assert.deepEqual(["1", "999999999999999", "9007199254740993"].map(digits), [false, false, true]);
  const json = (text: string) => isExact((writer) => writer.json(utf8(text), 0, text.length));
  assert.deepEqual(['{"a":999999999999999}', "[1,9007199254740993]"].map(json), [false, true]);
  const value = (value: Value) => isExact((writer) => writer.value(value));
  assert.deepEqual([[1n, 2 ** 50, "1".repeat(20)], [10n ** 15n], 1e20].map(value), [false, true, false]);
});

// ---- buffers --------------------------------------------------------------------------------------------------------

Deno.test("a record larger than the buffer makes a batch that holds it whole", () => {
  for (const layout of ["standard", "plain"] as const) {
    const writer = writerOf({ layout, maxBytes: 4096 });
    const long = "x\n".repeat(100_000);
    insert(writer, 1);
    insert(writer, 2, long);
    assert.equal(writer.isFull, true);
    const batch = finished(writer);
    assert.deepEqual(batch.records.map(({ after }) => after), [{ id: 1n, customer: "" }, {
      id: 2n,
      customer: long,
    }]);
    assert.equal(text(batch.span(1, "key")), '{"id":2}');
  }
});

Deno.test("the buffer of one huge record is not what the batches after it get", () => {
  const writer = writerOf();
  insert(writer, 1, "x".repeat(20 << 20));
  finished(writer);
  assert.ok(writer.bytes.length < 1 << 20, `${writer.bytes.length} bytes for the next batch`);
});

Deno.test("the side buffer grows while a row is being written there, and keys from it stay right", () => {
  const writer = writerOf({ layout: "plain" });
  const columns = writerColumns(ORDERS);
  const long = "y".repeat(100_000);
  for (const id of [1, 2, 3]) {
    writer.begin(ORDERS, "delete", 0n, "g", id);
    writer.beginRow("before");
    writer.column(columns[0]);
    writer.value(id);
    writer.column(columns[1]);
    writer.string(long);
    writer.endRow();
    writer.end();
    insert(writer, id + 10);
  }
  const batch = finished(writer);
  assert.equal(text(batch.bytes), [11, 12, 13].map((id) => `{"id":${id},"customer":""}\n`).join(""));
  const keys = batch.records.map(({ key }) => (key as Row).id);
  assert.deepEqual(keys, [1n, 11n, 2n, 12n, 3n, 13n]);
  assert.deepEqual(batch.records.map(({ before }) => before?.customer === long), [
    true,
    false,
    true,
    false,
    true,
    false,
  ]);
});

Deno.test("a batch is full at its number of records or bytes, rows beside the text included", () => {
  const byCount = writerOf();
  for (let id = 0; id < MAX_RECORDS; id++) {
    assert.equal(byCount.isFull, false);
    insert(byCount, id);
  }
  assert.equal(byCount.isFull, true);
  const batch = finished(byCount);
  assert.equal(batch.length, MAX_RECORDS);
  assert.deepEqual(batch.records.map(({ key }) => Number((key as Row).id)), batch.records.map((_, i) => i));
  assert.equal(batch.order(999), "g/0000000000000999");

  const bySide = writerOf({ maxBytes: 1000 });
  let deletes = 0;
  for (; !bySide.isFull; deletes++) {
    writeRecord(
      bySide,
      fakeRecord(deletes, {
        operation: "delete",
        before: { id: 1n, customer: "x".repeat(90) },
        after: undefined,
      }),
    );
  }
  assert.ok(deletes > 5 && deletes <= 10, `${deletes} deletes of 100 bytes`);
  assert.equal(finished(bySide).bytes.length, 0);
});

Deno.test("two batches in a row from one writer have nothing in common", () => {
  for (const layout of LAYOUTS) {
    const writer = writerOf({ layout });
    const own = utf8(',"txId":1');
    const other = fakeStream("customers");
    writeRecord(
      writer,
      fakeRecord(1, { order: orderText("a", 7, ".1"), headers: [["h", "1"]], source: { txId: 9 } }),
    );
    insert(writer, 2, "first", own);
    const first = finished(writer);
    const kept = [text(first.bytes), first.records] as const;
    writer.lane = "snapshot/public.customers/1";
    insert(writer, 3, "second", own);
    writeRecord(writer, fakeRecord(4, { stream: other }));
    const second = finished(writer);
    const fresh = writerOf({ layout });
    fresh.lane = "snapshot/public.customers/1";
    insert(fresh, 3, "second", own);
    writeRecord(fresh, fakeRecord(4, { stream: other }));
    assert.equal(text(second.bytes), text(finished(fresh).bytes));
    assert.deepEqual([second.lane, first.lane], ["snapshot/public.customers/1", "stream"]);
    assert.deepEqual(second.records.map(({ headers }) => headers), [undefined, undefined]);
    assert.deepEqual([second.order(0), second.order(1)], [
      "g/0000000000000003",
      "0000000000000001/0000000000000004",
    ]);
    assert.deepEqual([text(first.bytes), first.records], kept);
  }
});

Deno.test("recycled buffers leave no trace of the batch before", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(anyRecord, { maxLength: 3 }), { maxLength: 4 }),
      fc.constantFrom(...LAYOUTS),
      (batches, layout) => {
        const pool = new BufferPool();
        const junk = () => new Uint8Array(3000).fill(0x7b).buffer;
        pool.give(junk(), junk());
        const recycling = writerOf({ layout, pool, maxRecords: 3 });
        for (const records of batches) {
          const fresh = writerOf({ layout, maxRecords: 3 });
          for (const record of records) {
            writeRecord(recycling, record);
            writeRecord(fresh, record);
          }
          const data = recycling.finish({ v: 1 });
          const [found, wanted] = [batchFromData(data), finished(fresh)];
          assert.equal(text(found.bytes), text(wanted.bytes));
          assert.deepEqual(found.records, records);
          // As the other side gives them back: full of bytes that mean something.
          pool.give(data.text.slice().buffer, data.columns.buffer.slice(0));
        }
      },
    ),
    { seed: 42, numRuns: 100 },
  );
});

// ---- what records share ---------------------------------------------------------------------------------------------

Deno.test("records of a transaction share own members, and each has its own order", () => {
  for (const layout of LAYOUTS) {
    const writer = writerOf({ layout });
    const own = utf8(',"txId":571');
    for (const id of [8, 9, 10, 11]) insert(writer, id, "", own);
    insert(writer, 12, "", utf8(',"txId":572'));
    insert(writer, 13);
    insert(writer, 14, "", own);
    const { records } = finished(writer);
    assert.deepEqual(records.map(({ source }) => source?.txId), [571, 571, 571, 571, 572, undefined, 571]);
    assert.deepEqual(
      records.map(({ order }) => order),
      [8, 9, 10, 11, 12, 13, 14].map((i) => orderText("g", i)),
    );
  }
});

Deno.test("own members beside the text are kept once for all records that share them", () => {
  const writer = writerOf({ layout: "plain" });
  const own = utf8(',"txId":571');
  for (const id of [1, 2, 3]) insert(writer, id, "", own);
  const batch = finished(writer);
  assert.equal(batch.span(0, "source")!.byteOffset, batch.span(2, "source")!.byteOffset);
  assert.equal(text(batch.span(2, "source")), '{"txId":571}');
});

Deno.test("an array of own members may be written over once a record with another one has ended", () => {
  for (const layout of LAYOUTS) {
    const writer = writerOf({ layout });
    const [a, b] = [utf8(',"n":0'), utf8(',"n":0')];
    const plainRecord = (own: Uint8Array) => {
      writer.begin(ORDERS, "record", 1n, "g", 0);
      writer.end(own);
    };
    const numbers: number[] = [];
    for (let n = 0; n < 10; n++) {
      const own = [a, b][n % 2];
      own[own.length - 1] = 0x30 + n;
      // Twice, so that what was made of it is kept; some of the records are none of the layout's changes.
      for (let k = 0; k < 2; k++) {
        if (n % 3 === 1) plainRecord(own);
        else insert(writer, n, "", own);
        numbers.push(n);
      }
    }
    assert.deepEqual(finished(writer).records.map(({ source }) => source?.n), numbers, layout);
  }
});

Deno.test("an order counts up through every carry, and jumps", () => {
  const writer = writerOf({ layout: "standard" });
  const indexes = [8, 9, 10, 98, 99, 100, 999_999, 1_000_000, 5, 6, 6, 7, Number.MAX_SAFE_INTEGER];
  for (const index of indexes) {
    writer.begin(ORDERS, "insert", 0n, "g", index);
    writer.end();
  }
  const batch = finished(writer);
  const lines = text(batch.bytes)!.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).source.order),
    indexes.map((index) => orderText("g", index)),
  );
  assert.deepEqual(indexes.map((_, i) => batch.order(i)), indexes.map((index) => orderText("g", index)));
});

Deno.test("the time of reading is asked once a batch", () => {
  let asked = 0;
  const writer = writerOf({ layout: "standard", nowMicros: () => BigInt(++asked) });
  for (const id of [1, 2, 3]) insert(writer, id);
  assert.equal(finished(writer).readAtMicros, 1n);
  insert(writer, 4);
  const second = finished(writer);
  assert.equal(second.readAtMicros, 2n);
  assert.equal(JSON.parse(text(second.bytes)!).ts_us, 2);
  assert.equal(finished(writer).readAtMicros, 3n, "a batch that only moves the position");
});

Deno.test("a record that was begun, and ended ones, can be taken back in every layout and at every step", () => {
  for (const layout of LAYOUTS) {
    const expected = writerOf({ layout });
    insert(expected, 1);
    insert(expected, 4, "last");
    for (const wayInto of [0, 1, 2, 3]) {
      const writer = writerOf({ layout });
      insert(writer, 1);
      writer.rollback(1);
      writer.begin(ORDERS, "delete", 1n, "g", 2);
      writer.headers([["name", "text"]]);
      writer.beginRow("before");
      writer.column(column);
      writer.value(2);
      writer.endRow();
      writer.end(utf8(',"own":1'));
      writer.tombstone();
      writer.begin(ORDERS, "update", 1n, "g", 3);
      if (wayInto > 0) writer.beginRow("before");
      if (wayInto > 1) {
        writer.column(column);
        writer.value(3);
        writer.endRow();
        writer.beginRow("after");
      }
      if (wayInto > 2) writer.column(column);
      writer.rollback(1);
      insert(writer, 4, "last");
      const batch = finished(writer);
      assert.equal(text(batch.bytes), text(finished(expected).bytes));
      assert.deepEqual(batch.records.map(({ key, order, headers }) => [key, order, headers]), [
        [{ id: 1n }, orderText("g", 1), undefined],
        [{ id: 4n }, orderText("g", 4), undefined],
      ]);
      insert(expected, 1);
      insert(expected, 4, "last");
    }
  }
});

Deno.test("a tombstone has the key of its delete and stands behind it; without a key there is none", () => {
  const writer = writerOf({ layout: "standard" });
  for (const hasKey of [true, false]) {
    writer.begin(ORDERS, "delete", 5n, "g", 7);
    writer.beginRow("before");
    writer.column(hasKey ? column : writerColumn("customer"));
    writer.value(3);
    writer.endRow();
    writer.end();
    writer.tombstone();
  }
  const { records } = finished(writer);
  assert.deepEqual(
    records.map(({ operation, key, order, timeMicros }) => [operation, key, order, timeMicros]),
    [
      ["delete", { id: 3n }, orderText("g", 7), 5n],
      ["tombstone", { id: 3n }, orderText("g", 7, ".1"), 5n],
      ["delete", undefined, orderText("g", 7), 5n],
    ],
  );
});

Deno.test("text() writes long texts as JSON.stringify does, wherever the escapes stand", () => {
  for (const size of [95, 96, 97, 300, 5000]) {
    for (
      const at of [
        [],
        [0],
        [size - 1],
        [0, 1, size - 2, size - 1],
        [50, 51, 52],
        Array.from({ length: size }, (_, i) => i),
      ]
    ) {
      for (const escaped of ['"', "\\", "\n", "\u0001"]) {
        const letters = Array.from({ length: size }, (_, i) => "abcdef é"[i % 8]);
        for (const i of at) letters[i] = escaped;
        const bytes = utf8(`..${letters.join("")}..`);
        assert.equal(
          valueWritten((writer) => writer.text(bytes, 2, bytes.length - 2)),
          JSON.stringify(letters.join("")),
        );
      }
    }
  }
});

Deno.test("a huge text makes the buffer no larger than twice what it needs", () => {
  const writer = writerOf();
  writer.begin(ORDERS, "record", 0n, undefined, 0);
  writer.beginValue("after");
  const huge = new Uint8Array(8 << 20).fill(0x61);
  writer.text(huge, 0, huge.length);
  assert(writer.bytes.length < 2.1 * huge.length, `${writer.bytes.length}`);
});
