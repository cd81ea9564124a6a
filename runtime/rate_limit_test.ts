import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../tests/fakes/clock.ts";
import { RateLimit } from "./rate_limit.ts";

Deno.test("batches of any size pass at the rate, after a tenth of a second's worth at once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5000 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 }),
      async (perSecond, counts) => {
        const clock = new FakeClock(true);
        const rate = new RateLimit(perSecond, clock);
        let passed = 0;
        for (const count of counts) {
          await rate.take(count);
          // What has passed before this batch was paid for; the batch itself is the debt of those after it.
          const allowed = Math.max(1, perSecond / 10) + clock.monotonicMs() / 1000 * perSecond;
          assert.ok(passed <= allowed + 1e-6, `${passed} had passed when ${allowed} were allowed`);
          passed += count;
        }
        // Nor does it wait much longer than it must: up to a record's worth and the rounding of each sleep.
        const needed = Math.max(0, passed - counts.at(-1)!) / perSecond * 1000;
        assert.ok(
          clock.monotonicMs() <= needed + 1000 / perSecond + counts.length,
          `${clock.monotonicMs()} ms, not ${needed}`,
        );
      },
    ),
    { seed: 42, numRuns: 40 },
  );
});

Deno.test("a batch larger than the bucket passes and drives it into debt", async () => {
  const clock = new FakeClock();
  const rate = new RateLimit(100, clock);
  await rate.take(500);
  assert.equal(clock.sleptMs, 0);
  let passed = false;
  const next = rate.take(1).then(() => passed = true);
  assert.ok(clock.sleptMs >= 4900 && clock.sleptMs <= 4920, `${clock.sleptMs} ms`);
  clock.advance(4850);
  await Promise.resolve();
  assert.equal(passed, false);
  clock.advance(100);
  await next;
});

Deno.test("time without records fills the bucket, no further than a tenth of a second", async () => {
  const clock = new FakeClock();
  const rate = new RateLimit(100, clock);
  clock.advance(3_600_000);
  await rate.take(10);
  assert.equal(clock.sleptMs, 0);
  const next = rate.take(1);
  assert.equal(clock.sleeping, 1);
  clock.advance(10);
  await next;
});

Deno.test("a rate of 0 is no limit, and no records cost nothing", async () => {
  const clock = new FakeClock();
  const free = new RateLimit(0, clock);
  for (let k = 0; k < 1000; k++) await free.take(1e9);
  const rate = new RateLimit(1, clock);
  await rate.take(1e9);
  await rate.take(0);
  assert.equal(clock.sleptMs, 0);
});

Deno.test("an abort ends the wait", async () => {
  const clock = new FakeClock();
  const rate = new RateLimit(1, clock);
  await rate.take(1000);
  const stop = new AbortController();
  const waiting = rate.take(1, stop.signal);
  assert.equal(clock.sleeping, 1);
  stop.abort();
  await waiting;
  await rate.take(1, stop.signal);
  assert.equal(clock.sleeping, 0);
});
