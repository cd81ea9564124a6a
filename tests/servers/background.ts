/**
 * A server program that runs while a test does: in a folder of its own, with its log in a file, because a pipe that
 * nobody reads would stop it, and ended when the test's process goes, however that goes. For servers that are started
 * once; those that tests stop and start again have their own starters.
 */
import { join } from "node:path";
import { endWithUs, logTail, serverUser, signal, waitUntil } from "./process.ts";

export interface BackgroundProgram {
  /** For errors. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Its own folder, which goes with it. */
  readonly dir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Who it runs as; left out: the user that servers run as. */
  readonly user?: typeof serverUser;
  /** Gives an answer of 200 to 499 once it is ready. */
  readonly readyUrl: string;
  readonly timeoutMs?: number;
  /** The error when it ends before it is ready. */
  readonly ended?: (message: string) => Error;
}

/** Starts it and waits until it is ready. Disposing of what comes back ends it and removes its folder. */
export async function startInBackground(options: BackgroundProgram): Promise<AsyncDisposable> {
  const { name, program, args, dir, env = {}, user = serverUser, readyUrl, timeoutMs = 60_000 } = options;
  const log = join(dir, "log");
  const child = new Deno.Command("sh", {
    args: ["-c", `exec "$0" "$@" >"${log}" 2>&1`, program, ...args],
    ...user,
    cwd: dir,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const watcher = endWithUs(child.pid, "SIGKILL");
  const background: AsyncDisposable = {
    async [Symbol.asyncDispose](): Promise<void> {
      signal(child.pid, "SIGKILL");
      await child.status;
      await watcher[Symbol.asyncDispose]();
      await Deno.remove(dir, { recursive: true });
    },
  };
  let ended: number | undefined;
  child.status.then(({ code }) => ended = code);
  try {
    await waitUntil(async () => {
      if (ended !== undefined) {
        const message = `${name} ended with exit code ${ended}:\n${await logTail(log)}`;
        throw options.ended?.(message) ?? new Error(message);
      }
      const response = await fetch(readyUrl).catch(() => undefined);
      await response?.body?.cancel();
      return response && response.status < 500 ? true : undefined;
    }, { what: `${name} to answer`, timeoutMs, everyMs: 50 });
  } catch (error) {
    await background[Symbol.asyncDispose]();
    throw error;
  }
  return background;
}
