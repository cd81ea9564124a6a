/** `preview`: the first records of a source, through its transforms, on the screen; no sink, no position. */
import { systemClock } from "../runtime/clock.ts";
import { type Arguments, EXIT } from "./command.ts";
import { chooseSource, readFirst } from "./first_records.ts";
import { loadPlan } from "./load.ts";
import { logTo } from "./log_lines.ts";
import type { Output } from "./output.ts";
import { requireConfinedWorkers } from "./workers.ts";

const DEFAULT_LIMIT = 10;
const DEFAULT_TIMEOUT_MS = 30_000;

export async function run(args: Arguments, output: Output): Promise<number> {
  const { plan } = await loadPlan(args, output);
  const source = chooseSource(plan.sources, args.positionals[0]);
  const limit = args.number("limit") ?? DEFAULT_LIMIT;
  const timeoutMs = args.number("timeout") ?? DEFAULT_TIMEOUT_MS;
  await requireConfinedWorkers();
  // The first flow's streams and layout, so that what is seen is what that sink would get.
  const shown = await readFirst(source, source.flows[0], {
    limit,
    timeoutMs,
    log: logTo(output, "warn", "text"),
    clock: systemClock,
    take: (batch, i) => output.print(new TextDecoder().decode(batch.span(i, "text")).trimEnd()),
  });
  if (shown < limit) output.warn(`Only ${shown} of ${limit} records came within ${timeoutMs / 1000} s`);
  return EXIT.ok;
}
