/** The store against versitygw, a real S3 server that checks signatures, hashes, clocks and conditions. */
import assert from "node:assert/strict";
import { ConnectorError } from "../../../formats/data/errors.ts";
import { FakeClock } from "../../../tests/fakes/clock.ts";
import { fakeSinkContext } from "../../../tests/fakes/context.ts";
import { makeAuthority } from "../../../tests/servers/certificates.ts";
import {
  type Fault,
  type FindFault,
  type SeenRequest,
  startHttpProxy,
} from "../../../tests/servers/http_proxy.ts";
import { requireServer } from "../../../tests/servers/missing.ts";
import { startVersitygw, type Versitygw } from "../../../tests/servers/versitygw.ts";
import type { Clock } from "../../contract.ts";
import { joined, sizeOf } from "../bytes.ts";
import definition from "../connector.ts";
import { findings, large, md5, object, SMALL } from "../store_testing.ts";
import { openStore } from "./store.ts";

/** More than two parts. */
const LARGE = large((17 << 20) + 12_345);

interface Options {
  readonly s3?: Record<string, unknown>;
  readonly bucket?: string;
  readonly clock?: Clock;
  readonly timeoutSecs?: number;
}

function opened(server: Versitygw, { s3, bucket = server.bucket, clock, timeoutSecs = 60 }: Options = {}) {
  const config = configOf(bucket, { ...server.keys, ...s3 }, timeoutSecs, 4);
  const fake = fakeSinkContext();
  const context = clock ? { ...fake, clock } : { ...fake, clock: realTime(fake.clock) };
  return { store: openStore(config, context), context: fake };
}

function configOf(bucket: string, s3: Record<string, unknown>, timeoutSecs: number, retries: number) {
  const config = definition.config.parse({
    bucket,
    s3,
    retry: { max_retries: retries },
    request_timeout_secs: timeoutSecs,
  });
  return { ...config, bucket, s3: config.s3! };
}

/** The server's signatures need the real time; sleeps are jumped over. */
function realTime(fake: FakeClock): Clock {
  return {
    nowMicros: () => BigInt(Date.now()) * 1000n,
    monotonicMs: () => fake.monotonicMs(),
    sleep: (ms, signal) => fake.sleep(ms, signal),
  };
}

const isKind = (code: string) => (error: unknown) => {
  assert.ok(error instanceof ConnectorError, String(error));
  assert.equal(error.code, code, error.message);
  assert.ok(error.retryable, "a flow waits until it is mended, and loses nothing");
  assert.ok(error.hint);
  assert.doesNotMatch(`${error.message} ${error.hint}`, /testsecret|otherwise-secret/);
  return true;
};

