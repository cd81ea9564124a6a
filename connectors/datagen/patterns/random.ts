/** `random`: objects with one field of each simple type. */
import { choice, hex, hundredths, integer, OWN, truth } from "./fields.ts";
import { type Pattern, replaceSome } from "./pattern.ts";

const ID = OWN, VALUE = OWN + 2, RATIO = OWN + 3, ACTIVE = OWN + 4, CATEGORY = OWN + 5;

const CATEGORIES = ["A", "B", "C", "D"];

export function random(): Pattern {
  return {
    width: OWN + 6,
    identityWidth: 2,
    fields: [
      hex("id", ID, ""),
      integer("value", VALUE),
      hundredths("ratio", RATIO),
      truth("active", ACTIVE),
      choice("category", CATEGORY, CATEGORIES),
    ],
    draw(random, row, from) {
      random.next();
      row[from + ID] = random.high;
      row[from + ID + 1] = random.low;
      row[from + VALUE] = random.below(1000);
      row[from + RATIO] = Math.round(random.fraction() * 100);
      row[from + ACTIVE] = random.truth();
      row[from + CATEGORY] = random.below(4);
    },
    amend: replaceSome([
      { slot: VALUE, from: 0, to: 1000 },
      { slot: RATIO, from: 0, to: 101 },
      { slot: ACTIVE, from: 0, to: 2 },
      { slot: CATEGORY, from: 0, to: CATEGORIES.length },
    ]),
  };
}
