import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Row, Value } from "../../formats/data/value.ts";
import { compileExpression, ExpressionError, type ExpressionOptions } from "./expression.ts";

function streamOf(types?: Readonly<Record<string, ColumnType>>): Stream {
  const columns: Column[] | undefined = types &&
    Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }));
  return {
    name: "orders",
    namespace: "public",
    database: "shop",
    columns,
    key: ["id"],
    payload: "row",
    version: 1,
  };
}

const ANY = streamOf();

function recordOf(after: Value | undefined, more: Partial<DataRecord> = {}): DataRecord {
  return { stream: ANY, operation: "insert", after, timeMicros: 1_767_225_600_123_456n, ...more };
}

function test(text: string, after: Row, types?: Readonly<Record<string, ColumnType>>): boolean | null {
  return compileExpression(text).test(recordOf(after, types && { stream: streamOf(types) }));
}

function value(
  text: string,
  after: Row,
  types?: Readonly<Record<string, ColumnType>>,
  options?: ExpressionOptions,
) {
  return compileExpression(text, options).evaluate(recordOf(after, types && { stream: streamOf(types) }));
}

const DECIMAL: ColumnType = { kind: "decimal", precision: 12, scale: 2 };
const INT64: ColumnType = { kind: "int64" };
const TEXT: ColumnType = { kind: "string" };
const TIMESTAMPTZ: ColumnType = { kind: "timestamptz", precision: 6 };

Deno.test("the three-part conditions of earlier versions mean what they meant", () => {
  const cases: [string, Row, boolean | null, Readonly<Record<string, ColumnType>>?][] = [
    ["status = active", { status: "active" }, true],
    ["status == active", { status: "active" }, true],
    ["status = active", {}, false],
    ["status = active", { status: null }, false],
    ["status != active", {}, true],
    ["status <> active", { status: "active" }, false],
    ["status != active", { status: null }, true],
    ["id = 1", { id: "1" }, false, { id: TEXT }],
    ["id = 1", { id: 1n }, true, { id: INT64 }],
    ['id = "1"', { id: 1 }, false],
    ['status = "active"', { status: "active" }, true],
    ["status = true", { status: true }, true],
    ["status = true", { status: "true" }, false],
    ["note = two words", { note: "two words" }, true],
    ["note = salt and pepper", { note: "salt and pepper" }, true],
    ["status = in-progress", { status: "in-progress" }, true],
    ["status = wip-2", { status: "wip-2" }, true],
    ["created = 2026-01-31", { created: "2026-01-31" }, true],
    ["user-id = 5", { "user-id": 5 }, true],
    ["a.b = 5", { a: { b: 5 } }, true],
    ["a.b = 5", { "a.b": 5 }, true],
    ['tags = ["a",{"b":1}]', { tags: ["a", { b: 1 }] }, true],
    ["x = null", { x: null }, true],
    ["x = null", {}, false],
    ["x != null", { x: 1 }, true],
    ['tier in ["a","b"]', { tier: "b" }, true],
    ['tier in ["a","b"]', {}, false],
    ["tier in [1, null]", { tier: null }, true],
    ["tier in []", { tier: "a" }, false],
    ["email is_null", {}, true],
    ["email is_null", { email: null }, true],
    ["email is_null x", { email: "a" }, false],
    ["email is_not_null", { email: "a" }, true],
    ["email is_not_null anything", {}, false],
    ["email matches @corp\\.example$", { email: "a@corp.example" }, true],
    ["email matches @corp\\.example$", { email: "a@corp.example.org" }, false],
    ["email matches ^(a|b)@", { email: "b@x" }, true],
    ["email matches @", { email: 5 }, false],
    ["id = 9007199254740993", { id: 9007199254740993n }, true, { id: INT64 }],
    ["id = 9007199254740993", { id: 9007199254740992n }, false, { id: INT64 }],
    ["amount = 1.50", { amount: "1.5" }, true, { amount: DECIMAL }],
    ["naïve = ja", { naïve: "ja" }, true],
  ];
  for (const [text, row, expected, types] of cases) assert.equal(test(text, row, types), expected, text);
});

