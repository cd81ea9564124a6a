/**
 * PostgreSQL into a JSONL file: a backlog beside `pg_recvlogical`, a snapshot beside `psql COPY`, both on one server
 * in one run. Debian's PostgreSQL 15, because it brings the two tools.
 */
import { startPostgres } from "../servers/postgres.ts";
import { type Bench, measure, type Measured, median, program, repeat, scratch, usageOf } from "./measure.ts";

const BIN = "/usr/lib/postgresql/15/bin";

const missing = () =>
  Deno.stat(`${BIN}/pg_recvlogical`).then(() => undefined, () => `there is no ${BIN}/pg_recvlogical`);

/** About 200 bytes of text in ten columns. */
const TABLE =
  `CREATE TABLE rows (id bigserial PRIMARY KEY, a int, b numeric(12,2), c text, d timestamptz, e bool,
  f jsonb, g uuid, h date, i varchar(40))`;
const INSERT = `INSERT INTO rows (a, b, c, d, e, f, g, h, i)
  SELECT n % 1000, (n % 100000) / 100.0, repeat(chr(97 + n % 26), 40), now(), n % 2 = 0, '{"k": 1, "s": "abc"}',
    gen_random_uuid(), '2026-01-31', 'value ' || n FROM generate_series($1::int, $2::int) n`;
const MARKER = "the last row";

interface Server extends AsyncDisposable {
  readonly env: Record<string, string>;
  readonly pg: Awaited<ReturnType<typeof startPostgres>>;
}

async function startServer(): Promise<Server> {
  const pg = await startPostgres({
    version: 15,
    settings: {
      shared_buffers: "256MB",
      max_wal_size: "8GB",
      logical_decoding_work_mem: "256MB",
      max_replication_slots: "60",
    },
  });
  const env = { PGHOST: pg.host, PGPORT: String(pg.port), PGUSER: pg.user, PGPASSWORD: pg.password };
  return { env, pg, [Symbol.asyncDispose]: () => pg[Symbol.asyncDispose]() };
}

interface PipelineOptions {
  readonly slot: string;
  readonly host: string;
  readonly envelope: string;
  readonly snapshot: "never" | "initial_only";
  readonly dir: string;
}

function pipeline({ slot, host, envelope, snapshot, dir }: PipelineOptions): string {
  return `version: "1.0"
settings: { state_dir: "${dir}/state" }
sources:
  db:
    connector: postgres-cdc
    config:
      host: "${host}"
      port: \${PGPORT}
      database: postgres
      user: "\${PGUSER}"
      password: "\${PGPASSWORD}"
      tables: [public.rows]
      slot_name: ${slot}
      publication: bench
      snapshot: { mode: ${snapshot} }
sinks:
  file: { connector: file, config: { path: "${dir}/out.jsonl", envelope: ${envelope} } }
pipelines:
  all: { source: db, sink: file }
`;
}

/** Runs the program until the marker is in the file, then stops it; the time is until the marker was there. */
async function untilMarker(options: PipelineOptions, env: Record<string, string>): Promise<Measured> {
  Deno.mkdirSync(options.dir, { recursive: true });
  Deno.writeTextFileSync(`${options.dir}/connect.yaml`, pipeline(options));
  const started = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", `exec ${program(`run -c ${options.dir}/connect.yaml`)}`],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = new Response(child.stderr).text();
  let ended = false;
  child.status.then(() => ended = true);
  let usage = { cpuSeconds: 0, peakRssMb: 0 };
  while (!ended && !endsWith(`${options.dir}/out.jsonl`, MARKER)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    usage = usageOf(child.pid) ?? usage;
  }
  const seconds = (performance.now() - started) / 1000;
  usage = usageOf(child.pid) ?? usage;
  if (!ended) child.kill("SIGTERM");
  const { code } = await child.status;
  if (code !== 0) throw new Error(`The program ended with ${code}:\n${await said}`);
  await said;
  await Deno.remove(options.dir, { recursive: true });
  return { seconds, code, ...usage };
}

