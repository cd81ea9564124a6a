/** The store against two servers: fake-gcs-server, and one that is scripted from Google's documentation. */
import assert from "node:assert/strict";
import { fakeSinkContext } from "../../../tests/fakes/context.ts";
import { startFakeGcs } from "../../../tests/servers/fake_gcs.ts";
import { type FindFault, type HttpProxy, startHttpProxy } from "../../../tests/servers/http_proxy.ts";
import { requireServer } from "../../../tests/servers/missing.ts";
import { ScriptedGcs } from "../../../tests/servers/scripted_gcs.ts";
import { caught, findings, HTTP_KEYS, large, md5, object, SMALL } from "../store_testing.ts";
import type { GcsConfig } from "./config.ts";
import { type GcsStore, openStore } from "./store.ts";

const PIECE = 16 << 20;
const LARGE_BYTES = 2 * PIECE + 12_345;
/** More than two pieces of an upload. */
const LARGE = large(LARGE_BYTES);

function opened(endpoint: string, gcs: Partial<GcsConfig> = {}, bucket = "lake") {
  const context = fakeSinkContext();
  const config: GcsConfig = { endpoint, use_adc: false, anonymous: true, ...gcs };
  return { store: openStore({ ...HTTP_KEYS, bucket, gcs: config }, context), context };
}

/** A store behind a proxy that makes faults. */
async function faulty(
  port: number,
  fault: FindFault,
  use: (store: GcsStore, proxy: HttpProxy) => Promise<void>,
): Promise<void> {
  await using proxy = await startHttpProxy(port, fault);
  await using store = opened(`http://127.0.0.1:${proxy.port}`).store;
  await use(store, proxy);
}

Deno.test("a store on Cloud Storage (fake-gcs-server)", async (t) => {
  await using server = await requireServer(t, startFakeGcs);
  if (server === undefined) return;

  await t.step("makes an object once, with its type and hash, and never replaces it", async () => {
    await using store = opened(server.endpoint, { storage_class: "NEARLINE" }).store;
    for (
      const name of ["a/one.jsonl", "p=1/flow+public.orders+00-0A+w.jsonl.gz", "ü/%2F%25/a b'()*!~,;@$.csv"]
    ) {
      assert.equal(await store.sizeOf(name), undefined, name);
      assert.equal(await store.create(object(name)), "created", name);
      assert.equal(await store.create(object(name, [new Uint8Array(3)])), "exists", name);
      assert.equal(await store.sizeOf(name), 16, name);
    }
    const { fields, bytes } = await server.read("a/one.jsonl");
    assert.equal(new TextDecoder().decode(bytes), '{"a":1}\n{"a":2}\n');
    assert.deepEqual(
      [fields.contentType, fields.md5Hash, fields.storageClass],
      ["application/x-ndjson", md5(SMALL), "NEARLINE"],
    );
  });

  await t.step("makes a large object in pieces, and of twelve that make it at once one does", async () => {
    await using store = opened(server.endpoint).store;
    assert.equal(await store.create(object("large", LARGE)), "created");
    assert.equal(await store.create(object("large", LARGE)), "exists");
    assert.equal(md5([(await server.read("large")).bytes]), md5(LARGE));
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => store.create(object("race"))));
    assert.deepEqual(outcomes.toSorted(), ["created", ...Array(11).fill("exists")]);
  });

  await t.step("checks that objects can be made, and says where the bucket is missing", async () => {
    await using store = opened(server.endpoint).store;
    assert.deepEqual((await findings(store)).map(({ status }) => status), ["ok"]);
    assert.equal(await store.sizeOf("rivven-connect-check"), undefined);
    await using missing = opened(server.endpoint, {}, "missing").store;
    assert.equal((await caught(missing.create(object("x")))).code, "not_found_bucket");
  });

  await t.step("ends with one object where the connection breaks or an answer is lost", async () => {
    await faulty(server.port, ({ method, number }) => {
      if (method !== "POST") return undefined;
      return number === 1 ? { kind: "reset_in_body", bytes: 30 } : { kind: "lose_answer" };
    }, async (store) => {
      assert.equal(await store.create(object("faults")), "exists");
      assert.equal((await server.read("faults")).bytes.length, 16);
    });
  });
});

