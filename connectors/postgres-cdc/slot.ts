/** The replication slot: what the server keeps for us, and how it is made. */
import type { Clock, Logger } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Catalog } from "./catalog.ts";
import { type Connection, quoteIdentifier } from "./connection.ts";
import { parseLsn } from "./lsn.ts";
import { RESET } from "./repair.ts";

/** A slot as pg_replication_slots shows it. */
export interface Slot {
  readonly name: string;
  readonly plugin: string | null;
  readonly database: string | null;
  /** The process that reads from it at the moment. */
  readonly activePid: number | null;
  readonly isTemporary: boolean;
  /** Decodes prepared transactions before they commit. */
  readonly isTwoPhase: boolean;
  /** Is copied to standbys. Since PostgreSQL 17. */
  readonly isFailover: boolean;
  /** What was confirmed: the server has let go of everything before it. */
  readonly confirmedLsn: bigint | undefined;
  /** `lost`: the server has removed log that it needs. Since PostgreSQL 13. */
  readonly walStatus: string | undefined;
  /** A standby keeps it in step with its primary's; since PostgreSQL 17. It stays set when the standby is promoted. */
  readonly isSynced?: boolean;
  /** Since PostgreSQL 16 or 17. */
  readonly invalidation: string | undefined;
}

/** Reads a slot; undefined when there is none of that name. */
export async function readSlot(catalog: Catalog, name: string): Promise<Slot | undefined> {
  // As JSON, because the columns differ from version to version.
  const [row] = await catalog.query(
    `Cannot read replication slot "${name}"`,
    "SELECT to_jsonb(s)::text AS slot FROM pg_replication_slots s WHERE slot_name = $1",
    [name],
  );
  if (!row) return undefined;
  const slot = JSON.parse(row.slot!);
  return {
    name,
    plugin: slot.plugin,
    database: slot.database,
    activePid: slot.active_pid,
    isTemporary: slot.temporary,
    isTwoPhase: slot.two_phase ?? false,
    isFailover: slot.failover ?? false,
    isSynced: slot.synced ?? false,
    confirmedLsn: slot.confirmed_flush_lsn ? parseLsn(slot.confirmed_flush_lsn) : undefined,
    walStatus: slot.wal_status ?? undefined,
    invalidation: slot.invalidation_reason ?? (slot.conflicting ? "conflicting" : undefined),
  };
}

/**
 * Makes sure that a slot is one this source can read from.
 *
 * @throws {ConnectorError} `config_slot_*`: it is somebody else's; `state_slot_lost`: it is beyond repair
 */
export function requireUsable(slot: Slot, database: string): void {
  if (slot.plugin !== "pgoutput") {
    throw new ConnectorError(
      slot.plugin === null
        ? `Slot "${slot.name}" is for physical replication`
        : `Slot "${slot.name}" uses the plugin "${slot.plugin}", and this source reads "pgoutput"`,
      { code: "config_slot_plugin", hint: "Choose another slot_name" },
    );
  }
  if (slot.database !== database) {
    throw new ConnectorError(
      `Slot "${slot.name}" is for database "${slot.database}", not for "${database}"`,
      {
        code: "config_slot_database",
        hint: "Choose another slot_name; the names are shared by all databases of a server",
      },
    );
  }
  if (slot.isTwoPhase) {
    throw new ConnectorError(
      `Slot "${slot.name}" sends prepared transactions before they commit, which is not supported`,
      {
        code: "state_slot_two_phase",
        hint: "Choose another slot_name; since PostgreSQL 18 two_phase of a slot can be switched off",
      },
    );
  }
  if (isLost(slot)) throw slotLost(slot);
}

/** In a failover the new primary can be reached before it is promoted: its slot is as good as the old one, but later. */
export function slotOfStandby({ name }: Slot): ConnectorError {
  return new ConnectorError(
    `Slot "${name}" can't be read from yet: the server is a standby, which keeps it in step with its primary's`,
    {
      code: "conflict_slot_synced",
      retryable: true,
      hint: "It can be read from when the standby is promoted; until then connect to the primary",
    },
  );
}

/**
 * Lets standbys copy a slot that exists, over a replication connection.
 *
 * @throws {ConnectorError} when somebody reads from it
 */
export async function enableFailover(connection: Connection, name: string): Promise<void> {
  const sql = `ALTER_REPLICATION_SLOT ${quoteIdentifier(name)} (FAILOVER true)`;
  await connection.query(`Cannot let standbys copy slot "${name}"`, sql);
}

export function isLost({ walStatus, invalidation }: Slot): boolean {
  return walStatus === "lost" || invalidation !== undefined;
}

export function slotLost({ name, walStatus, invalidation }: Slot): ConnectorError {
  return new ConnectorError(
    `Slot "${name}" is lost (${
      invalidation ?? `wal_status ${walStatus}`
    }): the server has removed log that it needs`,
    {
      code: "state_slot_lost",
      hint:
        `Changes are missing for good. Drop the slot and run ${RESET}, or set snapshot.mode to when_needed: either ` +
        "takes a new snapshot. Raise max_slot_wal_keep_size or idle_replication_slot_timeout so that it does not " +
        "happen again",
    },
  );
}

export interface CreatedSlot {
  readonly name: string;
  /** Transactions that commit at or after this LSN come through the slot; what is before is in the snapshot. */
  readonly consistentPoint: bigint;
  /** What other sessions can SET TRANSACTION SNAPSHOT to, as long as the connection stays idle. */
  readonly snapshotName: string | undefined;
}

