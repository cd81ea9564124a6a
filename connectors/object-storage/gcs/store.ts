/**
 * Objects in a bucket of Google Cloud Storage, by its JSON API. An upload happens as a whole or not at all, and
 * `ifGenerationMatch=0` lets none replace an object.
 */
import { createHash } from "node:crypto";
import type { CheckReport } from "../../contract.ts";
import { reportError } from "../../../formats/data/errors.ts";
import { sizeOf } from "../bytes.ts";
import {
  type Attempt,
  type HttpAnswer,
  type HttpKeys,
  type HttpRequest,
  type StoreContext,
  StoreHttp,
} from "../http.ts";
import type { NewObject, ObjectStore } from "../object_store.ts";
import type { GcsConfig } from "./config.ts";
import { Credentials, jsonOf } from "./credentials.ts";
import { endpointOf } from "./endpoint.ts";
import { gcsError, isBucketMissing, isBusy } from "./errors.ts";
import { upload } from "./upload.ts";

/** Larger objects are sent in pieces, of which only the last ones are sent again after a cut. */
const SINGLE_BYTES = 16 << 20;

/** What of the connector's keys it goes by. */
export interface GcsStoreConfig extends HttpKeys {
  readonly bucket: string;
  readonly gcs: GcsConfig;
}

/** @throws {ConnectorError} where the key or `ca_cert_path` can't be used */
export function openStore(config: GcsStoreConfig, context: StoreContext): GcsStore {
  return new GcsStore(config, context);
}

export class GcsStore implements ObjectStore {
  readonly #config: GcsConfig;
  readonly #bucket: string;
  readonly #context: StoreContext;
  readonly #http: StoreHttp;
  readonly #credentials: Credentials;

  /** Use openStore(). */
  constructor({ gcs, bucket, retry, request_timeout_secs }: GcsStoreConfig, context: StoreContext) {
    this.#config = gcs;
    this.#bucket = bucket;
    this.#context = context;
    const { ca_cert_path } = gcs;
    this.#http = new StoreHttp({ retry, request_timeout_secs, ca_cert_path }, context);
    try {
      this.#credentials = new Credentials(gcs, context, this.#http);
    } catch (error) {
      this.#http[Symbol.dispose]();
      throw error;
    }
  }

