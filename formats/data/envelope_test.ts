import assert from "node:assert/strict";
import { fakeRecord, linesOf, ORDERS } from "../../tests/fakes/records.ts";
import { batchFromRecords, orderText } from "./batch.ts";
import { type Layout, LAYOUTS, rfc3339 } from "./envelope.ts";
import { recognise } from "./envelope_parts.ts";
import { type DataRecord, type Operation, OPERATIONS } from "./record.ts";
import type { Stream } from "./stream.ts";
import type { ColumnType, Row } from "./value.ts";

/** The lines that records are written as, read a tenth of a second after they happened. */
function written(layout: Layout, records: readonly DataRecord[]): string[] {
  const origin = { connector: "postgres-cdc", name: "orders_db", version: "0.1.0" };
  const readAtMicros = 1_767_225_600_200_311n;
  return linesOf(
    batchFromRecords({ lane: "stream", position: { v: 1 }, readAtMicros, layout, origin }, records),
  );
}

const OLD: Row = { id: 7n, customer: "Ann", total: "1.00" };
const NEW: Row = { id: 7n, customer: "Ann", total: "12.50" };

/** One change of row 7, as PostgreSQL's source makes it. */
function change(operation: Operation, more: Partial<DataRecord> = {}): DataRecord {
  return {
    stream: ORDERS,
    operation,
    key: { id: 7n },
    timeMicros: 1_767_225_600_123_456n,
    source: { sequence: '[null,"24023192"]', txId: 571, lsn: "0/16E9118" },
    order: orderText("00000000016E9118", 3),
    ...more,
  };
}

const CHANGES: Partial<Record<Operation, DataRecord>> = {
  insert: change("insert", { after: NEW }),
  update: change("update", { before: OLD, after: NEW }),
  delete: change("delete", { before: OLD }),
  snapshot: change("snapshot", { after: NEW }),
  truncate: change("truncate", { key: undefined }),
};
const OLD_TEXT = '{"id":7,"customer":"Ann","total":"1.00"}';
const NEW_TEXT = '{"id":7,"customer":"Ann","total":"12.50"}';

/** One line for each operation of CHANGES, `$` standing for what is the same in all. */
function assertWritten(layout: Layout, same: string, lines: Partial<Record<Operation, string>>): void {
  for (const [operation, line] of Object.entries(lines) as [Operation, string][]) {
    const wanted = line.replace("$", () => same).replaceAll("OLD", OLD_TEXT).replaceAll("NEW", NEW_TEXT);
    assert.deepEqual(written(layout, [CHANGES[operation]!]), [wanted], operation);
  }
}

Deno.test("standard: both rows, the source with lane and order, the operation's letter, two times", () => {
  const tail = (op: string) =>
    `,"op":"${op}","ts_ms":1767225600200,"ts_us":1767225600200311,"ts_ns":1767225600200311000}`;
  const source = (snapshot: string) =>
    '"source":{"version":"0.1.0","connector":"postgres-cdc","name":"orders_db","ts_ms":1767225600123,' +
    `"ts_us":1767225600123456,"ts_ns":1767225600123456000,"snapshot":"${snapshot}","db":"shop","schema":"public",` +
    '"table":"orders","sequence":"[null,\\"24023192\\"]","txId":571,"lsn":"0/16E9118","lane":"stream",' +
    '"order":"00000000016E9118/0000000000000003"}';
  for (const layout of ["standard", "auto"] as const) {
    assertWritten(layout, source("false"), {
      insert: `{"before":null,"after":NEW,$${tail("c")}`,
      update: `{"before":OLD,"after":NEW,$${tail("u")}`,
      delete: `{"before":OLD,"after":null,$${tail("d")}`,
      truncate: `{"before":null,"after":null,$${tail("t")}`,
    });
    assertWritten(layout, source("true"), { snapshot: `{"before":null,"after":NEW,$${tail("r")}` });
  }
});

