import assert from "node:assert/strict";
import type { Machine } from "../../contract.ts";
import definition from "../connector.ts";

const FILES: Readonly<Record<string, string>> = {
  "/home/me/.aws/credentials": `
# comment
[default]
aws_access_key_id = DEFAULTKEY
aws_secret_access_key=default-secret

[temporary]
aws_access_key_id = TEMPKEY
aws_secret_access_key = temp+secret/=
aws_session_token = temp-token==
[sso]
`,
  "/home/me/.aws/config": `
[default]
region = eu-central-1
s3 =
  max_concurrent_requests = 20
[profile temporary]
region = us-west-2
endpoint_url = https://s3.example
[profile sso]
sso_session = company
[profile role]
role_arn = arn:aws:iam::1:role/x
source_profile = temporary
external_id = customer-7
role_session_name = lake
[profile of-environment]
role_arn = arn:aws:iam::1:role/x
credential_source = Environment
[profile of-instance]
role_arn = arn:aws:iam::1:role/x
credential_source = Ec2InstanceMetadata
[profile of-token]
role_arn = arn:aws:iam::1:role/x
web_identity_token_file = /var/token
[profile of-itself]
role_arn = arn:aws:iam::1:role/x
source_profile = of-itself
aws_access_key_id = OWNKEY
aws_secret_access_key = own-secret
[profile of-role]
role_arn = arn:aws:iam::1:role/y
source_profile = role
[profile of-sso]
role_arn = arn:aws:iam::1:role/x
source_profile = sso
[profile of-nobody]
role_arn = arn:aws:iam::1:role/x
[profile of-missing]
role_arn = arn:aws:iam::1:role/x
source_profile = none
[profile with-code]
role_arn = arn:aws:iam::1:role/x
source_profile = default
mfa_serial = arn:aws:iam::1:mfa/me
[profile program]
credential_process = /usr/bin/keys
`,
};

function machine(env: Record<string, string>, files = FILES): Machine {
  return {
    env: (name) => ({ HOME: "/home/me", ...env })[name],
    readFile(path) {
      if (path in files) return files[path];
      throw new Deno.errors.NotFound(path);
    },
    fileMode: () => undefined,
  };
}

function completed(config: Record<string, unknown>, env: Record<string, string> = {}, files = FILES) {
  const { config: upgraded } = definition.upgradeConfig!({ bucket: "b", ...config });
  const { config: made, notes, problems } = definition.completeConfig!(upgraded, machine(env, files), "sink");
  return { s3: made.s3 as Record<string, unknown>, notes, problems };
}

const ENV = { AWS_ACCESS_KEY_ID: "ENVKEY", AWS_SECRET_ACCESS_KEY: "env-secret", AWS_REGION: "sa-east-1" };

Deno.test("keys: the configuration, then variables, then the profile; one that is named goes before variables", () => {
  const own = { access_key_id: "K", secret_access_key: "s" };
  assert.deepEqual(completed({ s3: own }, ENV).s3, { ...own, region: "sa-east-1" });
  assert.deepEqual(completed({ ...own, region: "x" }, ENV).s3, { ...own, region: "x" });
  assert.deepEqual(completed({}, { ...ENV, AWS_SESSION_TOKEN: "t" }).s3, {
    region: "sa-east-1",
    access_key_id: "ENVKEY",
    secret_access_key: "env-secret",
    session_token: "t",
  });
  assert.deepEqual(completed({}).s3, {
    region: "eu-central-1",
    access_key_id: "DEFAULTKEY",
    secret_access_key: "default-secret",
  });
  const temporary = {
    endpoint: "https://s3.example",
    access_key_id: "TEMPKEY",
    secret_access_key: "temp+secret/=",
    session_token: "temp-token==",
  };
  assert.deepEqual(completed({ profile: "temporary" }, ENV).s3, {
    profile: "temporary",
    region: "sa-east-1",
    ...temporary,
  });
  assert.deepEqual(completed({}, { AWS_PROFILE: "temporary" }).s3, { region: "us-west-2", ...temporary });
  assert.deepEqual(completed({ anonymous: true }, ENV).s3, { anonymous: true, region: "sa-east-1" });
});

