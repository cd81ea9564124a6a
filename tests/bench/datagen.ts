/** Generated orders to standard output and into a file, beside one thread that writes the same text by itself. */
import type { Bench } from "./measure.ts";
import { measure, medianRun, program, repeat, scratch } from "./measure.ts";

/** A pipeline file of that many generated orders into `sink`. */
export function pipeline(records: number, sink: string, stateDir: string): string {
  return `version: "1.0"
settings: { state_dir: "${stateDir}" }
sources:
  shop:
    connector: datagen
    config: { pattern: orders, events_per_second: 0, max_events: ${records}, seed: 42, on_restart: restart }
sinks:
  out: ${sink}
pipelines:
  all: { source: shop, sink: out }
`;
}

/** A loop without a pipeline: an object per order, JSON.stringify, one write per thousand. */
export function bareLoop(records: number, target: string, sync: boolean): string {
  const code = `
    const file = Deno.openSync("${target}", { write: true, create: true, truncate: true });
    const encoder = new TextEncoder();
    let text = "";
    for (let i = 0; i < ${records}; i++) {
      const now = new Date().toISOString();
      text += JSON.stringify({ event_type: "record", stream: "orders", namespace: null, timestamp: now, data: {
        order_id: "ORD-" + String(i).padStart(8, "0"), customer_id: "user_" + String(i * 7 % 9999).padStart(8, "0"),
        product: "Widget Pro", quantity: i % 9 + 1, unit_price: 12.5, total_amount: 12.5 * (i % 9 + 1), currency: "USD",
        status: "pending", created_at: now, _sequence: i, _timestamp: now }, metadata: { position: i } }) + "\\n";
      if (i % 1000 === 999) { const b = encoder.encode(text); for (let at = 0; at < b.length;) at += file.writeSync(b.subarray(at)); text = ""; }
    }
    ${sync ? "file.syncDataSync();" : ""}`;
  return `${Deno.execPath()} eval -q '${code.replaceAll("'", `'\\''`)}'`;
}

/** Start-up is not what is measured: a run of one record is taken off. */
export async function perSecond(records: number, runs: number, line: (records: number) => string) {
  const start = medianRun(await repeat(runs, () => measure(line(1))));
  const all = medianRun(await repeat(runs, () => measure(line(records))));
  const seconds = Math.max(0.001, all.seconds - start.seconds);
  return {
    perSecond: records / seconds,
    cpuUs: (all.cpuSeconds - start.cpuSeconds) / records * 1e6,
    rssMb: all.peakRssMb,
  };
}

export const datagenToStdout: Bench = {
  name: "datagen_stdout",
  async run({ records, runs }, report) {
    using dir = scratch();
    const line = (count: number) => {
      const file = `${dir.path}/${count}.yaml`;
      Deno.writeTextFileSync(
        file,
        pipeline(count, "{ connector: stdout, config: { format: json } }", `${dir.path}/state`),
      );
      return `${program(`run -c ${file}`)} >/dev/null`;
    };
    const ours = await perSecond(records, runs, line);
    const limit = await perSecond(records, runs, (count) => bareLoop(count, "/dev/null", false));
    report({
      bench: "datagen → stdout >/dev/null",
      unit: "events/s",
      ours: ours.perSecond,
      limit: limit.perSecond,
      limit_is: "one thread, JSON.stringify, no pipeline",
      goal: "≥ 500,000",
      cpu_us_per_record: ours.cpuUs,
      rss_mb: ours.rssMb,
    });
  },
};

export const datagenToFile: Bench = {
  name: "datagen_file",
  async run({ records, runs }, report) {
    using dir = scratch();
    const line = (count: number) => {
      const file = `${dir.path}/${count}.yaml`;
      const out = `${dir.path}/out-${crypto.randomUUID()}`;
      const sink = `{ connector: file, config: { path: "${out}/{stream}.jsonl" } }`;
      Deno.writeTextFileSync(file, pipeline(count, sink, `${out}/state`));
      return program(`run -c ${file}`);
    };
    const ours = await perSecond(records, runs, line);
    const limit = await perSecond(records, runs, (count) => bareLoop(count, `${dir.path}/bare.jsonl`, true));
    report({
      bench: "datagen → file, synced",
      unit: "events/s",
      ours: ours.perSecond,
      limit: limit.perSecond,
      limit_is: "one thread, JSON.stringify, no pipeline, one sync at the end",
      goal: "≥ 300,000",
      cpu_us_per_record: ours.cpuUs,
      rss_mb: ours.rssMb,
    });
  },
};
