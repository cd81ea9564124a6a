/** One request, sent until there is an answer that counts: retries, `Retry-After`, the breaker and the rate limit. */
import { gzipSync } from "node:zlib";
import type { Clock, SinkContext } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import { Breaker } from "./breaker.ts";
import type { WebhookConfig } from "./connector.ts";
import { Credentials, signatureHeaders } from "./credentials.ts";
import { Timeouts } from "./timeouts.ts";
import { shown } from "./url_template.ts";

/** What the server says of a request. `too_large`: with fewer records it may take it. */
export type Answer = { readonly kind: "accepted" | "refused" | "too_large"; readonly status: number };

export interface Outgoing {
  readonly url: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly idempotencyKey: string | undefined;
}

/** Answers that say nothing about the record, but that something is wrong with our configuration or theirs (F44). */
const FLOW_ERRORS: Readonly<
  Record<number, { readonly code: "auth" | "permission" | "not_found"; readonly hint: string }>
> = {
  401: { code: "auth", hint: "Check `auth` of the sink" },
  403: { code: "permission", hint: "The credentials of `auth` may not write there" },
  404: { code: "not_found", hint: "Check `url`: nothing is there" },
  407: { code: "auth", hint: "A proxy on the way wants a login" },
};

/** Answers after which the same request may succeed later, beside 5xx. */
const BUSY = [408, 425, 429];

export class Requests {
  readonly #config: WebhookConfig;
  readonly #context: Pick<SinkContext, "clock" | "log" | "random" | "metrics">;
  readonly #signal: AbortSignal;
  readonly #client: Deno.HttpClient;
  readonly #credentials: Credentials;
  readonly #breaker: Breaker;
  readonly #timeouts: Timeouts;
  #nextStartMs = 0;

  constructor(config: WebhookConfig, context: SinkContext, signal: AbortSignal) {
    this.#config = config;
    this.#context = context;
    this.#signal = signal;
    this.#client = openClient(config);
    this.#credentials = new Credentials(config.auth, context.clock, this.#client);
    this.#timeouts = new Timeouts(config.timeout_secs * 1000, signal);
    const { failures, reset_secs } = config.circuit_breaker;
    this.#breaker = new Breaker({
      failures,
      resetMs: reset_secs * 1000,
      clock: context.clock,
      log: context.log,
    });
  }

  /**
   * Sends until the server has decided.
   *
   * @throws {ConnectorError} when it has not after `retry.max_retries` further attempts, or refuses all requests alike
   */
  async send(outgoing: Outgoing): Promise<Answer> {
    const { max_retries } = this.#config.retry;
    let renewed = false;
    for (let attempt = 0;; attempt++) {
      await this.#breaker.enter(this.#signal);
      await this.#keepRate();
      this.#throwIfClosed();
      const result = await this.#attempt(outgoing);
      if (result.kind === "answer") {
        this.#breaker.succeeded();
        return result.answer;
      }
      if (result.status === 401 && !renewed && this.#credentials.refused()) {
        renewed = true; // with a new token
        this.#breaker.succeeded();
        continue;
      }
      this.#breaker.failed();
      if (result.status !== undefined && result.status in FLOW_ERRORS) {
        throw this.#flowError(outgoing.url, result.status);
      }
      if (attempt >= max_retries) throw this.#givenUp(outgoing.url, attempt + 1, result);
      this.#context.metrics.add("http_webhook_retries_total");
      await this.#context.clock.sleep(this.#backoffMs(attempt, result.retryAfterMs), this.#signal);
    }
  }

  /** One request to `url` without records, for `check`: its status, or why there is none. */
  async probe(url: string, method: "HEAD" | "GET"): Promise<number> {
    const headers = { ...this.#config.headers, ...await this.#credentials.headers(this.#signal) };
    return (await this.#fetch(url, { method, headers }, ({ body }) => body?.cancel())).status;
  }

  close(): void {
    this.#client.close();
  }

  async #attempt({ url, body, idempotencyKey }: Outgoing): Promise<Attempt> {
    const { headers, content_type, method, signing, compression_threshold_bytes: threshold } = this.#config;
    const sent = threshold > 0 && body.length >= threshold ? new Uint8Array(gzipSync(body)) : body;
    const all = new Headers({ "Content-Type": content_type, ...headers });
    if (sent !== body) all.set("Content-Encoding", "gzip");
    if (idempotencyKey !== undefined) all.set("Idempotency-Key", idempotencyKey);
    const own = {
      ...await this.#credentials.headers(this.#signal),
      ...signatureHeaders(signing, sent, this.#context.clock.nowMicros()),
    };
    for (const [name, value] of Object.entries(own)) all.set(name, value);
    let response: Response;
    try {
      // Read to its end, so that the connection serves the next request.
      response = await this.#fetch(
        url,
        { method, headers: all, body: sent },
        (answer) => answer.arrayBuffer(),
      );
    } catch (error) {
      this.#throwIfClosed();
      if (error instanceof Deno.errors.NotCapable) throw error;
      return { kind: "failed", reason: reasonOf(error, this.#config.timeout_secs), cause: error };
    }
    const { status } = response;
    if (response.ok) return { kind: "answer", answer: { kind: "accepted", status } };
    if (status < 400) throw this.#redirected(url, status, response.headers.get("location"));
    if (status >= 500 || BUSY.includes(status) || status in FLOW_ERRORS) {
      const retryAfterMs = retryAfter(response.headers.get("retry-after"), this.#context.clock);
      return { kind: "failed", reason: `it answered ${status}`, status, retryAfterMs };
    }
    return { kind: "answer", answer: { kind: status === 413 ? "too_large" : "refused", status } };
  }

  /** @param finish what is done with the answer while the time for the request runs */
  async #fetch(
    url: string,
    init: RequestInit,
    finish: (response: Response) => Promise<unknown> | undefined,
  ): Promise<Response> {
    const request = this.#timeouts.begin();
    try {
      const response = await fetch(url, {
        ...init,
        redirect: "manual",
        client: this.#client,
        signal: request.signal,
      });
      await finish(response);
      return response;
    } finally {
      this.#timeouts.end(request);
    }
  }

  /** Requests start at even distances. */
  async #keepRate(): Promise<void> {
    const { rate_limit_rps } = this.#config;
    if (rate_limit_rps === 0) return;
    const { clock } = this.#context;
    const startMs = Math.max(clock.monotonicMs(), this.#nextStartMs);
    this.#nextStartMs = startMs + 1000 / rate_limit_rps;
    const waitMs = startMs - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, this.#signal);
  }

  #backoffMs(attempt: number, askedMs = 0): number {
    const { initial_backoff_ms, max_backoff_ms, backoff_multiplier, jitter } = this.#config.retry;
    const waitMs = Math.min(max_backoff_ms, initial_backoff_ms * backoff_multiplier ** attempt);
    return Math.max(askedMs, jitter ? waitMs * (1 + this.#context.random() / 4) : waitMs);
  }

  #throwIfClosed(): void {
    if (!this.#signal.aborted) return;
    throw new ConnectorError("Closed while a request was under way", { code: "transient_closed" });
  }

  #flowError(url: string, status: number): ConnectorError {
    const { code, hint } = FLOW_ERRORS[status];
    const message = `${this.#config.method} ${shown(url)} was answered with ${status}`;
    // Tried again by the runtime, with its backoff: nothing is lost while somebody mends it.
    return new ConnectorError(message, { code: `${code}_http_${status}`, hint, retryable: true });
  }

  #givenUp(url: string, attempts: number, { reason, status, retryAfterMs, cause }: Failed): ConnectorError {
    const times = attempts === 1 ? "once" : `${attempts} times`;
    return new ConnectorError(`${this.#config.method} ${shown(url)} was tried ${times}: ${reason}`, {
      code: status === 429
        ? "rate_limited_http_429"
        : status
        ? `transient_http_${status}`
        : "connection_http",
      hint: "Nothing is lost: the pipeline goes on when the server takes requests again",
      retryAfterMs,
      cause,
    });
  }

  #redirected(url: string, status: number, location: string | null): ConnectorError {
    return new ConnectorError(
      `${shown(url)} was answered with ${status} to ${location ? shown(location) : "no location"}`,
      {
        code: "config_http_redirect",
        hint:
          "Write the new address into `url`: records go to the host that the configuration names, and to no other",
      },
    );
  }
}