Deno.test("a profile's role is taken with the keys of another, of variables, of the machine or for a token", () => {
  const role = { role_arn: "arn:aws:iam::1:role/x" };
  const found = (profile: string, env: Record<string, string> = {}) => {
    const { s3: { profile: _named, ...s3 }, problems } = completed({ profile }, { AWS_REGION: "r", ...env });
    assert.deepEqual(problems, [], profile);
    return s3;
  };
  const keys = { access_key_id: "ENVKEY", secret_access_key: "env-secret" };
  assert.deepEqual(found("role"), {
    ...{
      region: "r",
      access_key_id: "TEMPKEY",
      secret_access_key: "temp+secret/=",
      session_token: "temp-token==",
    },
    ...{ ...role, role_external_id: "customer-7", role_session_name: "lake" },
  });
  assert.deepEqual(found("of-environment", ENV), { region: "sa-east-1", ...keys, ...role });
  assert.deepEqual(found("of-instance"), { region: "r", identity: "instance", ...role });
  assert.deepEqual(found("of-token"), {
    ...{ region: "r", identity: "web_identity", identity_token_path: "/var/token" },
    ...role,
  });
  assert.deepEqual(found("of-itself"), {
    ...{ region: "r", access_key_id: "OWNKEY", secret_access_key: "own-secret" },
    ...role,
  });
  const more = { AWS_ROLE_SESSION_NAME: "me", AWS_ENDPOINT_URL_STS: "https://sts.example" };
  const own = completed({ role_arn: "r" }, { ...ENV, ...more });
  assert.deepEqual(own, {
    s3: {
      ...{ region: "sa-east-1", ...keys, role_arn: "r" },
      ...{ role_session_name: "me", sts_endpoint: "https://sts.example" },
    },
    notes: [],
    problems: [],
  });
});

Deno.test("profiles without keys are refused with the reason, one that is missing with its name", () => {
  const reasons: Record<string, RegExp> = {
    sso: /logs in with a browser/,
    program: /starts a program for its keys/,
    "of-role": /takes a role with those of "role", which is a role as well/,
    "of-sso": /takes a role with those of "sso", which logs in with a browser/,
    "of-nobody": /does not say with whose keys/,
    "of-missing": /profile "none", which is missing/,
    "of-environment": /the keys of Environment, where there are none/,
    "with-code": /a code that somebody has to type/,
  };
  for (const [profile, reason] of Object.entries(reasons)) {
    const [{ message }] = completed({ profile }).problems;
    assert.ok(message.startsWith(`Profile "${profile}" has no keys: it `), message);
    assert.match(message, reason);
  }
  assert.match(completed({ profile: "role", role_arn: "r" }).problems[0].message, /takes a role itself/);
  assert.match(completed({ profile: "none" }).problems[0].message, /no profile "none"/);
  assert.match(completed({}, { AWS_PROFILE: "none" }).notes[0], /no profile "none".*AWS_PROFILE/);
  assert.deepEqual(completed({ profile: "sso" }, ENV).problems, [], "variables have keys");
  assert.deepEqual(completed({}, {}, {}), { s3: {}, notes: [], problems: [] });
});

Deno.test("the CAs of https:// are the variable's, the profile's or the system's, by the name of their file", () => {
  const cas = { ...FILES, "/etc/pki/tls/certs/ca-bundle.crt": "-----BEGIN CERTIFICATE-----\n" };
  const path = (config: Record<string, unknown>, env = {}, files: Record<string, string> = cas) =>
    completed(config, env, files).s3.ca_cert_path;
  assert.equal(path({}), "/etc/pki/tls/certs/ca-bundle.crt");
  assert.equal(path({}, { AWS_CA_BUNDLE: "/my.pem" }), "/my.pem");
  assert.equal(path({ s3: { ca_cert_path: "/own.pem" } }, { AWS_CA_BUNDLE: "/my.pem" }), "/own.pem");
  assert.equal(path({ endpoint: "http://minio:9000" }, { AWS_CA_BUNDLE: "/my.pem" }), undefined);
  assert.equal(path({}, {}, FILES), undefined);
});

Deno.test("identities that are given to a machine are found by their variables", () => {
  const token = { AWS_WEB_IDENTITY_TOKEN_FILE: "/var/token", AWS_ROLE_ARN: "arn:r" };
  assert.deepEqual(completed({}, token, {}).s3, {
    identity: "web_identity",
    role_arn: "arn:r",
    identity_token_path: "/var/token",
  });
  assert.deepEqual(completed({}, { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/x" }, {}).s3, {
    identity: "container",
    identity_url: "http://169.254.170.2/v2/x",
  });
  const full = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials",
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/var/pod-token",
  };
  assert.deepEqual(completed({}, full, {}).s3, {
    identity: "container",
    identity_url: "http://169.254.170.23/v1/credentials",
    identity_token_path: "/var/pod-token",
  });
  assert.equal(completed({}, { ...full, ...ENV }, {}).s3.identity, undefined);
});

