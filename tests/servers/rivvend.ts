/**
 * A real Rivven broker for tests: free ports, its own data folder. Needs the program `rivvend` 0.0.22
 * (`cargo install rivvend --version 0.0.22 --locked`): the variable RIVVEND names it, or it is on the PATH.
 */
import { join } from "node:path";
import { RivvenClient } from "../../connectors/rivven/client/client.ts";
import { getClusterMetadata } from "../../connectors/rivven/client/requests.ts";
import { type Background, startInBackground } from "./background.ts";
import { ServerMissing } from "./missing.ts";
import { freePort, makeServerDir, signal } from "./process.ts";

export interface RivvendOptions {
  /** More command line flags. */
  readonly flags?: readonly string[];
  /** Of topics that say nothing; 3 when left out. */
  readonly defaultPartitions?: number;
}

/** Starts a broker and waits until it answers. @throws {ServerMissing} where there is no program */
export async function startRivvend(options: RivvendOptions = {}): Promise<Rivvend> {
  const program = findProgram();
  const dir = await makeServerDir("rivvend");
  const [port, apiPort] = [await freePort(), await freePort()];
  const rivvend = new Rivvend(program, dir, port, apiPort, options);
  try {
    await rivvend.start();
  } catch (error) {
    await rivvend[Symbol.asyncDispose]();
    throw error;
  }
  return rivvend;
}

/** The program; for benchmarks that ask whether they can run. @throws {ServerMissing} */
export function findProgram(): string {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter(Boolean);
  for (const path of [Deno.env.get("RIVVEND"), ...folders.map((folder) => join(folder, "rivvend"))]) {
    if (path === undefined) continue;
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch {
      // The next one.
    }
  }
  throw new ServerMissing("rivvend is not installed: set RIVVEND to the program", { isOptional: true });
}

/** A broker, running or stopped. Disposing of it kills it and removes its data. */
export class Rivvend implements AsyncDisposable {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly #apiPort: number;
  readonly #program: string;
  readonly #dir: string;
  readonly #nodeId = `test-${crypto.randomUUID()}`;
  readonly #options: RivvendOptions;
  #running: Background | undefined;

  /** Use startRivvend(). */
  constructor(program: string, dir: string, port: number, apiPort: number, options: RivvendOptions) {
    this.#program = program;
    this.#dir = dir;
    this.port = port;
    this.#apiPort = apiPort;
    this.#options = options;
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  get pid(): number {
    return this.#running!.pid;
  }

  /** A client of this broker. */
  client(connections = 8): RivvenClient {
    return new RivvenClient({ servers: [{ host: this.host, port: this.port }], connections });
  }

  /** Starts it (again), with the data that it has. */
  async start(): Promise<void> {
    const flags = [
      ...["--bind", this.address, "--api-bind", `127.0.0.1:${this.#apiPort}`],
      ...["--data-dir", join(this.#dir, "data"), "--node-id", this.#nodeId],
      ...["--no-require-auth", "--no-dashboard", "--log-level", "warn", "--rate-limit-per-ip", "0"],
      ...["--default-partitions", String(this.#options.defaultPartitions ?? 3)],
      ...this.#options.flags ?? [],
    ];
    this.#running = await startInBackground({
      ...{ name: "rivvend", program: this.#program, args: flags, dir: this.#dir },
      env: { RIVVEN_TCP_NODELAY: "true" },
      isReady: () => this.#answers(),
    });
  }

  /** Whether it is this broker that answers: with its port taken it would go on without a word. */
  async #answers(): Promise<boolean> {
    await using client = new RivvenClient({
      servers: [{ host: this.host, port: this.port }],
      retry: { maxRetries: 0, initialBackoffMs: 1, maxBackoffMs: 1 },
    });
    try {
      const { controllerId } = await client.request(getClusterMetadata(), "ask who it is");
      if (controllerId !== this.#nodeId) throw new TypeError(`Another broker answers at ${this.address}`);
      return true;
    } catch (error) {
      if (error instanceof TypeError) throw error;
      return false;
    }
  }

  /** Stops it cleanly: 5 s, 15 s with a client that stays connected. Its data stay. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /**
   * Kills it. Its write-ahead log is removed, because 0.0.22 would replay all of it and so repeat records (every
   * acknowledged record is in its segment already).
   *
   * @param keepsLog leaves that log where it is, to see what comes of it
   */
  async kill({ keepsLog = false }: { keepsLog?: boolean } = {}): Promise<void> {
    await this.#end("SIGKILL");
    if (keepsLog) return;
    await Deno.remove(join(this.#dir, "data", "wal"), { recursive: true }).catch(() => {});
  }

  /** Stops it without ending it: connections stay open and nothing is answered. */
  pause(): void {
    signal(this.pid, "SIGSTOP");
  }

  resume(): void {
    signal(this.pid, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    await Deno.remove(this.#dir, { recursive: true });
  }

  async #end(name: Deno.Signal): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.end(name);
  }
}
