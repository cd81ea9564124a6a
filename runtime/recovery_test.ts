import assert from "node:assert/strict";
import type { Progress } from "../connectors/contract.ts";
import type { Position } from "../formats/data/batch.ts";
import type { Marks } from "./state/checkpoint.ts";
import { startOf } from "./recovery.ts";

const SOURCE = { name: "shop", connector: "fake" };
const at = (n: number): Position => ({ v: 1, n });

/** What a target has stored at position n. */
function stored(n: number | undefined, marks: Marks, more: Partial<Progress> = {}): Progress {
  return {
    source: "shop",
    connector: "fake",
    ...(n === undefined ? {} : { position: at(n) }),
    marks,
    ...more,
  };
}

/** Of a source whose checkpoint is at 50, and of flows `[marks of the checkpoint, what the target says]`. */
function startAt(saved: number | undefined, ...flows: [own: Marks, recovered?: Progress][]) {
  return startOf(
    SOURCE,
    saved === undefined ? undefined : at(saved),
    flows.map(([marks, recovered], i) => ({ flow: `flow${i}`, sink: `sink${i}`, marks, recovered })),
  );
}

Deno.test("without targets that know, the checkpoint says where all start", () => {
  const { marks, positions, warnings } = startAt(50, [{ a: "5" }], [{ a: "7" }]);
  assert.deepEqual([marks, positions, warnings], [[{ a: "5" }, { a: "7" }], [at(50)], []]);
  assert.deepEqual(startAt(undefined, [{}]).positions, [undefined]);
});

Deno.test("a target that is ahead of the checkpoint is believed", () => {
  const alone = startAt(50, [{ a: "5" }, stored(60, { a: "6" })]);
  assert.deepEqual([alone.marks, alone.positions], [[{ a: "6" }], [at(60)]]);
  const newLane = startAt(50, [{ a: "5" }, stored(60, { a: "5", b: "1" })]);
  assert.deepEqual(newLane.positions, [at(60)]);
  // Others may need what lies in between.
  const beside = startAt(50, [{ a: "5" }, stored(60, { a: "6" })], [{ a: "5" }]);
  assert.deepEqual([beside.marks, beside.positions], [[{ a: "6" }, { a: "5" }], [at(50)]]);
});

Deno.test("where both have the same records the checkpoint's position counts: it moves without records, too", () => {
  assert.deepEqual(startAt(50, [{ a: "5" }, stored(40, { a: "5" })]).positions, [at(50)]);
});

Deno.test("a target that is behind in any lane has the source go back", () => {
  for (const marks of [{ a: "4", b: "2" }, { b: "2" }, { a: "4", b: "3" }] as Marks[]) {
    const { positions, warnings, ...start } = startAt(50, [{ a: "5", b: "2" }, stored(40, marks)]);
    assert.deepEqual([positions, start.marks, warnings.length], [[at(40)], [marks], 1]);
  }
  const beside = startAt(50, [{ a: "5" }, stored(40, { a: "4" })], [{ a: "5" }]);
  assert.deepEqual(beside.positions, [at(40), at(50)]);
  assert.throws(() => startAt(50, [{ a: "5" }, stored(undefined, { a: "4" })]), {
    code: "state_target_behind",
  });
});

Deno.test("with a state that is lost, only what no target knows is read from the beginning", () => {
  assert.deepEqual(startAt(undefined, [{}, stored(40, { a: "4" })]).positions, [at(40)]);
  assert.deepEqual(
    startAt(undefined, [{}, stored(40, { a: "4" })], [{}, stored(60, { a: "6" })]).positions,
    [at(40), at(60)],
  );
  const { marks, positions } = startAt(undefined, [{}, stored(40, { a: "4" })], [{}]);
  assert.deepEqual([marks, positions], [[{ a: "4" }, {}], [at(40), undefined]]);
});

Deno.test("what a target says of another source, or of one that is another connector now, is not believed", () => {
  for (const other of [{ source: "market" }, { connector: "other" }]) {
    const { marks, positions, warnings } = startAt(50, [{ a: "5" }, stored(60, { a: "6" }, other)]);
    assert.deepEqual([marks, positions], [[{ a: "5" }], [at(50)]]);
    assert.match(warnings[0], /which is not the source of pipeline "flow0"/);
  }
});
