import assert from "node:assert/strict";
import { readEnvelope, readSignal, SignalError } from "./signals.ts";
import { SignalFile } from "./signal_file.ts";

const read = (type: string, data: unknown) => readSignal({ id: "1", type, data, channel: "source" });

Deno.test("signals are read as Debezium's documentation writes them", () => {
  assert.deepEqual(
    read(
      "execute-snapshot",
      '{"data-collections": ["public.a", "public.b"], "type": "INCREMENTAL", "surrogate-key": "n", ' +
        '"additional-conditions": [{"data-collection": "public.b", "filter": "id > 3"}]}',
    ),
    {
      kind: "execute",
      tables: [
        { pattern: "public.a", surrogateKey: "n" },
        { pattern: "public.b", filter: "id > 3", surrogateKey: "n" },
      ],
    },
  );
  assert.deepEqual(read("stop-snapshot", { type: "incremental" }), { kind: "stop", tables: undefined });
  assert.deepEqual(read("stop-snapshot", { "data-collections": ["a"] }), { kind: "stop", tables: ["a"] });
  assert.deepEqual(read("pause-snapshot", '{"type":"incremental"}'), { kind: "pause" });
  assert.deepEqual(read("resume-snapshot", null), { kind: "resume" });
  assert.deepEqual(read("log", { message: "at {}" }), { kind: "log", message: "at {}" });
  assert.equal(read("snapshot-window-open", null), undefined);
});

Deno.test("what is wrong with a signal is said", () => {
  const cases: [string, unknown, RegExp][] = [
    ["snapshot", null, /type "snapshot"/],
    ["execute-snapshot", "{", /no JSON/],
    ["execute-snapshot", "[]", /no object/],
    ["execute-snapshot", {}, /data-collections/],
    ["execute-snapshot", { "data-collections": [] }, /data-collections/],
    ["execute-snapshot", { "data-collections": [1] }, /data-collections/],
    ["execute-snapshot", { "data-collections": ["a"], type: "blocking" }, /"blocking" are not done here/],
    ["execute-snapshot", { "data-collections": ["a"], type: 7 }, /not "incremental"/],
    ["execute-snapshot", { "data-collections": ["a"], "surrogate-key": 1 }, /surrogate-key/],
    ["execute-snapshot", { "data-collections": ["a"], "additional-conditions": "x" }, /no list/],
    ["execute-snapshot", { "data-collections": ["a"], "additional-conditions": [1] }, /no object/],
    ["execute-snapshot", { "data-collections": ["a"], "additional-conditions": [{ filter: "x" }] }, /lacks/],
    [
      "execute-snapshot",
      { "data-collections": ["a"], "additional-conditions": [{ "data-collection": "b", filter: "x" }] },
      /none of its "data-collections"/,
    ],
    ["log", {}, /message/],
  ];
  for (const [type, data, message] of cases) {
    assert.throws(
      () => read(type, data),
      (error) => error instanceof SignalError && message.test(error.message),
      `${message}`,
    );
  }
  for (const line of ["garbage", "[]", "{}", '{"type": 1}']) {
    assert.throws(() => readEnvelope(line, "file"), SignalError, line);
  }
});

Deno.test("a signal file gives each line once, when it is complete, and is read anew when it is another one", async () => {
  const path = await Deno.makeTempFile();
  try {
    const file = new SignalFile(path, 0);
    assert.deepEqual(await file.read(), []);
    await Deno.writeTextFile(path, "one\n\ntwo\nthr");
    assert.deepEqual(await file.read(), ["one", "two"]);
    assert.deepEqual(await file.read(), []);
    await Deno.writeTextFile(path, "ee\n", { append: true });
    assert.deepEqual(await file.read(), ["three"]);
    assert.deepEqual(await new SignalFile(path, file.offset).read(), []);
    await Deno.writeTextFile(path, "new\n");
    assert.deepEqual(await file.read(), ["new"]);
    await Deno.remove(path);
    assert.deepEqual(await file.read(), []);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
});
