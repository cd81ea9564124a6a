/**
 * What the server starters have in common: who a server runs as, a free port, waiting until it is ready, its child
 * processes, the end of its log, and its end when the test's own process is killed.
 */
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Who servers run as. Root's servers run as "nobody", because PostgreSQL refuses to run as root and none of them
 * needs to; everybody else's run as themselves.
 */
export const serverUser: { uid?: number; gid?: number } = Deno.build.os !== "windows" && Deno.uid() === 0
  ? { uid: 65534, gid: 65534 }
  : {};

/** Makes a folder under the temp folder that belongs to `serverUser`. */
export async function makeServerDir(prefix: string): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: `rivven-${prefix}-` });
  await giveToServer(dir);
  return dir;
}

/** Makes a file or an empty folder the server's own. */
export async function giveToServer(path: string): Promise<void> {
  if (serverUser.uid !== undefined) await Deno.chown(path, serverUser.uid, serverUser.gid ?? null);
}

/** Below the ports that Linux and macOS hand out by themselves, so that nobody gets one who did not ask here. */
const PORTS = { first: 21_000, count: 11_000 };

/**
 * A free TCP port of 127.0.0.1 that no other test is given before thousands of others are: a server that is stopped, or
 * not started yet, finds it free. Test processes take turns by a file in the temp folder that holds the next one.
 */
export async function freePort(): Promise<number> {
  const path = join(tmpdir(), `rivven-next-port-${Deno.uid() ?? ""}`);
  using file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
  await file.lock(true);
  let next = Number(await Deno.readTextFile(path)) || 0;
  let port: number;
  do {
    port = PORTS.first + next % PORTS.count;
    next++;
  } while (!await isFree(port));
  await file.truncate();
  await Deno.writeTextFile(path, String(next));
  return port;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}

/** Runs a program of a server to its end, as the server's user. Its output is only told when it fails. */
export async function runAsServer(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { success, code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd: options.cwd ?? "/",
    env: { LC_ALL: "C", ...options.env },
    ...serverUser,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder();
  if (!success) {
    throw new Error(
      `"${program}" ended with exit code ${code}:\n${text.decode(stderr)}${text.decode(stdout)}`,
    );
  }
  return text.decode(stdout);
}

/** Calls `attempt` until it gives something else than undefined or false, which it returns. */
export async function waitUntil<T>(
  attempt: () => Promise<T | undefined | false>,
  options: { what: string; timeoutMs: number; everyMs?: number },
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    const result = await attempt();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline) {
      throw new Error(`Waited ${options.timeoutMs} ms in vain for ${options.what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20));
  }
}

/** All descendants of a process, parents first. Empty where it has none or is gone. */
export async function descendants(pid: number): Promise<number[]> {
  const children = new Map<number, number[]>();
  for (const [child, parent] of await processTable()) {
    children.set(parent, [...children.get(parent) ?? [], child]);
  }
  const found: number[] = [];
  for (let next = children.get(pid) ?? []; next.length > 0;) {
    found.push(...next);
    next = next.flatMap((each) => children.get(each) ?? []);
  }
  return found;
}

async function processTable(): Promise<[pid: number, parent: number][]> {
  if (Deno.build.os !== "linux") {
    const ps = await new Deno.Command("ps", { args: ["-A", "-o", "pid=,ppid="] }).output();
    return new TextDecoder().decode(ps.stdout).trim().split("\n").map((line) => {
      const [pid, parent] = line.trim().split(/\s+/).map(Number);
      return [pid, parent];
    });
  }
  const table: [number, number][] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // proc(5): "pid (comm) state ppid"; comm may hold blanks and parentheses.
      const stat = await Deno.readTextFile(`/proc/${name}/stat`);
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state !== "Z") table.push([Number(name), Number(parent)]);
    } catch {
      // It ended while we looked.
    }
  }
  return table;
}

/** Signals a process that may be gone already. */
export function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a process exists (a zombie counts as gone where /proc tells). */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    if (Deno.build.os === "linux") {
      const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
      return stat[stat.lastIndexOf(")") + 2] !== "Z";
    }
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

/**
 * Ends a server when this process goes without stopping it, however it goes: a shell reads a pipe that only we hold
 * open, and signals the server at its end.
 */
export function endWithUs(pid: number, name: Deno.Signal): AsyncDisposable {
  const watcher = new Deno.Command("sh", {
    // A stopped server takes no signal before it is continued.
    args: ["-c", 'read _; kill -s "$1" "$0"; kill -s CONT "$0"', String(pid), name.slice(3)],
    ...serverUser,
    cwd: "/",
    detached: true, // or Ctrl-C would end it before us
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      signal(watcher.pid, "SIGKILL");
      await watcher.status;
      await watcher.stdin.close().catch(() => {}); // a pipe without a reader
    },
  };
}

/** The last lines of a log, for the error that a server does not start. */
export async function logTail(path: string, lines = 20): Promise<string> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text === "" ? "(its log is empty)" : text.trimEnd().split("\n").slice(-lines).join("\n");
}
