import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { ConnectorError } from "../../formats/data/errors.ts";
import {
  type Authority,
  type Certificate,
  makeAuthority,
  tlsSettings,
} from "../../tests/servers/certificates.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { giveToServer } from "../../tests/servers/process.ts";
import { Connection } from "./connection.ts";
import { endpointOf } from "./endpoint.ts";
import { configFor, Reader, testContext } from "./testing.ts";

const KINDS = ["sql", "replication"] as const;
const HERE = ["DNS:localhost", "IP:127.0.0.1"];
const clock = testContext().clock;

async function withConnection<T>(
  pg: Parameters<typeof configFor>[0],
  keys: Record<string, unknown>,
  kind: "sql" | "replication",
  use: (connection: Connection) => T | Promise<T>,
): Promise<T> {
  const endpoint = endpointOf(configFor(pg, keys), "test");
  await using connection = await Connection.open(endpoint, clock, kind, new AbortController().signal);
  return await use(connection);
}

/** What the server says about a session of ours: `TLSv1.3`, or undefined where it is not encrypted. */
async function protocolFor(pg: Postgres, keys: Record<string, unknown>, kind: "sql" | "replication") {
  return await withConnection(pg, keys, kind, async ({ pid, encryption }) => {
    const [{ ssl, version }] = await pg.query("SELECT ssl, version FROM pg_stat_ssl WHERE pid = $1", [pid]);
    assert.equal(encryption !== undefined, ssl === "t");
    return version ?? undefined;
  });
}

