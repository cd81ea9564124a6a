/**
 * What keeps a connector to what its configuration names: the permissions its worker is made with, the sealing of
 * the worker before the connector is loaded, the self-test that proves at every start that this host enforces them,
 * and the words in which a denial is told to a person.
 */
import type { Permissions } from "../connectors/contract.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import type { ProbeResult } from "./protocol.ts";

/** Deno's shape of permissions, every kind written out: what is left out could be inherited. */
export function workerPermissions(permissions: Permissions): Record<string, readonly string[] | false> {
  const list = (names: readonly string[] | undefined) => names && names.length > 0 ? [...names] : false;
  return {
    net: list(permissions.net),
    read: list(permissions.read),
    write: list(permissions.write),
    env: list(permissions.env),
    sys: list(permissions.sys),
    run: false,
    ffi: false,
    import: false,
  };
}

/**
 * Takes away what a worker without any right could still do to the process or to the terminal. Prevents accidents;
 * the permissions are what holds.
 */
export function seal(): void {
  const deno = Deno as unknown as Record<string, unknown>;
  for (const name of ["kill", "exit", "stdin", "addSignalListener", "removeSignalListener", "chdir"]) {
    Object.defineProperty(deno, name, {
      get() {
        throw new Error(`Deno.${name} is not available to connectors`);
      },
      configurable: false,
    });
  }
  const { process } = globalThis as unknown as { process?: Record<string, unknown> };
  if (process) {
    for (const name of ["kill", "exit", "abort", "chdir"]) {
      process[name] = () => {
        throw new Error(`process.${name} is not available to connectors`);
      };
    }
  }
}

/** Tries, in a worker that was given no right at all, what connectors must not be able to do. */
export async function probe(): Promise<readonly ProbeResult[]> {
  const attempts: Record<string, () => unknown> = {
    "connect to a host": () => Deno.connect({ hostname: "127.0.0.1", port: 9 }).then((conn) => conn.close()),
    "listen on a port": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
    "fetch a URL": () => fetch("http://127.0.0.1:49151/").then((response) => response.body?.cancel()),
    "read a file": () => Deno.statSync(Deno.cwd()),
    "write a file": () => Deno.writeTextFileSync("confinement-probe", ""),
    "read a variable": () => {
      if (Deno.env.get("PATH") === undefined) throw new Deno.errors.NotCapable();
    },
    "start a process": () => new Deno.Command("true").outputSync(),
    "load a native library": () => Deno.dlopen("libc.so.6", {}).close(),
    "load remote code": () => import(["https://127.0.0.1:9", "x.ts"].join("/")),
    // Compiled programs do not ask for the right to read what they import; the README says so.
    ...(Deno.build.standalone ? {} : {
      "import a file as text": () =>
        import(["file:", "etc", "hostname"].join("/"), { with: { type: "text" } }),
    }),
  };
  const results: ProbeResult[] = [];
  for (const [what, attempt] of Object.entries(attempts)) {
    try {
      await attempt();
      results.push({ what, denied: false });
    } catch (error) {
      results.push({ what, denied: isDenial(error) });
    }
  }
  return results;
}

/** @throws {ConnectorError} when the probe could do anything it must not */
export function requireConfinement(results: readonly ProbeResult[]): void {
  const possible = results.filter(({ denied }) => !denied).map(({ what }) => what);
  if (results.length > 0 && possible.length === 0) return;
  throw new ConnectorError(
    `This host does not confine connectors: a worker without rights could ${possible.join(", ")}`,
    {
      code: "fatal_not_confined",
      hint: "Start it with the flags that the program starts itself with, or use the compiled binary",
    },
  );
}

/** A compiled program has no way to load what was not compiled into it, and says so in its own words. */
function isDenial(error: unknown): boolean {
  const { name, message } = error as Error;
  return name === "NotCapable" ||
    /Requires \w+ access|^Module not found|not a valid module type/.test(message);
}

/** An error that a denial caused, in the words of whoever wrote the pipeline file; undefined for other errors. */
export function explainDenial(
  error: unknown,
  name: string,
  role: "source" | "sink",
): ConnectorError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const [, kind, target] = /Requires (\w+) access to "?([^",]+)"?/.exec(cause.message) ?? [];
    const noName = /getaddrinfo EPERM (\S+)/.exec(cause.message);
    if (kind === undefined && noName === null) continue;
    const what = noName ? `the host "${noName[1]}"` : `${WHAT[kind] ?? kind} "${target}"`;
    return new ConnectorError(
      `The ${role} "${name}" tried to reach ${what}, which its configuration does not name`,
      {
        code: "permission_confined",
        hint: noName || kind === "net"
          ? `If it should, add it under ${role}s.${name}.allow.net; \`plan\` shows what it may reach`
          : "A connector reaches what its configuration names and nothing else; `plan` shows what that is",
        cause: error,
      },
    );
  }
  return undefined;
}

const WHAT: Record<string, string> = {
  net: "the host",
  read: "the file",
  write: "the file",
  env: "the variable",
  run: "the program",
  sys: "the system's",
  ffi: "the library",
  import: "the code at",
};
