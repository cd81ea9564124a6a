import assert from "node:assert/strict";
import type { ConnectorError } from "../formats/data/errors.ts";
import { Remote, type RemoteOptions } from "./remote.ts";

/** A worker that does what a test wants; `on(method)` decides about each call. */
function workerUrl(code: string): URL {
  const source = `
    const say = (message) => self.postMessage(message);
    const answer = (id, value) => say({ kind: "result", id, value });
    let on = () => {};
    self.onmessage = ({ data }) => on(data);
    ${code}`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

const ORDERLY =
  `if (data.method === "close") { answer(data.id); say({ kind: "bye" }); self.close(); return; }`;

interface Opened {
  readonly remote: Remote;
  readonly failures: ConnectorError[];
  readonly events: unknown[];
  readonly failed: Promise<ConnectorError>;
}

function open(code: string, more: Partial<RemoteOptions> = {}): Opened {
  const failures: ConnectorError[] = [];
  const events: unknown[] = [];
  const { promise: failed, resolve } = Promise.withResolvers<ConnectorError>();
  const remote = new Remote({
    title: 'source "shop"',
    permissions: {},
    url: workerUrl(code),
    heartbeatMs: 20,
    silenceMs: 10_000,
    ...more,
    events: {
      log: (level, message, fields) => events.push([level, message, fields]),
      beat: (stats) => events.push(stats),
      due: () => events.push("due"),
      ended: () => events.push("ended"),
      failed: (error) => {
        failures.push(error);
        resolve(error);
      },
      put: (documents) => void events.push(documents),
      ...more.events,
    },
  });
  return { remote, failures, events, failed };
}

Deno.test("calls get the answers that belong to them, in whatever order those come", async () => {
  const { remote, failures } = open(`
    const waiting = [];
    on = (data) => {
      ${ORDERLY}
      waiting.push(data);
      if (waiting.length === 3) for (const { id, args } of waiting.reverse()) answer(id, args.v);
    };
    say({ kind: "ready" });`);
  await using _closed = remote;
  const calls = [1, 2, 3].map((v) => remote.call("acknowledge", { v }));
  assert.deepEqual(await Promise.all(calls), [1, 2, 3]);
  assert.deepEqual(failures, []);
});

Deno.test("an error of the worker is that of the call, with code, hint and cause", async () => {
  const { remote, failures } = open(`
    const error = { message: "No such slot", code: "state_slot_gone", retryable: false, hint: "Make it", causes: ["gone"] };
    on = (data) => { ${ORDERLY} say({ kind: "error", id: data.id, error }); };
    say({ kind: "ready" });`);
  await using _closed = remote;
  await assert.rejects(remote.call("check", undefined), (error: ConnectorError) => {
    assert.deepEqual([error.message, error.code, error.hint], ["No such slot", "state_slot_gone", "Make it"]);
    assert.equal((error.cause as Error).message, "gone");
    return true;
  });
  assert.deepEqual(failures, [], "the worker goes on after it");
});

Deno.test("a call before the worker is ready waits for it", async () => {
  const { remote } = open(`
    on = (data) => { ${ORDERLY} answer(data.id, "late"); };
    setTimeout(() => say({ kind: "ready" }), 30);`);
  await using _closed = remote;
  assert.equal(await remote.call("discover", undefined), "late");
});

Deno.test("a worker that never says that it is ready fails, and with it every call", async () => {
  const started = performance.now();
  const { remote, failed } = open("", { silenceMs: 60, startMs: 200 });
  const call = assert.rejects(remote.call("check", undefined), {
    code: "timeout_worker_silent",
    retryable: true,
  });
  const error = await failed;
  assert.ok(performance.now() - started >= 190, "it had its time to start");
  assert.match(error.message, /^The worker of source "shop" has not answered for \d+ s$/);
  await call;
  await assert.rejects(remote.call("check", undefined), { code: "timeout_worker_silent" });
  remote.terminate();
});

Deno.test("a worker that falls silent fails, and one that only lets an answer wait does not", async () => {
  const { remote, failed } = open(`say({ kind: "ready" });`, { silenceMs: 100 });
  const call = assert.rejects(remote.call("flush", undefined), { code: "timeout_worker_silent" });
  await failed;
  await call;
  remote.terminate();

  const beating = open(
    `
    on = (data) => { ${ORDERLY} setTimeout(() => answer(data.id), 1300); };
    say({ kind: "ready" });
    setInterval(() => say({ kind: "beat", stats: { records: 1 } }), 20);`,
    { silenceMs: 1000 },
  );
  await using _closed = beating.remote;
  await beating.remote.call("flush", undefined);
  assert.deepEqual(beating.failures, []);
});

Deno.test("a worker that throws where nobody catches it fails with what it threw, once", async () => {
  const { remote, failed, failures } = open(`
    on = () => { setTimeout(() => { throw new Error("thrown in a timer"); }); };
    say({ kind: "ready" });`);
  const calls = [1, 2].map(() =>
    assert.rejects(remote.call("flush", undefined), { code: "internal_worker", retryable: true })
  );
  assert.match((await failed).message, /^The worker of source "shop" died: .*thrown in a timer/);
  await Promise.all(calls);
  remote.terminate();
  assert.equal(failures.length, 1);
});

Deno.test("a worker whose code can't be loaded fails", async () => {
  const { remote, failed } = open("this is no code");
  const call = assert.rejects(remote.call("check", undefined));
  assert.equal((await failed).code, "internal_worker");
  await call;
  remote.terminate();
});

Deno.test("what the worker reports as its failure fails it, and its calls with it", async () => {
  const { remote, failed } = open(`
    on = () => say({ kind: "failed", error: { message: "Wrong password", code: "auth_failed", retryable: false, causes: [] } });
    say({ kind: "ready" });`);
  const call = assert.rejects(remote.call("flush", undefined), { code: "auth_failed" });
  assert.equal((await failed).retryable, false);
  await call;
  remote.terminate();
});

Deno.test("events come through, and a document that can't be saved is told to the worker", async () => {
  const saved: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const { remote, events } = open(
    `
    on = (data) => {
      ${ORDERLY}
      if (data.kind === "put_done") say({ kind: "log", level: "info", message: "put " + data.id, fields: data.error });
    };
    say({ kind: "ready" });
    say({ kind: "log", level: "warn", message: "slow", fields: { n: 1 } });
    say({ kind: "beat", stats: { records: 5 } });
    say({ kind: "due", because: "idle" });
    say({ kind: "ended" });
    say({ kind: "put", id: 1, documents: { a: 1 } });
    say({ kind: "put", id: 2, documents: { b: 2 } });`,
    {
      events: {
        put: (documents: Record<string, unknown>) => {
          if ("b" in documents) throw new Error("disk full");
          saved.push(documents);
        },
        log: (level: string, message: string, fields: unknown) => {
          saved.push([level, message, fields]);
          if (message === "put 2") done.resolve();
        },
      } as unknown as RemoteOptions["events"],
    },
  );
  await using _closed = remote;
  await done.promise;
  assert.deepEqual(events, [{ records: 5 }, "due", "ended"]);
  assert.deepEqual(saved, [
    ["warn", "slow", { n: 1 }],
    { a: 1 },
    ["info", "put 1", undefined],
    ["info", "put 2", { message: "Error: disk full", code: "internal", retryable: false, causes: [] }],
  ]);
});

Deno.test("closing lets the connector close in its own time, and no longer than that", async () => {
  const orderly = open(`
    on = (data) => { say({ kind: "log", level: "info", message: data.method }); ${ORDERLY} };
    say({ kind: "ready" });`);
  await orderly.remote.close(10_000);
  assert.deepEqual(orderly.events.map((event) => (event as string[])[1]), ["close"]);
  assert.deepEqual(orderly.failures, []);

  const stuck = open(`say({ kind: "ready" }); on = (data) => {};`);
  const call = assert.rejects(stuck.remote.call("flush", undefined), { code: "internal_ended" });
  const started = performance.now();
  await stuck.remote.close(50);
  assert.ok(performance.now() - started < 5000);
  await call;
  assert.deepEqual(stuck.failures, [], "a worker that was ended has not failed");
  await assert.rejects(stuck.remote.call("flush", undefined), { code: "internal_ended" });

  const neverReady = open("");
  await neverReady.remote.close(20);
});

Deno.test("a worker that has said goodbye is not waited for, and its silence is no failure", async () => {
  const { remote, failures } = open(`say({ kind: "ready" }); say({ kind: "bye" });`, { silenceMs: 40 });
  const pending = assert.rejects(remote.call("flush", undefined), { code: "internal_ended" });
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.deepEqual(failures, []);
  const started = performance.now();
  await remote.close(30_000);
  assert.ok(performance.now() - started < 10_000);
  await pending;
});

Deno.test("an answer that comes after the end goes nowhere", async () => {
  const { remote, failures } = open(`
    on = (data) => { setTimeout(() => answer(data.id, "late"), 20); };
    say({ kind: "ready" });`);
  await Promise.resolve();
  const call = remote.call("check", undefined);
  const rejected = assert.rejects(call, { code: "internal_ended" });
  remote.terminate();
  await rejected;
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.deepEqual(failures, []);
});

Deno.test("arguments that can't cross are an error of the call alone", async () => {
  const { remote } = open(`on = (data) => { ${ORDERLY} answer(data.id, 1); }; say({ kind: "ready" });`);
  await assert.rejects(remote.call("acknowledge", { v: 1, f: () => {} } as never), {
    name: "DataCloneError",
  });
  assert.equal(await remote.call("acknowledge", { v: 1 }), 1);
  await remote.close(1000);
});
