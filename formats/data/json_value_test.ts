import assert from "node:assert/strict";
import fc from "fast-check";
import { anyJson, anyText } from "../../tests/fakes/arbitraries.ts";
import { membersText, needsExact, numberText, parseJson, restoreOf, valueText } from "./json_value.ts";
import type { ColumnType, Row, Value } from "./value.ts";

const SEEDED = { seed: 42, numRuns: 500 };
const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test("any value comes back from its text, with the exact parser where it asks for it", () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const bytes = utf8(valueText(value));
      assert.deepEqual(parseJson(bytes, true), value);
      if (!needsExact(value)) assert.deepEqual(parseJson(bytes, false), value);
    }),
    SEEDED,
  );
});

Deno.test("strings are written as JSON.stringify writes them", () => {
  fc.assert(fc.property(anyText, (text) => assert.equal(valueText(text), JSON.stringify(text))), SEEDED);
});

Deno.test("the exact parser keeps integers beyond 2^53 and leaves other numbers alone", () => {
  const text = "[9007199254740993,-9223372036854775808,9007199254740991,1e20,0.1,-0,12345678901234567890.5]";
  assert.deepEqual(parseJson(utf8(text), true), [
    9007199254740993n,
    -9223372036854775808n,
    9007199254740991,
    1e20,
    0.1,
    -0,
    12345678901234567890.5,
  ]);
  assert.deepEqual(parseJson(utf8("9007199254740993"), false), 9007199254740992);
});

Deno.test("numbers keep their sign and value, and large ones don't look like integers whose digits all count", () => {
  const texts: [number, string][] = [[-0, "-0"], [0, "0"], [1.5, "1.5"], [1e20, "1e+20"], [1e21, "1e+21"]];
  texts.push([2 ** 53, "9.007199254740992e+15"], [2 ** 53 - 1, "9007199254740991"], [5e-324, "5e-324"]);
  texts.push([NaN, '"NaN"'], [Infinity, '"Infinity"'], [-Infinity, '"-Infinity"']);
  for (const [number, text] of texts) assert.equal(numberText(number), text);
});

Deno.test("a value needs the exact parser from 16 digits on, however deep it lies", () => {
  assert.equal(needsExact(999_999_999_999_999n), false);
  assert.equal(needsExact(1_000_000_000_000_000n), true);
  assert.equal(needsExact({ a: [null, { b: -(10n ** 15n) }] }), true);
  assert.equal(needsExact({ a: [null, { b: "1000000000000000" }], c: 1e20, d: new Uint8Array(3) }), false);
});

Deno.test("members without a value are left out, as absent columns are", () => {
  const row = { a: 1, b: undefined, c: null } as unknown as Row;
  assert.equal(valueText(row), '{"a":1,"c":null}');
  assert.equal(membersText({ a: 1, c: null }, ["c", "constructor", "a"]), '{"c":null,"a":1}');
});

Deno.test("a whole row has the text of its members, whatever they are", () => {
  const special: Value[] = [-0, NaN, -Infinity, 1e21, 2 ** 53, 0.1, 9007199254740991n, -9007199254740992n, 7n]
    .concat([null, new Uint8Array([1]), [1n], { a: 1n }, "\u2028\ud800", true] as never[]);
  const anyRow = fc.dictionary(
    fc.oneof(anyText, fc.constantFrom("__proto__", "toJSON", "7", "")),
    fc.oneof(anyJson, fc.constantFrom(...special)),
  );
  fc.assert(
    fc.property(anyRow, (row) => assert.equal(valueText(row), membersText(row, Object.keys(row)))),
    SEEDED,
  );
  for (const value of special) {
    assert.equal(valueText({ a: value, b: 1n }), membersText({ a: value, b: 1n }, ["a", "b"]));
  }
});

Deno.test("parsed values get back the types that JSON has not", () => {
  const int64: ColumnType = { kind: "int64" };
  const bytes: ColumnType = { kind: "bytes" };
  const cases: [ColumnType, Value, Value][] = [
    [int64, 7, 7n],
    [{ kind: "uint64" }, 2n ** 64n - 1n, 2n ** 64n - 1n],
    [{ kind: "float64" }, 10n ** 20n, 1e20],
    [{ kind: "float32" }, "NaN", "NaN"],
    [bytes, "AAH/", new Uint8Array([0, 1, 255])],
    [{ kind: "array", items: int64 }, [1, null, [2, [3]]], [1n, null, [2n, [3n]]]],
    [{ kind: "map", values: bytes }, { a: "AA==", b: null }, { a: new Uint8Array(1), b: null }],
    [
      { kind: "struct", fields: [{ name: "n", type: int64, nullable: true }] },
      { n: 1, other: 1 },
      { n: 1n, other: 1 },
    ],
  ];
  for (const [type, parsed, value] of cases) assert.deepEqual(restoreOf(type)!(parsed), value);
  const untouched = (["boolean", "int32", "string", "json", "unknown", "date"] as const).map((kind) => ({
    kind,
  }));
  for (const type of untouched) assert.equal(restoreOf(type), undefined);
  assert.equal(restoreOf({ kind: "array", items: { kind: "string" } }), undefined);
});

Deno.test("a member called __proto__ is restored like any other", () => {
  const restore = restoreOf({ kind: "map", values: { kind: "int64" } })!;
  const restored = restore(JSON.parse('{"__proto__":1,"a":2}')) as Row;
  assert.deepEqual(Object.entries(restored), [["__proto__", 1n], ["a", 2n]]);
});

Deno.test("what is not JSON or not UTF-8 is an error", () => {
  assert.throws(() => parseJson(utf8("{"), false), SyntaxError);
  assert.throws(() => parseJson(new Uint8Array([0x22, 0xff, 0x22]), false), TypeError);
});
