/**
 * What the benchmarks of PostgreSQL share: a server, a table, and the program writing it into a file. Debian's
 * PostgreSQL 15, because it brings the tools that set the limits.
 */
import { startPostgres } from "../servers/postgres.ts";
import { type Measured, program, usageOf } from "./measure.ts";

export const BIN = "/usr/lib/postgresql/15/bin";

export const missing = () =>
  Deno.stat(`${BIN}/pg_recvlogical`).then(() => undefined, () => `there is no ${BIN}/pg_recvlogical`);

/** About 200 bytes of text in ten columns. */
const TABLE =
  `CREATE TABLE rows (id bigserial PRIMARY KEY, a int, b numeric(12,2), c text, d timestamptz, e bool,
  f jsonb, g uuid, h date, i varchar(40))`;
export const INSERT = `INSERT INTO rows (a, b, c, d, e, f, g, h, i)
  SELECT n % 1000, (n % 100000) / 100.0, repeat(chr(97 + n % 26), 40), now(), n % 2 = 0, '{"k": 1, "s": "abc"}',
    gen_random_uuid(), '2026-01-31', 'value ' || n FROM generate_series($1::int, $2::int) n`;
export const MARKER = "the last row";

export interface Server extends AsyncDisposable {
  readonly env: Record<string, string>;
  readonly pg: Awaited<ReturnType<typeof startPostgres>>;
}

/** A server with the table, empty, and a publication of it. */
export async function startServer(): Promise<Server> {
  const pg = await startPostgres({
    version: 15,
    settings: {
      shared_buffers: "256MB",
      max_wal_size: "8GB",
      logical_decoding_work_mem: "256MB",
      max_replication_slots: "60",
    },
  });
  await pg.query(TABLE);
  await pg.query("CREATE PUBLICATION bench FOR TABLE rows");
  const env = { PGHOST: pg.host, PGPORT: String(pg.port), PGUSER: pg.user, PGPASSWORD: pg.password };
  return { env, pg, [Symbol.asyncDispose]: () => pg[Symbol.asyncDispose]() };
}

export interface PipelineOptions {
  readonly slot: string;
  readonly host: string;
  readonly envelope: string;
  readonly snapshot: "never" | "initial_only";
  readonly dir: string;
}

/** Follows the changes from where the slot stands, in a folder of its own below `dir`. */
export function following(slot: string, host: string, dir: string): PipelineOptions {
  return { slot, host, envelope: "standard", snapshot: "never", dir: `${dir}/${slot}` };
}

export function pipeline({ slot, host, envelope, snapshot, dir }: PipelineOptions): string {
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
export async function untilMarker(options: PipelineOptions, env: Record<string, string>): Promise<Measured> {
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
