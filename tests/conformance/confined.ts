/**
 * That a connector needs no right that its definition does not ask for, and that a sink survives the death of its
 * worker: `testConfined` registers the tests. Each connector is loaded and used in a worker as the runtime makes it.
 */
import assert from "node:assert/strict";
import type { ConnectorDefinition, StreamSelection } from "../../connectors/contract.ts";
import type { Batch, BatchData } from "../../formats/data/batch.ts";
import type { Json } from "../../formats/data/value.ts";
import { workerPermissions } from "../../runtime/confinement.ts";
import { fakeBatches, linesOf } from "../fakes/records.ts";
import type { Environments, SinkEnvironment, SourceEnvironment } from "./environment.ts";

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
  | { kind: "write"; batch: BatchData }
  | { kind: "flush" | "check" | "close" | "put_done" };

export type Answer =
  | { kind: "done"; value: unknown }
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
    Deno.test(`${type} source, ${label}: it reads with the rights that it asks for`, async () => {
      await using environment = await make();
      const config = definition.config.parse(environment.config);
      using worker = await ConfinedWorker.start(definition, config, "source");
      await worker.ask({ kind: "open_source", type, config, streams: environment.streams });
      assert.deepEqual(await worker.ask({ kind: "check" }), []);
      const count = Math.min(environment.records, 100);
      assert.ok(await worker.ask({ kind: "read", count }) as number >= count);
      await worker.ask({ kind: "close" });
    });
  }

  for (const [label, make] of Object.entries(sinks)) {
    Deno.test(`${type} sink, ${label}: it loads with the rights that it asks for`, async () => {
      await using environment = await make();
      const config = definition.config.parse(environment.config);
      using worker = await ConfinedWorker.start(definition, config, "sink");
      await worker.ask({ kind: "open_sink", type, config, saved: undefined, documents: [] });
      assert.deepEqual(await worker.ask({ kind: "check" }), []);
      await worker.ask({ kind: "close" });
    });

    Deno.test(`${type} sink, ${label}: its worker dies between write and flush, and the next one goes on`, async () => {
      await using environment = await make();
      if (environment.open) return;
      const config = definition.config.parse(environment.config);
      const [first, lost, last] = fakeBatches(3, 50);
      const documents = new Map<string, Json>();
      let saved: Json | undefined;
      {
        using worker = await ConfinedWorker.start(definition, config, "sink", documents);
        await worker.ask({ kind: "open_sink", type, config, saved, documents: [] });
        await worker.write(first);
        saved = await worker.ask({ kind: "flush" }) as Json | undefined;
        await worker.write(lost);
      }
      using worker = await ConfinedWorker.start(definition, config, "sink", documents);
      await worker.askUntilFree({ kind: "open_sink", type, config, saved, documents: [...documents] });
      await worker.write(lost);
      await worker.write(last);
      await worker.ask({ kind: "flush" });
      await worker.ask({ kind: "close" });
      const lines = await environment.lines();
      const expected = linesOf(first, lost, last);
      if (definition.sink!.guarantee === "exactly_once") assert.deepEqual(lines, expected);
      else for (const line of expected) assert.ok(lines.includes(line), `Lost: ${line}`);
    });
  }
}

/** The main thread's side. Disposing of it ends the worker at once, wherever it is. */
class ConfinedWorker implements Disposable {
  readonly #worker: Worker;
  readonly #documents: Map<string, Json>;
  #pending = Promise.withResolvers<unknown>();

  private constructor(worker: Worker, documents: Map<string, Json>) {
    this.#worker = worker;
    this.#documents = documents;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#pending.reject(new Error(event.message));
    };
  }

  static async start(
    definition: ConnectorDefinition,
    config: unknown,
    role: "source" | "sink",
    documents = new Map<string, Json>(),
  ): Promise<ConfinedWorker> {
    const permissions = workerPermissions(definition.permissions(config, role));
    const options = { type: "module", deno: { permissions } } as WorkerOptions;
    const worker = new ConfinedWorker(
      new Worker(new URL("./confined_worker.ts", import.meta.url), options),
      documents,
    );
    await worker.#pending.promise;
    return worker;
  }

  /** Asks one thing; the answer, or what was thrown. */
  ask(request: Request): Promise<unknown> {
    this.#pending = Promise.withResolvers();
    this.#worker.postMessage(request);
    return this.#pending.promise;
  }

  write(batch: Batch): Promise<unknown> {
    return this.ask({ kind: "write", batch: batch.encoded() });
  }

  /** What the dead worker held is let go when its thread has ended, which takes a moment. */
  async askUntilFree(request: Request): Promise<unknown> {
    for (let tries = 0;; tries++) {
      try {
        return await this.ask(request);
      } catch (error) {
        if (tries === 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }

  #receive(answer: Answer): void {
    if (answer.kind === "done") this.#pending.resolve(answer.value);
    else if (answer.kind === "failed") this.#pending.reject(new Error(answer.text));
    else {
      this.#documents.set(answer.key, answer.value);
      this.#worker.postMessage({ kind: "put_done" } satisfies Request);
    }
  }
}
