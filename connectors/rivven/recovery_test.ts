/** What is published twice, or not at all, after a sink was opened again behind a crash: nothing. */
import assert from "node:assert/strict";
import type { Layout } from "../../formats/data/envelope.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Json } from "../../formats/data/value.ts";
import { systemClock } from "../../runtime/clock.ts";
import { fakeSinkContext, seededRandom } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Rivvend, startRivvend } from "../../tests/servers/rivvend.ts";
import type { Batch } from "../contract.ts";
import type { RivvenClient } from "./client/client.ts";
import definition from "./connector.ts";
import { openSink } from "./sink.ts";

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** A flow's sink, opened again and again; what is kept between is what the state store would keep. */
class Flow {
  readonly found: { records: number } = { records: 0 };
  readonly #broker: Rivvend;
  readonly #documents = new Map<string, Json>();
  readonly #layout: Layout;
  readonly #config: Record<string, Json>;
  #saved: Json | undefined;

  constructor(broker: Rivvend, layout: Layout, config: Record<string, Json> = {}) {
    this.#broker = broker;
    this.#layout = layout;
    this.#config = config;
  }

  /** One run: writes the batches and ends as `how` says. `crash`: in the middle of it; `lost`: before the commit. */
  async run(batches: readonly Batch[], how: "commit" | "lost" | "crash", forMs = 0): Promise<void> {
    const context = fakeSinkContext({
      documents: this.#documents,
      saved: this.#saved,
      layout: this.#layout,
    });
    const config = definition.config.parse({
      address: this.#broker.address,
      topic: "t",
      topic_config: { partitions: 4 },
      batch_size: 20,
      ...this.#config,
    });
    await using sink = await openSink(config, { ...context, clock: systemClock });
    for (const batch of batches) await sink.write(batch);
    if (how === "crash") return await systemClock.sleep(forMs);
    const saved = await sink.flush();
    this.found.records += context.numbers.get("rivven_found_records") ?? 0;
    if (how === "commit" && saved) this.#saved = JSON.parse(JSON.stringify(saved));
  }
}

/** Change number n of 29 rows in turn: inserts and updates, and deletes with their tombstones. */
function change(n: number): DataRecord[] {
  const id = BigInt(n * 7 % 29);
  const order = `0/${String(n).padStart(16, "0")}`;
  const record = { key: { id }, order, after: { id, customer: String(n) } };
  if (n % 5 !== 4) return [fakeRecord(n, { ...record, operation: n % 5 === 0 ? "insert" : "update" })];
  return [
    fakeRecord(n, { ...record, operation: "delete", before: { id, customer: String(n) }, after: undefined }),
    fakeRecord(n, { ...record, operation: "tombstone", after: undefined, order: `${order}.1` }),
  ];
}

function batchesOf(first: number, count: number, layout: Layout, size = 50): Batch[] {
  const records = Array.from({ length: count }, (_, i) => change(first + i)).flat();
  return Array.from(
    { length: Math.ceil(records.length / size) },
    (_, b) => fakeBatch(records.slice(b * size, (b + 1) * size), { layout }),
  );
}

/** Every record of the topic by key, as `<number>` or `gone`, in its order. */
async function contents(client: RivvenClient, topic = "t"): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (let partition = 0; partition < 4; partition++) {
    const { latest } = await client.offsets(topic, partition);
    for (let offset = 0; offset < latest;) {
      const records = await client.consume({ topic, partition, offset, maxRecords: 1000, maxWaitMs: 0 });
      for (const { key, value } of records) {
        const name = text.decode(key);
        const number = /"customer":"(\d+)"/.exec(text.decode(value))?.[1];
        found.set(name, [...found.get(name) ?? [], value.length === 0 ? "gone" : number!]);
      }
      offset = records.at(-1)!.offset + 1;
    }
  }
  return found;
}

/** What `contents` is when the changes 0 to `count` are there once. */
function expected(count: number): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (let n = 0; n < count; n++) {
    const name = `{"id":${n * 7 % 29}}`;
    found.set(name, [...found.get(name) ?? [], String(n), ...(n % 5 === 4 ? ["gone"] : [])]);
  }
  return found;
}

function assertSame(found: Map<string, string[]>, wanted: Map<string, string[]>): void {
  assert.deepEqual(
    [...found].sort(([a], [b]) => a < b ? -1 : 1),
    [...wanted].sort(([a], [b]) => a < b ? -1 : 1),
  );
}

