/**
 * Looks at the slot while it is read: how much log the server keeps for it, and whether it still has it all. A slot
 * that is lost ends the reading at once, also while the sinks are too slow to notice.
 */
import type { ConnectorError } from "../../formats/data/errors.ts";
import type { Clock, Logger, Metrics } from "../contract.ts";
import { formatSize } from "./bytes.ts";
import type { Catalog } from "./catalog.ts";
import { parseLsn } from "./lsn.ts";
import { isLost, readSlot, slotLost } from "./slot.ts";

export interface SlotMonitorOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly slot: string;
  /** From how much kept log on it warns; undefined: never. */
  readonly maxBytes: number | undefined;
  /** How far the server's log goes. */
  readonly onServerLsn: (lsn: bigint) => void;
  /** The next checkpoint of the server gives the slot up. */
  readonly onEndangered: () => void;
  readonly onLost: (error: ConnectorError) => void;
}

const EVERY_MS = 10_000;
/** pg_replication_slots.wal_status, as a number for a metric. */
const WAL_STATUS = ["reserved", "extended", "unreserved", "lost"];

/** Until `signal` is aborted. */
export async function monitorSlot(options: SlotMonitorOptions, signal: AbortSignal): Promise<void> {
  const { catalog, clock, log, metrics, slot, maxBytes } = options;
  let isBehind = false;
  let isEndangered = false;
  while (!signal.aborted) {
    await clock.sleep(EVERY_MS, signal);
    if (signal.aborted) return;
    let state;
    try {
      const found = await readSlot(catalog, slot);
      if (found && isLost(found)) return options.onLost(slotLost(found));
      state = await readSlotState(catalog, slot);
    } catch (error) {
      // The stream notices by itself when the server is gone.
      log.debug(error instanceof Error ? error.message : String(error));
      continue;
    }
    if (state === undefined || signal.aborted) continue;
    const { retainedBytes: retained, status, safeBytes } = state;
    options.onServerLsn(state.serverLsn);
    metrics.set("slot_retained_bytes", retained);
    metrics.set("replication_lag_bytes", state.lagBytes);
    metrics.set("slot_wal_status", WAL_STATUS.indexOf(status));
    if (safeBytes !== undefined) metrics.set("slot_safe_wal_bytes", safeBytes);
    if (state.confirmedLsn !== undefined) metrics.set("position_confirmed", Number(state.confirmedLsn));
    if (maxBytes !== undefined && retained > maxBytes !== isBehind) {
      // Below it by a fifth before it is good again, so that one limit makes one warning.
      if (!isBehind || retained < maxBytes * 0.8) {
        isBehind = !isBehind;
        if (isBehind) {
          log.warn(
            `The server keeps ${formatSize(retained)} of log for slot "${slot}", more than max_wal_lag`,
            {
              hint:
                "The sinks are slower than the database, or a transaction has been open for long: its disk may fill up",
            },
          );
        } else log.info(`The server keeps only ${formatSize(retained)} of log for slot "${slot}" again`);
      }
    }
    if (status === "unreserved" && safeBytes !== undefined && safeBytes <= 0) options.onEndangered();
    if (status === "unreserved" !== isEndangered) {
      isEndangered = !isEndangered;
      if (isEndangered) {
        log.warn(
          `The server is about to give up slot "${slot}", for which it keeps ${formatSize(retained)} of log`,
          {
            hint:
              "Raise max_slot_wal_keep_size now: ALTER SYSTEM SET max_slot_wal_keep_size = …; SELECT pg_reload_conf()",
          },
        );
      }
    }
  }
}

/** How a slot stands to the server's log. */
export interface SlotState {
  readonly serverLsn: bigint;
  readonly confirmedLsn: bigint | undefined;
  /** What the server keeps for it, and how much of that is not confirmed. */
  readonly retainedBytes: number;
  readonly lagBytes: number;
  /** `reserved`, `extended`, `unreserved` or `lost`: PostgreSQL documentation, "pg_replication_slots", wal_status. */
  readonly status: string;
  /** How much more may be written until it may be lost; undefined: any amount. */
  readonly safeBytes: number | undefined;
}

/** Asks the server; undefined when there is no such slot. */
export async function readSlotState(catalog: Catalog, slot: string): Promise<SlotState | undefined> {
  const [row] = await catalog.query("Cannot read the state of the slot", STATE, [slot]);
  if (row === undefined) return undefined;
  return {
    serverLsn: parseLsn(row.server_lsn!),
    confirmedLsn: row.confirmed === null ? undefined : parseLsn(row.confirmed),
    retainedBytes: Math.max(0, Number(row.retained ?? 0)),
    lagBytes: Math.max(0, Number(row.lag ?? 0)),
    status: row.wal_status ?? "reserved",
    safeBytes: row.safe === null ? undefined : Number(row.safe),
  };
}

/** How far the log goes, what is kept for a slot and how much more may come until it is lost (null: any amount). */
const STATE = `
WITH now AS (
  SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn)
SELECT now.lsn::text AS server_lsn, pg_wal_lsn_diff(now.lsn, s.restart_lsn)::text AS retained,
  pg_wal_lsn_diff(now.lsn, s.confirmed_flush_lsn)::text AS lag, s.confirmed_flush_lsn::text AS confirmed,
  s.wal_status, s.safe_wal_size::text AS safe
FROM now, pg_replication_slots s WHERE s.slot_name = $1`;
