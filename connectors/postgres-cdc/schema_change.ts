/** The record that says how a table has changed: `schema_change_topic`. Stands before the first record that shows it. */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { formatLsn } from "./lsn.ts";
import type { Place, SchemaHistory, TableVersion } from "./schema_history.ts";

/** The keys of `schema_change_topic`. */
export interface SchemaChangeTopic {
  readonly enabled: boolean;
  readonly topic_name?: string;
  readonly include_columns: boolean;
  /** Only changes of tables in these schemas; empty: of all captured tables. */
  readonly schemas: readonly string[];
}

/** Tells schema changes from the records whose index they share: behind what transforms add to those (`.1`, `.2`). */
export const SCHEMA_SUFFIX = ".s";

/** A Stream that no record has had yet. */
export class StreamNews {
  readonly #history: SchemaHistory;
  readonly #stream: Stream;
  readonly #table: TableVersion;
  readonly #previous: TableVersion | undefined;

  constructor(
    history: SchemaHistory,
    stream: Stream,
    table: TableVersion,
    previous: TableVersion | undefined,
  ) {
    this.#history = history;
    this.#stream = stream;
    this.#table = table;
    this.#previous = previous;
  }

  get #changeType(): "CREATE" | "ALTER" | "RENAME" {
    const [now, before] = [this.#table, this.#previous];
    if (before === undefined) return "CREATE";
    return now.schema === before.schema && now.name === before.name ? "ALTER" : "RENAME";
  }

  isAnnounced = false;

  /** From now on it is known: `place` is that of the first record with it. */
  announce(place: Place): void {
    if (this.isAnnounced) return;
    this.isAnnounced = true;
    this.#history.add(this.#table, place);
  }

  /**
   * Writes it where `topic` asks for it. Order as in BatchWriter.begin.
   *
   * @param lsn for the `position` member: the commit LSN, or that of the snapshot
   */
  write(
    writer: BatchWriter,
    topic: SchemaChangeTopic,
    { timeMicros, lsn, group, index, suffix, own }: {
      readonly timeMicros: bigint;
      readonly lsn: bigint;
      readonly group: string;
      readonly index: number;
      readonly suffix?: string;
      readonly own: Uint8Array;
    },
  ): void {
    const { schema, name, oid } = this.#table;
    if (!topic.enabled || (topic.schemas.length > 0 && !topic.schemas.includes(schema))) return;
    const stream = this.#stream;
    const of = topic.topic_name === undefined ? stream : { ...stream, topic: topic.topic_name };
    const columns = topic.include_columns
      ? { columns: this.#table.columns, previous_columns: this.#previous?.columns ?? [] }
      : {};
    writer.begin(of, "schema", timeMicros, group, index, suffix);
    writer.beginValue("after");
    writer.literal(utf8.encode(JSON.stringify({
      source_type: "postgres",
      database: stream.database,
      schema,
      table: name,
      change_type: this.#changeType,
      ...columns,
      timestamp_ms: Number(timeMicros / 1000n),
      position: formatLsn(lsn),
      relation_id: oid,
    })));
    writer.endValue();
    writer.end(own);
  }
}

const utf8 = new TextEncoder();