/**
 * Creates a slot over a replication connection. It waits for every transaction that is open at the moment; when that
 * takes long, the log says who holds it up.
 *
 * @param exports whether the state at the consistent point is to be read, too
 * @param isFailover whether standbys copy it; PostgreSQL 17 or newer
 * @throws {ConnectorError} `timeout_slot` after `timeoutMs`; the server's own errors
 */
export async function createSlot(
  connection: Connection,
  { name, isTemporary, isFailover, isStandby, exports, version, timeoutMs }: {
    readonly name: string;
    readonly isTemporary: boolean;
    readonly isFailover: boolean;
    readonly isStandby: boolean;
    readonly exports: boolean;
    readonly version: number;
    readonly timeoutMs: number;
  },
  { catalog, clock, log, signal }: {
    readonly catalog: Catalog;
    readonly clock: Clock;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
): Promise<CreatedSlot> {
  const options = version >= 150000
    ? `(SNAPSHOT '${exports ? "export" : "nothing"}'${isFailover ? ", FAILOVER true" : ""})`
    : exports
    ? "EXPORT_SNAPSHOT"
    : "NOEXPORT_SNAPSHOT";
  const sql = `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} ${
    isTemporary ? "TEMPORARY " : ""
  }LOGICAL pgoutput ${options}`;
  const done = new AbortController();
  const watching = watchCreation(
    connection,
    name,
    timeoutMs,
    isStandby,
    { catalog, clock, log },
    AbortSignal.any([signal, done.signal]),
  );
  try {
    const [row] = await Promise.race([
      connection.query(`Cannot create replication slot "${name}"`, sql),
      watching,
    ]);
    return {
      name,
      consistentPoint: parseLsn(row.consistent_point!),
      snapshotName: row.snapshot_name ?? undefined,
    };
  } finally {
    done.abort();
    await watching.catch(() => {});
  }
}

/** Says who a slot's creation waits for. Rejects when it takes too long; resolves never while it goes on. */
async function watchCreation(
  connection: Connection,
  name: string,
  timeoutMs: number,
  isStandby: boolean,
  { catalog, clock, log }: { readonly catalog: Catalog; readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<never[]> {
  const startedMs = clock.monotonicMs();
  let pauseMs = 2000;
  for (;;) {
    await clock.sleep(Math.min(pauseMs, timeoutMs - (clock.monotonicMs() - startedMs)), signal);
    if (signal.aborted) return [];
    const { who, hint } = isStandby
      ? RUNNING_TRANSACTIONS
      : await slowestTransaction(catalog, connection.pid);
    if (clock.monotonicMs() - startedMs >= timeoutMs) {
      // Else the server's process would go on waiting, and the slot would appear when nobody wants it any more.
      await catalog.query("Cannot cancel the creation of the slot", "SELECT pg_cancel_backend($1)", [
        connection.pid,
      ]);
      throw new ConnectorError(
        `Cannot create replication slot "${name}": after ${
          Math.round(timeoutMs / 1000)
        } s the server still waits for ${who}`,
        {
          code: "timeout_slot",
          hint,
        },
      );
    }
    log.warn(`Creating replication slot "${name}" waits for ${who}`, { hint });
    pauseMs = Math.min(pauseMs * 2, 60_000);
  }
}

/** What a slot of a standby waits for. */
const RUNNING_TRANSACTIONS = {
  who: "the primary to log which transactions are open, as it does while it is written to",
  hint: "Run on the primary: SELECT pg_log_standby_snapshot()",
};

/** The transaction that has been open for longest, of a session or prepared, and how it is ended. */
async function slowestTransaction(
  catalog: Catalog,
  ownPid: number,
): Promise<{ readonly who: string; readonly hint: string }> {
  const tried = "Cannot see what the slot waits for";
  const [session] = await catalog.query(
    tried,
    `SELECT a.pid::text, a.usename, a.application_name AS application, a.state, a.query,
       round(extract(epoch FROM now() - a.xact_start))::text AS seconds
     FROM pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND a.pid <> $1
     ORDER BY a.xact_start LIMIT 1`,
    [ownPid],
  );
  const [prepared] = await catalog.query(
    tried,
    `SELECT quote_literal(gid) AS gid, owner, database, round(extract(epoch FROM now() - prepared))::text AS seconds
     FROM pg_prepared_xacts ORDER BY prepared LIMIT 1`,
  );
  if (prepared && !(session && Number(session.seconds) > Number(prepared.seconds))) {
    const { gid, owner, database, seconds } = prepared;
    return {
      who:
        `the transaction that was prepared as ${gid} ${seconds} s ago by "${owner}" in database "${database}"`,
      hint: `End it in that database: COMMIT PREPARED ${gid} or ROLLBACK PREPARED ${gid}`,
    };
  }
  if (session === undefined) {
    return { who: "a transaction that has not ended", hint: "End that transaction" };
  }
  const { pid, usename, application, state, seconds, query } = session;
  return {
    who:
      `the transaction of process ${pid} ("${usename}", application "${application}", ${state}), open for ` +
      `${seconds} s, whose last statement is: ${withoutValues(query ?? "")}`,
    hint: `End that transaction, or the session: SELECT pg_terminate_backend(${pid})`,
  };
}

/** A statement that shows what it does and nothing of the data: texts and numbers are left out, and what is long. */
export function withoutValues(sql: string): string {
  const text = sql.replace(/\s+/g, " ")
    .replace(/(\$\w*\$).*?(?:\1|$)|'(?:[^']|'')*(?:'|$)/gs, "?")
    .replace(/(?<![\w"])\d[\w.]*/g, "?");
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** Drops a slot that nobody reads from. */
export async function dropSlot(catalog: Catalog, name: string): Promise<void> {
  await catalog.query(`Cannot drop replication slot "${name}"`, "SELECT pg_drop_replication_slot($1)", [
    name,
  ]);
}
