/** The sink as a process of its own: killed at random, and on a full disk. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Json } from "../../formats/data/value.ts";
import { fakeSinkContext, seededRandom } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import definition from "./connector.ts";
import { openSink } from "./sink.ts";

const STREAMS = ["a", "b", "c"].map((name) => fakeStream(name));

/** Ten records in runs of different streams; the clock of their changes moves an hour every 50 batches. */
function batchAt(n: number) {
  return fakeBatch(
    Array.from({ length: 10 }, (_, i) =>
      fakeRecord(n * 10 + i, {
        stream: STREAMS[(n + (i >> 1)) % 3],
        timeMicros: BigInt(Math.floor(n / 50)) * 3_600_000_000n,
      })),
    { layout: "plain" },
  );
}

/** What a process keeps over its death: the last commit and the sink's documents, each written as a whole. */
const stateFile = (folder: string, name: string) => join(folder, `${name}.json`);

function readState(folder: string, name: string): Json | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(stateFile(folder, name)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function writeState(folder: string, name: string, value: Json): void {
  const file = stateFile(folder, name);
  Deno.writeTextFileSync(`${file}.new`, JSON.stringify(value));
  Deno.renameSync(`${file}.new`, file);
}

async function openIn(folder: string, config: Record<string, unknown>) {
  const commit = readState(folder, "commit") as { next: number; saved: Json } | undefined;
  const documents = new Map(Object.entries(readState(folder, "documents") ?? {}) as [string, Json][]);
  const context = {
    ...fakeSinkContext({ documents, saved: commit?.saved }),
    state: {
      get: (key: string) => Promise.resolve(documents.get(key)),
      put: (key: string, value: Json) => {
        documents.set(key, value);
        writeState(folder, "documents", Object.fromEntries(documents));
        return Promise.resolve();
      },
    },
  };
  const path = join(folder, "out", config.path as string);
  return {
    sink: await openSink(definition.config.parse({ ...config, path }), context),
    next: commit?.next ?? 0,
  };
}

/** What the child process does: goes on from the last commit to batch `end`, committing now and then. */
async function run(folder: string, config: Record<string, unknown>, end: number): Promise<void> {
  const { sink, next } = await openIn(folder, config);
  const random = seededRandom(next);
  console.log("open");
  for (let n = next; n < end; n++) {
    await sink.write(batchAt(n));
    if (random() < 0.5 && n < end - 1) continue;
    const saved = await sink.flush() as Json;
    writeState(folder, "commit", { next: n + 1, saved });
  }
  await sink[Symbol.asyncDispose]();
}

/** All lines below the folder, sorted by id; within each file they must be in order. */
function idsIn(folder: string): number[] {
  const ids: number[] = [];
  for (const entry of Deno.readDirSync(folder)) {
    const name = join(folder, entry.name);
    if (entry.isDirectory) {
      ids.push(...idsIn(name));
      continue;
    }
    if (!name.endsWith(".jsonl")) continue;
    const text = Deno.readTextFileSync(name);
    assert.ok(text === "" || text.endsWith("\n"), `${name} ends in a torn line`);
    const own = text.split("\n").slice(0, -1).map((line) => JSON.parse(line).id as number);
    assert.deepEqual(own, own.toSorted((a, b) => a - b), `${name} is out of order`);
    ids.push(...own);
  }
  return ids.sort((a, b) => a - b);
}

function start(args: readonly unknown[], shell?: string): Deno.ChildProcess {
  const code = `import { runChild } from "${import.meta.url}"; await runChild(${JSON.stringify(args)});`;
  const program = `data:application/typescript;base64,${new TextEncoder().encode(code).toBase64()}`;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "--no-prompt", "--config", config, program];
  const [command, ...rest] = shell ? ["unshare", "-rm", "sh", "-c", shell, "sh", ...deno] : deno;
  return new Deno.Command(command, { args: rest, stdout: "piped", stderr: "piped" }).spawn();
}

/** The entry of the child process. */
export async function runChild([what, ...args]: [string, ...unknown[]]): Promise<void> {
  if (what === "run") await run(...args as Parameters<typeof run>);
  else await fillDisk(...args as Parameters<typeof fillDisk>);
}

