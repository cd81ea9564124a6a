/** How benchmarks measure: whole processes from outside, medians of runs, ratios within one run of the benchmark. */

import { FLAGS } from "../../cli/launch.ts";

export interface Measured {
  readonly seconds: number;
  /** User and system time of the process and its threads. */
  readonly cpuSeconds: number;
  readonly peakRssMb: number;
  readonly code: number;
}

export interface Figure {
  readonly bench: string;
  /** What is counted: `records/s`, `ms`, `MB`. */
  readonly unit: string;
  readonly ours: number;
  /** What can be had at best, or what a peer does, measured in the same run. */
  readonly limit?: number;
  readonly ratio?: number;
  readonly limit_is?: string;
  readonly goal?: string;
  readonly cpu_us_per_record?: number;
  readonly rss_mb?: number;
  readonly note?: string;
}

/** What a benchmark is handed: how long or how large it may be. */
export interface BenchOptions {
  /** Records of one run; small for a look whether it still works. */
  readonly records: number;
  readonly runs: number;
  /** Size of the transaction of postgres_transaction, in place of `records`. */
  readonly gigabytes?: number;
}

/** One file, one benchmark. */
export interface Bench {
  readonly name: string;
  /** Why it can't run here, or undefined. */
  readonly missing?: () => Promise<string | undefined>;
  readonly run: (options: BenchOptions, report: (figure: Figure) => void) => Promise<void>;
}

/** Prints a figure as one line of JSON, its ratio filled in. */
export function print(figure: Figure): void {
  const ratio = figure.limit === undefined ? undefined : round(figure.ours / figure.limit, 3);
  console.log(
    JSON.stringify({
      ...figure,
      ours: round(figure.ours, figure.ours < 10 ? 2 : 1),
      limit: figure.limit && round(figure.limit, figure.limit < 10 ? 2 : 1),
      ratio,
    }),
  );
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The run with the median time. */
export function medianRun(runs: readonly Measured[]): Measured {
  return runs.toSorted((a, b) => a.seconds - b.seconds)[runs.length >> 1];
}

/** Runs `work` so many times, after once that does not count where there are several. */
export async function repeat<T>(runs: number, work: (run: number) => Promise<T>): Promise<T[]> {
  if (runs > 1) await work(-1);
  const results: T[] = [];
  for (let run = 0; run < runs; run++) results.push(await work(run));
  return results;
}

/** Clock ticks of /proc/<pid>/stat per second: `getconf CLK_TCK`, 100 on every Linux that matters. */
const TICKS = 100;

interface Usage {
  readonly cpuSeconds: number;
  readonly peakRssMb: number;
}

/** Time and memory of a process that runs: proc(5). Undefined when it has ended. */
export function usageOf(pid: number): Usage | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const peak = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS,
      peakRssMb: Number(peak?.[1] ?? 0) / 1000,
    };
  } catch {
    return undefined;
  }
}

/** A process that ends shows no memory any more, so the largest of each counts. */
function larger(a: Usage, b: Usage | undefined): Usage {
  return {
    cpuSeconds: Math.max(a.cpuSeconds, b?.cpuSeconds ?? 0),
    peakRssMb: Math.max(a.peakRssMb, b?.peakRssMb ?? 0),
  };
}

/** Runs a shell command line to its end. What it prints goes where the line sends it. */
export async function measure(line: string, env: Record<string, string> = {}): Promise<Measured> {
  const started = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", `exec ${line}`],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let usage = { cpuSeconds: 0, peakRssMb: 0 };
  const timer = setInterval(() => usage = larger(usage, usageOf(child.pid)), 20);
  const said = new Response(child.stderr).text();
  const { code } = await child.status;
  clearInterval(timer);
  const seconds = (performance.now() - started) / 1000;
  const text = await said;
  if (code !== 0) console.error(`${line}\nended with ${code}: ${text.slice(-2000)}`);
  return { seconds, code, ...usage };
}

const ROOT = new URL("../../", import.meta.url).pathname;

/** The command line that runs the program from the checkout, without the second start. */
export function program(args: string): string {
  const flags = FLAGS.map((flag) => `'${flag}'`).join(" ");
  return `${Deno.execPath()} run -q ${flags} ${ROOT}main.ts ${args}`;
}

/** A folder for one benchmark, on the disk of the system's temporary folder. */
export function scratch(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "rivven-bench-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
