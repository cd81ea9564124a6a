/** Who reads from a slot that is in use: waiting for it, and what is said when it does not become free. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Clock, Logger } from "../contract.ts";
import type { Catalog } from "./catalog.ts";

/** A process of the server that reads from a slot, and for whom. */
export interface SlotHolder {
  readonly pid: number;
  /** `process 4711 of the server (user "rivven", application "rivven-connect shop", from 10.0.0.7, since …)`. */
  readonly description: string;
}

/** Who reads from the slot at the moment; undefined: nobody. */
export async function slotHolder(catalog: Catalog, slot: string): Promise<SlotHolder | undefined> {
  // The view hides the rest from whoever is neither the same role nor a member of pg_read_all_stats.
  const [row] = await catalog.query(
    `Cannot see who reads from slot "${slot}"`,
    `SELECT s.active_pid::text AS pid, a.usename, a.application_name AS application,
       coalesce(host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'a socket of the server''s host' END) AS address,
       to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
     FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
     WHERE s.slot_name = $1 AND s.active_pid IS NOT NULL`,
    [slot],
  );
  if (row === undefined) return undefined;
  const { pid, usename, application, address, since } = row;
  const known = [
    usename === null ? undefined : `user "${usename}"`,
    application === null || application === "" ? undefined : `application "${application}"`,
    address === null ? undefined : `from ${address}`,
    since === null ? undefined : `since ${since}`,
  ].filter((each) => each !== undefined);
  const of = known.length === 0 ? "" : ` (${known.join(", ")})`;
  return { pid: Number(pid), description: `process ${pid} of the server${of}` };
}

export interface SlotWaitOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly slot: string;
  /** How long it may stay in use, and the longest pause between two looks. */
  readonly waitMs: number;
  readonly retryDelayMs: number;
}

/** Counts how long a slot has been in use by somebody else. */
export class SlotWait {
  readonly #options: SlotWaitOptions;
  readonly #startedMs: number;
  #pauseMs = 250;

  constructor(options: SlotWaitOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
  }

  /**
   * The slot is in use: waits a moment.
   *
   * @param tried for the error, as in `Cannot start reading from slot "s"`
   * @throws {ConnectorError} `conflict_slot_active` when it has been for too long
   */
  async pause(tried: string, signal: AbortSignal): Promise<void> {
    const { catalog, clock, log, slot, waitMs, retryDelayMs } = this.#options;
    const holder = await slotHolder(catalog, slot);
    const waitedMs = clock.monotonicMs() - this.#startedMs;
    if (waitedMs >= waitMs) {
      throw new ConnectorError(`${tried}: it is in use${holder ? ` by ${holder.description}` : ""}`, {
        code: "conflict_slot_active",
        hint:
          "Another source reads from it: stop that one, or give this one a slot_name of its own. If it is left " +
          "over from a connection that was lost, the server ends it after wal_sender_timeout, or at once with: " +
          `SELECT pg_terminate_backend(${holder?.pid ?? "active_pid"})`,
      });
    }
    log.warn(`Slot "${slot}" is in use${holder ? ` by ${holder.description}` : ""}; trying again`, {
      pauseMs: this.#pauseMs,
    });
    await clock.sleep(this.#pauseMs, signal);
    this.#pauseMs = Math.min(this.#pauseMs * 2, retryDelayMs);
  }
}
