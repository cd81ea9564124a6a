import assert from "node:assert/strict";
import { RecordError } from "../../formats/data/errors.ts";
import { orderText } from "../../formats/data/batch.ts";
import { FAKE_START_MICROS } from "../../tests/fakes/clock.ts";
import { fakeBatch, fakeBatches, fakeRecord, fakeStream, linesOf } from "../../tests/fakes/records.ts";
import { Killed, World } from "./testing.ts";

const HOUR = 3_600_000_000n;
const order = (id: number) => `0000000000000001_${String(id).padStart(16, "0")}`;

/** Names without the letters that the state has made up. */
function namesIn(world: World): string[] {
  return [...world.store.objects.keys()].map((name) => name.replace(/\+[a-z0-9]{8}\./, "+W.")).toSorted();
}

Deno.test("a file is named after the records in it, in the folder that they name", async () => {
  const world = new World();
  const { sink } = await world.open({ prefix: "lake/{database}/{stream}/", partitioning: "hour" });
  const records = [0, 1, 2, 3].map((id) =>
    fakeRecord(id, {
      stream: fakeStream(id % 2 ? "orders" : "a/../b"),
      timeMicros: FAKE_START_MICROS + BigInt(id >> 1) * HOUR,
    })
  );
  await sink.write(fakeBatch(records, { layout: "plain", lane: "topic/3" }));
  assert.deepEqual(namesIn(world), [], "nothing is made before a flush");
  assert.deepEqual(await sink.flush(), { v: 1, flush: 1 });
  const hours = [0n, HOUR].map((more) => {
    const text = new Date(Number((FAKE_START_MICROS + more) / 1000n)).toISOString();
    const [, yyyy, MM, dd, HH] = /^(\d+)-(\d\d)-(\d\d)T(\d\d)/.exec(text)!;
    return `year=${yyyy}/month=${MM}/day=${dd}/hour=${HH}`;
  });
  assert.deepEqual(namesIn(world), [
    `lake/shop/a%2F..%2Fb/${hours[0]}/flow+topic+3+${order(0)}-${order(0)}+W.jsonl`,
    `lake/shop/a%2F..%2Fb/${hours[1]}/flow+topic+3+${order(2)}-${order(2)}+W.jsonl`,
    `lake/shop/orders/${hours[0]}/flow+topic+3+${order(1)}-${order(1)}+W.jsonl`,
    `lake/shop/orders/${hours[1]}/flow+topic+3+${order(3)}-${order(3)}+W.jsonl`,
  ]);
});

Deno.test("partitions by table and by a column, whatever its value", async () => {
  const world = new World();
  const { sink } = await world.open({ partitioning: "{topic}/c={field:c}/id={field:id}" });
  const stream = fakeStream("t", { topic: "shop.t" });
  const values = ["DE", null, "a/b", ""];
  const records = values.map((c, i) =>
    fakeRecord(1, { stream, after: { id: 7n, c }, order: orderText("g", i) })
  );
  const gone = fakeRecord(9, { stream, operation: "delete", before: { id: 7n, c: "DE" }, after: undefined });
  await sink.write(fakeBatch([...records, { ...gone, order: orderText("g", 9) }], { layout: "standard" }));
  await sink.flush();
  const folders = namesIn(world).map((name) => name.slice(0, name.lastIndexOf("/")));
  assert.deepEqual(folders, [
    "shop.t/c=DE/id=7",
    "shop.t/c=_/id=7",
    "shop.t/c=__HIVE_DEFAULT_PARTITION__/id=7",
    "shop.t/c=a%2Fb/id=7",
  ]);
});

Deno.test("the intent is durable before the first object, and a flush of nothing makes neither", async () => {
  const world = new World();
  const { sink } = await world.open();
  assert.equal(await sink.flush(), undefined);
  world.steps = [];
  for (const batch of fakeBatches(2, 3, 0, { layout: "plain" })) await sink.write(batch);
  await sink.flush();
  assert.deepEqual(world.steps.map((step) => step.split(" ")[0]), ["put", "saved", "create", "created"]);
  world.steps = [];
  assert.equal(await sink.flush(), undefined);
  assert.deepEqual(world.steps, []);
});

