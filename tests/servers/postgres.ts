/**
 * A real PostgreSQL server for tests and the demo: own data folder, free port, ended by its own process id.
 * Prepared for logical replication, with password authentication over TCP and fsync on, as in production.
 */
// @ts-types="npm:@types/pg@8.23.1"
import pg from "npm:pg@8.23.1";
import { join } from "node:path";
import {
  descendants,
  endWithUs,
  freePort,
  giveToServer,
  isRunning,
  logTail,
  makeServerDir,
  serverUser,
  signal,
  waitUntil,
} from "./process.ts";
import { findPostgres, makeDataDir, PASSWORD, type PostgresVersion, USER } from "./postgres_files.ts";

export interface PostgresOptions {
  /** 15 is Debian's, with psql and pg_recvlogical; the others come from npm and run everywhere. Default 18. */
  readonly version?: PostgresVersion;
  /** Lines of postgresql.conf; they win over ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Variables of the server's processes. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: a free one, kept over restarts. */
  readonly port?: number;
  /** false: faster, and a crash of the machine may lose data (a crash of the server does not). Default true. */
  readonly fsync?: boolean;
  /** Where the data folder is and stays; one that is there already is used. Default: a temporary one. */
  readonly keepDataIn?: string;
  /** Fills a data folder that is not there yet. Default: with an empty cluster. */
  readonly fillDataDir?: (dataDir: string) => Promise<void>;
}

/** `smart` waits for the clients, `fast` rolls their transactions back, `immediate` is a crash without checkpoint. */
export type StopMode = "smart" | "fast" | "immediate";

/** A row with every value as PostgreSQL prints it. */
export type TextRow = Record<string, string | null>;

const STOP_SIGNALS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** Starts a server and waits until it answers. Throws ServerMissing when its programs can't be had. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const files = await findPostgres(options.version ?? 18);
  const dir = await makeServerDir("postgres");
  const dataDir = options.keepDataIn ?? join(dir, "data");
  try {
    if (!await exists(join(dataDir, "PG_VERSION"))) {
      await (options.fillDataDir?.(dataDir) ?? makeDataDir(files, dataDir));
    }
    const port = options.port ?? await freePort();
    const settings = {
      listen_addresses: "127.0.0.1",
      port: String(port),
      unix_socket_directories: dir,
      fsync: options.fsync === false ? "off" : "on",
      wal_level: "logical",
      max_wal_senders: "20",
      max_replication_slots: "20",
      shared_buffers: "32MB",
      timezone: "UTC",
      log_timezone: "UTC",
      log_min_messages: "warning",
      ...options.settings,
    };
    await writeSettings(dataDir, settings);
    const server = new Postgres(files.version, files.binDir, dir, dataDir, port, settings, options.env);
    await server.start();
    return server;
  } catch (error) {
    await Deno.remove(dir, { recursive: true });
    throw error;
  }
}

/** A started server. Disposing of it ends it and removes its folder. */
export class Postgres implements AsyncDisposable {
  readonly host = "127.0.0.1";
  readonly user = USER;
  readonly password = PASSWORD;
  readonly database = "postgres";
  /** Its log; warnings and errors, and what `settings` add. */
  readonly logFile: string;

  /** The postmaster, while it runs. */
  #process: Deno.ChildProcess | undefined;
  #watcher: AsyncDisposable | undefined;
  #shared: pg.Client | undefined;
  readonly #clients = new Set<pg.Client>();

  /** Use startPostgres(). */
  constructor(
    readonly version: PostgresVersion,
    /** The server's programs. */
    readonly binDir: string,
    /** The folder of the Unix socket. */
    readonly socketDir: string,
    readonly dataDir: string,
    readonly port: number,
    /** What was written to its configuration. */
    readonly settings: Readonly<Record<string, string>>,
    readonly env: Readonly<Record<string, string>> = {},
  ) {
    this.logFile = join(socketDir, "log");
  }

  /** postgres://user:password@host:port/database, the password percent-encoded. */
  get url(): string {
    const password = encodeURIComponent(this.password);
    return `postgres://${this.user}:${password}@${this.host}:${this.port}/${this.database}`;
  }

