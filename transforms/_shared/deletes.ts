/** Tombstones go where their delete went: what was decided about a delete, for the tombstone that follows it. */
import type { DataRecord } from "../../formats/data/record.ts";
import { isSame } from "../_expression/compare.ts";

/** Remembers the last delete, because its tombstone comes right behind it, if not in the same batch. */
export class LastDelete<Decision> {
  #delete: DataRecord | undefined;
  #decision: Decision | undefined;

  /** Called for every delete. */
  remember(record: DataRecord, decision: Decision): void {
    this.#delete = record;
    this.#decision = decision;
  }

  /** What was decided about the delete that a tombstone belongs to; undefined when that is not known. */
  of(tombstone: DataRecord): Decision | undefined {
    const last = this.#delete;
    const isSameRow = last !== undefined && last.key !== undefined && tombstone.key !== undefined &&
      last.stream.name === tombstone.stream.name && last.stream.namespace === tombstone.stream.namespace &&
      isSame(last.key, tombstone.key);
    return isSameRow ? this.#decision : undefined;
  }
}
