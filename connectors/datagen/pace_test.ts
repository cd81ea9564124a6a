import assert from "node:assert/strict";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { Pace } from "./pace.ts";

const neverAborted = new AbortController().signal;

/** Events by the clock's milliseconds at which they became due. */
async function run(perSecond: number, forMs: number): Promise<Map<number, number>> {
  const clock = new FakeClock(true);
  const pace = new Pace(perSecond, clock);
  const due = new Map<number, number>();
  while (clock.monotonicMs() < forMs) {
    const events = await pace.due(neverAborted);
    if (clock.monotonicMs() < forMs) due.set(clock.monotonicMs(), events);
  }
  return due;
}

function total(due: Map<number, number>): number {
  return [...due.values()].reduce((sum, events) => sum + events, 0);
}

Deno.test("every rate comes out exactly, in ticks of 10 ms", async () => {
  for (const rate of [1, 3, 10, 37, 100, 150, 999, 1000, 12_345, 100_000]) {
    const due = await run(rate, 1000);
    const full = Math.max(1, rate / 100);
    // The bucket starts full, so the first tick's events come at once.
    const expected = rate * 0.99 + full;
    assert.ok(
      Math.abs(total(due) - expected) <= 1,
      `${rate} a second: ${total(due)} in a second, not ${expected}`,
    );
    for (const [ms, events] of due) {
      assert.equal(ms % 10, 0);
      assert.ok(events <= Math.ceil(full), `${events} events at once at ${rate} a second`);
    }
  }
});

Deno.test("a low rate sleeps from event to event, not from tick to tick", async () => {
  assert.deepEqual([...(await run(10, 500)).keys()], [0, 100, 200, 300, 400]);
});

Deno.test("a timer that fires late loses nothing, a stall is followed by no burst", async () => {
  const clock = new FakeClock();
  const pace = new Pace(1000, clock);
  assert.equal(await pace.due(neverAborted), 10);
  for (let i = 0; i < 20; i++) {
    const due = pace.due(neverAborted);
    clock.advance(i % 2 === 0 ? 14 : 6);
    assert.equal(await due, 10);
  }
  clock.advance(60_000);
  assert.equal(await pace.due(neverAborted), 10, "of 60 000 that were due in a minute without a reader");
});

Deno.test("an abort ends the waiting at once", async () => {
  const clock = new FakeClock();
  const pace = new Pace(1, clock);
  const abort = new AbortController();
  assert.equal(await pace.due(abort.signal), 1);
  const due = pace.due(abort.signal);
  abort.abort();
  assert.equal(await due, 0);
  assert.equal(clock.sleeping, 0);
});