Deno.test("the grammar: comparisons, lists, patterns, ranges", () => {
  const cases: [string, Row, boolean | null, Readonly<Record<string, ColumnType>>?][] = [
    ["amount > 100 AND status <> 'draft'", { amount: "100.01", status: "x" }, true, {
      amount: DECIMAL,
      status: TEXT,
    }],
    ["amount > 100 AND status <> 'draft'", { amount: "100.00", status: "x" }, false, {
      amount: DECIMAL,
      status: TEXT,
    }],
    ["amount > 100", { amount: "100.01" }, null],
    ["amount > '100'", { amount: "100.01" }, true, { amount: DECIMAL }],
    ["priority > 5", { priority: 6 }, true],
    ["priority >= 5 and priority <= 5", { priority: 5 }, true],
    ["status = active AND priority > 5", { status: "active", priority: 6 }, true],
    ["status = active AND enabled", { status: "active", enabled: true }, true],
    ["status = 'active' OR status = 'new'", { status: "new" }, true],
    ["NOT (status = 'active')", { status: "new" }, true],
    ["not status = 'active'", { status: "active" }, false],
    ["status != 'active'", {}, null],
    ["status IN ('a', 'b')", { status: "b" }, true],
    ["status NOT IN ('a', 'b')", { status: "c" }, true],
    ["status NOT IN ('a', 'b')", { status: null }, null],
    ['status IN ["a", "b"] AND n IN (1, 2)', { status: "a", n: 2 }, true],
    ["id IN (9007199254740993, 2)", { id: 9007199254740993n }, true, { id: INT64 }],
    ["id IN (9007199254740993, 2)", { id: 9007199254740992n }, false, { id: INT64 }],
    ["amount IN (1.5, 2)", { amount: "1.50" }, true, { amount: DECIMAL }],
    ["name LIKE 'A%'", { name: "Ada" }, true],
    ["name LIKE 'a%'", { name: "Ada" }, false],
    ["name ILIKE 'a%'", { name: "Ada" }, true],
    ["name NOT LIKE '_d_'", { name: "Ada" }, false],
    ["name LIKE '_'", { name: "😀" }, true],
    ["name LIKE '100\\%'", { name: "100%" }, true],
    ["name LIKE '%a%b%c%'", { name: "xxaxxbxxcxx" }, true],
    ["name LIKE '%a%b%c'", { name: "xxaxxbxxcxx" }, false],
    ["name LIKE 'A%'", { name: null }, null],
    ["n BETWEEN 1 AND 3 AND m = 1", { n: 3, m: 1 }, true],
    ["n NOT BETWEEN 1 AND 3", { n: 4 }, true],
    ["email IS NULL", {}, true],
    ["email IS NOT NULL AND n = 1", { email: "a", n: 1 }, true],
    ["email is_null AND n = 1", { n: 1 }, true],
    ["email is_not_null x AND n = 1", { email: "x", n: 1 }, true],
    ["email MATCHES '^a' OR n = 1", { email: "abc" }, true],
    ["email NOT MATCHES '^a'", { email: "abc" }, false],
    ["a IS DISTINCT FROM b", { a: "b" }, false],
    ["a IS DISTINCT FROM after.b", { a: 1, b: null }, true],
    ["a IS NOT DISTINCT FROM after.b", { a: null }, true],
    ["(a > 1) IS UNKNOWN", {}, true],
    ["active IS NOT TRUE", { active: null }, true],
    ["active = true AND NOT (deleted = true)", { active: true, deleted: false }, true],
    ["a.b[1].c = 'x' AND n = 1", { a: { b: [0, { c: "x" }] }, n: 1 }, true],
    ["a.`weird name`.5 = 1 AND n = 1", { a: { "weird name": { 5: 1 } }, n: 1 }, true],
    ['"order" > 5', { order: 6 }, true],
    ["`group` > 5 AND n = 1", { group: 6, n: 1 }, true],
    ['status = "active" AND n = 1', { status: "active", n: 1 }, true],
    ['status = "other" AND n = 1', { status: "x", other: "x", n: 1 }, true, {
      status: TEXT,
      other: TEXT,
      n: INT64,
    }],
    ["price * quantity > 100", { price: "33.40", quantity: 3 }, true, {
      price: DECIMAL,
      quantity: { kind: "int32" },
    }],
    ["a - b = 1", { a: 9007199254740993n, b: 9007199254740992n }, true, { a: INT64, b: INT64 }],
    ["-a = -5", { a: 5 }, true],
    ["n > .5", { n: 1 }, true],
    ["n < 1e3 && !(n = 7)", { n: 8 }, true],
    ["'x' = status", { status: "x" }, true],
    ["constructor IS NULL", { n: 1 }, true],
    ["constructor = 'x'", { constructor: "x" } as unknown as Row, true],
  ];
  for (const [text, row, expected, types] of cases) assert.equal(test(text, row, types), expected, text);
});

