/** What `check` finds out about the slot: the one that is there, room for a new one, failover, standbys, heartbeats. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { CheckReport } from "../contract.ts";
import { formatSize, parseSize } from "./bytes.ts";
import type { Catalog, ServerFacts } from "./catalog.ts";
import type { CheckedSource } from "./check.ts";
import { quoteIdentifier, quoteLiteral } from "./connection.ts";
import type { PostgresConfig } from "./connector.ts";
import { failed, ok, reported, warning } from "./findings.ts";
import { requireFailover } from "./server.ts";
import { readSlot, requireUsable, type Slot, slotOfStandby } from "./slot.ts";
import { slotHolder } from "./slot_holder.ts";
import { readSlotState } from "./slot_monitor.ts";
import { slotStays } from "./start.ts";

/** Everything about the slot of the configuration. */
export async function checkSlot(
  source: CheckedSource,
  facts: ServerFacts,
  report: CheckReport,
): Promise<void> {
  const { catalog, config } = source;
  if (facts.isStandby) await reported("standby", report, () => checkStandby(catalog, facts, report));
  await reported("slot", report, () => checkExisting(source, facts, report));
  if (config.slot_failover) {
    await reported("slot_failover", report, () => checkFailover(catalog, facts, report));
  }
  await reported("retention", report, () => checkRetention(catalog, config, report));
}

async function checkExisting(
  { catalog, config }: CheckedSource,
  facts: ServerFacts,
  report: CheckReport,
): Promise<void> {
  const name = config.slot_name;
  const slot = await readSlot(catalog, name);
  const [counts] = await catalog.query(
    "Cannot count replication slots",
    `SELECT (SELECT count(*) FROM pg_replication_slots)::text AS slots, current_setting('max_replication_slots') AS max_slots,
       (SELECT count(*) FROM pg_stat_replication)::text AS senders, current_setting('max_wal_senders') AS max_senders`,
  );
  if (config.slot_temporary) await checkTemporary(catalog, slot, name, report);
  else if (slot) {
    requireUsable(slot, config.database);
    if (slot.isSynced && facts.isStandby) throw slotOfStandby(slot);
    if (slot.isTemporary) {
      report(failed(
        "slot",
        `"${name}" is a temporary slot, which nobody but the session that made it can read from`,
        "Choose another slot_name, or end that session",
      ));
    }
    if (config.slot_failover && !slot.isFailover && facts.version >= 170000) {
      report(warning(
        "slot_failover",
        `Standbys don't copy slot "${name}"; the next start changes that`,
        `By hand, over a replication connection: ALTER_REPLICATION_SLOT ${
          quoteIdentifier(name)
        } (FAILOVER true)`,
      ));
    }
    await checkLag(catalog, config, report);
    const holder = slot.activePid === null ? undefined : await slotHolder(catalog, name);
    report(
      holder === undefined ? ok("slot", `"${name}" exists and is free`) : warning(
        "slot",
        `"${name}" is in use by ${holder.description}`,
        "If that is this pipeline, all is well; if not, stop the other reader or choose another slot_name",
      ),
    );
  } else if (!config.auto_create_slot) {
    report(failed(
      "slot",
      `There is no slot "${name}" and it must not be created`,
      `Run: SELECT pg_create_logical_replication_slot('${name}', 'pgoutput'); or set auto_create_slot to true`,
    ));
  } else report(ok("slot", `"${name}" does not exist and would be created`));
  const takesSnapshot = config.snapshot.mode !== "never";
  // Beside a slot that stays, a snapshot needs a temporary one.
  const needed = slot === undefined ? 1 : takesSnapshot && !config.slot_temporary ? 1 : 0;
  const free = Number(counts.max_slots) - Number(counts.slots);
  report(
    free >= needed ? ok("free_slots", `${free} of ${counts.max_slots} replication slots are free`) : warning(
      "free_slots",
      `${free} of ${counts.max_slots} replication slots are free, and ${needed} may be needed`,
      "Raise max_replication_slots and restart the server, or drop slots that nobody uses",
    ),
  );
  const freeSenders = Number(counts.max_senders) - Number(counts.senders);
  if (freeSenders < 1) {
    report(failed(
      "wal_senders",
      `All ${counts.max_senders} WAL senders are in use`,
      "Raise max_wal_senders and restart the server",
    ));
  }
}

/** The slot that is made with the connection and goes with it, or what is in its place. */
async function checkTemporary(
  catalog: Catalog,
  slot: Slot | undefined,
  name: string,
  report: CheckReport,
): Promise<void> {
  if (slot === undefined) {
    return report(ok("slot", `"${name}" is made with the connection, and ends with it (slot_temporary)`));
  }
  if (!slot.isTemporary) throw slotStays(name);
  const holder = await slotHolder(catalog, name);
  report(warning(
    "slot",
    `"${name}" is in use${holder === undefined ? "" : ` by ${holder.description}`}`,
    "If that is this pipeline, all is well; if not, stop the other reader or choose another slot_name",
  ));
}

