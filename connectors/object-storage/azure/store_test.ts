/** The store against a real Azurite, which checks signatures, conditions and hashes. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { fakeSinkContext } from "../../../tests/fakes/context.ts";
import { type Azurite, AZURITE_ACCOUNT, AZURITE_KEY, startAzurite } from "../../../tests/servers/azurite.ts";
import { type FindFault, type HttpProxy, startHttpProxy } from "../../../tests/servers/http_proxy.ts";
import { requireServer } from "../../../tests/servers/missing.ts";
import type { AzureConfig } from "./config.ts";
import { caught, findings, HTTP_KEYS, large, md5, object, SMALL } from "../store_testing.ts";
import { AzureStore, openStore } from "./store.ts";

const LARGE_BYTES = (16 << 20) + 12_345;

/** More than one block, as two pieces. */
const LARGE = large(LARGE_BYTES);

function opened(endpoint: string, azure: Partial<AzureConfig> = {}, bucket = "lake") {
  const context = fakeSinkContext();
  const key = azure.sas_token === undefined && !azure.use_managed_identity ? { access_key: AZURITE_KEY } : {};
  const config: AzureConfig = {
    account: AZURITE_ACCOUNT,
    endpoint,
    use_managed_identity: false,
    ...key,
    ...azure,
  };
  return { store: openStore({ ...HTTP_KEYS, bucket, azure: config }, context), context };
}

/** A store behind a proxy that makes faults. */
async function faulty(
  azurite: Azurite,
  fault: FindFault,
  use: (store: AzureStore, proxy: HttpProxy) => Promise<void>,
) {
  await using proxy = await startHttpProxy(azurite.port, fault);
  await using store = opened(`http://127.0.0.1:${proxy.port}/${AZURITE_ACCOUNT}`).store;
  await use(store, proxy);
}

/** Service SAS of a container, version 2020-12-06: "Create a service SAS", string-to-sign. */
function sasToken(container: string, permissions: string, expiry: string): string {
  const version = "2020-12-06";
  const fields = [permissions, "", expiry, `/blob/${AZURITE_ACCOUNT}/${container}`, "", "", "", version, "c"];
  const text = [...fields, "", "", "", "", "", "", ""].join("\n");
  const sig = createHmac("sha256", Uint8Array.fromBase64(AZURITE_KEY)).update(text).digest("base64");
  return `?${new URLSearchParams({ sv: version, sr: "c", sp: permissions, se: expiry, sig })}`;
}

const isPut = (path: string, comp?: string) =>
  comp === undefined ? !path.includes("comp=") : path.includes(`comp=${comp}`);