Deno.test("the worker may reach the bucket's host, who gives the keys, and nothing else", () => {
  const rights = (s3: Record<string, unknown>, bucket = "lake") => {
    return definition.permissions(definition.config.parse({ bucket, s3 }), "sink");
  };
  const keys = { access_key_id: "k", secret_access_key: "s" };
  const cases: [Record<string, unknown>, string[], string[]][] = [
    [keys, ["lake.s3.us-east-1.amazonaws.com:443"], []],
    [{ ...keys, region: "cn-north-1" }, ["lake.s3.cn-north-1.amazonaws.com.cn:443"], []],
    [{ ...keys, force_path_style: true }, ["s3.us-east-1.amazonaws.com:443"], []],
    [{ ...keys, endpoint: "http://minio:9000" }, ["minio:9000"], []],
    [{ ...keys, endpoint: "https://r2.example", force_path_style: false }, ["lake.r2.example:443"], []],
    [{ ...keys, ca_cert_path: "/ca.pem" }, ["lake.s3.us-east-1.amazonaws.com:443"], ["/ca.pem"]],
    [{ identity: "instance" }, ["lake.s3.us-east-1.amazonaws.com:443", "169.254.169.254:80"], []],
    [
      { identity: "web_identity", role_arn: "r", identity_token_path: "/t" },
      ["lake.s3.us-east-1.amazonaws.com:443", "sts.us-east-1.amazonaws.com:443"],
      ["/t"],
    ],
    [
      { ...keys, role_arn: "r" },
      ["lake.s3.us-east-1.amazonaws.com:443", "sts.us-east-1.amazonaws.com:443"],
      [],
    ],
    [{ ...keys, role_arn: "r", endpoint: "http://a:1", sts_endpoint: "http://a:1" }, ["a:1"], []],
  ];
  for (const [s3, net, read] of cases) {
    assert.deepEqual(rights(s3), read.length > 0 ? { net, read } : { net }, JSON.stringify(s3));
  }
  // A certificate for *.s3… does not hold for two names in front.
  assert.deepEqual(rights(keys, "a.b").net, ["s3.us-east-1.amazonaws.com:443"]);
});

Deno.test("spellings of other tools mean the same, and what does not go together is refused", () => {
  const parse = (config: Record<string, unknown>) =>
    definition.config.safeParse(definition.upgradeConfig!({ bucket: "b", ...config }).config);
  assert.equal(parse({ path_style_access: true }).data?.s3?.force_path_style, true);
  assert.deepEqual(parse({ sse: "aws:kms" }).data?.s3?.sse, { type: "kms" });
  assert.equal(parse({ batch_timeout_ms: 500 }).data?.flush_interval_secs, 0.5);
  assert.equal(parse({ envelope: "source_event" }).data?.envelope, "rivven");
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ bucket: undefined }, /A bucket is needed/],
    [{ bucket: "a/b" }, /no slashes/],
    [{ s3: { access_key_id: "k" } }, /belong together/],
    [{ s3: { anonymous: true, role_arn: "r" } }, /can't take a role/],
    [{ s3: { sse: { type: "customer" } } }, /customer_key and type customer belong together/],
    [{ s3: { sse: { type: "s3", customer_key: btoa("k".repeat(32)) } } }, /belong together/],
    [{ s3: { sse: { type: "customer", customer_key: btoa("short") } } }, /32 bytes/],
    [
      { endpoint: "http://a", s3: { sse: { type: "customer", customer_key: btoa("k".repeat(32)) } } },
      /over https/,
    ],
    [{ s3: { sse: { type: "s3", kms_key_id: "k" } } }, /belong to type kms/],
    [{ local: { root: "x" } }, /"local" belongs to provider local/],
    [{ provider: "local" }, /local.root is needed/],
    [{ prefix: "a/../b" }, /folder "\." or "\.\."/],
    [{ prefix: "{tabel}" }, /no placeholder "\{tabel\}"/],
    [{ partitioning: "daily" }, /no partitioning "daily"/],
    [{ partitioning: "{field:}" }, /no placeholder/],
    [{ compression: "lz4", compression_level: 3 }, /levels/],
  ];
  for (const [config, message] of refused) {
    const issues = parse(config).error?.issues.map((issue) => issue.message).join("\n") ?? "";
    assert.match(issues, message, JSON.stringify(config));
  }
});
