/** Files that grow and are rotated, into another file, by a program that is killed at every step: each record is there once. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { FailpointName } from "../../runtime/failpoint.ts";
import { Program, scratch } from "../end_to_end/program.ts";

const PIPELINE = `
version: "1.0"
settings: { state_dir: state }
sources:
  logs:
    connector: file
    config: { path: "in/*.jsonl*", format: jsonl, follow: true, poll_interval_ms: 20 }
sinks:
  files:
    connector: file
    config: { path: "out/all.jsonl" }
pipelines:
  all: { source: logs, sink: files }
`;

/** What each part does last before the next one begins. */
const POINTS: readonly FailpointName[] = ["after_write", "after_flush", "after_save", "after_acknowledge"];

Deno.test("killed at every step of a commit while files grow and are rotated, every line is in the target once, in order", async () => {
  using dir = scratch();
  dir.write("connect.yaml", PIPELINE);
  Deno.mkdirSync(`${dir.path}/in`);
  const log = `${dir.path}/in/app.jsonl`;
  let count = 0;
  const lines = (size: number) => Array.from({ length: size }, () => `{"n":${count++}}\n`).join("");
  // Compressed, and read first.
  Deno.writeFileSync(`${dir.path}/in/a.jsonl.gz`, gzipSync(lines(5000)));
  for (const [i, point] of POINTS.entries()) {
    // The last line is written in two halves, one before and one after the kill.
    Deno.writeTextFileSync(log, `${lines(3000)}{"n":`, { append: true });
    const env = { RIVVEN_FAILPOINT: `${point}:${i % 3 + 1}` };
    await using program = new Program(["run"], { cwd: dir.path, env });
    let isOver = false;
    const ended = program.ended.finally(() => isOver = true);
    // Another file grows meanwhile, so that there is a next commit even if the first one takes in all the rest.
    while (!isOver) {
      Deno.writeTextFileSync(`${dir.path}/in/live.jsonl`, lines(10), { append: true });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { signal, stderr } = await ended;
    assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
    Deno.writeTextFileSync(log, `${count++}}\n`, { append: true });
    if (i % 2 === 0) Deno.renameSync(log, `${log}.${i}`);
  }
  Deno.writeTextFileSync(log, lines(10), { append: true });
  await using program = new Program(["run"], { cwd: dir.path });
  const written = () => Deno.readTextFileSync(`${dir.path}/out/all.jsonl`).split("\n").slice(0, -1);
  const late = performance.now() + 120_000;
  while (written().length < count) {
    assert.ok(performance.now() < late, `${written().length} of ${count}:\n${program.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { code, stderr } = await program.stop();
  assert.equal(code, 0, stderr);

  const found = written().map((line) => JSON.parse(line));
  const numbers = found.map(({ data }) => data.n).toSorted((a, b) => a - b);
  assert.deepEqual(numbers, Array.from({ length: count }, (_, n) => n));
  const last = new Map<string, string>();
  for (const { metadata: { lane, position } } of found) {
    assert.ok((last.get(lane) ?? "") < position, `${lane}: ${last.get(lane)}, then ${position}`);
    last.set(lane, position);
  }
  assert.equal(last.size, 5);
});
