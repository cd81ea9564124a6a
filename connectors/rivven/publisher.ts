/**
 * Sends records to partitions: over many connections at once, and of each partition one batch at a time, because only
 * that keeps its order. What piles up while a batch is on its way is the next one, so load makes the batches. sink.ts
 * fills it.
 */
import type { RivvenClient } from "./client/client.ts";
import { type EncodedRecords, publishEncoded, writeRecordTo } from "./client/requests.ts";
import { PostcardWriter } from "./client/wire.ts";
import { RecordNames } from "./identity.ts";
import { publishedSince, withoutFound } from "./published.ts";

export interface PublisherOptions {
  /** Batches on their way at once. */
  readonly connections: number;
  /** Most records of a batch. */
  readonly batchSize: number;
  /** False: records don't say which ones they are, so a batch whose answer was lost is sent again as a whole. */
  readonly recognises: boolean;
  /** Told how many records were there already. */
  readonly onFound: (topic: string, partition: number, records: number) => void;
}

/** A batch ends with the record that makes it this large. */
const MAX_BATCH_BYTES = 1 << 20;
/** Bytes that may wait before `room()` does. */
const MAX_WAITING_BYTES = 32 << 20;

/**
 * Records to a partition after which nothing more is expected to come of what was found there. It comes first in its
 * lane, so only what will never come is left by then: rows of a snapshot that was begun anew.
 */
const PATIENCE_RECORDS = 100_000;

/** One partition of a topic. Made by `partition()`. */
export interface PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  /** The source whose records these are. */
  readonly source: string;
  /** Of our records, only those from here on may come once more. */
  end: number;
  /** False: there may be such that we don't know of. */
  isKnown: boolean;
  /** What was found of them and is yet to come, and the names of what comes. */
  found: { readonly names: RecordNames; readonly left: Set<string>; patience: number } | undefined;
  readonly full: EncodedRecords[];
  open: PostcardWriter | undefined;
  openCount: number;
  /** It waits for a connection, or its batch is on its way. */
  isBusy: boolean;
}

export class Publisher {
  readonly #client: RivvenClient;
  readonly #options: PublisherOptions;
  readonly #maxWaiting: number;
  readonly #ready: PartitionQueue[] = [];
  #waitingRecords = 0;
  #waitingBytes = 0;
  #sending = 0;
  #failed: unknown;
  #wake: (() => void) | undefined;

  constructor(client: RivvenClient, options: PublisherOptions) {
    this.#client = client;
    this.#options = options;
    // Enough that no partition runs dry while others are full, and not more than a flush can wait for.
    this.#maxWaiting = options.connections * options.batchSize * 4;
  }

  /** @param isKnown false: an earlier run may have published records at `end` or behind it */
  partition(
    topic: string,
    partition: number,
    source: string,
    end: number,
    isKnown: boolean,
  ): PartitionQueue {
    const nothing = { found: undefined, full: [], open: undefined, openCount: 0, isBusy: false };
    return { topic, partition, source, end, isKnown, ...nothing };
  }

  /** Copies a record into a partition's next batch. `send()` must follow, at the end of many. */
  add(queue: PartitionQueue, key: Uint8Array | undefined, value: Uint8Array): void {
    const { batchSize } = this.#options;
    // A tombstone is told apart by the record before it, so the two stay together.
    if (queue.openCount >= batchSize + (value.length === 0 ? 1 : 0)) closeBatch(queue);
    const writer = queue.open ??= new PostcardWriter(4096);
    const before = writer.at;
    writeRecordTo(writer, key, value);
    this.#waitingBytes += writer.at - before;
    this.#waitingRecords++;
    queue.openCount++;
    if (writer.at >= MAX_BATCH_BYTES) closeBatch(queue);
    if (queue.isBusy) return;
    queue.isBusy = true;
    this.#ready.push(queue);
  }

  /** Sends what waits, as far as connections are free; the rest follows by itself. */
  send(): void {
    while (this.#sending < this.#options.connections && this.#failed === undefined) {
      const queue = this.#ready.shift();
      if (queue === undefined) return;
      this.#sending++;
      void this.#sendBatch(queue);
    }
  }

  /** Resolves when more records may be added. @throws what has failed */
  async room(): Promise<void> {
    await this.#until(() =>
      this.#waitingRecords < this.#maxWaiting && this.#waitingBytes < MAX_WAITING_BYTES
    );
  }

  /** Resolves when the broker has acknowledged all records. @throws what has failed; then nothing is certain */
  async flush(): Promise<void> {
    await this.#until(() => this.#waitingRecords === 0);
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (!isReached() && this.#failed === undefined) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#failed !== undefined) throw this.#failed;
  }

  async #sendBatch(queue: PartitionQueue): Promise<void> {
    if (queue.full.length === 0) closeBatch(queue);
    const batch = queue.full.shift()!;
    try {
      await this.#publish(queue, batch);
      this.#waitingRecords -= batch.count;
      this.#waitingBytes -= batch.bytes.length;
    } catch (error) {
      this.#failed ??= error;
    }
    this.#sending--;
    if (queue.full.length > 0 || queue.openCount > 0) this.#ready.push(queue);
    else queue.isBusy = false;
    this.send();
    this.#wake?.();
  }

  async #publish(queue: PartitionQueue, batch: EncodedRecords): Promise<void> {
    const { topic, partition, source } = queue;
    const { recognises, onFound } = this.#options;
    if (!queue.isKnown) {
      const left = await publishedSince(this.#client, topic, partition, queue.end, source);
      queue.isKnown = true;
      if (left.size > 0) queue.found = { names: new RecordNames(source), left, patience: PATIENCE_RECORDS };
    }
    let rest = batch;
    if (queue.found) {
      const { names, left } = queue.found;
      rest = withoutFound(batch, left, names);
      if (left.size === 0) queue.found = undefined;
      if (rest.count < batch.count) onFound(topic, partition, batch.count - rest.count);
    }
    if (rest.count === 0) return;
    const sent = { ...rest };
    const answer = await this.#client.request(
      publishEncoded(topic, partition, sent),
      `publish to partition ${partition} of topic "${topic}"`,
      {
        beforeRetry: async () => {
          if (!recognises) return void await this.#client.settled(topic, partition);
          const found = await publishedSince(this.#client, topic, partition, queue.end, source);
          const { count } = sent;
          Object.assign(sent, withoutFound(rest, found, new RecordNames(source)));
          if (sent.count < count) onFound(topic, partition, count - sent.count);
        },
      },
    );
    if (queue.found && (queue.found.patience -= rest.count) <= 0) queue.found = undefined;
    // Of an empty batch the answer says nothing.
    if (answer.count > 0 && !queue.found) queue.end = answer.baseOffset + answer.count;
  }
}

function closeBatch(queue: PartitionQueue): void {
  queue.full.push({ count: queue.openCount, bytes: queue.open!.written });
  queue.open = undefined;
  queue.openCount = 0;
}
