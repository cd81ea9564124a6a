/**
 * `transaction_topic`: a record where a transaction begins and one where it ends, and in each change its number.
 * Debezium's documentation, "Transaction metadata", has the form. Called by change_decoder.ts.
 */
import { type BatchWriter, type WriterColumn, writerColumns } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";

/** The keys of `transaction_topic`. */
export interface TransactionTopic {
  readonly enabled: boolean;
  readonly topic_name?: string;
  readonly include_data_collections: boolean;
  /** A transaction with fewer changes is not announced. */
  readonly min_events_threshold: number;
}

/** Tells the beginning apart from the change whose index it shares: before a schema change of the same place. */
export const BEGIN_SUFFIX = ".b";

/** Where a record stands, as BatchWriter.begin takes it. */
export interface RecordPlace {
  readonly timeMicros: bigint;
  readonly group: string;
  readonly index: number;
  readonly suffix?: string;
}

export class TransactionMetadata {
  readonly #topic: TransactionTopic;
  readonly #stream: Stream;
  readonly #columns: readonly WriterColumn[];
  #id = "";
  #opening: Uint8Array = new Uint8Array();
  #total = 0;
  /** Index of the last change that was counted, and of the one that the beginning stands before; -1: none. */
  #counted = -1;
  #beginsAt = -1;
  readonly #byTable = new Map<string, number>();

  constructor(topic: TransactionTopic, database: string) {
    this.#topic = topic;
    const text = { kind: "string" } as const;
    this.#stream = {
      name: "transaction",
      database,
      columns: [
        { name: "status", type: text, nullable: false },
        { name: "id", type: text, nullable: false },
        { name: "ts_ms", type: { kind: "int64" }, nullable: false },
        { name: "event_count", type: { kind: "int64" }, nullable: true },
        { name: "data_collections", type: { kind: "json" }, nullable: true },
      ],
      key: ["id"],
      payload: "row",
      version: 1,
      topic: topic.topic_name,
    };
    this.#columns = writerColumns(this.#stream);
  }

  /** A transaction begins: nothing is written before it has a change. */
  open(xid: number, commitLsn: bigint): void {
    this.#id = `${xid}:${commitLsn}`;
    this.#opening = utf8.encode(`,"transaction":{"id":"${this.#id}","total_order":`);
    this.#total = 0;
    this.#counted = this.#beginsAt = -1;
    this.#byTable.clear();
  }

  /**
   * Counts a change, before it is written; one that is read again counts once.
   *
   * @param table `schema.table`
   * @param index grows from change to change
   * @returns whether the beginning is to be announced before it
   */
  count(table: string, index: number): boolean {
    if (index <= this.#counted) return index === this.#beginsAt;
    this.#counted = index;
    this.#byTable.set(table, (this.#byTable.get(table) ?? 0) + 1);
    this.#total++;
    if (this.#beginsAt >= 0 || this.#total < this.#topic.min_events_threshold) return false;
    this.#beginsAt = index;
    return true;
  }

  /** Gives the change that was counted last its `transaction` member. */
  mark(writer: BatchWriter, table: string): void {
    writer.transactionOfNext(this.#opening, this.#total, this.#byTable.get(table)!);
  }

  writeBegin(writer: BatchWriter, place: RecordPlace): void {
    this.#write(writer, "BEGIN", place);
  }

  /** Writes the end, where the beginning was announced. */
  writeEnd(writer: BatchWriter, place: RecordPlace): void {
    if (this.#beginsAt >= 0) this.#write(writer, "END", place);
  }

  #write(writer: BatchWriter, status: "BEGIN" | "END", place: RecordPlace): void {
    const { timeMicros, group, index, suffix } = place;
    const isEnd = status === "END";
    const tables = isEnd && this.#topic.include_data_collections
      ? [...this.#byTable].map(([name, count]) => ({ data_collection: name, event_count: count }))
      : null;
    const values = [
      `"${status}"`,
      `"${this.#id}"`,
      timeMicros / 1000n,
      isEnd ? this.#total : null,
      JSON.stringify(tables),
    ];
    writer.begin(this.#stream, "record", timeMicros, group, index, suffix);
    // Its text is the document alone in every layout, as Debezium's is.
    writer.unwrap();
    writer.beginRow("after");
    values.forEach((value, i) => {
      writer.column(this.#columns[i]);
      writer.literal(utf8.encode(String(value)));
    });
    writer.endRow();
    writer.end();
  }
}

const utf8 = new TextEncoder();
