import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeBatches, fakeRecord, linesOf } from "../../tests/fakes/records.ts";
import definition, { type StdoutConfig } from "./connector.ts";
import { Output } from "./output.ts";
import { StdoutSink } from "./sink.ts";

function open(config: Partial<StdoutConfig>, clock = new FakeClock(true)) {
  const writes: string[] = [];
  const take = (bytes: Uint8Array) => writes.push(new TextDecoder().decode(bytes)) && bytes.length;
  const file = { writeSync: take, write: (bytes: Uint8Array) => Promise.resolve(take(bytes)) };
  const context = fakeSinkContext({ clock });
  return {
    writes,
    clock,
    sink: new StdoutSink(definition.config.parse(config), context, new Output(file, "file", clock)),
  };
}

Deno.test("json writes a batch's text as it is, in one write", async () => {
  const { sink, writes } = open({ format: "json" });
  const [batch] = fakeBatches(1, 1000);
  await sink.write(batch);
  await sink.flush();
  assert.deepEqual(writes, [new TextDecoder().decode(batch.bytes)]);
});

Deno.test("an empty batch and a tombstone write nothing", async () => {
  const { sink, writes } = open({ format: "json" });
  await sink.write(fakeBatch([]));
  await sink.write(fakeBatch([fakeRecord(1, { operation: "tombstone", after: undefined })]));
  assert.equal(writes.join(""), "");
});

Deno.test("pretty writes the blocks of a batch in one write", async () => {
  const { sink, writes } = open({ include_metadata: false });
  await sink.write(fakeBatch([fakeRecord(1), fakeRecord(2)]));
  assert.equal(writes.length, 1);
  assert.equal(writes[0].match(/INSERT: orders \(public\)\n/g)?.length, 2);
});

Deno.test("rate_limit spreads records over time, in order and without losing one", async () => {
  const { sink, writes, clock } = open({ format: "json", rate_limit: 50 });
  const batches = fakeBatches(2, 100);
  for (const batch of batches) await sink.write(batch);
  assert.deepEqual(writes.join("").split("\n").slice(0, -1), linesOf(...batches));
  assert.equal(writes.length, 40);
  // The first step of five is free.
  assert.equal(Math.round(clock.monotonicMs()), 3900);
});

Deno.test("closing ends a write that waits for rate_limit, and does not claim that it wrote", async () => {
  const { sink, writes } = open({ format: "json", rate_limit: 1 }, new FakeClock());
  const write = sink.write(fakeBatch([fakeRecord(1), fakeRecord(2)]));
  await Promise.resolve();
  await sink[Symbol.asyncDispose]();
  await assert.rejects(write, (error: ConnectorError) => error.code === "transient_closed");
  assert.equal(writes.length, 1);
});

/** Runs the sink as a program of its own on a real standard output. */
const PROGRAM = `
import { openSink } from "${new URL("./sink.ts", import.meta.url)}";
import definition from "${new URL("./connector.ts", import.meta.url)}";
import { fakeSinkContext } from "${new URL("../../tests/fakes/context.ts", import.meta.url)}";
import { fakeBatches } from "${new URL("../../tests/fakes/records.ts", import.meta.url)}";
const sink = openSink(definition.config.parse({ format: "json" }), fakeSinkContext());
try {
  const batches = fakeBatches(20, 100);
  for (let i = 0; i < Number(Deno.args[0]); i++) await sink.write(batches[i % 20]);
} catch (error) {
  console.error(error.code);
  Deno.exit(3);
}
`;

function start(batches: number, stdout: "piped" | "null"): Deno.ChildProcess {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const code = `data:application/typescript;base64,${new TextEncoder().encode(PROGRAM).toBase64()}`;
  const args = ["run", "-A", "--no-prompt", "--config", config, code, String(batches)];
  return new Deno.Command(Deno.execPath(), { args, stdout, stderr: "piped" }).spawn();
}

Deno.test("a real pipe gets every line", async () => {
  const { stdout, stderr, code } = await start(20, "piped").output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(code, 0);
  const lines = new TextDecoder().decode(stdout).split("\n").slice(0, -1);
  assert.deepEqual(lines, linesOf(...fakeBatches(20, 100)));
});

Deno.test("a reader that goes away ends the writing with fatal_broken_pipe", async () => {
  const child = start(2000, "piped");
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const stderr = await new Response(child.stderr).text();
  assert.equal((await child.status).code, 3);
  assert.equal(stderr.trim(), "fatal_broken_pipe");
});
