/**
 * The `rivven` source: the topics of a broker as records, each partition a lane. Loaded by its worker. reading.ts gets
 * the messages, unwrapper.ts makes records of them.
 */
import { batchFromData } from "../../formats/data/batch.ts";
import { Streams } from "../../formats/data/envelope_reader.ts";
import { ConnectorError, reportError } from "../../formats/data/errors.ts";
import { patternTest } from "../../formats/data/stream_pattern.ts";
import type { Batch, CheckReport, DiscoveredStream, Position, Source, SourceContext } from "../contract.ts";
import type { RivvenClient } from "./client/client.ts";
import type { RivvenConfig } from "./connector.ts";
import { openClient, serversOf } from "./open_client.ts";
import type { PartitionReader } from "./partition_reader.ts";
import { lowestPosition, positionOf, readPosition } from "./position.ts";
import { Reading } from "./reading.ts";
import { Unwrapper } from "./unwrapper.ts";

/** Offsets are told to the broker this often, unless `offset_commit_interval` asks for more. */
const COMMIT_INTERVAL_MS = 1000;

/**
 * Opens the source. Nothing is asked of the broker yet.
 *
 * @throws {ConnectorError} when the configuration has no topics, or `streams` selects some
 */
export function openSource(config: RivvenConfig, context: SourceContext): Source {
  if (config.topics === undefined) {
    throw new ConnectorError(`Source "${context.name}" has no topics to read`, {
      code: "config_topics",
      hint: "Name them with topics, as in topics: [cdc.*]",
    });
  }
  if (context.streams.length > 0) {
    throw new ConnectorError(`Source "${context.name}" selects by topics, not by streams`, {
      code: "config_streams",
      hint: "Leave streams out, and name the topics with topics",
    });
  }
  return new RivvenSource(config, context);
}

class RivvenSource implements Source {
  readonly #config: RivvenConfig;
  readonly #context: SourceContext;
  /** For questions and commits; records come over connections of their own. */
  readonly #client: RivvenClient;
  #acknowledged: Position | undefined;
  #committed = new Map<string, number>();
  #committedAtMs = -Infinity;

  constructor(config: RivvenConfig, context: SourceContext) {
    this.#config = config;
    this.#context = context;
    this.#client = openClient(config, context, 2);
  }

