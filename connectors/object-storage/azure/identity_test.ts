/**
 * Tokens of a managed identity, from scripted servers: the metadata service as Microsoft Entra's documentation
 * describes it ("Use managed identities on a virtual machine to acquire access token"), and a blob service that takes
 * only the token that was given out last.
 */
import assert from "node:assert/strict";
import { ConnectorError } from "../../../formats/data/errors.ts";
import { fakeSinkContext } from "../../../tests/fakes/context.ts";
import { type Fault, type SeenRequest, startHttpProxy } from "../../../tests/servers/http_proxy.ts";
import { openStore } from "./store.ts";

const RETRY = {
  max_retries: 3,
  initial_backoff_ms: 100,
  max_backoff_ms: 1000,
  backoff_multiplier: 2,
  jitter_factor: 0,
};
const OBJECT = { name: "x", body: [new Uint8Array(3)], contentType: "text/plain" };

/** Both services; `token` is the one that counts. */
async function scripted(identity: (request: SeenRequest, given: number) => Fault | undefined) {
  let given = 0;
  let valid = "";
  const identityServer = await startHttpProxy(undefined, (request) => {
    const own = identity(request, given);
    if (own) return own;
    valid = `token-${++given}`;
    const body = JSON.stringify({ access_token: valid, expires_in: "86399", token_type: "Bearer" });
    return { kind: "answer", status: 200, body };
  });
  const blobs = await startHttpProxy(undefined, ({ headers, method }) => {
    if (headers.get("authorization") !== `Bearer ${valid}`) {
      return {
        kind: "answer",
        status: 401,
        headers: { "x-ms-error-code": "InvalidAuthenticationInfo" },
      };
    }
    return { kind: "answer", status: method === "HEAD" ? 404 : 201 };
  });
  const context = fakeSinkContext();
  const store = openStore({
    bucket: "lake",
    retry: RETRY,
    request_timeout_secs: 30,
    azure: {
      endpoint: `http://127.0.0.1:${blobs.port}`,
      use_managed_identity: true,
      managed_identity_url: `http://127.0.0.1:${identityServer.port}/metadata/identity/oauth2/token`,
      managed_identity_client_id: "the client",
    },
  }, context);
  return {
    ...{ store, context, identityServer, blobs },
    /** The service forgets the token that it has given out. */
    end: () => valid = "another",
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await identityServer[Symbol.asyncDispose]();
      await blobs[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a managed identity's token is asked for once, and anew before it ends", async () => {
  await using world = await scripted(() => undefined);
  const { store, identityServer, context } = world;

  assert.deepEqual(await Promise.all([store.create(OBJECT), store.create(OBJECT)]), ["created", "created"]);

  const [{ path, headers }, ...others] = identityServer.seen;
  assert.deepEqual(others, []);
  assert.equal(headers.get("metadata"), "true");
  assert.deepEqual(Object.fromEntries(new URL(path, "http://h").searchParams), {
    "api-version": "2018-02-01",
    resource: "https://storage.azure.com/",
    client_id: "the client",
  });
  context.clock.advance(86_399_000 - 5 * 60_000);
  assert.equal(await store.create(OBJECT), "created");
  assert.equal(identityServer.seen.length, 2);
});

Deno.test("a token that ends early is replaced, once", async () => {
  await using world = await scripted(() => undefined);
  assert.equal(await world.store.create(OBJECT), "created");
  world.end();

  assert.equal(await world.store.create(OBJECT), "created");

  assert.equal(world.identityServer.seen.length, 2);
  world.blobs.fault = () => ({ kind: "answer", status: 401 });
  await assert.rejects(world.store.create(OBJECT), { code: "auth_azure", retryable: true });
  assert.equal(world.identityServer.seen.length, 3);
});

Deno.test("an identity service that is updating is asked again; one that knows no identity is told about", async () => {
  await using busy = await scripted(({ number }) =>
    number <= 2 ? { kind: "answer", status: number === 1 ? 410 : 429 } : undefined
  );
  assert.equal(await busy.store.create(OBJECT), "created");

  await using unknown = await scripted(() => ({ kind: "answer", status: 400, body: "Identity not found" }));
  await assert.rejects(unknown.store.create(OBJECT), (error) => {
    assert(error instanceof ConnectorError);
    assert.equal(
      error.message,
      "Cannot get a token for Azure from the machine's identity service: the answer was 400",
    );
    assert.deepEqual([error.code, error.retryable], ["auth_identity", true]);
    assert.match(error.hint!, /managed_identity_client_id/);
    return true;
  });
});
