import assert from "node:assert/strict";
import { FAKE_START_MICROS, FakeClock } from "../../tests/fakes/clock.ts";
import definition from "./connector.ts";
import { timesOf } from "./times.ts";

function times(config: Record<string, unknown>, clock = new FakeClock()) {
  return timesOf(definition.config.parse(config), clock);
}

Deno.test("without a virtual clock all records of a batch have the real time", () => {
  const clock = new FakeClock();
  const real = times({}, clock);
  real.tick();
  clock.advance(5);
  assert.equal(real.at(7), Number(FAKE_START_MICROS));
  real.tick();
  assert.equal(real.at(8), Number(FAKE_START_MICROS) + 5000);
  assert.equal(real.bigMicros, FAKE_START_MICROS + 5000n);
});

Deno.test("the virtual clock gives each record its share of a second, without drift", () => {
  const start = Date.parse("2025-01-01T00:00:00Z") * 1000;
  const thirds = times({ seed: 1, deterministic: true, events_per_second: 3 });
  assert.deepEqual([0, 1, 2, 3, 4].map((n) => thirds.at(n) - start), [
    0,
    333_333,
    666_666,
    1_000_000,
    1_333_333,
  ]);
  assert.equal(thirds.at(3 * 10 ** 9) - start, 10 ** 15);
  assert.equal(thirds.bigMicros, BigInt(start) + 10n ** 15n);
});

Deno.test("without a rate the virtual clock moves by a microsecond", () => {
  const fast = times({ start_time: "2020-02-29T12:00:00.123456+02:00", events_per_second: 0 });
  const start = Date.parse("2020-02-29T10:00:00Z") * 1000 + 123_456;
  assert.deepEqual([fast.at(0), fast.at(5)], [start, start + 5]);
});