  /** The postmaster's process id; undefined while it is stopped. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Runs SQL on one connection that all calls share (so temporary tables and SET stay), opened when needed.
   *
   * @returns the rows (of the last statement, if several), every value as the text that PostgreSQL prints
   */
  async query(sql: string, parameters?: readonly unknown[]): Promise<TextRow[]> {
    this.#shared ??= await this.connect({ types: { getTypeParser: () => (text: string) => text } });
    const client = this.#shared;
    try {
      const result = await client.query<TextRow>(sql, parameters && [...parameters]);
      return (Array.isArray(result) ? result.at(-1) : result).rows;
    } catch (error) {
      // An error without SQLSTATE is the connection's: the next call opens another.
      if (!(error instanceof pg.DatabaseError) || error.severity === "FATAL") {
        if (this.#shared === client) this.#shared = undefined;
      }
      throw error;
    }
  }

  /** A connection of its own, with pg's usual types. Ended with the server, or before it by `client.end()`. */
  async connect(options: pg.ClientConfig = {}): Promise<pg.Client> {
    const { host, port, user, password, database } = this;
    const client = new pg.Client({ host, port, user, password, database, ...options });
    // Without a listener the loss of an idle connection (a server that is stopped) would end the test's process.
    client.on("error", () => {});
    client.on("end", () => {
      this.#clients.delete(client);
      if (this.#shared === client) this.#shared = undefined;
    });
    this.#clients.add(client);
    try {
      await client.connect();
    } catch (error) {
      this.#clients.delete(client);
      await client.end().catch(() => {});
      throw error;
    }
    return client;
  }

  async createDatabase(name: string): Promise<void> {
    await this.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  }

  /** Starts it (again) and waits until it answers, recovery included. */
  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error("This PostgreSQL is running already");
    const process = new Deno.Command("sh", {
      // exec: the process id is the postmaster's.
      args: ["-c", 'exec "$0" "$@" >>"$LOG" 2>&1', join(this.binDir, "postgres"), "-D", this.dataDir],
      env: { LOG: this.logFile, LC_ALL: "C", TZ: "UTC", ...this.env },
      ...serverUser,
      cwd: this.socketDir,
      detached: true, // Ctrl-C is for us: who uses the server decides when it ends
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#process = process;
    this.#watcher = endWithUs(process.pid, "SIGQUIT");
    let exitCode: number | undefined;
    process.status.then(({ code }) => exitCode = code);
    try {
      await waitUntil(async () => {
        if (exitCode !== undefined) throw new Error(`it ended with exit code ${exitCode}`);
        return await this.#answers();
      }, { what: "an answer", timeoutMs: 120_000 });
    } catch (cause) {
      await this.stop("immediate");
      throw new Error(
        `PostgreSQL ${this.version} does not start on port ${this.port} (${message(cause)}):\n` +
          await logTail(this.logFile),
        { cause },
      );
    }
  }

  async #answers(): Promise<true | undefined> {
    try {
      const client = await this.connect({ connectionTimeoutMillis: 30_000 });
      await client.end();
      return true;
    } catch (error) {
      // 57P03 cannot_connect_now: starting up or recovering.
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ECONNREFUSED" || code === "57P03" || code === "ECONNRESET") return undefined;
      throw error;
    }
  }

  /**
   * Stops it and waits for its end. `fast` also waits until each replication client has confirmed all it was sent,
   * at most `wal_sender_timeout` (60 s).
   */
  async stop(mode: StopMode = "fast"): Promise<void> {
    await this.#end((pid) => signal(pid, STOP_SIGNALS[mode]));
  }

  /** Crashes it: SIGKILL to all of its processes. start() then recovers. */
  async kill(): Promise<void> {
    await this.#end(async (pid) => {
      // The postmaster first: it would take the death of a child for a reason to restart the others.
      const children = await descendants(pid);
      signal(pid, "SIGKILL");
      for (const child of children) signal(child, "SIGKILL");
      // While one of them lives, the shared memory is in use and no new postmaster starts.
      for (const child of children) {
        await waitUntil(async () => await isRunning(child) ? undefined : true, {
          what: `the end of process ${child}`,
          timeoutMs: 60_000,
          everyMs: 5,
        });
      }
    });
  }

  async #end(how: (pid: number) => void | Promise<void>): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    await this.#watcher?.[Symbol.asyncDispose]();
    this.#watcher = undefined;
    await how(process.pid);
    await process.status;
    this.#process = undefined;
  }

  /** Stops and starts it, on the same port with the same data. */
  async restart(options: { mode: "fast" | "immediate" } = { mode: "fast" }): Promise<void> {
    await this.stop(options.mode);
    await this.start();
  }

  /** Makes it hang: connections stay open, nothing answers. */
  async pause(): Promise<void> {
    for (const pid of await this.#allProcesses()) signal(pid, "SIGSTOP");
  }

  async resume(): Promise<void> {
    for (const pid of await this.#allProcesses()) signal(pid, "SIGCONT");
  }

  async #allProcesses(): Promise<number[]> {
    const pid = this.#process?.pid;
    return pid === undefined ? [] : [pid, ...await descendants(pid)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resume();
    await Promise.all([...this.#clients].map((client) => client.end().catch(() => {})));
    await this.stop("immediate");
    await Deno.remove(this.socketDir, { recursive: true });
  }
}

async function writeSettings(dataDir: string, settings: Record<string, string>): Promise<void> {
  const path = join(dataDir, "postgresql.auto.conf");
  const lines = Object.entries(settings).map(([name, value]) =>
    `${name} = '${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'\n`
  );
  await Deno.writeTextFile(path, lines.join(""));
  await giveToServer(path);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
