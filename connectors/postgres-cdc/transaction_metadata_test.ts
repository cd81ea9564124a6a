import assert from "node:assert/strict";
import type { Layout } from "../../formats/data/envelope.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row } from "../../formats/data/value.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

const config = (topic: Record<string, unknown> = {}) => ({
  snapshot: { mode: "never" },
  transaction_topic: { enabled: true, ...topic },
});

/** A row as `a insert 3 2`, with its two numbers; the others as their document. */
function brief({ stream, operation, source, after }: DataRecord): unknown {
  if (stream.name === "transaction") {
    const { status, event_count, data_collections } = after as Row;
    return [status, event_count, data_collections];
  }
  const { total_order, data_collection_order } = source?.transaction as Row ?? {};
  return `${stream.name} ${operation} ${total_order} ${data_collection_order}`;
}

const collection = (data_collection: string, event_count: number) => ({ data_collection, event_count });

for (const version of [18, 15] as const) {
  Deno.test(`PostgreSQL ${version}: changes are numbered and enclosed by records, the same when they are read again`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY)",
    );
    await pg.query("CREATE PUBLICATION rivven_pub FOR ALL TABLES");
    const settings = configFor(pg, {
      ...config(),
      exclude_tables: ["c"],
      schema_change_topic: { enabled: true },
    });
    const context = testContext();
    await using reader = new Reader(settings, undefined, context);
    reader.acknowledges = false;
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query(
      "BEGIN; INSERT INTO c VALUES (1); INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1); UPDATE a SET id = 3 WHERE id = 1; COMMIT",
    );
    await pg.query("INSERT INTO c VALUES (2)");
    await pg.query("DELETE FROM b");
    await pending;
    const records = await reader.atLeast(12);
    await reader[Symbol.asyncDispose]();
    assert.deepEqual(records.map(brief), [
      ["BEGIN", null, null],
      "a schema undefined undefined",
      "a insert 1 1",
      "a insert 2 2",
      "b schema undefined undefined",
      "b insert 3 1",
      "a delete 4 3",
      "a insert 5 4",
      ["END", 5n, [collection("public.a", 4), collection("public.b", 1)]],
      ["BEGIN", null, null],
      "b delete 1 1",
      ["END", 1n, [collection("public.b", 1)]],
    ]);
    for (let i = 1; i < records.length; i++) {
      assert(records[i - 1].order! < records[i].order!, String(records[i].order));
    }
    const { txId, lsn_num } = records[2].source!;
    const id = `${txId}:${lsn_num}`;
    assert.deepEqual(records[0].after, {
      status: "BEGIN",
      id,
      ts_ms: records[2].timeMicros / 1000n,
      event_count: null,
      data_collections: null,
    });
    assert.deepEqual(records[0].key, { id });
    assert.equal((records[2].source?.transaction as Row).id, id);
    assert.equal(records[0].stream.topic, "test.transaction");

    let seen = 0;
    const line = (record: DataRecord) => [record.order, brief(record)];
    for (const batch of [undefined, ...reader.batches]) {
      seen += batch?.length ?? 0;
      if (seen === records.length) break;
      await using rest = new Reader(settings, batch?.position, context);
      rest.acknowledges = false;
      assert.deepEqual((await rest.atLeast(records.length - seen)).map(line), records.slice(seen).map(line));
    }
  });
}

Deno.test("resuming inside a transaction goes on with the next number, and the end counts all", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE a (id int PRIMARY KEY)");
  const settings = configFor(pg, config({ include_data_collections: false }));
  const context = testContext();
  await using reader = new Reader(settings, undefined, context);
  reader.acknowledges = false;
  const pending = reader.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO a SELECT generate_series(1, 2500)");
  await pending;
  const records = await reader.atLeast(2502);
  await reader[Symbol.asyncDispose]();
  assert.deepEqual(records.map(brief).toSpliced(1, 2500), [["BEGIN", null, null], ["END", 2500n, null]]);
  assert.equal(reader.batches.length >= 3, true);
  const first = reader.batches[0];
  await using rest = new Reader(settings, first.position, context);
  const more = await rest.atLeast(2502 - first.length);
  assert.deepEqual(more.map(brief), records.slice(first.length).map(brief));
});

Deno.test("a transaction below the threshold is not announced, and one above it before the change that reaches it", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE a (id int PRIMARY KEY)");
  await using reader = new Reader(configFor(pg, config({ min_events_threshold: 2 })));
  const pending = reader.next();
  await waitForSlot(pg);
  await pg.query("INSERT INTO a VALUES (1)");
  await pg.query("INSERT INTO a VALUES (2), (3)");
  await pending;
  const records = await reader.atLeast(5);
  assert.deepEqual(records.map(brief), [
    "a insert 1 1",
    "a insert 1 1",
    ["BEGIN", null, null],
    "a insert 2 2",
    ["END", 2n, [collection("public.a", 2)]],
  ]);
});

Deno.test("the block stands in the envelope where Debezium has it, and survives every layout", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE a (id int PRIMARY KEY)");
  const read = async (layout: Layout, sql: string) => {
    await using reader = new Reader(configFor(pg, config()), undefined, testContext({ layout }));
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query(sql);
    await pending;
    await reader.atLeast(4);
    return reader.batches.filter(({ length }) => length > 0);
  };
  const decoder = new TextDecoder();
  for (const layout of ["standard", "plain", "rivven", "full", "cdc_event"] as const) {
    await pg.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    await pg.query("TRUNCATE a");
    const batches = await read(layout, "INSERT INTO a VALUES (1), (2)");
    const records = batches.flatMap((batch) => batch.records);
    assert.deepEqual(records.map(brief), [
      ["BEGIN", null, null],
      "a insert 1 1",
      "a insert 2 2",
      ["END", 2n, [collection("public.a", 2)]],
    ]);
    const standard = batches.map((batch) => decoder.decode(batch.inLayout("standard").bytes)).join("")
      .trimEnd();
    const lines = standard.split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(
      Object.keys(lines[1]).slice(0, 5),
      ["before", "after", "source", "transaction", "op"],
      layout,
    );
    assert.deepEqual(lines[2].transaction, { id: lines[0].id, total_order: 2, data_collection_order: 2 });
    assert.deepEqual(lines[0].status, "BEGIN");
  }
});
