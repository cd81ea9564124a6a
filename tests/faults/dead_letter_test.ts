/**
 * Records that a transform rejects, while the whole program is killed at every named point: each is in the file or among
 * the dead letters, and none in both or twice.
 */
import assert from "node:assert/strict";
import { openCheckpoints } from "../../runtime/state/checkpoint.ts";
import { FAILPOINTS } from "../../runtime/failpoint.ts";
import { runProgram, scratch } from "../end_to_end/program.ts";

/**
 * Two flows of one source: one keeps what can't be cast, the other takes everything.
 *
 * @param events how many in all; 0: without end, so that a program is killed however slow the machine is
 */
const file = (events: number) => `
version: "1.0"
settings: { state_dir: state }
sources:
  shop:
    connector: datagen
    config: { pattern: orders, seed: 7, events_per_second: 2000, max_events: ${events} }
sinks:
  some: { connector: file, config: { path: some.jsonl, envelope: standard } }
  all: { connector: file, config: { path: all.jsonl, envelope: standard } }
transforms:
  few: { type: filter, config: { condition: "quantity > 1" } }
  whole: { type: cast, config: { specs: { product: int32 }, on_error: fail }, predicate: { condition: "quantity == 3" } }
pipelines:
  some: { source: shop, sink: some, transforms: [few, whole], settings: { on_error: dead_letter } }
  all: { source: shop, sink: all }
`;

interface Change {
  readonly after: { readonly quantity: number };
  readonly source: { readonly order: string };
}

Deno.test("killed at every named point, what a transform rejects is kept once, and what it passes is written once", async () => {
  using dir = scratch();
  dir.write("connect.yaml", file(0));
  const cwd = dir.path;
  for (const [i, point] of FAILPOINTS.entries()) {
    const env = { RIVVEN_FAILPOINT: `${point}:${i % 2 + 1}` };
    const { signal, stderr } = await runProgram(["run"], { cwd, env });
    assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
  }
  const linesOf = (name: string) => Deno.readTextFileSync(`${cwd}/${name}`).split("\n").slice(0, -1);
  const events = linesOf("all.jsonl").length + 2000;
  dir.write("connect.yaml", file(events));
  const { code, stderr } = await runProgram(["run"], { cwd });
  assert.equal(code, 0, stderr);

  const read = (name: string) => linesOf(name).map((line) => JSON.parse(line) as Change);
  const all = read("all.jsonl");
  assert.equal(all.length, events);
  const written = read("some.jsonl");
  using checkpoints = openCheckpoints(`${cwd}/state/state.db`, () => 0n);
  const { deadLetters } = checkpoints;
  const kept = deadLetters.list({ pipeline: "some" }).map(({ id }) => {
    const { payload, stage, transform } = deadLetters.get(id)!;
    assert.deepEqual([stage, transform], ["transform", "whole"]);
    return JSON.parse(new TextDecoder().decode(payload)) as Change;
  });
  const orders = (changes: readonly Change[]) => changes.map(({ source: { order } }) => order).toSorted();
  const passes = all.filter(({ after: { quantity } }) => quantity > 1);
  assert.deepEqual(orders(kept), orders(passes.filter(({ after: { quantity } }) => quantity === 3)));
  assert.deepEqual(orders(written), orders(passes.filter(({ after: { quantity } }) => quantity !== 3)));
  assert.ok(kept.length > 100, "too few records were rejected for this to say much");
  assert.equal(deadLetters.count("all"), 0);
});
