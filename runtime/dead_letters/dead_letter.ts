/**
 * What is kept of a record that could not be decoded, transformed or written. Made in the workers (rejections.ts,
 * source_rejections.ts), kept by checkpoint.ts or published to a topic, read and replayed by `dlq`.
 */
import {
  BARE,
  type Batch,
  batchFromRecords,
  type BatchHead,
  KEY_IS_BYTES,
} from "../../formats/data/batch.ts";
import type { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord, Header, Operation } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";

/** What happens to a record that can't go on. */
export type OnError = "skip" | "stop" | "dead_letter";

/** Where a record failed; `publish` is what dead letters of Rivven's own programs say. */
export type Stage = "decode" | "transform" | "sink" | "publish";

export interface DeadLetter {
  readonly stage: Stage;
  /** The code of the error, such as `schema_too_long`. */
  readonly code: string;
  readonly error: string;
  /** The transform that failed, as the file or its place names it. */
  readonly transform?: string;
  readonly lane: string;
  readonly order: string | undefined;
  readonly stream: Stream;
  /** What the text does not say of the record; undefined where nobody knew. */
  readonly record?: RecordShape;
  /** The record's `standard` text as it entered the failing step; of `decode` the bytes that could not be decoded. */
  readonly payload: Uint8Array;
  /** True: the payload has no row, since what failed was to hide a part of it. */
  readonly withheld: boolean;
  /** The key: the JSON of its columns, or what a queue gave. */
  readonly key: Uint8Array | undefined;
  readonly headers?: readonly Header[];
  /** Where the message lay, for sources that read topics. */
  readonly origin?: MessageOrigin;
}

/** Of a record what its `standard` text does not say. */
export interface RecordShape {
  readonly operation: Operation;
  readonly bare: boolean;
  readonly keyIsBytes: boolean;
}

export interface MessageOrigin {
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: bigint;
}

/** A dead letter on its way to the sink's end of a flow, whose `on_error` decides about it. */
export interface Rejected {
  readonly letter: DeadLetter;
  /** What the step itself says is to happen; undefined: what the flow says. */
  readonly onError?: OnError;
  /** Skipped without a line in the log. */
  readonly quiet?: boolean;
}

/** The letter of record `i` of a batch. Put together from its parts, so that one whose row can't be parsed is kept. */
export function letterOf(batch: Batch, i: number, stage: Stage, error: RecordError): DeadLetter {
  const { headers, first, columns } = batch.encoded();
  const flags = columns.flags[first + i];
  return {
    stage,
    code: error.code,
    error: error.message,
    lane: batch.lane,
    order: batch.order(i),
    stream: batch.stream(i),
    record: {
      operation: batch.operation(i),
      bare: (flags & BARE) !== 0,
      keyIsBytes: (flags & KEY_IS_BYTES) !== 0,
    },
    payload: batch.select((k) => k === i).inLayout("standard").bytes.slice(),
    withheld: false,
    key: batch.span(i, "key")?.slice(),
    headers: headers?.[first + i],
    origin: messageOrigin(batch.lane, batch.order(i)),
  };
}

/** The letter of a record that a transform could not handle; `withoutRow` keeps only what it is and where it was. */
export function letterOfRecord(
  head: BatchHead,
  record: DataRecord,
  error: RecordError,
  { withoutRow, transform }: { readonly withoutRow: boolean; readonly transform: string },
): DeadLetter {
  const { stream, operation, timeMicros, source, order } = record;
  const kept = withoutRow ? { stream, operation, timeMicros, source, order } : record;
  const batch = batchFromRecords({ ...head, layout: "standard" }, [kept]);
  return { ...letterOf(batch, 0, "transform", error), transform, withheld: withoutRow };
}

/** Sources that read topics have a lane for each partition, `<topic>/<partition>`, and `0/<offset>` as order. */
function messageOrigin(lane: string, order: string | undefined): MessageOrigin | undefined {
  const [, topic, partition] = /^(.+)\/(\d+)$/.exec(lane) ?? [];
  const [, offset] = /^0\/(\d{16})/.exec(order ?? "") ?? [];
  if (topic === undefined || offset === undefined) return undefined;
  return { topic, partition: Number(partition), offset: BigInt(offset) };
}
