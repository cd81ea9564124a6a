/** Keys that are given to a machine, by servers of this process that give them as those of AWS do. */
import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fakes/clock.ts";
import { Connections } from "../exchange.ts";
import { s3Keys } from "./config.ts";
import { keySource } from "./keys.ts";

const never = new AbortController().signal;

interface Seen {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

async function givenBy(
  answer: (request: Seen, number: number) => Response,
  use: (server: { url: string; seen: Seen[]; clock: FakeClock; connections: Connections }) => Promise<void>,
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
  using connections = new Connections();
  await use({ url: `http://127.0.0.1:${server.addr.port}/`, seen, clock: new FakeClock(true), connections });
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
    const keys = keySource(config, clock, server.connections);
    const first = { accessKeyId: "K3", secretAccessKey: "s", sessionToken: "t" };
    const both = await Promise.all([keys.current(never), keys.current(never)]);
    assert.deepEqual(both, [first, first]);
    clock.advance(54 * 60_000);
    assert.deepEqual(await keys.current(never), first);
    clock.advance(2 * 60_000);
    assert.equal((await keys.current(never))!.accessKeyId, "K6");
    assert.ok(keys.renew());
    assert.equal((await keys.current(never))!.accessKeyId, "K9");
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
      const keys = keySource(config, clock, server.connections);
      await keys.current(never);
      assert.equal(server.seen[0].headers.get("authorization"), "pod");
      clock.advance(58 * 60_000);
      assert.equal((await keys.current(never))!.accessKeyId, "K");
      clock.advance(3 * 60_000);
      await assert.rejects(keys.current(never), (error: Error & { code: string; retryable: boolean }) => {
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
        const keys = keySource(config, server.clock, server.connections);
        assert.deepEqual(await keys.current(never), {
          accessKeyId: "K",
          secretAccessKey: "s",
          sessionToken: "t&t",
        });
        await Deno.writeTextFile(path, "token-2\n");
        await keys.current(never);
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
  using connections = new Connections();
  const clock = new FakeClock(true);
  const away = s3Keys.parse({ identity: "instance", identity_url: "http://127.0.0.1:9" });
  await assert.rejects(keySource(away, clock, connections).current(never), {
    code: "connection_s3_identity",
  });
  const nowhere = s3Keys.parse({ identity: "container" });
  await assert.rejects(keySource(nowhere, clock, connections).current(never), { code: "auth_s3_identity" });
  const nothing = s3Keys.parse({ identity: "web_identity" });
  await assert.rejects(keySource(nothing, clock, connections).current(never), { code: "auth_s3_identity" });
});
