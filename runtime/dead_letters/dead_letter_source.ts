/**
 * A source that gives the records it is opened with: dead letters on their way back (dead_letter_replay.ts). It lives in
 * a worker because their pipeline's transforms do; it needs no rights.
 */
import { batchFromRecords } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Batch, Source, SourceContext } from "../../connectors/contract.ts";

export interface ReplayedRecord {
  readonly lane: string;
  readonly record: DataRecord;
}

export interface ReplayConfig {
  readonly records: readonly ReplayedRecord[];
}

/** A batch for each record: nothing else is known to be of one lane and in order. */
export function openSource({ records }: ReplayConfig, context: SourceContext): Source {
  const { layout, clock, batchWriter } = context;
  const { origin } = batchWriter();
  return {
    async *read(): AsyncGenerator<Batch> {
      for (const [i, { lane, record }] of records.entries()) {
        const head = { lane, layout, origin, position: { v: 1, n: i + 1 }, readAtMicros: clock.nowMicros() };
        yield batchFromRecords(head, [record]);
        await Promise.resolve();
      }
    },
    acknowledge: () => Promise.resolve(),
    check: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
