/** What the program weighs while its broker is away and the source goes on. */
import { findProgram, startRivvend } from "../servers/rivvend.ts";
import { type Bench, program, scratch, usageOf } from "./measure.ts";

/** Records a second of the source. */
const RATE = 2000;
const WARM_MS = 5000;

/** Resident memory of a process, MB: proc(5). */
function rssOf(pid: number): number {
  const resident = /VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return Number(resident?.[1] ?? 0) / 1000;
}

async function wait(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

export const rivvenAway: Bench = {
  name: "rivven_away",
  missing() {
    try {
      findProgram();
      return Promise.resolve(undefined);
    } catch (error) {
      return Promise.resolve((error as Error).message);
    }
  },
  async run({ records }, report) {
    using dir = scratch();
    await using broker = await startRivvend();
    const config = `${dir.path}/connect.yaml`;
    Deno.writeTextFileSync(
      config,
      `version: "1.0"
settings: { state_dir: "${dir.path}/state" }
sources:
  shop:
    connector: datagen
    config: { pattern: users, cdc_mode: true, events_per_second: ${RATE}, seed: 42 }
sinks:
  broker: { connector: rivven, config: { address: "${broker.address}", topic: t, topic_config: { partitions: 16 } } }
pipelines:
  all: { source: shop, sink: broker }
`,
    );
    const child = new Deno.Command("sh", {
      args: ["-c", `exec ${program(`run -c ${config}`)}`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const awayMs = Math.min(60_000, Math.max(2000, records / 2_000_000 * 60_000));
    try {
      await wait(WARM_MS);
      const before = rssOf(child.pid);
      broker.pause();
      let peak = 0;
      for (const end = performance.now() + awayMs; performance.now() < end;) {
        await wait(100);
        peak = Math.max(peak, rssOf(child.pid));
      }
      broker.resume();
      await wait(WARM_MS);
      report({
        bench: `datagen → rivven, the broker away for ${Math.round(awayMs / 1000)} s`,
        unit: "MB",
        ours: peak,
        limit: before,
        limit_is: "what it weighs before",
        rss_mb: usageOf(child.pid)?.peakRssMb,
        note: `${RATE} records a second; the broker is stopped and does not answer, then goes on`,
      });
    } finally {
      child.kill("SIGTERM");
      await child.status;
    }
  },
};
