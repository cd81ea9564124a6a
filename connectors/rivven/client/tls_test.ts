/** TLS, with a broker behind an end of TLS of ours: the broker that tests have is built without. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createServer } from "node:tls";
import { type Authority, type Certificate, makeAuthority } from "../../../tests/servers/certificates.ts";
import { requireServer } from "../../../tests/servers/missing.ts";
import { startRivvend } from "../../../tests/servers/rivvend.ts";
import { RivvenClient } from "./client.ts";
import type { TlsOptions } from "./tls.ts";

/** Takes TLS connections and passes what is in them on to `port`. With `clients`, only those that this CA knows. */
async function terminator(port: number, own: Certificate, clients?: Authority) {
  const sockets = new Set<Socket>();
  const server = createServer({
    cert: Deno.readTextFileSync(own.certPath),
    key: Deno.readTextFileSync(own.keyPath),
    ...(clients
      ? { ca: Deno.readTextFileSync(clients.caPath), requestCert: true, rejectUnauthorized: true }
      : {}),
  }, (client) => {
    const broker = connect(port, "127.0.0.1");
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => [client, broker].forEach((each) => each.destroy()));
    }
    client.pipe(broker).pipe(client);
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function topics(port: number, tls: TlsOptions | undefined): Promise<string[]> {
  await using client = new RivvenClient({
    servers: [{ host: "127.0.0.1", port }],
    tls,
    connectTimeoutMs: 3000,
    requestTimeoutMs: 2000,
    retry: { maxRetries: 0, initialBackoffMs: 1, maxBackoffMs: 1 },
  });
  await client.ensureTopic("t", 1);
  await client.publish("t", 0, [{ value: new Uint8Array(100_000) }]);
  return await client.topics();
}

Deno.test("over TLS the broker is reached where its certificate is good, and only there", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using authority = await makeAuthority();
  await using other = await makeAuthority();
  const certificate = await authority.signed("broker", { name: "broker", names: ["DNS:broker.test"] });
  await using end = await terminator(broker.port, certificate);
  const caPath = authority.caPath;
  assert.deepEqual(await topics(end.port, { caPath, serverName: "broker.test" }), ["t"]);
  assert.deepEqual(await topics(end.port, { insecure: true }), ["t"]);
  for (
    const tls of [
      { caPath, serverName: "elsewhere.test" },
      { caPath: other.caPath, serverName: "broker.test" },
      { serverName: "broker.test" },
    ]
  ) {
    await assert.rejects(topics(end.port, tls), { code: "auth_tls", retryable: false });
  }
  await assert.rejects(topics(end.port, { caPath: "/no/such/file" }), { code: "not_found_tls_file" });
  await assert.rejects(topics(broker.port, { caPath, serverName: "broker.test" }), { code: "auth_tls" });
});

Deno.test("a broker that asks for the client's certificate gets it", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using authority = await makeAuthority();
  const [certificate, own] = [
    await authority.signed("broker", { name: "broker", names: ["DNS:broker.test"] }),
    await authority.signed("client", { name: "client" }),
  ];
  await using end = await terminator(broker.port, certificate, authority);
  const tls = { caPath: authority.caPath, serverName: "broker.test" };
  assert.deepEqual(await topics(end.port, { ...tls, certPath: own.certPath, keyPath: own.keyPath }), ["t"]);
  await assert.rejects(topics(end.port, tls));
});
