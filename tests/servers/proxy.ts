/**
 * A TCP proxy that misbehaves on demand, for fault tests: between a client and a server, it cuts, swallows or delays.
 * Faults are switched while connections are open; what was in flight when a cut comes is lost, as on a real line.
 */
import { createServer, type Server, Socket } from "node:net";
import { once } from "node:events";

export interface ProxyTarget {
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly port: number;
}

export interface ProxyStats {
  /** Connections accepted so far. */
  readonly connections: number;
  readonly open: number;
  /** Bytes passed on from the clients to the target. */
  readonly bytesUp: number;
  /** Bytes passed on from the target to the clients. */
  readonly bytesDown: number;
  /** Bytes that went nowhere, of both. */
  readonly bytesSwallowed: number;
}

/**
 * Sees all that comes from the target, piece by piece, with the number of its connection (the first is 1).
 *
 * @returns how many bytes of the piece, at least one, are passed on before the cut; undefined: all, and no cut
 */
export type FindCut = (connection: number, piece: Uint8Array) => number | undefined;

/** Listens on a free port of 127.0.0.1 and passes everything on to `target` until told otherwise. */
export async function startProxy({ target }: { target: ProxyTarget }): Promise<TcpProxy> {
  const server = createServer();
  const proxy = new TcpProxy(server, target);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return proxy;
}

/** A started proxy. Disposing of it cuts everything and closes the port. */
export class TcpProxy implements AsyncDisposable {
  readonly host = "127.0.0.1";
  readonly #server: Server;
  #target: ProxyTarget;
  readonly #pairs = new Set<Pair>();
  #mode: "pass" | "swallow" | "refuse" = "pass";
  #delayMs = 0;
  #bytesLeft = Infinity;
  #findCut: FindCut | undefined;
  #connections = 0;
  #bytesUp = 0;
  #bytesDown = 0;
  #bytesSwallowed = 0;

  /** Use startProxy(). */
  constructor(server: Server, target: ProxyTarget) {
    this.#server = server;
    this.#target = target;
    server.on("connection", (client: Socket) => this.#accept(client));
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The proxy is closed");
    return address.port;
  }

  get stats(): ProxyStats {
    return {
      connections: this.#connections,
      open: this.#pairs.size,
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
      bytesSwallowed: this.#bytesSwallowed,
    };
  }

  /** Resets all open connections, on both sides. New ones are passed on as before. */
  cut(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  /** Resets all open connections and, until pass(), every new one as soon as it is there. */
  refuse(): void {
    this.#mode = "refuse";
    this.cut();
  }

  /** Until pass(): accepts connections and reads what comes, on old ones too, but passes nothing on. */
  swallow(): void {
    this.#mode = "swallow";
  }

  /** Ends swallow(), refuse(), delay(), cutAfterBytes() and cutWhere(). What was swallowed stays lost. */
  pass(): void {
    this.#mode = "pass";
    this.#delayMs = 0;
    this.#bytesLeft = Infinity;
    this.#findCut = undefined;
  }

  /** New connections go to another server from now on. */
  retarget(target: ProxyTarget): void {
    this.#target = target;
  }

  /** From now on each piece of data arrives this much later, in both directions; order is kept. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /**
   * Once `count` more bytes came from the target: the client that gets the last of them gets exactly those and then
   * an end, all other connections are reset. New ones are passed on as before.
   */
  cutAfterBytes(count: number): void {
    this.#bytesLeft = count;
  }

  /** Like cutAfterBytes(), at a place that is found in what comes. */
  cutWhere(find: FindCut): void {
    this.#findCut = find;
  }

  #accept(client: Socket): void {
    const number = ++this.#connections;
    if (this.#mode === "refuse") {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const { host = "127.0.0.1", port } = this.#target;
    const upstream = new Socket();
    upstream.connect(port, host);
    const pair = new Pair(client, upstream, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    pair.forward(client, upstream, (chunk) => this.#up(chunk), () => this.#delayMs);
    pair.forward(upstream, client, (chunk) => this.#down(pair, number, chunk), () => this.#delayMs);
  }

  #up(chunk: Uint8Array): Uint8Array | undefined {
    if (this.#mode === "swallow") return this.#swallowed(chunk);
    this.#bytesUp += chunk.length;
    return chunk;
  }

  #down(pair: Pair, number: number, chunk: Uint8Array): Uint8Array | undefined {
    if (this.#mode === "swallow") return this.#swallowed(chunk);
    const cut = this.#findCut?.(number, chunk);
    if (cut !== undefined) {
      this.#findCut = undefined;
      this.#bytesLeft = cut;
    }
    const passed = chunk.subarray(0, Math.min(chunk.length, this.#bytesLeft));
    this.#bytesLeft -= passed.length;
    this.#bytesDown += passed.length;
    if (this.#bytesLeft > 0) return passed;
    this.#bytesLeft = Infinity;
    for (const each of this.#pairs) {
      if (each !== pair) each.reset();
    }
    pair.endAfter(passed);
    return passed;
  }

  #swallowed({ length }: Uint8Array): undefined {
    this.#bytesSwallowed += length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** A client's connection and the one that was opened for it. */
class Pair {
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #gone = false;
  #lastPiece: Uint8Array | undefined;

  constructor(readonly client: Socket, readonly upstream: Socket, readonly onGone: () => void) {
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on("error", () => this.reset());
      socket.on("close", () => this.#closed());
    }
  }

  /** Passes on what `from` sends, as `filter` lets it, with backpressure. */
  forward(
    from: Socket,
    to: Socket,
    filter: (chunk: Uint8Array) => Uint8Array | undefined,
    delayMs: () => number,
  ): void {
    // Pieces and the end wait in one line, so that a shorter delay never overtakes a longer one.
    let dueAt = 0;
    const later = (act: () => void) => {
      dueAt = Math.max(dueAt, performance.now() + delayMs());
      const wait = dueAt - performance.now();
      if (wait <= 0) return act();
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        act();
      }, wait);
      this.#timers.add(timer);
    };
    from.on("data", (chunk: Uint8Array) => {
      const passed = filter(chunk);
      if (passed === undefined || passed.length === 0) return;
      later(() => {
        if (!to.destroyed && !to.write(passed)) from.pause();
        if (passed === this.#lastPiece) this.#endClient();
      });
    });
    to.on("drain", () => from.resume());
    from.on("end", () => later(() => to.end()));
  }

  reset(): void {
    if (this.#gone) return;
    this.#stop();
    this.client.resetAndDestroy();
    this.upstream.resetAndDestroy();
  }

  /** Ends the client's connection behind `piece`, which is on its way to it. */
  endAfter(piece: Uint8Array): void {
    this.#lastPiece = piece;
  }

  #endClient(): void {
    this.#stop();
    this.client.destroySoon(); // a reset could overtake what was written
    this.upstream.resetAndDestroy();
  }

  #closed(): void {
    if (this.client.destroyed && this.upstream.destroyed) this.#stop();
  }

  #stop(): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.onGone();
  }
}
