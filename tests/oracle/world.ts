/**
 * One run of the oracle: a real server with writers, the program that reads it through a proxy into a file, whatever
 * a test does to them; then the file is replayed and compared with the tables.
 */
import assert from "node:assert/strict";
import { Program, scratch } from "../end_to_end/program.ts";
import { seededRandom } from "../fakes/context.ts";
import { type Postgres, type PostgresOptions, startPostgres } from "../servers/postgres.ts";
import { slotTakenOver, startStandby } from "../servers/postgres_standby.ts";
import { startProxy, type TcpProxy } from "../servers/proxy.ts";
import { compareTables, compareTransactions, keysOf, makeWitness, readTables } from "./compare.ts";
import { readLines } from "./envelope.ts";
import { replayAll } from "./replay.ts";
import { createTables, PUBLICATION, type StatementOptions } from "./tables.ts";
import { Writers } from "./writers.ts";

export const SLOT = "oracle";

export interface WorldOptions extends Omit<StatementOptions, "dir"> {
  readonly seed: number;
  readonly version?: PostgresOptions["version"];
  readonly settings?: Readonly<Record<string, string>>;
  /** In each of the tables that the snapshot reads; default 300. */
  readonly rows?: number;
  /** Default 2. */
  readonly writers?: number;
  /** More keys of the source. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** More keys of the pipeline. */
  readonly pipeline?: Readonly<Record<string, unknown>>;
  /** A replica to fail over to; the slot is made beforehand, as one that the replica takes over, or as one that it does not. */
  readonly standby?: "has slot" | "has no slot";
}

export interface World {
  /** The server that writers write to and whose tables are compared at the end; a failover sets another one. */
  pg: Postgres;
  readonly standby: Postgres | undefined;
  readonly proxy: TcpProxy;
  readonly writers: Writers;
  /** What the program says, over all of its runs. */
  readonly log: string;
  /** A whole number from 0 to less than `limit`, by the seed. */
  below(limit: number): number;
  /** Starts the program, which must not run, and waits until it is connected to its sink. */
  start(): Promise<void>;
  /** Ends it by SIGKILL. */
  kill(): Promise<void>;
  /** Waits until it ends by itself, as it must here, and returns its exit code. There is nothing to compare then. */
  stops(): Promise<number>;
  /** Waits until the file has this many lines more than now. */
  writes(lines: number): Promise<void>;
  says(text: string): Promise<void>;
}

const PATIENCE_MS = 120_000;

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * Runs `act` while writers write, with the program not started yet; afterwards writers stop, the program is started if
 * it does not run, must catch up, end well, and have written exactly what is in the tables.
 */
export async function oracle(options: WorldOptions, act: (world: World) => Promise<void>): Promise<void> {
  const { version = 18, seed, settings, rows = 300 } = options;
  await using pg = await startPostgres({
    version,
    fsync: false,
    settings: { max_prepared_transactions: "20", logical_decoding_work_mem: "64kB", ...settings },
  });
  await createTables(pg, rows);
  // The witness would not be there after a failover.
  const hasWitness = options.standby === undefined;
  if (hasWitness) await makeWitness(pg);
  await using standby = options.standby && await makeStandby(pg, options.standby === "has slot");
  await using proxy = await startProxy({ target: pg });
  using dir = scratch();
  dir.write("connect.yaml", pipeline(pg, proxy, options));
  await using run = new Run(pg, standby, proxy, dir.path, options);
  try {
    await act(run);
    if (run.isStopped) return;
    await run.finish();
    await judge(run.pg, readLines(run.file), hasWitness);
  } catch (error) {
    const kept = `${await Deno.makeTempDir({ prefix: "rivven-oracle-" })}/changes.jsonl`;
    await Deno.copyFile(run.file, kept).catch(() => {});
    const said = run.log.split("\n").slice(-40).join("\n");
    throw new Error(
      `With seed ${seed}: ${error instanceof Error ? error.message : error}\nThe file is kept as ${kept}\n` +
        `The program said:\n${said}`,
      { cause: error },
    );
  }
}

async function makeStandby(pg: Postgres, hasSlot: boolean): Promise<Postgres> {
  const standby = await startStandby(pg);
  try {
    if (hasSlot) {
      await pg.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput', false, false, true)", [SLOT]);
      // Nothing is sent that the standby does not have yet.
      await pg.query("ALTER SYSTEM SET synchronized_standby_slots = 'standby'");
      await pg.query("SELECT pg_reload_conf()");
      await slotTakenOver(standby, SLOT);
    } else await pg.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [SLOT]);
  } catch (error) {
    await standby[Symbol.asyncDispose]();
    throw error;
  }
  return standby;
}

/**
 * Replays lines and fails where they break an order, or where the server's tables, or its transactions since the
 * witness was made, are not the replayed ones.
 */
