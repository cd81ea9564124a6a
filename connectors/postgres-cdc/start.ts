/** What a start has to do: decided from the saved position, the slot and `snapshot.mode`, without touching anything. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { StreamPoint } from "./change_decoder.ts";
import type { PostgresConfig } from "./connector.ts";
import { formatLsn } from "./lsn.ts";
import { type PostgresPosition, streamPoint } from "./position.ts";
import { NEW_SNAPSHOT, RESET } from "./repair.ts";
import { isLost, requireUsable, type Slot, slotLost } from "./slot.ts";

export interface StartPlan {
  readonly snapshot: boolean;
  /** Where the stream goes on; undefined: at the point of the snapshot, or of the slot. May lie before the former. */
  readonly resume: StreamPoint | undefined;
  /** The slot that is there already. */
  readonly slot: Slot | undefined;
  /** The slot is beyond repair and is to be replaced. */
  readonly replacesSlot: boolean;
  /** A snapshot takes the place of changes that are gone. */
  readonly isGap: boolean;
  /** For the log. */
  readonly reason: string;
}

/** What is known before a start. */
export interface BeforeStart {
  readonly saved: PostgresPosition | undefined;
  readonly slot: Slot | undefined;
  /** How far the server's log goes. */
  readonly serverLsn: bigint;
  /** Some snapshot was begun before, so that rows of it may have been delivered. */
  readonly hasAttempted: boolean;
  /** The slot was dropped at the last stop, as `drop_slot_on_stop` says. */
  readonly wasDropped?: boolean;
}

/** The keys that decide. */
export type StartKeys = Pick<PostgresConfig, "slot_name" | "database" | "slot_temporary"> & {
  readonly snapshot: Pick<PostgresConfig["snapshot"], "mode">;
};

/** @throws {ConnectorError} `state_*` where going on would lose changes without a word; `config_slot_*` */
export function decideStart(before: BeforeStart, keys: StartKeys): StartPlan {
  const { saved, slot, hasAttempted } = before;
  const { slot_name, database, slot_temporary, snapshot: { mode } } = keys;
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
    isGap: false,
    reason,
  });
  if (mode === "recovery" && saved === undefined) throw nothingToRecover();
  if (slot_temporary && slot) throw slotStays(slot_name);
  const gone = goneSince(before, keys);
  const isNeeded = mode === "when_needed";
  if (gone !== undefined) {
    const isExpected = slot_temporary || before.wasDropped === true && slot === undefined;
    if (!isNeeded && !(isExpected && mode === "always")) throw gone;
    return { ...plan(gone.message, true, undefined, slot !== undefined && isLost(slot)), isGap: true };
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
  { saved, slot, serverLsn, wasDropped }: BeforeStart,
  { slot_name, slot_temporary }: StartKeys,
): ConnectorError | undefined {
  // A snapshot without a plan makes no use of a slot: it begins anew anyway.
  if (saved === undefined || saved.snapshot !== undefined && saved.snapshot.plan === undefined) {
    return undefined;
  }
  const { lsn } = streamPoint(saved);
  if (slot_temporary) {
    return slotEnded(`The temporary slot "${slot_name}" ended with its connection`, lsn, serverLsn);
  }
  if (slot === undefined && wasDropped) {
    return slotEnded(
      `Slot "${slot_name}" was dropped when the pipeline stopped (drop_slot_on_stop)`,
      lsn,
      serverLsn,
    );
  }
  if (slot === undefined) return slotMissing(slot_name, lsn);
  if (isLost(slot)) return slotLost(slot);
  if (slot.confirmedLsn !== undefined && slot.confirmedLsn > lsn) return slotAhead(slot, lsn);
  return serverLsn < lsn ? serverBehind(serverLsn, lsn) : undefined;
}

/** The slot is gone because the configuration says so. */
function slotEnded(what: string, lsn: bigint, serverLsn: bigint): ConnectorError {
  return new ConnectorError(
    `${what}: what has changed since ${formatLsn(lsn)} is gone, and the server's log is at ${
      formatLsn(serverLsn)
    }`,
    {
      code: "state_slot_gone",
      hint:
        "Set snapshot.mode to when_needed or always, which then take a new snapshot; or go on without those " +
        `changes: run ${RESET}, with snapshot.mode never`,
    },
  );
}

function nothingToRecover(): ConnectorError {
  return new ConnectorError(
    "Snapshot mode recovery announces the tables again and goes on at the saved position, and none is saved",
    {
      code: "config_no_position",
      hint: "Set snapshot.mode to initial, or to no_data for the columns without rows",
    },
  );
}

/** A slot that stays has the name of the temporary one. */
export function slotStays(name: string): ConnectorError {
  return new ConnectorError(
    `Slot "${name}" exists and is to stay, so there can't be a temporary one of that name`,
    {
      code: "config_slot_permanent",
      hint:
        `Choose another slot_name, remove slot_temporary, or run: SELECT pg_drop_replication_slot('${name}')`,
    },
  );
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