Deno.test("S3 store on versitygw", async (t) => {
  await using server = await requireServer(t, startVersitygw);
  if (server === undefined) return;

  await t.step("an object is made once, whatever its name, and nobody writes over it", async () => {
    await using store = opened(server).store;
    for (const [i, name] of ["a.jsonl", "p=1/sp ace+plus&ü'()!*~,:@$%2F.txt", "deep/er/x"].entries()) {
      assert.equal(await store.sizeOf(name), undefined);
      assert.equal(await store.create(object(name)), "created");
      assert.equal(await store.create(object(name, [new Uint8Array(i)])), "exists");
      assert.equal(await store.sizeOf(name), 16);
      assert.deepEqual(server.objects().get(name), joined(SMALL));
    }
  });

  await t.step("a large object goes in parts, and is there as a whole or not at all", async () => {
    await using store = opened(server).store;
    assert.equal(await store.create(object("large", LARGE)), "created");
    assert.deepEqual(server.objects().get("large"), joined(LARGE));
    assert.equal(await store.create(object("large", LARGE)), "exists");
    assert.equal(server.unfinishedUploads(), 0);
  });

  await t.step("of many that make one object at a time one does", async () => {
    await using store = opened(server).store;
    for (const body of [SMALL, LARGE]) {
      const name = `race-${body.length}-${body[0].length}`;
      const outcomes = await Promise.all(Array.from({ length: 4 }, () => store.create(object(name, body))));
      assert.deepEqual(outcomes.toSorted(), ["created", "exists", "exists", "exists"]);
      assert.deepEqual(server.objects().get(name), joined(body));
    }
    assert.equal(server.unfinishedUploads(), 0);
  });

  await t.step("what is wrong is said with what to do, and no secret", async () => {
    const cases: [Options, string][] = [
      [{ s3: { secret_access_key: "otherwise-secret" } }, "auth_s3"],
      [{ s3: { access_key_id: "nobody" } }, "auth_s3"],
      [{ s3: { session_token: "otherwise-secret" } }, "auth_s3"],
      [{ s3: { region: "eu-west-1" } }, "config_s3_region"],
      [{ bucket: "missing" }, "not_found_s3_bucket"],
      [{ s3: { anonymous: true } }, "permission_s3"],
      [{ s3: { endpoint: "http://127.0.0.1:9" } }, "connection_http"],
    ];
    for (const [options, code] of cases) {
      await using store = opened(server, options).store;
      await assert.rejects(store.create(object("x")), isKind(code), JSON.stringify(options));
      await assert.rejects(store.create(object("x", LARGE)), isKind(code), JSON.stringify(options));
    }
    assert.equal(server.objects().has("x"), false);
    assert.throws(
      () => opened(server, { s3: { access_key_id: undefined, secret_access_key: undefined } }),
      { code: "auth_s3_no_keys", retryable: false },
    );
  });

  await t.step("check() proves that objects can be made, and leaves nothing", async () => {
    await using store = opened(server).store;
    const before = [...server.objects().keys()];
    assert.deepEqual((await findings(store)).map(({ name, status }) => [name, status]), [
      ["bucket", "ok"],
      ["conditions", "ok"],
    ]);
    assert.deepEqual([...server.objects().keys()], before);
    await using wrong = opened(server, { s3: { region: "eu-west-1" } }).store;
    const [finding] = await findings(wrong);
    assert.equal(finding.status, "failed");
    assert.equal(finding.hint, "Set s3.region: us-east-1");
  });

  await t.step(
    "check() finds out that a store writes objects over, and which rights are missing",
    async () => {
      await using careless = await startHttpProxy(undefined, ({ method }) => ({
        kind: "answer",
        status: method === "PUT" ? 200 : method === "DELETE" ? 204 : 403,
      }));
      const s3 = { endpoint: `http://127.0.0.1:${careless.port}` };
      await using store = opened(server!, { s3 }).store;
      assert.deepEqual((await findings(store)).map(({ name, status }) => [name, status]), [
        ["bucket", "ok"],
        ["conditions", "failed"],
        ["rights", "warning"],
      ]);
    },
  );

  await t.step("a clock that is off is told from the server's answer", async () => {
    for (const hours of [-3, 2]) {
      const clock: Clock = {
        ...realTime(new FakeClock(true)),
        nowMicros: () => BigInt(Date.now() + hours * 3_600_000) * 1000n,
      };
      const { store, context } = opened(server, { clock });
      await using _store = store;
      assert.equal(await store.create(object(`skewed-${hours}`)), "created");
      assert.equal(await store.create(object(`skewed-large-${hours}`, LARGE)), "created");
      assert.equal(context.lines.filter(({ level }) => level === "warn").length, 1);
    }
  });

  /** A store behind a proxy that makes faults. */
  async function faulty(
    fault: FindFault,
    use: (made: ReturnType<typeof opened>) => Promise<void>,
    options: Options = {},
  ) {
    await using proxy = await startHttpProxy(server!.port, fault);
    proxy.passesHost = true;
    const made = opened(server!, { ...options, s3: { endpoint: `http://127.0.0.1:${proxy.port}` } });
    await using _store = made.store;
    await use(made);
  }

  const answer = (status: number, code: string): Fault => ({
    kind: "answer",
    status,
    body: `<Error><Code>${code}</Code><Message>no</Message></Error>`,
  });
  const FAULTS: Record<string, Fault> = {
    "500 InternalError": answer(500, "InternalError"),
    "503 SlowDown": answer(503, "SlowDown"),
    "502 without a word": { kind: "answer", status: 502 },
    "a conflict": answer(409, "ConditionalRequestConflict"),
    "a reset before the end": { kind: "reset_in_body", bytes: 10 },
    "an answer that is lost": { kind: "lose_answer" },
  };
  for (const [what, fault] of Object.entries(FAULTS)) {
    await t.step(`${what}, once at each request: the object is there once`, async () => {
      // A small object takes one request, a large one at least five: begin, three parts, complete.
      const places = [[SMALL, 1], [LARGE, 1], [LARGE, 2], [LARGE, 5]] as const;
      for (const [body, at] of places) {
        // Only a request that makes the object can be in conflict with another one.
        if (what === "a conflict" && body === LARGE && at < 5) continue;
        // One kind of busy is like the other.
        if (what.startsWith("50") && body === LARGE && what !== "503 SlowDown") continue;
        const name = `${what} ${sizeOf(body)} ${at}`;
        await faulty(({ number }) => number === at ? fault : undefined, async ({ store }) => {
          const outcome = await store.create(object(name, body));
          if (fault.kind !== "lose_answer") assert.equal(outcome, "created", name);
        });
        assert.deepEqual(server!.objects().get(name), joined(body), name);
      }
      assert.equal(server!.unfinishedUploads(), 0);
    });
  }

  await t.step(
    "a store that stays away is given up for now, and what was begun is cleaned up later",
    async () => {
      const isComplete = ({ method, path }: SeenRequest) => method === "POST" && !path.includes("uploads");
      const isAbort = ({ method }: SeenRequest) => method === "DELETE";
      await faulty(
        (request) => isComplete(request) || isAbort(request) ? answer(503, "SlowDown") : undefined,
        async (
          { store, context },
        ) => {
          await assert.rejects(store.create(object("away", LARGE)), isKind("transient_http_503"));
          assert.ok(context.numbers.get("object_storage_retries_total")! >= 4);
        },
      );
      assert.equal(server!.objects().has("away"), false);
      assert.ok(server!.unfinishedUploads() > 0);
      await using store = opened(server!).store;
      await store.cleanUp("awa");
      assert.ok(server!.unfinishedUploads() > 0, "of another name");
      await store.cleanUp("away");
      assert.equal(server!.unfinishedUploads(), 0);
    },
  );

  await t.step(
    "keys that end in the middle of an upload stop it, and it is finished with new ones",
    async () => {
      let count = 0;
      await faulty(
        ({ path }) => path.includes("partNumber") && ++count > 1 ? answer(400, "ExpiredToken") : undefined,
        async ({ store }) => {
          await assert.rejects(store.create(object("expired", LARGE)), isKind("auth_s3_expired"));
        },
      );
      await using store = opened(server!).store;
      assert.equal(await store.create(object("expired", LARGE)), "created");
      assert.deepEqual(server!.objects().get("expired"), joined(LARGE));
    },
  );

  await t.step("an error inside of an answer with 200 is one", async () => {
    let count = 0;
    const fault: Fault = { kind: "answer", status: 200, body: "<Error><Code>InternalError</Code></Error>" };
    await faulty(
      ({ method, path }) =>
        method === "POST" && !path.includes("uploads") && ++count === 1 ? fault : undefined,
      async ({ store }) => {
        assert.equal(await store.create(object("late error", LARGE)), "created");
      },
    );
    assert.deepEqual(server!.objects().get("late error"), joined(LARGE));
  });

  await t.step("a server that swallows requests is noticed", async () => {
    await using silent = await startHttpProxy(server!.port, () => new Promise(() => {}));
    const s3 = { endpoint: `http://127.0.0.1:${silent.port}` };
    const config = configOf("lake", { ...server!.keys, ...s3 }, 1, 0);
    await using store = openStore(config, fakeSinkContext());
    await assert.rejects(store.create(object("silent")), isKind("connection_http"));
  });

  await t.step(
    "storage class and encryption are asked for, of objects in one piece and in parts",
    async () => {
      const seen: SeenRequest[] = [];
      await faulty((request) => {
        seen.push(request);
        return undefined;
      }, async ({ store }) => {
        await store.create(object("plain"));
      });
      assert.equal(seen[0].headers.get("x-amz-server-side-encryption"), null);
      await using proxy = await startHttpProxy(undefined, (request) => {
        seen.push(request);
        return { kind: "answer", status: 403 };
      });
      const sse = { type: "kms", kms_key_id: "key-1" };
      const s3 = { endpoint: `http://127.0.0.1:${proxy.port}`, sse, storage_class: "STANDARD_IA" };
      await using store = opened(server!, { s3 }).store;
      await assert.rejects(store.create(object("encrypted")), isKind("permission_s3"));
      await assert.rejects(store.create(object("encrypted", LARGE)), isKind("permission_s3"));
      for (const { headers } of seen.slice(-2)) {
        assert.equal(headers.get("x-amz-server-side-encryption"), "aws:kms");
        assert.equal(headers.get("x-amz-server-side-encryption-aws-kms-key-id"), "key-1");
        assert.equal(headers.get("x-amz-storage-class"), "STANDARD_IA");
        assert.equal(headers.get("content-type"), "application/x-ndjson");
      }
    },
  );
});

