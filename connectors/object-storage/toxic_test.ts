/**
 * The sink on versitygw behind Toxiproxy: whatever becomes of its connections in the middle of a flush, each record is
 * in one object once, whether the requests were sent again or the sink was opened again.
 */
import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Json } from "../../formats/data/value.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startToxiproxy, type Toxic } from "../../tests/servers/toxiproxy.ts";
import { startVersitygw } from "../../tests/servers/versitygw.ts";
import type { Batch } from "../contract.ts";
import definition from "./connector.ts";
import { openSink } from "./sink.ts";

const [UP, DOWN] = ["upstream", "downstream"] as const;
const toxic = (type: Toxic["type"], stream: Toxic["stream"], attributes: Toxic["attributes"]): Toxic => {
  return { type, stream, attributes };
};

/** Faults that no request outlives, each gone at the first request that is sent again. */
const FATAL: Record<string, readonly Toxic[]> = {
  "a reset in the middle of a part": [
    toxic("bandwidth", UP, { rate: 40_000 }),
    toxic("reset_peer", UP, { timeout: 60 }),
  ],
  "a connection that ends after 3 MB": [toxic("limit_data", UP, { bytes: 3 << 20 })],
  "answers that are lost": [toxic("limit_data", DOWN, { bytes: 0 })],
  "answers that are cut short": [toxic("limit_data", DOWN, { bytes: 40 })],
  "silence, then the end": [toxic("timeout", DOWN, { timeout: 100 })],
};

/** Faults that take time and nothing else. */
const SLOW: readonly Toxic[] = [
  toxic("latency", DOWN, { latency: 20, jitter: 20 }),
  toxic("slicer", DOWN, { average_size: 64, size_variation: 32, delay: 10 }),
  toxic("bandwidth", UP, { rate: 100_000 }),
  toxic("slow_close", UP, { delay: 200 }),
];

/** One file of 17 MB, which goes in three parts, and two small ones. */
const BATCHES: readonly Batch[] = Array.from({ length: 17 }, (_, i) => {
  const customer = String(i).padStart(1 << 20, "0123456789");
  const rows = ["large", i === 3 ? "one" : "two"].map((total, k) =>
    fakeRecord(2 * i + k, { after: { id: BigInt(2 * i + k), customer: k === 0 ? customer : total, total } })
  );
  return fakeBatch(rows);
});

Deno.test("the sink behind Toxiproxy, on versitygw", async (t) => {
  await using server = await requireServer(t, startVersitygw);
  if (server === undefined) return;
  await using way = await requireServer(t, () => startToxiproxy(server.port));
  if (way === undefined) return;

  /** A life of the sink: all records, one flush. The first request that is sent again finds its way healed. */
  async function live(prefix: string, retries: number, documents: Map<string, Json>): Promise<number> {
    const clock = {
      ...{ nowMicros: () => BigInt(Date.now()) * 1000n, monotonicMs: () => performance.now() },
      sleep: () => way!.heal(),
    };
    const fake = fakeSinkContext({ documents, clock: new FakeClock(true) });
    const config = definition.config.parse({
      ...{ bucket: server!.bucket, prefix, partitioning: "size={field:total}" },
      s3: { ...server!.keys, endpoint: `http://127.0.0.1:${way!.port}` },
      ...{ retry: { max_retries: retries }, request_timeout_secs: 30 },
    });
    await using sink = await openSink(config, { ...fake, clock });
    for (const batch of BATCHES) await sink.write(batch);
    await sink.flush();
    return fake.numbers.get("object_storage_retries_total") ?? 0;
  }

  function assertOnce(prefix: string): void {
    const objects = [...server!.objects()].filter(([name]) => name.startsWith(`${prefix}/`));
    assert.equal(objects.length, 3, prefix);
    const ids = objects.flatMap(([, bytes]) =>
      new TextDecoder().decode(bytes).split("\n").slice(0, -1).map((line) => JSON.parse(line).after.id)
    );
    assert.deepEqual(ids.toSorted((a, b) => a - b), Array.from({ length: 34 }, (_, i) => i), prefix);
    assert.equal(server!.unfinishedUploads(), 0, prefix);
  }

  for (const [what, toxics] of Object.entries(FATAL)) {
    await t.step(`${what}: the requests are sent again`, async () => {
      const prefix = `again after ${what}`;
      for (const one of toxics) await way.add(one);
      assert.ok(await live(prefix, 4, new Map()) > 0, "nothing went wrong");
      assertOnce(prefix);
    });
    await t.step(`${what}: the sink is opened again`, async () => {
      const prefix = `anew after ${what}`;
      const documents = new Map<string, Json>();
      for (const one of toxics) await way.add(one);
      await assert.rejects(live(prefix, 0, documents), (error) => {
        assert.ok(error instanceof ConnectorError && error.retryable, String(error));
        assert.equal(error.code, "connection_http");
        return true;
      });
      await way.heal();
      await live(prefix, 0, documents);
      assertOnce(prefix);
    });
  }

  await t.step("a slow way takes its time", async () => {
    for (const one of SLOW) await way.add(one);
    assert.equal(await live("slow", 0, new Map()), 0);
    assertOnce("slow");
  });
});
