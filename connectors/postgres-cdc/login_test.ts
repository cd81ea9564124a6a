import assert from "node:assert/strict";
import { config as schema } from "./connector.ts";
import definition from "./connector.ts";
import { completeLogin } from "./login.ts";

interface Outside {
  readonly env?: Record<string, string>;
  readonly files?: Record<string, string>;
  readonly mode?: number;
}

function complete(given: Record<string, unknown>, { env = {}, files = {}, mode = 0o100600 }: Outside = {}) {
  return completeLogin(given, {
    env: (name) => env[name],
    readFile: (path) => {
      if (files[path] === undefined) throw new Error("No such file");
      return files[path];
    },
    fileMode: () => mode,
  });
}

const KEYS = { host: "db", database: "shop", user: "u" };

Deno.test("variables stand in for keys that are left out, and only for those", () => {
  const env = {
    PGHOST: "pghost",
    PGPORT: "6000",
    PGDATABASE: "pgdatabase",
    PGUSER: "pguser",
    PGPASSWORD: "pgpassword",
    PGSSLMODE: "require",
    PGCONNECT_TIMEOUT: "3",
    PGAPPNAME: "",
  };
  assert.deepEqual(complete({}, { env }).config, {
    host: "pghost",
    port: 6000,
    database: "pgdatabase",
    user: "pguser",
    password: "pgpassword",
    connect_timeout_secs: 3,
    tls: { mode: "require" },
  });
  const own = { ...KEYS, port: 1, password: "", connect_timeout_secs: 9, tls: { mode: "disable" } };
  assert.deepEqual(complete(own, { env }), { config: own, notes: [], problems: [] });
  assert.deepEqual(complete({}, { env: { PGHOST: "a,b", PGPORT: "1,2" } }).config, { hosts: ["a:1", "b:2"] });
  assert.deepEqual(complete({ hosts: ["a", "b"] }, { env: { PGPORT: "7" } }).config, {
    hosts: ["a", "b"],
    port: 7,
  });
  const confused = complete({}, { env: { PGHOST: "a,b", PGPORT: "1,2,3" } });
  assert.match(confused.problems[0].message, /PGHOST and PGPORT.*2 hosts and 3 ports/);
});

Deno.test("a variable that can't be meant is named, and what may stand in it", () => {
  const env = { PGSSLMODE: "maybe", PGCONNECT_TIMEOUT: "soon", PGSSLMINPROTOCOLVERSION: "TLSv1.1" };
  const { problems, config } = complete(KEYS, { env });
  assert.deepEqual(config, KEYS);
  assert.deepEqual(problems.map(({ message }) => message), [
    "Variable PGCONNECT_TIMEOUT must be a whole number",
    "Variable PGSSLMODE must be one of disable, allow, prefer, require, verify-ca, verify-full",
    "Variable PGSSLMINPROTOCOLVERSION must be one of TLSv1.2, TLSv1.3",
  ]);
});

Deno.test("a CA in a variable counts where the mode verifies, and elsewhere is no contradiction", () => {
  const env = { PGSSLROOTCERT: "/ca.pem", PGUSER: "u" };
  assert.deepEqual(complete({ ...KEYS, tls: { mode: "verify-full" } }, { env }).config.tls, {
    mode: "verify-full",
    ca_cert_path: "/ca.pem",
  });
  assert.equal(complete(KEYS, { env }).config.tls, undefined);
  const onSocket = complete({ ...KEYS, host: "/run/postgresql" }, { env: { PGSSLMODE: "require" } });
  assert.equal(onSocket.config.tls, undefined);
});

Deno.test("a connection URI takes the place of the keys, and what both say is a contradiction", () => {
  const connection = "postgres://u:p%40ss@db:5433/shop?sslmode=verify_full&application_name=mine";
  assert.deepEqual(complete({ connection, slot_name: "s" }).config, {
    slot_name: "s",
    user: "u",
    password: "p@ss",
    host: "db",
    port: 5433,
    database: "shop",
    application_name: "mine",
    tls: { mode: "verify-full" },
  });
  assert.equal(complete({ connection: "postgres://u@db/shop", password: "own" }).config.password, "own");
  const both = complete({ connection, host: "other", hosts: ["x"], user: "u", tls: { mode: "require" } });
  assert.deepEqual(both.problems.map(({ message }) => message), [
    '"connection" and "host" are both given',
    '"connection" and "hosts" are both given',
    '"connection" and "user" are both given',
    '"connection" and "tls.mode" are both given',
  ]);
  const wrong = complete({ connection: "mysql://db" });
  assert.deepEqual(wrong.problems.map(({ key }) => key), ["connection"]);
  assert.equal(wrong.config.connection, "mysql://db");
});

