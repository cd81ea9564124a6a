/** The slot never knows more than the state directory: looked at all the time, through kills and a snapshot. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { parseLsn } from "../../connectors/postgres-cdc/lsn.ts";
import { Program, scratch } from "../end_to_end/program.ts";
import { startPostgres } from "../servers/postgres.ts";

const pipeline = `
version: "1.0"
settings: { state_dir: state }
sources:
  db:
    connector: postgres-cdc
    config:
      host: 127.0.0.1
      port: \${PGPORT}
      database: postgres
      user: postgres
      password: "\${PGPASSWORD}"
      tables: [public.items]
      status_update_interval_ms: 100
      snapshot: { batch_size: 1000 }
sinks: { files: { connector: file, config: { path: "out/{stream}.jsonl" } } }
pipelines: { all: { source: db, sink: files } }
`;

interface SavedPosition {
  readonly lsn: string;
  readonly snapshot?: unknown;
}

/** The saved position; undefined: none is. */
function savedPosition(path: string): SavedPosition | undefined {
  if (!existsSync(path)) return undefined;
  using db = new DatabaseSync(path, { readOnly: true });
  const row = db.prepare("select position from sources").get() as { position: string } | undefined;
  return row && JSON.parse(row.position);
}

Deno.test("at no moment has the slot confirmed more than the state directory holds, killed or not", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query(
    "CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items SELECT generate_series(1, 20000)",
  );
  using dir = scratch();
  dir.write("file.yaml", pipeline);
  const env = { PGPORT: String(pg.port), PGPASSWORD: pg.password };
  const state = `${dir.path}/state/state.db`;
  let samples = 0;
  let advances = 0;
  let last = 0n;
  let first: bigint | undefined;
  const sample = async () => {
    const [row] = await pg.query(
      "SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = 'rivven_slot' AND NOT temporary",
    );
    if (!row?.lsn) return;
    const confirmed = parseLsn(row.lsn);
    first ??= confirmed;
    // Behind the slot, because the position only grows.
    const saved = savedPosition(state);
    const held = saved === undefined || saved.snapshot !== undefined ? first : parseLsn(saved.lsn);
    assert(confirmed <= held, `${row.lsn} is confirmed and ${JSON.stringify(saved)} is saved`);
    samples++;
    if (confirmed > last) advances++;
    last = confirmed;
  };
  let id = 20_000;
  for (let round = 0; round < 4; round++) {
    await using program = new Program(["run", "-c", "file.yaml"], { cwd: dir.path, env });
    if (round > 0) await program.says("Streaming from");
    const lateMs = performance.now() + 120_000;
    const [seen, moved] = [samples, advances];
    // The first is killed when it has just made its slot, most often in the snapshot.
    while (round === 0 ? samples < seen + 5 : samples < seen + 15 || advances < moved + 3) {
      assert(performance.now() < lateMs, `${samples} samples, ${advances} advances:\n${program.stderr}`);
      await pg.query("INSERT INTO items SELECT generate_series($1::int, $2::int)", [id + 1, id += 50]);
      await sample();
    }
    program.kill("SIGKILL");
    await program.ended;
    await sample();
  }
});
