/**
 * A real fake-gcs-server for tests: Cloud Storage's JSON API on a free port, with its data in memory. Built by Go into a
 * cache folder when it is first used, which takes minutes: its tests are optional.
 *
 * What it can't show: it takes any token or none, and its answer to the status query of a resumable upload ends the
 * upload. For those there is scripted_gcs.ts.
 */
import { join } from "node:path";
import { tmpdir } from "node:os";
import { ServerMissing } from "./missing.ts";
import { endWithUs, freePort, logTail, signal, waitUntil } from "./process.ts";

const MODULE = "github.com/fsouza/fake-gcs-server@v1.56.1";
/** The program, when somebody has built it already. */
const PROGRAM_VARIABLE = "FAKE_GCS_SERVER";
/** Set: it may be built here. */
const BUILD_VARIABLE = "BUILD_SERVERS";

/** Starts one and waits until it answers. @throws {ServerMissing} where it is not built and can't be */
export async function startFakeGcs(): Promise<FakeGcs> {
  const program = await findProgram();
  const dir = await Deno.makeTempDir({ prefix: "rivven-fake-gcs-" });
  const port = await freePort();
  const log = join(dir, "log");
  const address = `127.0.0.1:${port}`;
  const child = new Deno.Command("sh", {
    args: [
      ...["-c", `exec "$0" "$@" >"${log}" 2>&1`, program, "-backend", "memory", "-scheme", "http"],
      ...["-host", "127.0.0.1", "-port", String(port), "-public-host", address],
      ...["-external-url", `http://${address}`, "-log-level", "warn"],
    ],
    cwd: dir,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const server = new FakeGcs(child, endWithUs(child.pid, "SIGKILL"), dir, port);
  let ended: number | undefined;
  child.status.then(({ code }) => ended = code);
  try {
    await waitUntil(async () => {
      if (ended !== undefined) throw new Error(`It ended with exit code ${ended}:\n${await logTail(log)}`);
      const response = await fetch(`${server.endpoint}/_internal/healthcheck`).catch(() => undefined);
      await response?.body?.cancel();
      return response?.ok ? true : undefined;
    }, { what: "fake-gcs-server to answer", timeoutMs: 60_000, everyMs: 50 });
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

/** A running server. Disposing of it ends it; its data go with it. */
export class FakeGcs implements AsyncDisposable {
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  readonly #watcher: AsyncDisposable;
  readonly #dir: string;

  /** Use startFakeGcs(). */
  constructor(child: Deno.ChildProcess, watcher: AsyncDisposable, dir: string, port: number) {
    this.#child = child;
    this.#watcher = watcher;
    this.#dir = dir;
    this.port = port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signal(this.#child.pid, "SIGKILL");
    await this.#child.status;
    await this.#watcher[Symbol.asyncDispose]();
    await Deno.remove(this.#dir, { recursive: true });
  }
}

async function findProgram(): Promise<string> {
  const folder = join(tmpdir(), "rivven-test-servers", "bin");
  for (const path of [Deno.env.get(PROGRAM_VARIABLE), join(folder, "fake-gcs-server")]) {
    if (path !== undefined && await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
  }
  if (Deno.env.get(BUILD_VARIABLE) !== "1") {
    throw new ServerMissing(
      `fake-gcs-server is not built: ${PROGRAM_VARIABLE} names the program, ` +
        `or ${BUILD_VARIABLE}=1 lets Go build it (${MODULE})`,
      { isOptional: true },
    );
  }
  const output = await new Deno.Command("go", {
    args: ["install", MODULE],
    env: { GOBIN: folder, CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false" },
    stdin: "null",
  }).output().catch((cause) => {
    throw new ServerMissing("fake-gcs-server can't be built: Go is not installed", {
      isOptional: true,
      cause,
    });
  });
  if (!output.success) {
    const reason = new TextDecoder().decode(output.stderr).trimEnd().split("\n").slice(-3).join("\n");
    throw new ServerMissing(`fake-gcs-server can't be built: ${reason}`, { isOptional: true });
  }
  return join(folder, "fake-gcs-server");
}