Deno.test("rows of two tables are two files, and columns that change begin another", async () => {
  const world = new World();
  const { sink } = await world.open({ format: "csv", prefix: "p" });
  const [a, b] = [fakeStream("a"), fakeStream("b")];
  const wider = fakeStream("a", {
    columns: [...a.columns!, { name: "x", type: { kind: "string" }, nullable: true }],
  });
  const streams = [a, b, a, wider, b];
  const records = streams.map((stream, id) => fakeRecord(id, { stream }));
  await sink.write(fakeBatch(records, { layout: "plain" }));
  await sink.flush();
  const headers = Object.values(world.store.texts()).map((text) => text.split("\n")[0]);
  assert.deepEqual(headers.toSorted(), ["id,customer,total", "id,customer,total", "id,customer,total,x"]);
  assert.deepEqual(namesIn(world), [
    `p/flow+stream+${order(0)}-${order(2)}+W.csv`,
    `p/flow+stream+${order(1)}-${order(4)}+W.csv`,
    `p/flow+stream+${order(3)}-${order(3)}+W.csv`,
  ]);
});

Deno.test("records without a row, and files of none but refused ones, make no object", async () => {
  const world = new World();
  const { sink, context } = await world.open({ format: "csv" });
  const gone = { after: undefined, before: { id: 1n } };
  await sink.write(fakeBatch([
    fakeRecord(1, { operation: "delete", ...gone }),
    fakeRecord(2, { operation: "tombstone", after: undefined }),
    fakeRecord(3, { unavailable: ["total"] }),
  ], { layout: "plain" }));
  assert.equal(await sink.flush(), undefined);
  assert.deepEqual(namesIn(world), []);
  assert.deepEqual(context.rejected.map(({ i, error }) => [i, error instanceof RecordError]), [[2, true]]);
});

Deno.test("refused records stand in no name: one of them that comes alone, mended, is another file", async () => {
  const world = new World();
  const { sink } = await world.open({ format: "csv" });
  const records = [0, 1, 2, 3].map((id) =>
    fakeRecord(id, { unavailable: id % 3 === 0 ? ["total"] : undefined })
  );
  await sink.write(fakeBatch(records, { layout: "plain" }));
  await sink.flush();
  await sink.write(fakeBatch([fakeRecord(0), fakeRecord(3)], { layout: "plain" }));
  await sink.flush();
  assert.deepEqual(namesIn(world), [
    `flow+stream+${order(0)}-${order(3)}+W.csv`,
    `flow+stream+${order(1)}-${order(2)}+W.csv`,
  ]);
});

Deno.test("it is full when its files hold as much as they may, compressed, or there are too many", async () => {
  const long = (id: number) => fakeRecord(id, { after: { id: BigInt(id), customer: "x".repeat(300_000) } });
  {
    const { sink } = await new World().open();
    for (let id = 0; id < 6; id++) await sink.write(fakeBatch([long(id)], { layout: "plain" }));
    assert.equal(sink.isFull, false);
    await sink.write(fakeBatch([long(6)], { layout: "plain" }));
    assert.equal(sink.isFull, true);
    await sink.flush();
    assert.equal(sink.isFull, false);
  }
  {
    const { sink } = await new World().open({ compression: "gzip" });
    for (let id = 0; id < 20; id++) await sink.write(fakeBatch([long(id)], { layout: "plain" }));
    assert.equal(sink.isFull, false, "6 MB of one letter are next to nothing");
  }
  const { sink } = await new World().open({ partitioning: "{field:id}" });
  for (const batch of fakeBatches(5, 100, 0, { layout: "plain" })) {
    assert.equal(sink.isFull, false);
    await sink.write(batch);
  }
  assert.equal(sink.isFull, true);
});

Deno.test("a flush that is finished is not cut short because it is full", async () => {
  const world = new World();
  const long = (id: number) =>
    fakeBatch([fakeRecord(id, { after: { id: BigInt(id), customer: "x".repeat(900_000) } })], {
      layout: "plain",
    });
  {
    const { sink } = await world.open();
    for (let id = 0; id < 4; id++) await sink.write(long(id));
    assert.equal(sink.isFull, true);
    await sink.flush();
  }
  const { sink } = await world.open();
  for (let id = 0; id < 3; id++) {
    await sink.write(long(id));
    assert.equal(sink.isFull, false);
  }
  await sink.write(long(3));
  assert.equal(sink.isFull, true);
  await sink.flush();
  assert.equal(world.store.objects.size, 1);
});