Deno.test("rivven: SourceEvent, with position, transaction, sequence and the mark of a snapshot as metadata", () => {
  const head = (type: string) =>
    `{"event_type":"${type}","stream":"orders","namespace":"public","timestamp":"2026-01-01T00:00:00.200311Z","data":`;
  const metadata = '"metadata":{"txId":571,"lsn":"0/16E9118","transaction_id":"571",' +
    '"position":"00000000016E9118/0000000000000003","lane":"stream","source":"orders_db","sequence":3';
  assertWritten("rivven", metadata, {
    insert: `${head("insert")}NEW,$}}`,
    update: `${head("update")}{"before":OLD,"after":NEW},$}}`,
    delete: `${head("delete")}OLD,$}}`,
    snapshot: `${head("insert")}NEW,$,"snapshot":true}}`,
    truncate: `${head("log")}null,$}}`,
  });
});

Deno.test("rivven: names that SourceEvent gives a meaning are not taken from the connector's own members", () => {
  const metadata = (source: Row | undefined, more: Partial<DataRecord> = {}) =>
    JSON.parse(written("rivven", [change("snapshot", { source, ...more })])[0]).metadata;
  const own: Row = {
    position: 1,
    lane: "y",
    source: "z",
    sequence: "x",
    transaction_id: "y",
    snapshot: "last",
    txId: null,
    gtid: "a:1",
  };
  const position = orderText("00000000016E9118", 3);
  const place = { position, lane: "stream", source: "orders_db" };
  assert.deepEqual(metadata(own), { txId: null, gtid: "a:1", ...place, sequence: 3, snapshot: true });
  assert.deepEqual(metadata({ txId: "a:1" }).transaction_id, "a:1");
  assert.deepEqual(metadata({ txId: 2n ** 64n - 1n }).transaction_id, "18446744073709551615");
  assert.deepEqual(metadata(undefined), { ...place, sequence: 3, snapshot: true });
  assert.deepEqual(metadata(undefined, { order: undefined }), { snapshot: true });
  const [line] = written("rivven", [change("insert", { source: { sequence: 9 }, order: position })]);
  assert.equal(line.split('"sequence"').length, 2);
});

Deno.test("rivven: the metadata of a record that is no change is the connector's own, with the position", () => {
  const record = fakeRecord(1, {
    operation: "record",
    source: { sequence: 9, name: "x" },
    order: orderText("p", 4),
  });
  const { metadata, data } = JSON.parse(written("rivven", [record])[0]);
  assert.deepEqual(metadata, {
    sequence: 9,
    name: "x",
    position: "p/0000000000000004",
    lane: "stream",
    source: "orders_db",
  });
  assert.equal(data.id, 1);
  assert.deepEqual(written("auto", [record]), written("rivven", [record]));
  const bare = JSON.parse(written("rivven", [{ ...record, source: undefined, order: undefined }])[0]);
  assert.deepEqual(bare.metadata, {});
});

Deno.test("metadata of records that share own members and of those that don't stays apart", () => {
  const ids = [1, 1, 2, 2, 1, 3];
  const lines = written("rivven", ids.map((txId) => change("insert", { after: NEW, source: { txId } })));
  assert.deepEqual(lines.map((line) => JSON.parse(line).metadata.transaction_id), ids.map(String));
});

Deno.test("cdc_event: CdcEvent in whole seconds, with the transaction where there is one", () => {
  const head = (op: string) =>
    `{"source_type":"postgres","database":"shop","schema":"public","table":"orders","op":"${op}",`;
  const tail =
    '"timestamp":1767225600,"transaction":{"id":"571","lsn":"0/16E9118","sequence":3,"total_events":0,' +
    '"commit_ts":1767225600123,"is_last":false}}';
  assertWritten("cdc_event", tail, {
    insert: `${head("Insert")}"before":null,"after":NEW,$`,
    update: `${head("Update")}"before":OLD,"after":NEW,$`,
    delete: `${head("Delete")}"before":OLD,"after":null,$`,
    snapshot: `${head("Snapshot")}"before":null,"after":NEW,$`,
    truncate: `${head("Truncate")}"before":null,"after":null,$`,
  });
  const without: (Row | undefined)[] = [undefined, { txId: null, lsn: "0/1" }, { lsn: "0/1" }];
  for (const source of without) {
    const [line] = written("cdc_event", [change("snapshot", { after: NEW, source })]);
    assert.equal("transaction" in JSON.parse(line), false);
  }
});

