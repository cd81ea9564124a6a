/**
 * Requests to a bucket, signed, each sent until there is an answer that counts. (Amazon S3 API Reference, Signature
 * Version 4; "Error responses", "Best practices for errors".)
 */
import { createHash } from "node:crypto";
// In place of @aws-sdk/client-s3, which needs 25 MB and rights that a confined worker does not have, for six requests.
import { AwsV4Signer } from "npm:aws4fetch@1.0.20";
import type { ConnectorContext } from "../../contract.ts";
import { ConnectorError } from "../../../formats/data/errors.ts";
import type { ObjectStorageConfig } from "../connector.ts";
import type { Connections } from "../exchange.ts";
import { bucketUrl } from "./address.ts";
import type { S3Config } from "./config.ts";
import type { S3Keys, S3KeySource } from "./keys.ts";
import { elementText } from "./xml.ts";

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Of the object; the bucket itself when left out. */
  readonly name?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Uint8Array[];
}

export interface S3Answer {
  readonly status: number;
  /** What is wrong, in S3's words; undefined when nothing is, or nothing is said. */
  readonly code: string | undefined;
  /** Where the bucket is, when the answer says so. */
  readonly region: string | undefined;
  readonly headers: Headers;
  readonly text: string;
  /** It was sent before, and what became of that is not known. */
  readonly isRepeated: boolean;
}

/** The same request may succeed later, whatever its status is. */
const BUSY = new Set([
  "SlowDown",
  "InternalError",
  "ServiceUnavailable",
  "RequestTimeout",
  "RequestTimeoutException",
  "OperationAborted",
  "RequestLimitExceeded",
  "Throttling",
  "BandwidthLimitExceeded",
  "XMinioServerNotInitialized",
]);
const BUSY_STATUS = new Set([408, 429, 500, 502, 503, 504, 509]);
const EMPTY_HASH = createHash("sha256").digest("hex");

/** What of the sink's configuration it goes by. */
export interface S3RequestsConfig extends Pick<ObjectStorageConfig, "retry" | "request_timeout_secs"> {
  readonly s3: S3Config;
  readonly bucket: string;
}

type Context = Pick<ConnectorContext, "clock" | "random" | "metrics" | "log">;

export class S3Requests implements Disposable {
  readonly #config: S3RequestsConfig;
  readonly #context: Context;
  readonly #url: URL;
  readonly #keys: S3KeySource;
  readonly #connections: Connections;
  readonly #closing = new AbortController();
  readonly #signingKeys = new Map<string, ArrayBuffer>();
  /** The server's clock minus ours. */
  #skewMs = 0;

  constructor(
    config: S3RequestsConfig,
    context: Context,
    keys: S3KeySource,
    connections: Connections,
  ) {
    this.#config = config;
    this.#context = context;
    this.#url = bucketUrl(config.s3, config.bucket);
    this.#keys = keys;
    this.#connections = connections;
  }

  /** Without a name at its end. */
  get url(): URL {
    return this.#url;
  }

