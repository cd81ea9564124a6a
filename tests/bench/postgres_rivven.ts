/** A table of PostgreSQL into a Rivven broker, end to end, beside a bare loop that publishes as many records. */
import { startRivvend } from "../servers/rivvend.ts";
import { type Bench, measure, median, medianRun, program, repeat, scratch } from "./measure.ts";
import { INSERT, missing as missingPostgres, startServer } from "./postgres_lab.ts";
import { barePublish, missing as missingBroker } from "./rivven.ts";

const PARTITIONS = 64;

function pipeline(host: string, address: string, topic: string, dir: string): string {
  return `version: "1.0"
settings: { state_dir: "${dir}/state-${topic}" }
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
      slot_name: bench
      publication: bench
      snapshot: { mode: initial_only }
sinks:
  broker:
    connector: rivven
    config:
      address: "${address}"
      topic: ${topic}
      connections: ${PARTITIONS}
      topic_config: { partitions: ${PARTITIONS} }
pipelines: { all: { source: db, sink: broker } }
`;
}

export const postgresRivven: Bench = {
  name: "postgres_rivven",
  missing: async () => await missingPostgres() ?? await missingBroker(),
  async run({ records, runs }, report) {
    using dir = scratch();
    await using server = await startServer();
    await using broker = await startRivvend();
    const { pg, env } = server;
    const count = Math.max(20_000, Math.round(records / 50 / 1000) * 1000);
    const few = Math.min(runs, 3);
    let run = 0;
    const line = () => {
      const topic = `rows${run++}`;
      const file = `${dir.path}/${topic}.yaml`;
      Deno.writeTextFileSync(file, pipeline(pg.host, broker.address, topic, dir.path));
      return program(`run -c ${file}`);
    };
    const start = medianRun(await repeat(few, () => measure(line(), env)));
    for (let n = 1; n <= count; n += 1000) await pg.query(INSERT, [n, n + 999]);
    const limits: number[] = [];
    const ours = medianRun(
      await repeat(few, async () => {
        limits.push(await barePublish(broker, count, PARTITIONS, `bare${run++}`));
        return await measure(line(), env);
      }),
    );
    report({
      bench: `postgres snapshot → rivven, ${PARTITIONS} partitions`,
      unit: "rows/s",
      ours: count / Math.max(0.001, ours.seconds - start.seconds),
      limit: median(limits),
      limit_is: "a loop over the same client that publishes records of 430 bytes",
      goal: "≥ 0.9 of the limit",
      cpu_us_per_record: (ours.cpuSeconds - start.cpuSeconds) / count * 1e6,
      rss_mb: ours.peakRssMb,
      note: `${count} rows in the standard envelope; the time of an empty table is taken off`,
    });
  },
};
