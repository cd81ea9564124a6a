/** The keys about what the server keeps for this source, and about signs of life. connector.ts puts them together. */
import { z } from "zod";
import { SIZE } from "./bytes.ts";

/** These keys, validated. */
export interface SlotConfig {
  readonly slot_failover: boolean;
  readonly max_wal_lag?: string;
  readonly refresh_publication_on_start: "own" | "always" | "never";
  readonly heartbeat_interval_secs: number;
  readonly heartbeat_action_query?: string;
  readonly heartbeat_emit_message: boolean;
}

/** For the schema of the whole configuration. */
export const slotKeys = {
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
