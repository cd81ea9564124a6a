/** `preview`: the first records of a source, through its transforms, on the screen; no sink, no position. */
import { PortReceiver } from "../runtime/data_port.ts";
import { systemClock } from "../runtime/clock.ts";
import type { PlannedSource } from "../runtime/plan.ts";
import { didYouMean } from "../runtime/suggest.ts";
import { type Arguments, EXIT, UsageError } from "./command.ts";
import { loadPlan } from "./load.ts";
import { logTo } from "./log_lines.ts";
import type { Output } from "./output.ts";
import { openSourceWorker, requireConfinedWorkers } from "./workers.ts";

const DEFAULT_LIMIT = 10;
const DEFAULT_TIMEOUT_MS = 30_000;

export async function run(args: Arguments, output: Output): Promise<number> {
  const { plan } = await loadPlan(args, output);
  const source = chooseSource(plan.sources, args.positionals[0]);
  const limit = args.number("limit") ?? DEFAULT_LIMIT;
  await requireConfinedWorkers();

  const enough = new AbortController();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  await using remote = await openSourceWorker(source, logTo(output, "warn", "text"), {
    failed: failed.reject,
  });
  const { port1, port2 } = new MessageChannel();
  let shown = 0;
  const receiver = new PortReceiver(port2, () => {
    for (let delivery = receiver.take(); delivery; delivery = receiver.take()) {
      const { batch } = delivery;
      for (let i = 0; i < batch.length && shown < limit; i++, shown++) {
        output.print(new TextDecoder().decode(batch.span(i, "text")).trimEnd());
      }
      delivery.release();
    }
    if (shown >= limit || receiver.isDone) enough.abort();
  });
  try {
    // The first flow's streams and layout, so that what is seen is what that sink would get.
    const { streams, transforms } = source.flows[0];
    const start = {
      from: undefined,
      flows: [{ port: port1, streams, transforms, eventsPerSecond: 0 }],
      transforms: source.transforms,
      eventsPerSecond: 0,
    };
    await remote.call("startSource", start, [port1]);
    const timeoutMs = args.number("timeout") ?? DEFAULT_TIMEOUT_MS;
    await Promise.race([systemClock.sleep(timeoutMs, enough.signal), failed.promise]);
    if (!enough.signal.aborted) {
      output.warn(`Only ${shown} of ${limit} records came within ${timeoutMs / 1000} s`);
    }
  } finally {
    enough.abort();
    receiver.close();
  }
  return EXIT.ok;
}

function chooseSource(sources: readonly PlannedSource[], name: string | undefined): PlannedSource {
  const names = sources.map((source) => source.name);
  if (name === undefined) {
    if (sources.length === 1) return sources[0];
    throw new UsageError("Which source?", `Name one of: ${names.join(", ")}`);
  }
  const source = sources.find((source) => source.name === name);
  if (source) return source;
  throw new UsageError(
    `There is no enabled source "${name}"`,
    didYouMean(name, names) ?? `There is: ${names.join(", ")}`,
  );
}
