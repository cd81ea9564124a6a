/** What the tests of this connector share: a source on a real server, and what it has emitted as a table again. */
import assert from "node:assert/strict";
import { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Json, Value } from "../../formats/data/value.ts";
import type { Postgres } from "../../tests/servers/postgres.ts";
import type { Batch, Position, Source, SourceContext, SourceProgress } from "../contract.ts";
import { config as schema, type PostgresConfig } from "./connector.ts";
import { openSource } from "./source.ts";

/** A context that remembers what was logged. The clock is the real one: a real server keeps time for itself. */
export interface TestContext extends SourceContext {
  readonly messages: string[];
  readonly progressed: SourceProgress[];
  readonly documents: Map<string, Json>;
}

const ORIGIN = { connector: "postgres-cdc", name: "test", version: "0.0.0" };

export function testContext(overrides: Partial<SourceContext> = {}): TestContext {
  const { layout = "standard" } = overrides;
  const messages: string[] = [];
  const progressed: SourceProgress[] = [];
  const documents = new Map<string, Json>();
  const note = (level: string) => (message: string, fields?: Readonly<Record<string, Json>>) => {
    messages.push(`${level}: ${message}${fields ? ` ${JSON.stringify(fields)}` : ""}`);
  };
  return {
    name: "test",
    log: { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") },
    metrics: { add: () => {}, set: () => {} },
    state: {
      get: (key) => Promise.resolve(documents.get(key)),
      put: (key, value) => Promise.resolve(void documents.set(key, value)),
    },
    clock: {
      nowMicros: () => BigInt(Date.now()) * 1000n,
      monotonicMs: () => performance.now(),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const done = () => {
            clearTimeout(timer);
            signal?.removeEventListener("abort", done);
            resolve();
          };
          const timer = setTimeout(done, ms);
          signal?.addEventListener("abort", done, { once: true });
        }),
    },
    random: Math.random,
    layout,
    streams: [],
    preview: false,
    batchWriter: (limits) =>
      new BatchWriter({ ...limits, origin: ORIGIN, layout, nowMicros: () => BigInt(Date.now()) * 1000n }),
    progress: (progress) => void progressed.push(progress),
    messages,
    progressed,
    documents,
    ...overrides,
  };
}

/** A configuration for a test server, defaults filled in. */
export function configFor(
  pg: Pick<Postgres, "host" | "port" | "user" | "password" | "database">,
  keys: Record<string, unknown> = {},
): PostgresConfig {
  const { host, port, user, password, database } = pg;
  return schema.parse({ host, port, user, password, database, ...keys });
}

/** A reader that keeps what it has read; every batch is acknowledged unless told otherwise. */
export class Reader implements AsyncDisposable {
  readonly source: Source;
  readonly context: TestContext;
  readonly batches: Batch[] = [];
  readonly #abort = new AbortController();
  readonly #iterator: AsyncIterator<Batch>;
  acknowledges = true;

  constructor(config: PostgresConfig, from?: Position, context: TestContext = testContext()) {
    this.context = context;
    this.source = openSource(config, context);
    this.#iterator = this.source.read(from, this.#abort.signal)[Symbol.asyncIterator]();
  }

  /** The next batch; undefined when the source has ended. */
  async next(): Promise<Batch | undefined> {
    const { value, done } = await this.#iterator.next();
    if (done) return undefined;
    this.batches.push(value);
    if (this.acknowledges) await this.source.acknowledge(value.position);
    return value;
  }

  /** Reads until what has been read satisfies the test. */
  async until(isEnough: (records: readonly DataRecord[]) => boolean): Promise<DataRecord[]> {
    const records: DataRecord[] = this.records;
    while (!isEnough(records)) {
      const batch = await this.next();
      assert(batch, "The source ended before it had sent what the test waits for");
      records.push(...batch.records);
    }
    return records;
  }

  /** Reads until this many records came. */
  async atLeast(count: number): Promise<DataRecord[]> {
    return await this.until((records) => records.length >= count);
  }

  get records(): DataRecord[] {
    return this.batches.flatMap((batch) => batch.records);
  }

  get position(): Position | undefined {
    return this.batches.at(-1)?.position;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#iterator.return?.();
    await this.source[Symbol.asyncDispose]();
  }
}

/** What is left when records are applied in order, by table and key; `tables` then compares with the server. */
export function replay(records: Iterable<DataRecord>): Map<string, Map<string, Record<string, Value>>> {
  const tables = new Map<string, Map<string, Record<string, Value>>>();
  for (const record of records) {
    const name = `${record.stream.namespace}.${record.stream.name}`;
    const rows = tables.get(name) ?? new Map<string, Record<string, Value>>();
    tables.set(name, rows);
    const key = text(record.key ?? null);
    if (record.operation === "delete") rows.delete(key);
    else {
      // A partial row (unchanged TOAST) leaves the other columns as they were.
      const kept = record.unavailable ? rows.get(key) ?? {} : {};
      rows.set(key, { ...kept, ...record.after as Record<string, Value> });
    }
  }
  return tables;
}

/** JSON that tells bigint from number. */
export function text(value: Value): string {
  return JSON.stringify(value, (_, each) => typeof each === "bigint" ? `${each}n` : each);
}
