/**
 * The `rivven` sink: each record to a partition of its topic, the same one for all records with its key. Loaded by its
 * worker. How batches are sent is in publisher.ts.
 */
import { ConnectorError, RecordError, reportError } from "../../formats/data/errors.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Json } from "../../formats/data/value.ts";
import { NORMALIZATION } from "../../formats/topic/normalization.ts";
import { TopicBook, type TopicOwners } from "../../formats/topic/topic_book.ts";
import { topicProblem } from "../../formats/topic/topic_name.ts";
import type { Batch, CheckReport, Sink, SinkContext } from "../contract.ts";
import type { RivvenClient } from "./client/client.ts";
import type { RivvenConfig } from "./connector.ts";
import { Ends } from "./ends.ts";
import { carriesOrder } from "./identity.ts";
import { openClient, serversOf } from "./open_client.ts";
import { type Choice, choiceFor } from "./partitioner.ts";
import { type PartitionQueue, Publisher } from "./publisher.ts";

/** The broker takes requests of 10 MiB, and what just fits can never be read again: its answer is larger. */
const MAX_RECORD_BYTES = 9 * 1024 * 1024;

/** Where a stream's records go. */
interface Target {
  readonly partitions: readonly PartitionQueue[];
  readonly choose: Choice;
}

/**
 * Opens the sink. The broker is asked for with the first record; already now where its one topic must exist.
 *
 * @throws {ConnectorError} when the configuration is a source's, or the topic is missing
 */
export async function openSink(config: RivvenConfig, context: SinkContext): Promise<Sink> {
  if (config.topics !== undefined) {
    throw new ConnectorError(`Sink "${context.name}" has topics, which is a source's key`, {
      code: "config_topics",
      hint: "Name the topic to publish to with topic, or leave both out",
    });
  }
  const sink = new RivvenSink(config, context);
  try {
    await sink.start();
    return sink;
  } catch (error) {
    await sink[Symbol.asyncDispose]();
    throw error;
  }
}

class RivvenSink implements Sink {
  readonly #config: RivvenConfig;
  readonly #context: SinkContext;
  readonly #client: RivvenClient;
  readonly #publisher: Publisher;
  /** By stream; an error where the stream has no possible topic. */
  readonly #targets = new WeakMap<Stream, Target | RecordError>();
  readonly #topics = new Map<string, readonly PartitionQueue[]>();
  #book: TopicBook | undefined;
  /** Undefined where records don't say which ones they are. */
  readonly #ends: Ends | undefined;
  #hasWritten = false;

