/**
 * What the parts of one `read()` share: reading.ts decides what is read and takes the snapshot, streaming.ts reads the
 * changes behind it.
 */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { SourceContext } from "../contract.ts";
import type { Catalog, ServerFacts } from "./catalog.ts";
import { Connection } from "./connection.ts";
import type { PostgresConfig } from "./connector.ts";
import type { Endpoint } from "./endpoint.ts";
import type { PositionOrigin } from "./position.ts";
import type { StreamBook } from "./relations.ts";
import type { SchemaChangeTopic, StreamNews } from "./schema_change.ts";
import type { Place, SchemaHistory } from "./schema_history.ts";
import { SlotWait } from "./slot_holder.ts";
import type { Announced } from "./snapshot.ts";

export interface ReadingOptions {
  readonly config: PostgresConfig;
  readonly context: SourceContext;
  readonly endpoint: Endpoint;
  readonly filter: TableFilter;
  readonly catalog: Catalog;
  readonly signal: AbortSignal;
}

/** What is the same for the whole reading, once the server has been asked. */
export interface Run {
  readonly facts: ServerFacts;
  readonly origin: PositionOrigin;
  readonly writer: ReturnType<SourceContext["batchWriter"]>;
  readonly history: SchemaHistory;
  readonly book: StreamBook;
}

/** A connection that takes replication commands. */
export async function replicationConnection(
  { endpoint, context, signal }: ReadingOptions,
): Promise<Connection> {
  return await Connection.open(endpoint, context.clock, "replication", signal);
}

/** Waits for a slot that is in use, as long as the configuration says. */
export function slotWait(
  { config, catalog, context: { clock, log } }: ReadingOptions,
  slot: string,
): SlotWait {
  const { slot_max_retries, slot_retry_delay_ms } = config;
  const waitMs = slot_max_retries * slot_retry_delay_ms;
  return new SlotWait({ catalog, clock, log, slot, waitMs, retryDelayMs: slot_retry_delay_ms });
}

/** `schema_change_topic` with the name that it has by itself. */
export function schemaChangeTopic({ config, context }: ReadingOptions): SchemaChangeTopic {
  const { schema_change_topic: topic } = config;
  return { ...topic, topic_name: topic.topic_name ?? `${context.name}.schema_changes` };
}

/** Says what has to be said of a Stream before its first row in a snapshot. */
export interface Announcer {
  /** Saves that these Streams begin here, all at once: for many tables that is faster than one by one. */
  prepare(streams: readonly Stream[]): Promise<void>;
  /** Writes it. */
  announce(stream: Stream, to: BatchWriter, row: Announced): Promise<void>;
}

export function announcer(
  options: ReadingOptions,
  { book, history }: Pick<Run, "book" | "history">,
  place: Place,
  lsn: bigint = place.lsn,
): Announcer {
  const topic = schemaChangeTopic(options);
  const prepared = new Map<Stream, StreamNews>();
  const prepare = async (streams: readonly Stream[]) => {
    for (const stream of streams) {
      const news = book.news(stream);
      if (!news) continue;
      news.announce(place);
      prepared.set(stream, news);
    }
    if (history.isUnsaved) await history.save(0n);
  };
  return {
    prepare,
    async announce(stream, to, { timeMicros, own }) {
      await prepare([stream]);
      const news = prepared.get(stream);
      prepared.delete(stream);
      // Rows are in the group of the attempt, which is at least 1.
      const [group, index] = ["0".repeat(16), 0];
      news?.write(to, topic, { timeMicros, lsn, group, index, own });
    },
  };
}

/** A number that no earlier read has had, also one whose rows some sink has and whose position was never saved. */
export async function nextAttempt({ state, preview }: SourceContext): Promise<number> {
  if (preview) return 1;
  const attempt = await lastAttempt({ state }) + 1;
  await state.put("snapshot_attempt", attempt);
  return attempt;
}

/** 0: no snapshot was ever begun. */
export async function lastAttempt({ state }: Pick<SourceContext, "state">): Promise<number> {
  const last = await state.get("snapshot_attempt");
  return typeof last === "number" ? last : 0;
}
