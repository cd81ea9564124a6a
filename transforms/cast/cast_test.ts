import assert from "node:assert/strict";
import fc from "fast-check";
import type { Value } from "../../formats/data/value.ts";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>, context = testContext()) =>
  openTransform(configOf(definition, config), context);
const typed = stream({ id: "int64 key", v: "unknown" });
const utf8 = (text: string) => new TextEncoder().encode(text);

const cast = async (value: Value, type: string, others: Record<string, unknown> = {}) =>
  (await after(
    open({ specs: { v: type }, ...others }),
    record(typed, "insert", { after: { id: 1n, v: value } }),
  ) as {
    v: Value;
  }).v;

Deno.test("every type, value by value", async () => {
  const cases: [Value, string, Value][] = [
    ["x", "string", "x"],
    [12.5, "string", "12.5"],
    [9007199254740993n, "string", "9007199254740993"],
    [true, "string", "true"],
    [{ a: [1, null] }, "string", '{"a":[1,null]}'],
    [utf8("hi"), "string", "aGk="],
    [null, "string", null],
    ["42", "int32", 42],
    ["9223372036854775807", "int64", 9223372036854775807n],
    ["9223372036854775808", "int64", null],
    ["18446744073709551615", "uint64", 18446744073709551615n],
    [-1, "uint64", null],
    [2147483648, "int32", null],
    [-2147483648n, "int32", -2147483648],
    [128, "int8", null],
    [-128, "int8", -128],
    [40000, "int16", null],
    ["10.5", "int32", 10],
    [-10.9, "integer", -10n],
    ["1e3", "int32", 1000],
    [" 7", "int32", null],
    ["", "int32", null],
    [true, "long", 1n],
    [{}, "int32", null],
    ["0.1", "float64", 0.1],
    [9007199254740993n, "double", 9007199254740992],
    ["nan", "float64", "NaN"],
    ["-Infinity", "float64", "-Infinity"],
    ["1e999", "float64", null],
    ["0x10", "float64", null],
    [false, "float64", 0],
    [0.1, "float32", 0.1],
    [16777217, "float32", 16777216],
    [1e39, "float32", null],
    [2, "boolean", true],
    [0n, "boolean", false],
    ["On", "boolean", true],
    ["f", "boolean", false],
    ["maybe", "boolean", null],
    ["12.5", "decimal(10,2)", "12.50"],
    ["0", "decimal(10,2)", "0.00"],
    ["-0.00", "decimal(10,2)", "0.00"],
    ["007.5", "decimal(10,2)", "7.50"],
    ["-7", "decimal(3,2)", "-7.00"],
    ["12", "decimal(3,2)", null],
    ["1.", "decimal(3,2)", "1.00"],
    ["1.005", "decimal(10,2)", "1.00"],
    ["1.015", "decimal(10,2)", "1.02"],
    ["1.0051", "decimal(10,2)", "1.01"],
    [7, "decimal(10,2)", "7.00"],
    ["-0.5", "decimal(3,0)", "0"],
    ["1000", "decimal(3,0)", null],
    ["99999999999999999999999999999999999999.9", "decimal(39,1)", "99999999999999999999999999999999999999.9"],
    ["1.50", "decimal", "1.50"],
    [1e21, "decimal", "1000000000000000000000"],
    ["NaN", "decimal", null],
    ["Zoë", "bytes", utf8("Zoë")],
    [5, "bytes", null],
    ["6F0B1D1E-7C4A-4B9E-8F55-0123456789AB", "uuid", "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab"],
    ["nope", "uuid", null],
    ['{"a":9007199254740993}', "json", { a: 9007199254740993n }],
    ["{broken", "json", "{broken"],
    ["2024-03-01 10:00:00.123456+02", "date", "2024-03-01"],
    ["infinity", "date", "infinity"],
    ["2024-13-01", "date", null],
    ["2024-03-01T10:00:00.123456+02:00", "timestamp(3)", "2024-03-01T08:00:00.123"],
    ["2024-03-01 10:00:00", "timestamptz(6)", "2024-03-01T10:00:00Z"],
    ["2024-03-01T10:00:00.5+02:00", "timestamptz", "2024-03-01T10:00:00.5+02:00"],
    ["10:30:00.25", "time(1)", "10:30:00.2"],
    ["2024-03-01T10:30:00", "time", "10:30:00"],
    [1709287200, "timestamptz", null],
  ];
  for (const [value, type, expected] of cases) {
    assert.deepEqual(await cast(value, type), expected, `${String(value)} as ${type}`);
  }
});

Deno.test("digits that don't fit are cut off, rounded to even, or an error", async () => {
  assert.equal(await cast("2.5", "int32", { rounding: "half_even" }), 2);
  assert.equal(await cast("3.5", "int32", { rounding: "half_even" }), 4);
  assert.equal(await cast("-2.51", "int32", { rounding: "half_even" }), -3);
  assert.equal(await cast("2.5", "int32", { rounding: "fail" }), null);
  assert.equal(await cast("2.0", "int32", { rounding: "fail" }), 2);
  assert.equal(await cast("1.999", "decimal(5,2)", { rounding: "truncate" }), "1.99");
});

Deno.test("what can't be cast becomes null, stays, or rejects the record without showing it", async () => {
  const context = testContext();
  const given = [record(typed, "insert", { after: { id: 1n, v: "secret" } })];
  const specs = { v: "int32" };
  assert.deepEqual((await run(open({ specs }, context), given)).records[0].after, { id: 1n, v: null });
  assert.deepEqual([...context.counts], [["casts_failed", 1]]);
  const kept = await run(open({ specs, on_error: "keep" }), given);
  assert.deepEqual(kept.records[0].after, { id: 1n, v: "secret" });
  assert.deepEqual(kept.stream.columns![1].type, { kind: "unknown" });
  const { rejected } = await run(open({ specs, on_error: "fail" }), given);
  assert.match(rejected[0].error.message, /field "v"/);
  assert.doesNotMatch(rejected[0].error.message, /secret/);
  await assert.rejects(cast("{", "json", { on_error: "fail" }));
  assert.equal(await cast(null, "string", { null_to_string: true }), "null");
});