  constructor(config: RivvenConfig, context: SinkContext) {
    const { connections, batch_size: batchSize } = config;
    this.#config = config;
    this.#context = context;
    this.#client = openClient(config, context, connections);
    this.#ends = carriesOrder(context.layout) ? new Ends(context) : undefined;
    this.#publisher = new Publisher(this.#client, {
      connections,
      batchSize,
      recognises: this.#ends !== undefined,
      onFound: (topic, partition, records) => {
        context.metrics.add("rivven_found_records", records);
        context.log.info(`Partition ${partition} of topic "${topic}" has ${records} of the records already`);
      },
    });
  }

  async start(): Promise<void> {
    const { topic, topic_config: { auto_create = true, require_topic_exists = true } } = this.#config;
    if (auto_create || !require_topic_exists || topic === undefined || topic.includes("{")) return;
    if (await this.#client.partitions(topic) === undefined) throw missing(topic, true);
  }

  async write(batch: Batch): Promise<void> {
    await this.#publisher.room();
    const { reject } = this.#context;
    for (let i = 0; i < batch.length; i++) {
      const stream = batch.stream(i);
      const target = this.#targets.get(stream) ?? await this.#targetOf(stream, batch);
      if (target instanceof RecordError) {
        reject(batch, i, target);
        continue;
      }
      const text = batch.span(i, "text")!;
      const isTombstone = batch.operation(i) === "tombstone";
      // A layout without a text for this operation. Published, an empty value would delete the row.
      if (text.length === 0 && !isTombstone) continue;
      const key = batch.span(i, "key");
      // Without the line's end.
      const value = text.length === 0 ? text : text.subarray(0, text.length - 1);
      const problem = recordProblem(key, value);
      if (problem) {
        reject(batch, i, problem);
        continue;
      }
      this.#publisher.add(target.partitions[target.choose(key)], key, value);
    }
    this.#hasWritten ||= batch.length > 0;
    this.#publisher.send();
  }

  async flush(): Promise<Json | void> {
    await this.#publisher.flush();
    if (!this.#ends || !this.#hasWritten) return;
    this.#hasWritten = false;
    return this.#ends.with(
      Object.fromEntries([...this.#topics].map(([topic, queues]) => [topic, queues.map(({ end }) => end)])),
    );
  }

  async check(report: CheckReport): Promise<void> {
    const { topic, topic_config, auth } = this.#config;
    const servers = serversOf(this.#config).join(", ");
    await using client = openClient(this.#config, this.#context, 1, 0);
    let topics: readonly string[];
    try {
      topics = await client.topics();
    } catch (error) {
      const { message, hint } = reportError(error);
      return report({ name: "connection", status: "failed", message, hint, blame: "environment" });
    }
    const login = auth ? ` as "${auth.username}"` : "";
    report({ name: "connection", status: "ok", message: `${servers} answers${login}` });
    if (topic === undefined || topic.includes("{")) return;
    const exists = topics.includes(topic);
    const count = exists ? await client.partitions(topic) : undefined;
    if (exists) return report({ name: "topic", status: "ok", message: `"${topic}" has ${count} partitions` });
    if (topic_config.auto_create ?? true) {
      return report({
        name: "topic",
        status: "ok",
        message: `"${topic}" does not exist yet: it is made at the start`,
      });
    }
    report({
      name: "topic",
      status: "failed",
      message: `"${topic}" does not exist`,
      hint: "Create it, or set topic_config.auto_create: true",
      blame: "environment",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  async #targetOf(stream: Stream, batch: Batch): Promise<Target | RecordError> {
    const book = this.#book ??= this.#openBook(batch.encoded().origin.name);
    const topic = await book.topicOf(stream);
    const problem = topicProblem(topic);
    const target = problem === undefined
      ? await this.#targetIn(topic, stream, batch.encoded().origin.name)
      : new RecordError(`Stream "${qualifiedName(stream)}" has no topic: ${problem}`, {
        code: "config_topic_name",
      });
    this.#targets.set(stream, target);
    return target;
  }

  async #targetIn(topic: string, stream: Stream, source: string): Promise<Target | RecordError> {
    const partitions = await this.#partitionsOf(topic, source);
    const choose = choiceFor(this.#config.partitioner, topic, stream, partitions.length);
    return choose instanceof RecordError ? choose : { partitions, choose };
  }

  async #partitionsOf(topic: string, source: string): Promise<readonly PartitionQueue[]> {
    const known = this.#topics.get(topic);
    if (known) return known;
    const { topic_config } = this.#config;
    const { auto_create = true, partitions, require_topic_exists = true, validate_existing = false } =
      topic_config;
    let count = await this.#client.partitions(topic);
    if (count === undefined && auto_create) {
      const made = await this.#client.ensureTopic(topic, partitions);
      count = made.partitions;
      if (made.isNew) this.#context.log.info(`Topic "${topic}" was made`, { partitions: count });
    }
    if (count === undefined) throw missing(topic, require_topic_exists);
    if (validate_existing && partitions !== undefined && count !== partitions) {
      throw new ConnectorError(
        `Cannot publish to topic "${topic}": it has ${count} partitions, and ${partitions} are configured`,
        {
          code: "config_topic_partitions",
          hint: "Correct partitions, or set validate_existing: false",
        },
      );
    }
    const queues = await this.#queues(topic, count, source);
    this.#topics.set(topic, queues);
    return queues;
  }

  async #queues(topic: string, count: number, source: string): Promise<PartitionQueue[]> {
    const partitions = Array.from({ length: count }, (_, partition) => partition);
    const known = await this.#ends?.of(topic);
    const ends = known ??
      (this.#ends
        ? await Promise.all(partitions.map(async (p) => (await this.#client.offsets(topic, p)).latest))
        : []);
    if (!known) await this.#ends?.begin(topic, ends);
    return partitions.map((p) => this.#publisher.partition(topic, p, source, ends[p] ?? 0, !known));
  }

  #openBook(source: string): TopicBook {
    const { topic, normalization = NORMALIZATION } = this.#config;
    const { state, flow, log } = this.#context;
    const key = `topics of ${flow}`;
    const owners: TopicOwners = {
      get: async () => (await state.get(key) ?? {}) as Record<string, string>,
      put: (owners) => state.put(key, owners),
    };
    return new TopicBook({
      pattern: topic,
      normalization,
      source,
      warn: (message) => log.warn(message),
      owners,
    });
  }
}

/** @param isFinal false: it is waited for, by trying again */
function missing(topic: string, isFinal: boolean): ConnectorError {
  return new ConnectorError(`Cannot publish to topic "${topic}": it does not exist`, {
    code: "not_found_topic",
    hint: "Create it, or set topic_config.auto_create: true",
    retryable: !isFinal,
  });
}

function recordProblem(key: Uint8Array | undefined, value: Uint8Array): RecordError | undefined {
  if (value.length === 0 && key === undefined) {
    return new RecordError("A tombstone without a key can't be published: it would say nothing", {
      code: "schema_tombstone_without_key",
    });
  }
  const size = value.length + (key?.length ?? 0);
  if (size <= MAX_RECORD_BYTES) return undefined;
  return new RecordError(
    `The record has ${size} bytes, and the broker can give back ${MAX_RECORD_BYTES} at most`,
    {
      code: "serialization_too_large",
    },
  );
}