Deno.test("S3 store: a key of one's own goes with every request about the object, and with no other", async () => {
  const key = new TextEncoder().encode("a secret key that has 32 bytes.\n");
  const seen: SeenRequest[] = [];
  await using proxy = await startHttpProxy(undefined, (request) => {
    seen.push(request);
    const isBegun = request.path.endsWith("?uploads=");
    return isBegun
      ? { kind: "answer", status: 200, body: "<UploadId>1</UploadId>" }
      : { kind: "answer", status: 200, headers: { etag: '"t"' } };
  });
  const keys = { access_key_id: "k", secret_access_key: "testsecret" };
  const config = configOf("b", { ...keys, sse: { type: "customer", customer_key: key.toBase64() } }, 60, 0);
  // What the schema refuses: nobody would send the key there.
  const s3 = { ...config.s3, endpoint: `http://127.0.0.1:${proxy.port}` };
  await using store = openStore({ ...config, s3 }, fakeSinkContext());
  await store.create(object("small"));
  await store.create(object("large", LARGE));
  await store.sizeOf("small");
  await store.cleanUp("small");

  const withKey = seen.filter(({ headers }) => {
    if (!headers.has("x-amz-server-side-encryption-customer-key")) return false;
    assert.equal(headers.get("x-amz-server-side-encryption-customer-algorithm"), "AES256");
    assert.equal(headers.get("x-amz-server-side-encryption-customer-key"), key.toBase64());
    assert.equal(headers.get("x-amz-server-side-encryption-customer-key-md5"), md5([key]));
    assert.equal(headers.get("x-amz-server-side-encryption"), null);
    return true;
  });
  assert.deepEqual(withKey.map(({ method }) => method).toSorted(), [
    ...["HEAD", "POST", "POST"],
    ...["PUT", "PUT", "PUT", "PUT"],
  ]);
  assert.deepEqual(seen.filter((request) => !withKey.includes(request)).map(({ method }) => method), ["GET"]);
});

Deno.test("S3 store: the server's certificate counts only when the CA that is named has signed it", async (t) => {
  await using authority = await requireServer(t, makeAuthority);
  await using other = await requireServer(t, makeAuthority);
  if (authority === undefined || other === undefined) return;
  const certificate = await authority.signed("server", { name: "localhost", names: ["IP:127.0.0.1"] });
  await using server = await requireServer(t, () => startVersitygw({ certificate }));
  if (server === undefined) return;
  await using store = opened(server, { s3: { ca_cert_path: authority.caPath } }).store;
  assert.equal(await store.create(object("over TLS", LARGE)), "created");
  await using wrong = opened(server, { s3: { ca_cert_path: other.caPath } }).store;
  await assert.rejects(wrong.create(object("x")), isKind("connection_http"));
});
