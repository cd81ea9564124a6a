import assert from "node:assert/strict";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";
import { SeenSet } from "./seen.ts";

const USERS = stream({ id: "int64 key", name: "string" });
const TOPIC = stream(undefined, { name: "readings", namespace: undefined, database: undefined });

/** How many of the records pass, and what was counted. */
async function passed(
  written: Record<string, unknown>,
  records: readonly DataRecord[],
): Promise<[number, number]> {
  const context = testContext();
  const out = await run(openTransform(configOf(definition, written), context), records);
  return [out.records.length, context.counts.get("events_deduplicated_total") ?? 0];
}

const STRATEGIES = [{ key_strategy: "position" }, { key_strategy: "content" }, {
  key_strategy: "fields",
  fields: ["id"],
}];

Deno.test("changes that differ only in their place in the log all pass, by every strategy", async () => {
  const there = { before: { id: 1n, name: "a" }, after: { id: 1n, name: "b" } };
  const back = { before: there.after, after: there.before };
  const records = [
    // In one transaction, so with one time: there, back, there again.
    ...[there, back, there].map((rows) => record(USERS, "update", rows)),
    ...Array.from({ length: 10 }, () => record(USERS, "delete", { before: { id: 1n } })),
    record(USERS, "insert", { after: { id: 1n, name: "a" } }),
    record(USERS, "tombstone", { key: { id: 1n } }),
    record(USERS, "tombstone", { key: { id: 1n } }),
  ];
  for (const strategy of STRATEGIES) assert.deepEqual(await passed(strategy, records), [records.length, 0]);
});

Deno.test("the very same change is dropped the second time, and rows of snapshots never", async () => {
  const update = record(USERS, "update", { after: { id: 1n, name: "b" }, source: { lsn: "0/1" } });
  const snapshot = record(USERS, "snapshot", { after: { id: 1n, name: "b" } });
  for (const strategy of STRATEGIES) {
    assert.deepEqual(await passed(strategy, [update, update, snapshot, snapshot]), [3, 1]);
  }
});

Deno.test("a change that stands twice in a topic is known by where it stood in its database's log", async () => {
  const origin = (order: string) => ({
    origin: { connector: "postgres-cdc", name: "shop", lane: "stream", order },
  });
  const change = (order: string) => record(USERS, "update", { after: { id: 1n }, source: origin(order) });
  assert.deepEqual(await passed({}, [change("a/1"), change("a/1"), change("a/2")]), [2, 1]);
  const deletion = record(USERS, "delete", { before: { id: 1n }, source: origin("a/3") });
  const tombstone = record(USERS, "tombstone", { key: { id: 1n }, source: origin("a/3") });
  assert.deepEqual(await passed({}, [deletion, tombstone]), [2, 0]);
});

Deno.test("messages without a place are told by their content, those with one pass", async () => {
  const message = (parts: Partial<DataRecord> = {}) =>
    record(TOPIC, "record", { after: { b: 1, a: 2 }, order: undefined, ...parts });
  const same = message({ after: { a: 2, b: 1 } });
  assert.deepEqual(await passed({}, [message(), same, message({ after: { a: 2, b: 2 } })]), [2, 1]);
  assert.deepEqual(await passed({}, [message(), message({ timeMicros: 1n })]), [2, 0]);
  assert.deepEqual(
    await passed({ include_time: false, key_strategy: "content" }, [message(), message({ timeMicros: 1n })]),
    [1, 1],
  );
  assert.deepEqual(await passed({}, [message(), message({ key: { k: 1 } })]), [2, 0]);
  const placed = record(TOPIC, "record", { after: { a: 1 } });
  assert.deepEqual(await passed({}, [placed, { ...placed, order: "0/0000000000000009" }]), [2, 0]);
  assert.deepEqual(
    await passed({ key_strategy: "content" }, [placed, { ...placed, order: "0/0000000000000009" }]),
    [1, 1],
  );
});

Deno.test("messages are told by fields, and those that have none of them pass", async () => {
  const message = (after: Record<string, unknown>) => record(TOPIC, "record", { after: after as never });
  const config = { key_strategy: "fields", fields: ["meta.id", "site"], include_time: false };
  const records = [
    message({ meta: { id: 1 }, site: "a", n: 1 }),
    message({ meta: { id: 1 }, site: "a", n: 2 }),
    message({ meta: { id: 1 }, site: "b" }),
    message({ meta: { id: 1 } }),
    message({ meta: { id: 1 }, site: null }),
    message({ n: 1 }),
    message({ n: 1 }),
  ];
  assert.deepEqual(await passed(config, records), [6, 1]);
});

Deno.test("what came is forgotten after its time, counted from when it came first", () => {
  const seen = new SeenSet(10, 60);
  const at = (seconds: number) => BigInt(seconds) * 1_000_000n;
  assert.deepEqual([0, 30, 59, 60, 61, 119, 120].map((seconds) => seen.hasOrAdd("a", at(seconds))), [
    false,
    true,
    true,
    false,
    true,
    true,
    false,
  ]);
});

Deno.test("when there are too many, what was not seen for the longest time goes", () => {
  const seen = new SeenSet(2, 60);
  const has = (key: string) => seen.hasOrAdd(key, 0n);
  assert.deepEqual([has("a"), has("b"), has("a"), has("c"), has("a"), has("b")], [
    false,
    false,
    true,
    false,
    true,
    false,
  ]);
  assert.equal(seen.size, 2);
});

Deno.test("fields and the strategy of that name go together; keys of earlier versions are understood", () => {
  assert.deepEqual(problemKeys(definition, { fields: ["a"] }), ["fields"]);
  assert.deepEqual(problemKeys(definition, { key_strategy: "fields" }), ["key_strategy"]);
  const config = configOf(definition, { window_secs: 5, lru_size: 7, bloom_fpp: 0.1 });
  assert.deepEqual([config.ttl_seconds, config.max_entries], [5, 7]);
});
