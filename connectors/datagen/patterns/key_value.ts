/** `key_value`: a key and a random value. */
import { hex, numbered, OWN, SEQUENCE } from "./fields.ts";
import type { Pattern } from "./pattern.ts";
import type { SeededRandom } from "../seeded_random.ts";

const KEY = OWN, VALUE = OWN + 1;

export function keyValue(): Pattern {
  return {
    width: OWN + 3,
    identityWidth: 1,
    fields: [numbered("key", KEY, "key_"), hex("value", VALUE, "value_")],
    draw(random, row, from) {
      row[from + KEY] = row[from + SEQUENCE];
      drawValue(random, row, from);
    },
    amend: drawValue,
  };
}

function drawValue(random: SeededRandom, row: Float64Array, from: number): void {
  random.next();
  row[from + VALUE] = random.high;
  row[from + VALUE + 1] = random.low;
}
