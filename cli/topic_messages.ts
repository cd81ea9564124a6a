/** All messages that a topic has at the moment, read by a source worker that leaves no trace. For `dlq`. */
import type { Value } from "../formats/data/value.ts";
import { systemClock } from "../runtime/clock.ts";
import { PortReceiver } from "../runtime/data_port.ts";
import type { PlannedConnector, PlannedSource } from "../runtime/plan.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import type { Log } from "./log_lines.ts";
import { openSourceWorker } from "./workers.ts";

export interface TopicMessage {
  readonly partition: number;
  readonly offset: bigint;
  /** What its JSON says. */
  readonly value: Value | undefined;
}

/**
 * @param broker a sink of the broker as the plan has it
 * @throws {ConnectorError} when the broker can't be reached or answers too slowly
 */
export async function* readTopic(
  broker: PlannedConnector,
  topic: string,
  { timeoutMs, log }: { readonly timeoutMs: number; readonly log: Log },
): AsyncGenerator<TopicMessage> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const remote = await openSourceWorker(sourceOf(broker, topic), log, { failed: failed.reject });
  const late = new AbortController();
  const timeout = systemClock.sleep(timeoutMs, late.signal).then((): never => {
    throw new ConnectorError(`Reading topic "${topic}" took longer than ${timeoutMs / 1000} s`, {
      code: "timeout",
      hint: "Give it more time with --timeout, or look at the state alone with --local",
    });
  });
  timeout.catch(() => {});
  const orFail = <T>(work: Promise<T>) => Promise.race([work, failed.promise, timeout]);
  const { port1, port2 } = new MessageChannel();
  let wake = () => {};
  const receiver = new PortReceiver(port2, () => wake());
  try {
    const found = (await orFail(remote.call("discover", undefined))).find(({ stream }) =>
      stream.name === topic
    );
    if (found === undefined) return;
    const flows = [{ port: port1, streams: [], transforms: [], eventsPerSecond: 0 }];
    const start = { from: undefined, flows, transforms: [], eventsPerSecond: 0 };
    await orFail(remote.call("startSource", start, [port1]));
    let end: number | undefined;
    for (;;) {
      const delivery = receiver.take();
      if (delivery === undefined) {
        await orFail(new Promise<void>((resolve) => wake = resolve));
        continue;
      }
      const { batch, release } = delivery;
      for (const [i, { after }] of batch.records.entries()) {
        const { partition, offset } = placeOf(batch.lane, batch.order(i)!);
        yield { partition, offset, value: after };
      }
      // Offsets may have gaps, so the end is told by the position, which begins at the first offsets.
      const next = nextOffsets(batch.position.topics as Record<string, number[]>, topic);
      release();
      end ??= next + (found.estimatedRows ?? 0);
      if (next >= end) return;
    }
  } finally {
    late.abort();
    receiver.close();
    await remote.close(1000);
  }
}

/** The sum over all partitions. */
function nextOffsets(topics: Record<string, number[]>, topic: string): number {
  return (topics[topic] ?? []).reduce((sum, next) => sum + Math.max(0, next), 0);
}

/** `<topic>/<partition>` and `0/<offset>`. */
function placeOf(lane: string, order: string): { partition: number; offset: bigint } {
  return {
    partition: Number(lane.slice(lane.lastIndexOf("/") + 1)),
    offset: BigInt(order.slice(order.indexOf("/") + 1)),
  };
}

function sourceOf(broker: PlannedConnector, topic: string): PlannedSource {
  const config = {
    metadata_refresh_ms: 60_000,
    on_out_of_range: "stop",
    ...broker.config as Record<string, unknown>,
    topic: undefined,
    topics: [topic],
    start_offset: "earliest",
    envelope: "none",
    connections: 2,
  };
  return {
    ...broker,
    role: "source",
    config,
    layout: "plain",
    streams: [],
    transforms: [],
    eventsPerSecond: 0,
    flows: [],
  };
}