Deno.test("plain: the row after the change and nothing else", () => {
  assertWritten("plain", "", { insert: "NEW", update: "NEW", snapshot: "NEW" });
  assert.deepEqual(written("plain", [CHANGES.delete!, CHANGES.truncate!, change("tombstone")]), []);
  for (const value of [null, 7, "text", [1, { a: null }], {}, false]) {
    const record = change("record", {
      stream: { ...ORDERS, columns: undefined, payload: "json" },
      after: value,
    });
    assert.deepEqual(written("plain", [record]), [JSON.stringify(value)]);
  }
});

Deno.test("full: the standard envelope beside the schema that Kafka Connect reads it with", () => {
  for (const record of Object.values(CHANGES)) {
    const [line] = written("full", [record]);
    const { schema, payload } = JSON.parse(line);
    assert.equal(JSON.stringify(payload), written("standard", [record])[0]);
    assert.equal(schema.name, "shop.public.orders.Envelope");
    assert.deepEqual(schema.fields.map(({ field }: { field: string }) => field), [
      "before",
      "after",
      "op",
      "ts_ms",
    ]);
    assert.deepEqual(schema.fields[1].fields, [
      { type: "int64", optional: false, field: "id" },
      { type: "string", optional: true, field: "customer" },
      { type: "string", optional: true, field: "total" },
    ]);
  }
});

Deno.test("full: a schema declares what JSON has, and there is none where that can't be known", () => {
  const columnsOf = (operation: Operation, columns: Stream["columns"], more: Partial<Stream> = {}) => {
    const row = columns && { after: { id: 7n } };
    const stream = { ...ORDERS, columns, ...more };
    const [line] = written("full", [change(operation, { stream, ...row })]);
    const { schema, payload } = JSON.parse(line);
    assert.equal(payload.source.table, "orders");
    return schema && schema.fields.map(({ fields }: { fields?: unknown[] }) => fields).slice(0, 2);
  };
  const id = { name: "id", type: { kind: "int64" }, nullable: false } as const;
  const note = { name: "note", type: { kind: "string" }, nullable: false } as const;
  const of = (name: string, type: ColumnType) => ({ name, type, nullable: true });
  assert.deepEqual(columnsOf("insert", [id, note, of("raw", { kind: "bytes" }), of("u", { kind: "uuid" })]), [
    [
      { type: "int64", optional: true, field: "id" },
      { type: "string", optional: true, field: "note" },
      { type: "bytes", optional: true, field: "raw" },
      { type: "string", optional: true, name: "io.debezium.data.Uuid", version: 1, field: "u" },
    ],
    [
      { type: "int64", optional: false, field: "id" },
      { type: "string", optional: true, field: "note" },
      { type: "bytes", optional: true, field: "raw" },
      { type: "string", optional: true, name: "io.debezium.data.Uuid", version: 1, field: "u" },
    ],
  ]);
  const json: ColumnType = { kind: "json" };
  const many: ColumnType[] = [
    json,
    { kind: "unknown" },
    { kind: "array", items: json },
    { kind: "map", values: json },
    { kind: "struct", fields: [of("x", { kind: "array", items: { kind: "unknown" } })] },
  ];
  for (const type of many) assert.equal(columnsOf("insert", [id, of("c", type)]), null, JSON.stringify(type));
  assert.equal(columnsOf("delete", undefined), null);
  assert.equal(columnsOf("message", [id]), null);
});