/** How much log the server keeps for the slot by now. */
async function checkLag(catalog: Catalog, config: PostgresConfig, report: CheckReport): Promise<void> {
  const state = await readSlotState(catalog, config.slot_name);
  if (state === undefined) return;
  const { retainedBytes, status, safeBytes } = state;
  const limit = config.max_wal_lag === undefined ? Infinity : parseSize(config.max_wal_lag);
  const left = safeBytes === undefined ? "" : `; it is lost after ${formatSize(Math.max(0, safeBytes))} more`;
  const found = `The server keeps ${formatSize(retainedBytes)} of log for it${left}`;
  if (status === "unreserved") {
    report(warning(
      "slot_lag",
      `${found}: the next checkpoint may give it up`,
      "Start the pipeline, or run: ALTER SYSTEM SET max_slot_wal_keep_size = …; SELECT pg_reload_conf()",
    ));
  } else if (retainedBytes > limit) {
    report(
      warning(
        "slot_lag",
        `${found}, more than max_wal_lag`,
        "Start the pipeline, or see why its sinks are slow",
      ),
    );
  } else report(ok("slot_lag", found));
}

/** Whether the copies of the slot on standbys will be there, and not behind what was read. */
async function checkFailover(catalog: Catalog, facts: ServerFacts, report: CheckReport): Promise<void> {
  requireFailover(facts);
  const [{ named, physical }] = await catalog.query(
    "Cannot read the server's settings",
    `SELECT current_setting('synchronized_standby_slots') AS named,
       (SELECT string_agg(slot_name, ', ') FROM pg_replication_slots WHERE slot_type = 'physical') AS physical`,
  );
  if (physical === null) {
    report(warning(
      "slot_failover",
      "No standby is connected through a slot, so none can copy ours",
      "On the standby set primary_slot_name, hot_standby_feedback = on, sync_replication_slots = on, and dbname in " +
        "primary_conninfo",
    ));
  } else if (named === "") {
    report(warning(
      "slot_failover",
      "What is read may be ahead of the standbys: after a failover it is missing there",
      `Run: ALTER SYSTEM SET synchronized_standby_slots = ${quoteLiteral(physical)}; SELECT pg_reload_conf()`,
    ));
  } else report(ok("slot_failover", `Nothing is read before the standbys of ${named} have it`));
}

/** What a standby needs so that changes can be read from it (PostgreSQL documentation, "Logical Decoding Concepts"). */
async function checkStandby(catalog: Catalog, facts: ServerFacts, report: CheckReport): Promise<void> {
  if (facts.version < 160000) {
    report(failed(
      "standby",
      "The server is a standby, which has no logical slots before PostgreSQL 16",
      "Connect to the primary",
    ));
    return;
  }
  const [{ feedback }] = await catalog.query(
    "Cannot read the server's settings",
    "SELECT current_setting('hot_standby_feedback') AS feedback",
  );
  report(
    feedback === "on"
      ? ok(
        "standby",
        "The server is a standby: its slot is made once the primary logs which transactions are open; on an idle " +
          "primary run SELECT pg_log_standby_snapshot()",
      )
      : warning(
        "standby",
        "The server is a standby without hot_standby_feedback: the primary may remove rows that the slot needs, which " +
          "loses it",
        "Run: ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf()",
      ),
  );
}

/** Settings by which the server gives up a slot that lags. */
async function checkRetention(
  catalog: Catalog,
  { max_wal_lag }: PostgresConfig,
  report: CheckReport,
): Promise<void> {
  const rows = await catalog.query(
    "Cannot read the server's settings",
    `SELECT name, setting, current_setting(name) AS text FROM pg_settings
     WHERE name IN ('max_slot_wal_keep_size', 'idle_replication_slot_timeout')`,
  );
  for (const { name, setting, text } of rows) {
    if (name === "max_slot_wal_keep_size" && setting !== "-1") {
      report(
        warning(
          name,
          `${text}: a slot that is further behind is lost`,
          "Make it larger than the log of the longest stop",
        ),
      );
      // In megabytes, as pg_settings has it.
      if (max_wal_lag !== undefined && parseSize(max_wal_lag) >= Number(setting) * 1024 ** 2) {
        report(warning(
          "max_wal_lag",
          `${max_wal_lag} is not below max_slot_wal_keep_size (${text}): the slot is lost before there is a warning`,
          `Lower max_wal_lag, or run: ALTER SYSTEM SET max_slot_wal_keep_size = …; SELECT pg_reload_conf()`,
        ));
      }
    }
    if (name === "idle_replication_slot_timeout" && setting !== "0") {
      report(
        warning(
          name,
          `${text}: a slot that nobody reads for longer is lost`,
          "Make it longer than the longest stop",
        ),
      );
    }
  }
}

/** Whether the heartbeat would work. Its statement is planned, not run. */
export async function checkHeartbeat(
  { catalog, config }: CheckedSource,
  facts: ServerFacts,
  report: CheckReport,
): Promise<void> {
  const { heartbeat_action_query: query, heartbeat_emit_message, heartbeat_interval_secs } = config;
  if (query === undefined && !heartbeat_emit_message || heartbeat_interval_secs === 0) return;
  if (facts.isStandby) {
    report(warning(
      "heartbeat",
      "The server is a standby, into which no heartbeat can be written",
      "Remove the heartbeat keys, and let something write to the primary",
    ));
    return;
  }
  // More than one statement can't be planned without running the second.
  const statement = query?.trim().replace(/;$/, "") ?? "";
  if (!/^(insert|update|delete|merge|select|with)\b[^;]*$/i.test(statement)) return;
  try {
    await catalog.query("Cannot plan heartbeat_action_query", `EXPLAIN ${statement}`);
    report(ok("heartbeat", `Every ${heartbeat_interval_secs} s`));
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    report(
      warning(
        "heartbeat",
        error.message,
        "Correct the statement, create its table or grant the right to write",
      ),
    );
  }
}