export async function judge(
  pg: Postgres,
  lines: AsyncIterable<string> | Iterable<string>,
  hasWitness: boolean,
): Promise<void> {
  const tables = await readTables(pg);
  const replay = await replayAll(lines, keysOf(tables));
  assert.ok(replay.lines > 1000, `only ${replay.lines} lines were written`);
  if (hasWitness) await compareTransactions(pg, replay);
  await compareTables(pg, tables, replay);
}

function pipeline(
  { user, database }: Postgres,
  proxy: TcpProxy,
  { config, pipeline }: WorldOptions,
): string {
  // JSON is YAML.
  return JSON.stringify({
    version: "1.0",
    settings: { state_dir: "state" },
    sources: {
      db: {
        connector: "postgres-cdc",
        config: {
          host: proxy.host,
          port: proxy.port,
          database,
          user,
          password: "${PGPASSWORD}",
          slot_name: SLOT,
          publication: PUBLICATION,
          slot_max_retries: 100,
          slot_retry_delay_ms: 200,
          status_update_interval_ms: 500,
          connect_timeout_secs: 2,
          ...config,
        },
      },
    },
    sinks: { file: { connector: "file", config: { path: "out/changes.jsonl" } } },
    pipelines: { all: { source: "db", sink: "file", ...pipeline } },
  });
}

class Run implements World, AsyncDisposable {
  readonly writers: Writers;
  readonly file: string;
  /** It has ended by itself, and was to. */
  isStopped = false;
  readonly #dir: string;
  readonly #random: () => number;
  #program: Program | undefined;
  #saidBefore = "";

  constructor(
    public pg: Postgres,
    readonly standby: Postgres | undefined,
    readonly proxy: TcpProxy,
    dir: string,
    options: WorldOptions,
  ) {
    this.#dir = dir;
    this.file = `${dir}/out/changes.jsonl`;
    this.#random = seededRandom(options.seed);
    this.writers = new Writers(() => this.pg, options.writers ?? 2, options.seed, {
      ...options,
      dir: pg.socketDir,
    });
  }

  get log(): string {
    return this.#saidBefore + (this.#program?.stderr ?? "");
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  async start(): Promise<void> {
    this.#program = new Program(["run"], { cwd: this.#dir, env: { PGPASSWORD: this.pg.password } });
    await this.#program.says("db → file");
  }

  async kill(): Promise<void> {
    this.#program!.kill("SIGKILL");
    await this.#ended();
  }

  async stops(): Promise<number> {
    let hasEnded = false;
    this.#program!.ended.then(() => hasEnded = true);
    await this.#until(() => Promise.resolve(hasEnded)).catch((error) => {
      if (!hasEnded) throw error;
    });
    const code = await this.#ended();
    this.isStopped = true;
    return code;
  }

  async #ended(): Promise<number> {
    const { code, stderr } = await this.#program!.ended;
    this.#saidBefore += stderr;
    this.#program = undefined;
    return code;
  }

  async says(text: string): Promise<void> {
    await this.#program!.says(text);
  }

  async writes(lines: number): Promise<void> {
    let at = await this.#size();
    let count = 0;
    await this.#until(async () => {
      const size = await this.#size();
      // A restart cuts off what was not committed.
      if (size < at) at = size;
      const added = await this.#read(at);
      at += added.length;
      for (const byte of added) if (byte === 0x0a) count++;
      return count >= lines;
    });
  }

  /** All that is written comes to the file, and the program ends well. */
  async finish(): Promise<void> {
    await this.writers.stop();
    this.proxy.pass();
    if (this.#program === undefined) await this.start();
    // In a snapshot the row could come before other tables.
    await this.says("Streaming from");
    await this.pg.query("INSERT INTO finish VALUES (1)");
    const decoder = new TextDecoder();
    await this.#until(async () =>
      decoder.decode(await this.#read(await this.#size() - 20_000)).includes('"table":"finish"')
    );
    this.#program!.kill("SIGTERM");
    const code = await this.#ended();
    assert.equal(code, 0, "the program's exit code");
  }

  async #size(): Promise<number> {
    return (await Deno.stat(this.file).catch(() => undefined))?.size ?? 0;
  }

  /** What is in the file from there on. */
  async #read(at: number): Promise<Uint8Array> {
    const file = await Deno.open(this.file).catch(() => undefined);
    if (!file) return new Uint8Array();
    await file.seek(Math.max(0, at), Deno.SeekMode.Start);
    return new Uint8Array(await new Response(file.readable).arrayBuffer());
  }

  async #until(holds: () => Promise<boolean>): Promise<void> {
    let hasEnded = false;
    this.#program?.ended.then(() => hasEnded = true);
    const deadline = performance.now() + PATIENCE_MS;
    while (!await holds()) {
      if (this.writers.failure) throw this.writers.failure;
      if (hasEnded) throw new Error("The program has ended by itself");
      if (performance.now() > deadline) throw new Error(`It takes longer than ${PATIENCE_MS / 1000} s`);
      await pause(30);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    await this.writers[Symbol.asyncDispose]();
  }
}
