/**
 * A real fake-gcs-server for tests: Cloud Storage's JSON API on a free port, with its data in memory.
 *
 * What it can't show: it takes any token or none, and its answer to the status query of a resumable upload ends the
 * upload. For those there is scripted_gcs.ts.
 */
import { answers, startOnce } from "./background.ts";
import { goProgram } from "./go_program.ts";
import { freePort, makeServerDir } from "./process.ts";

/** A running server. Disposing of it ends it; its data go with it. */
export interface FakeGcs extends AsyncDisposable {
  readonly port: number;
  readonly endpoint: string;
  /** An object of bucket `lake`, with its metadata. */
  read(name: string): Promise<{ readonly fields: Record<string, unknown>; readonly bytes: Uint8Array }>;
  /** Names of the objects in the bucket. */
  names(): Promise<string[]>;
}

/** Starts one with one bucket, `lake`, and waits until it answers. @throws {ServerMissing} where it is not built and can't be */
export async function startFakeGcs(): Promise<FakeGcs> {
  const program = await goProgram("fake-gcs-server");
  const dir = await makeServerDir("fake-gcs");
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const endpoint = `http://${address}`;
  const background = await startOnce({
    name: "fake-gcs-server",
    program,
    args: [
      ...["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", String(port)],
      ...["-public-host", address, "-external-url", endpoint, "-log-level", "warn"],
    ],
    dir,
    isReady: () => answers(`${endpoint}/_internal/healthcheck`),
  });
  const bucket = `${endpoint}/storage/v1/b`;
  const made = await fetch(`${bucket}?project=p`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: "lake" }),
  });
  await made.body?.cancel();
  return {
    ...background,
    ...{ port, endpoint },
    async read(name) {
      const url = `${bucket}/lake/o/${encodeURIComponent(name)}`;
      const fields = await (await fetch(url)).json();
      return { fields, bytes: await (await fetch(`${url}?alt=media`)).bytes() };
    },
    async names() {
      const { items = [] } = await (await fetch(`${bucket}/lake/o`)).json();
      return items.map(({ name }: { name: string }) => name);
    },
  };
}
