import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, Socket } from "node:net";
import { startProxy, type TcpProxy } from "./proxy.ts";

/** Sends back what it gets. */
async function startEcho(): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A client that collects what it is sent and how its connection ended. */
class Client implements AsyncDisposable {
  readonly #socket = new Socket();
  received = "";
  readonly closed: Promise<"reset" | "ended">;
  #changed = Promise.withResolvers<void>();

  constructor(port: number) {
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk: Uint8Array) => {
      this.received += new TextDecoder().decode(chunk);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
    this.closed = new Promise((resolve) => {
      this.#socket.on("close", (failed: boolean) => resolve(failed ? "reset" : "ended"));
    });
    this.#socket.connect(port, "127.0.0.1");
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  end(): void {
    this.#socket.end();
  }

  async until(text: string): Promise<void> {
    while (!this.received.endsWith(text)) await this.#changed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#socket.destroyed) this.#socket.destroy();
    await this.closed;
  }
}

async function withProxy(test: (proxy: TcpProxy) => Promise<void>): Promise<void> {
  await using echo = await startEcho();
  await using proxy = await startProxy({ target: echo });
  await test(proxy);
}

Deno.test("a proxy passes bytes and ends on, and counts both directions", async () => {
  await withProxy(async (proxy) => {
    await using client = new Client(proxy.port);
    client.send("hello");
    await client.until("hello");
    assert.deepEqual(proxy.stats, {
      connections: 1,
      open: 1,
      bytesUp: 5,
      bytesDown: 5,
      bytesSwallowed: 0,
    });
    client.end();
    assert.equal(await client.closed, "ended");
  });
});

Deno.test("a proxy passes on more than any buffer holds, unchanged", async () => {
  await withProxy(async (proxy) => {
    await using client = new Client(proxy.port);
    const text = Array.from({ length: 400_000 }, (_, i) => `${i},`).join("") + "end";
    client.send(text);
    await client.until("end");
    assert.ok(client.received === text);
  });
});

Deno.test("cut() resets open connections and lets new ones through", async () => {
  await withProxy(async (proxy) => {
    await using client = new Client(proxy.port);
    client.send("a");
    await client.until("a");
    proxy.cut();
    assert.equal(await client.closed, "reset");
    assert.equal(proxy.stats.open, 0);
    await using next = new Client(proxy.port);
    next.send("b");
    await next.until("b");
  });
});

Deno.test("refuse() turns new connections away until pass()", async () => {
  await withProxy(async (proxy) => {
    proxy.refuse();
    await using refused = new Client(proxy.port);
    await refused.closed;
    assert.equal(refused.received, "");
    proxy.pass();
    await using client = new Client(proxy.port);
    client.send("a");
    await client.until("a");
  });
});

Deno.test("swallow() accepts and passes nothing on until pass()", async () => {
  await withProxy(async (proxy) => {
    await using client = new Client(proxy.port);
    client.send("1");
    await client.until("1");
    proxy.swallow();
    client.send("lost");
    await using late = new Client(proxy.port);
    late.send("lost too");
    const length = "lost".length + "lost too".length;
    while (proxy.stats.bytesSwallowed < length) await new Promise((resolve) => setTimeout(resolve, 1));
    proxy.pass();
    client.send("2");
    await client.until("2");
    assert.equal(client.received, "12");
    assert.equal(late.received, "");
  });
});

Deno.test("delay() holds each piece back and keeps the order", async () => {
  await withProxy(async (proxy) => {
    await using client = new Client(proxy.port);
    client.send("0");
    await client.until("0");
    proxy.delay(60);
    const started = performance.now();
    client.send("1");
    while (proxy.stats.bytesUp < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    proxy.delay(30);
    client.send("2");
    await client.until("12");
    // 60 ms there at least; the way back is then at 30.
    assert.ok(performance.now() - started >= 85, `took ${performance.now() - started} ms`);
    assert.equal(client.received, "012");
  });
});

Deno.test("cutAfterBytes() lets exactly so many bytes of the target through", async () => {
  await withProxy(async (proxy) => {
    await using client = new Client(proxy.port);
    client.send("a");
    await client.until("a");
    proxy.cutAfterBytes(3);
    client.send("bcdefgh");
    assert.equal(await client.closed, "ended");
    assert.equal(client.received, "abcd");
    assert.equal(proxy.stats.bytesDown, 4);
    await using next = new Client(proxy.port);
    next.send("whole");
    await next.until("whole");
  });
});

Deno.test("cutWhere() cuts once, at the place that is found in what comes", async () => {
  await withProxy(async (proxy) => {
    await using client = new Client(proxy.port);
    const seen: string[] = [];
    proxy.cutWhere((connection, piece) => {
      const text = new TextDecoder().decode(piece);
      seen.push(`${connection} ${text}`);
      const at = text.indexOf("x");
      return at < 0 ? undefined : at + 1;
    });
    client.send("ab");
    await client.until("ab");
    client.send("cxd");
    assert.equal(await client.closed, "ended");
    assert.equal(client.received, "abcx");
    assert.deepEqual(seen, ["1 ab", "1 cxd"]);
    await using next = new Client(proxy.port);
    next.send("xx");
    await next.until("xx");
  });
});
