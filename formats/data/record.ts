/** One thing that happened: the typed face of a batch (batch.ts has the other). */
import type { Stream } from "./stream.ts";
import type { Row, Value } from "./value.ts";

/**
 * What happened. `record` is no change event: queues, generated data. The index in this list is how a batch stores
 * an operation, so the order never changes.
 */
export const OPERATIONS = [
  "insert",
  "update",
  "delete",
  "snapshot",
  "truncate",
  "tombstone",
  "message",
  "schema",
  "record",
] as const;

export type Operation = (typeof OPERATIONS)[number];

/**
 * Debezium's letters: documentation of its connectors, "change event values", field `op`. A record that is no change
 * counts as created.
 */
export const OPERATION_LETTERS: Readonly<Record<Operation, string>> = {
  insert: "c",
  update: "u",
  delete: "d",
  snapshot: "r",
  truncate: "t",
  tombstone: "d",
  message: "m",
  schema: "s",
  record: "c",
};

/**
 * What the `snapshot` member of `source` can say beside what the operation does: Debezium's words (documentation of
 * its connectors, "snapshot" in the source block). The index is how a batch stores one, so the order never changes.
 */
export const SNAPSHOT_MARKERS = [
  "true",
  "false",
  "first",
  "last",
  "first_in_data_collection",
  "last_in_data_collection",
  "incremental",
] as const;

export type SnapshotMarker = (typeof SNAPSHOT_MARKERS)[number];

/** A header of a message: the name, and text or bytes. */
export type Header = readonly [name: string, value: string | Uint8Array];

export interface DataRecord {
  readonly stream: Stream;
  readonly operation: Operation;
  /** Key columns in key order, taken from the row before the change; bytes as a queue gave them. */
  readonly key?: Row | Uint8Array;
  /** The row before the change, as far as the source knows it. */
  readonly before?: Row;
  /** The row after the change; for `record` the payload, which may be any value. */
  readonly after?: Value;
  /**
   * Columns that exist but were not sent (unchanged TOAST, MINIMAL row images). They are absent in `after`; a sink
   * leaves them alone or rejects the record, and never writes null.
   */
  readonly unavailable?: readonly string[];
  /** Commit time at the source, microseconds since 1970. */
  readonly timeMicros: bigint;
  /**
   * The connector's own members of the `source` block, or of `metadata` for `record`. Of what the envelope writes
   * there for everybody only `snapshot` counts, where it is a marker such as `last`. `transaction {id, total_order,
   * data_collection_order}` of a change is written beside the block instead.
   */
  readonly source?: Row;
  readonly headers?: readonly Header[];
  /** Position in the lane, as text that sorts as the lane does; undefined where the lane has no order. */
  readonly order?: string;
  /** True when a transform has unwrapped the record: `after` is written by itself, whatever the layout. */
  readonly bare?: boolean;
}
