/**
 * Reads all partitions of all topics at once, over a bounded number of connections, and hands out what they give one
 * after the other. source.ts has one for each `read()`.
 */
import { patternTest } from "../../formats/data/stream_pattern.ts";
import type { Clock, Logger } from "../contract.ts";
import type { RivvenClient } from "./client/client.ts";
import type { Messages } from "./client/messages.ts";
import type { RivvenConfig } from "./connector.ts";
import { PartitionReader } from "./partition_reader.ts";

export interface ReadingOptions {
  readonly config: RivvenConfig;
  readonly client: RivvenClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Topic → the next offsets of its partitions, where they are known. Undefined: this is the first run. */
  readonly saved: ReadonlyMap<string, readonly number[]> | undefined;
}

/** Messages of one partition, in order; one at least. */
export interface Fetched {
  readonly reader: PartitionReader;
  readonly messages: Messages;
  /** The offset behind them. */
  readonly next: number;
}

interface Lane {
  readonly reader: PartitionReader;
  /** Not asked again before. */
  notBeforeMs: number;
  idleMs: number;
  checkedMs: number;
}

/** The longest that the broker is let wait, so that a stop is prompt. */
const LONG_POLL_MS = 500;
/** After few records the broker is left alone for a moment: at the log's end it would give them one by one. */
const FEW_RECORDS = 50;
const FEW_RECORDS_PAUSE_MS = 5;
const MAX_IDLE_MS = 100;
/** An empty answer is looked into this often, where it can't be told from a missing record. */
const CHECK_MS = 5000;

export class Reading {
  readonly #options: ReadingOptions;
  readonly #lanes: Lane[] = [];
  /** Topic → how many of its partitions are read. */
  readonly #known = new Map<string, number>();
  #partitions = 0;
  readonly #fetched: Fetched[] = [];
  readonly #workers: Promise<void>[] = [];
  readonly #maxFetched: number;
  readonly #tests: readonly ((topic: string) => boolean)[];
  #wakeReader: (() => void) | undefined;
  readonly #wakeWorkers = new Set<() => void>();
  #failed: { readonly error: unknown } | undefined;
  #isFirst = true;
  #missing = new Set<string>();
  #started = 0;

