/**
 * What a connector can do that its configuration does not name: a program that lets one try everything and prints
 * the outcomes as JSON. Run by confinement_test.ts from the checkout and, compiled, as one binary.
 */
import { supervise } from "../../runtime/supervisor.ts";
import { numbersTo, openLab, planOf } from "./setup.ts";

/** Attempt → what must be denied. `PORT` is where a server really listens. */
export const ATTEMPTS: readonly string[] = [
  "connect 127.0.0.1:PORT",
  "connect localhost:PORT",
  "fetch http://127.0.0.1:PORT/",
  "read FILE",
  "read /etc/passwd",
  "write FILE",
  "env PATH",
  "env HOME",
  "run true",
  "ffi libc.so.6",
  "import https://127.0.0.1:PORT/x.js",
  "import file:///etc/passwd",
  "import npm:rivven-connect-no-such-package@1.0.0",
  "sys hostname",
  "kill",
  "exit",
  "nested",
];

export interface Tried {
  readonly attempt: string;
  readonly code: string;
  readonly message: string;
}

export interface Findings {
  readonly tried: readonly Tried[];
  /** Requests that arrived at the server. */
  readonly connections: number;
  /** The code of the same attempt by a connector that was given the host: it must go through. */
  readonly granted: string | undefined;
}

/** Lets a connector without any right try everything, against a server and a file that exist. */
async function tryEverything(): Promise<Findings> {
  using lab = openLab();
  let connections = 0;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
    connections++;
    return new Response("export const x = 1;");
  });
  const { port } = server.addr;
  const file = lab.path("secret");
  Deno.writeTextFileSync(file, "secret");
  const tried: Tried[] = [];
  for (const pattern of ATTEMPTS) {
    const attempt = pattern.replace("PORT", String(port)).replace("FILE", file);
    const config = { count: 1, batchSize: 1, attempt };
    const name = `try-${tried.length}`;
    const plan = planOf(numbersTo(config, { [name]: { path: lab.path(name) } }, { name }));
    const [{ error }] = await supervise(plan, lab.context, new AbortController().signal);
    tried.push({ attempt: pattern, code: error?.code ?? "none", message: error?.message ?? "" });
  }
  const before = connections;
  const config = { count: 1, batchSize: 1, attempt: `fetch http://127.0.0.1:${port}/` };
  const permissions = { net: [`127.0.0.1:${port}`] };
  const plan = planOf(
    numbersTo(config, { granted: { path: lab.path("granted") } }, { name: "granted", permissions }),
  );
  const [{ error }] = await supervise(plan, lab.context, new AbortController().signal);
  return { tried, connections: before, granted: error?.code };
}

if (import.meta.main) console.log(JSON.stringify(await tryEverything()));
