/** The first records of a source, for commands that look: `preview` shows them, `record` keeps them. */
import type { Clock } from "../connectors/contract.ts";
import type { Batch } from "../formats/data/batch.ts";
import { PortReceiver } from "../runtime/data_port.ts";
import type { PlannedFlow, PlannedSource } from "../runtime/plan.ts";
import { didYouMean } from "../runtime/config/suggest.ts";
import { UsageError } from "./command.ts";
import type { Log } from "./log_lines.ts";
import { openSourceWorker } from "./workers.ts";

export interface FirstRecordsOptions {
  readonly limit: number;
  readonly timeoutMs: number;
  readonly log: Log;
  readonly clock: Clock;
  /** Record `i` of a batch, whose buffers are used again afterwards. */
  readonly take: (batch: Batch, i: number) => void;
}

/**
 * Reads a source from its beginning, through its transforms and those of one of its flows, until there are `limit`
 * records, or no more of them, or the time is up. Nothing is acknowledged, and no sink is opened.
 *
 * @returns how many there were
 * @throws {ConnectorError} what the source throws
 */
export async function readFirst(
  source: PlannedSource,
  flow: PlannedFlow,
  { limit, timeoutMs, log, clock, take }: FirstRecordsOptions,
): Promise<number> {
  const enough = new AbortController();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  await using remote = await openSourceWorker(source, log, { failed: failed.reject });
  const { port1, port2 } = new MessageChannel();
  let taken = 0;
  const receiver = new PortReceiver(port2, () => {
    for (let delivery = receiver.take(); delivery; delivery = receiver.take()) {
      const { batch, rejected } = delivery;
      for (const { letter: { stream, order, error } } of rejected) {
        log("warn", source.name, `Record ${order ?? ""} of ${stream.name} was rejected: ${error}`);
      }
      for (let i = 0; i < batch.length && taken < limit; i++, taken++) take(batch, i);
      delivery.release();
    }
    if (taken >= limit || receiver.isDone) enough.abort();
  });
  try {
    const { streams, transforms } = flow;
    const start = {
      from: undefined,
      flows: [{ port: port1, streams, transforms, eventsPerSecond: 0 }],
      transforms: source.transforms,
      eventsPerSecond: 0,
    };
    await remote.call("startSource", start, [port1]);
    await Promise.race([clock.sleep(timeoutMs, enough.signal), failed.promise]);
    return taken;
  } finally {
    enough.abort();
    receiver.close();
  }
}

/** The source of that name, or the only one. @throws {UsageError} when that is none */
export function chooseSource(sources: readonly PlannedSource[], name: string | undefined): PlannedSource {
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
