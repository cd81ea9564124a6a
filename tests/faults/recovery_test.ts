/** Sinks whose target stores the position with the data: what the target says goes before what the checkpoint says. */
import assert from "node:assert/strict";
import { FLAGS } from "../../cli/launch.ts";
import { FAILPOINTS } from "../../runtime/failpoint.ts";
import { supervise } from "../../runtime/supervisor.ts";
import { scratch } from "../end_to_end/program.ts";
import type { NumbersConfig } from "./numbers_source.ts";
import { assertExactlyOnce, intoVault, type Lab, numbersTo, openLab, planOf } from "./setup.ts";
import { readVault } from "./vault_sink.ts";

const MAIN = new URL("./recovery_main.ts", import.meta.url).pathname;
const never = new AbortController().signal;

async function runMain(dir: string, count: number, failpoint?: string) {
  const { signal, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", ...FLAGS, MAIN, dir, String(count)],
    env: failpoint ? { RIVVEN_FAILPOINT: failpoint } : {},
    stdout: "null",
    stderr: "piped",
  }).output();
  return { signal, success, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("killed at every named point, a target that stores the position has each record once", async () => {
  using dir = scratch();
  for (let round = 0; round < 2; round++) {
    for (const [i, point] of FAILPOINTS.entries()) {
      // Without end: on a slow machine a few commits may take in a lot.
      const { signal, stderr } = await runMain(dir.path, Infinity, `${point}:${i % 3 + 1}`);
      assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
    }
  }
  const numbers = () => [...readVault(`${dir.path}/vault`)!.numbers];
  const count = numbers().length + 500;
  const { success, stderr } = await runMain(dir.path, count);
  assert.ok(success, stderr);
  assertExactlyOnce(numbers(), count);
});

/** Runs the source into a vault, and into ledgers beside it. */
async function run(
  lab: Lab,
  config: Partial<NumbersConfig>,
  ledgers: readonly string[] = [],
  name = "numbers",
) {
  const paths = Object.fromEntries(["vault", ...ledgers].map((flow) => [flow, { path: lab.path(flow) }]));
  const source = numbersTo({ count: 100, batchSize: 7, ...config }, paths, { name });
  const [{ error }] = await supervise(planOf(intoVault(source, "vault")), lab.context, never);
  return error;
}

const vaulted = (lab: Lab) => [...readVault(lab.path("vault"))!.numbers];
const warnings = (lab: Lab) => lab.logs.filter((line) => line.startsWith("warn"));

Deno.test("a target that was set back has the source go back too, and the other flows get nothing twice", async () => {
  using lab = openLab();
  assert.equal(await run(lab, { count: 50, keepsAll: true }, ["other"]), undefined);
  const backup = Deno.readTextFileSync(lab.path("vault"));
  assert.equal(await run(lab, { count: 200, keepsAll: true }, ["other"]), undefined);
  assert.deepEqual(warnings(lab), []);
  Deno.writeTextFileSync(lab.path("vault"), backup);
  assert.equal(await run(lab, { count: 300, keepsAll: true }, ["other"]), undefined);
  assertExactlyOnce(vaulted(lab), 300);
  assertExactlyOnce(lab.numbers("other"), 300);
  assert.equal(warnings(lab).length, 1);
  assert.match(warnings(lab)[0], /has less than the checkpoint of pipeline "vault": it was set back/);
});

Deno.test("with no other flow, a target that was set back needs no source that compares positions", async () => {
  using lab = openLab();
  await run(lab, { count: 50 });
  const backup = Deno.readTextFileSync(lab.path("vault"));
  await run(lab, { count: 60 });
  Deno.writeTextFileSync(lab.path("vault"), backup);
  // This source has let go of what was acknowledged, and says so: nothing is left out silently.
  assert.equal((await run(lab, { count: 70 }))?.code, "state_position_gone");
});

Deno.test("a source that can't compare positions is not read from a guess", async () => {
  using lab = openLab();
  await run(lab, { count: 50 }, ["other"]);
  const backup = Deno.readTextFileSync(lab.path("vault"));
  await run(lab, { count: 60 }, ["other"]);
  Deno.writeTextFileSync(lab.path("vault"), backup);
  assert.equal((await run(lab, { count: 70 }, ["other"]))?.code, "state_target_behind");
  assert.equal(vaulted(lab).length, 50);
});

Deno.test("with a state that is lost, a flow goes on where its target is", async () => {
  using lab = openLab();
  await run(lab, { count: 50 });
  using fresh = openLab();
  Deno.copyFileSync(lab.path("vault"), fresh.path("vault"));
  await run(fresh, { count: 120 });
  assertExactlyOnce(vaulted(fresh), 120);
  assert.equal(fresh.flushes.reduce((sum, { flushed }) => sum + flushed.records, 0), 70);
});

Deno.test("with a state that is lost, flows without a target that knows get everything, the other nothing twice", async () => {
  using lab = openLab();
  await run(lab, { count: 50 });
  using fresh = openLab();
  Deno.copyFileSync(lab.path("vault"), fresh.path("vault"));
  await run(fresh, { count: 120 }, ["other"]);
  assertExactlyOnce(vaulted(fresh), 120);
  assertExactlyOnce(fresh.numbers("other"), 120);
});

Deno.test("what another source has stored in the target is not believed", async () => {
  using lab = openLab();
  await run(lab, { count: 50 }, [], "another");
  using fresh = openLab();
  Deno.copyFileSync(lab.path("vault"), fresh.path("vault"));
  await run(fresh, { count: 80 });
  assert.equal(vaulted(fresh).length, 50 + 80);
  assert.match(warnings(fresh)[0], /says how far source "another" \(numbers\) is, which is not the source/);
});
