/** Which of several saved positions is behind the others; source.ts answers the runtime with it. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Position } from "../../formats/data/batch.ts";
import { parseLsn } from "./lsn.ts";
import type { PostgresPosition } from "./position.ts";
import { RESET } from "./repair.ts";
import type { UnitProgress } from "./snapshot_plan.ts";

/**
 * A position from which on comes all that is behind any of these.
 *
 * @param slot the one that is read from. A position of another slot, or in another form, is returned as it is: reading
 * refuses it and says why.
 * @throws {ConnectorError} `state_other_server` when they are of several servers
 */
export function lowestPosition(slot: string, positions: readonly Position[]): Position {
  const foreign = positions.find((position) => position.v !== 1 || position.slot !== slot);
  if (foreign !== undefined) return foreign;
  const [first, ...others] = positions as readonly PostgresPosition[];
  const other = others.find(({ system }) => system !== first.system);
  if (other !== undefined) {
    throw new ConnectorError(
      `Cannot compare saved positions of server ${first.system} with those of server ${other.system}`,
      {
        code: "state_other_server",
        hint: `Give each server a source of its own, or take a new snapshot: run ${RESET}`,
      },
    );
  }
  return others.reduce(lower, first);
}

function lower(a: PostgresPosition, b: PostgresPosition): PostgresPosition {
  const order = compare(a, b);
  if (order !== 0) return order < 0 ? a : b;
  if (a.snapshot === undefined || b.snapshot === undefined) return a;
  const { plan, units, tablesDone } = a.snapshot;
  if (units === undefined || b.snapshot.units === undefined) return a;
  // Only the last plan is known still: with another one a snapshot begins anew.
  if (plan !== b.snapshot.plan) return plan! < b.snapshot.plan! ? a : b;
  const snapshot = {
    ...a.snapshot,
    tablesDone: Math.min(tablesDone, b.snapshot.tablesDone),
    units: inBoth(units, b.snapshot.units),
  };
  return { ...a, snapshot };
}

/** By place in the stream; the rows of a snapshot come before the changes that are read behind it. */
function compare(a: PostgresPosition, b: PostgresPosition): number {
  // On an older timeline it comes first, or is on a branch that was lost: then reading on from there is refused.
  if (a.timeline !== undefined && b.timeline !== undefined && a.timeline !== b.timeline) {
    return a.timeline - b.timeline;
  }
  const [lsnA, lsnB] = [parseLsn(a.lsn), parseLsn(b.lsn)];
  if (lsnA !== lsnB) return lsnA < lsnB ? -1 : 1;
  return (a.next ?? 0) - (b.next ?? 0) || rank(a) - rank(b);
}

function rank({ snapshot }: PostgresPosition): number {
  return snapshot?.state === "reading" ? 0 : 1;
}

/** What both have handed on of the same plan. */
function inBoth(a: UnitProgress, b: UnitProgress): UnitProgress {
  const [doneA, doneB] = [Uint8Array.fromBase64(a.done), Uint8Array.fromBase64(b.done)];
  const isDone = (done: Uint8Array, unit: number) => (done[unit >> 3] & 1 << (unit & 7)) !== 0;
  const at: Record<string, number> = {};
  for (const unit of new Set([...Object.keys(a.at), ...Object.keys(b.at)])) {
    const pageA = isDone(doneA, Number(unit)) ? Infinity : a.at[unit] ?? 0;
    const pageB = isDone(doneB, Number(unit)) ? Infinity : b.at[unit] ?? 0;
    const page = Math.min(pageA, pageB);
    if (page > 0) at[unit] = page;
  }
  return { done: doneA.map((bits, i) => bits & (doneB[i] ?? 0)).toBase64(), at };
}
