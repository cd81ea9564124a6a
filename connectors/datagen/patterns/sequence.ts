/** `sequence`: integers, counting up. */
import { integer, OWN, SEQUENCE } from "./fields.ts";
import type { Pattern } from "./pattern.ts";

const VALUE = OWN;

export function sequence(): Pattern {
  return {
    width: OWN + 1,
    identityWidth: 1,
    fields: [integer("value", VALUE, "int64")],
    draw(_random, row, from) {
      row[from + VALUE] = row[from + SEQUENCE];
    },
  };
}
