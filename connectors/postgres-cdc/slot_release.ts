/** `drop_slot_on_stop`: the slot goes when the pipeline was stopped on request. source.ts calls it, start.ts hears of it. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { SourceContext } from "../contract.ts";
import type { Catalog } from "./catalog.ts";
import type { PostgresPosition } from "./position.ts";
import { dropSlot } from "./slot.ts";

/** Where the slot stood that was dropped last. */
const DROPPED = "dropped_slot";
/** How long the server may take to notice that our connection is closed. */
const WAIT_MS = 10_000;
const PAUSE_MS = 100;

/**
 * Drops the slot, and says so where it can't be.
 *
 * @param position what was read and is durable; undefined: nothing was
 */
export async function releaseSlot(
  slot: string,
  position: PostgresPosition | undefined,
  catalog: Catalog,
  { clock, log, state }: Pick<SourceContext, "clock" | "log" | "state">,
): Promise<void> {
  const stays = (why: string) =>
    log.warn(`Replication slot "${slot}" stays, and the server keeps its log for it: ${why}`, {
      hint: `Start the pipeline again, or run: SELECT pg_drop_replication_slot('${slot}')`,
    });
  if (position?.snapshot !== undefined) {
    return stays("the snapshot is not complete, and can't go on without it");
  }
  // Before the slot goes: who finds it missing should know why.
  if (position !== undefined) await state.put(DROPPED, { slot, lsn: position.lsn });
  const startedMs = clock.monotonicMs();
  for (;;) {
    try {
      await dropSlot(catalog, slot);
      return log.info(
        `Dropped replication slot "${slot}" (drop_slot_on_stop): what changes from now on is not captured`,
      );
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      const isActive = error.code === "conflict_slot_active";
      if (!isActive || clock.monotonicMs() - startedMs > WAIT_MS) return stays(error.message);
      await clock.sleep(PAUSE_MS);
    }
  }
}

/** Whether the slot was dropped when everything before this position was durable, and nothing behind it was read. */
export async function wasDropped(
  state: SourceContext["state"],
  { slot, lsn }: Pick<PostgresPosition, "slot" | "lsn">,
): Promise<boolean> {
  const dropped = await state.get(DROPPED) as { readonly slot: string; readonly lsn: string } | undefined;
  return dropped?.slot === slot && dropped.lsn === lsn;
}
