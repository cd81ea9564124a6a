/** `events`: what visitors do on a site, each type with its own payload. */
import {
  choice,
  column,
  type Field,
  hex,
  integer,
  numbered,
  OWN,
  prefixOf,
  putFloat,
  SEQUENCE,
} from "./fields.ts";
import { type Pattern, type PatternOptions, replaceSome } from "./pattern.ts";
import { encode, put, putHundredths, putInteger } from "./text.ts";

const ID = OWN, TYPE = OWN + 2, SOURCE = OWN + 3, USER = OWN + 4, SESSION = OWN + 5;
/** Up to three numbers of the payload, whose meaning depends on the type. */
const FIRST = OWN + 7, SECOND = OWN + 8, THIRD = OWN + 9;

// deno-fmt-ignore
const TYPES = [
  "page_view", "click", "signup", "purchase", "logout", "error", "search", "add_to_cart", "remove_from_cart",
  "checkout",
];
const PAGE_VIEW = TYPES.indexOf("page_view");
const CLICK = TYPES.indexOf("click");
const PURCHASE = TYPES.indexOf("purchase");
const SOURCES = ["web", "mobile_ios", "mobile_android", "api", "webhook"];

export function events({ priceMode }: PatternOptions): Pattern {
  const cents = priceMode === "cents";
  return {
    width: OWN + 10,
    identityWidth: 2,
    fields: [
      hex("event_id", ID, "evt_"),
      choice("event_type", TYPE, TYPES),
      integer("sequence", SEQUENCE, "int64"),
      choice("source", SOURCE, SOURCES),
      numbered("user_id", USER, "user_"),
      hex("session_id", SESSION, "sess_", 12),
      payload(cents),
    ],
    draw(random, row, from) {
      const type = random.below(TYPES.length);
      row[from + TYPE] = type;
      random.next();
      row[from + ID] = random.high;
      row[from + ID + 1] = random.low;
      row[from + SOURCE] = random.below(SOURCES.length);
      row[from + USER] = random.range(1, 10000);
      random.next();
      row[from + SESSION] = random.high;
      row[from + SESSION + 1] = random.low >>> 16;
      if (type === PAGE_VIEW) {
        row[from + FIRST] = random.range(1, 100);
        row[from + SECOND] = random.truth();
        row[from + THIRD] = random.range(100, 30000);
      } else if (type === CLICK) {
        row[from + FIRST] = random.range(1, 50);
        row[from + SECOND] = random.below(1920);
        row[from + THIRD] = random.below(1080);
      } else if (type === PURCHASE) {
        const amount = random.fraction() * 500;
        row[from + FIRST] = cents ? Math.round(amount * 100) : Math.round(amount) / 100 * 100;
        row[from + SECOND] = random.range(1, 10);
      }
    },
    // The type stays, because the payload hangs on it.
    amend: replaceSome([
      { slot: SOURCE, from: 0, to: SOURCES.length },
      { slot: USER, from: 1, to: 10000 },
      { slot: SESSION + 1, from: 0, to: 1 << 16 },
    ]),
  };
}

function payload(cents: boolean): Field {
  const empty = encode(',"payload":{}');
  const page = prefixOf("payload", '{"url":"/page/');
  const referrer = [
    encode('","referrer":null,"duration_ms":'),
    encode('","referrer":"https://search.example.com","duration_ms":'),
  ];
  const button = prefixOf("payload", '{"element_id":"btn_');
  const x = encode('","x":');
  const y = encode(',"y":');
  const amount = prefixOf("payload", '{"amount":');
  const items = encode(',"items":');
  const putAmount = cents ? putHundredths : putFloat;
  return {
    column: column("payload", { kind: "json" }),
    maxBytes: 128,
    write(bytes, at, row, from) {
      const type = row[from + TYPE];
      if (type === PAGE_VIEW) {
        at = putInteger(bytes, put(bytes, at, page), row[from + FIRST]);
        at = put(bytes, at, referrer[row[from + SECOND]]);
        at = putInteger(bytes, at, row[from + THIRD]);
      } else if (type === CLICK) {
        at = putInteger(bytes, put(bytes, at, button), row[from + FIRST]);
        at = putInteger(bytes, put(bytes, at, x), row[from + SECOND]);
        at = putInteger(bytes, put(bytes, at, y), row[from + THIRD]);
      } else if (type === PURCHASE) {
        at = putAmount(bytes, put(bytes, at, amount), row[from + FIRST]);
        at = putInteger(bytes, put(bytes, at, items), row[from + SECOND]);
      } else return put(bytes, at, empty);
      bytes[at] = 0x7d;
      return at + 1;
    },
  };
}
