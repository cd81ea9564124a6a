/** `drop_slot_on_stop` as a user meets it: what the plan says, a crash, a stop, and the start behind it. */
import assert from "node:assert/strict";
import { requireServer } from "../servers/missing.ts";
import { type Postgres, startPostgres } from "../servers/postgres.ts";
import { waitUntil } from "../servers/process.ts";
import { Program, runProgram, scratch } from "./program.ts";

const slots = async (pg: Postgres) =>
  (await pg.query("SELECT slot_name FROM pg_replication_slots")).map(({ slot_name }) => slot_name);

Deno.test("drop_slot_on_stop drops the slot with a stop and not with a crash, and what it cost is said", async (t) => {
  await using pg = await requireServer(t, () => startPostgres({ version: 15, fsync: false }));
  if (pg === undefined) return;
  await pg.query("CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items VALUES (1)");
  using dir = scratch();
  const file = (mode: string) => {
    dir.write(
      "shop.yaml",
      `version: "1.0"
sources:
  shop:
    connector: postgres-cdc
    config:
      connection: ${pg.url}
      drop_slot_on_stop: true
      snapshot: { mode: ${mode} }
sinks: { out: { connector: file, config: { path: out.jsonl } } }
pipelines: { all: { source: shop, sink: out } }
`,
    );
    return ["-c", "shop.yaml"];
  };
  const ids = () => {
    try {
      const lines = Deno.readTextFileSync(`${dir.path}/out.jsonl`).split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line).after.id as number);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  };
  const holds = (id: number) =>
    waitUntil(() => Promise.resolve(ids().includes(id) || undefined), {
      what: `row ${id}`,
      timeoutMs: 120_000,
    });

  const plan = await runProgram(["plan", ...file("initial")], { cwd: dir.path });
  assert.match(
    plan.stdout + plan.stderr,
    /shop\.yaml:7:\d+.*drop_slot_on_stop: what changes between a stop and the next start is not captured/,
  );
  {
    await using program = new Program(["run", ...file("initial")], { cwd: dir.path });
    await holds(1);
    await program.says("Streaming from");
    program.kill("SIGKILL");
    await program.ended;
  }
  assert.deepEqual(await slots(pg), ["rivven_slot"]);
  await pg.query("INSERT INTO items VALUES (2)");
  {
    await using program = new Program(["run", ...file("initial")], { cwd: dir.path });
    await holds(2);
    const { code, stderr } = await program.stop();
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Dropped replication slot "rivven_slot"/);
  }
  assert.deepEqual(await slots(pg), []);
  await pg.query("INSERT INTO items VALUES (3)");

  const refused = await runProgram(["run", ...file("initial")], { cwd: dir.path });
  assert.equal(refused.code, 3, refused.stderr);
  assert.match(refused.stderr, /"rivven_slot" was dropped when the pipeline stopped.*is gone/);
  assert.deepEqual(await slots(pg), []);

  await using program = new Program(["run", ...file("when_needed")], { cwd: dir.path });
  await holds(3);
  assert.match(program.stderr, /a new snapshot takes its place, and does not tell what was deleted/);
});
