import assert from "node:assert/strict";
import type { Stream } from "../../formats/data/stream.ts";
import { StreamFields } from "./field_rules.ts";
import { parseSelector } from "./selector.ts";

const USERS: Stream = {
  name: "users",
  namespace: "public",
  database: "shop",
  key: ["id"],
  payload: "row",
  version: 1,
};
const ORDERS: Stream = { ...USERS, name: "orders" };

/** What of a row of the stream is selected, as paths. */
function selected(
  stream: Stream,
  selectors: readonly string[],
  row: Record<string, unknown>,
  ignoreCase = false,
) {
  const entries = selectors.map((text) => ({ selector: parseSelector(text, ignoreCase), action: text }));
  const found: string[] = [];
  new StreamFields(entries, stream).changeRow(row as never, (value, _, path) => {
    found.push(path.join("/"));
    return value;
  });
  return found;
}

const ROW = { id: 1, ssn: "s", SSN: "t", card_no: "c", "a.b": "d", users: { email: "e" }, email: "f" };

Deno.test("a bare name selects the column of every table, and case counts unless it is told not to", () => {
  assert.deepEqual(selected(USERS, ["ssn"], ROW), ["ssn"]);
  assert.deepEqual(selected(ORDERS, ["ssn"], ROW), ["ssn"]);
  assert.deepEqual(selected(USERS, ["ssn"], ROW, true), ["ssn", "SSN"]);
});

Deno.test("a table before a colon restricts to it, by name, with schema, with database, as a pattern, whatever the case", () => {
  for (const table of ["users", "public.users", "shop.public.users", "*", "pub*.u?ers", "/.*\\.users/"]) {
    assert.deepEqual(selected(USERS, [`${table}:ssn`], ROW), ["ssn"], table);
  }
  for (const table of ["users", "public.users", "shop.public.users", "/.*\\.users/"]) {
    assert.deepEqual(selected(ORDERS, [`${table}:ssn`], ROW), [], table);
  }
  assert.deepEqual(selected(USERS, ["PUBLIC.Users:email"], ROW, true), ["email"]);
});

Deno.test("dots without a colon mean every thing that they can mean", () => {
  assert.deepEqual(selected(USERS, ["users.email"], ROW), ["users/email", "email"]);
  assert.deepEqual(selected(ORDERS, ["users.email"], ROW), ["users/email"]);
  assert.deepEqual(selected(USERS, ["public.users.ssn"], ROW), ["ssn"]);
  assert.deepEqual(selected(USERS, ["shop.public.users.ssn"], ROW), ["ssn"]);
  assert.deepEqual(selected(ORDERS, ["public.users.ssn"], ROW), []);
});

Deno.test("patterns, regular expressions for whole names, and quoted dots", () => {
  assert.deepEqual(selected(USERS, ["card_*"], ROW), ["card_no"]);
  assert.deepEqual(selected(USERS, ["/(ssn|card_no)/"], ROW), ["ssn", "card_no"]);
  assert.deepEqual(selected(USERS, ["/public\\.users\\.ss./"], ROW), ["ssn"]);
  assert.deepEqual(selected(ORDERS, ["/public\\.users\\.ss./"], ROW), []);
  assert.deepEqual(selected(USERS, ["/ss/"], ROW), []);
  assert.deepEqual(selected(USERS, ['"a.b"'], ROW), ["a.b"]);
  assert.deepEqual(selected(USERS, ["`a.b`"], ROW), ["a.b"]);
  assert.throws(() => parseSelector("/(a+)+b/"), /can take forever/);
});

Deno.test("paths enter objects, arrays, arrays of arrays, and texts that hold JSON", () => {
  const row = {
    profile: { phones: [{ no: 1, kind: "x" }, [{ no: 2 }]], no: 3 },
    raw: '{"phones":[{"no":4}]}',
    text: "[not json",
  };
  assert.deepEqual(selected(USERS, ["profile.phones.no"], row), ["profile/phones/no", "profile/phones/no"]);
  assert.deepEqual(selected(USERS, ["profile.phones[*].no"], row).length, 2);
  assert.deepEqual(selected(USERS, ["*.phones.no"], row).length, 3);
  assert.deepEqual(selected(USERS, ["text.no"], row), []);
});

Deno.test("of several selectors the first counts, and a column as a whole before what is in it", () => {
  const entries = ["profile.no", "profile", "*"].map((text) => ({
    selector: parseSelector(text),
    action: text,
  }));
  const seen: string[] = [];
  new StreamFields(entries, USERS).changeRow({ profile: { no: 1 }, id: 2 }, (value, action) => {
    seen.push(action);
    return value;
  });
  assert.deepEqual(seen, ["profile", "*"]);
});

Deno.test("what selects nothing at all is no selector", () => {
  for (const text of ["", " ", ".a", "a.", "a..b", '"a', '"a"b', "a[0]", "t:", "/(/", "a[*]b"]) {
    assert.throws(() => parseSelector(text), SyntaxError, text);
  }
});
