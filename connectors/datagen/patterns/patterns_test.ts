import assert from "node:assert/strict";
import type { Row } from "../../../formats/data/value.ts";
import { FAKE_START_MICROS } from "../../../tests/fakes/clock.ts";
import { fakeSourceContext } from "../../../tests/fakes/context.ts";
import definition from "../connector.ts";
import { openSource } from "../source.ts";

/** The rows of a source whose clock stands still, as typed objects. */
async function rows(config: Record<string, unknown>): Promise<Row[]> {
  const full = definition.config.parse({ events_per_second: 0, max_events: 2, seed: 42, ...config });
  const source = openSource(full, fakeSourceContext());
  const found: Row[] = [];
  for await (const batch of source.read(undefined, new AbortController().signal)) {
    for (const { after } of batch.records) found.push(after as Row);
  }
  return found;
}

const bare = { include_sequence: false, include_timestamp: false };

/** The fake clock's time, so many seconds earlier. */
function ago(seconds: number): string {
  const millis = Number(FAKE_START_MICROS / 1000n) - seconds * 1000;
  return new Date(millis).toISOString().replace(/\.(\d+)Z$/, ".$1000+00:00");
}

Deno.test("sequence counts, as 64-bit integers", async () => {
  assert.deepEqual(await rows({ pattern: "sequence", ...bare }), [{ value: 0n }, { value: 1n }]);
});

Deno.test("random draws what upstream draws", async () => {
  assert.deepEqual(await rows({ pattern: "random", ...bare }), [
    { id: "0000000a95514aaa", value: 471, ratio: 0.54, active: true, category: "C" },
    { id: "8c17f2b433701823", value: 75, ratio: 0.58, active: true, category: "B" },
  ]);
});

Deno.test("users draws what upstream draws", async () => {
  assert.deepEqual(await rows({ pattern: "users", ...bare }), [
    {
      user_id: "user_00000000",
      first_name: "Kate",
      last_name: "Brown",
      email: "kate.brown@acme.co",
      age: 63,
      country: "CA",
      premium: false,
      signup_date: ago(265 * 86400).slice(0, 10),
    },
    {
      user_id: "user_00000001",
      first_name: "Carol",
      last_name: "Jones",
      email: "carol.jones@demo.net",
      age: 66,
      country: "BR",
      premium: false,
      signup_date: ago(713 * 86400).slice(0, 10),
    },
  ]);
});

Deno.test("orders draws what upstream draws, with upstream's prices where they are wanted", async () => {
  const first = {
    order_id: "ORD-00000000",
    customer_id: "user_00008663",
    product: "Ultra Kit",
    quantity: 2,
    unit_price: 119,
    total_amount: 238,
    currency: "GBP",
    status: "shipped",
    created_at: ago(190_675),
  };
  const second = {
    order_id: "ORD-00000001",
    customer_id: "user_00002698",
    product: "Ultra Kit",
    quantity: 4,
    unit_price: 78,
    total_amount: 312,
    currency: "JPY",
    status: "confirmed",
    created_at: ago(281_813),
  };
  assert.deepEqual(await rows({ pattern: "orders", price_mode: "upstream", ...bare }), [first, second]);
  assert.deepEqual(await rows({ pattern: "orders", ...bare }), [
    { ...first, unit_price: 118.65, total_amount: 237.3 },
    { ...second, unit_price: 78.36, total_amount: 313.44 },
  ]);
});

Deno.test("orders in cents have two decimals and a total that is exact", async () => {
  for (const order of await rows({ pattern: "orders", max_events: 5000 })) {
    const [unit, total] = [order.unit_price, order.total_amount] as [number, number];
    assert.equal(Math.round(unit * 100) / 100, unit);
    assert.equal(Math.round(unit * 100) * (order.quantity as number) / 100, total);
    assert.ok(unit >= 10 && unit <= 210);
  }
});

