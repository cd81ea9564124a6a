import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { ConnectorError } from "../../formats/data/errors.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { type FakeSinkContext, fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeBatches, fakeRecord, fakeStream, linesOf } from "../../tests/fakes/records.ts";
import type { Sink } from "../contract.ts";
import definition from "./connector.ts";
import { openSink } from "./sink.ts";

interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

type Answering = (request: Received, n: number) => Response | Promise<Response>;

/** A server on a free port that keeps every request, and answers as a test says. */
class Receiver implements AsyncDisposable {
  readonly requests: Received[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  answer: Answering = () => new Response();
  context!: FakeSinkContext;

  constructor() {
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      const body = new Uint8Array(await request.arrayBuffer());
      const received = { method: request.method, path: pathname + search, headers: request.headers, body };
      this.requests.push(received);
      return await this.answer(received, this.requests.length);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  open(config: Record<string, unknown> = {}, clock = new FakeClock(true)): Sink {
    this.context = fakeSinkContext({ clock });
    return openSink(definition.config.parse({ url: `${this.url}/hook`, ...config }), this.context);
  }

  get bodies(): string[] {
    return this.requests.map(({ body }) => new TextDecoder().decode(body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const status = (status: number, headers?: HeadersInit) => new Response(null, { status, headers });
const code = (expected: string) => (error: unknown) => (error as ConnectorError).code === expected;

Deno.test("with batch_size 1 each record is the body of a request of its own, with a key that is its order", async () => {
  await using receiver = new Receiver();
  await using sink = receiver.open({ max_concurrency: 1 });
  const [batch] = fakeBatches(1, 3);
  await sink.write(batch);
  await sink.flush();
  assert.deepEqual(receiver.bodies, linesOf(batch));
  const [{ method, path, headers }] = receiver.requests;
  assert.deepEqual([method, path, headers.get("content-type")], ["POST", "/hook", "application/json"]);
  const keys = receiver.requests.map(({ headers }) => headers.get("idempotency-key"));
  assert.deepEqual(
    keys,
    [0, 1, 2].map((i) => encodeURI(`${receiver.context.flow}/${batch.lane}/${batch.order(i)}`)),
  );
});

Deno.test("with a larger batch_size the body is an array, filled over several batches and sent at the flush", async () => {
  await using receiver = new Receiver();
  await using sink = receiver.open({ batch_size: 50, max_concurrency: 1 });
  const batches = fakeBatches(3, 40);
  for (const batch of batches) await sink.write(batch);
  await sink.flush();
  assert.deepEqual(receiver.bodies.map((body) => JSON.parse(body).length), [50, 50, 20]);
  const lines = receiver.bodies.flatMap((body) =>
    JSON.parse(body).map((one: unknown) => JSON.stringify(one))
  );
  assert.deepEqual(lines, linesOf(...batches).map((line) => JSON.stringify(JSON.parse(line))));
  const last = receiver.requests[2].headers.get("idempotency-key");
  assert.equal(
    last,
    encodeURI(`${receiver.context.flow}/${batches[2].lane}/${batches[2].order(20)}-${batches[2].order(39)}`),
  );
});

Deno.test("records without a key go to the queues a request at a time, each once", async () => {
  await using receiver = new Receiver();
  await using sink = receiver.open({ batch_size: 10, max_concurrency: 3, envelope: "plain" });
  const stream = fakeStream("clicks", { key: [], columns: undefined });
  // Every seventh has no text in this layout.
  const records = Array.from({ length: 70 }, (_, n) => {
    const record = fakeRecord(n, { stream, operation: "record", key: undefined, after: { n } });
    return n % 7 === 3 ? { ...record, operation: "tombstone" as const, after: undefined } : record;
  });
  const sent = records.flatMap(({ operation }, n) => operation === "record" ? [n] : []);
  await sink.write(fakeBatch(records.slice(0, 35), { layout: "plain" }));
  await sink.write(fakeBatch(records.slice(35), { layout: "plain" }));
  await sink.flush();
  const bodies = receiver.bodies.map((body) => JSON.parse(body).map(({ n }: { n: number }) => n))
    .sort(([a], [b]) => a - b);
  assert.deepEqual(bodies, Array.from({ length: 6 }, (_, i) => sent.slice(i * 10, i * 10 + 10)));
});

Deno.test("records of one key are sent one behind the other while other keys overtake", async () => {
  await using receiver = new Receiver();
  const running = new Set<number>();
  let most = 0;
  receiver.answer = async ({ body }) => {
    const { id } = JSON.parse(new TextDecoder().decode(body));
    assert.ok(!running.has(id), `two requests of key ${id} at a time`);
    running.add(id);
    most = Math.max(most, running.size);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running.delete(id);
    return new Response();
  };
  await using sink = receiver.open({ max_concurrency: 8, envelope: "plain" });
  const stream = fakeStream("orders", { key: ["id"] });
  const records = Array.from({ length: 200 }, (_, n) => {
    const id = BigInt(n % 20);
    return fakeRecord(n, { stream, operation: "update", key: { id }, after: { id, n } });
  });
  const batch = fakeBatch(records).inLayout("plain");
  await sink.write(batch);
  await sink.flush();
  assert.ok(most > 1, "never two requests at a time");
  const seen = new Map<number, number>();
  for (const body of receiver.bodies) {
    const { id, n } = JSON.parse(body);
    assert.ok((seen.get(id) ?? -1) < n);
    seen.set(id, n);
  }
  assert.equal(receiver.requests.length, 200);
});

Deno.test("network errors, 5xx and 429 are tried again, after Retry-After where there is one", async () => {
  await using receiver = new Receiver();
  const answers = [status(500), status(429, { "Retry-After": "17" }), status(503), new Response()];
  receiver.answer = (_, n) => answers[n - 1];
  const clock = new FakeClock(true);
  await using sink = receiver.open({ retry: { max_retries: 5, jitter: false } }, clock);
  const startMs = clock.monotonicMs();
  await sink.write(fakeBatches(1, 1)[0]);
  await sink.flush();
  assert.equal(receiver.requests.length, 4);
  assert.equal(clock.monotonicMs() - startMs, 1000 + 17_000 + 4000);
  assert.equal(new Set(receiver.requests.map(({ headers }) => headers.get("idempotency-key"))).size, 1);
});

Deno.test("a server that stays away ends the attempt, and the pipeline may try again", async () => {
  await using receiver = new Receiver();
  receiver.answer = () => status(503, { "Retry-After": "120" });
  await using sink = receiver.open({ retry: { max_retries: 2 } });
  await sink.write(fakeBatches(1, 1)[0]);
  await assert.rejects(sink.flush(), (error: ConnectorError) => {
    assert.equal(error.code, "transient_http_503");
    assert.equal(error.retryAfterMs, 120_000);
    assert.match(error.message, /3 times: it answered 503/);
    return error.retryable;
  });
});

Deno.test("nobody at the port: the error says so, and may be tried again", async () => {
  let url: string;
  {
    await using receiver = new Receiver();
    url = receiver.url;
  }
  const context = fakeSinkContext({ clock: new FakeClock(true) });
  await using sink = openSink(definition.config.parse({ url }), context);
  await sink.write(fakeBatches(1, 1)[0]);
  await assert.rejects(
    sink.flush(),
    (error: ConnectorError) => error.code === "connection_http" && error.retryable,
  );
});

for (
  const [status_, expected] of [[401, "auth_http_401"], [403, "permission_http_403"], [
    404,
    "not_found_http_404",
  ]] as const
) {
  Deno.test(`${status_} is no fault of a record: nothing is rejected, and the pipeline may try again`, async () => {
    await using receiver = new Receiver();
    receiver.answer = () => status(status_);
    await using sink = receiver.open();
    await sink.write(fakeBatches(1, 1)[0]);
    await assert.rejects(sink.flush(), (error: ConnectorError) => error.code === expected && error.retryable);
    assert.equal(receiver.requests.length, 1);
    assert.deepEqual(receiver.context.rejected, []);
  });
}

Deno.test("a redirect is not followed, and the error names the new address", async () => {
  await using receiver = new Receiver();
  receiver.answer = () => status(308, { Location: "https://elsewhere.example/" });
  await using sink = receiver.open();
  await sink.write(fakeBatches(1, 1)[0]);
  await assert.rejects(sink.flush(), (error: ConnectorError) => {
    assert.match(error.message, /https:\/\/elsewhere\.example\//);
    return error.code === "config_http_redirect" && !error.retryable;
  });
});

Deno.test("of a batch that is refused, the records that are at fault are rejected, and the others arrive once", async () => {
  await using receiver = new Receiver();
  const accepted: number[] = [];
  receiver.answer = ({ body }) => {
    const rows = JSON.parse(new TextDecoder().decode(body)) as { id: number }[];
    if (rows.some(({ id }) => id === 3 || id === 17)) return status(422);
    accepted.push(...rows.map(({ id }) => id));
    return new Response();
  };
  await using sink = receiver.open({ batch_size: 20, max_concurrency: 1 });
  const batch = fakeBatch(Array.from({ length: 20 }, (_, id) => fakeRecord(id, { after: { id } }))).inLayout(
    "plain",
  );
  await sink.write(batch);
  await sink.flush();
  assert.deepEqual(receiver.context.rejected.map(({ i, error }) => [i, error.code]), [
    [3, "serialization_http_422"],
    [17, "serialization_http_422"],
  ]);
  assert.deepEqual(accepted, Array.from({ length: 20 }, (_, id) => id).filter((id) => id !== 3 && id !== 17));
});

Deno.test("what the URL has behind its path, which may be a token, is in no message", async () => {
  await using receiver = new Receiver();
  receiver.answer = () => status(422);
  const url = `${receiver.url}/hook?token=s3cret`;
  await using refused = receiver.open({ url });
  await refused.write(fakeBatches(1, 1)[0]);
  await refused.flush();
  assert.equal(
    receiver.context.rejected[0].error.message,
    `POST ${receiver.url}/hook?… was answered with 422`,
  );
  for (const answer of [401, 503, 307]) {
    receiver.answer = () => status(answer, { location: url });
    await using sink = receiver.open({ url, retry: { max_retries: 0 } });
    await sink.write(fakeBatches(1, 1)[0]);
    await assert.rejects(sink.flush(), (error: Error) => !error.message.includes("s3cret"));
  }
});

Deno.test("413 makes requests smaller, until they are small enough", async () => {
  await using receiver = new Receiver();
  receiver.answer = ({ body }) => status(JSON.parse(new TextDecoder().decode(body)).length > 8 ? 413 : 200);
  await using sink = receiver.open({ batch_size: 100, max_concurrency: 1 });
  await sink.write(fakeBatches(1, 100)[0]);
  await sink.flush();
  assert.deepEqual(receiver.context.rejected, []);
});

Deno.test("a request is closed before it grows over max_body_mb", async () => {
  await using receiver = new Receiver();
  await using sink = receiver.open({ batch_size: 1000, max_concurrency: 1, max_body_mb: 0.01 });
  const [batch] = fakeBatches(1, 500);
  await sink.write(batch);
  await sink.flush();
  assert.ok(receiver.requests.length > 1);
  for (const { body } of receiver.requests) assert.ok(body.length <= 0.01 * 2 ** 20, `${body.length}`);
});

Deno.test("the breaker makes requests wait and drops none", async () => {
  await using receiver = new Receiver();
  receiver.answer = (_, n) => status(n <= 3 ? 500 : 200);
  const clock = new FakeClock(true);
  await using sink = receiver.open({
    circuit_breaker: { failures: 2, reset_secs: 60 },
    retry: { max_retries: 10, initial_backoff_ms: 1, jitter: false },
    max_concurrency: 1,
  }, clock);
  const startMs = clock.monotonicMs();
  const [batch] = fakeBatches(1, 3);
  await sink.write(batch);
  await sink.flush();
  assert.equal(receiver.requests.length, 6);
  // Opened by the second failure, and again by the trial that failed.
  assert.ok(clock.monotonicMs() - startMs >= 120_000);
  assert.deepEqual(receiver.bodies.slice(3), linesOf(batch));
});

Deno.test("bodies are signed as they are sent, compressed from the threshold on", async () => {
  await using receiver = new Receiver();
  await using sink = receiver.open({
    signing: { secret: "s3cret" },
    compression_threshold_bytes: 1,
    auth: { type: "basic", username: "me", password: "pw:ü" },
    headers: { "X-Team": "data" },
  });
  const [batch] = fakeBatches(1, 1);
  await sink.write(batch);
  await sink.flush();
  const [{ headers, body }] = receiver.requests;
  assert.equal(headers.get("content-encoding"), "gzip");
  assert.equal(new TextDecoder().decode(gunzipSync(body)), linesOf(batch)[0]);
  const time = headers.get("x-webhook-timestamp");
  const expected = createHmac("sha256", "s3cret").update(`${time}.`).update(body).digest("hex");
  assert.equal(headers.get("x-webhook-signature"), `sha256=${expected}`);
  assert.equal(time, String(receiver.context.clock.nowMicros() / 1_000_000n));
  assert.equal(headers.get("authorization"), `Basic ${new TextEncoder().encode("me:pw:ü").toBase64()}`);
  assert.equal(headers.get("x-team"), "data");
});

Deno.test("a token is fetched once for all requests, and once more when it is refused", async () => {
  await using receiver = new Receiver();
  let tokens = 0;
  receiver.answer = ({ path, headers, body }) => {
    if (path === "/token") {
      assert.equal(new TextDecoder().decode(body), "grant_type=client_credentials&scope=write");
      assert.equal(headers.get("authorization"), `Basic ${btoa("id:secret")}`);
      return Response.json({ access_token: `token-${++tokens}`, expires_in: 3600 });
    }
    return status(headers.get("authorization") === "Bearer token-2" ? 200 : 401);
  };
  await using sink = receiver.open({
    auth: {
      type: "oauth2",
      token_url: `${receiver.url}/token`,
      client_id: "id",
      client_secret: "secret",
      scope: "write",
    },
    max_concurrency: 1,
  });
  await sink.write(fakeBatches(1, 5)[0]);
  await sink.flush();
  assert.equal(tokens, 2);
  assert.equal(receiver.requests.filter(({ path }) => path === "/hook").length, 6);
});

Deno.test("a URL with placeholders keeps a record's names inside one segment", async () => {
  await using receiver = new Receiver();
  await using sink = receiver.open({
    url: `${receiver.url}/{namespace}/{stream}?op={event_type}`,
    max_concurrency: 1,
  });
  const streams = [fakeStream("../admin?x=1#"), fakeStream("..")];
  await sink.write(fakeBatch(streams.map((stream, id) => fakeRecord(id, { stream }))));
  await sink.flush();
  const paths = receiver.requests.map(({ path }) => path.split("?")[0].split("/").slice(2));
  assert.deepEqual(paths, [["..%2Fadmin%3Fx%3D1%23"], ["__"]]);
});

Deno.test("closing ends requests that are under way, and a write that waits for them fails", async () => {
  await using receiver = new Receiver();
  const arrived = Promise.withResolvers<void>();
  const done = Promise.withResolvers<Response>();
  receiver.answer = () => {
    arrived.resolve();
    return done.promise;
  };
  const sink = receiver.open();
  await sink.write(fakeBatches(1, 1)[0]);
  const flushed = assert.rejects(sink.flush(), code("transient_closed"));
  await arrived.promise;
  await sink[Symbol.asyncDispose]();
  await flushed;
  done.resolve(new Response());
});

Deno.test("a server that never answers is given up after timeout_secs", async () => {
  await using receiver = new Receiver();
  const done = Promise.withResolvers<Response>();
  receiver.answer = () => done.promise;
  await using sink = receiver.open({ timeout_secs: 1, retry: { max_retries: 0 } });
  await sink.write(fakeBatches(1, 1)[0]);
  await assert.rejects(sink.flush(), (error: ConnectorError) => {
    assert.match(error.message, /no answer within 1 s/);
    return error.code === "connection_http";
  });
  done.resolve(new Response());
});

Deno.test("check() tells a server that is there from one that refuses the login, and from none", async () => {
  await using receiver = new Receiver();
  const found = async (answer: number) => {
    receiver.answer = () => status(answer);
    await using sink = receiver.open();
    const findings: string[] = [];
    await sink.check(({ name, status }) => findings.push(`${name} ${status}`));
    return findings;
  };
  assert.deepEqual(await found(405), ["endpoint ok"]);
  assert.deepEqual(await found(401), ["login failed"]);
  assert.deepEqual(await found(404), ["endpoint warning"]);
  assert.deepEqual(await found(502), ["endpoint failed"]);
  assert.ok(receiver.requests.every(({ method }) => method === "HEAD"));
});