const CONFIGS: Record<string, Record<string, unknown>> = {
  "one file": { path: "all.jsonl" },
  "files by table and hour, rotated": {
    path: "{stream}/{yyyy}-{MM}-{dd}T{HH}.jsonl",
    rotation: { max_size_mb: 0.005 },
  },
};

for (const [what, config] of Object.entries(CONFIGS)) {
  Deno.test(`killed 20 times at random, ${what} hold exactly what was committed, and all of it in the end`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.mkdir(join(folder, "out"));
      const random = seededRandom(7);
      const seen = new Set<number>();
      // On a busy machine more kills are needed to meet as many different commits, and later ones.
      for (let kill = 0; kill < 20 || (seen.size <= 10 && kill < 100); kill++) {
        const child = start(["run", folder, config, 1e9]);
        const reader = child.stdout.getReader();
        const opened = await reader.read();
        assert.equal(new TextDecoder().decode(opened.value), "open\n", await failure(child, opened.done));
        await new Promise((resolve) => setTimeout(resolve, random() * (kill < 20 ? 40 : 400)));
        child.kill("SIGKILL");
        await child.status;
        await reader.cancel();
        await child.stderr.cancel();

        const { sink, next } = await openIn(folder, config);
        await sink[Symbol.asyncDispose]();
        assert.deepEqual(idsIn(join(folder, "out")), Array.from({ length: next * 10 }, (_, id) => id));
        seen.add(next);
      }
      assert.ok(seen.size > 10, `only ${seen.size} different commits were reached`);
      const end = Math.max(...seen) + 20;
      const { code, stderr } = await start(["run", folder, config, end]).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      assert.deepEqual(idsIn(join(folder, "out")), Array.from({ length: end * 10 }, (_, id) => id));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

async function failure(child: Deno.ChildProcess, hasEnded: boolean): Promise<string> {
  return hasEnded ? await new Response(child.stderr).text() : "";
}

/** On a disk of 256 KB: writes until it is full, makes room, goes on with a new sink as the runtime would. */
async function fillDisk(folder: string): Promise<void> {
  const ballast = join(folder, "out/ballast");
  Deno.writeFileSync(ballast, new Uint8Array(100_000));
  let { sink, next } = await openIn(folder, { path: "{stream}.jsonl" });
  let failures = 0;
  for (let n = next; n < 400; n++) {
    try {
      await sink.write(batchAt(n));
      const saved = await sink.flush() as Json;
      writeState(folder, "commit", { next: n + 1, saved });
    } catch (error) {
      const { code, retryable, message } = error as { code: string; retryable: boolean; message: string };
      if (failures++ === 0) {
        console.log(
          JSON.stringify({ code, retryable, message, whole: idsIn(join(folder, "out")).length === n * 10 }),
        );
        Deno.removeSync(ballast);
      }
      await sink[Symbol.asyncDispose]();
      ({ sink, next } = await openIn(folder, { path: "{stream}.jsonl" }));
      n = next - 1;
    }
  }
  await sink[Symbol.asyncDispose]();
  ({ sink, next } = await openIn(folder, { path: "{stream}.jsonl" }));
  await sink[Symbol.asyncDispose]();
  const ids = idsIn(join(folder, "out"));
  console.log(JSON.stringify({ next, failures, ids: ids.length, isExact: ids.every((id, i) => id === i) }));
}

const canMount = Deno.build.os === "linux" &&
  (await new Deno.Command("unshare", { args: ["-rm", "true"], stdout: "null", stderr: "null" }).output()
    .catch(() => ({ success: false }))).success;

Deno.test({
  name: "a full disk is told as such, leaves whole lines, and loses nothing once there is room" +
    (canMount ? "" : " (skipped: no user namespaces here to mount a small disk in)"),
  ignore: !canMount,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const out = join(folder, "out");
      await Deno.mkdir(out);
      const mount = `mount -t tmpfs -o size=256k none '${out}' && exec "$@"`;
      const { code, stdout, stderr } = await start(["fill", folder], mount).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      const [full, end] = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
      assert.equal(full.code, "transient_disk_full");
      assert.equal(full.retryable, true);
      assert.match(full.message, /^Cannot append to ".*\.jsonl": No space left on device/);
      assert.ok(full.whole, "a failed batch left a part of itself");
      assert.deepEqual(end, { next: 400, failures: 1, ids: 4000, isExact: true });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
