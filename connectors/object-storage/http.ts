/**
 * Requests to an object store over HTTP, sent again until there is an answer that decides something: what s3/, gcs/
 * and azure/ have in common. What an answer means is their matter.
 */
import type { ConnectorContext } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import { Connections, type Incoming } from "./exchange.ts";

/** What a store needs of its connector's context. */
export type StoreContext = Pick<ConnectorContext, "clock" | "random" | "metrics" | "log">;

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent one after the other. */
  readonly body?: readonly Uint8Array[];
}

export type HttpAnswer = Incoming;

export interface Call {
  /** The end of `Cannot …`: `make "a.jsonl" in bucket "b"`. */
  readonly what: string;
  /** Made anew for each attempt, since signatures have a time and tokens an end. */
  request(): HttpRequest | Promise<HttpRequest>;
  /** An answer after which the same request may succeed, beside 408, 429 and 5xx. */
  isBusy?(answer: HttpAnswer): boolean;
  /** Asked before the request is sent again, because the one before may have done its work: true ends it. */
  isDone?(): Promise<boolean>;
}

/** The keys of the connector that requests go by. */
export interface HttpKeys {
  readonly retry: {
    readonly max_retries: number;
    readonly initial_backoff_ms: number;
    readonly max_backoff_ms: number;
    readonly backoff_multiplier: number;
    readonly jitter_factor: number;
  };
  readonly request_timeout_secs: number;
  /** PEM file of a CA in place of the system's. */
  readonly ca_cert_path?: string;
}

/** A server that wants us to wait longer gets a pipeline that is started anew after that time. */
const LONGEST_ASKED_WAIT_MS = 60_000;

/** The connections to one store. Disposing of it ends the requests that are under way. */
export class StoreHttp implements Disposable {
  readonly #keys: HttpKeys;
  readonly #context: StoreContext;
  readonly #closing = new AbortController();
  readonly #connections: Connections;

  /** @throws {ConnectorError} where `ca_cert_path` can't be used */
  constructor(keys: HttpKeys, context: StoreContext) {
    this.#keys = keys;
    this.#context = context;
    this.#connections = openConnections(keys.ca_cert_path);
  }

  /**
   * Sends until there is an answer that is no excuse.
   *
   * @returns undefined when `isDone` has said so
   * @throws {ConnectorError} when there is none after all attempts
   */
  async send(call: Call): Promise<HttpAnswer | undefined> {
    for (let attempt = 1;; attempt++) {
      const result = await this.attempt(await call.request());
      if (result.kind === "answer" && !isBusy(result.answer) && !call.isBusy?.(result.answer)) {
        return result.answer;
      }
      const askedMs = result.kind === "answer" ? this.#askedWaitMs(result.answer) : undefined;
      if (attempt > this.#keys.retry.max_retries || (askedMs ?? 0) > LONGEST_ASKED_WAIT_MS) {
        throw givenUp(call.what, attempt, result, askedMs);
      }
      this.#context.metrics.add("object_storage_retries_total");
      await this.#context.clock.sleep(this.#waitMs(attempt, askedMs), this.#closing.signal);
      if (await call.isDone?.()) return undefined;
    }
  }

  /** One request, once. What came of it when there is no answer is unknown. */
  async attempt({ url, method, headers, body }: HttpRequest): Promise<Attempt> {
    const timeoutMs = this.#keys.request_timeout_secs * 1000;
    this.#throwIfClosed();
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
      const outgoing = { method, url: new URL(url), headers, body };
      return { kind: "answer", answer: await this.#connections.exchange(outgoing, signal) };
    } catch (error) {
      this.#throwIfClosed();
      if (error instanceof Deno.errors.NotCapable) throw error;
      return { kind: "unknown", reason: reasonOf(error, timeoutMs) };
    }
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#connections[Symbol.dispose]();
  }

  #waitMs(attempt: number, askedMs = 0): number {
    const { initial_backoff_ms, max_backoff_ms, backoff_multiplier, jitter_factor } = this.#keys.retry;
    const waitMs = Math.min(max_backoff_ms, initial_backoff_ms * backoff_multiplier ** (attempt - 1));
    return Math.max(askedMs, waitMs * (1 - jitter_factor * this.#context.random()));
  }

  /** `Retry-After`: seconds or a date (RFC 9110, 10.2.3). */
  #askedWaitMs({ headers }: HttpAnswer): number | undefined {
    const text = headers.get("retry-after")?.trim();
    if (!text) return undefined;
    if (/^\d+$/.test(text)) return Number(text) * 1000;
    const at = Date.parse(text);
    return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs(this.#context));
  }

  #throwIfClosed(): void {
    if (!this.#closing.signal.aborted) return;
    throw new ConnectorError("Closed while a request was under way", { code: "transient_closed" });
  }
}

export type Attempt =
  | { readonly kind: "answer"; readonly answer: HttpAnswer }
  /** No answer, for a reason that names no address: a URL may hold a signature. */
  | { readonly kind: "unknown"; readonly reason: string };

/** Milliseconds since 1970. */
export function nowMs({ clock }: Pick<StoreContext, "clock">): number {
  return Number(clock.nowMicros() / 1000n);
}

/** 501: it can't do that, now or later. */
function isBusy({ status }: HttpAnswer): boolean {
  return (status >= 500 && status !== 501) || status === 408 || status === 429;
}

function givenUp(what: string, attempts: number, result: Attempt, retryAfterMs?: number): ConnectorError {
  const times = attempts === 1 ? "once" : `${attempts} times`;
  const status = result.kind === "answer" ? result.answer.status : undefined;
  const found = result.kind === "answer" ? `the last answer was ${status}` : result.reason;
  return new ConnectorError(`Cannot ${what}: tried ${times}, ${found}`, {
    code: status === undefined
      ? "connection_http"
      : status === 429
      ? "rate_limited_http_429"
      : `transient_http_${status}`,
    hint: status === undefined
      ? "Look whether that address can be reached from here; nothing is lost, the pipeline goes on when it can"
      : "Nothing is lost: the pipeline goes on when the store takes requests again",
    retryAfterMs,
  });
}

function openConnections(caCertPath: string | undefined): Connections {
  if (caCertPath === undefined) return new Connections();
  try {
    return new Connections({ ca: Deno.readTextFileSync(caCertPath) });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new ConnectorError(`Cannot use ca_cert_path "${caCertPath}": it can't be read`, {
      code: "config_ca_cert",
      hint: "Name a PEM file that this user may read",
      cause,
    });
  }
}

function reasonOf(error: unknown, timeoutMs: number): string {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (name === "TimeoutError" || name === "AbortError") return `no answer within ${timeoutMs / 1000} s`;
  const message = error instanceof Error ? error.message : String(error);
  return `no answer (${message.replace(/\bhttps?:\/\/\S+/g, "(an address)")})`;
}