Deno.test("a store on Cloud Storage makes an object once and never replaces it", async () => {
  await using server = new ScriptedGcs();
  const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
  const { store } = opened(`http://127.0.0.1:${server.port}`, {
    storage_class: "COLDLINE",
    kms_key_name: key,
  });
  await using _ = store;
  assert.equal(await store.sizeOf("ü/a b%2F.jsonl"), undefined);

  assert.equal(await store.create(object("ü/a b%2F.jsonl")), "created");
  assert.equal(await store.create(object("ü/a b%2F.jsonl", [])), "exists");
  assert.equal(await store.create(object("empty", [])), "created");

  assert.deepEqual([await store.sizeOf("ü/a b%2F.jsonl"), await store.sizeOf("empty")], [16, 0]);
  const { bytes, metadata, kmsKeyName } = server.objects.get("ü/a b%2F.jsonl")!;
  assert.equal(md5([bytes]), md5(SMALL));
  assert.equal(kmsKeyName, key);
  assert.deepEqual(metadata, {
    name: "ü/a b%2F.jsonl",
    contentType: "application/x-ndjson",
    md5Hash: md5(SMALL),
    storageClass: "COLDLINE",
  });
  assert.deepEqual((await findings(store)).map(({ status }) => status), ["ok"]);
  assert.deepEqual([...server.objects.keys()], ["ü/a b%2F.jsonl", "empty"]);
});

Deno.test("a large object goes in pieces, and goes on behind what the service has kept of one", async () => {
  await using server = new ScriptedGcs();
  await using store = opened(`http://127.0.0.1:${server.port}`).store;
  server.keepBytes = 5 << 20;

  assert.equal(await store.create(object("large", LARGE)), "created");
  assert.equal(await store.create(object("large", LARGE)), "exists");

  assert.equal(md5([server.objects.get("large")!.bytes]), md5(LARGE));
  assert.equal(server.sessions.length, 1);
});

Deno.test("after a cut in the middle only the rest is sent again, also where the last answer is lost", async () => {
  await using server = new ScriptedGcs();
  let faults = 0;
  const fault: FindFault = ({ method, headers }) => {
    const range = headers.get("content-range") ?? "";
    if (method !== "PUT" || range.startsWith("bytes *")) return undefined;
    if (range.startsWith(`bytes ${PIECE}-`) && faults === 0) {
      return faults++, { kind: "reset_in_body", bytes: 1 << 20 };
    }
    if (range.startsWith(`bytes ${PIECE}-`) && faults === 1) return faults++, { kind: "answer", status: 503 };
    if (range.startsWith(`bytes ${2 * PIECE}-`) && faults === 2) return faults++, { kind: "lose_answer" };
  };
  await faulty(server.port, fault, async (store, proxy) => {
    assert.equal(await store.create(object("cut", LARGE)), "created");

    const ranges = proxy.seen.flatMap(({ headers }) => headers.get("content-range") ?? []);
    const [first, second, third] = [
      `bytes 0-${PIECE - 1}/${LARGE_BYTES}`,
      `bytes ${PIECE}-${2 * PIECE - 1}/${LARGE_BYTES}`,
      `bytes ${2 * PIECE}-${LARGE_BYTES - 1}/${LARGE_BYTES}`,
    ];
    const query = `bytes */${LARGE_BYTES}`;
    assert.deepEqual(new Set(ranges), new Set([first, second, query, third]));
    assert.equal(ranges.filter((range) => range === first).length, 1);
    assert.deepEqual(
      ranges.slice(ranges.indexOf(query)).slice(0, 5),
      [query, second, query, second, third],
      "asked how far it is before each repetition",
    );
  });
  assert.equal(md5([server.objects.get("cut")!.bytes]), md5(LARGE));
});

