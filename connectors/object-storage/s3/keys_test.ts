/** Keys that are given to a machine, by servers of this process that give them as those of AWS do. */
import assert from "node:assert/strict";
import type { FakeClock } from "../../../tests/fakes/clock.ts";
import { fakeSinkContext } from "../../../tests/fakes/context.ts";
import { StoreHttp } from "../http.ts";
import { s3Keys } from "./config.ts";
import { keySource } from "./keys.ts";

function opened(): { http: StoreHttp; clock: FakeClock } {
  const context = fakeSinkContext();
  const retry = {
    max_retries: 0,
    initial_backoff_ms: 1,
    max_backoff_ms: 1,
    backoff_multiplier: 1,
    jitter_factor: 0,
  };
  return { http: new StoreHttp({ retry, request_timeout_secs: 10 }, context), clock: context.clock };
}

interface Seen {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

async function givenBy(
  answer: (request: Seen, number: number) => Response,
  use: (server: { url: string; seen: Seen[]; clock: FakeClock; http: StoreHttp }) => Promise<void>,
): Promise<void> {
  const seen: Seen[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const one = {
      path: `${request.method} ${url.pathname}`,
      headers: request.headers,
      body: await request.text(),
    };
    return answer(one, seen.push(one));
  });
  const { http, clock } = opened();
  using _http = http;
  await use({ url: `http://127.0.0.1:${server.addr.port}/`, seen, clock, http });
}

const minutesLater = (clock: FakeClock, minutes: number) =>
  new Date(Number(clock.nowMicros() / 1000n) + minutes * 60_000).toISOString();

Deno.test("an instance's keys are fetched with a session token, kept, and fetched anew before they end", async () => {
  let clock!: FakeClock;
  await givenBy(({ path, headers }, number) => {
    if (path === "PUT /latest/api/token") return new Response("session");
    assert.equal(headers.get("x-aws-ec2-metadata-token"), "session");
    if (path.endsWith("security-credentials/")) return new Response("my role\n");
    assert.equal(path, "GET /latest/meta-data/iam/security-credentials/my%20role");
    return Response.json({
      AccessKeyId: `K${number}`,
      SecretAccessKey: "s",
      Token: "t",
      Expiration: minutesLater(clock, 60),
    });
  }, async (server) => {
    clock = server.clock;
    const config = s3Keys.parse({ identity: "instance", identity_url: server.url });
    const keys = keySource(config, clock, server.http);
    const first = { accessKeyId: "K3", secretAccessKey: "s", sessionToken: "t" };
    const both = await Promise.all([keys.current(), keys.current()]);
    assert.deepEqual(both, [first, first]);
    clock.advance(54 * 60_000);
    assert.deepEqual(await keys.current(), first);
    clock.advance(2 * 60_000);
    assert.equal((await keys.current())!.accessKeyId, "K6");
    assert.ok(keys.renew());
    assert.equal((await keys.current())!.accessKeyId, "K9");
  });
});

Deno.test("keys that can't be renewed are used to their end", async () => {
  let clock!: FakeClock;
  await givenBy(
    (_request, number) =>
      number === 1
        ? Response.json({ AccessKeyId: "K", SecretAccessKey: "s", Expiration: minutesLater(clock, 60) })
        : new Response("secret words of the agent", { status: 500 }),
    async (server) => {
      clock = server.clock;
      const url = `${server.url}v1/credentials`;
      const config = s3Keys.parse({ identity: "container", identity_url: url, identity_token: "pod" });
      const keys = keySource(config, clock, server.http);
      await keys.current();
      assert.equal(server.seen[0].headers.get("authorization"), "pod");
      clock.advance(58 * 60_000);
      assert.equal((await keys.current())!.accessKeyId, "K");
      clock.advance(3 * 60_000);
      await assert.rejects(keys.current(), (error: Error & { code: string; retryable: boolean }) => {
        assert.equal(error.code, "auth_s3_identity");
        assert.ok(error.retryable);
        assert.doesNotMatch(error.message, /secret words/);
        return true;
      });
    },
  );
});

Deno.test("a web identity's token is read anew each time and shown to STS", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "token-1\n");
    await givenBy(
      () =>
        new Response(`<AssumeRoleWithWebIdentityResponse><Credentials><SessionToken>t&amp;t</SessionToken>
        <SecretAccessKey>s</SecretAccessKey><Expiration>2000-01-01T00:00:00Z</Expiration>
        <AccessKeyId>K</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResponse>`),
      async (server) => {
        const config = s3Keys.parse({
          identity: "web_identity",
          identity_url: server.url,
          role_arn: "arn:aws:iam::1:role/r",
          identity_token_path: path,
        });
        const keys = keySource(config, server.clock, server.http);
        assert.deepEqual(await keys.current(), {
          accessKeyId: "K",
          secretAccessKey: "s",
          sessionToken: "t&t",
        });
        await Deno.writeTextFile(path, "token-2\n");
        await keys.current();
        const forms = server.seen.map(({ body }) => new URLSearchParams(body));
        assert.deepEqual(forms.map((form) => form.get("WebIdentityToken")), ["token-1", "token-2"]);
        assert.equal(forms[0].get("RoleArn"), "arn:aws:iam::1:role/r");
        assert.equal(forms[0].get("Action"), "AssumeRoleWithWebIdentity");
      },
    );
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("where nobody gives keys that is said", async () => {
  const { http, clock } = opened();
  using _http = http;
  const away = s3Keys.parse({ identity: "instance", identity_url: "http://127.0.0.1:9" });
  await assert.rejects(keySource(away, clock, http).current(), {
    code: "connection_s3_identity",
  });
  const nowhere = s3Keys.parse({ identity: "container" });
  await assert.rejects(keySource(nowhere, clock, http).current(), { code: "auth_s3_identity" });
  const nothing = s3Keys.parse({ identity: "web_identity" });
  await assert.rejects(keySource(nothing, clock, http).current(), { code: "auth_s3_identity" });
});
