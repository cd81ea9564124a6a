/**
 * A source or a sink that lives in a worker, seen from the main thread: calls with answers, events, and the watch
 * over its heartbeat, since nothing else tells that a worker has died.
 */
import type { Permissions } from "../connectors/contract.ts";
import { ConnectorError, errorFromReport, type ErrorReport, reportError } from "../formats/data/errors.ts";
import type { Json } from "../formats/data/value.ts";
import { workerPermissions } from "./confinement.ts";
import type { CallName, Calls, Fields, FromWorker, LogLevel, ToWorker, WorkerStats } from "./protocol.ts";

export interface RemoteEvents {
  log(level: LogLevel, message: string, fields: Fields | undefined): void;
  beat(stats: WorkerStats): void;
  due(): void;
  ended(): void;
  /** The worker can't go on: it said so, it threw, or it fell silent. Called once at most. */
  failed(error: ConnectorError): void;
  /** Saves documents, by key, all or none; the worker is told when this returns or throws. */
  put(documents: Readonly<Record<string, Json>>): void;
}

export interface RemoteOptions {
  /** How the worker is called in messages: `source "shop"`. */
  readonly title: string;
  readonly permissions: Permissions;
  readonly events: RemoteEvents;
  /** The worker entry point. */
  readonly url: URL;
  readonly heartbeatMs: number;
  /** Silence after which it counts as dead. */
  readonly silenceMs: number;
  /** The same while it is still loading its code; a minute unless told. */
  readonly startMs?: number;
}

/** How often a worker tells that it is alive, and after which silence it is replaced. */
export const HEARTBEAT = { heartbeatMs: 500, silenceMs: 30_000 } as const;

/** A worker that is still loading its code can't send heartbeats; on a busy machine that takes its time. */
const START_MS = 60_000;

/** The worker entry point of one side of a connector. */
export function workerUrl(connector: string, role: "source" | "sink"): URL {
  return new URL(`./workers/${connector}_${role}.gen.ts`, import.meta.url);
}

export class Remote implements AsyncDisposable {
  readonly #options: RemoteOptions;
  readonly #worker: Worker;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId = 0;
  #lastHeardMs = performance.now();
  #lastCheckMs = performance.now();
  #isReady = false;
  readonly #watch: ReturnType<typeof setInterval>;
  #failure: ConnectorError | undefined;
  #saidBye = false;
  #ready = Promise.withResolvers<void>();

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.#worker = new Worker(
      options.url,
      {
        type: "module",
        name: options.title,
        deno: { permissions: workerPermissions(options.permissions) },
      } as WorkerOptions,
    );
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(
        new ConnectorError(`The worker of ${options.title} died: ${event.message}`, {
          code: "internal_worker",
          retryable: true,
        }),
      );
    };
    this.#ready.promise.catch(() => {});
    this.#watch = setInterval(() => this.#checkSilence(), options.heartbeatMs);
  }

  /** Asks the worker; rejects with its error, or when it dies before it has answered. */
  async call<M extends CallName>(
    method: M,
    args: Calls[M]["args"],
    transfer: Transferable[] = [],
  ): Promise<Calls[M]["result"]> {
    await this.#ready.promise;
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    const pending = Promise.withResolvers<unknown>();
    // First, since it throws where the arguments can't cross; then nobody waits for an answer.
    this.#post({ kind: "call", id, method, args }, transfer);
    this.#pending.set(id, pending);
    return await pending.promise as Calls[M]["result"];
  }

  /** Closes the connector in its own time, at most `graceMs`, then ends the worker. */
  async close(graceMs: number): Promise<void> {
    if (!this.#failure && !this.#saidBye) {
      const closed = this.call("close", undefined).catch(() => {});
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, graceMs));
      await Promise.race([closed, late]);
      clearTimeout(timer);
    }
    this.terminate();
  }

  terminate(): void {
    clearInterval(this.#watch);
    this.#failure ??= new ConnectorError(`The worker of ${this.#options.title} was ended`, {
      code: "internal_ended",
    });
    this.#ready.reject(this.#failure);
    for (const pending of this.#pending.values()) pending.reject(this.#failure);
    this.#pending.clear();
    this.#worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(1000);
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    this.#lastHeardMs = performance.now();
    const { events } = this.#options;
    switch (message.kind) {
      case "ready":
        this.#isReady = true;
        return this.#ready.resolve();
      case "result":
        return this.#settle(message.id)?.resolve(message.value);
      case "error":
        return this.#settle(message.id)?.reject(errorFromReport(message.error));
      case "log":
        return events.log(message.level, message.message, message.fields);
      case "beat":
        return events.beat(message.stats);
      case "due":
        return events.due();
      case "ended":
        return events.ended();
      case "failed":
        return this.#fail(errorFromReport(message.error));
      case "put":
        return this.#put(message.id, message.documents);
      case "bye":
        this.#saidBye = true;
        clearInterval(this.#watch);
    }
  }

  #settle(id: number): PromiseWithResolvers<unknown> | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #put(id: number, documents: Readonly<Record<string, Json>>): void {
    let error: ErrorReport | undefined;
    try {
      this.#options.events.put(documents);
    } catch (thrown) {
      error = reportError(thrown);
    }
    this.#post({ kind: "put_done", id, error });
  }

  #checkSilence(): void {
    const { heartbeatMs, silenceMs, startMs = START_MS } = this.#options;
    const nowMs = performance.now();
    // Where this thread itself was held up, heartbeats may be waiting behind this very timer.
    if (nowMs - this.#lastCheckMs > 3 * heartbeatMs) this.#lastHeardMs = nowMs;
    this.#lastCheckMs = nowMs;
    const silentMs = nowMs - this.#lastHeardMs;
    if (silentMs < (this.#isReady ? silenceMs : Math.max(silenceMs, startMs))) return;
    this.#fail(
      new ConnectorError(
        `The worker of ${this.#options.title} has not answered for ${Math.round(silentMs / 1000)} s`,
        {
          code: "timeout_worker_silent",
          hint: "It hangs or is blocked by a slow disk; it is replaced by a new one",
        },
      ),
    );
  }

  #fail(error: ConnectorError): void {
    if (this.#failure || this.#saidBye) return;
    this.#failure = error;
    clearInterval(this.#watch);
    this.#ready.reject(error);
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
    this.#options.events.failed(error);
  }
}
