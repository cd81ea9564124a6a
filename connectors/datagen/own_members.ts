/** The members that only datagen adds to a change's `source`, as JSON text. Used by source.ts for each change. */
import type { Change } from "./changes.ts";
import { encode, putInteger } from "./patterns/text.ts";

/** Upstream's members in upstream's order: crates/rivven-connect, connectors/datagen.rs, add_cdc_metadata. */
export class OwnMembers {
  #digits = 0;
  /** The first number with more digits. */
  #limit = 0;
  #turn = 0;
  /** Two arrays for each change, in turn. */
  readonly #texts: Record<Change, Uint8Array[]> = { insert: [], update: [], delete: [], snapshot: [] };

  /**
   * `,"cdc":{…}` for one change. BatchWriter takes the array of the record before for the same members, so it is
   * another one than last time; it is written over two calls later.
   */
  of(change: Change, sequence: number): Uint8Array {
    while (sequence >= this.#limit) this.#lengthen();
    this.#turn ^= 1;
    const text = this.#texts[change][this.#turn];
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
