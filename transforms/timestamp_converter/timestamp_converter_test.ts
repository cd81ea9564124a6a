import assert from "node:assert/strict";
import fc from "fast-check";
import type { Value } from "../../formats/data/value.ts";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>, context = testContext()) =>
  openTransform(configOf(definition, { fields: ["at"], ...config }), context);
const schemaless = stream(undefined);
const converted = async (value: Value, config: Record<string, unknown>) =>
  (await after(open(config), record(schemaless, "insert", { after: { at: value } })) as { at: Value }).at;

Deno.test("what comes in and what goes out, form by form", async () => {
  const cases: [Value, Record<string, unknown>, Value][] = [
    ["2024-03-01T10:00:00Z", { format: "iso8601" }, "2024-03-01T10:00:00+00:00"],
    ["2024-03-01 10:00:00", { format: "epoch_millis" }, 1709287200000],
    [1709287200, { format: "iso8601" }, "2024-03-01T10:00:00+00:00"],
    [1709287200123, { format: "epoch_seconds" }, 1709287200],
    ["2024-03-01 10:00:00.5+02", { format: "epoch_millis" }, 1709280000500],
    ["n/a", { format: "epoch_millis" }, "n/a"],
    [null, {}, null],
    [true, {}, true],
    ["2024-03-01", { format: "iso8601" }, "2024-03-01T00:00:00+00:00"],
    ["2024-03-01T10:00:00.123456789-0930", {}, "2024-03-01T10:00:00.123456789-09:30"],
    ["2024-03-01T10:00:00.120Z", { format: "rfc3339_z" }, "2024-03-01T10:00:00.120Z"],
    [
      "2024-03-01T10:00:00.123456+05:30",
      { format: "rfc3339_z", output_precision: 3 },
      "2024-03-01T04:30:00.123Z",
    ],
    ["2024-03-01T10:00:00Z", { output_precision: 3 }, "2024-03-01T10:00:00.000+00:00"],
    ["2024-03-01T23:30:00Z", { format: "date_only" }, "2024-03-01"],
    ["2024-03-01T23:30:00Z", { format: "date", timezone: "Europe/Berlin" }, "2024-03-02"],
    ["2024-03-01T23:30:00.25Z", { format: "time_only" }, "23:30:00.25"],
    ["1969-12-31T23:59:59.5Z", { format: "epoch_secs" }, -1],
    ["2024-03-01T10:00:00.123456789Z", { format: "epoch_nanos" }, 1709287200123456789n],
    [1709287200123456, {}, "2024-03-01T10:00:00.123456+00:00"],
    [1709287200123456789n, {}, "2024-03-01T10:00:00.123456789+00:00"],
    ["1709287200", {}, "2024-03-01T10:00:00+00:00"],
    [-1, { source_unit: "millis" }, "1969-12-31T23:59:59.999+00:00"],
    [1709287200.25, { format: "epoch_millis" }, 1709287200250],
    [999999999, { source_unit: "millis" }, "1970-01-12T13:46:39.999+00:00"],
    [
      "2024-07-01T12:00:00",
      { source_timezone: "Europe/Berlin", format: "rfc3339_z" },
      "2024-07-01T10:00:00Z",
    ],
    ["2024-03-01T10:00:00Z", { timezone: "+02:00" }, "2024-03-01T12:00:00+02:00"],
    ["infinity", {}, "infinity"],
    ["0044-03-15 00:00:00 BC", {}, "-0043-03-15T00:00:00+00:00"],
    ["+12026-01-01T00:00:00Z", { format: "date" }, "+12026-01-01"],
    ["2023-02-29T00:00:00Z", {}, "2023-02-29T00:00:00Z"],
    ["2024-02-29T00:00:00Z", { format: "date" }, "2024-02-29"],
  ];
  for (const [value, config, expected] of cases) {
    assert.deepEqual(await converted(value, config), expected, `${value} as ${JSON.stringify(config)}`);
  }
});

Deno.test("patterns write and read, in strftime's and in Unicode's letters", async () => {
  const cases: [Value, Record<string, unknown>, Value][] = [
    ["2024-03-01T10:05:09.123Z", { pattern: "%d.%m.%Y %H:%M:%S.%L" }, "01.03.2024 10:05:09.123"],
    [
      "2024-03-01T10:05:09.123Z",
      { pattern: "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX" },
      "2024-03-01T10:05:09.123000Z",
    ],
    ["2024-03-01T22:05:09Z", { pattern: "EEE, d MMM yyyy h:mm a" }, "Fri, 1 Mar 2024 10:05 PM"],
    ["2024-03-01T22:05:09+01:00", { pattern: "%A %e %B %y %I%p %z" }, "Friday 1 March 24 10PM +0100"],
    ["01/02/2024 03:04 PM", { source_format: "%m/%d/%Y %I:%M %p" }, "2024-01-02T15:04:00+00:00"],
    ["20240301100000", { source_format: "yyyyMMddHHmmss", format: "epoch_secs" }, 1709287200],
    ["1. Mai", { source_format: "yyyy" }, "1. Mai"],
    ["31.02.2024", { source_format: "dd.MM.yyyy" }, "31.02.2024"],
    ["2024-061", { source_format: "%Y-%j", format: "date" }, "2024-03-01"],
  ];
  for (const [value, config, expected] of cases) {
    assert.deepEqual(await converted(value, config), expected, `${value} as ${JSON.stringify(config)}`);
  }
});

