/** One huge transaction of PostgreSQL: bounded memory, because the server spools it and we pass it on in batches. */
import { type Bench, scratch } from "./measure.ts";
import { following, INSERT, MARKER, missing, startServer, untilMarker } from "./postgres_lab.ts";

const WIDE_BYTES = 1900;
const INSERT_WIDE = INSERT.replace(", 40)", ", 1780)");

export const postgresTransaction: Bench = {
  name: "postgres_transaction",
  missing,
  async run({ records, gigabytes }, report) {
    using dir = scratch();
    await using server = await startServer();
    const { pg, env } = server;
    await pg.query("SELECT pg_create_logical_replication_slot('huge', 'pgoutput')");
    await pg.query("BEGIN");
    // A row of the wide ones is a page's quarter, so that a large transaction is made in minutes.
    const count = gigabytes === undefined ? records : Math.ceil(gigabytes * 1e9 / WIDE_BYTES);
    await pg.query(gigabytes === undefined ? INSERT : INSERT_WIDE, [1, count]);
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
      cpu_us_per_record: cpuSeconds / count * 1e6,
      note: `${count} rows, ${(Number(bytes) / 1e9).toFixed(1)} GB, ${
        Math.round(count / seconds)
      } rows/s from start`,
    });
  },
};
