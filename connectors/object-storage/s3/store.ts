/** Objects in a bucket of S3, or of a store that speaks it. */
import type { CheckReport } from "../../contract.ts";
import { reportError } from "../../../formats/data/errors.ts";
import { sizeOf, slice } from "../bytes.ts";
import type { NewObject, ObjectStore } from "../object_store.ts";
import { type HttpKeys, type StoreContext, StoreHttp } from "../http.ts";
import { checkBucket } from "./check.ts";
import type { S3Config } from "./config.ts";
import { customerHeaders, storageHeaders } from "./encryption.ts";
import { s3Error } from "./errors.ts";
import { keySource } from "./keys.ts";
import { type S3Answer, S3Requests } from "./requests.ts";
import { elements, elementText, escaped } from "./xml.ts";

/** Larger objects go in parts, several at a time. S3 takes parts of 5 MiB or more. */
const SINGLE_BYTES = 16 << 20;
const PART_BYTES = 8 << 20;
const PARTS_AT_A_TIME = 3;
/** How often an upload begins anew because another one was under way (409). */
const MAX_CONFLICTS = 5;

/** What of the connector's keys it goes by. */
export interface S3StoreConfig extends HttpKeys {
  readonly bucket: string;
  readonly s3: S3Config;
}

/** @throws {ConnectorError} where there are no keys, or `ca_cert_path` can't be used */
export function openStore(config: S3StoreConfig, context: StoreContext): S3Store {
  const { s3, bucket, retry, request_timeout_secs } = config;
  const http = new StoreHttp({ retry, request_timeout_secs, ca_cert_path: s3.ca_cert_path }, context);
  try {
    const requests = new S3Requests(s3, bucket, http, keySource(s3, context.clock, http), context);
    return new S3Store(s3, bucket, http, requests, context);
  } catch (error) {
    http[Symbol.dispose]();
    throw error;
  }
}

export class S3Store implements ObjectStore {
  readonly #config: S3Config;
  readonly #bucket: string;
  readonly #http: StoreHttp;
  readonly #requests: S3Requests;
  readonly #context: StoreContext;
  #cantClean = false;

  /** Use openStore(). */
  constructor(
    config: S3Config,
    bucket: string,
    http: StoreHttp,
    requests: S3Requests,
    context: StoreContext,
  ) {
    this.#config = config;
    this.#bucket = bucket;
    this.#http = http;
    this.#requests = requests;
    this.#context = context;
  }

  /** @param inParts as large objects are made; what `check` tries with a small one */
  async create(
    { name, body, contentType }: NewObject,
    inParts = sizeOf(body) > SINGLE_BYTES,
  ): Promise<"created" | "exists"> {
    const headers = { "Content-Type": contentType, ...storageHeaders(this.#config) };
    const what = `make ${this.#shown(name)}`;
    for (let conflicts = 0;; conflicts++) {
      const answer = inParts ? await this.#createInParts(name, body, headers) : await this.#requests.send({
        what,
        method: "PUT",
        name,
        headers: { ...headers, "If-None-Match": "*" },
        body,
      });
      if (answer.status === 200 && answer.code === undefined) return "created";
      // Also an answer to what we sent before, when that one's answer was lost.
      if (answer.status === 412) return "exists";
      // "Conditional writes": another request for this name is under way.
      if (answer.code !== "ConditionalRequestConflict" || conflicts >= MAX_CONFLICTS) {
        throw s3Error(what, answer);
      }
    }
  }