Deno.test("a session that is gone is begun anew, and one that leads nowhere is cancelled", async () => {
  await using server = new ScriptedGcs();
  const gone: FindFault = ({ method, path }) =>
    method === "PUT" && path.endsWith("upload_id=0") ? { kind: "answer", status: 410 } : undefined;
  await faulty(server.port, gone, async (store) => {
    assert.equal(await store.create(object("anew", LARGE)), "created");
    assert.equal(server.sessions.length, 2);
  });

  const busy: FindFault = ({ method }) => method === "PUT" ? { kind: "answer", status: 503 } : undefined;
  await faulty(server.port, busy, async (store) => {
    const error = await caught(store.create(object("never", LARGE)));
    assert.deepEqual([error.code, error.retryable], ["transient_http_503", true]);
  });
  assert.deepEqual(server.sessions.map(({ isOpen }) => isOpen), [false, false, false]);
  assert.deepEqual([...server.objects.keys()], ["anew"]);
});

Deno.test("two that make a large object at once make it once", async () => {
  await using server = new ScriptedGcs();
  await using store = opened(`http://127.0.0.1:${server.port}`).store;
  const outcomes = await Promise.all([0, 1].map(() => store.create(object("twice", LARGE))));

  assert.deepEqual(outcomes.toSorted(), ["created", "exists"]);
  assert.equal(md5([server.objects.get("twice")!.bytes]), md5(LARGE));
});

Deno.test("a lost answer and a broken upload end with one object of Cloud Storage", async () => {
  await using server = new ScriptedGcs();
  await faulty(server.port, ({ method, number }) => {
    if (method !== "POST") return undefined;
    return number === 1 ? { kind: "reset_in_body", bytes: 30 } : { kind: "lose_answer" };
  }, async (store, proxy) => {
    assert.equal(await store.create(object("faults")), "exists");
    // The connection may have sent a request again by itself.
    const methods = proxy.seen.map(({ method }) => method);
    assert.deepEqual(methods.filter((method, i) => method !== methods[i - 1]), [
      "POST",
      "GET",
      "POST",
      "GET",
    ]);
  });
  assert.equal(md5([server.objects.get("faults")!.bytes]), md5(SMALL));
});

Deno.test("Cloud Storage's answers are told with what to do", async () => {
  const answer = (status: number, reason: string, message: string) =>
    ({
      kind: "answer",
      status,
      body: JSON.stringify({ error: { code: status, message, errors: [{ reason, message }] } }),
    }) as const;
  await using proxy = await startHttpProxy(undefined);
  const { store, context } = opened(`http://127.0.0.1:${proxy.port}`);
  await using _ = store;
  const failing = async (...what: Parameters<typeof answer>) => {
    proxy.fault = () => answer(...what);
    return await caught(store.create(object("x")));
  };

  const forbidden = await failing(403, "forbidden", "writer@p does not have storage.objects.create access");
  assert.equal(forbidden.message, 'Cannot make "x" in bucket "lake": the answer was 403 forbidden');
  assert.deepEqual([forbidden.code, forbidden.retryable], ["permission_gcs", true]);
  assert.match(forbidden.hint!, /Storage Object User/);
  assert.match(
    (await failing(403, "forbidden", "Permission denied on Cloud KMS key.")).hint!,
    /KMS CryptoKey/,
  );
  assert.equal((await failing(400, "invalid", "Bad")).code, "config_gcs");
  assert.equal((await failing(401, "authError", "Invalid Credentials")).code, "auth_gcs");
  assert.equal((await failing(307, "moved", "")).code, "config_http_redirect");
  assert.equal(context.numbers.get("object_storage_retries_total"), undefined);

  assert.equal((await failing(429, "rateLimitExceeded", "Slow down")).code, "rate_limited_http_429");
  assert.equal((await failing(403, "userRateLimitExceeded", "Slow down")).code, "transient_http_403");
  assert.equal(context.numbers.get("object_storage_retries_total"), 8);
});
