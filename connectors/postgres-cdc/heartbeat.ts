/**
 * Writes something small into the database at an interval, on a connection of its own, so that the log of a database
 * in which nothing happens has something to confirm. Never stops the stream: what fails is a warning.
 */
import type { Clock, Logger, Metrics } from "../contract.ts";
import { Connection } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { watched } from "./statement_watch.ts";
import { HEARTBEAT_PREFIX } from "./wanted.ts";

export interface HeartbeatOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly intervalMs: number;
  /** SQL; undefined: none. */
  readonly actionQuery: string | undefined;
  readonly emitsMessage: boolean;
}

/** Until `signal` is aborted. From beat to beat it takes the interval at least, however long a statement runs. */
export async function beat(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  const { endpoint, clock, log, metrics, intervalMs, actionQuery, emitsMessage } = options;
  const statements = [
    ...(actionQuery === undefined ? [] : [actionQuery]),
    ...(emitsMessage ? [`SELECT pg_logical_emit_message(false, '${HEARTBEAT_PREFIX}', '')`] : []),
  ];
  if (statements.length === 0 || intervalMs === 0) return;
  let connection: Connection | undefined;
  let isFailing = false;
  try {
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        if (connection === undefined || connection.isLost) {
          connection = await Connection.open(endpoint, clock, "sql", signal);
          // A statement that waits for a lock must not pile up heartbeats behind it.
          const limit = `SET statement_timeout = ${Math.max(1000, intervalMs)}`;
          await connection.query("Cannot prepare the heartbeat", limit);
        }
        for (const sql of statements) {
          const tried = "Cannot run the heartbeat";
          await watched(connection, tried, connection.query(tried, sql), { clock, log });
        }
        metrics.add("heartbeats_total");
        if (isFailing) log.info("The heartbeat works again");
        isFailing = false;
      } catch (error) {
        if (signal.aborted) return;
        connection?.destroy();
        connection = undefined;
        metrics.add("heartbeat_errors_total");
        const message = error instanceof Error ? error.message : String(error);
        // Once is enough for people; every time for who looks closely.
        if (isFailing) log.debug(message);
        else log.warn(`${message}; it is tried again every ${intervalMs / 1000} s, and reading goes on`);
        isFailing = true;
      }
      await clock.sleep(Math.max(0, intervalMs - (clock.monotonicMs() - startedMs)), signal);
    }
  } finally {
    await connection?.[Symbol.asyncDispose]();
  }
}
