/** Where a source is: the position that the runtime stores, and what it means at the next start. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Position } from "../../formats/data/batch.ts";
import type { StreamPoint } from "./change_decoder.ts";
import type { IncrementalState } from "./incremental_snapshot.ts";
import { formatLsn, parseLsn } from "./lsn.ts";
import { RESET } from "./repair.ts";
import type { UnitProgress } from "./snapshot_plan.ts";

/** As it is stored. LSNs are text such as `0/16E9118`. */
export interface PostgresPosition extends Position {
  readonly v: 1;
  /** The server's system identifier: a position means nothing on another one. */
  readonly system: string;
  /** The server's timeline: after a failover the same LSN may mean something else. Absent: unknown, as on a standby. */
  readonly timeline?: number;
  readonly slot: string;
  /** Streaming goes on here: behind the last whole transaction, or at the commit LSN of the one that is under way. */
  readonly lsn: string;
  /** How many changes of the transaction with that commit LSN are done; absent: none. */
  readonly next?: number;
  /** Commit LSN of the last whole transaction; absent: unknown. */
  readonly last?: string;
  /** Present until the snapshot is complete, and for good where nothing comes behind it. */
  readonly snapshot?: SnapshotProgress;
  /** Present while signals have asked for tables, or as long as a signal file is read. */
  readonly incremental?: IncrementalState;
}

export type SnapshotProgress = {
  /** `reading`: rows of this attempt are under way. `finished`: only a snapshot was wanted, and it is complete. */
  readonly state: "reading" | "finished";
  /** Which consistent read it is; the next one has another number. */
  readonly attempt: number;
  /** The point whose state it shows. */
  readonly lsn: string;
  readonly tablesDone: number;
  readonly tables: number;
  /** How far it is in the plan of that number, which is in a document of its own; absent: it can't be gone on with. */
  readonly plan?: number;
  readonly units?: UnitProgress;
};

/** What every position of a source has in common. */
export interface PositionOrigin {
  readonly system: string;
  readonly timeline?: number;
  readonly slot: string;
}

/** The position behind a change of the stream. */
export function streamPosition(
  { system, timeline, slot }: PositionOrigin,
  { lsn, index, lastCommit }: StreamPoint,
): PostgresPosition {
  return {
    v: 1,
    system,
    ...(timeline === undefined ? {} : { timeline }),
    slot,
    lsn: formatLsn(lsn),
    ...(index > 0 ? { next: index } : {}),
    ...(lastCommit > 0n ? { last: formatLsn(lastCommit) } : {}),
  };
}

/** The place in the stream that a position names. */
export function streamPoint(position: PostgresPosition): StreamPoint {
  return {
    lsn: parseLsn(position.lsn),
    index: position.next ?? 0,
    lastCommit: position.last === undefined ? 0n : parseLsn(position.last),
  };
}

/** Whether two positions of one source name the same place in the stream. */
export function isSamePlace(a: PostgresPosition, b: PostgresPosition): boolean {
  return a.lsn === b.lsn && a.next === b.next && a.snapshot?.state === b.snapshot?.state;
}

/**
 * Reads a stored position.
 *
 * @throws {ConnectorError} `state_*` when it is none of ours, or of another server or slot
 */
export function readPosition(from: Position, { system, slot }: PositionOrigin): PostgresPosition {
  const position = from as Partial<PostgresPosition>;
  if (from.v !== 1 || typeof position.lsn !== "string" || typeof position.system !== "string") {
    throw new ConnectorError(
      `Cannot resume: the saved position has version ${from.v}, which is not known here`,
      {
        code: "state_position_version",
        hint: `Run the version that wrote it, or take a new snapshot: run ${RESET}`,
      },
    );
  }
  if (position.system !== system) {
    throw new ConnectorError(
      `Cannot resume: the saved position is of server ${position.system}, and this is server ${system}`,
      {
        code: "state_other_server",
        hint:
          "Connect to the old server or to a copy made by physical replication; or take a new snapshot: run " +
          RESET,
      },
    );
  }
  if (position.slot !== slot) {
    throw new ConnectorError(
      `Cannot resume: the saved position belongs to slot "${position.slot}", and slot_name is "${slot}"`,
      {
        code: "state_other_slot",
        hint: `Set slot_name back to "${position.slot}", or take a new snapshot: run ${RESET}`,
      },
    );
  }
  return position as PostgresPosition;
}
