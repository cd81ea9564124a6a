/** Generated orders into objects, in a folder and in S3, beside one thread that makes and writes such text by itself. */
import { ServerMissing } from "../servers/missing.ts";
import { startVersitygw, type Versitygw } from "../servers/versitygw.ts";
import { goProgram } from "../servers/go_program.ts";
import { bareLoop, perSecond, pipeline } from "./datagen.ts";
import type { Bench } from "./measure.ts";
import { program, scratch } from "./measure.ts";

const LIMIT = "one thread, JSON.stringify, no pipeline";
const GOAL = "≥ 0.9 of the limit, ≤ 256 MB";

function line(dir: string, records: number, config: string): string {
  const run = crypto.randomUUID();
  const file = `${dir}/${run}.yaml`;
  const sink = `{ connector: object-storage, config: { batch_size: 100000000, ${
    config.replaceAll("RUN", run)
  } } }`;
  Deno.writeTextFileSync(file, pipeline(records, sink, `${dir}/${run}/state`));
  return program(`run -c ${file}`);
}

export const objectStorageLocal: Bench = {
  name: "object_storage_local",
  async run({ records, runs }, report) {
    using dir = scratch();
    for (const compression of ["none", "zstd"]) {
      const config = `provider: local, local: { root: "${dir.path}/RUN" }, compression: ${compression}`;
      const ours = await perSecond(records, runs, (count) => line(dir.path, count, config));
      const limit = await perSecond(
        records,
        runs,
        (count) => bareLoop(count, `${dir.path}/bare.jsonl`, true),
      );
      report({
        bench: `datagen → objects in a folder, ${compression}`,
        unit: "events/s",
        ours: ours.perSecond,
        limit: limit.perSecond,
        limit_is: `${LIMIT}, one file, one sync at the end`,
        goal: GOAL,
        cpu_us_per_record: ours.cpuUs,
        rss_mb: ours.rssMb,
      });
    }
  },
};

/** The loop of `bareLoop`, with one PUT for each 16 MB. */
function barePuts(records: number, { endpoint, bucket, accessKeyId, secretAccessKey }: Versitygw): string {
  const url = `${endpoint}/${bucket}/bare-${crypto.randomUUID()}`;
  const code = bareLoop(records, "/dev/null", false)
    .replace(
      "const file =",
      `
      const { AwsClient } = await import("npm:aws4fetch@1.0.20");
      const client = new AwsClient({ accessKeyId: "${accessKeyId}", secretAccessKey: "${secretAccessKey}", service: "s3", region: "us-east-1" });
      let pieces = [], size = 0, objects = 0;
      const put = async () => {
        const answer = await client.fetch("${url}-" + objects++, { method: "PUT", body: new Blob(pieces) });
        if (!answer.ok) throw new Error(await answer.text());
        await answer.text();
        pieces = [], size = 0;
      };
      const unused =`,
    )
    .replace(
      "for (let at = 0; at < b.length;) at += file.writeSync(b.subarray(at));",
      "pieces.push(b); size += b.length; if (size > 16e6) await put();",
    )
    .replace(/'$/, " if (size > 0) await put(); '");
  return code.replace("eval -q", "eval -q --no-lock");
}

export const objectStorageS3: Bench = {
  name: "object_storage_s3",
  async missing() {
    try {
      await goProgram("versitygw");
    } catch (error) {
      if (error instanceof ServerMissing) return error.message;
      throw error;
    }
  },
  async run({ records, runs }, report) {
    using dir = scratch();
    await using server = await startVersitygw();
    const keys = JSON.stringify({ bucket: server.bucket, prefix: "RUN", s3: server.keys }).slice(1, -1);
    const ours = await perSecond(records, runs, (count) => line(dir.path, count, keys));
    const limit = await perSecond(records, runs, (count) => barePuts(count, server));
    report({
      bench: "datagen → objects in S3 (versitygw)",
      unit: "events/s",
      ours: ours.perSecond,
      limit: limit.perSecond,
      limit_is: `${LIMIT}, a PUT for each 16 MB`,
      goal: GOAL,
      cpu_us_per_record: ours.cpuUs,
      rss_mb: ours.rssMb,
    });
  },
};
