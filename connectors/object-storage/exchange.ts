/**
 * One HTTP request with a large body, and its answer. Not by `fetch`, which copies a body of bytes several times over
 * (85 MB for 64 MB in parts of 8, measured): node's client sends pieces as they lie in memory.
 */
import http from "node:http";
import https from "node:https";
import { fetched } from "./fetched.ts";

export interface Outgoing {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent one after the other. */
  readonly body?: readonly Uint8Array[];
}

export interface Incoming {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Connections are kept for the next request, this many to a host. */
const MAX_SOCKETS = 16;
/** Longer answers are none of a store's. */
const MAX_ANSWER_BYTES = 8 << 20;

export class Connections implements Disposable {
  readonly #agents: { readonly "http:": http.Agent; readonly "https:": https.Agent };
  readonly #hasCa: boolean;
  /** For https:// without a CA of its own. */
  #client: Deno.HttpClient | undefined;

  /** @param ca PEM text of the CA that counts in place of the system's */
  constructor({ ca }: { readonly ca?: string } = {}) {
    const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
    this.#agents = {
      "http:": new http.Agent(options),
      "https:": new https.Agent(ca === undefined ? options : { ...options, ca }),
    };
    this.#hasCa = ca !== undefined;
  }

  /** @throws whatever the network does, and an `AbortError` when the signal is aborted */
  async exchange({ method, url, headers, body = [] }: Outgoing, signal: AbortSignal): Promise<Incoming> {
    signal.throwIfAborted();
    const size = body.reduce((sum, piece) => sum + piece.length, 0);
    const isTls = url.protocol === "https:";
    if (isTls && !this.#hasCa) {
      this.#client ??= Deno.createHttpClient({});
      return await fetched({ method, url, headers, body }, this.#client, signal);
    }
    const request = (isTls ? https : http).request(url, {
      method,
      agent: this.#agents[isTls ? "https:" : "http:"],
      signal,
      headers: method === "GET" || method === "HEAD"
        ? headers
        : { ...headers, "content-length": String(size) },
    });
    const answered = Promise.withResolvers<http.IncomingMessage>();
    answered.promise.catch(() => {});
    request.on("response", answered.resolve);
    request.on("error", answered.reject);
    let isOver = false;
    const over = answered.promise.then(() => isOver = true, () => isOver = true);
    for (const piece of body) {
      // A server that refuses a request says so before it has read all of it.
      if (isOver) break;
      if (request.write(piece)) continue;
      const drained = Promise.withResolvers<void>();
      request.once("drain", drained.resolve);
      await Promise.race([drained.promise, over]);
      request.off("drain", drained.resolve);
    }
    const isWhole = !isOver;
    request.end();
    try {
      const response = await answered.promise;
      return {
        status: response.statusCode ?? 0,
        headers: headersOf(response),
        text: await textOf(response),
      };
    } finally {
      if (!isWhole) request.destroy();
    }
  }

  [Symbol.dispose](): void {
    this.#agents["http:"].destroy();
    this.#agents["https:"].destroy();
    this.#client?.close();
  }
}

function headersOf({ headers }: http.IncomingMessage): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : value === undefined ? [] : [value]) {
      all.append(name, one);
    }
  }
  return all;
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) throw new Error("the answer is too long");
    pieces.push(piece);
  }
  const decoder = new TextDecoder();
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
}
