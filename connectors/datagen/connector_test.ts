import assert from "node:assert/strict";
import { parse } from "yaml";
import { z } from "zod";
import definition from "./connector.ts";

function problems(config: Record<string, unknown>): string[] {
  const result = definition.config.safeParse(config);
  return (result.error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
}

Deno.test("the keys of the seed document are taken as they stand there", () => {
  const config = {
    pattern: "orders",
    events_per_second: 10,
    max_events: 0,
    stream_name: "datagen",
    namespace: "demo",
    include_sequence: true,
    include_timestamp: true,
    custom_fields: { env: "test", version: 1 },
    seed: 12345,
    cdc_mode: false,
  };
  assert.deepEqual({ ...definition.config.parse(config), ...config }, definition.config.parse(config));
});

Deno.test("without any key there are ten random objects a second, without end", () => {
  const { pattern, events_per_second, max_events, stream_name, on_restart } = definition.config.parse({});
  assert.deepEqual({ pattern, events_per_second, max_events, stream_name, on_restart }, {
    pattern: "random",
    events_per_second: 10,
    max_events: 0,
    stream_name: "datagen",
    on_restart: "continue",
  });
});

Deno.test("keys that contradict each other are refused by name", () => {
  assert.deepEqual(problems({ deterministic: true }), [
    "deterministic: Needs `seed`: without one, every first start draws other values",
  ]);
  assert.deepEqual(
    problems({
      cdc_weights: { insert: 1 },
      update_mode: "partial",
      initial_rows: 5,
      tombstone: { enabled: true },
    }),
    ["cdc_weights", "update_mode", "initial_rows", "tombstone"].map((key) =>
      `${key}: Has a meaning only with \`cdc_mode: true\``
    ),
  );
  assert.deepEqual(problems({ pattern: "users", price_mode: "upstream" }), [
    "price_mode: Has a meaning only for the patterns orders and events, not for users",
  ]);
  assert.deepEqual(problems({ safe_domains: true }), [
    "safe_domains: Has a meaning only for the pattern users, not for random",
  ]);
  assert.deepEqual(problems({ cdc_mode: true, cdc_weights: { insert: 0, update: 0, delete: 0 } }), [
    "cdc_weights: At least one share must be above 0",
  ]);
  assert.deepEqual(problems({ cdc_mode: true, pattern: "orders", custom_fields: { order_id: 1 } }), [
    "custom_fields.order_id: Is the key of the rows of orders: one value for all of them can't be with `cdc_mode`",
  ]);
});

Deno.test("values out of bounds are refused", () => {
  assert.equal(problems({ events_per_second: 100_001 }).length, 1);
  assert.equal(problems({ batch_size: 0 }).length, 1);
  assert.equal(problems({ batch_size: 10_001 }).length, 1);
  assert.equal(problems({ stream_name: "" }).length, 1);
  assert.equal(problems({ stream_name: "x".repeat(256) }).length, 1);
  assert.equal(problems({ pattern: "order" }).length, 1);
  assert.equal(problems({ eventspersecond: 1 }).length, 1);
  assert.deepEqual(problems({ start_time: "yesterday" }), [
    "start_time: Must be a time such as 2025-01-01T00:00:00Z",
  ]);
  assert.deepEqual(problems({ start_time: "1969-12-31T23:59:59Z" }), ["start_time: Must not be before 1970"]);
  assert.deepEqual(problems({ custom_fields: { list: [1, 2 ** 60] } }), [
    "custom_fields.list.1: Is an integer beyond 2⁵³, which can't be kept exactly: write it in quotes",
  ]);
});

Deno.test("a seed is any unsigned 64-bit integer, in quotes where numbers end", () => {
  for (const seed of [0, 42, Number.MAX_SAFE_INTEGER, "0", "18446744073709551615"]) {
    assert.deepEqual(problems({ seed }), []);
  }
  for (const seed of [-1, 1.5, 2 ** 60, "18446744073709551616", "0x10", "", "99999999999999999999"]) {
    assert.equal(problems({ seed }).length, 1, `seed ${seed}`);
  }
});

Deno.test("upstream's name of an envelope is understood", () => {
  const { config, notes } = definition.upgradeConfig!({ pattern: "users", envelope: "source_event" });
  assert.deepEqual(config, { pattern: "users", envelope: "rivven" });
  assert.equal(notes.length, 1);
});

Deno.test("the example's configuration is valid, and every key has a description", () => {
  assert.deepEqual(problems(parse(definition.example).sources.shop.config), []);
  const schema = z.toJSONSchema(definition.config, { io: "input" });
  for (const [name, property] of Object.entries(schema.properties!)) {
    assert.ok((property as { description?: string }).description, `${name} is not described`);
  }
});

Deno.test("it asks for no permission", () => {
  assert.deepEqual(definition.permissions(definition.config.parse({}), "source"), {});
});
