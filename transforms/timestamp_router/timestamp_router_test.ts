import assert from "node:assert/strict";
import { OPERATIONS } from "../../formats/data/record.ts";
import { configOf, problemKeys, record, run, stream } from "../_shared/testing.ts";
import { dateFormat } from "./date_format.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

Deno.test("Kafka Connect's case of TimestampRouter, for every kind of record", async () => {
  const transform = openTransform(configOf(definition, {}));
  const test = stream(undefined, { name: "test", topic: "test" });
  const records = OPERATIONS.map((operation) =>
    record(test, operation, { timeMicros: 1_483_425_001_864_000n })
  );
  const out = await run(transform, records);
  assert.deepEqual([...new Set(out.records.map(({ stream }) => stream.topic))], ["test-20170103"]);
  assert.equal(new Set(out.records.map(({ stream }) => stream)).size, 1);
});

Deno.test("the topic changes where the time does, and streams keep theirs apart", async () => {
  const config = {
    "topic.format": "${timestamp}/${topic}".replace("/", "_"),
    "timestamp.format": "yyyy.MM.dd-HH",
  };
  const transform = openTransform(configOf(definition, config));
  const [a, b] = ["a", "b"].map((name) => stream(undefined, { name }));
  const at = (micros: bigint) => ({ timeMicros: micros, after: {} });
  const { records } = await run(transform, [
    record(a, "insert", at(1_767_225_599_999_999n)),
    record(b, "insert", at(1_767_225_599_999_999n)),
    record(a, "insert", at(1_767_225_600_000_000n)),
    record(a, "insert", at(-1n)),
  ]);
  assert.deepEqual(records.map(({ stream }) => stream.topic), [
    "2025.12.31-23_public.a",
    "2025.12.31-23_public.b",
    "2026.01.01-00_public.a",
    "1969.12.31-23_public.a",
  ]);
});

Deno.test("patterns of dates as Java has them", () => {
  const millis = Date.UTC(2026, 1, 3, 4, 5, 6, 7);
  const cases: [string, string][] = [
    ["yyyyMMdd", "20260203"],
    ["yy-M-d", "26-2-3"],
    ["yyyy-DDD", "2026-034"],
    ["HH'h'mm_ss.SSS", "04h05_06.007"],
    ["MMM.EEE", "Feb.Tue"],
    ["''yyyy''", "'2026'"],
  ];
  for (const [pattern, text] of cases) assert.equal(dateFormat(pattern).text(millis), text, pattern);
  assert.throws(() => dateFormat("yyyy-ww"), /"w"/);
});

Deno.test("mistakes of the config are found at their keys", () => {
  assert.deepEqual(problemKeys(definition, {}), []);
  assert.deepEqual(problemKeys(definition, { topic_format: "${topc}" }), ["topic_format"]);
  assert.deepEqual(problemKeys(definition, { timestamp_format: "YYYY" }), ["timestamp_format"]);
  assert.deepEqual(problemKeys(definition, { timestamp_format: "yyyy/MM" }), ["timestamp_format"]);
  assert.deepEqual(problemKeys(definition, { format: "x" }), ["format"]);
});
