import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { Machine } from "../../contract.ts";
import { completeGcs, gcsConfig, permissionsOf } from "./config.ts";

const SECRET = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
}).privateKey;
const ACCOUNT = JSON.stringify({
  type: "service_account",
  client_email: "a@b.iam.gserviceaccount.com",
  private_key: SECRET,
  token_uri: "https://oauth2.googleapis.com/token",
});
const PERSON = JSON.stringify({
  type: "authorized_user",
  client_id: "id",
  client_secret: "the secret",
  refresh_token: "the token",
});

function completed(
  gcs: Record<string, unknown> | undefined,
  { env = {}, files = {} }: { env?: Record<string, string>; files?: Record<string, string> } = {},
) {
  const machine: Machine = {
    env: (name) => env[name],
    readFile: (path) => files[path] ?? assert.fail("There is no such file"),
    fileMode: () => undefined,
  };
  const { config, problems, notes } = completeGcs({ bucket: "b", ...gcs && { gcs } }, machine);
  assert.deepEqual(notes, []);
  return { gcs: config.gcs as Record<string, unknown>, problems };
}

function hostsOf(gcs: Record<string, unknown>) {
  return permissionsOf(gcsConfig.parse(gcs)).net;
}

Deno.test("completeGcs() reads the file of service_account_path, so that the worker need not", () => {
  const { gcs, problems } = completed({ service_account_path: "/k.json" }, { files: { "/k.json": ACCOUNT } });

  assert.deepEqual([gcs, problems], [{ service_account_key: ACCOUNT }, []]);
  assert.deepEqual(permissionsOf(gcsConfig.parse(gcs)), {
    net: ["storage.googleapis.com:443", "oauth2.googleapis.com:443"],
  });
});

Deno.test("completeGcs() names the file of the system's CAs, but not for http:// and where one is named", () => {
  const files = { "/etc/ssl/cert.pem": "-----BEGIN CERTIFICATE-----" };
  const path = (gcs: Record<string, unknown>) =>
    completed({ service_account_key: ACCOUNT, ...gcs }, { files }).gcs.ca_cert_path;
  assert.equal(path({}), "/etc/ssl/cert.pem");
  assert.equal(path({ ca_cert_path: "/own.pem" }), "/own.pem");
  assert.equal(path({ endpoint: "http://127.0.0.1:4443" }), undefined);
});

Deno.test("completeGcs() finds application default credentials where Google's libraries do", () => {
  const files = {
    "/env.json": ACCOUNT,
    "/home/u/.config/gcloud/application_default_credentials.json": PERSON,
  };
  const home = { HOME: "/home/u" };

  const byVariable = completed(undefined, {
    env: { ...home, GOOGLE_APPLICATION_CREDENTIALS: "/env.json" },
    files,
  });
  assert.equal(byVariable.gcs.service_account_key, ACCOUNT);
  const byGcloud = completed({}, { env: home, files });
  assert.equal(byGcloud.gcs.service_account_key, PERSON);
  assert.deepEqual(hostsOf(byGcloud.gcs), ["storage.googleapis.com:443", "oauth2.googleapis.com:443"]);
  const moved = { "/own/application_default_credentials.json": PERSON };
  assert.equal(
    completed({}, { env: { ...home, CLOUDSDK_CONFIG: "/own" }, files: moved }).gcs.service_account_key,
    PERSON,
  );
  assert.deepEqual(completed({ use_adc: false }, { env: home, files }).gcs, { use_adc: false });
});

Deno.test("without any file tokens come from the metadata server", () => {
  assert.deepEqual(hostsOf(completed(undefined).gcs), [
    "storage.googleapis.com:443",
    "metadata.google.internal:80",
  ]);
  const { gcs } = completed({}, { env: { GCE_METADATA_HOST: "10.0.0.1:8080" } });
  assert.deepEqual(hostsOf(gcs), ["storage.googleapis.com:443", "10.0.0.1:8080"]);
});

Deno.test("an emulator is asked without credentials, unless there is a key", () => {
  const { gcs } = completed(undefined, { env: { STORAGE_EMULATOR_HOST: "localhost:4443" } });
  assert.deepEqual(gcs, { endpoint: "http://localhost:4443", anonymous: true });
  assert.deepEqual(hostsOf(gcs), ["localhost:4443"]);

  const { gcs: keyed } = completed({ service_account_key: ACCOUNT }, {
    env: { STORAGE_EMULATOR_HOST: "https://gcs.local" },
  });
  assert.deepEqual(hostsOf(keyed), ["gcs.local:443", "oauth2.googleapis.com:443"]);
});

Deno.test("completeGcs() says what is wrong with a file without repeating what is in it", () => {
  const problemOf = (text: string | undefined) => {
    const files: Record<string, string> = text === undefined ? {} : { "/k.json": text };
    const { problems, gcs } = completed({ service_account_path: "/k.json" }, { files });
    assert.equal(problems.length, 1);
    assert.equal(gcs.service_account_key, undefined);
    const [{ key, message, hint }] = problems;
    assert.equal(key, "gcs");
    assert(!/BEGIN|the secret|the token/.test(`${message}${hint}`), message);
    return message.replace('service_account_path "/k.json" can\'t be used: ', "");
  };
  const account = JSON.parse(ACCOUNT);

  assert.equal(problemOf(undefined), "it can't be read");
  assert.equal(problemOf("{ the secret"), "it is no JSON");
  assert.equal(problemOf("[]"), 'its "type" is neither service_account nor authorized_user');
  assert.equal(
    problemOf(JSON.stringify({ ...account, client_email: undefined })),
    'it has no "client_email"',
  );
  assert.equal(
    problemOf(JSON.stringify({ ...account, private_key: SECRET.slice(0, 300) })),
    'its "private_key" is no PEM text of a key',
  );
  assert.match(problemOf(JSON.stringify({ ...account, token_uri: "file:///etc" })), /"token_uri" is no http/);
  assert.match(problemOf(JSON.stringify({ type: "external_account" })), /^federated identities are not in/);
  assert.match(
    completed({}, { env: { GOOGLE_APPLICATION_CREDENTIALS: "/gone" } }).problems[0].message,
    /^The file that GOOGLE_APPLICATION_CREDENTIALS names, "\/gone" can't be used/,
  );
});

Deno.test("gcsConfig wants one way to prove who asks", () => {
  const messages = (block: unknown) => {
    const result = gcsConfig.safeParse(block);
    return result.success ? [] : result.error.issues.map(({ message }) => message);
  };

  assert.deepEqual(messages({}), []);
  assert.match(messages({ use_adc: false })[0], /^Credentials are missing/);
  assert.match(messages({ anonymous: true, service_account_key: ACCOUNT })[0], /^Only one of/);
  assert.deepEqual(messages({ service_account_key: "{the secret" }), ["Can't be used: it is no JSON"]);
  assert.match(messages({ kms_key_name: "key" })[0], /projects/);
});
