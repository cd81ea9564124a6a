import assert from "node:assert/strict";
import type { CheckFinding, Source } from "../connectors/contract.ts";
import { NORMALIZATION } from "../formats/topic/normalization.ts";
import type { Stream } from "../formats/data/stream.ts";
import { fakeSourceContext } from "../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream } from "../tests/fakes/records.ts";
import { ScriptedSource } from "../tests/fakes/source.ts";
import { routed, type TopicRouting } from "./topic_routing.ts";

const FAR = new AbortController().signal;

function sourceOf(...streams: Stream[]): Source & { scripted: ScriptedSource } {
  const scripted = new ScriptedSource([
    fakeBatch(streams.map((stream, i) => fakeRecord(i, { stream }))),
  ]);
  return {
    scripted,
    read: (from, signal) => scripted.read(from, signal),
    acknowledge: (position) => scripted.acknowledge(position),
    check: (report) => scripted.check(report),
    discover: () => Promise.resolve(streams.map((stream) => ({ stream, syncModes: ["cdc" as const] }))),
    [Symbol.asyncDispose]: () => scripted[Symbol.asyncDispose](),
  };
}

const routing = (more: Partial<TopicRouting>): TopicRouting => ({
  normalization: NORMALIZATION,
  tables: [],
  ...more,
});

async function topicsOf(source: Source): Promise<(string | undefined)[]> {
  const topics: (string | undefined)[] = [];
  for await (const batch of source.read(undefined, FAR)) {
    for (let i = 0; i < batch.length; i++) topics.push(batch.stream(i).topic);
  }
  return topics;
}

const message: Stream = { name: "audit", key: [], payload: "json", version: 1 };

Deno.test("first of: the stream's own topic, the pattern, the table's topic, the topic for all", async () => {
  const streams = [
    fakeStream("orders"),
    fakeStream("my users", { namespace: "crm" }),
    fakeStream("changes", { topic: "ddl" }),
    message,
  ];
  const tables = [{ name: "orders", topic: "o" }, { namespace: "other", name: "my users", topic: "x" }];
  const cases: [Partial<TopicRouting>, (string | undefined)[]][] = [
    [{ pattern: "cdc.{schema}.{table}" }, [
      "cdc.public.orders",
      "cdc.crm.my_users",
      "ddl",
      "cdc._unknown_.audit",
    ]],
    [{ pattern: "cdc.{table}", tables, topic: "rest" }, ["cdc.orders", "cdc.my_users", "ddl", "rest"]],
    [{ tables, topic: "rest" }, ["o", "rest", "ddl", "rest"]],
    [{ tables }, ["o", undefined, "ddl", undefined]],
    [{ topic: "all" }, ["all", "all", "ddl", "all"]],
  ];
  for (const [keys, expected] of cases) {
    const source = routed(sourceOf(...streams), routing(keys), fakeSourceContext());
    assert.deepEqual(await topicsOf(source), expected, JSON.stringify(keys));
  }
});

Deno.test("records stay what they are, and streams are made once", async () => {
  const inner = sourceOf(fakeStream("a"), fakeStream("a"));
  const [before] = await Array.fromAsync(inner.read(undefined, FAR));
  const context = fakeSourceContext();
  const source = routed(inner, routing({ topic: "t" }), context);
  const [first] = await Array.fromAsync(source.read(undefined, FAR));
  const [second] = await Array.fromAsync(source.read(undefined, FAR));
  assert.deepEqual(first.bytes, before.bytes);
  assert.deepEqual(first.position, before.position);
  assert.equal(first.stream(0), second.stream(0), "another Stream would cross the port again");
  await source.acknowledge(first.position);
  assert.deepEqual(inner.scripted.acknowledged, [first.position]);
  await source[Symbol.asyncDispose]();
  assert.ok(inner.scripted.isDisposed);
  assert.equal(routed(inner, undefined, context), inner);
  assert.equal(source.lowest, undefined);
  const lowest = { ...inner, lowest: () => ({ v: 7 }) };
  assert.deepEqual(routed(lowest, routing({ topic: "t" }), context).lowest!([]), { v: 7 });
});

Deno.test("two tables with one topic are told before the first record, by `check` as well", async () => {
  const inner = sourceOf(fakeStream("a b"), fakeStream("a_b"));
  const context = fakeSourceContext();
  await topicsOf(routed(inner, routing({ pattern: "{table}" }), context));
  assert.deepEqual(context.lines.map(({ message }) => message), [
    '"shop.public.a b" and "shop.public.a_b" both become topic "a_b"',
  ]);
  const fails = routing({ pattern: "{table}", normalization: { ...NORMALIZATION, on_collision: "fail" } });
  const failing = routed(inner, fails, fakeSourceContext());
  const reading = failing.read(undefined, FAR)[Symbol.asyncIterator]();
  await assert.rejects(reading.next(), { code: "config_topic_collision" });
  const findings: CheckFinding[] = [];
  await routed(inner, routing({ pattern: "{table}" }), fakeSourceContext()).check((one) =>
    findings.push(one)
  );
  await failing.check((one) => findings.push(one));
  assert.deepEqual(findings.map(({ name, status }) => `${name} ${status}`), [
    "script ok",
    "topic_routing warning",
    "topic_routing ok",
    "script ok",
    "topic_routing failed",
  ]);
});

Deno.test("on_collision: hash_suffix keeps the topics over restarts, whichever table comes first", async () => {
  const documents = new Map();
  const keys = routing({
    pattern: "{table}",
    normalization: { ...NORMALIZATION, on_collision: "hash_suffix" },
  });
  const run = (...streams: Stream[]) =>
    topicsOf(routed(sourceOf(...streams), keys, fakeSourceContext({ documents })));
  const [plain, suffixed] = await run(fakeStream("a b"), fakeStream("a_b"));
  assert.equal(plain, "a_b");
  assert.match(suffixed!, /^a_b_[0-9a-f]{8}$/);
  assert.deepEqual(await run(fakeStream("a_b"), fakeStream("a b")), [suffixed, plain]);
});

Deno.test("a table whose topic is no name stops the source at the start", async () => {
  const keys = routing({
    pattern: "{table}",
    normalization: { ...NORMALIZATION, strip_prefixes: ["orders"] },
  });
  const source = routed(sourceOf(fakeStream("orders")), keys, fakeSourceContext());
  await assert.rejects(topicsOf(source), {
    code: "config_topic_name",
    message: /Table "public\.orders" has no topic: "_" is no name/,
  });
});
