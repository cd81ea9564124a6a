/** `users`: people with a name, a mail address and a country. */
import {
  choice,
  column,
  date,
  type Field,
  integer,
  MADE_AT,
  numbered,
  OWN,
  prefixOf,
  SEQUENCE,
  truth,
} from "./fields.ts";
import { type Pattern, type PatternOptions, replaceSome } from "./pattern.ts";
import { dayOf, encode, put } from "./text.ts";

const ID = OWN, FIRST = OWN + 1, LAST = OWN + 2, DOMAIN = OWN + 3, COUNTRY = OWN + 4;
const AGE = OWN + 5, PREMIUM = OWN + 6, SIGNUP_DAY = OWN + 7;

// deno-fmt-ignore
const FIRST_NAMES = [
  "Alice", "Bob", "Carol", "David", "Eve", "Frank", "Grace", "Henry", "Ivy", "Jack", "Kate", "Leo", "Mia", "Noah",
  "Olivia", "Peter",
];
// deno-fmt-ignore
const LAST_NAMES = [
  "Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Martinez", "Anderson", "Taylor",
  "Thomas", "Moore", "White",
];
const COUNTRIES = ["US", "UK", "DE", "FR", "JP", "AU", "CA", "BR", "IN", "MX"];
/** Upstream's: all but the first belong to somebody. */
const DOMAINS = ["example.com", "test.org", "demo.net", "mail.io", "acme.co"];
/** As many, from those that nobody can own: RFC 2606. */
const SAFE_DOMAINS = ["example.com", "example.org", "example.net", "mail.example", "acme.example"];

export function users({ safeDomains }: PatternOptions): Pattern {
  return {
    width: OWN + 8,
    identityWidth: 1,
    fields: [
      numbered("user_id", ID, "user_"),
      choice("first_name", FIRST, FIRST_NAMES),
      choice("last_name", LAST, LAST_NAMES),
      email(safeDomains ? SAFE_DOMAINS : DOMAINS),
      integer("age", AGE),
      choice("country", COUNTRY, COUNTRIES),
      truth("premium", PREMIUM),
      date("signup_date", SIGNUP_DAY),
    ],
    draw(random, row, from) {
      row[from + ID] = row[from + SEQUENCE];
      row[from + FIRST] = random.below(FIRST_NAMES.length);
      row[from + LAST] = random.below(LAST_NAMES.length);
      row[from + DOMAIN] = random.below(DOMAINS.length);
      row[from + COUNTRY] = random.below(COUNTRIES.length);
      row[from + AGE] = random.upperRange(18, 80);
      row[from + PREMIUM] = random.truth();
      row[from + SIGNUP_DAY] = dayOf(row[from + MADE_AT]) - random.below(3 * 365);
    },
    amend: replaceSome([
      { slot: DOMAIN, from: 0, to: DOMAINS.length },
      { slot: COUNTRY, from: 0, to: COUNTRIES.length },
      { slot: AGE, from: 18, to: 80 },
      { slot: PREMIUM, from: 0, to: 2 },
    ]),
  };
}

/** `kate.brown@acme.co`: the names in lower case, and the domain. */
function email(domains: readonly string[]): Field {
  const prefix = prefixOf("email", '"');
  const firsts = FIRST_NAMES.map((name) => encode(`${name.toLowerCase()}.`));
  const lasts = LAST_NAMES.map((name) => encode(`${name.toLowerCase()}@`));
  const ends = domains.map((domain) => encode(`${domain}"`));
  return {
    column: column("email", { kind: "string" }),
    maxBytes: 64,
    write(bytes, at, row, from) {
      at = put(bytes, put(bytes, at, prefix), firsts[row[from + FIRST]]);
      return put(bytes, put(bytes, at, lasts[row[from + LAST]]), ends[row[from + DOMAIN]]);
    },
  };
}
