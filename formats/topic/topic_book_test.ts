import assert from "node:assert/strict";
import type { Stream } from "../data/stream.ts";
import { NORMALIZATION, type OnCollision } from "./normalization.ts";
import { TopicBook } from "./topic_book.ts";

const stream = (name: string, more: Partial<Stream> = {}): Stream => ({
  name,
  namespace: "public",
  key: [],
  payload: "row",
  version: 1,
  ...more,
});

function book(on_collision: OnCollision, pattern: string | undefined = "cdc.{table}", kept: object[] = []) {
  const warnings: string[] = [];
  const made = new TopicBook({
    pattern,
    normalization: { ...NORMALIZATION, on_collision },
    source: "shop",
    warn: (message) => warnings.push(message),
    owners: {
      get: () => Promise.resolve((kept.at(-1) ?? {}) as Record<string, string>),
      put: (owners) => Promise.resolve(void kept.push(owners)),
    },
  });
  return { made, warnings };
}

Deno.test("two streams with one topic are warned about once, unless the topic is meant for all", async () => {
  const { made, warnings } = book("warn");
  for (const one of [stream("a b"), stream("a_b"), stream("a b", { version: 2 }), stream("a_b")]) {
    assert.equal(await made.topicOf(one), "cdc.a_b");
  }
  assert.deepEqual(warnings, ['"public.a b" and "public.a_b" both become topic "cdc.a_b"']);
  const fixed = book("fail", "events");
  assert.equal(await fixed.made.topicOf(stream("a")), "events");
  assert.equal(await fixed.made.topicOf(stream("b")), "events");
  const routed = book("fail");
  assert.equal(await routed.made.topicOf(stream("a", { topic: "t" })), "t");
  assert.equal(await routed.made.topicOf(stream("b", { topic: "t" })), "t");
});

Deno.test("on_collision: fail names both streams", async () => {
  const { made } = book("fail", "{source}.{namespace}.{table}");
  await made.topicOf(stream("a.b"));
  await assert.rejects(made.topicOf(stream("a_b")), {
    code: "config_topic_collision",
    retryable: false,
    message: /"public\.a\.b" and "public\.a_b" both become topic "shop\.public\.a_b"/,
  });
});

Deno.test("on_collision: hash_suffix gives the later one a name of its own, and the same in another order later", async () => {
  const kept: object[] = [];
  const first = book("hash_suffix", "cdc.{table}", kept);
  assert.equal(await first.made.topicOf(stream("a b")), "cdc.a_b");
  const own = await first.made.topicOf(stream("a_b"));
  assert.match(own, /^cdc\.a_b_[0-9a-f]{8}$/);
  const second = book("hash_suffix", "cdc.{table}", kept);
  assert.equal(await second.made.topicOf(stream("a_b")), own);
  assert.equal(await second.made.topicOf(stream("a b")), "cdc.a_b");
  const long = book("hash_suffix", "cdc.{table}");
  const name = "x".repeat(240);
  await long.made.topicOf(stream(`${name} y`));
  const cut = await long.made.topicOf(stream(`${name}_y`));
  assert.ok(cut.length <= 249, cut);
});