interface Failed {
  readonly kind: "failed";
  readonly reason: string;
  readonly status?: number;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

type Attempt = Failed | { readonly kind: "answer"; readonly answer: Answer };

function openClient({ tls }: WebhookConfig): Deno.HttpClient {
  const read = (path: string, key: string) => {
    try {
      return Deno.readTextFileSync(path);
    } catch (cause) {
      const reason = cause instanceof Deno.errors.NotFound ? "there is no such file" : "it can't be read";
      throw new ConnectorError(`Cannot use ${key} "${path}": ${reason}`, {
        code: "config_tls_file",
        hint: "Name a PEM file that this user may read",
        cause,
      });
    }
  };
  try {
    return Deno.createHttpClient({
      ...tls?.ca_cert_path && { caCerts: [read(tls.ca_cert_path, "tls.ca_cert_path")] },
      ...tls?.cert_path && {
        cert: read(tls.cert_path, "tls.cert_path"),
        key: read(tls.key_path!, "tls.key_path"),
      },
    } as Deno.CreateHttpClientOptions);
  } catch (cause) {
    if (cause instanceof ConnectorError) throw cause;
    throw new ConnectorError("Cannot use the files that `tls` names: they are no PEM certificates and keys", {
      code: "config_tls_file",
      hint: "Name a certificate file, and a key file that belongs to it",
      cause,
    });
  }
}

/** Seconds or a date (RFC 9110, 10.2.3) → milliseconds from now. */
export function retryAfter(text: string | null, clock: Clock): number | undefined {
  if (text === null) return undefined;
  if (/^\d+$/.test(text.trim())) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Number(clock.nowMicros() / 1000n));
}

function reasonOf(error: unknown, timeoutSecs: number): string {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `no answer within ${timeoutSecs} s`;
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
