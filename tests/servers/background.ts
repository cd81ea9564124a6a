/**
 * Server programs that run while a test does: each with its log in a file of its own folder, because a pipe that nobody
 * reads would stop it, and ended when the test's process goes, however that goes.
 */
import { join } from "node:path";
import { endWithUs, logTail, serverUser, signal, waitUntil } from "./process.ts";

export interface BackgroundProgram {
  /** For errors. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Its own folder. */
  readonly dir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Who it runs as; left out: the user that servers run as. */
  readonly user?: typeof serverUser;
  /** Asked until it says true. */
  readonly isReady: () => Promise<boolean>;
  readonly timeoutMs?: number;
  /** The error when it ends before it is ready. */
  readonly ended?: (message: string) => Error;
}

/** A program that runs. Disposing of it kills it. */
export class Background implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #watcher: AsyncDisposable;

  /** Use startInBackground(). */
  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#watcher = endWithUs(child.pid, "SIGKILL");
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Resolves when it is gone. */
  async end(name: Deno.Signal): Promise<void> {
    signal(this.pid, name);
    await this.#child.status;
    await this.#watcher[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end("SIGKILL");
  }
}

/** Starts it and waits until it is ready. */
export async function startInBackground(options: BackgroundProgram): Promise<Background> {
  const { name, program, args, dir, env = {}, user = serverUser, timeoutMs = 120_000 } = options;
  const log = join(dir, "log");
  const child = new Deno.Command("sh", {
    args: ["-c", `exec "$0" "$@" >>"${log}" 2>&1`, program, ...args],
    ...user,
    cwd: dir,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const background = new Background(child);
  let ended: number | undefined;
  child.status.then(({ code }) => ended = code);
  try {
    await waitUntil(async () => {
      if (ended !== undefined) {
        const message = `${name} ended with exit code ${ended}:\n${await logTail(log)}`;
        throw options.ended?.(message) ?? new Error(message);
      }
      return await options.isReady() || undefined;
    }, { what: `${name} to answer`, timeoutMs, everyMs: 50 });
  } catch (error) {
    await background[Symbol.asyncDispose]();
    throw error;
  }
  return background;
}

/** The same for one that is started once: disposing of it removes its folder, too. */
export async function startOnce(options: BackgroundProgram): Promise<AsyncDisposable> {
  const removeDir = () => Deno.remove(options.dir, { recursive: true });
  const background = await startInBackground(options).catch(async (error) => {
    await removeDir();
    throw error;
  });
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await background[Symbol.asyncDispose]();
      await removeDir();
    },
  };
}

/** Whether somebody answers there, with anything but an error of his own. */
export async function answers(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => undefined);
  await response?.body?.cancel();
  return response !== undefined && response.status < 500;
}

/** Whether connections to a port of 127.0.0.1 are taken; for servers that speak TLS. */
export async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ port, hostname: "127.0.0.1" })).close();
    return true;
  } catch {
    return false;
  }
}