Deno.test("the password comes from the key, the URI, PGPASSWORD, a named password file, ~/.pgpass: the first of these", () => {
  const files = { "/home/u/.pgpass": "db:*:shop:u:home", "/named": "*:*:*:*:named", "/env": "*:*:*:*:env" };
  const env = { HOME: "/home/u" };
  const password = (given: Record<string, unknown>, more: Record<string, string> = {}) =>
    complete({ ...KEYS, ...given }, { env: { ...env, ...more }, files }).config.password;
  assert.equal(password({}), "home");
  assert.equal(password({ user: "nobody" }), undefined);
  assert.equal(password({}, { PGPASSFILE: "/env" }), "env");
  assert.equal(password({ passfile: "/named" }, { PGPASSFILE: "/env" }), "named");
  assert.equal(password({ passfile: "/named" }, { PGPASSWORD: "pg" }), "pg");
  assert.equal(password({ password: "key" }, { PGPASSWORD: "pg" }), "key");
  const uri = complete({ connection: "postgres://u@db/shop" }, { env, files });
  assert.equal(uri.config.password, "home");
  assert.equal("passfile" in complete({ ...KEYS, passfile: "/named" }, { files }).config, false);
});

Deno.test("a password file that is missing or open to others is not used, and that is said", () => {
  const files = { "/home/u/.pgpass": "*:*:*:*:x" };
  const open = complete(KEYS, { env: { HOME: "/home/u" }, files, mode: 0o100644 });
  assert.equal(open.config.password, undefined);
  assert.match(open.notes[0], /"\/home\/u\/\.pgpass" is not used.*chmod 600/);
  assert.match(complete({ ...KEYS, passfile: "/none" }).notes[0], /"\/none" is not used, it can't be read/);
  assert.deepEqual(complete(KEYS, { env: { HOME: "/nowhere" } }).notes, []);
  const two = complete(
    { hosts: ["a", "b"], database: "d", user: "u" },
    { env: { HOME: "/home/u" }, files: { "/home/u/.pgpass": "a:*:*:*:1\nb:*:*:*:2" } },
  );
  assert.match(two.problems[0].message, /different passwords/);
});

Deno.test("keys that contradict each other are refused, each with what to write", () => {
  const complaint = (keys: Record<string, unknown>) => {
    const { error } = schema.safeParse({ ...KEYS, ...keys });
    return error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n") ?? "";
  };
  assert.equal(complaint({}), "");
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ host: undefined }, /^host: Missing key "host"$/],
    [{ hosts: ["a"] }, /^hosts: "host" and "hosts"/],
    [{ host: undefined, hosts: ["a", "b c"] }, /^hosts: "hosts" must be a list of host:port$/],
    [{ host: "a,b" }, /^host: "host" must be a host name/],
    [{ host: "/run/postgresql", tls: { mode: "require" } }, /^tls.mode: .*Unix socket/],
    [{ tls: { mode: "verify-full", accept_invalid_certs: true } }, /^tls.accept_invalid_certs: .*contradict/],
    [{ tls: { mode: "require", ca_cert_path: "/ca" } }, /^tls.ca_cert_path: .*no effect with mode "require"/],
    [{ tls: { mode: "verify-ca", ca_cert_path: "/ca", ca_cert_pem: "x" } }, /^tls.ca_cert_pem: .*both given/],
    [{ tls: { client_cert_path: "/c" } }, /^tls.client_cert_path: .*needs "client_key_path"/],
    [{ tls: { negotiation: "direct" } }, /^tls.negotiation: .*needs TLS, and mode is "prefer"/],
    [{ channel_binding: "require" }, /^channel_binding: .*needs TLS/],
  ];
  for (const [keys, message] of refused) assert.match(complaint(keys), message);
});

Deno.test("every spelling of a TLS mode and of the keys is understood", () => {
  const upgraded = (config: Record<string, unknown>) => definition.upgradeConfig!(config).config;
  for (
    const mode of ["verify-identity", "verifyfull", "verify_full", "VERIFY-FULL", "VerifyFull", "verify-full"]
  ) {
    assert.deepEqual(upgraded({ tls: { mode } }), { tls: { mode: "verify-full" } });
  }
  assert.deepEqual(upgraded({ tls: { mode: "verify_ca" } }), { tls: { mode: "verify-ca" } });
  assert.deepEqual(upgraded({ tls: { mode: "nonsense" } }), { tls: { mode: "nonsense" } });
  assert.deepEqual(upgraded({ sslmode: "require", sslnegotiation: "direct" }), {
    tls: { mode: "require", negotiation: "direct" },
  });
  assert.deepEqual(upgraded({ tls: { mode: "verify-full", verify_hostname: false } }), {
    tls: { mode: "verify-ca" },
  });
  assert.deepEqual(upgraded({ url: "postgres://db" }), { connection: "postgres://db" });
});