Deno.test("Kafka Connect's documented forms of TimestampConverter", async () => {
  const config = (others: Record<string, unknown>) => ({ fields: undefined, field: "at", ...others });
  const open = (others: Record<string, unknown>) => {
    const { fields: _none, ...written } = config(others);
    return openTransform(configOf(definition, written), testContext());
  };
  const one = (value: Value, others: Record<string, unknown>) =>
    after(open(others), record(schemaless, "insert", { after: { at: value } }));
  assert.deepEqual(await one(1483366827000, { "target.type": "string", format: "yyyy-MM-dd" }), {
    at: "2017-01-02",
  });
  assert.deepEqual(await one("2017-01-02", { "target.type": "unix", format: "yyyy-MM-dd" }), {
    at: 1483315200000,
  });
  assert.deepEqual(
    await one("2017-01-02", { "target.type": "unix", format: "yyyy-MM-dd", "unix.precision": "seconds" }),
    { at: 1483315200 },
  );
  assert.deepEqual(await one(1483366827000, { "target.type": "Date" }), { at: "2017-01-02" });
  assert.deepEqual(await one(1483366827000, { "target.type": "Timestamp" }), {
    at: "2017-01-02T14:20:27.000Z",
  });
});

Deno.test("columns get the type of what comes out", async () => {
  const visits = stream({
    id: "int64 key",
    at: "timestamptz(6)",
    local: "timestamp(3)",
    day: "date",
    text: "string",
  });
  const given = [record(visits, "update", {
    before: {
      id: 1n,
      at: "2024-03-01T10:00:00.123456Z",
      local: "2024-03-01T10:00:00.5",
      day: "2024-03-01",
      text: "x",
    },
    after: { id: 1n, at: "2024-03-01T10:00:01.5Z", local: "infinity", day: "2024-03-01", text: null },
    unavailable: [],
  })];
  const fields = ["at", "local", "day", "text"];
  const types = async (config: Record<string, unknown>) => {
    const { stream } = await run(open({ fields, ...config }), [{ ...given[0], after: given[0].before }]);
    return stream.columns!.slice(1).map(({ type }) =>
      "precision" in type ? `${type.kind}(${type.precision})` : type.kind
    );
  };
  assert.deepEqual(await types({}), ["timestamptz(6)", "timestamptz(3)", "timestamptz(0)", "string"]);
  assert.deepEqual(await types({ format: "epoch_micros" }), ["int64", "int64", "int64", "unknown"]);
  assert.deepEqual(await types({ format: "epoch_micros", on_error: "null" }), [
    "int64",
    "int64",
    "int64",
    "int64",
  ]);
  assert.deepEqual(await types({ pattern: "%Y" }), ["string", "string", "string", "string"]);

  const { records } = await run(open({ fields }), given);
  assert.deepEqual(records[0].before, {
    id: 1n,
    at: "2024-03-01T10:00:00.123456+00:00",
    local: "2024-03-01T10:00:00.5+00:00",
    day: "2024-03-01T00:00:00+00:00",
    text: "x",
  });
  // An integer column can't hold it, whatever on_error says.
  const { rejected } = await run(open({ fields, format: "epoch_secs" }), given);
  assert.deepEqual(rejected.map(({ error }) => error.code), ["schema_conversion"]);
});

Deno.test("patterns of names, paths into objects and arrays, keys", async () => {
  const row = { made_at: 0, seen_at: "1970-01-01", log: [{ at: 1 }, { at: "x" }], n: 5 };
  assert.deepEqual(
    await after(
      open({ fields: ["*_at", "log.at"], format: "date" }),
      record(schemaless, "insert", { after: row }),
    ),
    { made_at: "1970-01-01", seen_at: "1970-01-01", log: [{ at: "1970-01-01" }, { at: "x" }], n: 5 },
  );
  const keyed = stream({ at: "timestamptz(3) key" });
  const { records } = await run(open({ format: "epoch_millis" }), [
    record(keyed, "delete", { before: { at: "2024-03-01T10:00:00.123Z" } }),
    record(keyed, "tombstone", { key: { at: "2024-03-01T10:00:00.123Z" } }),
  ]);
  assert.deepEqual(records.map(({ key }) => key), [{ at: 1709287200123n }, { at: 1709287200123n }]);
});

Deno.test("what can't be converted is counted, becomes null, or rejects the record without showing it", async () => {
  const context = testContext();
  const given = [record(schemaless, "insert", { after: { at: "secret" } })];
  assert.deepEqual((await run(open({}, context), given)).records[0].after, { at: "secret" });
  assert.deepEqual([...context.counts], [["timestamps_not_converted", 1]]);
  assert.deepEqual((await run(open({ on_error: "null" }), given)).records[0].after, { at: null });
  const { rejected, records } = await run(open({ on_error: "fail" }), given);
  assert.equal(records.length, 0);
  assert.match(rejected[0].error.message, /"at"/);
  assert.doesNotMatch(rejected[0].error.message, /secret/);
});

Deno.test("nanoseconds since 1970 and back are the same", async () => {
  await fc.assert(fc.asyncProperty(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), async (nanos) => {
    const text = await converted(nanos, { source_unit: "nanos", format: "rfc3339_z" });
    const back = await converted(text, { format: "epoch_nanos" });
    assert.equal(BigInt(back as bigint), nanos);
    const same = new Date(Number(nanos / 1_000_000n - (nanos % 1_000_000n < 0n ? 1n : 0n))).toISOString();
    assert.equal((text as string).slice(0, 19), same.slice(0, 19));
  }));
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, { fields: ["a", "a"] }), ["fields.1"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], pattern: "%Q" }), ["pattern"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], pattern: "YYYY-ww" }), ["pattern"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], timezone: "Europe/Bonn" }), ["timezone"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], format: "iso" }), []);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], format: "epoch" }), ["format"]);
  assert.deepEqual(problemKeys(definition, {}), ["fields"]);
});
