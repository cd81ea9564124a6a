/** Which partition a record goes to: of the choices themselves, and what comes of them at a real broker. */
import assert from "node:assert/strict";
import { RecordError } from "../../formats/data/errors.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startRivvend } from "../../tests/servers/rivvend.ts";
import { partitionOf } from "./client/partition.ts";
import definition, { type RivvenConfig } from "./connector.ts";
import { choiceFor } from "./partitioner.ts";
import { openSink } from "./sink.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const STREAM = fakeStream("orders", { key: ["id", "customer"] });

function choice(partitioner: unknown, stream = STREAM, count = 64): (key?: string) => number {
  const config: RivvenConfig = definition.config.parse({ address: "localhost", partitioner });
  const choose = choiceFor(config.partitioner, "orders", stream, count);
  if (choose instanceof RecordError) throw choose;
  return (key) => choose(key === undefined ? undefined : utf8(key));
}

Deno.test("chosen columns of the key count as if they were the whole key, with all their digits", () => {
  const key = '{"id":7,"customer":12345678901234567890}';
  const byKey = choice({});
  assert.equal(byKey(key), partitionOf(utf8(key), 64));
  assert.equal(byKey(), partitionOf(utf8("public.orders"), 64));
  const byCustomer = choice({ columns: ["customer"] });
  assert.equal(byCustomer(key), partitionOf(utf8('{"customer":12345678901234567890}'), 64));
  assert.equal(byCustomer('{"id":8,"customer":12345678901234567890}'), byCustomer(key));
  assert.notEqual(byCustomer('{"id":8,"customer":12345678901234567891}'), byCustomer(key));
  assert.equal(byCustomer(), byKey());
  assert.equal(
    choice({ columns: ["customer", "id"] })('{"id":7,"customer":"a}b"}'),
    partitionOf(utf8('{"customer":"a}b","id":7}'), 64),
  );
  assert.throws(() => choice({ columns: ["customer", "total"] }), {
    code: "schema_partition_column",
    message: 'The key of "public.orders" has no "total", by which partitioner.columns chooses the partition',
  });
});

Deno.test("a table, or all of them, can have one partition", () => {
  const other = fakeStream("orders", { namespace: "archive", key: [] });
  const byName = { strategy: "table_hash" };
  const keys = Array.from({ length: 20 }, (_, id) => `{"id":${id},"customer":1}`);
  for (const key of [...keys, undefined]) {
    assert.equal(choice(byName)(key), partitionOf(utf8("orders"), 64));
    assert.equal(choice(byName, other)(key), choice(byName)(key));
    assert.equal(choice({ strategy: "full_table_hash" })(key), partitionOf(utf8("public.orders"), 64));
    assert.equal(
      choice({ strategy: "full_table_hash" }, other)(key),
      partitionOf(utf8("archive.orders"), 64),
    );
    assert.equal(choice({ strategy: "sticky", partition: 5 })(key), 5);
  }
  assert.throws(() => choice({ strategy: "sticky", partition: 64 }), {
    code: "not_found_partition",
    message: /partition 64 of topic "orders": it has 64/,
  });
});

Deno.test("rows that share the chosen column share a partition of the broker, and rows without it are rejected", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  const context = fakeSinkContext();
  const config = definition.config.parse({
    address: broker.address,
    topic: "orders",
    topic_config: { partitions: 16 },
    partitioner: { columns: ["customer"] },
  });
  {
    await using sink = await openSink(config, context);
    const rows = Array.from(
      { length: 200 },
      (_, i) =>
        fakeRecord(i, { stream: STREAM, key: { id: BigInt(i), customer: i % 5 }, operation: "insert" }),
    );
    await sink.write(fakeBatch([...rows, fakeRecord(200)]));
    await sink.flush();
  }
  assert.deepEqual(context.rejected.map(({ error }) => error.code), ["schema_partition_column"]);
  await using client = broker.client();
  const partitions = new Map<number, Set<number>>();
  const ids = new Map<number, number[]>();
  for (let partition = 0; partition < 16; partition++) {
    const options = { topic: "orders", partition, offset: 0, maxRecords: 1000, maxWaitMs: 0 };
    for (const { key } of await client.consume(options)) {
      const { id, customer } = JSON.parse(new TextDecoder().decode(key));
      const used = partitions.get(customer) ?? new Set();
      partitions.set(customer, used.add(partition));
      ids.set(customer, [...ids.get(customer) ?? [], id]);
    }
  }
  for (let customer = 0; customer < 5; customer++) {
    assert.equal(partitions.get(customer)!.size, 1);
    assert.deepEqual(ids.get(customer), Array.from({ length: 40 }, (_, i) => customer + 5 * i));
  }
  assert.ok(new Set([...partitions.values()].flatMap((used) => [...used])).size > 1);
});
