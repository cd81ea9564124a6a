import assert from "node:assert/strict";
import type { ColumnType, Value } from "../../../formats/data/value.ts";
import type { TypeOptions } from "./mod.ts";
import { faces, isRefused, oidOf, testCatalog } from "./testing.ts";

type Case = readonly [type: string, text: string, json: string, value?: Value];

function check(cases: readonly Case[], options: Partial<TypeOptions> = {}, typmod = -1): void {
  const catalog = testCatalog(options);
  for (const [type, text, json, value] of cases) {
    const got = faces(catalog, oidOf(type), text, typmod);
    assert.equal(got.json, json, `${type} ${text}`);
    assert.deepEqual(got.value, value === undefined ? JSON.parse(json) : value, `${type} ${text}`);
  }
}

function typeOf(type: string, options: Partial<TypeOptions> = {}, typmod = -1): ColumnType {
  return testCatalog(options).columnType(oidOf(type), typmod);
}

Deno.test("dates are ISO text, with expanded years before 1 and after 9999", () => {
  check([
    ["date", "2026-01-31", '"2026-01-31"'],
    ["date", "0001-01-01", '"0001-01-01"'],
    ["date", "0001-12-31 BC", '"0000-12-31"'],
    ["date", "0044-03-15 BC", '"-0043-03-15"'],
    ["date", "0001-02-29 BC", '"0000-02-29"'],
    ["date", "4713-01-01 BC", '"-4712-01-01"'],
    ["date", "12026-01-01", '"+12026-01-01"'],
    ["date", "5874897-12-31", '"+5874897-12-31"'],
    ["date", "infinity", '"infinity"'],
    ["date", "-infinity", '"-infinity"'],
  ]);
  assert.deepEqual(typeOf("date"), { kind: "date" });
});

Deno.test("times keep their digits and 24:00:00; timetz keeps its offset or goes to UTC", () => {
  check([
    ["time", "12:00:00.5", '"12:00:00.5"'],
    ["time", "24:00:00", '"24:00:00"'],
    ["time", "23:59:59.999999", '"23:59:59.999999"'],
    ["timetz", "12:00:00.000001+02", '"12:00:00.000001+02:00"'],
    ["timetz", "12:00:00-03:30", '"12:00:00-03:30"'],
    ["timetz", "12:00:00+00:19:32", '"12:00:00+00:19:32"'],
    ["timetz", "24:00:00-15:59:59", '"24:00:00-15:59:59"'],
    ["timetz", "00:00:00+00", '"00:00:00+00:00"'],
  ]);
  check([
    ["timetz", "12:00:00.000001+02", '"10:00:00.000001Z"'],
    ["timetz", "01:00:00+02", '"23:00:00Z"'],
    ["timetz", "23:30:00-03:30", '"03:00:00Z"'],
    ["timetz", "24:00:00+00", '"24:00:00Z"'],
    ["timetz", "24:00:00+01", '"23:00:00Z"'],
    ["timetz", "24:00:00-01", '"01:00:00Z"'],
  ], { timetz_handling: "utc" });
  assert.deepEqual(typeOf("time"), { kind: "time", precision: 6 });
  assert.deepEqual(typeOf("timetz", {}, 3), { kind: "timetz", precision: 3 });
});

