/**
 * A real Azurite, Microsoft's emulator of Azure Storage, for tests: its blob service on a free port, its data in
 * memory. Runs under Deno, from npm; Deno fetches it when it is first used.
 */
import { join } from "node:path";
import { ServerMissing } from "./missing.ts";
import { endWithUs, freePort, logTail, signal, waitUntil } from "./process.ts";

const VERSION = "3.37.0";

/** The account that it always has, with its key: both are documented. */
export const AZURITE_ACCOUNT = "devstoreaccount1";
export const AZURITE_KEY =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/** Starts one and waits until it answers. @throws {ServerMissing} where npm can't be reached */
export async function startAzurite(): Promise<Azurite> {
  const dir = await Deno.makeTempDir({ prefix: "rivven-azurite-" });
  const port = await freePort();
  const log = join(dir, "log");
  const flags = ["--blobHost", "127.0.0.1", "--blobPort", String(port), "--inMemoryPersistence"];
  // Away from the checkout, whose lock file is not about it. Not as another user, who has no cache of packages.
  const child = new Deno.Command("sh", {
    args: [
      ...["-c", `exec "$0" "$@" >"${log}" 2>&1`, Deno.execPath(), "run", "-A", "--no-config", "--no-lock"],
      ...[`npm:azurite@${VERSION}/azurite-blob`, ...flags, "--silent", "--disableTelemetry"],
      "--skipApiVersionCheck",
    ],
    cwd: dir,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const azurite = new Azurite(child, endWithUs(child.pid, "SIGKILL"), dir, port);
  let ended: number | undefined;
  child.status.then(({ code }) => ended = code);
  try {
    await waitUntil(async () => {
      if (ended !== undefined) {
        throw new ServerMissing(`Azurite ended with exit code ${ended}:\n${await logTail(log)}`);
      }
      const response = await fetch(azurite.endpoint).catch(() => undefined);
      await response?.body?.cancel();
      return response;
    }, { what: "Azurite to answer", timeoutMs: 180_000, everyMs: 100 });
  } catch (error) {
    await azurite[Symbol.asyncDispose]();
    throw error;
  }
  return azurite;
}

/** A running Azurite. Disposing of it ends it; its data go with it. */
export class Azurite implements AsyncDisposable {
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  readonly #watcher: AsyncDisposable;
  readonly #dir: string;

  /** Use startAzurite(). */
  constructor(child: Deno.ChildProcess, watcher: AsyncDisposable, dir: string, port: number) {
    this.#child = child;
    this.#watcher = watcher;
    this.#dir = dir;
    this.port = port;
  }

  /** The account's address. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.port}/${AZURITE_ACCOUNT}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signal(this.#child.pid, "SIGKILL");
    await this.#child.status;
    await this.#watcher[Symbol.asyncDispose]();
    await Deno.remove(this.#dir, { recursive: true });
  }
}
