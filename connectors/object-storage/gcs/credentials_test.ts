/** Tokens, from a scripted token endpoint that checks signatures; a scripted store takes only what it has given out. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { ConnectorError } from "../../../formats/data/errors.ts";
import { fakeSinkContext } from "../../../tests/fakes/context.ts";
import { ScriptedGcs, ScriptedTokens } from "../../../tests/servers/scripted_gcs.ts";
import type { GcsConfig } from "./config.ts";
import { openStore } from "./store.ts";

const RETRY = {
  max_retries: 2,
  initial_backoff_ms: 100,
  max_backoff_ms: 1000,
  backoff_multiplier: 2,
  jitter_factor: 0,
};
const START_SECONDS = 1_769_860_800; // of the fake clock

function object(name: string, size = 3) {
  return { name, body: [new Uint8Array(size)], contentType: "text/plain" };
}

/** A store, and both servers; the newest token counts. */
function world(configOf: (tokens: ScriptedTokens) => Partial<GcsConfig>) {
  const server = new ScriptedGcs();
  server.tokens = new Set();
  const tokens = new ScriptedTokens((token) => server.tokens = new Set([token]));
  const context = fakeSinkContext();
  const gcs: GcsConfig = {
    endpoint: `http://127.0.0.1:${server.port}`,
    use_adc: true,
    anonymous: false,
    ...configOf(tokens),
  };
  const store = openStore({ bucket: "lake", retry: RETRY, request_timeout_secs: 30, gcs }, context);
  return {
    ...{ server, tokens, context, store },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await tokens[Symbol.asyncDispose]();
    },
  };
}

async function caught(promise: Promise<unknown>): Promise<ConnectorError> {
  const error = await promise.then(() => assert.fail("It did not fail"), (error: unknown) => error);
  assert(error instanceof ConnectorError, String(error));
  return error;
}

Deno.test("a service account signs for its token, once for as long as it counts", async () => {
  await using our = world((tokens) => ({ service_account_key: tokens.serviceAccount }));
  const { store, tokens, context } = our;

  assert.deepEqual(await Promise.all([store.create(object("a")), store.create(object("b"))]), [
    "created",
    "created",
  ]);

  assert.deepEqual(tokens.asked, [{
    header: { alg: "RS256", typ: "JWT", kid: "key-1" },
    claims: {
      iss: "writer@project.iam.gserviceaccount.com",
      scope: "https://www.googleapis.com/auth/devstorage.read_write",
      aud: tokens.uri,
      iat: START_SECONDS,
      exp: START_SECONDS + 3600,
    },
  }]);
  context.clock.advance((3599 - 5 * 60) * 1000);
  assert.equal(await store.create(object("c")), "created");
  assert.equal(tokens.given.length, 2);
});

Deno.test("a token that ends in the middle of an upload is replaced, and the upload goes on", async () => {
  await using our = world((tokens) => ({ service_account_key: tokens.serviceAccount }));
  const { store, tokens, server } = our;
  await store.create(object("before"));
  server.tokens = new Set(); // none counts any more

  assert.equal(await store.create(object("small")), "created");
  assert.equal(tokens.given.length, 2);
  let asked = 0;
  const counted = server.tokens as Set<string>;
  counted.has = (token) => ++asked !== 3 && Set.prototype.has.call(counted, token);
  assert.equal(await store.create(object("large", (32 << 20) + 5)), "created");

  assert.equal(server.objects.get("large")!.bytes.length, (32 << 20) + 5);
  assert.equal(tokens.given.length, 3);
  assert.equal(server.sessions.length, 1);
});

Deno.test("a person's refresh token, and the metadata server, give tokens, too", async () => {
  await using person = world((tokens) => ({ service_account_key: tokens.authorizedUser }));
  assert.equal(await person.store.create(object("a")), "created");
  assert.deepEqual(person.tokens.asked, [{ grant_type: "refresh_token" }]);

  await using machine = world((tokens) => ({ metadata_url: tokens.origin }));
  assert.equal(await machine.store.create(object("a")), "created");
  assert.deepEqual(machine.tokens.asked, [{
    metadata: "/computeMetadata/v1/instance/service-accounts/default/token",
  }]);
});

Deno.test("a token that is refused is told about without what was asked with", async () => {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const wrongKey = (text: string) => JSON.stringify({ ...JSON.parse(text), private_key: privateKey });
  await using our = world((tokens) => ({ service_account_key: wrongKey(tokens.serviceAccount) }));
  // So that its clock is not what is wrong.
  our.context.clock.advance(Date.now() - START_SECONDS * 1000);

  const error = await caught(our.store.create(object("a")));

  assert.equal(
    error.message,
    `Cannot get a token from ${new URL(our.tokens.uri).host}: the answer was 400 invalid_grant`,
  );
  assert.deepEqual([error.code, error.retryable, error.cause], ["auth_google", true, undefined]);
  assert.match(error.hint!, /still has this key/);
});

Deno.test("where the clock is wrong, that is what is told", async () => {
  await using our = world((tokens) => ({ service_account_key: tokens.serviceAccount }));
  our.tokens.refusal = { status: 400, error: "invalid_grant" };

  const error = await caught(our.store.create(object("a"))); // the fake clock is months behind

  assert.equal(error.code, "auth_clock");
  assert.match(error.hint!, /^Set this machine's clock: it is \d+ minutes behind$/);
});

Deno.test("a token endpoint that is busy is asked again, and then given up", async () => {
  await using our = world((tokens) => ({ service_account_key: tokens.serviceAccount }));
  our.tokens.refusal = { status: 503, error: "unavailable" };

  const error = await caught(our.store.create(object("a")));

  assert.deepEqual([error.code, error.retryable], ["transient_http_503", true]);
  assert.match(error.message, /^Cannot get a token from 127\.0\.0\.1:\d+: tried 3 times/);
});
