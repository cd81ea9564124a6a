import assert from "node:assert/strict";
import { assertExactlyOnce, numbersTo, openLab, planOf } from "../tests/faults/setup.ts";
import { supervise } from "./supervisor.ts";

const never = new AbortController().signal;

Deno.test("supervise() moves every record of a finite source and ends", async () => {
  using lab = openLab();
  const plan = planOf(numbersTo({ count: 5000, batchSize: 100 }, { a: { path: lab.path("a") } }));
  const outcomes = await supervise(plan, lab.context, never);
  assert.deepEqual(outcomes.map(({ ended }) => ended), ["finished"]);
  assertExactlyOnce(lab.numbers("a"), 5000);
  assert.deepEqual(lab.checkpoints.position("numbers", "numbers"), { v: 1, n: 5000 });
});

Deno.test("supervise() feeds several flows from one reading of the source, each with its streams", async () => {
  using lab = openLab();
  const plan = planOf(numbersTo({ count: 1000, batchSize: 70, twoStreams: true }, {
    all: { path: lab.path("all") },
    odd: { path: lab.path("odd"), streams: ["test.odd"] },
  }));
  await supervise(plan, lab.context, never);
  assertExactlyOnce(lab.numbers("all"), 1000);
  assert.deepEqual(lab.numbers("odd"), lab.numbers("all").filter((n) => n % 2 === 1));
});

for (const failure of ["throw", "hang", "close", "timer"] as const) {
  Deno.test(`a source that fails by "${failure}" starts again from the checkpoint, without loss or doubles`, async () => {
    using lab = openLab();
    const config = { count: 3000, batchSize: 50, failAt: 1200, failure, once: true };
    const plan = planOf(
      numbersTo(config, { a: { path: lab.path("a") } }),
      numbersTo({ count: 2000, batchSize: 50 }, { b: { path: lab.path("b") } }, { name: "other" }),
    );
    // Only these two are noticed by their silence.
    const silent = failure === "hang" || failure === "close";
    const context = silent ? { ...lab.context, silenceMs: 3000 } : lab.context;
    const outcomes = await supervise(plan, context, never);
    assert.deepEqual(outcomes.map(({ ended }) => ended), ["finished", "finished"]);
    assertExactlyOnce(lab.numbers("a"), 3000);
    assertExactlyOnce(lab.numbers("b"), 2000);
    assert.ok(lab.statuses.includes("numbers restarting"));
    assert.ok(!lab.statuses.includes("other restarting"), "the other pipeline was touched");
  });
}

for (const failIn of ["write", "flush"] as const) {
  Deno.test(`a sink that fails in ${failIn}() is opened again and gets everything once`, async () => {
    using lab = openLab();
    const plan = planOf(numbersTo({ count: 3000, batchSize: 50 }, {
      a: { path: lab.path("a"), failAt: 1000, failIn, once: true },
      b: { path: lab.path("b") },
    }));
    await supervise(plan, lab.context, never);
    assertExactlyOnce(lab.numbers("a"), 3000);
    assertExactlyOnce(lab.numbers("b"), 3000);
  });
}

Deno.test("a failure that can't pass ends the source, with its error and its position untouched", async () => {
  using lab = openLab();
  const config = { count: 3000, batchSize: 50, failAt: 1200, failure: "fatal" as const };
  const [outcome] = await supervise(
    planOf(numbersTo(config, { a: { path: lab.path("a") } })),
    lab.context,
    never,
  );
  assert.equal(outcome.ended, "failed");
  assert.equal(outcome.error?.code, "auth_failed");
  assert.match(outcome.error!.message, /password is wrong/);
});

Deno.test("draining stops the source, and what was read is durable and committed", async () => {
  using lab = openLab();
  const drain = new AbortController();
  const plan = planOf(
    numbersTo({ count: 1e9, batchSize: 10, pauseMs: 1 }, { a: { path: lab.path("a"), stallMs: 5 } }),
  );
  lab.context.observer.committed = () => drain.abort();
  const [outcome] = await supervise(plan, lab.context, drain.signal);
  assert.equal(outcome.ended, "drained");
  const numbers = lab.numbers("a");
  assertExactlyOnce(numbers, numbers.length);
  assert.equal(lab.checkpoints.position("numbers", "numbers")?.n, numbers.length);
});

Deno.test("on_error dead_letter keeps refused records in the transaction that commits the others", async () => {
  using lab = openLab();
  const plan = planOf(numbersTo({ count: 1000, batchSize: 100 }, {
    a: { path: lab.path("a"), rejectEvery: 100, onError: "dead_letter" },
  }));
  await supervise(plan, lab.context, never);
  assert.equal(lab.numbers("a").length, 990);
  const { deadLetters } = lab.checkpoints;
  const letters = deadLetters.list({ pipeline: "a" }).map(({ id }) => deadLetters.get(id)!);
  const payload = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
  assert.deepEqual(letters.map((letter) => payload(letter.payload).after.n), [
    100,
    200,
    300,
    400,
    500,
    600,
    700,
    800,
    900,
    1000,
  ]);
  assert.deepEqual(letters.map(({ code }) => code)[0], "schema_refused");
});

Deno.test("on_error skip goes on without them, stop does not", async () => {
  using lab = openLab();
  const skip = numbersTo({ count: 100, batchSize: 10 }, {
    a: { path: lab.path("a"), rejectEvery: 10, onError: "skip" },
  });
  const stop = numbersTo({ count: 100, batchSize: 10 }, {
    b: { path: lab.path("b"), rejectEvery: 50, onError: "stop" },
  }, { name: "stopping" });
  const outcomes = await supervise(planOf(skip, stop), lab.context, never);
  assert.deepEqual(outcomes.map(({ ended }) => ended), ["finished", "failed"]);
  assert.equal(lab.numbers("a").length, 90);
  assert.equal(outcomes[1].error?.code, "serialization_record_rejected");
  assert.ok(
    (lab.checkpoints.position("stopping", "numbers")?.n as number ?? 0) < 50,
    "a refused record was acknowledged",
  );
});

Deno.test("a flow that refuses too many records stops instead of filling the dead letters", async () => {
  using lab = openLab();
  const plan = planOf(numbersTo({ count: 5000, batchSize: 100 }, {
    a: { path: lab.path("a"), rejectEvery: 1, onError: "dead_letter" },
  }));
  const [outcome] = await supervise(plan, lab.context, never);
  assert.equal(outcome.error?.code, "fatal_too_many_rejected");
});

Deno.test("a sink that stalls holds the source back", async () => {
  using lab = openLab();
  const drain = new AbortController();
  const plan = planOf(
    numbersTo({ count: 1e9, batchSize: 1000, padding: 1000 }, { a: { path: lab.path("a"), stallMs: 100 } }),
  );
  let read = 0;
  lab.context.observer.sourceStats = (_source, stats) => read = stats.records;
  lab.context.observer.committed = (_flow, { seq }) => {
    if (seq >= 5) drain.abort();
  };
  await supervise(plan, lab.context, drain.signal);
  const written = lab.numbers("a").length;
  assert.ok(read - written <= 16_000, `read ${read} while ${written} were written`);
});
