/** What a start has to do: decided from the saved position, the slot and `snapshot.mode`, without touching anything. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { StreamPoint } from "./change_decoder.ts";
import type { PostgresConfig } from "./connector.ts";
import { formatLsn } from "./lsn.ts";
import { type PostgresPosition, streamPoint } from "./position.ts";
import { NEW_SNAPSHOT } from "./repair.ts";
import { isLost, requireUsable, type Slot, slotLost } from "./slot.ts";

export interface StartPlan {
  readonly snapshot: boolean;
  /** Where the stream goes on; undefined: at the point of the snapshot, or of the slot. May lie before the former. */
  readonly resume: StreamPoint | undefined;
  /** The slot that is there already. */
  readonly slot: Slot | undefined;
  /** The slot is beyond repair and is to be replaced. */
  readonly replacesSlot: boolean;
  /** For the log. */
  readonly reason: string;
}

/**
 * @param serverLsn how far the server's log goes
 * @param hasAttempted whether some snapshot was begun before, so that rows of it may have been delivered
 * @throws {ConnectorError} `state_*` where going on would lose changes without a word; `config_slot_*`
 */
export function decideStart(
  saved: PostgresPosition | undefined,
  slot: Slot | undefined,
  serverLsn: bigint,
  hasAttempted: boolean,
  { slot_name, database, snapshot: { mode } }: Pick<PostgresConfig, "slot_name" | "database"> & {
    readonly snapshot: Pick<PostgresConfig["snapshot"], "mode">;
  },
): StartPlan {
  const plan = (
    reason: string,
    snapshot: boolean,
    resume?: StreamPoint,
    replacesSlot = false,
  ): StartPlan => ({
    snapshot,
    resume,
    slot,
    replacesSlot,
    reason,
  });
  const gone = saved === undefined ? undefined : goneSince(saved, slot, serverLsn, slot_name);
  const isNeeded = mode === "when_needed";
  if (gone !== undefined) {
    if (!isNeeded) throw gone;
    return plan(gone.message, true, undefined, slot !== undefined && isLost(slot));
  }
  if (saved === undefined || saved.snapshot !== undefined) {
    if (slot && isNeeded && isLost(slot)) return plan(slotLost(slot).message, true, undefined, true);
    if (slot) requireUsable(slot, database);
    const confirmed = slot?.confirmedLsn === undefined
      ? ""
      : `, confirmed up to ${formatLsn(slot.confirmedLsn)}`;
    const found = saved !== undefined
      ? "The last snapshot was interrupted"
      : slot
      ? `Slot "${slot_name}" exists${confirmed}, and no position is saved`
      : "No position is saved";
    // Rows that an earlier attempt has delivered may be gone by now: only the changes since then say so. They are
    // older than the rows of the new snapshot, but the last change of each row is what that snapshot shows.
    const readsRows = mode !== "never" && mode !== "no_data";
    const since = hasAttempted && readsRows ? slot?.confirmedLsn : undefined;
    return plan(
      found,
      readsRows,
      since === undefined ? undefined : { lsn: since, index: 0, lastCommit: 0n },
    );
  }
  requireUsable(slot!, database);
  return plan("A position is saved", mode === "always", streamPoint(saved));
}

/** Why the changes behind a saved position are gone; undefined: the slot has them. */
function goneSince(
  saved: PostgresPosition,
  slot: Slot | undefined,
  serverLsn: bigint,
  slotName: string,
): ConnectorError | undefined {
  // A snapshot without a plan makes no use of a slot: it begins anew anyway.
  if (saved.snapshot !== undefined && saved.snapshot.plan === undefined) return undefined;
  const { lsn } = streamPoint(saved);
  if (slot === undefined) return slotMissing(slotName, lsn);
  if (isLost(slot)) return slotLost(slot);
  if (slot.confirmedLsn !== undefined && slot.confirmedLsn > lsn) return slotAhead(slot, lsn);
  return serverLsn < lsn ? serverBehind(serverLsn, lsn) : undefined;
}

/** The error of a slot that vanished while we hold a position in it. */
export function slotMissing(name: string, lsn: bigint): ConnectorError {
  return new ConnectorError(
    `Slot "${name}" is gone, and with it the changes since the saved position ${formatLsn(lsn)}`,
    {
      code: "state_slot_gone",
      hint:
        `A new slot would hide the gap. ${NEW_SNAPSHOT}; to go on without those changes, set it to never and ` +
        "run the former",
    },
  );
}

function slotAhead({ name, confirmedLsn }: Slot, lsn: bigint): ConnectorError {
  return new ConnectorError(
    `Slot "${name}" was confirmed up to ${formatLsn(confirmedLsn!)}, beyond the saved position ${
      formatLsn(lsn)
    }: ` +
      "somebody else has read from it, and the changes between are gone",
    {
      code: "state_position_gone",
      hint: NEW_SNAPSHOT,
    },
  );
}

/** A server that was set back would leave out what is written until its log gets to the position. */
function serverBehind(serverLsn: bigint, lsn: bigint): ConnectorError {
  return new ConnectorError(
    `The server's log ends at ${formatLsn(serverLsn)}, before the saved position ${
      formatLsn(lsn)
    }: it was restored from ` +
      "a backup, or replaced by a standby that was behind",
    {
      code: "state_server_behind",
      hint: NEW_SNAPSHOT,
    },
  );
}
