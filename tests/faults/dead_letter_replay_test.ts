/** Dead letters back into sinks that know how far their flow is: that knowledge stays as it was. */
import assert from "node:assert/strict";
import { orderText } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { DeadLetter } from "../../runtime/dead_letters/dead_letter.ts";
import { replay, stepsFor } from "../../runtime/dead_letters/dead_letter_replay.ts";
import type { PlannedFlow, PlannedSource } from "../../runtime/plan.ts";
import { supervise } from "../../runtime/supervisor.ts";
import { intoVault, type Lab, numbersTo, openLab, planOf, upTo, WORKER } from "./setup.ts";
import { readVault } from "./vault_sink.ts";

const never = new AbortController().signal;

/** A letter of number `n`, far behind what the flow has done since. */
function numbered(n: number): { letter: DeadLetter; record: DataRecord } {
  const stream = {
    name: "numbers",
    columns: [{ name: "n", type: { kind: "int64" as const }, nullable: false }],
    key: ["n"],
    payload: "row" as const,
    version: 1,
  };
  const order = orderText("0", 1);
  const letter: DeadLetter = {
    stage: "sink",
    code: "schema",
    error: "no",
    lane: "stream",
    order,
    stream,
    payload: new Uint8Array(),
    withheld: false,
    key: undefined,
  };
  const record = { stream, operation: "insert" as const, after: { n: BigInt(n) }, timeMicros: 0n, order };
  return { letter, record };
}

async function replayInto(lab: Lab, source: PlannedSource, flow: PlannedFlow, numbers: readonly number[]) {
  const letters = numbers.map((n, i) => {
    const { letter, record } = numbered(n);
    const order = orderText("0", i + 1);
    return { letter: { ...letter, order }, record: { ...record, order } };
  });
  return await replay(letters, [], {
    source,
    flow,
    programVersion: "0",
    workerUrl: () => WORKER,
    marks: lab.checkpoints.marks(flow.name),
    position: lab.checkpoints.position(source.name, source.connector),
    saved: lab.checkpoints.saved(flow.name, flow.sink.name),
    documents: { source: {}, sink: {} },
    put: () => {},
    log: () => {},
  });
}

Deno.test("a target that stores the position with the data has the replayed records, and goes on where it was", async () => {
  using lab = openLab();
  const planned = (count: number) =>
    intoVault(numbersTo({ count, batchSize: 7 }, { vault: { path: lab.path("vault") } }), "vault");
  await supervise(planOf(planned(100)), lab.context, never);
  const before = readVault(lab.path("vault"))!;

  const source = planned(100);
  const { outcomes } = await replayInto(lab, source, source.flows[0], [1001, 1002]);
  assert.deepEqual(outcomes, [undefined, undefined]);
  const after = readVault(lab.path("vault"))!;
  assert.deepEqual(after.progress, before.progress);
  assert.deepEqual(after.numbers, [...upTo(100), 1001, 1002]);

  const [{ error }] = await supervise(planOf(planned(150)), lab.context, never);
  assert.equal(error, undefined);
  const rest = upTo(150).slice(100);
  assert.deepEqual(readVault(lab.path("vault"))!.numbers, [...upTo(100), 1001, 1002, ...rest]);
});

Deno.test("of letters that are refused again each tells why, and the others are written", async () => {
  using lab = openLab();
  const source = numbersTo({ count: 1, batchSize: 1 }, { a: { path: lab.path("a"), rejectEvery: 3 } });
  const { outcomes, saved } = await replayInto(lab, source, source.flows[0], [7, 8, 20, 9]);
  assert.deepEqual(outcomes.map((outcome) => outcome?.code), [
    undefined,
    undefined,
    "schema_refused",
    undefined,
  ]);
  assert.notEqual(saved, undefined, "what the sink has to be told next time is lost");
  assert.deepEqual(lab.numbers("a"), [7, 8, 9]);
});

Deno.test("a letter goes on at the transform that failed; where that can't be told is an error", () => {
  const step = (name: string) => ({
    kind: "transform" as const,
    name,
    type: "cast",
    config: {},
    protects: false,
    withoutRow: false,
  });
  const [one, two, three] = ["one", "two", "three"].map(step);
  const plain = numbersTo({ count: 1, batchSize: 1 }, { a: { path: "a" } });
  const source = { ...plain, transforms: [one] };
  const flow = { ...plain.flows[0], transforms: [two, three] };
  const { letter } = numbered(1);
  assert.deepEqual(stepsFor(letter, source, flow), []);
  assert.deepEqual(stepsFor({ ...letter, stage: "decode" }, source, flow), [one, two, three]);
  const failed = (transform: string) => stepsFor({ ...letter, stage: "transform", transform }, source, flow);
  assert.deepEqual(failed("one"), [one, two, three]);
  assert.deepEqual(failed("three"), [three]);
  assert.throws(() => failed("four"), { code: "config_dead_letter_transform", message: /is there no more$/ });
  const twice = { ...flow, transforms: [one, two] };
  assert.throws(() => stepsFor({ ...letter, stage: "transform", transform: "one" }, source, twice), {
    message: /there more than once/,
  });
});
