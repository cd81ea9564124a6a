/**
 * One run of the program into all providers of `object-storage` at once, each in its confined worker: S3 (versitygw),
 * Cloud Storage (fake-gcs-server), Azure (Azurite) and a folder, with what variables say and the file does not.
 */
import assert from "node:assert/strict";
import { AZURITE_ACCOUNT, AZURITE_KEY, startAzurite } from "../servers/azurite.ts";
import { startFakeGcs } from "../servers/fake_gcs.ts";
import { requireServer } from "../servers/missing.ts";
import { startVersitygw } from "../servers/versitygw.ts";
import { runProgram, scratch } from "./program.ts";

const EVENTS = 4000;
const FILE = `
version: "1.0"
settings: { state_dir: state }
sources:
  shop:
    connector: datagen
    config: { pattern: orders, cdc_mode: true, seed: 7, events_per_second: 0, max_events: ${EVENTS} }
sinks:
  s3: { connector: s3, config: { bucket: lake, prefix: "{pipeline}", partitioning: "{field:status}" } }
  gcs: { connector: gcs, config: { bucket: lake, prefix: "{pipeline}", partitioning: "{field:status}" } }
  azure: { connector: azure-blob, config: { bucket: lake, prefix: "{pipeline}", partitioning: "{field:status}" } }
  local:
    connector: object-storage
    config: { provider: local, local: { root: out }, prefix: "{pipeline}", partitioning: "{field:status}" }
pipelines:
  to_s3: { source: shop, sink: s3 }
  to_gcs: { source: shop, sink: gcs }
  to_azure: { source: shop, sink: azure }
  to_local: { source: shop, sink: local }
`;

Deno.test("one source goes to S3, Cloud Storage, Azure and a folder at once, each record once in each", async (t) => {
  await using s3 = await requireServer(t, startVersitygw);
  await using gcs = await requireServer(t, startFakeGcs);
  await using azure = await requireServer(t, startAzurite);
  if (s3 === undefined || gcs === undefined || azure === undefined) return;
  await azure.makeContainer("lake");
  using dir = scratch();
  dir.write("connect.yaml", FILE);
  const { code, stderr } = await runProgram(["run"], {
    cwd: dir.path,
    env: {
      AWS_ENDPOINT_URL: s3.endpoint,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      AWS_REGION: s3.region,
      STORAGE_EMULATOR_HOST: `127.0.0.1:${gcs.port}`,
      AZURE_STORAGE_CONNECTION_STRING:
        `AccountName=${AZURITE_ACCOUNT};AccountKey=${AZURITE_KEY};BlobEndpoint=${azure.endpoint};`,
    },
  });
  assert.equal(code, 0, stderr);

  const inFolder = filesBelow(dir.path + "/out");
  const found: Record<string, Map<string, Uint8Array>> = {
    s3: s3.objects(),
    gcs: await readAll(await gcs.names(), (name) => gcs.read(name)),
    azure: await readAll(await azure.names("lake"), (name) => azure.read(name)),
    local: new Map(inFolder.map((name) => [name, Deno.readFileSync(`${dir.path}/out/${name}`)])),
  };
  const orders = Array.from({ length: EVENTS }, (_, i) => `0/${String(i).padStart(16, "0")}`);
  for (const [provider, objects] of Object.entries(found)) {
    const seen: string[] = [];
    for (const [name, bytes] of objects) {
      const [pipeline, status] = name.split("/");
      assert.equal(pipeline, `to_${provider}`);
      for (const line of new TextDecoder().decode(bytes).trimEnd().split("\n")) {
        const { source, after, before } = JSON.parse(line);
        assert.equal((after ?? before).status, status, name);
        seen.push(source.order);
      }
    }
    assert.ok(objects.size > 1, provider);
    assert.deepEqual(seen.toSorted(), orders, provider);
  }
});

async function readAll(
  names: readonly string[],
  read: (name: string) => Promise<{ readonly bytes: Uint8Array }>,
): Promise<Map<string, Uint8Array>> {
  return new Map(await Promise.all(names.map(async (name) => [name, (await read(name)).bytes] as const)));
}

/** With `/` between folders. */
function filesBelow(root: string, folder = ""): string[] {
  return [...Deno.readDirSync(`${root}/${folder}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(root, `${folder}${name}/`) : [folder + name]
  );
}