Deno.test("the column's type, and the key with it, are those of the cast", async () => {
  const orders = stream({ id: "int64 key", total: "float64 not null", tags: "json" });
  const { records, stream: made } = await run(
    open({ specs: { id: "string", total: "decimal(12,2)", "tags.n": "int32" } }),
    [
      record(orders, "update", {
        before: { id: 7n, total: 1, tags: { n: "3" } },
        after: { id: 7n, tags: { n: "4" } },
        unavailable: ["total"],
      }),
      record(orders, "delete", { before: { id: 7n } }),
      record(orders, "tombstone", { key: { id: 7n } }),
      record(orders, "truncate"),
    ],
  );
  assert.deepEqual(records.map(({ key, before, after }) => [key, before, after]), [
    [{ id: "7" }, { id: "7", total: "1.00", tags: { n: 3 } }, { id: "7", tags: { n: 4 } }],
    [{ id: "7" }, { id: "7" }, undefined],
    [{ id: "7" }, undefined, undefined],
    [undefined, undefined, undefined],
  ]);
  assert.deepEqual(made.columns, [
    { name: "id", type: { kind: "string" }, nullable: true },
    { name: "total", type: { kind: "decimal", precision: 12, scale: 2 }, nullable: true },
    { name: "tags", type: { kind: "json" }, nullable: true },
  ]);
});

Deno.test("a value of the key does not become null", async () => {
  const table = stream({ code: "string key" });
  const { records, rejected } = await run(open({ specs: { code: "int32" } }), [
    record(table, "insert", { after: { code: "12" } }),
    record(table, "insert", { after: { code: "x1" } }),
  ]);
  assert.deepEqual(records.map(({ key }) => key), [{ code: 12 }]);
  assert.match(rejected[0].error.message, /of the key/);
});

Deno.test("columns of a table that has none of the fields are left alone, unparsed", () => {
  const transform = open({ specs: { other: "int32" } });
  assert.equal(transform.matches!(stream({ id: "int64 key" })), false);
  assert.equal(transform.matches!(stream(undefined)), true);
});

Deno.test("structs, arrays of structs and patterns of names are cast with their types", async () => {
  const table = stream({
    a_n: "string",
    b_n: "string",
    item: { kind: "struct", fields: [{ name: "n", type: { kind: "string" }, nullable: true }] },
    items: {
      kind: "array",
      items: { kind: "struct", fields: [{ name: "n", type: { kind: "string" }, nullable: true }] },
    },
  });
  const { records, stream: made } = await run(
    open({ specs: { "*_n": "int64", "item.n": "int64", "items.n": "bytes" } }),
    [
      record(table, "insert", {
        after: { a_n: "1", b_n: "x", item: { n: "2" }, items: [{ n: "3" }, { n: null }] },
      }),
    ],
  );
  assert.deepEqual(records[0].after, {
    a_n: 1n,
    b_n: null,
    item: { n: 2n },
    items: [{ n: utf8("3") }, { n: null }],
  });
  assert.deepEqual(made.columns!.map(({ type }) => type.kind), ["int64", "int64", "struct", "array"]);
});

Deno.test("rows without columns hold integers as JSON does", async () => {
  const given = [record(stream(undefined), "record", { after: { a: "1", b: "9007199254740993" } })];
  assert.deepEqual((await run(open({ specs: { a: "int64", b: "int64" } }), given)).records[0].after, {
    a: 1,
    b: 9007199254740993n,
  });
});

Deno.test("Kafka Connect's documented forms of Cast", async () => {
  const one = (value: Value, spec: string) =>
    after(open({ spec }), record(stream(undefined, { payload: "json" }), "record", { after: value }));
  assert.deepEqual(await one({ ID: 46920, score: "4761" }, "ID:string,score:float64"), {
    ID: "46920",
    score: 4761,
  });
  assert.deepEqual(await one("12", "int32"), 12);
  const bytes = stream(undefined, { payload: "bytes" });
  assert.deepEqual(
    await after(open({ spec: "string" }), record(bytes, "record", { after: utf8("hi") })),
    "aGk=",
  );
});

Deno.test("int64 and decimals come back from text as they were", async () => {
  await fc.assert(fc.asyncProperty(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), async (value) => {
    assert.equal(await cast(await cast(value, "string"), "int64"), value);
    const decimal = await cast(value, "decimal(30,5)") as string;
    assert.equal(decimal, `${value}.00000`);
    assert.equal(await cast(decimal, "int64"), value);
  }));
});

Deno.test("float32 has the shortest digits that are the same float", async () => {
  await fc.assert(fc.asyncProperty(fc.float({ noNaN: true, noDefaultInfinity: true }), async (value) => {
    const short = await cast(value, "float32") as number;
    assert.equal(Math.fround(short), value);
    assert.ok(String(short).length <= String(value).length);
  }));
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), ["specs"]);
  assert.deepEqual(problemKeys(definition, { specs: { a: "int33" } }), ["specs.a"]);
  assert.deepEqual(problemKeys(definition, { specs: { a: "decimal(2,5)" } }), ["specs.a"]);
  assert.deepEqual(problemKeys(definition, { specs: { "a.": "int32" } }), ["specs.a."]);
  assert.deepEqual(problemKeys(definition, { spec: "text8" }), ["whole_value"]);
});
