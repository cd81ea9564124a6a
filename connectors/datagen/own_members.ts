/** The members that only datagen adds to a change's `source`, as JSON text. Used by source.ts for each change. */
import type { Change } from "./changes.ts";
import { encode, putInteger } from "./patterns/text.ts";

/** Upstream's members in upstream's order: crates/rivven-connect, connectors/datagen.rs, add_cdc_metadata. */
export class OwnMembers {
  #digits = 0;
  /** The first number with more digits. */
  #limit = 0;
  /** Two arrays for each change, in turn; the turn is the change's own, since tombstones follow deletes only. */
  readonly #turns: Record<Change, number> = { insert: 0, update: 0, delete: 0, snapshot: 0 };
  readonly #texts: Record<Change, Uint8Array[]> = { insert: [], update: [], delete: [], snapshot: [] };

  /**
   * `,"cdc":{…}` for one change. BatchWriter takes the array of the record before for the same members, so it is
   * another one than last time; it is written over two such changes later.
   */
  of(change: Change, sequence: number): Uint8Array {
    while (sequence >= this.#limit) this.#lengthen();
    const text = this.#texts[change][this.#turns[change] ^= 1];
    putInteger(text, OPENINGS[change].length, sequence);
    return text;
  }

  #lengthen(): void {
    this.#digits++;
    this.#limit = 10 ** this.#digits;
    const digits = "0".repeat(this.#digits);
    for (const change of Object.keys(OPENINGS) as Change[]) {
      this.#texts[change] = [0, 1].map(() => encode(OPENINGS[change] + digits + CLOSING));
    }
  }
}

const OPENINGS: Record<Change, string> = {
  insert: opening("insert"),
  update: opening("update"),
  delete: opening("delete"),
  snapshot: opening("snapshot"),
};
const CLOSING = ',"source":"datagen","simulated":true}';

function opening(change: Change): string {
  return `,"cdc":{"operation":"${change}","sequence":`;
}
