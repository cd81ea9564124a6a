/**
 * Objects, from outside: the whole program is killed at every named point and at every step of an upload; after each
 * restart nothing is lost, and nothing is there twice.
 */
import assert from "node:assert/strict";
import { FAILPOINTS } from "../../runtime/failpoint.ts";
import { Program, runProgram, scratch } from "../end_to_end/program.ts";
import { type SeenRequest, startHttpProxy } from "../servers/http_proxy.ts";
import { requireServer } from "../servers/missing.ts";
import { startVersitygw } from "../servers/versitygw.ts";

/** @param events how many in all; 0: without end, so that a program is killed however slow the machine is */
const file = (sink: string, events: number, perSecond: number) => `
version: "1.0"
settings: { state_dir: state }
sources:
  shop:
    connector: datagen
    config: { pattern: orders, cdc_mode: true, seed: 7, events_per_second: ${perSecond}, max_events: ${events} }
sinks:
  lake: ${sink}
pipelines:
  all: { source: shop, sink: lake }
`;

/** That the orders of all records in these texts are those of the whole stream, each once. */
function assertComplete(texts: readonly string[], events: number): void {
  const orders = texts.flatMap((text) =>
    text.split("\n").slice(0, -1).map((line) => JSON.parse(line).source.order)
  );
  assert.equal(orders.length, events);
  assert.deepEqual(
    orders.toSorted(),
    Array.from({ length: events }, (_, i) => `0/${String(i).padStart(16, "0")}`),
  );
}

Deno.test("killed at every named point, a generated stream is in local files once, whole files only", async () => {
  using dir = scratch();
  const sink = `
    connector: object-storage
    config:
      provider: local
      local: { root: out }
      partitioning: "status={field:status}"
      batch_size: 500`;
  dir.write("connect.yaml", file(sink, 0, 4000));
  for (const [i, point] of FAILPOINTS.entries()) {
    const env = { RIVVEN_FAILPOINT: `${point}:${i % 2 + 1}` };
    const { signal, stderr } = await runProgram(["run"], { cwd: dir.path, env });
    assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
  }
  const texts = () => filesBelow(`${dir.path}/out`).map((name) => Deno.readTextFileSync(name));
  const events = texts().join("").split("\n").length + 3000;
  dir.write("connect.yaml", file(sink, events, 4000));
  const { code, stderr } = await runProgram(["run"], { cwd: dir.path });
  assert.equal(code, 0, stderr);
  assert.ok([...Deno.readDirSync(`${dir.path}/out`)].length > 1, "one folder only");
  assertComplete(texts(), events);
});

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

/** Steps of making an object of 17 MB and more, by the request at which the program is killed. */
const STEPS: Record<string, (request: SeenRequest) => boolean> = {
  "an upload is begun": ({ method, path }) => method === "POST" && path.endsWith("?uploads="),
  "its second part is sent": ({ path }) => path.includes("partNumber=2"),
  "it is completed": ({ method, path }) => method === "POST" && path.includes("uploadId"),
};

Deno.test("killed at every step of an upload to S3, before and after it was done, each record is there once", async (t) => {
  await using server = await requireServer(t, startVersitygw);
  if (server === undefined) return;
  await using proxy = await startHttpProxy(server.port);
  proxy.passesHost = true;
  using dir = scratch();
  const events = 60_000;
  const { access_key_id, secret_access_key } = server.keys;
  dir.write(
    "connect.yaml",
    file(
      `
    connector: s3
    config:
      bucket: ${server.bucket}
      endpoint: http://127.0.0.1:${proxy.port}
      access_key_id: ${access_key_id}
      secret_access_key: ${secret_access_key}
      max_file_size_mb: 18`,
      events,
      0,
    ),
  );
  for (const [what, isStep] of Object.entries(STEPS)) {
    for (const isDone of [false, true]) {
      await using program = new Program(["run"], { cwd: dir.path });
      let isKilled = false;
      proxy.fault = (request) => {
        if (isKilled || !isStep(request)) return undefined;
        isKilled = true;
        if (isDone) {
          // The server does it; nobody hears its answer.
          setTimeout(() => program.kill("SIGKILL"), 0);
          return { kind: "lose_answer" };
        }
        program.kill("SIGKILL");
        return { kind: "answer", status: 503 };
      };
      const { signal, stderr } = await program.ended;
      assert.equal(signal, "SIGKILL", `${what} was not reached:\n${stderr}`);
    }
  }
  proxy.fault = () => undefined;
  const { code, stderr } = await runProgram(["run"], { cwd: dir.path });
  assert.equal(code, 0, stderr);
  assertComplete([...server.objects().values()].map((bytes) => new TextDecoder().decode(bytes)), events);
  assert.equal(server.unfinishedUploads(), 0);
});
