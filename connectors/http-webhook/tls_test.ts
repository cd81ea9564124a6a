import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type Authority, type Certificate, makeAuthority } from "../../tests/servers/certificates.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatches } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import type { ConnectorError } from "../../formats/data/errors.ts";
import definition from "./connector.ts";
import { openSink } from "./sink.ts";

/** A server that asks for a certificate of its own authority, and counts the requests of those who have one. */
async function secureServer(authority: Authority, { certPath, keyPath }: Certificate) {
  const { port, counted, server } = await new Promise<
    { port: number; counted: { requests: number }; server: ReturnType<typeof createServer> }
  >((resolve) => {
    const counted = { requests: 0 };
    const server = createServer({
      cert: Deno.readTextFileSync(certPath),
      key: Deno.readTextFileSync(keyPath),
      ca: Deno.readTextFileSync(authority.caPath),
      requestCert: true,
      rejectUnauthorized: true,
    }, (request, response) => {
      request.resume().on("end", () => {
        counted.requests++;
        response.writeHead(204, { Connection: "close" }).end();
      });
    });
    server.listen(
      0,
      "127.0.0.1",
      () => resolve({ port: (server.address() as AddressInfo).port, counted, server }),
    );
  });
  const dispose = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `https://localhost:${port}/`, counted, [Symbol.asyncDispose]: dispose };
}

Deno.test("a server's certificate must be signed by the CA that is named, and ours is shown", async (t) => {
  await using authority = await requireServer(t, makeAuthority);
  if (authority === undefined) return;
  const server = await authority.signed("server", { name: "localhost", names: ["DNS:localhost"] });
  const client = await authority.signed("client", { name: "webhook" });
  await using secure = await secureServer(authority, server);
  const send = async (tls: Record<string, string>) => {
    const context = fakeSinkContext({ clock: new FakeClock(true) });
    await using sink = openSink(
      definition.config.parse({ url: secure.url, retry: { max_retries: 0 }, tls }),
      context,
    );
    await sink.write(fakeBatches(1, 1)[0]);
    await sink.flush();
  };
  const ours = { cert_path: client.certPath, key_path: client.keyPath };
  await send({ ca_cert_path: authority.caPath, ...ours });
  assert.equal(secure.counted.requests, 1);
  await assert.rejects(send(ours), (error: ConnectorError) => /certificate/i.test(error.message));
  await assert.rejects(send({ ca_cert_path: authority.caPath }), (error: ConnectorError) => error.retryable);
  await assert.rejects(
    send({ ca_cert_path: "/nowhere/ca.pem", ...ours }),
    (error: ConnectorError) => error.code === "config_tls_file" && /no such file/.test(error.message),
  );
  assert.equal(secure.counted.requests, 1);
});
