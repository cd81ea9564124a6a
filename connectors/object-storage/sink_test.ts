/** That each provider's configuration opens its store, at the address and in the container that it names. */
import assert from "node:assert/strict";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatches } from "../../tests/fakes/records.ts";
import { type SeenRequest, startHttpProxy } from "../../tests/servers/http_proxy.ts";
import definition from "./connector.ts";
import { openSink } from "./sink.ts";

/** The requests that one flush of one file takes; the server takes everything. */
async function requestsOf(config: (endpoint: string) => Record<string, unknown>): Promise<SeenRequest[]> {
  await using server = await startHttpProxy(undefined, () => ({ kind: "answer", status: 201, body: "{}" }));
  const parsed = definition.config.parse({
    bucket: "lake",
    prefix: "p",
    ...config(`http://127.0.0.1:${server.port}`),
  });
  assert.deepEqual(definition.permissions(parsed, "sink"), { net: [`127.0.0.1:${server.port}`] });
  const context = fakeSinkContext();
  await using sink = await openSink(parsed, context);
  for (const batch of fakeBatches(1, 5, 0, { layout: "plain" })) await sink.write(batch);
  await sink.flush();
  const intent = JSON.stringify(context.documents.get("intent of flow"));
  assert.ok(intent.includes(`127.0.0.1:${server.port}`), "where the files go is in the intent");
  assert.doesNotMatch(intent, /c2VjcmV0/, "and no secret");
  return server.seen;
}

Deno.test("azure: a blob in the container", async () => {
  const [put] = await requestsOf((endpoint) => ({
    provider: "azure",
    azure: { account: "acc", access_key: "c2VjcmV0", endpoint: `${endpoint}/acc` },
  }));
  assert.equal(put.method, "PUT");
  assert.match(put.path, /^\/acc\/lake\/p\/flow%2Bstream%2B/);
  assert.equal(put.headers.get("if-none-match"), "*");
});

Deno.test("gcs: an object in the bucket", async () => {
  const [put] = await requestsOf((endpoint) => ({ provider: "gcs", gcs: { endpoint, anonymous: true } }));
  assert.match(put.path, /^\/upload\/storage\/v1\/b\/lake\/o\?/);
  assert.match(put.path, /ifGenerationMatch=0/);
});

Deno.test("aliases of the three say which provider it is", () => {
  const providers = Object.entries(definition.aliases!).map(([name, { provider }]) => `${name} ${provider}`);
  assert.deepEqual(providers, [
    "s3 s3",
    "minio s3",
    "r2 s3",
    "aws-s3 s3",
    "gcs gcs",
    "google-cloud-storage gcs",
    "gcp-storage gcs",
    "azure-blob azure",
    "azure-storage azure",
    "azure-blob-storage azure",
  ]);
});
