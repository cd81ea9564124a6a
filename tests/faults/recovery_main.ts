/** Numbers into a vault, in a process of its own that recovery_test.ts kills: `recovery_main.ts DIR COUNT`. */
import { join } from "node:path";
import { openCheckpoints } from "../../runtime/state/checkpoint.ts";
import { systemClock } from "../../runtime/clock.ts";
import { armFailpoint, parseFailpoint } from "../../runtime/failpoint.ts";
import { supervise } from "../../runtime/supervisor.ts";
import { contextOf, intoVault, numbersTo, planOf } from "./setup.ts";

if (import.meta.main) {
  const [dir, count] = Deno.args;
  using checkpoints = openCheckpoints(join(dir, "state.db"), systemClock.nowMicros);
  const config = { count: Number(count), batchSize: 20, pauseMs: 1 };
  const source = intoVault(numbersTo(config, { vault: { path: join(dir, "vault") } }), "vault");
  const failpoint = parseFailpoint(Deno.env.get("RIVVEN_FAILPOINT"));
  armFailpoint(failpoint);
  const context = { ...contextOf(checkpoints), failpoint };
  const [{ error }] = await supervise(planOf(source), context, new AbortController().signal);
  if (error) throw error;
}
