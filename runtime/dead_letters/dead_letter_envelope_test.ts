import assert from "node:assert/strict";
import { ORDERS } from "../../tests/fakes/records.ts";
import type { DeadLetter } from "./dead_letter.ts";
import { readEnvelope, writeEnvelope } from "./dead_letter_envelope.ts";
import { valueText } from "../../formats/data/json_value.ts";

const LETTER: DeadLetter = {
  stage: "transform",
  code: "schema_cast",
  error: "It is no number",
  transform: "cast #1",
  lane: "orders/3",
  order: "0/0000000000000007",
  stream: { ...ORDERS, topic: "shop.orders" },
  record: { operation: "record", bare: true, keyIsBytes: false },
  payload: new Uint8Array([0xff, 0, 1]),
  withheld: false,
  key: new Uint8Array([1, 2]),
  headers: [["trace", "abc"], ["raw", new Uint8Array([0xff])]],
  origin: { topic: "orders", partition: 3, offset: 7n },
};

const CONTEXT = {
  pipeline: "p",
  connectorName: "shop",
  retryCount: 2,
  atMicros: 1_769_860_800_123_456n,
};

/** As it is after the way through a topic. */
const published = (letter: DeadLetter) => JSON.parse(valueText(writeEnvelope(letter, CONTEXT)));

Deno.test("a dead letter is a message with the six members of Rivven's and all that is known beside", () => {
  const { definition, ...members } = published(LETTER);
  assert.deepEqual(members, {
    original_topic: "orders",
    connector_name: "shop",
    payload_b64: "/wAB",
    error: "It is no number",
    retry_count: 2,
    timestamp: "2026-01-31T12:00:00.123456Z",
    pipeline: "p",
    stage: "transform",
    error_class: "schema_cast",
    transform: "cast #1",
    lane: "orders/3",
    order: "0/0000000000000007",
    original_partition: 3,
    original_offset: 7,
    original_key_b64: "AQI=",
    original_headers: [["trace", "abc"], ["raw", { b64: "/w==" }]],
    stream: "orders",
    namespace: "public",
  });
  assert.deepEqual(definition.key, ["id"]);
});

Deno.test("it comes back as it was", () => {
  assert.deepEqual(readEnvelope(published(LETTER)), { ...LETTER, ...CONTEXT });
  const bare: DeadLetter = {
    ...LETTER,
    transform: undefined,
    order: undefined,
    key: undefined,
    headers: undefined,
    origin: undefined,
    withheld: true,
  };
  assert.deepEqual(readEnvelope(published(bare)), { ...bare, ...CONTEXT });
  assert.equal(published(bare).original_topic, "shop.orders");
});

Deno.test("a dead letter of Rivven's own, with its six members alone, is one, too", () => {
  const letter = readEnvelope({
    original_topic: "orders",
    connector_name: "shop",
    payload_b64: "e30=",
    error: "Publish failed",
    retry_count: 3,
    timestamp: "2026-01-31T12:00:00Z",
  })!;
  assert.deepEqual([
    letter.stage,
    letter.stream.name,
    letter.connectorName,
    letter.retryCount,
    letter.pipeline,
  ], [
    "publish",
    "orders",
    "shop",
    3,
    "",
  ]);
});

Deno.test("other messages are none", () => {
  const whole = published(LETTER);
  for (
    const other of [
      null,
      7,
      "text",
      [],
      {},
      { ...whole, payload_b64: "no base64!" },
      { ...whole, payload_b64: undefined },
      { ...whole, timestamp: "yesterday" },
      { ...whole, original_headers: [7] },
    ]
  ) assert.equal(readEnvelope(other), undefined, JSON.stringify(other));
});
