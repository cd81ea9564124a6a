import assert from "node:assert/strict";
import { Backoff, RESTART_BACKOFF } from "./retry.ts";

const middle = () => 0.5;

Deno.test("waits double from the first to the longest", () => {
  const backoff = new Backoff(RESTART_BACKOFF, middle);
  const waits = Array.from({ length: 9 }, () => backoff.next(0));
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  assert.equal(backoff.failures, 9);
});

Deno.test("after a good period the next failure is the first again", () => {
  const backoff = new Backoff(RESTART_BACKOFF, middle);
  for (const ranForMs of [0, 59_999, 100]) backoff.next(ranForMs);
  assert.equal(backoff.failures, 3);
  assert.equal(backoff.next(60_000), 1000);
  assert.equal(backoff.failures, 1);
});

Deno.test("chance moves a wait by a tenth at most", () => {
  for (const [random, wait] of [[0, 900], [0.25, 950], [1, 1100]]) {
    assert.equal(new Backoff(RESTART_BACKOFF, () => random).next(0), wait);
  }
});

Deno.test("what the other side asks for is waited for, and more where backoff says more", () => {
  const backoff = new Backoff(RESTART_BACKOFF, middle);
  assert.equal(backoff.next(0, 90_000), 90_000);
  assert.equal(backoff.next(0, 10), 2000);
});

Deno.test("a thousand failures in a row wait the longest wait", () => {
  const backoff = new Backoff(RESTART_BACKOFF, middle);
  for (let k = 0; k < 2000; k++) backoff.next(0);
  assert.equal(backoff.next(0), 60_000);
});
