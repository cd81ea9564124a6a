/** From the start of the program to its first record, and what it weighs when it has little to do. */
import type { Bench } from "./measure.ts";
import { median, program, repeat, scratch, usageOf } from "./measure.ts";

function pipelines(count: number, perSecond: number, stateDir: string): string {
  const names = Array.from({ length: count }, (_, i) => `p${i}`);
  const config = `{ pattern: orders, events_per_second: ${perSecond}, seed: 1 }`;
  return `version: "1.0"
settings: { state_dir: "${stateDir}", log_level: warn }
sources:
${names.map((name) => `  s${name}: { connector: datagen, config: ${config} }`).join("\n")}
sinks:
  out: { connector: stdout, config: { format: json } }
pipelines:
${names.map((name) => `  ${name}: { source: s${name}, sink: out }`).join("\n")}
`;
}

/** Milliseconds until the first byte comes out of a command line. */
async function firstByteMs(line: string): Promise<number> {
  const started = performance.now();
  const child = new Deno.Command("sh", { args: ["-c", `exec ${line}`], stdout: "piped", stderr: "null" })
    .spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const ms = performance.now() - started;
  child.kill("SIGTERM");
  while (!(await reader.read()).done);
  await child.status;
  return ms;
}

export const start: Bench = {
  name: "start",
  async run({ runs }, report) {
    using dir = scratch();
    const file = `${dir.path}/start.yaml`;
    Deno.writeTextFileSync(file, pipelines(1, 100, `${dir.path}/state`));
    const ready = await repeat(runs, () => firstByteMs(program(`run -c ${file}`)));
    report({ bench: "start → first record, with the flags", unit: "ms", ours: median(ready), goal: "≤ 300" });
    const self = `${Deno.execPath()} run -q -A ${
      new URL("../../main.ts", import.meta.url).pathname
    } run -c ${file}`;
    const relaunched = await repeat(runs, () => firstByteMs(self));
    report({
      bench: "start → first record, deno run -A",
      unit: "ms",
      ours: median(relaunched),
      goal: "≤ 300",
    });
  },
};

export const memory: Bench = {
  name: "memory",
  async run({ records }, report) {
    using dir = scratch();
    const settleMs = records < 100_000 ? 1000 : 5000;
    const weights: { count: number; rssMb: number; cpu: number }[] = [];
    for (const count of [1, 4]) {
      const file = `${dir.path}/memory-${count}.yaml`;
      Deno.writeTextFileSync(file, pipelines(count, 1, `${dir.path}/state-${count}`));
      const line = `${program(`run -c ${file}`)} >/dev/null`;
      const child = new Deno.Command("sh", { args: ["-c", `exec ${line}`], stdout: "null", stderr: "null" })
        .spawn();
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      const before = usageOf(child.pid)!;
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      const rss = /VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${child.pid}/status`))!;
      const cpu = (usageOf(child.pid)!.cpuSeconds - before.cpuSeconds) / settleMs * 1000;
      weights.push({ count, rssMb: Number(rss[1]) / 1000, cpu });
      child.kill("SIGTERM");
      await child.status;
    }
    const [one, four] = weights;
    report({ bench: "memory, one pipeline at 1 event/s", unit: "MB", ours: one.rssMb, goal: "≤ 150" });
    report({
      bench: "memory, each further pipeline",
      unit: "MB",
      ours: (four.rssMb - one.rssMb) / 3,
      goal: "≤ 60",
    });
    report({ bench: "CPU, one pipeline at 1 event/s", unit: "% of a core", ours: one.cpu * 100 });
  },
};