  async create(object: NewObject): Promise<"created" | "exists"> {
    const { name } = object;
    const what = `make ${this.#shown(name)}`;
    const size = sizeOf(object.body);
    const answer = size <= SINGLE_BYTES
      ? await this.#makeWhole(what, object)
      : await this.#upload(what, object, size);
    if (answer === undefined) return "exists"; // it may be ours: an answer was lost
    if (answer.status === 200 || answer.status === 201) return "created";
    if (answer.status === 412) return "exists";
    if (answer.status === 409 && await this.#isDone(name)) return "exists";
    throw gcsError(what, answer);
  }

  async sizeOf(name: string): Promise<number | undefined> {
    const what = `look for ${this.#shown(name)}`;
    const answer = await this.#send(what, () => this.#lookup(name));
    if (answer!.status === 200) return Number(jsonOf(answer!).size);
    if (answer!.status === 404 && !isBucketMissing(answer!)) return undefined;
    throw gcsError(what, answer!);
  }

  /** Uploads that were begun and not ended are removed by Google, a week later. */
  cleanUp(_name: string): Promise<void> {
    return Promise.resolve();
  }

  /** Writes under a condition that never holds: that shows who may write, and leaves nothing behind. */
  async check(report: CheckReport): Promise<void> {
    const what = `write to bucket "${this.#bucket}"`;
    const failed = (error: unknown) => {
      const { message, hint } = reportError(error);
      report({ name: "bucket", status: "failed", message, hint, blame: "environment" });
    };
    try {
      const object = { name: "rivven-connect-check", body: [], contentType: "text/plain" };
      const request = this.#wholeUpload(object, "1");
      const answer = await this.#send(what, () => request);
      if (answer!.status !== 412) return failed(gcsError(what, answer!));
    } catch (error) {
      return failed(error);
    }
    const address = endpointOf(this.#config);
    const message = `Objects can be made in bucket "${this.#bucket}" at ${address}`;
    report({ name: "bucket", status: "ok", message });
    if (address.startsWith("http:") && !this.#config.anonymous) {
      const message = "Tokens are sent in clear";
      report({ name: "encryption", status: "warning", message, hint: "Use an https:// address" });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#http[Symbol.dispose]();
    return Promise.resolve();
  }

  async #makeWhole(what: string, object: NewObject): Promise<HttpAnswer | undefined> {
    const request = this.#wholeUpload(object, "0");
    return await this.#send(what, () => request, () => this.#isDone(object.name));
  }

  /** "Objects: insert" with uploadType=multipart: what the object is and its bytes, in one request. */
  #wholeUpload(object: NewObject, generation: string): HttpRequest {
    const boundary = `part-${Math.floor(this.#context.random() * 2 ** 48).toString(36)}`;
    const start = `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n` +
      `${
        JSON.stringify(this.#metadata(object))
      }\r\n--${boundary}\r\nContent-Type: ${object.contentType}\r\n\r\n`;
    const [head, tail] = [start, `\r\n--${boundary}--\r\n`].map((text) => new TextEncoder().encode(text));
    return {
      method: "POST",
      url: this.#uploadUrl("multipart", generation),
      headers: { "Content-Type": `multipart/related; boundary=${boundary}` },
      body: [head, ...object.body, tail],
    };
  }

  /** "Resumable uploads": a session, pieces, and only what is missing after a cut. Undefined: it is there already. */
  async #upload(what: string, object: NewObject, size: number): Promise<HttpAnswer | undefined> {
    if (await this.sizeOf(object.name) !== undefined) return undefined;
    const begin: HttpRequest = {
      method: "POST",
      url: this.#uploadUrl("resumable", "0"),
      headers: {
        "Content-Type": "application/json; charset=UTF-8",
        "X-Upload-Content-Type": object.contentType,
        "X-Upload-Content-Length": String(size),
      },
      body: [new TextEncoder().encode(JSON.stringify(this.#metadata(object)))],
    };
    const isDone = () => this.#isDone(object.name);
    return await upload({
      what,
      body: object.body,
      size,
      begin: () => this.#send(what, () => begin, isDone),
      sessionUrl: ({ headers }) => this.#ownAddress(headers.get("location")),
      send: async (request, again) => {
        const answer = await this.#send(what, request, () => {
          again();
          return Promise.resolve(false);
        });
        return answer!;
      },
      tell: async (request) => {
        await this.#once(request).catch(() => {}); // what was wrong before matters more
      },
      isDone,
    });
  }

  /** A session lies on the host that the configuration names, whatever name the service has for itself. */
  #ownAddress(location: string | null): string | undefined {
    const url = location === null ? null : URL.parse(location, endpointOf(this.#config));
    return url === null ? undefined : new URL(url.pathname + url.search, endpointOf(this.#config)).href;
  }

  /** The object's own fields. Its hash is checked by the service before the object is there. */
  #metadata({ name, body, contentType }: NewObject): Record<string, string> {
    const hash = createHash("md5");
    for (const piece of body) hash.update(piece);
    const { storage_class } = this.#config;
    return {
      name,
      contentType,
      md5Hash: hash.digest("base64"),
      ...storage_class !== undefined && { storageClass: storage_class },
    };
  }

  /** Asks once whether the object is there; what can't be known is "no". */
  async #isDone(name: string): Promise<boolean> {
    const result = await this.#once(this.#lookup(name));
    return result.kind === "answer" && result.answer.status === 200;
  }

  async #once(request: HttpRequest): Promise<Attempt> {
    return await this.#http.attempt(await this.#credentials.proven(request));
  }

  /** Sends until there is an answer; undefined when `isDone` has said so. */
  async #send(
    what: string,
    request: () => HttpRequest,
    isDone?: () => Promise<boolean>,
  ): Promise<HttpAnswer | undefined> {
    let proven: HttpRequest;
    let hasRenewed = false;
    return await this.#http.send({
      what,
      isDone,
      request: async () => proven = await this.#credentials.proven(request()),
      isBusy: (answer) => {
        if (isBusy(answer)) return true;
        if (answer.status !== 401 || hasRenewed) return false;
        return hasRenewed = this.#credentials.refused(proven);
      },
    });
  }

  #lookup(name: string): HttpRequest {
    const url = `${this.#bucketUrl("storage")}/${encodeURIComponent(name)}?fields=size`;
    return { method: "GET", url, headers: {} };
  }

  #uploadUrl(uploadType: string, ifGenerationMatch: string): string {
    const query = new URLSearchParams({ uploadType, ifGenerationMatch });
    const { kms_key_name } = this.#config;
    if (kms_key_name !== undefined) query.set("kmsKeyName", kms_key_name);
    return `${this.#bucketUrl("upload/storage")}?${query}`;
  }

  #bucketUrl(service: "storage" | "upload/storage"): string {
    return `${endpointOf(this.#config)}/${service}/v1/b/${encodeURIComponent(this.#bucket)}/o`;
  }

  #shown(name: string): string {
    return `"${name}" in bucket "${this.#bucket}"`;
  }
}
