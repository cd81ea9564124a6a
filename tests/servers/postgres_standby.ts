/**
 * A streaming replica of a running PostgreSQL, for tests of failover: a copy of its data folder that follows it over
 * a physical slot, answers queries, and can be promoted when the primary is gone.
 */
import { join } from "node:path";
import { type Postgres, startPostgres } from "./postgres.ts";
import { giveToServer, runAsServer, waitUntil } from "./process.ts";

export interface StandbyOptions {
  /** The physical slot that it makes on the primary. Default `standby`. */
  readonly slot?: string;
  /** Lines of postgresql.conf; they win over ours and over the primary's. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts a standby and waits until it answers. Nobody should write to the primary while it is copied. Since version
 * 17 it takes over the primary's failover slots.
 */
export async function startStandby(primary: Postgres, options: StandbyOptions = {}): Promise<Postgres> {
  const { slot = "standby" } = options;
  const { host, port, user, password, database, version, settings } = primary;
  const quoted = password.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
  await primary.query("SELECT pg_create_physical_replication_slot($1, true)", [slot]);
  return await startPostgres({
    version,
    fsync: settings.fsync === "on",
    settings: {
      ...inherited(settings),
      // Slots are taken over by way of a database.
      primary_conninfo: `host=${host} port=${port} user=${user} dbname=${database} password='${quoted}'`,
      primary_slot_name: slot,
      hot_standby_feedback: "on",
      wal_receiver_status_interval: "1s",
      ...(version >= 17 ? { sync_replication_slots: "on" } : {}),
      ...options.settings,
    },
    fillDataDir: (dataDir) => copyDataDir(primary, dataDir),
  });
}

/** What is the primary's own; the rest, such as the limits that a standby must not undercut, is the standby's too. */
const OWN = [
  "port",
  "unix_socket_directories",
  "fsync",
  "synchronized_standby_slots",
  "synchronous_standby_names",
];

function inherited(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !OWN.includes(name)));
}

/** A base backup: PostgreSQL documentation, "Making a Base Backup Using the Low Level API". */
async function copyDataDir(primary: Postgres, dataDir: string): Promise<void> {
  const isOld = primary.version < 15;
  await primary.query(
    isOld ? "SELECT pg_start_backup('copy', true, false)" : "SELECT pg_backup_start('copy', true)",
  );
  await runAsServer("cp", ["-R", "-p", primary.dataDir, dataDir]);
  const [{ labelfile }] = await primary.query(
    `SELECT labelfile FROM ${isOld ? "pg_stop_backup(false, false)" : "pg_backup_stop(false)"}`,
  );
  await runAsServer("sh", [
    "-c",
    'cd "$0" && rm -rf postmaster.pid postmaster.opts pg_replslot/* pg_stat_tmp/*',
    dataDir,
  ]);
  for (const [name, text] of [["backup_label", labelfile!], ["standby.signal", ""]]) {
    await Deno.writeTextFile(join(dataDir, name), text);
    await giveToServer(join(dataDir, name));
  }
}

/** Waits until the standby has applied all that the primary has written so far. */
export async function caughtUp(standby: Postgres, primary: Postgres): Promise<void> {
  const [{ lsn }] = await primary.query("SELECT pg_current_wal_lsn() AS lsn");
  await waitUntil(async () => {
    const [{ done }] = await standby.query("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done", [lsn]);
    return done === "t" ? true : undefined;
  }, { what: "the standby to catch up", timeoutMs: 120_000 });
}

/**
 * Waits until the standby has a failover slot of the primary for good: a slot that was made when the standby was
 * there already. (An older one is only temporary on the standby until it has moved on.)
 */
export async function slotTakenOver(standby: Postgres, slot: string): Promise<void> {
  await waitUntil(async () => {
    const found = await standby.query(
      "SELECT FROM pg_replication_slots WHERE slot_name = $1 AND synced AND NOT temporary",
      [slot],
    );
    return found.length > 0 ? true : undefined;
  }, { what: `slot "${slot}" on the standby`, timeoutMs: 120_000 });
}

/** Cuts the standby off, so that it lacks what the primary writes from now on, and lets the primary not wait for it. */
export async function stopFollowing(standby: Postgres, primary: Postgres): Promise<void> {
  await standby.query("ALTER SYSTEM SET primary_conninfo = ''");
  await standby.query("SELECT pg_reload_conf()");
  await waitUntil(
    async () => (await standby.query("SELECT FROM pg_stat_wal_receiver")).length === 0 ? true : undefined,
    { what: "the end of the standby's receiver", timeoutMs: 120_000 },
  );
  await primary.query("ALTER SYSTEM RESET synchronized_standby_slots");
  await primary.query("SELECT pg_reload_conf()");
}

/** Makes a standby a server that takes writes, on a timeline of its own. */
export async function promote(standby: Postgres): Promise<void> {
  await standby.query("SELECT pg_promote(true, 60)");
  await waitUntil(async () => {
    const [{ recovering }] = await standby.query("SELECT pg_is_in_recovery() AS recovering");
    return recovering === "f" ? true : undefined;
  }, { what: "the standby's promotion", timeoutMs: 120_000 });
}