  /**
   * Sends until there is an answer; refusals are answers, too.
   *
   * @throws {ConnectorError} when there was none after `retry.max_retries` further attempts
   */
  async send(request: S3Request): Promise<S3Answer> {
    const { max_retries } = this.#config.retry;
    let isRepeated = false;
    let renewed = false;
    for (let attempt = 0;; attempt++) {
      this.#throwIfClosed();
      const answer = await this.#attempt(request, isRepeated);
      if ("reason" in answer) isRepeated = true;
      else if (answer.code === "RequestTimeTooSkewed" && this.#setClock(answer)) continue;
      else if (answer.code === "ExpiredToken" && !renewed && this.#keys.renew()) {
        renewed = true;
        continue;
      } else if (!isBusy(answer)) return answer;
      // 5xx: it may have been done all the same.
      else if (answer.status >= 500) isRepeated = true;
      if (attempt >= max_retries) {
        if (!("reason" in answer)) return answer;
        throw this.#unreachable(attempt + 1, answer);
      }
      this.#context.metrics.add("object_storage_retries_total");
      await this.#context.clock.sleep(this.#backoffMs(attempt), this.#closing.signal);
    }
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#connections[Symbol.dispose]();
  }

  async #attempt(request: S3Request, isRepeated: boolean): Promise<S3Answer | Failed> {
    const url = new URL(this.#url);
    url.pathname += (request.name ?? "").split("/").map(encoded).join("/");
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const keys = await this.#keys.current(this.#closing.signal);
    const init = await this.#signed(url, request, keys);
    const timeout = AbortSignal.timeout(this.#config.request_timeout_secs * 1000);
    try {
      const answer = await this.#connections.exchange(
        { method: request.method, ...init, body: request.body },
        AbortSignal.any([this.#closing.signal, timeout]),
      );
      const { status, headers, text } = answer;
      const isError = status >= 300 || text.includes("<Error>");
      return {
        ...answer,
        code: isError ? elementText(text, "Code") : undefined,
        region: headers.get("x-amz-bucket-region") ?? (isError ? elementText(text, "Region") : undefined),
        isRepeated,
      };
    } catch (cause) {
      this.#throwIfClosed();
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      const reason = timeout.aborted
        ? `no answer within ${this.#config.request_timeout_secs} s`
        : cause instanceof Error
        ? cause.message
        : String(cause);
      return { reason, cause };
    }
  }

  /** Hashes are checked by the server: what arrives is what was sent. */
  async #signed(url: URL, { method, headers, body }: S3Request, keys: S3Keys | undefined) {
    const own = { ...headers };
    if (body) {
      const sum = createHash("sha256");
      for (const piece of body) sum.update(piece);
      const hash = sum.digest();
      own["x-amz-content-sha256"] = hash.toString("hex");
      if (method === "PUT" && !url.searchParams.has("uploadId")) {
        own["x-amz-checksum-sha256"] = hash.toString("base64");
      }
    } else own["x-amz-content-sha256"] = EMPTY_HASH;
    if (!keys) return { url, headers: own };
    const nowMs = Number(this.#context.clock.nowMicros() / 1000n) + this.#skewMs;
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: own,
      ...keys,
      service: "s3",
      region: this.#config.s3.region,
      cache: this.#signingKeys,
      datetime: new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ""),
    });
    const signed = await signer.sign();
    // One key a day and region.
    if (this.#signingKeys.size > 16) this.#signingKeys.clear();
    return { url: signed.url, headers: Object.fromEntries(signed.headers) };
  }

  /** Goes by the server's clock where ours is off. False: that is not what was wrong. */
  #setClock({ headers }: S3Answer): boolean {
    const served = Date.parse(headers.get("date") ?? "");
    if (Number.isNaN(served)) return false;
    const skewMs = served - Number(this.#context.clock.nowMicros() / 1000n);
    if (Math.abs(skewMs - this.#skewMs) < 60_000) return false;
    this.#skewMs = skewMs;
    const minutes = Math.round(skewMs / 60_000);
    this.#context.log.warn(
      `This machine's clock is ${Math.abs(minutes)} minutes ${
        minutes > 0 ? "behind" : "ahead of"
      } the store's: ` +
        "requests are signed with the store's time",
    );
    return true;
  }

  #backoffMs(attempt: number): number {
    const { initial_backoff_ms, max_backoff_ms, backoff_multiplier, jitter_factor } = this.#config.retry;
    const waitMs = Math.min(max_backoff_ms, initial_backoff_ms * backoff_multiplier ** attempt);
    return waitMs * (1 - jitter_factor * this.#context.random());
  }

  #throwIfClosed(): void {
    if (!this.#closing.signal.aborted) return;
    throw new ConnectorError("Closed while a request was under way", { code: "transient_closed" });
  }

  #unreachable(attempts: number, { reason, cause }: Failed): ConnectorError {
    const times = attempts === 1 ? "once" : `${attempts} times`;
    return new ConnectorError(`${this.#url.origin} was tried ${times}: ${reason}`, {
      code: "connection_s3",
      hint:
        "Check endpoint and region; nothing is lost, and the pipeline goes on when the store answers again",
      cause,
    });
  }
}

interface Failed {
  readonly reason: string;
  readonly cause: unknown;
}

function isBusy({ status, code }: S3Answer): boolean {
  return code === undefined ? BUSY_STATUS.has(status) : BUSY.has(code) ||
    (BUSY_STATUS.has(status) && code !== "NotImplemented");
}

/** RFC 3986, 2.3: everything but unreserved characters. */
function encoded(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
