/** `orders`: purchases in a shop. */
import { choice, float, hundredths, instant, integer, MADE_AT, numbered, OWN, SEQUENCE } from "./fields.ts";
import { type Pattern, type PatternOptions, replaceOne } from "./pattern.ts";

const ID = OWN, PRODUCT = OWN + 1, QUANTITY = OWN + 2, UNIT_PRICE = OWN + 3, TOTAL = OWN + 4;
const CUSTOMER = OWN + 5, CURRENCY = OWN + 6, STATUS = OWN + 7, CREATED_AT = OWN + 8;

// deno-fmt-ignore
const PRODUCTS = [
  "Widget Pro", "Gadget X", "Super Tool", "Mega Device", "Ultra Kit", "Power Pack", "Smart Hub", "Data Box",
  "Cloud Unit", "Sync Module",
];
const STATUSES = ["pending", "confirmed", "processing", "shipped", "delivered", "cancelled"];
const CURRENCIES = ["USD", "EUR", "GBP", "JPY", "AUD"];
const WEEK_SECONDS = 7 * 86400;
/** From here on a status is final. */
const DELIVERED = STATUSES.indexOf("delivered");

export function orders({ priceMode }: PatternOptions): Pattern {
  const cents = priceMode === "cents";
  const amount = cents ? hundredths : float;
  return {
    width: OWN + 9,
    identityWidth: 1,
    fields: [
      numbered("order_id", ID, "ORD-"),
      numbered("customer_id", CUSTOMER, "user_"),
      choice("product", PRODUCT, PRODUCTS),
      integer("quantity", QUANTITY),
      amount("unit_price", UNIT_PRICE),
      amount("total_amount", TOTAL),
      choice("currency", CURRENCY, CURRENCIES),
      choice("status", STATUS, STATUSES),
      instant("created_at", CREATED_AT),
    ],
    draw(random, row, from) {
      row[from + ID] = row[from + SEQUENCE];
      row[from + PRODUCT] = random.below(PRODUCTS.length);
      row[from + QUANTITY] = random.range(1, 10);
      const price = random.fraction() * 200 + 10;
      // Upstream means to keep two decimals and divides after rounding instead: what is left is binary noise.
      row[from + UNIT_PRICE] = cents ? Math.round(price * 100) : Math.round(price) / 100 * 100;
      row[from + TOTAL] = row[from + UNIT_PRICE] * row[from + QUANTITY];
      row[from + CUSTOMER] = random.range(1, 10000);
      row[from + CURRENCY] = random.below(CURRENCIES.length);
      row[from + STATUS] = random.below(STATUSES.length);
      row[from + CREATED_AT] = row[from + MADE_AT] - random.below(WEEK_SECONDS) * 1_000_000;
    },
    /** The status moves on by one; with a final status, or one time in three, the quantity and the total change. */
    amend(random, row, from) {
      const moves = row[from + STATUS] < DELIVERED;
      if (moves) row[from + STATUS]++;
      if (moves && random.below(3) > 0) return;
      replaceOne(random, row, from, { slot: QUANTITY, from: 1, to: 10 });
      row[from + TOTAL] = row[from + UNIT_PRICE] * row[from + QUANTITY];
    },
  };
}