Deno.test("three truth values: unknown is neither kept by NOT nor by OR with no", () => {
  const truth: [string, string][] = [["(t = 1)", "T"], ["(f = 1)", "F"], ["(u = 1)", "U"]];
  const and: Record<string, boolean | null> = {
    TT: true,
    TF: false,
    TU: null,
    FF: false,
    FU: false,
    UU: null,
  };
  const or: Record<string, boolean | null> = { TT: true, TF: true, TU: true, FF: false, FU: null, UU: null };
  const row = { t: 1, f: 0, u: null };
  for (const [a, x] of truth) {
    for (const [b, y] of truth) {
      const both = [x, y].toSorted((p, q) => "TFU".indexOf(p) - "TFU".indexOf(q)).join("");
      assert.equal(test(`${a} AND ${b}`, row), and[both], `${a} AND ${b}`);
      assert.equal(test(`${a} OR ${b}`, row), or[both], `${a} OR ${b}`);
    }
  }
  assert.equal(test("NOT (u = 1)", row), null);
});

Deno.test("values are compared exactly, by the type of their column", () => {
  const cases: [string, Value, ColumnType, boolean | null][] = [
    ["v > 9007199254740992 AND v < 9007199254740994", 9007199254740993n, INT64, true],
    ["v = 18446744073709551615 AND v > 0", 18446744073709551615n, { kind: "uint64" }, true],
    ["v > 12345678901234567890.12 AND v > 0", "12345678901234567890.13", { kind: "decimal" }, true],
    ["v = 12345678901234567890.12 AND v > 0", "12345678901234567890.120", { kind: "decimal" }, true],
    ["v < 12345678901234567890.12 AND v > 0", "12345678901234567890.12", { kind: "decimal" }, false],
    ["v > -0.1 AND v < 0.1", "-0.00", { kind: "decimal" }, true],
    ["v > 1000000 AND v > 0", "NaN", { kind: "decimal" }, true],
    ["v < 0 AND v < 1", "-Infinity", { kind: "float64" }, true],
    ["v = 0.1 AND v < 1", 0.1, { kind: "float64" }, true],
    ["v > '2026-01-01T00:00:00Z'", "2026-01-01T01:00:00+02:00", TIMESTAMPTZ, false],
    [
      "v = '2026-01-01 00:00:00+00' AND v < '2027-01-01'",
      "2026-01-01T02:00:00.000000+02:00",
      TIMESTAMPTZ,
      true,
    ],
    ["v > '2026-01-01T00:00:00.123456788' AND true", "2026-01-01T00:00:00.123456789", {
      kind: "timestamp",
      precision: 9,
    }, true],
    ["v BETWEEN '2026-01-01' AND '2026-12-31'", "2026-06-30", { kind: "date" }, true],
    ["v < '0001-01-01'", "-0044-03-15", { kind: "date" }, true],
    ["v > '9999-12-31'", "infinity", { kind: "date" }, true],
    ["v < '09:00'", "08:59:59.5", { kind: "time", precision: 1 }, true],
    ["v = '10:00:00Z' AND true", "12:00:00+02:00", { kind: "timetz", precision: 0 }, true],
    ["v > 'never'", "2026-01-01", { kind: "date" }, null],
    ["v > '2026-02-30'", "2026-01-01", { kind: "date" }, null],
    ["v = '6F0B1D1E-7C4A-4B9E-8F55-0123456789AB' AND true", "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab", {
      kind: "uuid",
    }, true],
    ["v = '2026-01-01T00:00:00Z' AND true", "2026-01-01T00:00:00+00:00", TEXT, false],
    ["v > 'Z'", "a", TEXT, true],
    ["v < '\uffff'", "😀", TEXT, false],
    ["v = 'abc' AND true", "5.00", DECIMAL, false],
    ["v > 'abc'", "5.00", DECIMAL, null],
    ["v > 5", "6", TEXT, null],
  ];
  for (const [text, v, type, expected] of cases) assert.equal(test(text, { v }, { v: type }), expected, text);
});

