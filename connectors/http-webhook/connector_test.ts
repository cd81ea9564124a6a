import assert from "node:assert/strict";
import definition from "./connector.ts";

const problems = (config: unknown) => {
  const { success, error } = definition.config.safeParse(config);
  return success ? [] : error!.issues.map(({ message }) => message);
};

Deno.test("a URL keeps its host, and no password", () => {
  assert.deepEqual(problems({ url: "https://a.example/{stream}" }), []);
  assert.match(problems({ url: "https://{stream}.example/" })[0], /part of the host/);
  assert.match(problems({ url: "https://a.example{topic}/" })[0], /part of the host/);
  assert.match(problems({ url: "https://a.example/{table}" })[0], /no placeholder \{table\}/);
  assert.match(problems({ url: "https://me:pw@a.example/" })[0], /under `auth`/);
  assert.match(problems({ url: "ftp://a.example/" })[0], /http:\/\//);
  assert.match(problems({ url: "a.example" })[0], /no URL/);
});

Deno.test("the worker may reach the hosts of the configuration and read its files, and nothing else", () => {
  const config = definition.config.parse({
    url: "https://a.example/{stream}",
    auth: { type: "oauth2", token_url: "http://login.example:8080/t", client_id: "i", client_secret: "s" },
    tls: { ca_cert_path: "/etc/ca.pem" },
    health_check_url: "https://[::1]:9000/health",
  });
  assert.deepEqual(definition.permissions(config, "sink"), {
    net: ["a.example:443", "[::1]:9000", "login.example:8080"],
    read: ["/etc/ca.pem"],
  });
});

Deno.test("names of earlier versions are moved to where they are now, each with a note", () => {
  const { config, notes } = definition.upgradeConfig!({
    url: "https://a.example/",
    max_retries: 7,
    retry_backoff_ms: 200,
    circuit_breaker_threshold: 5,
    http2: true,
    include_metadata: false,
  });
  assert.deepEqual(config, {
    url: "https://a.example/",
    retry: { max_retries: 7, initial_backoff_ms: 200 },
    circuit_breaker: { failures: 5 },
    envelope: "plain",
  });
  assert.equal(notes.length, 5);
  assert.deepEqual(problems(config), []);
  assert.match(
    problems({ url: "https://a.example/", tls: { accept_invalid_certs: true } })[0],
    /ca_cert_path/,
  );
});

Deno.test("one record a request commits as records come, batches wait to be filled", () => {
  const batchOf = (keys: object) =>
    definition.sink!.batchOf!(definition.config.parse({ url: "http://a/", ...keys }) as never);
  assert.deepEqual(batchOf({}), {});
  assert.equal(batchOf({ batch_size: 10, batch_timeout_ms: 250 }).minIntervalMs, 250);
});
