/** S3 on moto: what AWS knows and versitygw does not, which is storage classes, keys of KMS, roles and policies. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ConnectorError } from "../../../formats/data/errors.ts";
import { FakeClock } from "../../../tests/fakes/clock.ts";
import { fakeSinkContext } from "../../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord } from "../../../tests/fakes/records.ts";
import { requireServer } from "../../../tests/servers/missing.ts";
import { startMoto } from "../../../tests/servers/moto.ts";
import { joined } from "../bytes.ts";
import definition from "../connector.ts";
import { openSink } from "../sink.ts";
import { large, object, SMALL } from "../store_testing.ts";
import { openStore } from "./store.ts";

/** More than two parts. */
const LARGE = large((17 << 20) + 12_345);

const hashOf = (body: readonly Uint8Array[]) => createHash("sha256").update(joined(body)).digest("hex");

Deno.test("S3 on moto", async (t) => {
  await using moto = await requireServer(t, startMoto);
  if (moto === undefined) return;
  const { bucket, endpoint, writer, guest, roleArn } = moto;

  const configOf = (s3: Record<string, unknown>) => {
    const config = definition.config.parse({
      bucket,
      partitioning: "{field:total}",
      s3: { endpoint, ...s3 },
      retry: { max_retries: 0 },
    });
    return { ...config, bucket, s3: config.s3! };
  };
  /** The time is the real one, moved by so many minutes; sleeps are jumped over. */
  const clockOf = (minutes: () => number) => ({
    nowMicros: () => BigInt(Date.now() + minutes() * 60_000) * 1000n,
    monotonicMs: () => performance.now(),
    sleep: () => Promise.resolve(),
  });
  const opened = (s3: Record<string, unknown>, minutes = () => 0) => {
    const context = { ...fakeSinkContext({ clock: new FakeClock(true) }), clock: clockOf(minutes) };
    return openStore(configOf(s3), context);
  };
  const isRefused = (code: string) => (error: unknown) => {
    assert.ok(error instanceof ConnectorError && error.retryable, String(error));
    assert.equal(error.code, code, error.message);
    for (const secret of [writer.secret_access_key, guest.secret_access_key]) {
      assert.ok(!`${error.message} ${error.hint}`.includes(secret), error.message);
    }
    return true;
  };

  // The first step: moto takes one more request that is not signed.
  await t.step("for the token of a web identity STS gives the keys of a role", async () => {
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(path, "a.token.of-somebody\n");
      const identity = { identity: "web_identity", identity_token_path: path };
      await using store = opened({ ...identity, role_arn: roleArn, sts_endpoint: endpoint });
      assert.equal(await store.create(object("by a web identity", SMALL)), "created");
    } finally {
      await Deno.remove(path);
    }
  });

  await t.step("an object is made once, in one piece and in parts", async () => {
    await using store = opened(writer);
    for (const [name, body] of [["p=1/small ü+&'.txt", SMALL], ["large", LARGE]] as const) {
      assert.equal(await store.sizeOf(name), undefined);
      assert.equal(await store.create(object(name, body)), "created");
      assert.equal(await store.create(object(name, body === SMALL ? LARGE : SMALL)), "exists");
      assert.equal(await store.create(object(name, LARGE)), "exists");
      assert.equal(await store.sizeOf(name), joined(body).length);
    }
  });

  await t.step("storage class and encryption hold for objects in one piece and in parts", async () => {
    const kms = {
      type: "kms",
      kms_key_id: "arn:aws:kms:us-east-1:123456789012:key/k",
      bucket_key_enabled: true,
    };
    for (const [name, sse] of [["encrypted by kms", kms], ["encrypted by s3", { type: "s3" }]] as const) {
      await using store = opened({ ...writer, sse, storage_class: "STANDARD_IA" });
      assert.equal(await store.create(object(name, SMALL)), "created");
      if (sse === kms) assert.equal(await store.create(object(`${name}, large`, LARGE)), "created");
    }
  });

  await t.step("who may not write takes the role that may, and its keys are renewed", async () => {
    await using alone = opened(guest);
    await assert.rejects(alone.create(object("alone", SMALL)), isRefused("permission_s3"));
    let minutes = 0;
    const role = { ...guest, role_arn: roleArn, role_external_id: "7", sts_endpoint: endpoint };
    await using store = opened(role, () => minutes);
    assert.equal(await store.create(object("by the role", SMALL)), "created");
    minutes = 90; // a role's keys count for an hour
    assert.equal(await store.create(object("by the role, later", SMALL)), "created");
    await using stranger = opened({ ...role, secret_access_key: "of somebody else" });
    await assert.rejects(stranger.create(object("alone", SMALL)), isRefused("auth_s3_role"));
    await using nowhere = opened({ ...role, sts_endpoint: "http://127.0.0.1:9" });
    await assert.rejects(nowhere.create(object("alone", SMALL)), isRefused("connection_s3_identity"));
  });

  await t.step("the sink makes its files of a role's keys", async () => {
    const config = configOf({ ...guest, role_arn: roleArn, sts_endpoint: endpoint });
    await using sink = await openSink(config, { ...fakeSinkContext(), clock: clockOf(() => 0) });
    const records = ["a", "b", "a"].map((total, i) => fakeRecord(i, { after: { id: BigInt(i), total } }));
    await sink.write(fakeBatch(records));
    await sink.flush();
  });

  await t.step("boto3 finds all of that", async () => {
    const { objects, uploads } = await moto.look();
    assert.equal(uploads, 0);
    const ofSink = Object.keys(objects).filter((name) => /^[ab]\//.test(name));
    const lines = ofSink.map((name) => objects[name].text.trim().split("\n"));
    assert.deepEqual(lines.map((each) => each.map((line) => JSON.parse(line).after.id)), [[0, 2], [1]]);
    const others = Object.entries(objects).filter(([name]) => !ofSink.includes(name));
    for (const [name, { sha256, head }] of others) {
      assert.equal(sha256, hashOf(name.includes("large") ? LARGE : SMALL), name);
      assert.equal(head.ContentType, "application/x-ndjson", name);
      if (!name.startsWith("encrypted")) continue;
      const { StorageClass, ServerSideEncryption, SSEKMSKeyId, BucketKeyEnabled } = head;
      const byKms = ["STANDARD_IA", "aws:kms", "arn:aws:kms:us-east-1:123456789012:key/k"];
      const seen = [StorageClass, ServerSideEncryption, SSEKMSKeyId];
      assert.deepEqual(seen, name.includes("kms") ? byKms : ["STANDARD_IA", "AES256", undefined], name);
      // moto forgets it of objects in parts.
      if (!name.includes("large")) assert.equal(BucketKeyEnabled, name.includes("kms") || undefined, name);
    }
    assert.deepEqual(others.map(([name]) => name).toSorted(), [
      "by a web identity",
      "by the role",
      "by the role, later",
      "encrypted by kms",
      "encrypted by kms, large",
      "encrypted by s3",
      "large",
      "p=1/small ü+&'.txt",
    ]);
  });
});