/** Both kinds of connection are refused with this code, and the message holds no password. */
async function refused(
  pg: Parameters<typeof configFor>[0],
  keys: Record<string, unknown>,
  code: string,
): Promise<ConnectorError> {
  const errors: ConnectorError[] = [];
  for (const kind of KINDS) {
    await assert.rejects(withConnection(pg, keys, kind, () => {}), (error) => {
      assert.ok(error instanceof ConnectorError, String(error));
      assert.equal(error.code, code, error.message);
      assert.ok(error.hint !== undefined);
      assert.ok(!error.message.includes(pg.password));
      if (!code.endsWith("_tls_file")) assert.match(error.message, /database "postgres" on .+ as "/);
      errors.push(error);
      return true;
    });
  }
  return errors[0];
}

async function withHba(pg: Postgres, lines: readonly string[]): Promise<void> {
  const path = join(pg.dataDir, "pg_hba.conf");
  // The test's own connection comes without TLS, as the superuser.
  await Deno.writeTextFile(
    path,
    ["hostnossl all postgres 127.0.0.1/32 scram-sha-256", ...lines, ""].join("\n"),
  );
  await giveToServer(path);
  await pg.query("SELECT pg_reload_conf()");
  // The postmaster reads it a moment later; its rules can be seen when it has been parsed, not when it is in force.
  await pg.restart();
}

async function authority(t: Deno.TestContext): Promise<Authority | undefined> {
  return await requireServer(t, makeAuthority);
}

const start = (certificate: Certificate, more: Record<string, string> = {}, caPath?: string) =>
  startPostgres({ settings: { ...tlsSettings(certificate, caPath), ...more } });

Deno.test("every TLS mode gives every connection what it says, and a snapshot and the stream come over it", async (t) => {
  await using ca = await authority(t);
  if (ca === undefined) return;
  const certificate = await ca.signed("server", { name: "localhost", names: HERE });
  await using pg = await start(certificate, { log_connections: "on" });
  const ca_cert_path = ca.caPath;
  for (const kind of KINDS) {
    assert.equal(await protocolFor(pg, { tls: { mode: "disable" } }, kind), undefined);
    assert.equal(await protocolFor(pg, { tls: { mode: "allow" } }, kind), undefined);
    assert.equal(await protocolFor(pg, {}, kind), "TLSv1.3", "prefer is the default");
    assert.equal(await protocolFor(pg, { tls: { mode: "require" } }, kind), "TLSv1.3");
    assert.equal(await protocolFor(pg, { tls: { mode: "verify-ca", ca_cert_path } }, kind), "TLSv1.3");
    assert.equal(await protocolFor(pg, { tls: { mode: "verify-full", ca_cert_path } }, kind), "TLSv1.3");
    const tls = { mode: "verify-full", ca_cert_pem: await Deno.readTextFile(ca_cert_path) };
    assert.equal(await protocolFor(pg, { host: "localhost", tls }, kind), "TLSv1.3");
    const direct = { mode: "verify-full", ca_cert_path, negotiation: "direct" };
    assert.equal(await protocolFor(pg, { tls: direct }, kind), "TLSv1.3");
  }
  await pg.query("CREATE TABLE t (id int PRIMARY KEY, note text)");
  // Larger than what the sockets hold, so that reading stops and goes on in between.
  await pg.query("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i");
  await using reader = new Reader(
    configFor(pg, { tls: { mode: "verify-full", ca_cert_path }, application_name: "seen" }),
  );
  assert.equal((await reader.atLeast(20_000)).length, 20_000);
  await pg.query("INSERT INTO t SELECT i, repeat('y', 1000) FROM generate_series(20001, 40000) i");
  assert.equal((await reader.atLeast(40_000)).length, 40_000);
  const log = await Deno.readTextFile(pg.logFile);
  const ours = log.split("\n").filter((line) => /authorized: .*application_name=seen/.test(line));
  assert.ok(ours.length >= 3, log);
  for (const line of ours) assert.match(line, /SSL enabled \(protocol=TLSv1\.3/);
  assert.ok(ours.some((line) => /replication connection authorized/.test(line)));
});

Deno.test("verify-ca and verify-full refuse every certificate that proves nothing, on every connection", async (t) => {
  await using ca = await authority(t);
  if (ca === undefined) return;
  await using other = await makeAuthority();
  const tls = (mode: string, ca_cert_path = ca.caPath) => ({
    host: "localhost",
    tls: { mode, ca_cert_path },
  });
  const exact = (code: string) => Deno.version.deno < "2.9" ? "auth_tls_handshake" : code;
  await t.step("another host's", async () => {
    await using pg = await start(
      await ca.signed("other", { name: "other.example", names: ["DNS:other.example"] }),
    );
    const error = await refused(pg, tls("verify-full"), exact("auth_tls_host"));
    if (Deno.version.deno >= "2.9") assert.match(error.message, /not made out to "localhost"/);
    assert.equal(await protocolFor(pg, tls("verify-ca"), "replication"), "TLSv1.3");
    const named = { mode: "verify-full", ca_cert_path: ca.caPath, sni_hostname: "other.example" };
    assert.equal(await protocolFor(pg, { tls: named }, "sql"), "TLSv1.3");
    await using reader = new Reader(configFor(pg, tls("verify-full")));
    await assert.rejects(reader.next(), { code: exact("auth_tls_host") });
  });
  await t.step("one that has expired", async () => {
    await using pg = await start(await ca.signed("old", { name: "localhost", names: HERE, isExpired: true }));
    for (const mode of ["verify-ca", "verify-full"]) await refused(pg, tls(mode), exact("auth_tls_expired"));
    assert.equal(await protocolFor(pg, { tls: { mode: "require" } }, "sql"), "TLSv1.3");
  });
  await t.step("one that is signed by itself", async () => {
    await using pg = await start(await ca.selfSigned("self", { name: "localhost", names: HERE }));
    for (const mode of ["verify-ca", "verify-full"]) {
      await refused(pg, tls(mode), exact("auth_tls_untrusted"));
    }
  });
  await t.step("another CA's, and one of a CA that is not among those that come along", async () => {
    await using pg = await start(await ca.signed("good", { name: "localhost", names: HERE }));
    for (const mode of ["verify-ca", "verify-full"]) {
      await refused(pg, tls(mode, other.caPath), exact("auth_tls_untrusted"));
      await refused(pg, { host: "localhost", tls: { mode } }, exact("auth_tls_untrusted"));
    }
  });
});

Deno.test("with require and stricter nothing is ever sent in clear, whatever the server answers", async () => {
  for (const answer of ["N", "Sx", "E"]) {
    const seen: number[] = [];
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.on("data", (bytes) => {
        seen.push(bytes.length);
        if (seen.length === 1) socket.write(answer);
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const pg = { host: "127.0.0.1", port, user: "u", password: "a secret", database: "postgres" };
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      for (const kind of KINDS) {
        seen.length = 0;
        await assert.rejects(
          withConnection(pg, { tls: { mode } }, kind, () => {}),
          { code: answer === "N" ? "auth_tls_missing" : "connection_protocol" },
        );
        assert.deepEqual(seen, [8], "more than the request for TLS was sent");
      }
    }
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  }
});

Deno.test("a server without TLS is refused by require and stricter, and taken by prefer and allow", async () => {
  await using pg = await startPostgres();
  for (const mode of ["require", "verify-ca", "verify-full"]) {
    await refused(pg, { tls: { mode } }, "auth_tls_missing");
  }
  for (const mode of ["prefer", "allow"]) {
    for (const kind of KINDS) assert.equal(await protocolFor(pg, { tls: { mode } }, kind), undefined);
  }
});

Deno.test("prefer and allow get in where pg_hba.conf wants TLS, or wants none; disable and require are told why not", async (t) => {
  await using ca = await authority(t);
  if (ca === undefined) return;
  await using pg = await start(await ca.signed("server", { name: "localhost", names: HERE }));
  await pg.query(
    "CREATE ROLE safe LOGIN REPLICATION PASSWORD 'x'; CREATE ROLE plain LOGIN REPLICATION PASSWORD 'x'",
  );
  await withHba(pg, [
    "hostssl all safe 127.0.0.1/32 scram-sha-256",
    "hostnossl all plain 127.0.0.1/32 scram-sha-256",
  ]);
  for (const mode of ["prefer", "allow"]) {
    for (const kind of KINDS) {
      const keys = { password: "x", tls: { mode } };
      assert.equal(await protocolFor(pg, { ...keys, user: "safe" }, kind), "TLSv1.3");
      assert.equal(await protocolFor(pg, { ...keys, user: "plain" }, kind), undefined);
    }
  }
  const safe = await refused(pg, { user: "safe", password: "x", tls: { mode: "disable" } }, "auth_no_entry");
  assert.match(safe.hint!, /tls\.mode to require/);
  await refused(pg, { user: "plain", password: "x", tls: { mode: "require" } }, "auth_no_entry");
});

Deno.test("a client certificate logs in, and none, a wrong one or another user's does not", async (t) => {
  await using ca = await authority(t);
  if (ca === undefined) return;
  await using other = await makeAuthority();
  const server = await ca.signed("server", { name: "localhost", names: HERE });
  await using pg = await start(server, {}, ca.caPath);
  await pg.query("CREATE ROLE holder LOGIN REPLICATION PASSWORD 'x'");
  await withHba(pg, ["hostssl all holder 127.0.0.1/32 scram-sha-256 clientcert=verify-full"]);
  const keys = ({ certPath, keyPath }: Certificate) => ({
    user: "holder",
    password: "x",
    tls: {
      mode: "verify-full",
      ca_cert_path: ca.caPath,
      client_cert_path: certPath,
      client_key_path: keyPath,
    },
  });
  const good = await ca.signed("holder", { name: "holder" });
  for (const kind of KINDS) assert.equal(await protocolFor(pg, keys(good), kind), "TLSv1.3");
  const none = { user: "holder", password: "x", tls: { mode: "verify-full", ca_cert_path: ca.caPath } };
  await refused(pg, none, "auth_client_certificate");
  await refused(pg, keys(await ca.signed("else", { name: "somebody" })), "auth_rejected");
  const foreign = keys(await other.signed("holder", { name: "holder" }));
  await assert.rejects(withConnection(pg, foreign, "sql", () => {}), (error) => {
    assert.ok(error instanceof ConnectorError);
    assert.match(error.code, /^(auth_|connection_lost)/, error.message);
    return true;
  });
});

Deno.test("channel binding is used over TLS, and required where that is said", async (t) => {
  await using ca = await authority(t);
  if (ca === undefined) return;
  await using pg = await start(await ca.signed("server", { name: "localhost", names: HERE }));
  await pg.query(`SET password_encryption = 'md5'; CREATE ROLE old LOGIN REPLICATION PASSWORD 'x';
    RESET password_encryption; CREATE ROLE open LOGIN REPLICATION; CREATE ROLE clear LOGIN REPLICATION PASSWORD 'x'`);
  await withHba(pg, [
    "host all old 127.0.0.1/32 md5",
    "host all open 127.0.0.1/32 trust",
    "host all clear 127.0.0.1/32 password",
    "host all all 127.0.0.1/32 scram-sha-256",
  ]);
  const methodFor = (keys: Record<string, unknown>) =>
    withConnection(
      pg,
      { tls: { mode: "require" }, ...keys },
      "replication",
      (connection) => connection.authentication,
    );
  assert.equal(await methodFor({}), "SCRAM-SHA-256-PLUS");
  assert.equal(await methodFor({ channel_binding: "require" }), "SCRAM-SHA-256-PLUS");
  assert.equal(await methodFor({ channel_binding: "disable" }), "SCRAM-SHA-256");
  assert.equal(await methodFor({ tls: { mode: "disable" } }), "SCRAM-SHA-256");
  assert.equal(await methodFor({ user: "old", password: "x" }), "MD5");
  assert.equal(await methodFor({ user: "open" }), "none");
  assert.equal(await methodFor({ user: "clear", password: "x" }), "password");
  for (const user of ["old", "open", "clear"]) {
    const keys = { user, password: "x", channel_binding: "require", tls: { mode: "require" } };
    await refused(pg, keys, "auth_channel_binding");
  }
  const clear = { user: "clear", password: "x", tls: { mode: "disable" } };
  await refused(pg, clear, "auth_cleartext");
  assert.equal(await methodFor({ ...clear, allow_cleartext: true }), "password");
  await refused(pg, { user: "old", password: "" }, "auth_no_password");
  await refused(pg, { password: "wrong" }, "auth_rejected");
});

Deno.test("files that can't be used are named with the key, and are never passed over", async (t) => {
  await using ca = await authority(t);
  if (ca === undefined) return;
  const server = await ca.signed("server", { name: "localhost", names: HERE });
  await using pg = await start(server);
  const verify = (keys: Record<string, string>) => ({ tls: { mode: "verify-full", ...keys } });
  await refused(pg, verify({ ca_cert_path: "/no/such/file" }), "not_found_tls_file");
  await refused(pg, verify({ ca_cert_pem: "no certificate" }), "config_tls_file");
  await refused(pg, verify({ ca_cert_path: server.keyPath }), "config_tls_file");
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  await refused(pg, verify({ ca_cert_pem: broken }), "config_tls_file");
  const cert = { ca_cert_path: ca.caPath, client_cert_path: server.certPath };
  await refused(pg, verify({ ...cert, client_key_path: server.certPath }), "config_tls_file");
  const { keyPath } = await ca.signed("another", { name: "another" });
  const mismatch = await refused(pg, verify({ ...cert, client_key_path: keyPath }), "config_tls_file");
  assert.match(mismatch.message, /does not belong/);
});

Deno.test("min_protocol_version is kept", async (t) => {
  await using ca = await authority(t);
  if (ca === undefined) return;
  const server = await ca.signed("server", { name: "localhost", names: HERE });
  await using pg = await start(server, { ssl_max_protocol_version: "TLSv1.2" });
  assert.equal(await protocolFor(pg, { tls: { mode: "require" } }, "sql"), "TLSv1.2");
  await assert.rejects(
    withConnection(pg, { tls: { mode: "require", min_protocol_version: "1.3" } }, "sql", () => {}),
    (error) => error instanceof ConnectorError && /^auth_tls_(handshake|version)$/.test(error.code),
  );
});
