/**
 * An HTTP proxy that misbehaves on demand, for fault tests: it passes each request on to a server, or answers itself,
 * or breaks the connection at a chosen place. Written over TCP, because Deno's HTTP server can't break one.
 */
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";

/** The head of a request. */
export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Headers;
  /** 1 for the first. */
  readonly number: number;
}

export type Fault =
  /** Answers in the server's place. */
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  }
  /** Resets the connection once so many bytes of the body have come; the server hears of nothing. */
  | { readonly kind: "reset_in_body"; readonly bytes: number }
  /** The server does its work, and its answer is lost. */
  | { readonly kind: "lose_answer" };

/** What happens to a request; undefined: it is passed on. */
export type FindFault = (request: SeenRequest) => Fault | undefined | Promise<Fault | undefined>;

/** Listens on a free port of 127.0.0.1. Without a target every request needs a fault. */
export async function startHttpProxy(target: number | undefined, fault?: FindFault): Promise<HttpProxy> {
  const server = createServer();
  const proxy = new HttpProxy(server, target);
  if (fault) proxy.fault = fault;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return proxy;
}

export class HttpProxy implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  fault: FindFault = () => undefined;
  /** True: the server sees the proxy's address as its own, for requests that are signed with it. */
  passesHost = false;
  readonly #server: Server;
  readonly #target: number | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #client = Deno.createHttpClient({ allowHost: true });

  /** Use startHttpProxy(). */
  constructor(server: Server, target: number | undefined) {
    this.#server = server;
    this.#target = target;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      new Connection(socket, (head, body) => this.#serve(socket, head, body));
    });
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The proxy is closed");
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#client.close();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(socket: Socket, head: Head, body: Body): Promise<void> {
    const request = { ...head, number: this.seen.length + 1 };
    this.seen.push(request);
    const fault = await this.fault(request);
    if (fault?.kind === "reset_in_body") {
      await body.wait(fault.bytes);
      socket.resetAndDestroy();
      return;
    }
    const bytes = await body.all();
    if (fault?.kind === "answer") {
      const { status, headers = {}, body: text = "" } = fault;
      return reply(socket, request.method, status, headers, new TextEncoder().encode(text));
    }
    if (this.#target === undefined) return reply(socket, request.method, 404, {}, new Uint8Array());
    const headers = new Headers(request.headers);
    for (const name of ["content-length", "connection", "accept-encoding"]) headers.delete(name);
    if (!this.passesHost) headers.delete("host");
    const response = await fetch(`http://127.0.0.1:${this.#target}${request.path}`, {
      method: request.method,
      headers,
      body: ["GET", "HEAD"].includes(request.method) ? undefined : bytes,
      redirect: "manual",
      client: this.#client,
    });
    const answer = new Uint8Array(await response.arrayBuffer());
    if (fault?.kind === "lose_answer") {
      socket.resetAndDestroy();
      return;
    }
    reply(socket, request.method, response.status, Object.fromEntries(response.headers), answer);
  }
}

type Head = Omit<SeenRequest, "number">;

function reply(
  socket: Socket,
  method: string,
  status: number,
  headers: Record<string, string>,
  body: Uint8Array,
): void {
  const lines = [`HTTP/1.1 ${status} Scripted`];
  for (const [name, value] of Object.entries(headers)) {
    if (["transfer-encoding", "connection", "keep-alive", "content-encoding"].includes(name)) continue;
    if (name === "content-length" && method !== "HEAD") continue;
    lines.push(`${name}: ${value}`);
  }
  if (method !== "HEAD" && status !== 204) lines.push(`content-length: ${body.length}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (method !== "HEAD" && body.length > 0) socket.write(body);
}

/** One request after the other, with bodies of a known length. */
class Connection {
  readonly #serve: (head: Head, body: Body) => Promise<void>;
  readonly #socket: Socket;
  #rest: Uint8Array = new Uint8Array();
  #body: Body | undefined;

  constructor(socket: Socket, serve: (head: Head, body: Body) => Promise<void>) {
    this.#socket = socket;
    this.#serve = serve;
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
  }

  #take(chunk: Uint8Array): void {
    if (this.#body) {
      this.#body.push(chunk);
      return;
    }
    const text = new Uint8Array(this.#rest.length + chunk.length);
    text.set(this.#rest);
    text.set(chunk, this.#rest.length);
    const end = indexOfBlankLine(text);
    if (end < 0) {
      this.#rest = text;
      return;
    }
    this.#rest = new Uint8Array();
    const [first, ...lines] = new TextDecoder().decode(text.subarray(0, end)).split("\r\n");
    const [method, path] = first.split(" ");
    const headers = new Headers(lines.map((line): [string, string] => {
      const at = line.indexOf(":");
      return [line.slice(0, at), line.slice(at + 1).trim()];
    }));
    const body = this.#body = new Body(Number(headers.get("content-length") ?? 0));
    body.push(text.subarray(end + 4));
    this.#serve({ method, path, headers }, body).then(
      () => this.#body = undefined,
      () => this.#socket.resetAndDestroy(),
    );
  }
}

class Body {
  readonly #length: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;
  #wanted = Infinity;
  #arrived = () => {};

  constructor(length: number) {
    this.#length = length;
    this.#bytes = new Uint8Array(length);
  }

  push(chunk: Uint8Array): void {
    this.#bytes.set(chunk, this.#at);
    this.#at += chunk.length;
    if (this.#at >= this.#wanted) this.#arrived();
  }

  /** Resolves when so many bytes are there, or all. */
  wait(count: number): Promise<void> {
    this.#wanted = Math.min(count, this.#length);
    if (this.#at >= this.#wanted) return Promise.resolve();
    return new Promise((resolve) => this.#arrived = resolve);
  }

  async all(): Promise<Uint8Array<ArrayBuffer>> {
    await this.wait(this.#length);
    return this.#bytes;
  }
}

function indexOfBlankLine(bytes: Uint8Array): number {
  for (let at = 0; at + 3 < bytes.length; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}
