/**
 * Requests to a bucket, signed, each sent until there is an answer that counts. (Amazon S3 API Reference, Signature
 * Version 4; "Error responses", "Best practices for errors".)
 */
import { createHash } from "node:crypto";
import { namePath } from "../address.ts";
import { type HttpAnswer, type HttpRequest, nowMs, type StoreContext, type StoreHttp } from "../http.ts";
import { bucketUrl } from "./address.ts";
import type { S3Config } from "./config.ts";
import type { S3KeySource } from "./keys.ts";
import { Signer } from "./signature.ts";
import { elementText } from "./xml.ts";

export interface S3Request {
  /** The end of `Cannot …`: `make "a.jsonl" in bucket "b"`. */
  readonly what: string;
  readonly method: HttpRequest["method"];
  /** Of the object; the bucket itself when left out. */
  readonly name?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Uint8Array[];
}

export interface S3Answer extends HttpAnswer {
  /** What is wrong, in S3's words; undefined when nothing is, or nothing is said. */
  readonly code: string | undefined;
  /** Where the bucket is, when the answer says so. */
  readonly region: string | undefined;
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
const EMPTY_HASH = createHash("sha256").digest("hex");

export class S3Requests {
  /** Without a name at its end. */
  readonly url: URL;
  readonly #signer: Signer;
  readonly #http: StoreHttp;
  readonly #keys: S3KeySource;
  readonly #context: StoreContext;
  /** The server's clock minus ours. */
  #skewMs = 0;

  constructor(config: S3Config, bucket: string, http: StoreHttp, keys: S3KeySource, context: StoreContext) {
    this.url = bucketUrl(config, bucket);
    this.#signer = new Signer("s3", config.region);
    this.#http = http;
    this.#keys = keys;
    this.#context = context;
  }

  /**
   * Sends until there is an answer; refusals are answers, too.
   *
   * @throws {ConnectorError} when there was none after `retry.max_retries` further attempts
   */
  async send(request: S3Request): Promise<S3Answer> {
    let renewed = false;
    for (;;) {
      let attempts = 0;
      const answer = await this.#http.send({
        what: request.what,
        request: () => {
          attempts++;
          return this.#signed(request);
        },
        isBusy: (answer) => BUSY.has(codeOf(answer) ?? ""),
      });
      const { headers, text } = answer!;
      const code = codeOf(answer!);
      if (code === "RequestTimeTooSkewed" && this.#setClock(headers)) continue;
      if (code === "ExpiredToken" && !renewed && this.#keys.renew()) {
        renewed = true;
        continue;
      }
      const region = headers.get("x-amz-bucket-region") ??
        (code === undefined ? undefined : elementText(text, "Region"));
      return { ...answer!, code, region, isRepeated: attempts > 1 };
    }
  }

  /** Hashes are checked by the server: what arrives is what was sent. */
  async #signed({ method, name = "", query = {}, headers, body }: S3Request): Promise<HttpRequest> {
    const url = new URL(this.url);
    url.pathname += namePath(name).replace(/[!'()*]/g, percent);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    const own = { ...headers, ...hashesOf(body, method === "PUT" && !("uploadId" in query)) };
    const keys = await this.#keys.current();
    const unsigned: HttpRequest = { method, url: url.href, headers: own, body };
    return keys ? await this.#signer.signed(unsigned, keys, nowMs(this.#context) + this.#skewMs) : unsigned;
  }

  /** Goes by the server's clock where ours is off. False: that is not what was wrong. */
  #setClock(headers: Headers): boolean {
    const served = Date.parse(headers.get("date") ?? "");
    if (Number.isNaN(served)) return false;
    const skewMs = served - nowMs(this.#context);
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
}

/** What S3 calls an error; some come with status 200, when it is found out late. */
function codeOf({ status, text }: HttpAnswer): string | undefined {
  return status >= 300 || text.includes("<Error>") ? elementText(text, "Code") : undefined;
}

/** @param isWhole the body is all of an object */
function hashesOf(body: readonly Uint8Array[] | undefined, isWhole: boolean): Record<string, string> {
  if (body === undefined) return { "x-amz-content-sha256": EMPTY_HASH };
  const sum = createHash("sha256");
  for (const piece of body) sum.update(piece);
  const hash = sum.digest();
  return {
    "x-amz-content-sha256": hash.toString("hex"),
    ...isWhole && { "x-amz-checksum-sha256": hash.toString("base64") },
  };
}

/** What `encodeURIComponent` leaves out of RFC 3986, 2.3. */
function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}
