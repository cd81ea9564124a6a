/**
 * The first promise with a chain of transforms in the way: one that drops, one that makes two of one, one that rejects.
 * Killed at every named point, every record is in the file once, or among the dead letters once, or was dropped.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { FAILPOINTS } from "../../runtime/failpoint.ts";
import { runProgram, scratch } from "../end_to_end/program.ts";

/**
 * @param events how many in all; 0: without end, so that a program is killed however slow the machine is
 * @param perSecond 0: as fast as it goes
 */
const file = (events: number, perSecond: number) => `
version: "1.0"
settings: { state_dir: state }
sources:
  shop:
    connector: datagen
    config:
      pattern: orders
      cdc_mode: true
      seed: 7
      events_per_second: ${perSecond}
      max_events: ${events}
      transforms:
        - { type: filter, config: { condition: "quantity <> 5" } }
    transforms:
      - { type: mask_field, config: { fields: [customer_id], strategy: partial, keep_last: 2 } }
sinks:
  files:
    connector: file
    config: { path: "out/{stream}.jsonl" }
    transforms: [twice]
transforms:
  twice:
    type: javascript
    predicate: { operations: [update] }
    config:
      code: |
        export default (record) =>
          record.after.quantity === 7 ? [record, { ...record, after: { ...record.after, copy: true } }] : record;
pipelines:
  all:
    source: shop
    sink: files
    settings: { on_error: dead_letter }
    transforms:
      - type: cast
        config: { specs: { currency: int32 }, on_error: fail }
        predicate: { condition: "currency = 'JPY'" }
`;

interface Outcome {
  /** How many records were made. */
  readonly events: number;
  /** Order and quantity of each line. */
  readonly lines: readonly string[];
  /** Orders of the dead letters. */
  readonly letters: readonly string[];
}

/** Kills the program at these points of an endless stream and then ends it, or makes `events` without a kill. */
async function run(killAt: readonly string[], events = 0): Promise<Outcome> {
  using dir = scratch();
  dir.write("connect.yaml", file(0, 4000));
  const written = () => Deno.readTextFileSync(`${dir.path}/out/datagen.jsonl`).split("\n").slice(0, -1);
  for (const [i, point] of killAt.entries()) {
    const env = { RIVVEN_FAILPOINT: `${point}:${i % 3 + 1}` };
    const { signal, stderr } = await runProgram(["run"], { cwd: dir.path, env });
    assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
  }
  if (killAt.length > 0) events = Number(JSON.parse(written().at(-1)!).source.order.slice(2)) + 6000;
  dir.write("connect.yaml", file(events, 0));
  const { code, stderr } = await runProgram(["run"], { cwd: dir.path });
  assert.equal(code, 0, stderr);
  const lines = written().map((line) => {
    const { source, before, after } = JSON.parse(line);
    const { quantity, customer_id, copy = false } = after ?? before;
    return JSON.stringify([source.order, quantity, customer_id, copy]);
  });
  const database = new DatabaseSync(`${dir.path}/state/state.db`, { readOnly: true });
  try {
    const rows = database.prepare('select "order", stage, transform from dead_letters order by "order"')
      .all();
    for (const { stage, transform } of rows) assert.deepEqual([stage, transform], ["transform", "cast #1"]);
    return { events, lines, letters: rows.map(({ order }) => String(order)) };
  } finally {
    database.close();
  }
}

Deno.test("killed at every named point, what a chain drops, doubles and rejects is what it is without a kill", async () => {
  const found = await run(FAILPOINTS);
  const { events, lines, letters } = found;
  assert.deepEqual(await run([], events), found);
  const copies = lines.filter((line) => line.endsWith(",true]"));
  assert.ok(
    copies.length > 100 && letters.length > 500 && lines.length < events,
    "the chain does something",
  );
  assert.ok(lines.every((line) => !line.includes("user_")), "masked");
  const orders = lines.map((line) => JSON.parse(line)[0]);
  assert.deepEqual(orders, orders.toSorted());
  assert.equal(
    new Set([...orders, ...letters]).size,
    lines.length + letters.length,
    "nothing is there twice",
  );
});