Deno.test("timestamps keep their digits; those with time zone are in UTC with Z", () => {
  check([
    ["timestamp", "2026-01-31 12:00:00.123456", '"2026-01-31T12:00:00.123456"'],
    ["timestamp", "2026-01-31 12:00:00", '"2026-01-31T12:00:00"'],
    ["timestamp", "0044-03-15 12:00:00.5 BC", '"-0043-03-15T12:00:00.5"'],
    ["timestamp", "294276-12-31 23:59:59.999999", '"+294276-12-31T23:59:59.999999"'],
    ["timestamp", "4713-11-24 00:00:00 BC", '"-4712-11-24T00:00:00"'],
    ["timestamp", "infinity", '"infinity"'],
    ["timestamp", "-infinity", '"-infinity"'],
    ["timestamptz", "2026-01-31 12:00:00.123456+00", '"2026-01-31T12:00:00.123456Z"'],
    ["timestamptz", "1969-12-31 23:59:59.9+00", '"1969-12-31T23:59:59.9Z"'],
    ["timestamptz", "0044-03-15 12:00:00+00 BC", '"-0043-03-15T12:00:00Z"'],
    ["timestamptz", "-infinity", '"-infinity"'],
    // What a session with another TimeZone than ours would send.
    ["timestamptz", "2026-01-31 12:00:00.5+05:30", '"2026-01-31T06:30:00.5Z"'],
    ["timestamptz", "2026-01-01 00:00:00+01", '"2025-12-31T23:00:00Z"'],
    ["timestamptz", "2024-02-28 23:30:00-01", '"2024-02-29T00:30:00Z"'],
    ["timestamptz", "1900-01-01 00:00:00+00:19:32", '"1899-12-31T23:40:28Z"'],
    ["timestamptz", "0001-01-01 00:30:00+01", '"0000-12-31T23:30:00Z"'],
    ["timestamptz", "10000-01-01 00:30:00+01", '"9999-12-31T23:30:00Z"'],
  ]);
  assert.deepEqual(typeOf("timestamp"), { kind: "timestamp", precision: 6 });
  assert.deepEqual(typeOf("timestamptz", {}, 0), { kind: "timestamptz", precision: 0 });
});

Deno.test("intervals are the durations that the server prints; numeric counts 30.4375 days a month", () => {
  const cases: [string, string, bigint][] = [
    ["P1Y2M3DT4H5M6.000007S", '"P1Y2M3DT4H5M6.000007S"', 37091106000007n],
    ["P1M-3DT4H5M6S", '"P1M-3DT4H5M6S"', 2385306000000n],
    ["PT0S", '"PT0S"', 0n],
    ["P-1Y-2M3DT-4H-5M-6.5S", '"P-1Y-2M3DT-4H-5M-6.5S"', -36572706500000n],
    ["PT-0.000001S", '"PT-0.000001S"', -1n],
    ["P178000000Y", '"P178000000Y"', 178000000n * 12n * 2629800000000n],
  ];
  check(cases.map(([text, json]) => ["interval", text, json]));
  check([["interval", "infinity", '"infinity"']]);
  for (const [text, , micros] of cases) {
    assert.equal(
      faces(testCatalog({ interval_handling: "numeric" }), oidOf("interval"), text).value,
      micros,
      text,
    );
  }
  assert.deepEqual(typeOf("interval"), { kind: "interval" });
  assert.deepEqual(typeOf("interval", { interval_handling: "numeric" }), { kind: "int64" });
});

Deno.test("time_precision makes whole units since 1970 or midnight, rounded down, and days of dates", () => {
  const at = "1969-12-31 23:59:58.499999";
  const units: [TypeOptions["time_precision"], bigint, number | bigint, ColumnType["kind"]][] = [
    ["seconds", -2n, 45296, "int32"],
    ["milliseconds", -1501n, 45296789, "int32"],
    ["microseconds", -1500001n, 45296789012n, "int64"],
    ["nanoseconds", -1500001000n, 45296789012000n, "int64"],
  ];
  for (const [time_precision, epoch, midnight, kind] of units) {
    check([
      ["timestamp", at, String(epoch), epoch],
      ["timestamptz", `${at}+00`, String(epoch), epoch],
      ["timestamptz", "1970-01-01 01:59:58.499999+02", String(epoch), epoch],
      ["timestamp", "1970-01-01 00:00:00", "0", 0n],
      ["time", "12:34:56.789012", String(midnight), midnight],
      ["date", "1970-01-02", "1"],
      ["date", "0001-01-01 BC", "-719528"],
      ["timestamp", "infinity", '"infinity"'],
      ["date", "-infinity", '"-infinity"'],
      ["timetz", "12:00:00+02", '"12:00:00+02:00"'],
    ], { time_precision });
    assert.deepEqual(typeOf("timestamp", { time_precision }), { kind: "int64" });
    assert.deepEqual(typeOf("timestamptz", { time_precision }), { kind: "int64" });
    assert.deepEqual(typeOf("date", { time_precision }), { kind: "int32" });
    assert.deepEqual(typeOf("time", { time_precision }), { kind });
  }
});