Deno.test("a path reads the row after, the row before of a delete, the key of a tombstone; prefixes say which", () => {
  const has = (text: string, record: Partial<DataRecord>) =>
    compileExpression(text).test(recordOf(undefined, record as DataRecord));
  assert.equal(has("id = 7", { operation: "delete", before: { id: 7 } }), true);
  assert.equal(has("id = 7", { operation: "update", before: { id: 8 }, after: { id: 7 } }), true);
  assert.equal(has("before.id = 8", { operation: "update", before: { id: 8 }, after: { id: 7 } }), true);
  assert.equal(
    has("before.id = 8 AND after.id = 7", { operation: "update", before: { id: 8 }, after: { id: 7 } }),
    true,
  );
  assert.equal(has("after.id > 6", { operation: "delete", before: { id: 7 } }), null);
  assert.equal(has("id = 7", { operation: "tombstone", key: { id: 7 } }), true);
  assert.equal(has("key.id = 7", { operation: "delete", key: { id: 7 } }), true);
  assert.equal(has("key.id > 6", { operation: "record", key: new Uint8Array([7]), after: "text" }), null);
  const unchanged = {
    operation: "update",
    before: { id: 1, doc: "x" },
    after: { id: 1 },
    unavailable: ["doc"],
  } as const;
  assert.equal(has("doc = 'x'", unchanged), true);
  assert.equal(has("source.lsn = '0/1' AND source.table = 'orders'", { source: { lsn: "0/1" } }), true);
  assert.equal(has("source.ts_ms > 1767225600122 AND source.db = 'shop'", {}), true);
  assert.equal(has("n > 1", { operation: "record", after: [1, 2] }), null);
});

Deno.test("Debezium's conditions are understood", () => {
  const expression = compileExpression("value.op == 'u' && value.before.id == 2");
  assert.equal(expression.test(recordOf({ id: 2 }, { operation: "update", before: { id: 2 } })), true);
  assert.equal(expression.test(recordOf({ id: 2 }, { operation: "update", before: { id: 3 } })), false);
  assert.equal(expression.test(recordOf({ id: 2 }, { operation: "insert" })), false);
  const topic = compileExpression("value.op == 'u' ? 'updates' : null");
  assert.equal(topic.evaluate(recordOf({ id: 2 }, { operation: "update" })), "updates");
  assert.equal(topic.evaluate(recordOf({ id: 2 })), null);
});

