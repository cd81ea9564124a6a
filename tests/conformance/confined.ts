/**
 * That a connector needs no right that its definition does not ask for, and that a sink survives kill -9:
 * `testConfined` registers the tests. Each connector is used in a worker as the runtime makes it, in a process of its
 * own with the flags that the program starts itself with; only with them reads a variable that was not granted as unset.
 */
import assert from "node:assert/strict";
import { FLAGS } from "../../cli/launch.ts";
import type { ConnectorDefinition, StreamSelection } from "../../connectors/contract.ts";
import type { Json } from "../../formats/data/value.ts";
import { workerPermissions } from "../../runtime/confinement.ts";
import { fakeBatches, linesOf } from "../fakes/records.ts";
import { requireServer } from "../servers/missing.ts";
import type { Environments, SinkEnvironment, SourceEnvironment } from "./environment.ts";

/** What confined_worker.ts can be asked. */
export type Request =
  | {
    kind: "open_sink";
    type: string;
    config: unknown;
    saved: Json | undefined;
    documents: readonly [string, Json][];
  }
  | { kind: "open_source"; type: string; config: unknown; streams: readonly StreamSelection[] | undefined }
  | { kind: "read"; count: number }
  /** A batch of inserts, numbered on from `first`. */
  | { kind: "write"; first: number; count: number }
  | { kind: "flush" | "check" | "close" | "put_done" };

export type Answer =
  | { kind: "done"; value: Json }
  | { kind: "failed"; text: string }
  | { kind: "put"; key: string; value: Json };

/** Registers the tests of one connector. */
export function testConfined(
  definition: ConnectorDefinition,
  sources: Environments<SourceEnvironment>,
  sinks: Environments<SinkEnvironment>,
): void {
  const { type } = definition;

  for (const [label, make] of Object.entries(sources)) {
    Deno.test(`${type} source, ${label}: it reads with the rights that it asks for`, async (t) => {
      await using environment = await requireServer(t, make);
      if (environment === undefined) return;
      const config = definition.config.parse(environment.config);
      await using worker = new ConfinedWorker(definition, config, "source");
      await worker.ask({ kind: "open_source", type, config, streams: environment.streams });
      assert.deepEqual(await worker.ask({ kind: "check" }), []);
      const count = Math.min(environment.records, 100);
      assert.ok(await worker.ask({ kind: "read", count }) as number >= count);
      await worker.ask({ kind: "close" });
    });
  }

  for (const [label, make] of Object.entries(sinks)) {
    Deno.test(`${type} sink, ${label}: it works with the rights that it asks for`, async (t) => {
      await using environment = await requireServer(t, make);
      if (environment === undefined) return;
      const config = definition.config.parse(environment.config);
      await using worker = new ConfinedWorker(definition, config, "sink");
      await worker.ask({ kind: "open_sink", type, config, saved: undefined, documents: [] });
      assert.deepEqual(await worker.ask({ kind: "check" }), []);
      await worker.ask({ kind: "close" });
    });

    Deno.test(`${type} sink, ${label}: killed between write and flush, it goes on from the last commit`, async (t) => {
      await using environment = await requireServer(t, make);
      if (environment === undefined || environment.open) return;
      const config = definition.config.parse(environment.config);
      const open = { kind: "open_sink", type, config } as const;
      const documents = new Map<string, Json>();
      let saved: Json;
      {
        await using worker = new ConfinedWorker(definition, config, "sink", documents);
        await worker.ask({ ...open, saved: undefined, documents: [] });
        await worker.ask({ kind: "write", first: 0, count: 50 });
        saved = await worker.ask({ kind: "flush" });
        await worker.ask({ kind: "write", first: 50, count: 50 });
      }
      await using worker = new ConfinedWorker(definition, config, "sink", documents);
      await worker.ask({ ...open, saved: saved ?? undefined, documents: [...documents] });
      await worker.ask({ kind: "write", first: 50, count: 50 });
      await worker.ask({ kind: "write", first: 100, count: 50 });
      await worker.ask({ kind: "flush" });
      await worker.ask({ kind: "close" });
      const lines = await environment.lines();
      const expected = linesOf(...fakeBatches(3, 50));
      if (definition.sink!.guarantee === "exactly_once") assert.deepEqual(lines, expected);
      else for (const line of expected) assert.ok(lines.includes(line), `Lost: ${line}`);
    });
  }
}

/** The process with the worker, seen from outside. Disposing of it kills it, wherever it is. */
class ConfinedWorker implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;
  readonly #documents: Map<string, Json>;
  readonly #lines: string[] = [];
  #text = "";
  readonly #ready: Promise<Json>;

  constructor(
    definition: ConnectorDefinition,
    config: unknown,
    role: "source" | "sink",
    documents = new Map<string, Json>(),
  ) {
    const permissions = JSON.stringify(workerPermissions(definition.permissions(config, role)));
    const host = new URL("./confined_host.ts", import.meta.url).pathname;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...FLAGS, "--no-check", host, permissions],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#answers = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stderr = new Response(this.#child.stderr).text();
    this.#documents = documents;
    this.#ready = this.#answer();
    this.#ready.catch(() => {});
  }

  /** Asks one thing; gives the answer, or throws what was thrown. */
  async ask(request: Request): Promise<Json> {
    await this.#ready;
    await this.#send(request);
    return await this.#answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#answers.cancel();
    await this.#input.abort().catch(() => {});
    await this.#stderr;
  }

  async #send(request: Request): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
  }

  async #answer(): Promise<Json> {
    for (;;) {
      const answer: Answer = JSON.parse(await this.#line());
      if (answer.kind === "done") return answer.value;
      if (answer.kind === "failed") throw new Error(answer.text);
      this.#documents.set(answer.key, answer.value);
      await this.#send({ kind: "put_done" });
    }
  }

  async #line(): Promise<string> {
    while (this.#lines.length === 0) {
      const { value, done } = await this.#answers.read();
      if (done) throw new Error(`The process ended: ${await this.#stderr}`);
      const lines = (this.#text + value).split("\n");
      this.#text = lines.pop()!;
      this.#lines.push(...lines);
    }
    return this.#lines.shift()!;
  }
}