/** Whether the last line of a growing file has the text. */
function endsWith(path: string, text: string): boolean {
  try {
    using file = Deno.openSync(path);
    const { size } = file.statSync();
    const length = Math.min(size, 4096);
    file.seekSync(size - length, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    file.readSync(bytes);
    return new TextDecoder().decode(bytes).includes(text);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export const postgresStream: Bench = {
  name: "postgres_stream",
  missing,
  async run({ records, runs }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
    await pg.query(TABLE);
    await pg.query("CREATE PUBLICATION bench FOR TABLE rows");
    await pg.query("SELECT pg_create_logical_replication_slot('base', 'pgoutput')");
    for (let n = 1; n <= records; n += 1000) await pg.query(INSERT, [n, n + 999]);
    await pg.query("INSERT INTO rows (i) VALUES ($1)", [MARKER]);
    const [{ lsn }] = await pg.query("SELECT pg_current_wal_lsn()::text AS lsn");
    let slots = 0;
    const slot = async () => {
      const name = `run_${slots++}`;
      await pg.query(`SELECT pg_copy_logical_replication_slot('base', '${name}')`);
      return name;
    };
    const drop = (name: string) => pg.query(`SELECT pg_drop_replication_slot('${name}')`);
    const ours = (host: string, envelope: string) => async () => {
      const name = await slot();
      const measured = await untilMarker({
        slot: name,
        host,
        envelope,
        snapshot: "never",
        dir: `${dir.path}/${name}`,
      }, env);
      await drop(name);
      return measured;
    };
    const tool = (host: string) => async () => {
      const name = await slot();
      const measured = await measure(
        `${BIN}/pg_recvlogical -h ${host} -d postgres --slot ${name} --start --endpos ${lsn} -f /dev/null ` +
          "--no-loop -o proto_version=1 -o publication_names=bench",
        env,
      );
      await drop(name);
      return measured;
    };
    for (const [where, host] of [["TCP", pg.host], ["Unix socket", pg.socketDir]]) {
      // In turn, because the machine's speed drifts.
      const standard: Measured[] = [], plain: Measured[] = [], limit: Measured[] = [];
      await repeat(runs, async (run) => {
        const [a, b, c] = [await tool(host)(), await ours(host, "standard")(), await ours(host, "plain")()];
        if (run < 0) return;
        limit.push(a);
        standard.push(b);
        plain.push(c);
      });
      const rate = (measured: readonly Measured[]) =>
        records / median(measured.map(({ seconds }) => seconds));
      for (const [envelope, measured] of [["standard", standard], ["plain", plain]] as const) {
        report({
          bench: `postgres backlog → JSONL, ${envelope}, ${where}`,
          unit: "rows/s",
          ours: rate(measured),
          limit: rate(limit),
          limit_is: "pg_recvlogical -f /dev/null",
          goal: where === "TCP" ? "≥ 1.6 × the limit" : "≥ 0.95 × the limit",
          cpu_us_per_record: median(measured.map(({ cpuSeconds }) => cpuSeconds / records * 1e6)),
          rss_mb: Math.max(...measured.map(({ peakRssMb }) => peakRssMb)),
        });
      }
    }
  },
};

export const postgresSnapshot: Bench = {
  name: "postgres_snapshot",
  missing,
  async run({ records, runs }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
    await pg.query(TABLE);
    for (let n = 1; n <= records; n += 100_000) await pg.query(INSERT, [n, Math.min(records, n + 99_999)]);
    await pg.query("VACUUM ANALYZE rows");
    let number = 0;
    const ours = (envelope: string) => async () => {
      const name = `snap_${number++}`;
      const options = {
        slot: name,
        host: pg.host,
        envelope,
        snapshot: "initial_only" as const,
        dir: `${dir.path}/${name}`,
      };
      Deno.mkdirSync(options.dir);
      Deno.writeTextFileSync(`${options.dir}/connect.yaml`, pipeline(options));
      const measured = await measure(program(`run -c ${options.dir}/connect.yaml`), env);
      await Deno.remove(options.dir, { recursive: true });
      return measured;
    };
    const copy = () => measure(`${BIN}/psql -q -d postgres -c "COPY rows TO STDOUT"`, env);
    const seconds = (runs: readonly Measured[]) => median(runs.map(({ seconds }) => seconds));
    const limit = await repeat(runs, copy);
    for (const envelope of ["standard", "plain"]) {
      const measured = await repeat(runs, ours(envelope));
      report({
        bench: `postgres snapshot → JSONL, ${envelope}`,
        unit: "rows/s",
        ours: records / seconds(measured),
        limit: records / seconds(limit),
        limit_is: "psql COPY TO STDOUT",
        goal: envelope === "plain" ? "≥ 0.9 × the limit" : "≥ 250,000",
        cpu_us_per_record: median(measured.map(({ cpuSeconds }) => cpuSeconds / records * 1e6)),
        rss_mb: Math.max(...measured.map(({ peakRssMb }) => peakRssMb)),
        note: "start of the program included",
      });
    }
  },
};

/** Live changes: transactions of ten rows at a steady rate, and how old each is when it is durable in the file. */
export const postgresLive: Bench = {
  name: "postgres_live",
  missing,
  async run({ records }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
    await pg.query(TABLE);
    await pg.query("CREATE PUBLICATION bench FOR TABLE rows");
    const seconds = records < 200_000 ? 3 : 20;
    const options = {
      slot: "live",
      host: pg.host,
      envelope: "standard",
      snapshot: "never" as const,
      dir: `${dir.path}/live`,
    };
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

/** One transaction of many rows: bounded memory, because the server spools it and we pass it through in batches. */
export const postgresTransaction: Bench = {
  name: "postgres_transaction",
  missing,
  async run({ records }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
    await pg.query(TABLE);
    await pg.query("CREATE PUBLICATION bench FOR TABLE rows");
    await pg.query("SELECT pg_create_logical_replication_slot('huge', 'pgoutput')");
    await pg.query("BEGIN");
    await pg.query(INSERT, [1, records]);
    await pg.query("INSERT INTO rows (i) VALUES ($1)", [MARKER]);
    await pg.query("COMMIT");
    const [{ bytes }] = await pg.query("SELECT pg_table_size('rows') AS bytes");
    const options = {
      slot: "huge",
      host: pg.host,
      envelope: "standard",
      snapshot: "never" as const,
      dir: `${dir.path}/huge`,
    };
    const { seconds, cpuSeconds, peakRssMb } = await untilMarker(options, env);
    report({
      bench: "postgres, one transaction → JSONL, peak memory",
      unit: "MB",
      ours: peakRssMb,
      goal: "≤ 256",
      cpu_us_per_record: cpuSeconds / records * 1e6,
      note: `${records} rows, ${(Number(bytes) / 1e9).toFixed(1)} GB, ${
        Math.round(records / seconds)
      } rows/s from start`,
    });
  },
};