  constructor(options: ReadingOptions) {
    this.#options = options;
    this.#maxFetched = options.config.connections + 2;
    this.#tests = options.config.topics!.map(patternTest);
    options.signal.addEventListener("abort", () => this.#wakeAll(), { once: true });
  }

  /** Finds the topics and where to begin. @returns the partitions, each with its next offset */
  async start(): Promise<readonly PartitionReader[]> {
    await this.#refresh();
    this.#isFirst = false;
    const readers = this.#lanes.map(({ reader }) => reader);
    this.#workers.push(this.#run(() => this.#watch()));
    return readers;
  }

  /** The next records; undefined when the signal was aborted. @throws what has failed */
  async take(): Promise<Fetched | undefined> {
    const { signal } = this.#options;
    for (;;) {
      if (signal.aborted) return undefined;
      if (this.#failed) throw this.#failed.error;
      const fetched = this.#fetched.shift();
      if (fetched) {
        this.#wakeOthers();
        return fetched;
      }
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** Whether more has come already. */
  get hasMore(): boolean {
    return this.#fetched.length > 0;
  }

  /** Resolves when nothing is on its way any more; the signal is aborted and the client closed before. */
  async end(): Promise<void> {
    this.#wakeAll();
    await Promise.all(this.#workers);
  }

  async #run(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#options.signal.aborted) this.#failed ??= { error };
      this.#wakeAll();
    }
  }

  async #watch(): Promise<void> {
    const { clock, signal, config: { metadata_refresh_ms } } = this.#options;
    this.#startWorkers();
    while (!signal.aborted && !this.#failed) {
      await clock.sleep(metadata_refresh_ms, signal);
      if (signal.aborted || this.#failed) return;
      await this.#refresh();
      this.#startWorkers();
    }
  }

  #startWorkers(): void {
    // One connection is left for the questions between.
    const wanted = Math.min(this.#partitions, Math.max(1, this.#options.config.connections - 1));
    for (; this.#started < wanted; this.#started++) this.#workers.push(this.#run(() => this.#work()));
  }

  /** Takes partitions in turn and asks for their records. */
  async #work(): Promise<void> {
    const { clock, signal } = this.#options;
    while (!signal.aborted && !this.#failed) {
      if (this.#fetched.length >= this.#maxFetched) {
        await new Promise<void>((resolve) => this.#wakeWorkers.add(resolve));
        continue;
      }
      const now = clock.monotonicMs();
      const at = this.#lanes.findIndex(({ notBeforeMs }) => notBeforeMs <= now);
      if (at < 0) {
        await clock.sleep(FEW_RECORDS_PAUSE_MS, signal);
        continue;
      }
      const [lane] = this.#lanes.splice(at, 1);
      await this.#fetch(lane);
      this.#lanes.push(lane);
    }
  }

  async #fetch(lane: Lane): Promise<void> {
    const { clock, config } = this.#options;
    // Whoever may have to wait for another partition's records must not wait at the broker for this one's.
    const waitMs = this.#partitions < config.connections ? LONG_POLL_MS : 0;
    const askedMs = clock.monotonicMs();
    let messages = await lane.reader.fetch(waitMs);
    const now = clock.monotonicMs();
    const isEarly = waitMs > 0 && now - askedMs < waitMs / 2;
    if (!messages && (isEarly || now - lane.checkedMs >= CHECK_MS)) {
      messages = await lane.reader.look();
      // A place that is suspected is looked at again soon.
      if (!lane.reader.isSuspicious) lane.checkedMs = now;
    }
    if (messages) {
      lane.idleMs = 0;
      lane.notBeforeMs = messages.length < FEW_RECORDS ? now + FEW_RECORDS_PAUSE_MS : 0;
      this.#fetched.push({ reader: lane.reader, messages, next: lane.reader.next });
      this.#wakeReader?.();
      return;
    }
    lane.idleMs = Math.min(MAX_IDLE_MS, lane.idleMs * 2 || FEW_RECORDS_PAUSE_MS);
    lane.notBeforeMs = waitMs > 0 && !isEarly ? 0 : now + lane.idleMs;
  }

  /** Looks for topics and partitions that are not read yet. */
  async #refresh(): Promise<void> {
    const { client, config, log } = this.#options;
    const all = await client.topics();
    for (const topic of all.filter((topic) => this.#tests.some((test) => test(topic))).sort()) {
      const count = await client.partitions(topic) ?? 0;
      const known = this.#known.get(topic) ?? 0;
      if (!this.#isFirst && count > known) log.info(`Topic "${topic}" is read, too`, { partitions: count });
      const lanes: Lane[] = [];
      for (let partition = known; partition < count; partition++) {
        const reader = await this.#open(topic, partition);
        lanes.push({ reader, notBeforeMs: 0, idleMs: 0, checkedMs: -Infinity });
      }
      this.#known.set(topic, Math.max(known, count));
      this.#partitions += lanes.length;
      this.#lanes.push(...lanes);
    }
    this.#warnOfMissing(config.topics!, all);
  }

  #warnOfMissing(patterns: readonly string[], topics: readonly string[]): void {
    for (const pattern of patterns) {
      const test = patternTest(pattern);
      if (topics.some(test)) this.#missing.delete(pattern);
      else if (!this.#missing.has(pattern)) {
        this.#missing.add(pattern);
        this.#options.log.warn(`There is no topic "${pattern}" yet: it is waited for`);
      }
    }
  }

  async #open(topic: string, partition: number): Promise<PartitionReader> {
    const { client, config } = this.#options;
    const known = await this.#savedOffset(topic, partition);
    const next = known ?? await this.#firstOffset(topic, partition);
    const reader = new PartitionReader(client, topic, partition, next, config.on_out_of_range);
    if (known !== undefined) await reader.assertInRange();
    return reader;
  }

  /** Ours or the group's, whichever is further: a killed broker forgets, and so does a state that was restored. */
  async #savedOffset(topic: string, partition: number): Promise<number | undefined> {
    const { client, config: { consumer_group: group, resets_group }, saved, log } = this.#options;
    const found = saved?.get(topic)?.[partition] ?? -1;
    const own = found < 0 ? undefined : found;
    const asksGroup = group !== undefined && !(resets_group && saved === undefined);
    const committed = asksGroup ? await client.committed(group, topic, partition) : undefined;
    if (own === undefined || committed === undefined || committed <= own) return own ?? committed;
    log.warn(
      `Group "${group}" is at offset ${committed} of partition ${partition} of topic "${topic}", and this pipeline ` +
        `at ${own}: it goes on at ${committed}`,
      { topic, partition, offset: committed, own },
    );
    return committed;
  }

  async #firstOffset(topic: string, partition: number): Promise<number> {
    const { client, config, saved } = this.#options;
    const { earliest, latest } = await client.offsets(topic, partition);
    // What has appeared since the first run began is read from its beginning.
    if (!this.#isFirst || saved !== undefined) return earliest;
    const { start_offset: start } = config;
    if (start === "earliest") return earliest;
    if (start === "latest") return latest;
    return await client.offsetAt(topic, partition, Date.parse(start.timestamp)) ?? latest;
  }

  #wakeOthers(): void {
    for (const wake of this.#wakeWorkers) wake();
    this.#wakeWorkers.clear();
  }

  #wakeAll(): void {
    this.#wakeReader?.();
    this.#wakeOthers();
  }
}