  async sizeOf(name: string): Promise<number | undefined> {
    const what = `look at ${this.#shown(name)}`;
    const headers = customerHeaders(this.#config);
    const answer = await this.#requests.send({ what, method: "HEAD", name, headers });
    if (answer.status === 200) return Number(answer.headers.get("content-length") ?? 0);
    if (answer.status === 404) return undefined;
    throw s3Error(what, answer);
  }

  async cleanUp(name: string): Promise<void> {
    if (this.#cantClean) return;
    const answer = await this.#requests.send({
      what: `look for uploads of ${this.#shown(name)}`,
      method: "GET",
      query: { uploads: "", prefix: name },
    });
    if (answer.status !== 200) {
      // What is left costs money and does no harm.
      this.#cantClean = true;
      return this.#context.log.warn(
        `Parts that an interrupted upload may have left in bucket "${this.#bucket}" can't be looked for: ` +
          `S3 answered ${answer.status} ${answer.code ?? ""}`.trimEnd(),
        {
          hint:
            "Allow s3:ListBucketMultipartUploads, or give the bucket a lifecycle rule that aborts uploads",
        },
      );
    }
    for (const upload of elements(answer.text, "Upload")) {
      const uploadId = elementText(upload, "UploadId");
      if (elementText(upload, "Key") === name && uploadId) await this.#abort(name, uploadId);
    }
  }

  async check(report: CheckReport): Promise<void> {
    try {
      await checkBucket(this, this.#requests, this.#bucket, this.#context.random, report);
    } catch (error) {
      const { message, hint } = reportError(error);
      report({ name: "bucket", status: "failed", message, hint, blame: "environment" });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#http[Symbol.dispose]();
    return Promise.resolve();
  }

  /** Nobody sees the object before the last request, which makes it only when there is none of that name. */
  async #createInParts(
    name: string,
    body: readonly Uint8Array[],
    headers: Record<string, string>,
  ): Promise<S3Answer> {
    const what = `make ${this.#shown(name)}`;
    const begun = await this.#requests.send({ what, method: "POST", name, query: { uploads: "" }, headers });
    const uploadId = elementText(begun.text, "UploadId");
    if (begun.status !== 200 || uploadId === undefined) return begun;
    let isDone = false;
    try {
      const tags = await this.#sendParts(name, body, uploadId);
      const list = tags.map((tag, i) =>
        `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`
      );
      const answer = await this.#requests.send({
        what,
        method: "POST",
        name,
        query: { uploadId },
        headers: { "If-None-Match": "*", ...customerHeaders(this.#config) },
        body: [
          new TextEncoder().encode(`<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`),
        ],
      });
      // It was completed by a request whose answer was lost.
      if (answer.code === "NoSuchUpload" && answer.isRepeated && await this.sizeOf(name) !== undefined) {
        isDone = true;
        return { ...answer, status: 200, code: undefined };
      }
      isDone = answer.status === 200 && answer.code === undefined;
      return answer;
    } finally {
      if (!isDone) await this.#abort(name, uploadId).catch(() => {});
      // The upload whose beginning got no answer.
      if (begun.isRepeated) await this.cleanUp(name).catch(() => {});
    }
  }

  /** @returns the tag of each part */
  async #sendParts(name: string, body: readonly Uint8Array[], uploadId: string): Promise<string[]> {
    const size = sizeOf(body);
    const tags: string[] = Array(Math.ceil(size / PART_BYTES));
    let next = 0;
    let hasFailed = false;
    const headers = customerHeaders(this.#config);
    const run = async () => {
      while (next < tags.length && !hasFailed) {
        const i = next++;
        const part = slice(body, i * PART_BYTES, (i + 1) * PART_BYTES);
        const query = { partNumber: String(i + 1), uploadId };
        const what = `send part ${i + 1} of ${this.#shown(name)}`;
        const answer = await this.#requests.send({ what, method: "PUT", name, query, headers, body: part });
        const tag = answer.headers.get("etag");
        if (answer.status !== 200 || tag === null) {
          hasFailed = true;
          throw s3Error(what, answer);
        }
        tags[i] = tag;
      }
    };
    const runs = await Promise.allSettled(Array.from({ length: PARTS_AT_A_TIME }, run));
    for (const outcome of runs) if (outcome.status === "rejected") throw outcome.reason;
    return tags;
  }

  async #abort(name: string, uploadId: string): Promise<void> {
    const what = `abort an upload of ${this.#shown(name)}`;
    await this.#requests.send({ what, method: "DELETE", name, query: { uploadId } });
  }

  #shown(name: string): string {
    return `"${name}" in bucket "${this.#bucket}"`;
  }
}
