import assert from "node:assert/strict";
import type { Machine } from "../../contract.ts";
import { azureConfig, completeAzure, permissionsOf } from "./config.ts";

const KEY = btoa("the key of the account");

function machine(variables: Record<string, string> = {}, files: Record<string, string> = {}): Machine {
  return {
    env: (name) => variables[name],
    readFile: (path) => files[path] ?? assert.fail("There is no such file"),
    fileMode: () => undefined,
  };
}

function completed(azure: Record<string, unknown> | undefined, variables: Record<string, string> = {}) {
  const { config, problems, notes } = completeAzure(
    { bucket: "b", ...azure && { azure } },
    machine(variables),
  );
  assert.deepEqual(notes, []);
  return { azure: config.azure as Record<string, unknown>, problems };
}

Deno.test("completeAzure() takes a connection string apart", () => {
  const { azure, problems } = completed({
    connection_string:
      `DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=${KEY};EndpointSuffix=core.windows.net`,
  });

  assert.deepEqual([azure, problems], [{ account: "acc", access_key: KEY }, []]);
  assert.deepEqual(permissionsOf(azureConfig.parse(azure)), { net: ["acc.blob.core.windows.net:443"] });
});

Deno.test("completeAzure() takes endpoints and signatures from connection strings", () => {
  const { azure } = completed({
    connection_string: "BlobEndpoint=https://acc.blob.example.org:8443/;SharedAccessSignature=sv=1&sig=a%3D",
  });
  assert.deepEqual(azure, { sas_token: "sv=1&sig=a%3D", endpoint: "https://acc.blob.example.org:8443" });
  assert.deepEqual(permissionsOf(azureConfig.parse(azure)), { net: ["acc.blob.example.org:8443"] });

  const china = completed({
    connection_string: `AccountName=acc;AccountKey=${KEY};EndpointSuffix=core.chinacloudapi.cn`,
  });
  assert.equal(china.azure.endpoint, "https://acc.blob.core.chinacloudapi.cn");

  const { endpoint, account } = completed({ connection_string: "UseDevelopmentStorage=true" }).azure;
  assert.deepEqual([endpoint, account], ["http://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1"]);
});

Deno.test("completeAzure() names the file of the system's CAs, but not for http:// and where one is named", () => {
  const files = { "/etc/ssl/certs/ca-certificates.crt": "-----BEGIN CERTIFICATE-----" };
  const path = (azure: Record<string, unknown>) => {
    const { config } = completeAzure(
      { azure: { account: "acc", access_key: KEY, ...azure } },
      machine({}, files),
    );
    return (config.azure as Record<string, unknown>).ca_cert_path;
  };
  assert.equal(path({}), "/etc/ssl/certs/ca-certificates.crt");
  assert.equal(path({ ca_cert_path: "/own.pem" }), "/own.pem");
  assert.equal(path({ endpoint: "http://127.0.0.1:10000/acc" }), undefined);
});

Deno.test("completeAzure() says what a connection string lacks without repeating it", () => {
  for (const text of [`AccountKey=${KEY}`, "AccountName=acc", `${KEY}`, `=${KEY}`]) {
    const { problems } = completed({ connection_string: text });

    assert.equal(problems.length, 1, text);
    assert.equal(problems[0].key, "azure");
    assert(!JSON.stringify(problems).includes(KEY), JSON.stringify(problems));
  }
});

Deno.test("completeAzure() takes variables where the configuration has no credentials", () => {
  assert.deepEqual(completed(undefined, { AZURE_STORAGE_ACCOUNT: "acc", AZURE_STORAGE_KEY: KEY }).azure, {
    account: "acc",
    access_key: KEY,
  });
  const variables = {
    AZURE_STORAGE_CONNECTION_STRING: `AccountName=other;AccountKey=${KEY}`,
    AZURE_STORAGE_ACCOUNT: "acc",
  };
  assert.deepEqual(completed({}, variables).azure, { account: "other", access_key: KEY });
  assert.deepEqual(completed({ sas_token: "sig=1" }, variables).azure, {
    sas_token: "sig=1",
    account: "acc",
  });
});

Deno.test("completeAzure() leaves what is no block to the schema", () => {
  assert.deepEqual(completeAzure({ azure: "text" }, machine()).config, { azure: "text" });
});

Deno.test("azureConfig wants one way to prove who asks, and an account", () => {
  const messages = (block: unknown) => {
    const result = azureConfig.safeParse(block);
    return result.success ? [] : result.error.issues.map(({ message }) => message);
  };

  assert.deepEqual(messages({ account: "acc", access_key: KEY }), []);
  assert.match(messages({ account: "acc" })[0], /^Credentials are missing/);
  assert.match(messages({ account: "acc", access_key: KEY, sas_token: "sig=1" })[0], /^Only one of/);
  assert.deepEqual(messages({ access_key: KEY }), ["account is missing"]);
  assert.match(messages({ access_key: KEY, endpoint: "http://localhost:1/a" })[0], /^account is missing/);
  assert.deepEqual(messages({ sas_token: "?sv=1&sig=x", endpoint: "http://localhost:1/a" }), []);
  assert.match(messages({ account: "acc", sas_token: "secret" })[0], /^A SAS token/);
  assert.match(messages({ account: "acc", access_key: "***" })[0], /Base64/);
  assert.match(
    messages({ account: "acc", sas_token: "sig=1", managed_identity_client_id: "x" })[0],
    /only with use_managed_identity/,
  );
});

Deno.test("the worker reaches the identity service only where it is configured, and the CA's file", () => {
  const config = azureConfig.parse({
    account: "acc",
    use_managed_identity: true,
    ca_cert_path: "/etc/ca.pem",
  });

  assert.deepEqual(permissionsOf(config), {
    net: ["acc.blob.core.windows.net:443", "169.254.169.254:80"],
    read: ["/etc/ca.pem"],
  });
});