for (const layout of ["auto", "full", "rivven"] as const) {
  Deno.test(`opened again after crashes and lost commits, in layout ${layout}, each record is there once`, async (t) => {
    await using broker = await requireServer(t, startRivvend);
    if (broker === undefined) return;
    await using client = broker.client();
    const flow = new Flow(broker, layout);
    const random = seededRandom(7);
    // The very first records, of which no commit tells.
    await flow.run(batchesOf(0, 100, layout), "crash", 20);
    await flow.run(batchesOf(0, 150, layout), "lost");
    await flow.run(batchesOf(0, 150, layout), "commit");
    assert.ok(flow.found.records >= 150, `${flow.found.records} were found`);
    let committed = 150;
    for (let loop = 0; loop < 8; loop++) {
      const count = 50 + Math.floor(random() * 100);
      const how = (["crash", "crash", "lost"] as const)[loop % 3];
      await flow.run(batchesOf(committed, count, layout), how, random() * 60);
      if (loop % 2 === 0) continue;
      await flow.run(batchesOf(committed, 120, layout, 33), "commit");
      committed += 120;
    }
    await flow.run(batchesOf(committed, 200, layout), "commit");
    const longest = committed + 200;
    assertSame(await contents(client), expected(longest));
  });
}

Deno.test("of several lanes, one whose records come again later than a commit has them once as well", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  const flow = new Flow(broker, "auto");
  const lane = (lane: string, first: number, count: number) =>
    fakeBatch(Array.from({ length: count }, (_, i) => change(first + i)).flat(), { lane });
  const [a, b] = [lane("a", 0, 60), lane("b", 60, 60)];
  await flow.run([a, b], "lost");
  const more = lane("a", 120, 60);
  await flow.run([a, more], "commit");
  await flow.run([b], "lost");
  await flow.run([b], "commit");
  assertSame(await contents(client), expected(180));
});

Deno.test("what others publish in between is no trouble, whether it says where it comes from or not", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  const flow = new Flow(broker, "auto");
  await flow.run(batchesOf(0, 50, "auto"), "commit");
  await flow.run(batchesOf(50, 100, "auto"), "lost");
  for (let partition = 0; partition < 4; partition++) {
    const like = (source: string) =>
      `{"before":null,"after":{"id":0,"customer":"9999"},"source":{"name":"${source}","lane":"stream",` +
      `"order":"0/0000000000000170"},"op":"c"}`;
    const values = ["no JSON", "null", "[]", '{"source":"x","metadata":null}', like("another")];
    await client.publish(
      "t",
      partition,
      values.map((value) => ({ key: utf8.encode("other"), value: utf8.encode(value) })),
    );
  }
  await flow.run(batchesOf(50, 200, "auto"), "commit");
  const found = await contents(client);
  assert.equal(found.get("other")!.length, 20);
  found.delete("other");
  assertSame(found, expected(250));
});

for (const layout of ["plain", "auto"] as const) {
  Deno.test(`rows without an envelope, in layout ${layout}, may come twice, and a row that was deleted stays so`, async (t) => {
    await using broker = await requireServer(t, startRivvend);
    if (broker === undefined) return;
    await using client = broker.client();
    const flow = new Flow(broker, layout);
    const records = Array.from({ length: 100 }, (_, i) => change(i)).flat();
    const batch = fakeBatch(records.map((record) => ({ ...record, bare: true })), { layout });
    await flow.run([batch], "lost");
    await flow.run([batch], "commit");
    const found = await contents(client);
    for (const [key, values] of expected(100)) {
      const once = values.filter((value, i) => values[i + 1] !== "gone" || value === "gone");
      // A tombstone that nothing of its key stands before is known again: what is behind it has the last word anyway.
      const again = layout === "auto" && once[0] === "gone" ? once.slice(1) : once;
      assert.deepEqual(found.get(key), [...once, ...again]);
    }
  });
}

Deno.test("with a new state a topic is published to anew, whatever it holds", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using client = broker.client();
  await new Flow(broker, "auto").run(batchesOf(0, 60, "auto"), "commit");
  await new Flow(broker, "auto").run(batchesOf(0, 60, "auto"), "commit");
  const found = await contents(client);
  for (const [key, values] of expected(60)) assert.deepEqual(found.get(key), [...values, ...values]);
});
