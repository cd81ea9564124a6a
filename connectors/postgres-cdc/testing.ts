/** What the tests of this connector share: a source on a real server, and what it has emitted as a table again. */
import assert from "node:assert/strict";
import { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Json, Value } from "../../formats/data/value.ts";
import type { Postgres } from "../../tests/servers/postgres.ts";
import { waitUntil } from "../../tests/servers/process.ts";
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
    reject: (_, error) => {
      throw error;
    },
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
  pg: { readonly [Key in "host" | "user" | "password" | "database"]: string } & { readonly port: number },
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

/** Rows by table, and in it by key; of a table without key by content, with how many there are. */
export type Tables = Map<string, Map<string, Record<string, Value>>>;

/**
 * Applies records in order, as strictly as the hand-over is promised to be exact: an insert of a row that is there, or
 * a change of one that is not, fails.
 */
export function replay(records: Iterable<DataRecord>, tables: Tables = new Map()): Tables {
  // Of a row whose key has changed: a value that was not sent is in the row that went before.
  let gone: Record<string, Value> | undefined;
  for (const { stream, operation, key, before, after, unavailable, order, source } of records) {
    const name = `${stream.namespace}.${stream.name}`;
    const rows = tables.get(name) ?? new Map<string, Record<string, Value>>();
    tables.set(name, rows);
    const what = `${operation} of ${name} ${order}`;
    if (stream.key.length === 0) {
      if (before) remove(rows, before, what);
      if (after) add(rows, after as Record<string, Value>);
      continue;
    }
    const id = text(key as Record<string, Value>);
    const exists = rows.has(id);
    assert.equal(exists, operation === "update" || operation === "delete", `${what}: ${id}`);
    if (operation === "delete") {
      gone = source?.key_changed ? rows.get(id) : undefined;
      rows.delete(id);
      continue;
    }
    // A partial row (unchanged TOAST) leaves the other columns as they were.
    const kept = unavailable ? operation === "insert" ? gone : rows.get(id) : {};
    rows.set(id, { ...kept, ...after as Record<string, Value> });
  }
  return tables;
}

function add(rows: Map<string, Record<string, Value>>, row: Record<string, Value>): void {
  let copy = 0;
  while (rows.has(`${text(row)} ${copy}`)) copy++;
  rows.set(`${text(row)} ${copy}`, row);
}

function remove(rows: Map<string, Record<string, Value>>, row: Record<string, Value>, what: string): void {
  let copy = 0;
  while (rows.has(`${text(row)} ${copy + 1}`)) copy++;
  assert(rows.delete(`${text(row)} ${copy}`), what);
}

/** The rows of a replayed table, sorted, every value as text: comparable with `serverRows`. */
export function sortedRows(rows: Map<string, Record<string, Value>> | undefined): string[] {
  return [...rows?.values() ?? []].map((row) =>
    comparable(Object.values(row).map((value) => value === null ? null : String(value)))
  ).sort();
}

/** The rows of a table on the server, in the same form. */
export async function serverRows(pg: Postgres, table: string): Promise<string[]> {
  const rows = await pg.query(`SELECT * FROM ${table}`);
  return rows.map((row) => comparable(Object.values(row))).sort();
}

/** Long values shortened, so that a difference can be read. */
function comparable(values: readonly (string | null)[]): string {
  return JSON.stringify(
    values.map((value) =>
      value !== null && value.length > 100 ? `${value.slice(0, 20)}…${value.slice(-20)}` : value
    ),
  );
}

/** JSON that tells bigint from number. */
export function text(value: Value): string {
  return JSON.stringify(value, (_, each) => typeof each === "bigint" ? `${each}n` : each);
}

/** Waits until a slot is being streamed from. */
export async function waitForSlot(pg: Postgres, name = "rivven_slot"): Promise<void> {
  const sql = "SELECT FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid " +
    "WHERE s.slot_name = $1 AND r.state IN ('catchup', 'streaming')";
  const what = `somebody to read slot "${name}"`;
  await waitUntil(async () => (await pg.query(sql, [name])).length > 0, { what, timeoutMs: 120_000 });
}

/** What a stream that was read to its end has brought. */
export interface Streamed {
  readonly records: DataRecord[];
  readonly context: TestContext;
  /** After each batch. */
  readonly positions: readonly Position[];
  readonly lengths: readonly number[];
}

/**
 * Runs SQL while the stream is read, and returns what came of it, all since the slot was made. Nothing is acknowledged, so
 * another call reads it again.
 */
export async function streamed(
  pg: Postgres,
  keys: Record<string, unknown>,
  sql: string | readonly string[],
  from?: Position,
): Promise<Streamed> {
  await pg.query("CREATE TABLE IF NOT EXISTS finish (id serial PRIMARY KEY, n int)");
  const context = testContext();
  await using reader = new Reader(configFor(pg, { snapshot: { mode: "never" }, ...keys }), from, context);
  reader.acknowledges = false;
  const started = reader.next();
  started.catch(() => {});
  await Promise.race([waitForSlot(pg), started]);
  for (const statement of typeof sql === "string" ? [sql] : sql) await pg.query(statement);
  // One of them is seen, whatever is skipped.
  await pg.query(
    "BEGIN; INSERT INTO finish DEFAULT VALUES; UPDATE finish SET n = 1; DELETE FROM finish; COMMIT",
  );
  await started;
  const records = await reader.until((all) => all.some(isFinish));
  const { batches } = reader;
  return {
    records: records.slice(0, records.findIndex(isFinish)),
    context,
    positions: batches.map(({ position }) => position),
    lengths: batches.map(({ length }) => length),
  };
}

const isFinish = ({ stream }: DataRecord) => stream.name === "finish";

/**
 * Applies records as a consumer does that stores by key and takes whatever comes, because rows may come again: an
 * update of a row that it does not have makes one. Tables without key are left out.
 */
export function upsert(records: Iterable<DataRecord>, tables: Tables = new Map()): Tables {
  // Of a row whose key has changed: a value that was not sent is in the row that went before.
  let gone: Record<string, Value> | undefined;
  for (const { stream, operation, key, after, unavailable, source } of records) {
    if (key === undefined) continue;
    const name = `${stream.namespace}.${stream.name}`;
    const rows = tables.get(name) ?? new Map<string, Record<string, Value>>();
    tables.set(name, rows);
    const id = text(key as Record<string, Value>);
    if (operation === "delete") {
      gone = source?.key_changed ? rows.get(id) : undefined;
      rows.delete(id);
      continue;
    }
    const kept = unavailable ? { ...rows.get(id), ...(operation === "insert" ? gone : {}) } : {};
    rows.set(id, { ...kept, ...after as Record<string, Value> });
  }
  return tables;
}