Deno.test("upstream's prices keep their binary noise", async () => {
  const orders = await rows({ pattern: "orders", price_mode: "upstream", max_events: 5000 });
  assert.ok(orders.some(({ unit_price }) => unit_price === 28.999999999999996));
  for (const { unit_price, quantity, total_amount } of orders) {
    assert.equal((unit_price as number) * (quantity as number), total_amount);
  }
});

Deno.test("events draws what upstream draws", async () => {
  assert.deepEqual(await rows({ pattern: "events", ...bare }), [
    {
      event_id: "evt_a00aaafdf80202bf",
      event_type: "logout",
      sequence: 0n,
      source: "webhook",
      user_id: "user_00008663",
      session_id: "sess_4e915fe38b34",
      payload: {},
    },
    {
      event_id: "evt_9ec2fe1aa5b290d3",
      event_type: "add_to_cart",
      sequence: 1n,
      source: "webhook",
      user_id: "user_00000922",
      session_id: "sess_5781ac644bea",
      payload: {},
    },
  ]);
});

Deno.test("events have the payload of their type", async () => {
  const shapes: Record<string, RegExp> = {
    page_view:
      /^\{"url":"\/page\/[1-9]\d?","referrer":("https:\/\/search\.example\.com"|null),"duration_ms":\d{3,5}\}$/,
    click: /^\{"element_id":"btn_[1-4]?\d","x":\d{1,4},"y":\d{1,4}\}$/,
    purchase: /^\{"amount":\d{1,3}(\.\d\d?)?,"items":[1-9]\}$/,
  };
  const seen = new Set<string>();
  for (const { event_type, payload } of await rows({ pattern: "events", max_events: 2000 })) {
    seen.add(event_type as string);
    assert.match(JSON.stringify(payload), shapes[event_type as string] ?? /^\{\}$/);
  }
  assert.equal(seen.size, 10);
});

Deno.test("metrics draws what upstream draws", async () => {
  assert.deepEqual(await rows({ pattern: "metrics", ...bare }), [
    {
      metric_id: 0n,
      name: "error_rate",
      value: 54.33,
      unit: "percent",
      host: "web-02",
      tags: { env: "staging", region: "eu-west" },
      timestamp: ago(0),
    },
    {
      metric_id: 1n,
      name: "network_rx",
      value: 575.94,
      unit: "bytes/s",
      host: "web-02",
      tags: { env: "prod", region: "us-west" },
      timestamp: ago(0),
    },
  ]);
});

Deno.test("key_value draws what upstream draws", async () => {
  assert.deepEqual(await rows({ pattern: "key_value", ...bare }), [
    { key: "key_00000000", value: "value_0000000a95514aaa" },
    { key: "key_00000001", value: "value_a00aaafdf80202bf" },
  ]);
});

Deno.test("safe_domains uses only reserved names and draws the same people", async () => {
  const people = await rows({ pattern: "users", max_events: 500 });
  const safe = await rows({ pattern: "users", max_events: 500, safe_domains: true });
  for (const [i, { email, ...rest }] of safe.entries()) {
    assert.match(email as string, /^[a-z]+\.[a-z]+@([a-z]+\.example|example\.(com|net|org))$/);
    const { email: _other, ...expected } = people[i];
    assert.deepEqual(rest, expected);
  }
});

Deno.test("metadata and custom fields follow the pattern's own, and custom ones win", async () => {
  const custom = { env: "test", version: 1, share: 0.5, none: null, tags: ["a", { b: 2 }], category: "Z" };
  const [row] = await rows({ pattern: "random", custom_fields: custom });
  assert.deepEqual(Object.keys(row), [
    ..."id value ratio active _sequence _timestamp env version share none tags category".split(" "),
  ]);
  assert.deepEqual(row, {
    id: "0000000a95514aaa",
    value: 471,
    ratio: 0.54,
    active: true,
    _sequence: 0n,
    _timestamp: ago(0),
    ...custom,
    version: 1n,
  });
});

Deno.test("a row of custom fields alone is an object too", async () => {
  assert.deepEqual(await rows({ pattern: "sequence", ...bare, custom_fields: { value: "x" } }), [
    { value: "x" },
    { value: "x" },
  ]);
});