Deno.test("numbers of times are exact over all years, and refused where nanoseconds overflow", () => {
  check([
    ["timestamp", "294276-12-31 23:59:59.999999", "9224318015999999999", 9224318015999999999n],
    ["timestamp", "4714-11-24 00:00:00 BC", "-210866803200000000", -210866803200000000n],
  ], { time_precision: "microseconds" });
  check([
    ["timestamp", "2262-04-11 23:47:16.854775", "9223372036854775000", 9223372036854775000n],
    ["timestamp", "1677-09-21 00:12:43.145225", "-9223372036854775000", -9223372036854775000n],
  ], { time_precision: "nanoseconds" });
  const catalog = testCatalog({ time_precision: "nanoseconds" });
  assert.ok(isRefused(catalog, oidOf("timestamp"), "2262-04-11 23:47:16.854776"));
  assert.ok(isRefused(catalog, oidOf("timestamp"), "0001-01-01 00:00:00 BC"));
});

Deno.test("time_precision adaptive, connect and isostring are Debezium's modes of these names", () => {
  const stamp = "2026-01-31 12:00:00.123456";
  const adaptive = { time_precision: "adaptive" } as const;
  check([
    ["timestamp", stamp, "1769860800123456", 1769860800123456n],
    ["time", "00:00:01.5", "1500000", 1500000n],
    ["date", "1970-02-01", "31"],
    ["timestamptz", `${stamp}+00`, '"2026-01-31T12:00:00.123456Z"'],
  ], adaptive);
  check(
    [
      ["timestamp", "2026-01-31 12:00:00.123", "1769860800123", 1769860800123n],
      ["time", "00:00:01.5", "1500"],
    ],
    adaptive,
    3,
  );
  check([
    ["timestamp", stamp, "1769860800123", 1769860800123n],
    ["time", "00:00:01.5", "1500"],
  ], { time_precision: "connect" });
  assert.deepEqual(typeOf("time", adaptive, 3), { kind: "int32" });
  assert.deepEqual(typeOf("time", adaptive, 4), { kind: "int64" });
  const isostring = { time_precision: "isostring" } as const;
  check([
    ["date", "2026-01-31", '"2026-01-31Z"'],
    ["time", "01:02:03.4", '"01:02:03.4Z"'],
    ["timestamp", stamp, '"2026-01-31T12:00:00.123456Z"'],
    ["timestamp", "infinity", '"infinity"'],
  ], isostring);
  assert.deepEqual(typeOf("date", isostring), { kind: "string" });
  assert.deepEqual(typeOf("timestamp", isostring), { kind: "timestamptz", precision: 6 });
});

Deno.test("what is no date or time is refused, under every option", () => {
  const texts: [string, string[]][] = [
    ["date", [
      "",
      "2026-01-3",
      "26-01-01",
      "01/31/2026",
      "2026-01-31 ",
      "2026-01-31 AD",
      "infinit",
    ]],
    ["time", ["", "12:00", "12:00:00.", "12:00:00.1234567x", "1:00:00", "12-00-00"]],
    ["timetz", ["", "12:00:00", "12:00:00+", "12:00:00+2", "12:00:00+02:0", "25:00:00+00"]],
    ["timestamp", ["", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:0", "2026-01-31 12:00:00 B"]],
    ["timestamptz", ["", "2026-01-31 12:00:00", "2026-01-31 12:00:00+0", "2026-01-31 12:00:00 UTC"]],
    ["interval", ["", "P", "1 day", "P1Yx", "01:00:00"]],
  ];
  for (const time_precision of ["iso", "seconds", "nanoseconds", "adaptive", "isostring"] as const) {
    const catalog = testCatalog({
      time_precision,
      interval_handling: time_precision === "iso" ? "string" : "numeric",
    });
    for (const [type, cases] of texts) {
      for (const text of cases) {
        // The word for a duration of nothing is PT0S, but only counting its fields would notice that "P" has none.
        if (text === "P" && time_precision !== "iso") continue;
        assert.ok(isRefused(catalog, oidOf(type), text), `${time_precision} ${type} "${text}"`);
      }
    }
  }
});
