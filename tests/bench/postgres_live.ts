/** Live changes of PostgreSQL at a steady rate: how old each is when it is durable in the file. */
import { type Bench, program, scratch, usageOf } from "./measure.ts";
import { following, INSERT, missing, pipeline, startServer } from "./postgres_lab.ts";

export const postgresLive: Bench = {
  name: "postgres_live",
  missing,
  async run({ records }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
    const seconds = records < 200_000 ? 3 : 20;
    const options = following("live", pg.host, dir.path);
    Deno.mkdirSync(options.dir);
    Deno.writeTextFileSync(`${options.dir}/connect.yaml`, pipeline(options));
    const child = new Deno.Command("sh", {
      args: [
        "-c",
        `exec ${program(`run -c ${options.dir}/connect.yaml --log-level debug --log-format json`)}`,
      ],
      env,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const said = new Response(child.stderr).text();
    while ((await pg.query("SELECT FROM pg_stat_replication WHERE state = 'streaming'")).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const clients = await Promise.all([pg.connect(), pg.connect()]);
    const before = usageOf(child.pid)!;
    const written =
      (await Promise.all(clients.map((client) => writeSteadily(client, LIVE_PER_SECOND / 2, seconds))))
        .reduce((sum, rows) => sum + rows, 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = usageOf(child.pid)!;
    const rss = /VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${child.pid}/status`))!;
    child.kill("SIGTERM");
    await child.status;
    const commits = (await said).split("\n").filter((line) => line.includes('"committed"'))
      .map((line) => JSON.parse(line) as { records: number; oldest_ms: number; newest_ms: number });
    const cpu = (after.cpuSeconds - before.cpuSeconds) / written * 1e6;
    for (const [name, share, goal] of [["p50", 0.5, 10], ["p99", 0.99, 50]] as const) {
      report({
        bench: `postgres live ${LIVE_PER_SECOND} rows/s, commit → durable in the file, ${name}`,
        unit: "ms",
        ours: quantile(commits, share),
        goal: `≤ ${goal}`,
        cpu_us_per_record: cpu,
        rss_mb: Number(rss[1]) / 1000,
        note: `${written / seconds | 0} rows/s written; by the oldest record of each commit; debug logs on`,
      });
    }
  },
};

const LIVE_PER_SECOND = 5000;
const ROWS_PER_TRANSACTION = 10;

async function writeSteadily(
  client: { query(sql: string, values: unknown[]): Promise<unknown> },
  perSecond: number,
  seconds: number,
): Promise<number> {
  const started = performance.now();
  let rows = 0;
  for (;;) {
    const elapsed = (performance.now() - started) / 1000;
    if (elapsed >= seconds) return rows;
    if (rows >= elapsed * perSecond) await new Promise((resolve) => setTimeout(resolve, 1));
    else {
      await client.query(INSERT, [rows + 1, rows + ROWS_PER_TRANSACTION]);
      rows += ROWS_PER_TRANSACTION;
    }
  }
}

/** Weighted by records. */
function quantile(commits: readonly { records: number; oldest_ms: number }[], share: number): number {
  const sorted = commits.toSorted((a, b) => a.oldest_ms - b.oldest_ms);
  const all = sorted.reduce((sum, { records }) => sum + records, 0);
  let seen = 0;
  for (const { records, oldest_ms } of sorted) {
    seen += records;
    if (seen >= all * share) return oldest_ms;
  }
  return NaN;
}