Deno.test("full: a record that has no schema is the record again when it is read back", () => {
  const stream = { ...ORDERS, columns: undefined };
  const [line] = written("full", [change("update", { stream, before: OLD, after: NEW })]);
  const json = new TextEncoder().encode(line);
  const found = recognise(json, JSON.parse(line))!;
  const part = (span: readonly [number, number] | undefined) =>
    new TextDecoder().decode(json.slice(...span!));
  assert.deepEqual([found.operation, found.name], ["update", "orders"]);
  assert.deepEqual([part(found.before), part(found.after)], [OLD_TEXT, NEW_TEXT]);
});

Deno.test("a tombstone has no text in any layout, but its key and its place", () => {
  for (const layout of LAYOUTS) {
    const record = change("tombstone", { order: orderText("00000000016E9118", 3, ".1") });
    const head = { lane: "stream", position: { v: 1 }, readAtMicros: 0n, layout };
    const origin = { connector: "c", name: "n", version: "0" };
    const batch = batchFromRecords({ ...head, origin }, [CHANGES.delete!, record]);
    assert.equal(batch.span(1, "text")!.length, 0);
    assert.equal(new TextDecoder().decode(batch.span(1, "key")), '{"id":7}');
    assert.equal(batch.order(1), "00000000016E9118/0000000000000003.1");
  }
});

Deno.test("a schema document is written by itself, a message in its envelope", () => {
  const document = { columns: [{ name: "id" }], ddl: null };
  for (const layout of LAYOUTS) {
    assert.deepEqual(written(layout, [change("schema", { after: document })]), [JSON.stringify(document)]);
  }
  const message = change("message", { after: { prefix: "p", content: "c" } });
  const line = JSON.parse(written("standard", [message])[0]);
  assert.deepEqual([line.message, line.op, "before" in line], [{ prefix: "p", content: "c" }, "m", false]);
});

Deno.test("a bare record is written as its row alone in every layout", () => {
  for (const layout of LAYOUTS) {
    for (const record of [CHANGES.insert!, CHANGES.update!, change("record", { after: NEW })]) {
      assert.deepEqual(written(layout, [{ ...record, bare: true }]), [NEW_TEXT], layout);
    }
  }
});

Deno.test("the marker of a snapshot row takes the place of true", () => {
  const marked = (snapshot: string) => change("snapshot", { after: NEW, source: { snapshot, txId: null } });
  const markers = [
    "first",
    "last",
    "first_in_data_collection",
    "last_in_data_collection",
    "incremental",
    "true",
  ];
  const lines = written("standard", markers.map(marked));
  assert.deepEqual(lines.map((line) => JSON.parse(line).source.snapshot), markers);
  const unknown = JSON.parse(written("standard", [marked("whatever")])[0]);
  assert.equal(unknown.source.snapshot, "true");
});

Deno.test("times of 1970 and before it are numbers of nanoseconds", () => {
  for (const [timeMicros, ns] of [[0n, 0], [-1n, -1000], [1n, 1000]] as const) {
    const [line] = written("standard", [fakeRecord(1, { timeMicros })]);
    assert.equal(JSON.parse(line).source.ts_ns, ns);
  }
});

Deno.test("the group of an order may hold any character", () => {
  for (const group of ['a"b', "\\", "topic/ü", ""]) {
    const lines = written("standard", [8, 9, 10].map((i) => fakeRecord(i, { order: orderText(group, i) })));
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).source.order),
      [8, 9, 10].map((i) => orderText(group, i)),
    );
  }
});

Deno.test("every operation has a line of valid JSON in every layout, or none", () => {
  for (const layout of LAYOUTS) {
    for (const operation of OPERATIONS) {
      for (const rows of [{}, { after: NEW }, { before: OLD }, { before: OLD, after: NEW }]) {
        if (operation === "message" && rows.before) continue; // It has no row.
        for (const line of written(layout, [change(operation, rows)])) JSON.parse(line);
      }
    }
  }
});

Deno.test("rfc3339() has six digits and no zone but UTC", () => {
  assert.equal(rfc3339(1_767_225_600_000_001n), "2026-01-01T00:00:00.000001Z");
  assert.equal(rfc3339(0n), "1970-01-01T00:00:00.000000Z");
});
