/**
 * A sink for fault tests: appends texts to one file, cut back on start to what was committed, so that each record is
 * there exactly once. It can fail, stall, or refuse records on command.
 */
import type { Sink, SinkContext } from "../../connectors/contract.ts";
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";

export interface LedgerConfig {
  readonly path: string;
  /** Fails before it has written this record: `write`, or in the flush after it: `flush`. */
  readonly failAt?: number;
  readonly failIn?: "write" | "flush";
  readonly once?: boolean;
  /** Every n-th record is refused. */
  readonly rejectEvery?: number;
  /** Milliseconds that every write takes. */
  readonly stallMs?: number;
}

export async function openSink(config: LedgerConfig, context: SinkContext): Promise<Sink> {
  const attempts = (await context.state.get("attempts") as number | undefined) ?? 0;
  await context.state.put("attempts", attempts + 1);
  const fails = !config.once || attempts === 0;
  const file = Deno.openSync(config.path, { create: true, read: true, write: true });
  let size = (context.saved as { size: number } | undefined)?.size ?? 0;
  let records = (context.saved as { records: number } | undefined)?.records ?? 0;
  file.truncateSync(size);
  file.seekSync(0, Deno.SeekMode.End);
  const failure = () => new ConnectorError("The test's disk failed", { code: "transient_io" });

  return {
    async write(batch) {
      if (config.stallMs) await context.clock.sleep(config.stallMs);
      const reaches = records + batch.length;
      if (fails && config.failIn === "write" && config.failAt! <= reaches) throw failure();
      let kept = batch;
      if (config.rejectEvery) {
        const refused = (i: number) => (records + i + 1) % config.rejectEvery! === 0;
        for (let i = 0; i < batch.length; i++) {
          if (refused(i)) {
            context.reject(batch, i, new RecordError("The test refuses it", { code: "schema_refused" }));
          }
        }
        kept = batch.select((i) => !refused(i));
      }
      records = reaches;
      const { bytes } = kept;
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      size += bytes.length;
    },
    flush() {
      if (fails && config.failIn === "flush" && config.failAt! <= records) throw failure();
      file.syncDataSync();
      return Promise.resolve({ size, records });
    },
    check: () => Promise.resolve(),
    [Symbol.asyncDispose]() {
      file.close();
      return Promise.resolve();
    },
  };
}
