/**
 * Sends records to partitions: over many connections at once, and of each partition one batch at a time, because only
 * that keeps its order. What piles up while a batch is on its way is the next one, so load makes the batches. sink.ts
 * fills it.
 */
import type { RivvenClient } from "./client/client.ts";
import { publishEncoded, writeRecordTo } from "./client/requests.ts";
import { PostcardWriter } from "./client/wire.ts";

export interface PublisherOptions {
  /** Batches on their way at once. */
  readonly connections: number;
  /** Most records of a batch. */
  readonly batchSize: number;
}

/** A batch ends with the record that makes it this large. */
const MAX_BATCH_BYTES = 1 << 20;
/** Bytes that may wait before `room()` does. */
const MAX_WAITING_BYTES = 32 << 20;

interface Batch {
  readonly count: number;
  readonly records: Uint8Array;
}

/** One partition of a topic. Made by `partition()`. */
export interface PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  readonly full: Batch[];
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

  partition(topic: string, partition: number): PartitionQueue {
    return { topic, partition, full: [], open: undefined, openCount: 0, isBusy: false };
  }

  /** Copies a record into a partition's next batch. `send()` must follow, at the end of many. */
  add(queue: PartitionQueue, key: Uint8Array | undefined, value: Uint8Array): void {
    const writer = queue.open ??= new PostcardWriter(4096);
    const before = writer.at;
    writeRecordTo(writer, key, value);
    this.#waitingBytes += writer.at - before;
    this.#waitingRecords++;
    queue.openCount++;
    if (queue.openCount >= this.#options.batchSize || writer.at >= MAX_BATCH_BYTES) closeBatch(queue);
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
    const { count, records } = queue.full.shift()!;
    const { topic, partition } = queue;
    try {
      await this.#client.request(
        publishEncoded(topic, partition, count, records),
        `publish to partition ${partition} of topic "${topic}"`,
        { beforeRetry: () => this.#client.settled(topic, partition) },
      );
      this.#waitingRecords -= count;
      this.#waitingBytes -= records.length;
    } catch (error) {
      this.#failed ??= error;
    }
    this.#sending--;
    if (queue.full.length > 0 || queue.openCount > 0) this.#ready.push(queue);
    else queue.isBusy = false;
    this.send();
    this.#wake?.();
  }
}

function closeBatch(queue: PartitionQueue): void {
  queue.full.push({ count: queue.openCount, records: queue.open!.written });
  queue.open = undefined;
  queue.openCount = 0;
}
