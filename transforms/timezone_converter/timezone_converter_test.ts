import assert from "node:assert/strict";
import fc from "fast-check";
import type { Value } from "../../formats/data/value.ts";
import { parseDateTime } from "../_shared/times.ts";
import { localIn, timeZone } from "../_shared/time_zones.ts";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>) =>
  openTransform(configOf(definition, { fields: ["at"], ...config }), testContext());
const schemaless = stream(undefined);
const converted = async (value: Value, config: Record<string, unknown>) =>
  (await after(open(config), record(schemaless, "insert", { after: { at: value } })) as { at: Value }).at;

Deno.test("times are shown in another zone, with all their digits and the rules of their year", async () => {
  const cases: [Value, Record<string, unknown>, Value][] = [
    ["2024-07-01T10:00:00Z", { to: "Europe/Berlin" }, "2024-07-01T12:00:00+02:00"],
    ["2024-01-01T10:00:00.123456789Z", { to: "Europe/Berlin" }, "2024-01-01T11:00:00.123456789+01:00"],
    ["2024-01-01 10:00:00", { from: "America/New_York" }, "2024-01-01T15:00:00+00:00"],
    ["2024-01-01 10:00:00+05:30", { from: "America/New_York" }, "2024-01-01T04:30:00+00:00"],
    ["2024-01-01", { from: "Asia/Kolkata", to: "UTC" }, "2023-12-31T18:30:00+00:00"],
    ["2024-01-01T23:30:00Z", { to: "Europe/Berlin", date_only: true }, "2024-01-02"],
    ["2024-01-01T10:00:00Z", { to: "+02:00" }, "2024-01-01T12:00:00+02:00"],
    ["2024-01-01T10:00:00Z", { to: "Asia/Kathmandu", format: "%d.%m.%Y %H:%M %z" }, "01.01.2024 15:45 +0545"],
    [1709287200123, { to: "Europe/Berlin" }, "2024-03-01T11:00:00.123+01:00"],
    ["1883-11-18T12:00:00Z", { to: "America/New_York" }, "1883-11-18T07:03:58-04:56:02"],
    ["infinity", { to: "Europe/Berlin" }, "infinity"],
    ["n/a", { to: "Europe/Berlin" }, "n/a"],
    [null, { to: "Europe/Berlin" }, null],
  ];
  for (const [value, config, expected] of cases) {
    assert.deepEqual(await converted(value, config), expected, `${value} as ${JSON.stringify(config)}`);
  }
});

Deno.test("when clocks change, a local time is the earlier, the later, shifted, kept, or an error", async () => {
  const twice = "2024-10-27 02:30:00", never = "2024-03-31 02:30:00", from = "Europe/Berlin";
  assert.equal(await converted(twice, { from }), "2024-10-27T00:30:00+00:00");
  assert.equal(await converted(twice, { from, dst_ambiguous: "later" }), "2024-10-27T01:30:00+00:00");
  assert.equal(await converted(twice, { from, dst_ambiguous: "keep" }), twice);
  await assert.rejects(converted(twice, { from, dst_ambiguous: "fail" }), /twice when clocks were put back/);
  assert.equal(await converted(never, { from, to: from }), "2024-03-31T03:30:00+02:00");
  assert.equal(await converted(never, { from, dst_gap: "keep" }), never);
  await assert.rejects(converted(never, { from, dst_gap: "fail" }), /no such time/);
  // Half an hour, on the other half of the earth.
  assert.equal(
    await converted("2024-04-07 01:45:00", { from: "Australia/Lord_Howe" }),
    "2024-04-06T14:45:00+00:00",
  );
});

Deno.test("columns without a zone are left alone unless from is given; types follow", async () => {
  const visits = stream({
    id: "int64 key",
    at: "timestamptz(3)",
    local: "timestamp(6)",
    day: "date",
    text: "string",
  });
  const given = [record(visits, "insert", {
    after: {
      id: 1n,
      at: "2024-01-01T10:00:00.5Z",
      local: "2024-01-01T10:00:00",
      day: "2024-01-01",
      text: "x",
    },
  })];
  const outcome = async (config: Record<string, unknown>) => {
    const { records, stream } = await run(open({ to: "Europe/Berlin", ...config }), given);
    return [records[0].after, stream.columns!.slice(1).map(({ type }) => type.kind).join()];
  };
  assert.deepEqual(await outcome({ fields: ["at", "local", "day", "text"] }), [{
    id: 1n,
    at: "2024-01-01T11:00:00.5+01:00",
    local: "2024-01-01T10:00:00",
    day: "2024-01-01",
    text: "x",
  }, "timestamptz,timestamp,date,string"]);
  assert.deepEqual(await outcome({ fields: ["local", "day"], from: "UTC" }), [{
    id: 1n,
    at: "2024-01-01T10:00:00.5Z",
    local: "2024-01-01T11:00:00+01:00",
    day: "2024-01-01T01:00:00+01:00",
    text: "x",
  }, "timestamptz,timestamptz,timestamptz,string"]);
  assert.equal(
    (await outcome({ fields: ["local"], from: "UTC", dst_gap: "keep" }))[1],
    "timestamptz,string,date,string",
  );
});

Deno.test("Debezium's spelling of the zone is understood", () => {
  assert.deepEqual(problemKeys(definition, { fields: ["a"], "converted.timezone": "Pacific/Easter" }), []);
});

Deno.test("every moment of a century finds itself in every kind of zone", () => {
  const zones = [
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
  ].map(timeZone);
  fc.assert(
    fc.property(
      fc.integer({ min: -1_600_000_000, max: 2_500_000_000 }),
      fc.constantFrom(...zones),
      (seconds, zone) => {
        const offset = zone.offsetAt(seconds);
        const text = new Date((seconds + offset) * 1000).toISOString().slice(0, 19);
        const local = localIn(parseDateTime(text)!, zone);
        // A local time that was twice may be the other one of the two.
        const moments = local.kind === "one"
          ? [local.seconds]
          : local.kind === "ambiguous"
          ? [local.earlier, local.later]
          : [];
        assert.ok(moments.includes(seconds), `${text} in ${zone.name}`);
      },
    ),
  );
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), ["fields"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], to: "Mars/Base" }), ["to"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], from: "+25:00" }), ["from"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], format: "%Y", date_only: true }), ["format"]);
});