Deno.test("functions", () => {
  const row = {
    name: "  Zoë😀 ",
    n: -5,
    big: -9007199254740993n,
    d: "-1.50",
    tags: ["a", 2],
    doc: { a: [{ b: 1 }] },
    text: '{"a":{"b":9007199254740993}}',
    nothing: null,
  };
  const types: Record<string, ColumnType> = {
    name: TEXT,
    n: { kind: "int32" },
    big: INT64,
    d: DECIMAL,
    tags: { kind: "json" },
    doc: { kind: "json" },
    text: TEXT,
    nothing: TEXT,
  };
  const cases: [string, Value | undefined][] = [
    ["lower(name)", "  zoë😀 "],
    ["upper(trim(name))", "ZOË😀"],
    ["length(trim(name))", 4],
    ["length(tags)", 2],
    ["length(nothing)", null],
    ["substr('Zoë😀x', 4)", "😀x"],
    ["substr('Zoë😀x', 2, 3)", "oë😀"],
    ["substring('abc', 0, 2)", "a"],
    ["concat(n, '-', nothing, big)", "-5--9007199254740993"],
    ['concat("n", " ", "x")', "-5 x"],
    ["coalesce(nothing, missing, 'x')", "x"],
    ["abs(n)", 5],
    ["abs(big)", 9007199254740993n],
    ["abs(d)", "1.50"],
    ["starts_with(trim(name), 'Zo')", true],
    ["ends_with('abc', 'bc')", true],
    ["contains(name, 'ë')", true],
    ["contains(tags, 2)", true],
    ["contains(nothing, 'x')", null],
    ["replace('a.b.c', '.', '$&')", "a$&b$&c"],
    ["json_extract(doc, '$.a[0].b')", 1],
    ["json_extract(text, 'a.b')", 9007199254740993n],
    ["json_extract(name, '$.x')", null],
    ["date_diff('day', '2024-02-28', '2024-03-01T23:00:00Z')", 2n],
    ["date_diff('second', '2026-01-01T00:00:00Z', '2025-12-31T23:59:58.5Z')", -1n],
    ["date_diff('microsecond', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000001Z')", 1n],
    ["op()", "insert"],
    ["table()", "orders"],
    ["schema()", "public"],
    ["database()", "shop"],
    ["topic()", "public.orders"],
    ["d * 3", "-4.50"],
    ["d + 0.25", "-1.25"],
    ["big - 1", -9007199254740994n],
    ["n * 2.5", -12.5],
    ["div(10, 3, 4)", "3.3333"],
    ["div(-2, 3, 0)", "-1"],
    ["div(1, 0, 2)", null],
    ["n > 0 ? 'up' : n < 0 ? 'down' : 'flat'", "down"],
    ["now()", "2026-01-01T00:00:00.000001Z"],
  ];
  for (const [text, expected] of cases) {
    assert.deepEqual(value(text, row, types, { nowMicros: () => 1_767_225_600_000_001n }), expected, text);
  }
  const headers: DataRecord["headers"] = [["kind", "old"], ["kind", "new"], ["raw", new Uint8Array([65])]];
  assert.equal(compileExpression("header('kind')").evaluate(recordOf({}, { headers })), "new");
  assert.equal(compileExpression("header('raw')").evaluate(recordOf({}, { headers })), "A");
});

Deno.test("changed() needs both rows, and knows that what was not sent is unchanged", () => {
  const changed = (record: Partial<DataRecord>) =>
    compileExpression("changed(status, doc)").test(recordOf(undefined, { operation: "update", ...record }));
  assert.equal(
    changed({ before: { status: "a", doc: { x: 1 } }, after: { status: "b", doc: { x: 1 } } }),
    true,
  );
  assert.equal(
    changed({ before: { status: "a", doc: { x: 1 } }, after: { status: "a", doc: { x: 1 } } }),
    false,
  );
  assert.equal(
    changed({ before: { status: "a", doc: 1 }, after: { status: "a" }, unavailable: ["doc"] }),
    false,
  );
  assert.equal(changed({ after: { status: "a", doc: 1 } }), null);
  assert.equal(changed({ before: { id: 1 }, after: { status: "a", doc: 1 } }), null);
  assert.equal(compileExpression("changed(n)").test(recordOf({ n: 2n }, { before: { n: 2 } })), false);
});

