/** What change_decoder.ts is given and gives beside the records themselves. */
import type { Relation } from "./relations.ts";
import type { SchemaChangeTopic } from "./schema_change.ts";
import type { TransactionMetadata } from "./transaction_metadata.ts";
import type { UnreadableRows } from "./unreadable_rows.ts";
import type { WantedChanges } from "./wanted.ts";

/** A row of the batch that lacks values, because the server did not send what has not changed. */
export interface UnsentValues {
  /** The record's number in the batch. */
  readonly record: number;
  readonly relation: Relation;
  /** Places of the columns. */
  readonly places: readonly number[];
  /** By `relation.rowPlaces`: the values by which the row can be found. */
  readonly key: readonly string[];
}

/** What the stream tells beside the rows. */
export interface DecoderExtras {
  readonly schemaChanges?: SchemaChangeTopic;
  readonly wanted?: WantedChanges;
  readonly transactions?: TransactionMetadata;
  readonly incremental?: StreamWatcher;
  /** Takes rows with a value that can't be read; undefined: such a row is the end. */
  readonly unreadable?: UnreadableRows;
}

/** Who has to know what the stream brings beside the records: incremental_snapshot.ts. */
export interface StreamWatcher {
  /** A transaction begins; `group` is that of its records' order. */
  begin(group: string, xid: number): void;
  message(prefix: string, content: Uint8Array): void;
}
