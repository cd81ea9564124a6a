/**
 * Starts the program again with the flags it needs, where it was started without them: `deno run -A main.ts`, or from
 * JSR, whose packages can't bring flags. Called by mod.ts before a command that starts workers.
 *
 * Why each flag: scoped workers are unstable in Deno (`--unstable-worker-options`). Nobody is asked questions by a
 * worker that oversteps (`--no-prompt`). A variable that a worker was not given reads as unset instead of throwing,
 * because packages read some while they are loaded (`--allow-env=* --ignore-env`). A worker without any right could
 * still import packages from the registry (`--cached-only`). `-A` can't be combined with these.
 */
import { ConnectorError } from "../formats/data/errors.ts";
import { replaceProcess } from "./exec.ts";

/**
 * What a process needs that starts scoped workers. The size of the young generation is for memory: every worker has
 * one, and with V8's own 16 MB a pipeline at work weighs 35 MB more, at the same speed (measured).
 */
export const FLAGS: readonly string[] = [
  "--no-prompt",
  "--unstable-worker-options",
  "--cached-only",
  "--v8-flags=--max-semi-space-size=4",
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-sys",
  "--allow-import",
  "--allow-run",
  "--allow-ffi",
  "--allow-env=*",
  "--ignore-env",
];

/** Tells the new process that it was started by this one, so that it can't start a third. */
const STARTED_BY = "RIVVEN_CONNECT_STARTED_BY";

/**
 * Never called. It lies in the graph of modules that Deno loads before the program starts, and so everything that
 * workers import is in the cache before `--cached-only` closes the registries to them.
 */
export const workerGraph = (): Promise<unknown> => import("../runtime/workers/all.gen.ts");

/**
 * Makes sure that this process can start scoped workers.
 *
 * @param args what the program was called with
 * @returns undefined when it can; otherwise the exit code of the process that could. Mostly it does not return at
 * all: the new program takes this process's place.
 * @throws {ConnectorError} when this process may not start another one
 */
export async function relaunch(args: readonly string[]): Promise<number | undefined> {
  if (Deno.build.standalone || hasFlags()) return undefined;
  const command = [Deno.execPath(), "run", ...FLAGS, Deno.mainModule, ...args];
  if (isGranted("ffi") && isGranted("env")) {
    Deno.env.set(STARTED_BY, `exec ${Deno.pid}`);
    replaceProcess(command);
  }
  if (!isGranted("run")) {
    throw launchError();
  }
  return await runChild(command);
}

/** What to tell someone who has started the program with too few rights. */
export function launchError(cause?: unknown): ConnectorError {
  return new ConnectorError("This process was started with too few rights", {
    code: "permission_launch",
    hint: `Start it as: deno run -A ${Deno.mainModule}\n` +
      "It gives itself only what it needs, and each connector only what the pipeline file names",
    cause,
  });
}

/**
 * The one trace that the flags leave: with `--ignore-env` the state of the permission is "denied", yet variables can
 * be read. With `-A` it is "granted", without any flags "prompt".
 */
function hasFlags(): boolean {
  try {
    const startedBy = Deno.env.get(STARTED_BY);
    if (startedBy === `exec ${Deno.pid}` || startedBy === `spawn ${Deno.ppid}`) return true;
    return Deno.permissions.querySync({ name: "env" }).state === "denied";
  } catch {
    return false; // no variable can be read
  }
}

function isGranted(name: "env" | "ffi" | "run"): boolean {
  return Deno.permissions.querySync({ name }).state === "granted";
}

/** Where a process can't be replaced: a child on the same terminal, which gets the signals that we get. */
export async function runChild([program, ...args]: readonly string[]): Promise<number> {
  // A terminal sends Ctrl-C, and its own end, to the child as well as to us; only a lone signal must be passed on.
  const onTerminal = [Deno.stdin, Deno.stdout, Deno.stderr].some((stream) => stream.isTerminal());
  const child = new Deno.Command(program, {
    args: [...args],
    env: { [STARTED_BY]: `spawn ${Deno.pid}` },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const passedOn = SIGNALS.map((signal) => {
    const pass = () => {
      if (onTerminal && signal !== "SIGTERM") return;
      try {
        child.kill(signal);
      } catch {
        // it has ended already
      }
    };
    Deno.addSignalListener(signal, pass);
    return () => Deno.removeSignalListener(signal, pass);
  });
  try {
    return (await child.status).code;
  } finally {
    for (const remove of passedOn) remove();
  }
}

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];
