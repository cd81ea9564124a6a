/** What can be wrong with the stream, as errors: change_decoder.ts and the snapshot throw them. */
import { ConnectorError, type RecordError } from "../../formats/data/errors.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import { formatLsn } from "./lsn.ts";
import type { Relation } from "./relations.ts";
import { RESET } from "./repair.ts";

/** The stream holds what can't be there. */
export function malformed(found: string, cause?: unknown): ConnectorError {
  return new ConnectorError(`Cannot read the replication stream: ${found}`, {
    code: "serialization_pgoutput",
    hint:
      "The stream or this program is damaged; nothing was confirmed to the server, so a restart reads it again",
    cause,
  });
}

/** A row has another number of values than its table has columns. */
export function wrongCount({ stream, columns }: Relation, count: number): ConnectorError {
  return malformed(
    `a row of ${count} columns of "${qualifiedName(stream)}", which was announced with ${columns.length}`,
  );
}

/** Where nobody takes rows that can't be read: leaving one out would be a silent loss. */
export function unreadableRow(cause: RecordError): ConnectorError {
  return new ConnectorError(cause.message, {
    code: cause.code,
    retryable: false,
    hint: "Leave the table out with exclude_tables, or the column out with a column list of the publication",
    cause,
  });
}

/** @param found the LSN of the transaction that came instead; undefined: it came, and is shorter */
export function transactionGone(lsn: bigint, index: number, found: bigint | undefined): ConnectorError {
  return new ConnectorError(
    `Cannot resume behind change ${index} of the transaction of LSN ${formatLsn(lsn)}: ` +
      (found === undefined ? "it has fewer changes now" : `the server went on with LSN ${formatLsn(found)}`),
    {
      code: "state_transaction_gone",
      hint:
        "The slot was moved, or another publication is used than when the position was saved: use the old one " +
        `again, or take a new snapshot: run ${RESET}`,
    },
  );
}