Deno.test("a store on Azure Blob Storage (Azurite)", async (t) => {
  await using azurite = await requireServer(t, startAzurite);
  if (azurite === undefined) return;
  await azurite.makeContainer("lake");

  await t.step("makes a blob once, with its type and hash, and never replaces it", async () => {
    await using store = opened(azurite.endpoint, { access_tier: "Cool" }).store;
    assert.equal(await store.sizeOf("a/one.jsonl"), undefined);

    assert.equal(await store.create(object("a/one.jsonl")), "created");
    assert.equal(await store.create(object("a/one.jsonl", [new Uint8Array(3)])), "exists");

    assert.equal(await store.sizeOf("a/one.jsonl"), 16);
    const { headers, bytes } = await azurite.read("a/one.jsonl");
    assert.equal(new TextDecoder().decode(bytes), '{"a":1}\n{"a":2}\n');
    assert.equal(headers.get("content-type"), "application/x-ndjson");
    assert.equal(headers.get("content-md5"), md5(SMALL));
    const head = await azurite.ask("HEAD", "lake/a/one.jsonl");
    assert.equal(head.headers.get("x-ms-access-tier"), "Cool");
    await store.cleanUp("a/one.jsonl");
  });

  await t.step("takes every name that a sink gives, and empty objects", async () => {
    await using store = opened(azurite.endpoint).store;
    const given = ["p=1/flow+public.orders+00-0A+w.jsonl.gz", "ü/%2F%25/a b'()*!~,;@$.csv", "empty"];
    for (const name of given) {
      assert.equal(await store.create(object(name, name === "empty" ? [] : SMALL)), "created", name);
      assert.equal(await store.create(object(name)), "exists", name);
      assert.equal(await store.sizeOf(name), name === "empty" ? 0 : 16, name);
    }
    const listed = await azurite.names("lake");
    for (const name of given) {
      assert(listed.includes(name.replaceAll("'", "&apos;")) || listed.includes(name), `${name}: ${listed}`);
    }
  });

  await t.step("makes a large blob of blocks, and of twelve that make it at once one does", async () => {
    await using store = opened(azurite.endpoint).store;

    assert.equal(await store.create(object("large", LARGE)), "created");
    assert.equal(await store.create(object("large", LARGE)), "exists");

    const { headers, bytes } = await azurite.read("large");
    assert.equal(bytes.length, LARGE_BYTES);
    assert.equal(md5([bytes]), md5(LARGE));
    assert.equal(headers.get("content-md5"), md5(LARGE));
    assert.equal(headers.get("content-type"), "application/x-ndjson");
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => store.create(object("race"))));
    assert.deepEqual(outcomes.toSorted(), ["created", ...Array(11).fill("exists")]);
  });

  await t.step("puts no block of another attempt into a blob", async () => {
    await using one = opened(azurite.endpoint).store;
    const { store: other, context } = opened(azurite.endpoint);
    await using _ = other;
    context.random(); // the same seed would give the same names
    const others = LARGE.map((piece) => piece.map((byte) => byte ^ 1));

    const outcomes = await Promise.all([
      one.create(object("mixed", LARGE)),
      other.create(object("mixed", others)),
    ]);

    assert.deepEqual(outcomes.toSorted(), ["created", "exists"]);
    const made = outcomes[0] === "created" ? LARGE : others;
    assert.equal(md5([(await azurite.read("mixed")).bytes]), md5(made));
  });

  await t.step("checks that blobs can be made, and leaves nothing behind", async () => {
    await azurite.makeContainer("empty");
    await using store = opened(azurite.endpoint, {}, "empty").store;

    const [finding, ...others] = await findings(store);

    assert.deepEqual([finding.status, others], ["ok", []]);
    assert.match(finding.message, /^Blobs can be made in container "empty" at http:/);
    assert.deepEqual(await azurite.names("empty"), []);
  });

  await t.step("says what to do where the key or the container is wrong", async () => {
    const wrongKey = btoa("a wrong key");
    await using wrong = opened(azurite.endpoint, { access_key: wrongKey }).store;
    const auth = await caught(wrong.create(object("x")));
    // Azure's own code for it is AuthenticationFailed.
    assert.equal(auth.code, "permission_azure");
    assert.match(
      auth.message,
      /^Cannot make "x" in container "lake": the answer was 403 AuthorizationFailure$/,
    );
    assert.match(auth.hint!, /credentials/);
    assert(!JSON.stringify([auth.message, auth.hint, auth.cause]).includes(wrongKey));
    assert.equal((await findings(wrong))[0].status, "failed");

    await using missing = opened(azurite.endpoint, {}, "missing").store;
    const gone = await caught(missing.create(object("x")));
    assert.deepEqual([gone.code, gone.retryable], ["not_found_container", true]);
    assert.equal((await caught(missing.sizeOf("x"))).code, "not_found_container");
  });

  await t.step("works with a SAS token that may only create and write, and never tells it", async () => {
    const sas_token = sasToken("lake", "cw", "2099-01-01T00:00:00Z");
    await using store = opened(azurite.endpoint, { sas_token }).store;
    assert.equal(await store.create(object("by-sas")), "created");
    assert.equal(await store.create(object("by-sas")), "exists");
    assert.deepEqual((await findings(store)).map(({ status }) => status), ["ok", "warning"]);

    await using readOnly =
      opened(azurite.endpoint, { sas_token: sasToken("lake", "r", "2099-01-01T00:00:00Z") }).store;
    const refused = await caught(readOnly.create(object("not-allowed")));
    assert.equal(refused.code, "permission_azure");

    await using away = opened("http://127.0.0.1:1/acc", { sas_token }).store;
    const gone = await caught(away.create(object("x")));
    assert.equal(gone.code, "connection_http");
    assert(
      !/sig=|%3D|127\.0\.0\.1.*sv=/.test(JSON.stringify([gone.message, gone.hint, gone.cause])),
      gone.message,
    );
  });

  await t.step("signs with the service's time where this machine's clock is wrong", async () => {
    const served = "Sat, 31 Jan 2026 13:00:00 GMT"; // the fake clock says 12:00
    const refusal = {
      kind: "answer",
      status: 403,
      headers: { date: served, "x-ms-error-code": "AuthenticationFailed" },
    } as const;
    await using proxy = await startHttpProxy(
      azurite.port,
      ({ headers }) => headers.get("x-ms-date")!.includes(" 12:") ? refusal : undefined,
    );
    const { store, context } = opened(`http://127.0.0.1:${proxy.port}/${AZURITE_ACCOUNT}`);
    await using _ = store;

    assert.equal(await store.create(object("skewed")), "created");

    assert.match(context.lines[0].message, /^This machine's clock is 60 minutes behind the store's/);
    proxy.fault = () => refusal;
    const error = await caught(store.create(object("refused")));
    assert.deepEqual([error.code, error.hint?.includes("azure.access_key")], ["auth_azure", true]);
  });

  await t.step("waits as long as a busy service asks, and gives up with that time", async () => {
    const busy = (seconds: string) => ({
      kind: "answer",
      status: 503,
      headers: { "retry-after": seconds, "x-ms-error-code": "ServerBusy" },
    } as const);
    await using proxy = await startHttpProxy(
      azurite.port,
      ({ number }) => number <= 2 ? busy("7") : undefined,
    );
    const { store, context } = opened(`http://127.0.0.1:${proxy.port}/${AZURITE_ACCOUNT}`);
    await using _ = store;

    assert.equal(await store.create(object("after-busy")), "created");

    assert(context.clock.sleptMs >= 7000, String(context.clock.sleptMs));
    assert.deepEqual(context.numbers.get("object_storage_retries_total"), 1);
    proxy.fault = () => busy("120");
    const error = await caught(store.create(object("too-busy")));
    assert.deepEqual([error.code, error.retryAfterMs, error.retryable], [
      "transient_http_503",
      120_000,
      true,
    ]);
  });

  await t.step("ends with one blob where the connection breaks in the middle of an upload", async () => {
    await faulty(
      azurite,
      ({ method, number }) =>
        method === "PUT" && number === 1 ? { kind: "reset_in_body", bytes: 8 } : undefined,
      async (store) => {
        assert.equal(await store.create(object("cut")), "created");
        assert.equal((await azurite.read("cut")).bytes.length, 16);
      },
    );
  });

  await t.step("ends with one blob where the answer is lost, without sending it twice", async () => {
    await faulty(
      azurite,
      ({ method, number }) => method === "PUT" && number === 1 ? { kind: "lose_answer" } : undefined,
      async (store, proxy) => {
        assert.equal(await store.create(object("lost")), "exists");
        assert.deepEqual(proxy.seen.map(({ method }) => method), ["PUT", "HEAD"]);
        assert.equal((await azurite.read("lost")).bytes.length, 16);
      },
    );
  });

  await t.step("sends a block and a block list again; a blob is not there before its list is", async () => {
    let faults = 0;
    await faulty(azurite, ({ path }) => {
      if (isPut(path, "block&") && faults === 0) return faults++, { kind: "reset_in_body", bytes: 1 << 20 };
      if (isPut(path, "blocklist") && faults === 1) return faults++, { kind: "lose_answer" };
    }, async (store) => {
      assert.equal(await store.create(object("blocks", LARGE)), "exists");
      assert.equal(faults, 2);
      assert.equal(md5([(await azurite.read("blocks")).bytes]), md5(LARGE));
    });
    await faulty(
      azurite,
      ({ path }) => isPut(path, "blocklist") ? { kind: "answer", status: 503 } : undefined,
      async (store) => {
        assert.equal((await caught(store.create(object("never", LARGE)))).code, "transient_http_503");
        assert.equal(await store.sizeOf("never"), undefined);
      },
    );
    await using again = opened(azurite.endpoint).store;
    assert.equal(await again.create(object("never", LARGE)), "created");
    assert.equal(md5([(await azurite.read("never")).bytes]), md5(LARGE));
  });
});
