/**
 * Whether a server goes on with the log that a position is of. After a failover the new primary has the log of the
 * old one up to the point at which it was promoted, and from there on a timeline of its own: what the old primary
 * wrote behind that point is lost, and the same LSNs mean something else. The slot alone does not show it.
 */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Connection } from "./connection.ts";
import { formatLsn, parseLsn } from "./lsn.ts";
import type { PostgresPosition } from "./position.ts";
import { NEW_SNAPSHOT } from "./repair.ts";

/**
 * Where a server left a timeline; undefined when that one is no part of its past. The text is a history file:
 * PostgreSQL documentation, "Continuous Archiving and PITR", "Timelines".
 */
export function leftAt(history: string, timeline: number): bigint | undefined {
  for (const line of history.split("\n")) {
    const [, number, lsn] = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line) ?? [];
    if (Number(number) === timeline) return parseLsn(lsn);
  }
  return undefined;
}

/** How far the log must be the same for the position to mean what it meant: its last byte lies before this. */
function reaches({ lsn, next, snapshot }: PostgresPosition): bigint {
  if (snapshot !== undefined) return parseLsn(snapshot.lsn);
  // Inside a transaction it names the beginning of the commit's record.
  return parseLsn(lsn) + (next === undefined ? 0n : 1n);
}

/**
 * Why a position can't be gone on with on a server of another timeline; undefined when it can.
 *
 * @param timeline the server's own
 * @param connection for replication, and idle
 */
export async function historyError(
  position: PostgresPosition & { readonly timeline: number },
  timeline: number,
  connection: Connection,
): Promise<ConnectorError | undefined> {
  const [row] = await connection.query(
    "Cannot read the server's history",
    `TIMELINE_HISTORY ${timeline}`,
  );
  const left = leftAt(row?.content ?? "", position.timeline);
  const reached = reaches(position);
  if (left !== undefined && reached <= left) return undefined;
  const where = left === undefined
    ? `which was never on timeline ${position.timeline}`
    : `which left timeline ${position.timeline} at ${formatLsn(left)}`;
  return new ConnectorError(
    `The saved position ${
      formatLsn(reached)
    } is not in the log of this server, ${where}: it took over from a ` +
      "server that was ahead of it, or was restored from a backup, and what had been read beyond is lost there",
    {
      code: "state_server_behind",
      hint:
        `${NEW_SNAPSHOT}. With synchronized_standby_slots (PostgreSQL 17) nothing is read that the standby lacks`,
    },
  );
}
