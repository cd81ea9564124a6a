/** A backlog of PostgreSQL into a JSONL file, beside `pg_recvlogical` on the same server in the same run. */
import { type Bench, measure, type Measured, median, repeat, scratch } from "./measure.ts";
import { BIN, INSERT, MARKER, missing, startServer, untilMarker } from "./postgres_lab.ts";

export const postgresStream: Bench = {
  name: "postgres_stream",
  missing,
  async run({ records, runs }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
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
