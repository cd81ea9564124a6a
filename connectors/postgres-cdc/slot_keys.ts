/** The keys about what the server keeps for this source, and about signs of life. connector.ts puts them together. */
import { z } from "zod";
import { SIZE } from "./bytes.ts";

/** These keys, validated. */
export interface SlotConfig {
  readonly slot_temporary: boolean;
  readonly slot_failover: boolean;
  readonly max_wal_lag?: string;
  readonly refresh_publication_on_start: "own" | "always" | "never";
  readonly heartbeat_interval_secs: number;
  readonly heartbeat_action_query?: string;
  readonly heartbeat_emit_message: boolean;
}

/** For the schema of the whole configuration. */
export const slotKeys = {
  slot_temporary: z.boolean().default(false).describe(
    "The slot ends with the connection, and the server keeps nothing while there is none: behind that is an error, or a " +
      "new snapshot with snapshot.mode always or when_needed",
  ),
  slot_failover: z.boolean().default(false).describe(
    "The slot is copied to standbys, so that reading goes on there after a failover; PostgreSQL 17 or newer",
  ),
  max_wal_lag: z.string().regex(SIZE, "A number with kB, MB, GB or TB, such as 10GB").optional().describe(
    "Warns when the server keeps more log than this for the slot; a number with kB, MB, GB or TB, such as 10GB",
  ),
  refresh_publication_on_start: z.enum(["own", "always", "never"]).default("own").describe(
    "Adds selected tables that the publication lacks: own: where this source has created it; always; never",
  ),
  heartbeat_interval_secs: z.int().min(0).max(3600).default(10).describe(
    "Time from one heartbeat to the next, in seconds; 0: none. There are none either without one of the next two keys",
  ),
  heartbeat_action_query: z.string().min(1).optional().describe(
    "Statement that is run as heartbeat, such as an UPDATE of a table for it",
  ),
  heartbeat_emit_message: z.boolean().default(false).describe(
    "Writes an empty logical message as heartbeat, which needs no table",
  ),
};

/** What of these keys, and those beside them, can't stand together. */
export function refineSlot(
  { slot_temporary, slot_failover, auto_create_slot, drop_slot_on_stop }: SlotConfig & {
    readonly auto_create_slot: boolean;
    readonly drop_slot_on_stop: boolean;
  },
  { addIssue }: { addIssue(issue: z.core.$ZodRawIssue): void },
): void {
  if (!slot_temporary) return;
  const refuse = (key: string, message: string) =>
    addIssue({ code: "custom", path: [key], message, input: key, params: { hint: "Remove one of the two" } });
  if (slot_failover) refuse("slot_failover", "A temporary slot (slot_temporary) is not copied to standbys");
  if (drop_slot_on_stop) refuse("drop_slot_on_stop", "A temporary slot (slot_temporary) ends by itself");
  if (!auto_create_slot) {
    refuse(
      "auto_create_slot",
      "A temporary slot (slot_temporary) is made by the connection that reads from it",
    );
  }
}

/** What people should know before they start it, as warnings. Keys are not validated yet. */
export function slotNotes(config: Readonly<Record<string, unknown>>): string[] {
  const { drop_slot_on_stop, snapshot } = config;
  if (drop_slot_on_stop !== true) return [];
  const mode = typeof snapshot === "object" && snapshot !== null && "mode" in snapshot
    ? snapshot.mode
    : "initial";
  if (mode === "initial_only") return [];
  const then = mode === "always" || mode === "when_needed"
    ? "takes a new snapshot, which does not tell what was deleted"
    : "is refused, unless snapshot.mode is always or when_needed, or the position is reset";
  return [
    "drop_slot_on_stop: what changes between a stop and the next start is not captured, and that start " +
    then,
  ];
}

/** Why records may be missing whatever the sink does, as the end of a sentence that begins with the source. */
export function lossOf({ slot_temporary }: SlotConfig): string | undefined {
  return slot_temporary
    ? "reads from a temporary slot (slot_temporary), so what changes while it is not connected is lost, and said so"
    : undefined;
}
