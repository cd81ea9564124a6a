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
  /** Found, and not read yet. */
  #lanes: Lane[] = [];
  /** Topic → how many of its partitions are read. */
  readonly #known = new Map<string, number>();
  #partitions = 0;
  readonly #fetched: Fetched[] = [];
  readonly #work: Promise<void>[] = [];
  /** Partitions that are being asked, and those that wait to be. */
  #asking = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #maxFetched: number;
  readonly #tests: readonly ((topic: string) => boolean)[];
  #wakeReader: (() => void) | undefined;
  #failed: { readonly error: unknown } | undefined;
  #isFirst = true;
  #missing = new Set<string>();

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
    this.#work.push(this.#run(() => this.#watch()));
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
        this.#admit();
        return fetched;
      }
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** Resolves when nothing is on its way any more; the signal is aborted and the client closed before. */
  async end(): Promise<void> {
    this.#wakeAll();
    await Promise.all(this.#work);
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
    while (!this.#isOver) {
      for (const lane of this.#lanes) this.#work.push(this.#run(() => this.#read(lane)));
      this.#lanes = [];
      await clock.sleep(metadata_refresh_ms, signal);
      if (!this.#isOver) await this.#refresh();
    }
  }

  /** Asks for a partition's records again and again, in turn with the others. */
  async #read(lane: Lane): Promise<void> {
    const { clock, signal } = this.#options;
    for (;;) {
      await this.#turn();
      if (this.#isOver) return;
      const pauseMs = await this.#fetch(lane);
      this.#asking--;
      this.#admit();
      if (pauseMs > 0) await clock.sleep(pauseMs, signal);
    }
  }

  /** Resolves when a connection is free and there is room for what it brings. */
  async #turn(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#admit();
    await turn;
  }

  /** Lets those ask that have waited the longest; all of them, when reading is over. */
  #admit(): void {
    const { connections } = this.#options.config;
    while (
      this.#waiting.length > 0 &&
      (this.#isOver || (this.#asking < connections && this.#fetched.length < this.#maxFetched))
    ) {
      this.#asking++;
      this.#waiting.shift()!();
    }
  }

  get #isOver(): boolean {
    return this.#options.signal.aborted || this.#failed !== undefined;
  }

  /** @returns how long to leave the partition alone */
  async #fetch(lane: Lane): Promise<number> {
    const { clock, config } = this.#options;
    // Whoever may have to wait for another partition's records must not wait at the broker for this one's.
    const waitMs = this.#partitions <= config.connections ? LONG_POLL_MS : 0;
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
      this.#fetched.push({ reader: lane.reader, messages, next: lane.reader.next });
      this.#wakeReader?.();
      return messages.length < FEW_RECORDS ? FEW_RECORDS_PAUSE_MS : 0;
    }
    lane.idleMs = Math.min(MAX_IDLE_MS, lane.idleMs * 2 || FEW_RECORDS_PAUSE_MS);
    return waitMs > 0 && !isEarly ? 0 : lane.idleMs;
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
        lanes.push({ reader, idleMs: 0, checkedMs: -Infinity });
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

  #wakeAll(): void {
    this.#wakeReader?.();
    this.#admit();
  }
}
