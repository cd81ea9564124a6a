/** The `javascript` transform: hands batches to the worker with the user's function, and takes back what it made. */
import module from "node:module";
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { rfc3339 } from "../../formats/data/envelope.ts";
import { nthOrder } from "../_shared/records.ts";
import type { RejectRecord, Transform, TransformContext } from "../contract.ts";
import type { JavascriptConfig } from "./definition.ts";
import {
  type FromFunction,
  startFunctionWorker,
  type UserRecord,
  type UserResult,
} from "./function_worker.ts";

/** @throws {ConnectorError} code `config_function` when the code doesn't load or exports no function */
export async function openTransform(config: JavascriptConfig, context: TransformContext): Promise<Transform> {
  const { code, language } = config;
  const worker = new FunctionCalls(
    language === "typescript" ? module.stripTypeScriptTypes(code!) : code!,
    config.timeout_ms,
    context,
  );
  await worker.ready();
  return new JavascriptTransform(worker, config.columns === "keep");
}

class JavascriptTransform implements Transform {
  readonly #calls: FunctionCalls;
  readonly #keepsColumns: boolean;
  readonly #withTopic = new WeakMap<Stream, Map<string, Stream>>();

  constructor(calls: FunctionCalls, keepsColumns: boolean) {
    this.#calls = calls;
    this.#keepsColumns = keepsColumns;
  }

  stream(stream: Stream): Stream {
    return this.#keepsColumns ? stream : { ...stream, columns: undefined };
  }

  async apply(records: readonly DataRecord[], reject: RejectRecord): Promise<readonly DataRecord[]> {
    const results = await this.#calls.call(records.map(userRecord));
    const out: DataRecord[] = [];
    results.forEach((result, i) => {
      const record = records[i];
      if ("error" in result) {
        reject(
          record,
          new RecordError(`The function failed: ${result.error}`, { code: "serialization_function" }),
        );
        return;
      }
      result.records.forEach((made, n) => out.push(this.#merged(record, made, n)));
    });
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calls[Symbol.asyncDispose]();
  }

  #merged(record: DataRecord, made: UserRecord, n: number): DataRecord {
    const { operation, key, before, after, source, headers, unavailable, topic } = made;
    return {
      ...record,
      stream: topic === undefined ? record.stream : this.#routed(record.stream, topic),
      operation,
      key,
      before,
      after,
      source,
      headers,
      unavailable,
      order: n === 0 ? record.order : nthOrder(record.order, n),
    };
  }

  #routed(stream: Stream, topic: string): Stream {
    let byTopic = this.#withTopic.get(stream);
    if (!byTopic) this.#withTopic.set(stream, byTopic = new Map());
    let routed = byTopic.get(topic);
    if (!routed) {
      // A function that makes up topics without end must not fill the memory.
      if (byTopic.size >= 10_000) byTopic.clear();
      byTopic.set(topic, routed = { ...stream, topic });
    }
    return routed;
  }
}

function userRecord(record: DataRecord): UserRecord {
  const { stream, operation, key, before, after, timeMicros, source, headers, unavailable } = record;
  const { name, namespace, database, topic } = stream;
  return {
    stream: { name, namespace, database, topic, key: stream.key },
    operation,
    key,
    before,
    after,
    time: rfc3339(timeMicros),
    source,
    headers,
    unavailable,
  };
}

/** The worker with the function: one batch at a time, with a deadline. */
class FunctionCalls implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #timeoutMs: number;
  readonly #context: TransformContext;
  readonly #ready = Promise.withResolvers<void>();
  #call: { readonly id: number; readonly done: PromiseWithResolvers<readonly UserResult[]> } | undefined;
  #nextId = 0;

  constructor(code: string, timeoutMs: number, context: TransformContext) {
    this.#timeoutMs = timeoutMs;
    this.#context = context;
    this.#worker = startFunctionWorker(code);
    this.#worker.onmessage = ({ data }: MessageEvent<FromFunction>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(this.#error(`does not work: ${event.message}`, "config_function"));
    };
  }

  /** Resolves when the code is loaded. */
  async ready(): Promise<void> {
    try {
      await this.#inTime(this.#ready.promise, "was not loaded");
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async call(records: readonly UserRecord[]): Promise<readonly UserResult[]> {
    const id = this.#nextId++;
    const done = Promise.withResolvers<readonly UserResult[]>();
    this.#call = { id, done };
    this.#worker.postMessage({ id, records });
    try {
      return await this.#inTime(done.promise, `did not answer for a batch of ${records.length}`);
    } finally {
      this.#call = undefined;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#worker.terminate();
    return Promise.resolve();
  }

  #receive(message: FromFunction): void {
    switch (message.kind) {
      case "ready":
        return this.#ready.resolve();
      case "unusable":
        return this.#fail(this.#error(`can't be used: ${message.message}`, "config_function"));
      case "log":
        return this.#context.log.warn(message.message);
      case "done":
        if (message.id === this.#call?.id) this.#call.done.resolve(message.results);
    }
  }

  async #inTime<T>(work: Promise<T>, what: string): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#worker.terminate();
      late.reject(this.#error(`${what} within ${this.#timeoutMs} ms`, "timeout_function"));
    }, this.#timeoutMs);
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #fail(error: ConnectorError): void {
    this.#ready.promise.catch(() => {});
    this.#ready.reject(error);
    this.#call?.done.reject(error);
  }

  #error(what: string, code: "config_function" | "timeout_function"): ConnectorError {
    return new ConnectorError(`The function of transform "${this.#context.name}" ${what}`, {
      code,
      hint: code === "config_function"
        ? "The code must be a module with a function as its default export, and import nothing"
        : "Make it faster, or set timeout_ms; a function that never ends keeps a processor busy until the program ends",
    });
  }
}