Deno.test("a mistake is named with its place, and with what was probably meant", () => {
  const cases: [string, number, RegExp, RegExp?][] = [
    ["", 1, /empty/],
    ["a >", 4, /missing at the end/],
    ["a > 5 b", 7, /one word too many/],
    ["(a > 5", 7, /"\)" is missing/],
    ["lowr(a) = 'x'", 1, /no function "lowr"/, /lower\(\)/],
    ["lower(a, b) = 'x'", 1, /2 arguments/, /lower\(text\)/],
    ["a = 'x", 5, /closing quote/],
    ["a > b", 5, /column or a text/, /after\.b/],
    ["a > 1 OR 'b'", 10, /condition is missing/],
    ["status = 'a' OR 'b'", 17, /condition is missing/, /IN/],
    ["a > 1 AND b = null", 15, /equal to null/, /IS NULL/],
    ["a MATCHES '(x+)+'", 3, /take forever/],
    ["a matches (x+)+$", 3, /take forever/],
    ["a MATCHES '('", 3, /no regular expression/],
    ["op() = 'updaet'", 8, /no operation/],
    ["a || b = 'x'", 3, /one word too many/, /concat/],
    ["a / 2 > 1", 3, /one word too many/, /div/],
    ["a > 2026-01-31", 5, /date is a text/],
    ["a LIKE A%", 9, /no meaning/],
    ["a IN 5", 6, /list/],
    ["a in b", 6, /list/],
    ["AND a = 1", 1, /missing before "AND"/],
    ["source.name = 'x' AND a = 1", 1, /not known here/],
    ["date_diff('week', a, b) > 1", 1, /unit/],
    ["changed(before.a)", 1, /changed\(\) takes columns/],
    ["a BETWEEN 1 OR 2", 13, /"AND" is missing/],
    ["status = active AND amount >> 5", 29, /value is missing/],
  ];
  for (const [text, column, message, hint] of cases) {
    assert.throws(() => compileExpression(text), (error: unknown) => {
      assert.ok(error instanceof ExpressionError, `${text}: ${error}`);
      assert.match(error.message, message, text);
      assert.equal(error.column, column, `${text}: ${error.message}`);
      if (hint) assert.match(error.hint ?? "", hint, text);
      return true;
    });
  }
  assert.throws(() => compileExpression("(".repeat(5000) + "a"), ExpressionError);
  assert.throws(() => compileExpression("NOT ".repeat(3000) + "a"), ExpressionError);
});

Deno.test("an expression tells what it looks at and what it gives", () => {
  const expression = compileExpression(
    "before.a > 1 AND b.c = 'x' AND key.id = 1 AND changed(d) AND header('h') = 'x'",
  );
  assert.deepEqual(expression.columns, ["a", "b", "d"]);
  assert.deepEqual(expression.needs, {
    row: true,
    before: true,
    after: true,
    key: true,
    source: false,
    headers: true,
  });
  assert.equal(compileExpression("a > 1 AND b.c = 1").isKnown({ a: 1, "b.c": null }), true);
  assert.equal(compileExpression("a > 1 AND b = 1").isKnown({ a: 1 }), false);
  const stream = streamOf({ d: DECIMAL, n: { kind: "int32" }, t: TEXT });
  const type = (text: string) => compileExpression(text).typeFor(stream);
  assert.deepEqual(type("d"), DECIMAL);
  assert.deepEqual(type("d * n"), { kind: "decimal" });
  assert.deepEqual(type("concat(t, n)"), TEXT);
  assert.deepEqual(type("n > 1"), { kind: "boolean" });
  assert.deepEqual(type("n > 1 ? t : null"), TEXT);
  assert.equal(type("missing"), undefined);
});

Deno.test("with onMissing error a record that lacks a column is an error, and IS NULL may ask", () => {
  const options = { onMissing: "error" } as const;
  const has = (text: string, row: Row) => compileExpression(text, options).test(recordOf(row));
  assert.throws(() => has("a > 1", { b: 1 }), { name: "RecordError", code: "schema_missing_field" });
  assert.equal(has("a > 1", { a: null }), null);
  assert.equal(has("a IS NULL", {}), true);
});

Deno.test("one expression serves streams whose columns have other types", () => {
  const expression = compileExpression("v > 5 AND true");
  const decimals = streamOf({ v: DECIMAL });
  const texts = streamOf({ v: TEXT });
  for (let i = 0; i < 3; i++) {
    assert.equal(expression.test(recordOf({ v: "10.00" }, { stream: decimals })), true);
    assert.equal(expression.test(recordOf({ v: "10.00" }, { stream: texts })), null);
  }
});