  async *read(from: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    const { clock, log, progress, preview } = this.#context;
    const offsets = from === undefined ? new Map<string, number[]>() : readPosition(from);
    const stopped = new AbortController();
    const stop = () => stopped.abort();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    // Each may wait at the broker for records; one more is for the questions between.
    const client = openClient(this.#config, this.#context, this.#config.connections + 1);
    // A request that is on its way must not keep us from stopping.
    stopped.signal.addEventListener("abort", () => void client[Symbol.asyncDispose](), { once: true });
    const reading = new Reading({
      // A look shows what is there, not what is still to be read.
      config: preview
        ? { ...this.#config, consumer_group: undefined, start_offset: "earliest" }
        : this.#config,
      client,
      clock,
      log,
      signal: stopped.signal,
      saved: from === undefined ? undefined : new Map(offsets),
    });
    try {
      progress({ phase: "starting" });
      for (const reader of await reading.start()) note(offsets, reader, reader.next);
      if (from === undefined && this.#config.resets_group && !preview) await this.#resetGroup(offsets);
      progress({ phase: "streaming" });
      // So that a second run begins where the first one would have, also when nothing came.
      if (from === undefined) yield this.#emptyBatch(offsets);
      yield* this.#batches(reading, offsets);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      stop();
      await client[Symbol.asyncDispose]();
      await reading.end();
    }
  }

  /** Sets the group's offsets to where reading begins: the ones that it has would go before ours the next time. */
  async #resetGroup(offsets: ReadonlyMap<string, readonly number[]>): Promise<void> {
    const { consumer_group: group } = this.#config;
    for (const [topic, next] of group === undefined ? [] : offsets) {
      for (const [partition, offset] of next.entries()) {
        await this.#client.commit(group!, topic, partition, offset);
      }
      this.#context.log.info(`Group "${group}" begins topic "${topic}" at ${next.join(", ")}`, { topic });
    }
  }

  lowest(positions: readonly Position[]): Position {
    return lowestPosition(positions);
  }

  /** Tells the broker, where a group is configured, as far as it lets us. */
  async acknowledge(position: Position): Promise<void> {
    const { consumer_group: group, offset_commit_interval: interval = 0 } = this.#config;
    if (group === undefined || this.#context.preview) return;
    this.#acknowledged = position;
    const now = this.#context.clock.monotonicMs();
    const isDue = now - this.#committedAtMs >= COMMIT_INTERVAL_MS ||
      (interval > 0 && this.#uncommitted(position) >= interval);
    if (!isDue) return;
    this.#committedAtMs = now;
    await this.#commit(group);
  }

  /** How many offsets lie between what the broker knows and the position. */
  #uncommitted(position: Position): number {
    let count = 0;
    for (const [topic, offsets] of readPosition(position)) {
      for (const [partition, offset] of offsets.entries()) {
        count += Math.max(0, offset - (this.#committed.get(`${topic}/${partition}`) ?? 0));
      }
    }
    return count;
  }

  async check(report: CheckReport): Promise<void> {
    await using client = openClient(this.#config, this.#context, 1, 0);
    let all: readonly string[];
    try {
      all = await client.topics();
    } catch (error) {
      const { message, hint } = reportError(error);
      return report({ name: "connection", status: "failed", message, hint, blame: "environment" });
    }
    report({ name: "connection", status: "ok", message: `${serversOf(this.#config).join(", ")} answers` });
    for (const pattern of this.#config.topics!) {
      const found = all.filter(patternTest(pattern));
      if (found.length === 0) {
        report({
          name: "topics",
          status: "warning",
          message: `No topic is called "${pattern}": it is waited for`,
          hint: `There is ${
            all.length === 0 ? "none" : all.slice(0, 10).map((topic) => `"${topic}"`).join(", ")
          }`,
        });
      } else {
        const isOne = found.length === 1;
        report({
          name: "topics",
          status: "ok",
          message: `"${pattern}" selects ${isOne ? found[0] : `${found.length} topics`}`,
        });
      }
    }
  }

  /** The topics; which tables are in them only their records say. */
  async discover(): Promise<readonly DiscoveredStream[]> {
    const topics = await this.#client.topics();
    return await Promise.all(
      topics.sort().map(async (topic) => {
        let estimatedRows = 0;
        const partitions = await this.#client.partitions(topic) ?? 0;
        for (let partition = 0; partition < partitions; partition++) {
          const { earliest, latest } = await this.#client.offsets(topic, partition);
          estimatedRows += latest - earliest;
        }
        const stream = { name: topic, key: [], payload: "json" as const, version: 1 };
        return { stream, estimatedRows, syncModes: ["incremental" as const] };
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { consumer_group: group } = this.#config;
    if (group !== undefined && this.#acknowledged) await this.#commit(group);
    await this.#client[Symbol.asyncDispose]();
  }

  async *#batches(reading: Reading, offsets: Map<string, number[]>): AsyncGenerator<Batch> {
    const writer = this.#context.batchWriter();
    const streams = new Streams();
    const unwrappers = new Map<PartitionReader, Unwrapper>();
    for (let fetched = await reading.take(); fetched; fetched = await reading.take()) {
      const { reader, messages, next } = fetched;
      let unwrapper = unwrappers.get(reader);
      if (!unwrapper) {
        unwrapper = new Unwrapper(reader.topic, streams, this.#config.envelope === "none");
        unwrappers.set(reader, unwrapper);
        await this.#prime(unwrapper, reader, messages.at(0).offset);
      }
      writer.lane = `${reader.topic}/${reader.partition}`;
      for (let i = 0; i < messages.length; i++) {
        const message = messages.at(i);
        unwrapper.write(writer, message);
        if (!writer.isFull) continue;
        note(offsets, reader, message.offset + 1);
        yield batchFromData(writer.finish(positionOf(offsets)));
      }
      note(offsets, reader, next);
      if (writer.length > 0) yield batchFromData(writer.finish(positionOf(offsets)));
    }
  }

  /** A tombstone's table is its delete's: where reading begins between the two, that one is looked at first. */
  async #prime(unwrapper: Unwrapper, { topic, partition }: PartitionReader, first: number): Promise<void> {
    if (first === 0) return;
    const options = { topic, partition, offset: first - 1, maxRecords: 1, maxWaitMs: 0 };
    const [previous] = await this.#client.consume(options);
    if (previous?.offset === first - 1) unwrapper.prime(previous);
  }

  #emptyBatch(offsets: Map<string, number[]>): Batch {
    return batchFromData(this.#context.batchWriter({ maxRecords: 1 }).finish(positionOf(offsets)));
  }

  async #commit(group: string): Promise<void> {
    for (const [topic, offsets] of readPosition(this.#acknowledged!)) {
      for (const [partition, offset] of offsets.entries()) {
        const id = `${topic}/${partition}`;
        if (offset < 0 || this.#committed.get(id) === offset) continue;
        try {
          await this.#client.commit(group, topic, partition, offset);
          this.#committed.set(id, offset);
        } catch (error) {
          const { message, code } = reportError(error);
          this.#context.log.warn(`${message}. The pipeline goes on: its own position is what counts`, {
            code,
          });
          return;
        }
      }
    }
  }
}

/** Notes the next offset of a partition; those below it that nobody has looked at are -1. */
function note(offsets: Map<string, number[]>, { topic, partition }: PartitionReader, next: number): void {
  const known = offsets.get(topic) ?? [];
  // A position that was handed out stays as it is.
  const changed = known.slice();
  while (changed.length <= partition) changed.push(-1);
  changed[partition] = next;
  offsets.set(topic, changed);
}