Deno.test("records without an order get names that nobody has, also when dead letters gave them one", async () => {
  const world = new World();
  for (let i = 0; i < 2; i++) {
    const { sink } = await world.open();
    await sink.write(fakeBatch([fakeRecord(1, { order: undefined })], { layout: "plain", lane: "" }));
    await sink.flush();
    await sink.write(
      fakeBatch([fakeRecord(1, { order: orderText("replay", 0) })], { layout: "plain", lane: "" }),
    );
    await sink.flush();
  }
  assert.equal(world.store.objects.size, 4);
});

Deno.test("legacy names are those of earlier versions, made unique", async () => {
  const world = new World();
  const { sink } = await world.open({ prefix: "p", compression: "gzip" }, { naming: "legacy" });
  for (const batch of fakeBatches(2, 3, 0, { layout: "plain" })) {
    await sink.write(batch);
    await sink.flush();
  }
  assert.equal(world.store.objects.size, 2);
  for (const name of world.store.objects.keys()) {
    assert.match(name, /^p\/\d{8}_\d{6}_00000[12]_[a-z0-9]{12}\.jsonl\.gz$/);
  }
});

Deno.test("a state that was lost begins with other names: nothing of its former life is taken for its own", async () => {
  const [before, after] = [new World(), new World()];
  const batches = fakeBatches(2, 5, 0, { layout: "plain" });
  const { sink } = await before.open();
  await sink.write(batches[0]);
  await sink.flush();
  for (const [name, body] of before.store.objects) after.store.objects.set(name, body);
  after.documents.set("unrelated", 1);
  const { sink: next } = await after.open();
  // What the seeded random gives the second time.
  assert.equal(before.documents.get("writer of flow"), after.documents.get("writer of flow"));
  after.documents.set("writer of flow", "otherone");
  await next[Symbol.asyncDispose]();
  const { sink: last } = await after.open();
  await last.write(batches[0]);
  await last.flush();
  assert.equal(after.store.objects.size, 2);
});

Deno.test("two that finish the same flush make its files once", async () => {
  const world = new World();
  const batches = fakeBatches(3, 10, 0, { layout: "plain" });
  {
    const { sink } = await world.open();
    for (const batch of batches.slice(0, 2)) await sink.write(batch);
    await sink.flush();
  }
  world.store.objects.clear(); // killed behind its intent
  const zombie = (await world.open()).sink;
  const successor = (await world.open()).sink;
  for (const batch of batches.slice(0, 2)) await zombie.write(batch);
  for (const batch of batches) await successor.write(batch);
  await Promise.all([zombie.flush(), successor.flush()]);
  const lines = Object.values(world.store.texts()).join("").split("\n").slice(0, -1);
  assert.deepEqual(lines.toSorted(), linesOf(...batches).toSorted());
});

Deno.test("what an interrupted flush may have left is cleaned up, of all its files", async () => {
  const world = new World();
  const { sink } = await world.open({ partitioning: "stream" });
  const records = [0, 1, 2].map((id) => fakeRecord(id, { stream: fakeStream(`t${id}`) }));
  await sink.write(fakeBatch(records, { layout: "plain" }));
  world.steps = [];
  world.killAfter = 3;
  await assert.rejects(sink.flush(), Killed);
  await world.open({ partitioning: "stream" });
  assert.deepEqual(world.store.cleaned.map((name) => name.split("/")[0]), [
    "public.t0",
    "public.t1",
    "public.t2",
  ]);
});

Deno.test("when the bucket is another one, what is in the first is told of", async () => {
  const world = new World();
  const [batch] = fakeBatches(1, 5, 0, { layout: "plain" });
  const { sink } = await world.open();
  await sink.write(batch);
  await sink.flush();
  world.store.objects.clear();
  const { sink: next, context } = await world.open({}, { target: "elsewhere" });
  await next.write(batch);
  await next.flush();
  assert.equal(world.store.objects.size, 1);
  const [{ message }] = (context as unknown as { lines: { message: string }[] }).lines;
  assert.match(message, /went to memory and was interrupted: up to 1 objects there .* now go to elsewhere/);
});

Deno.test("a state of a newer version is refused", async () => {
  const world = new World();
  world.documents.set("intent of flow", { v: 2 });
  await assert.rejects(world.open(), { code: "state_version" });
  const other = new World();
  other.saved = { v: 2 };
  await assert.rejects(other.open(), { code: "state_version" });
});
