/** What is PostgreSQL's own in the `source` block of a record. */
import { formatLsn } from "./lsn.ts";
import type { Relation } from "./relations.ts";

/**
 * The connector's own members of `source`, one text for a whole transaction. `sequence` is Debezium's: JSON text of
 * the last commit LSN and this one, as decimal strings. `lsn` is the commit's, too, not the row's.
 */
export function sourceMembers(lastCommit: bigint, lsn: bigint, xid: number | null): string {
  const sequence = JSON.stringify(
    JSON.stringify([lastCommit === 0n ? null : String(lastCommit), String(lsn)]),
  );
  return `,"sequence":${sequence},"txId":${xid},"lsn":"${formatLsn(lsn)}","lsn_num":${lsn},"xmin":null`;
}

/** Names the columns whose value was not sent: those that the row lacks, and those that have a placeholder there. */
export function unavailableMember({ stream, placeholders }: Relation, places: readonly number[]): string {
  const names = (those: readonly number[]) => JSON.stringify(those.map((i) => stream.columns![i].name));
  if (placeholders === undefined) return `,"unavailable_columns":${names(places)}`;
  const missing = places.filter((i) => placeholders[i] === undefined);
  const filled = places.filter((i) => placeholders[i] !== undefined);
  return (missing.length > 0 ? `,"unavailable_columns":${names(missing)}` : "") +
    (filled.length > 0 ? `,"placeholder_columns":${names(filled)}` : "");
}
