/** One huge transaction of PostgreSQL: bounded memory, because the server spools it and we pass it on in batches. */
import { type Bench, scratch } from "./measure.ts";
import { following, INSERT, MARKER, missing, startServer, untilMarker } from "./postgres_lab.ts";

export const postgresTransaction: Bench = {
  name: "postgres_transaction",
  missing,
  async run({ records }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
    await pg.query("SELECT pg_create_logical_replication_slot('huge', 'pgoutput')");
    await pg.query("BEGIN");
    await pg.query(INSERT, [1, records]);
    await pg.query("INSERT INTO rows (i) VALUES ($1)", [MARKER]);
    await pg.query("COMMIT");
    const [{ bytes }] = await pg.query("SELECT pg_table_size('rows') AS bytes");
    const options = following("huge", pg.host, dir.path);
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
