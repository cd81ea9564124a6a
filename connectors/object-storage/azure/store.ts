/**
 * Objects as block blobs of an Azure container, by the Blob service's REST API. What makes each blob appear as a
 * whole, and only once: Put Blob and Put Block List happen at once or not at all, and `If-None-Match: *` lets neither
 * replace a blob.
 */
import { createHash } from "node:crypto";
import type { CheckReport } from "../../contract.ts";
import { reportError } from "../../../formats/data/errors.ts";
import { namePath } from "../address.ts";
import { sizeOf, slice } from "../bytes.ts";
import { type HttpAnswer, type HttpKeys, type HttpRequest, type StoreContext, StoreHttp } from "../http.ts";
import type { NewObject, ObjectStore } from "../object_store.ts";
import type { AzureConfig } from "./config.ts";
import { Credentials } from "./credentials.ts";
import { endpointOf } from "./endpoint.ts";
import { azureError, errorCode } from "./errors.ts";

/** The version of the REST API that is spoken. */
const API_VERSION = "2023-11-03";
/** Larger objects are sent in blocks of this size; 50,000 are allowed, so that one may have 800 GB. */
const BLOCK_BYTES = 16 << 20;

/** What of the connector's keys it goes by. */
export interface AzureStoreConfig extends HttpKeys {
  /** The container. */
  readonly bucket: string;
  readonly azure: AzureConfig;
}

/** @throws {ConnectorError} where `ca_cert_path` can't be used */
export function openStore(config: AzureStoreConfig, context: StoreContext): AzureStore {
  return new AzureStore(config, context);
}

export class AzureStore implements ObjectStore {
  readonly #config: AzureConfig;
  readonly #bucket: string;
  readonly #context: StoreContext;
  readonly #http: StoreHttp;
  readonly #credentials: Credentials;

  /** Use openStore(). */
  constructor({ azure, bucket, retry, request_timeout_secs }: AzureStoreConfig, context: StoreContext) {
    this.#config = azure;
    this.#bucket = bucket;
    this.#context = context;
    const { ca_cert_path } = azure;
    this.#http = new StoreHttp({ retry, request_timeout_secs, ca_cert_path }, context);
    this.#credentials = new Credentials(azure, context, this.#http);
  }

  async create(object: NewObject): Promise<"created" | "exists"> {
    const size = sizeOf(object.body);
    return size <= BLOCK_BYTES ? await this.#putBlob(object) : await this.#putBlocks(object, size);
  }

  async sizeOf(name: string): Promise<number | undefined> {
    const what = `look for ${this.#shown(name)}`;
    const request: HttpRequest = { method: "HEAD", url: this.#url(name), headers: {} };
    const answer = await this.#send(what, request);
    if (answer?.status === 200) return Number(answer.headers.get("content-length"));
    // Without a code where there is a container; HEAD has no body to look into.
    if (answer?.status === 404 && errorCode(answer) !== "ContainerNotFound") return undefined;
    throw this.#error(what, answer!);
  }

  /** Blocks that were never put into a list are removed by Azure, a week after the last one. */
  cleanUp(_name: string): Promise<void> {
    return Promise.resolve();
  }

  /** Writes under a condition that never holds: that shows who may write, and leaves nothing behind. */
  async check(report: CheckReport): Promise<void> {
    const name = "rivven-connect-check";
    const what = `write to container "${this.#bucket}"`;
    const failed = (error: unknown) => {
      const { message, hint } = reportError(error);
      report({ name: "container", status: "failed", message, hint, blame: "environment" });
    };
    try {
      const headers = { "x-ms-blob-type": "BlockBlob", "If-Match": '"0x0"', ...this.#settings() };
      const answer = await this.#send(what, {
        method: "PUT",
        url: this.#url(name),
        headers,
        body: [],
      });
      if (answer!.status !== 412) return failed(this.#error(what, answer!));
    } catch (error) {
      return failed(error);
    }
    const address = endpointOf(this.#config);
    const message = `Blobs can be made in container "${this.#bucket}" at ${address}`;
    report({ name: "container", status: "ok", message });
    if (address.startsWith("http:") && this.#credentials.key === "sas_token") {
      const message = "The SAS token is sent in clear";
      report({ name: "encryption", status: "warning", message, hint: "Use an https:// address" });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#http[Symbol.dispose]();
    return Promise.resolve();
  }

  async #putBlob({ name, body, contentType }: NewObject): Promise<"created" | "exists"> {
    return await this.#make(name, {
      method: "PUT",
      url: this.#url(name),
      headers: {
        "x-ms-blob-type": "BlockBlob",
        "Content-Type": contentType,
        "Content-MD5": md5(body),
        "If-None-Match": "*",
        ...this.#settings(),
      },
      body,
    });
  }

