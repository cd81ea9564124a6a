/** The sink killed at every step of its work: each record is in one object, once, whatever was in between. */
import assert from "node:assert/strict";
import { seededRandom } from "../../tests/fakes/context.ts";
import { fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import type { LayoutKeys } from "./layout.ts";
import { type Emitted, World } from "./testing.ts";

const STREAMS = ["a", "b", "c"].map((name) => fakeStream(name));

/** Records of three tables in two partitions, with an hour between some; every tenth is one that CSV refuses. */
const EMITTED: readonly Emitted[] = Array.from({ length: 60 }, (_, id): Emitted => ({
  lane: `topic/${Math.floor(id / 4) % 2}`,
  record: fakeRecord(id, {
    stream: STREAMS[(id * 7) % 3],
    after: { id: BigInt(id), customer: id % 2 ? "odd" : "even" },
    unavailable: id % 10 === 3 ? ["total"] : undefined,
    timeMicros: BigInt(Math.floor(id / 20)) * 3_600_000_000n,
  }),
}));
const REFUSED = EMITTED.filter(({ record }) => record.unavailable).map(({ record }) => record.order);

const LAYOUTS: Readonly<Record<string, Partial<LayoutKeys>>> = {
  "one folder": { prefix: "lake" },
  "folders by table and hour, gzip": { prefix: "{stream}", partitioning: "hour", compression: "gzip" },
  "arrays by a column": { format: "json", partitioning: "customer={field:customer}" },
  "CSV of three tables in one folder": { format: "csv" },
};

/** The ids in all objects, and that each file is in order. */
function idsIn(world: World): number[] {
  const ids: number[] = [];
  for (const [name, text] of Object.entries(world.store.texts())) {
    const own = name.endsWith(".csv")
      ? text.trimEnd().split("\n").slice(1).map((line) => Number(line.split(",")[0]))
      : name.endsWith(".json")
      ? JSON.parse(text).map(({ id }: { id: number }) => id)
      : text.trimEnd().split("\n").map((line) => JSON.parse(line).id);
    assert.deepEqual(own, own.toSorted((a: number, b: number) => a - b), `${name} is out of order`);
    ids.push(...own);
  }
  return ids.toSorted((a, b) => a - b);
}

function assertComplete(world: World, { format }: Partial<LayoutKeys>, what: string): void {
  const refused = format === "csv" ? REFUSED : [];
  const ids = EMITTED.map((_, id) => id).filter((id) => !refused.includes(EMITTED[id].record.order));
  assert.deepEqual(idsIn(world), ids, what);
  assert.deepEqual(world.letters.toSorted(), refused.toSorted(), what);
}

for (const [label, keys] of Object.entries(LAYOUTS)) {
  Deno.test(`${label}: killed at every step, each record is there once`, async () => {
    const undisturbed = new World();
    assert.ok(await undisturbed.live(EMITTED, seededRandom(1), keys));
    assertComplete(undisturbed, keys, "undisturbed");
    const steps = undisturbed.steps.length;
    assert.ok(steps > 40, `only ${steps} steps`);
    for (let k = 0; k < steps; k++) {
      const world = new World();
      world.killAfter = k;
      assert.ok(!await world.live(EMITTED, seededRandom(1), keys), `not killed at step ${k}`);
      // Batches are cut and flushed elsewhere than the first time.
      assert.ok(await world.live(EMITTED, seededRandom(k + 2), keys));
      assertComplete(world, keys, `killed before step ${k + 1}: ${undisturbed.steps[k]}`);
    }
  });

  Deno.test(`${label}: killed again and again, each record is there once`, async () => {
    for (let seed = 0; seed < 25; seed++) {
      const random = seededRandom(seed);
      const world = new World();
      for (let lives = 0;; lives++) {
        assert.ok(lives < 1000, "it gets nowhere");
        world.steps = [];
        world.killAfter = lives < 30 ? Math.floor(random() * 25) : Infinity;
        if (await world.live(EMITTED, random, keys)) break;
      }
      assertComplete(world, keys, `seed ${seed}`);
    }
  });
}

Deno.test("a layout that was changed while it was down leaves each record there once", async () => {
  const layouts = Object.values(LAYOUTS).filter(({ format }) => format !== "csv");
  for (let seed = 0; seed < 60; seed++) {
    const random = seededRandom(seed);
    const world = new World();
    for (let lives = 0;; lives++) {
      world.steps = [];
      world.killAfter = lives < 20 ? Math.floor(random() * 25) : Infinity;
      if (await world.live(EMITTED, random, layouts[Math.floor(random() * layouts.length)])) break;
    }
    assertComplete(world, {}, `seed ${seed}`);
  }
});
