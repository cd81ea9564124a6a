/** A snapshot of a PostgreSQL table into a JSONL file, beside `psql COPY`. */
import { type Bench, measure, type Measured, median, program, repeat, scratch } from "./measure.ts";
import { BIN, INSERT, missing, pipeline, startServer } from "./postgres_lab.ts";

export const postgresSnapshot: Bench = {
  name: "postgres_snapshot",
  missing,
  async run({ records, runs }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
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