  async #putBlocks({ name, body, contentType }: NewObject, size: number): Promise<"created" | "exists"> {
    if (await this.sizeOf(name) !== undefined) return "exists";
    // Two that make the same blob at the same time must not commit each other's blocks. All names are equally long,
    // as they must be.
    const attempt = Math.floor(this.#context.random() * 2 ** 48).toString(16).padStart(12, "0");
    const hash = createHash("md5");
    const ids: string[] = [];
    for (let at = 0; at < size; at += BLOCK_BYTES) {
      const block = slice(body, at, Math.min(at + BLOCK_BYTES, size));
      for (const piece of block) hash.update(piece);
      const id = btoa(`${attempt}-${String(ids.length).padStart(8, "0")}`);
      await this.#putBlock(name, id, block);
      ids.push(id);
    }
    const list = ids.map((id) => `<Uncommitted>${id}</Uncommitted>`).join("");
    const xml = new TextEncoder().encode(
      `<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`,
    );
    return await this.#make(name, {
      method: "PUT",
      url: `${this.#url(name)}?comp=blocklist`,
      headers: {
        "Content-Type": "application/xml",
        "Content-MD5": md5([xml]),
        "x-ms-blob-content-type": contentType,
        "x-ms-blob-content-md5": hash.digest("base64"),
        "If-None-Match": "*",
        ...this.#settings(),
      },
      body: [xml],
    });
  }

  async #putBlock(name: string, id: string, block: readonly Uint8Array[]): Promise<void> {
    const what = `send a part of ${this.#shown(name)}`;
    const { encryption_scope } = this.#config;
    const answer = await this.#send(what, {
      method: "PUT",
      url: `${this.#url(name)}?comp=block&blockid=${encodeURIComponent(id)}`,
      headers: {
        "Content-MD5": md5(block),
        ...encryption_scope !== undefined && { "x-ms-encryption-scope": encryption_scope },
      },
      body: block,
    });
    if (answer!.status !== 201) throw this.#error(what, answer!);
  }

  /** A request that makes the blob unless there is one. */
  async #make(name: string, request: HttpRequest): Promise<"created" | "exists"> {
    const what = `make ${this.#shown(name)}`;
    const answer = await this.#send(what, request, () => this.#isDone(name));
    if (answer?.status === 201) return "created";
    // Refused for several reasons that all mean that there is one: BlobAlreadyExists, a lease, a policy. Where an
    // answer was lost and there is one, it may be ours.
    if (answer === undefined || errorCode(answer) === "BlobAlreadyExists") return "exists";
    const mayExist = [409, 412].includes(answer.status) || errorCode(answer) === "InvalidBlockList";
    if (mayExist && await this.#isThere(name)) return "exists";
    throw this.#error(what, answer);
  }

  /** False also where it can't be known: credentials may allow to write and not to read. */
  async #isThere(name: string): Promise<boolean> {
    try {
      return await this.sizeOf(name) !== undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      return false;
    }
  }

  /** Asks once whether the blob is there; what can't be known is "no". */
  async #isDone(name: string): Promise<boolean> {
    const request = this.#versioned({ method: "HEAD", url: this.#url(name), headers: {} });
    const result = await this.#http.attempt(await this.#credentials.proven(request));
    return result.kind === "answer" && result.answer.status === 200;
  }

  /** Sends until there is an answer; undefined when `isDone` has said so. */
  async #send(
    what: string,
    request: HttpRequest,
    isDone?: () => Promise<boolean>,
  ): Promise<HttpAnswer | undefined> {
    const versioned = this.#versioned(request);
    let proven = versioned;
    let hasRenewed = false;
    return await this.#http.send({
      what,
      isDone,
      request: async () => proven = await this.#credentials.proven(versioned),
      isBusy: (answer) => {
        if (errorCode(answer) === "Md5Mismatch") return true; // damaged on its way
        const isRefused = answer.status === 401 || errorCode(answer) === "AuthenticationFailed";
        if (!isRefused || hasRenewed) return false;
        return hasRenewed = this.#credentials.refused(proven, answer);
      },
    });
  }

  #versioned(request: HttpRequest): HttpRequest {
    return { ...request, headers: { ...request.headers, "x-ms-version": API_VERSION } };
  }

  /** Headers of every blob that the configuration asks for. */
  #settings(): Record<string, string> {
    const { access_tier, encryption_scope } = this.#config;
    return {
      ...access_tier !== undefined && { "x-ms-access-tier": access_tier },
      ...encryption_scope !== undefined && { "x-ms-encryption-scope": encryption_scope },
    };
  }

  #url(name: string): string {
    return `${endpointOf(this.#config)}/${encodeURIComponent(this.#bucket)}/${namePath(name)}`;
  }

  #shown(name: string): string {
    return `"${name}" in container "${this.#bucket}"`;
  }

  #error(what: string, answer: HttpAnswer) {
    return azureError(what, answer, this.#credentials.key);
  }
}

function md5(pieces: readonly Uint8Array[]): string {
  const hash = createHash("md5");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("base64");
}
