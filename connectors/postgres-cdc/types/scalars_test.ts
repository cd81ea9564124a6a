import assert from "node:assert/strict";
import type { ColumnType, Value } from "../../../formats/data/value.ts";
import type { TypeOptions } from "./mod.ts";
import { faces, isRefused, oidOf, testCatalog, typeRow } from "./testing.ts";

/** [type, text of the server, JSON, value in a record (default: what JSON.parse gives)] */
type Case = readonly [type: string, text: string, json: string, value?: Value];

function check(cases: readonly Case[], options: Partial<TypeOptions> = {}, typmod = -1): void {
  const catalog = testCatalog(options);
  for (const [type, text, json, value] of cases) {
    const got = faces(catalog, oidOf(type), text, typmod);
    assert.equal(got.json, json, `${type} ${text}`);
    assert.deepEqual(got.value, value === undefined ? JSON.parse(json) : value, `${type} ${text}`);
  }
}

function typeOf(type: string, options: Partial<TypeOptions> = {}, typmod = -1): ColumnType {
  return testCatalog(options).columnType(oidOf(type), typmod);
}

Deno.test("booleans and integers keep every digit, and 64 bits are bigint", () => {
  check([
    ["bool", "t", "true"],
    ["bool", "f", "false"],
    ["int2", "-32768", "-32768"],
    ["int4", "2147483647", "2147483647"],
    ["int8", "0", "0", 0n],
    ["int8", "9007199254740993", "9007199254740993", 9007199254740993n],
    ["int8", "-9223372036854775808", "-9223372036854775808", -9223372036854775808n],
    ["oid", "4294967295", "4294967295", 4294967295n],
    ["xid", "747", "747", 747n],
    ["cid", "0", "0", 0n],
    ["xid8", "18446744073709551615", "18446744073709551615", 18446744073709551615n],
  ]);
  assert.deepEqual(typeOf("int2"), { kind: "int16" });
  assert.deepEqual(typeOf("int4"), { kind: "int32" });
  assert.deepEqual(typeOf("int8"), { kind: "int64" });
  assert.deepEqual(typeOf("xid8"), { kind: "uint64" });
  assert.deepEqual(typeOf("oid"), { kind: "int64" });
});

Deno.test("bigint_handling makes 64-bit integers strings, all or those that a double can't hold", () => {
  check([["int8", "7", '"7"'], ["xid8", "7", '"7"'], ["oid", "7", "7", 7n]], { bigint_handling: "string" });
  check([
    ["int8", "9007199254740991", "9007199254740991"],
    ["int8", "-9007199254740991", "-9007199254740991"],
    ["int8", "9007199254740992", '"9007199254740992"'],
    ["int8", "-9223372036854775808", '"-9223372036854775808"'],
  ], { bigint_handling: "string_when_unsafe" });
  assert.deepEqual(typeOf("int8", { bigint_handling: "string" }), { kind: "string" });
  assert.deepEqual(typeOf("int8", { bigint_handling: "string_when_unsafe" }), { kind: "unknown" });
});

Deno.test("floats keep the server's digits, and specials are their names", () => {
  check([
    ["float4", "0.1", "0.1"],
    ["float4", "1e+20", "1e+20"],
    ["float4", "1e-07", "1e-07"],
    ["float4", "3.4028235e+38", "3.4028235e+38"],
    ["float4", "1e-45", "1e-45"],
    ["float8", "-0", "-0"],
    ["float8", "1.7976931348623157e+308", "1.7976931348623157e+308"],
    ["float8", "5e-324", "5e-324"],
    ["float8", "999999999999999", "999999999999999"],
    ["float8", "NaN", '"NaN"'],
    ["float8", "Infinity", '"Infinity"'],
    ["float4", "-Infinity", '"-Infinity"'],
    // As servers before 12 print 2^53 and more.
    ["float8", "10000000000000000", "10000000000000000.0"],
  ]);
  assert.deepEqual(typeOf("float4"), { kind: "float32" });
  assert.deepEqual(typeOf("float8"), { kind: "float64" });
});

Deno.test("numeric keeps its text with all zeros, digits and specials", () => {
  const long = `-${"9".repeat(131072)}.${"0".repeat(16383)}`;
  check([
    ["numeric", "1.50", '"1.50"'],
    ["numeric", "0", '"0"'],
    ["numeric", "-0.000000000000000001", '"-0.000000000000000001"'],
    ["numeric", "NaN", '"NaN"'],
    ["numeric", "Infinity", '"Infinity"'],
    ["numeric", "-Infinity", '"-Infinity"'],
    ["numeric", long, `"${long}"`],
  ]);
});

Deno.test("a numeric's precision and scale come from its typmod, negative scales included", () => {
  const typmod = (precision: number, scale: number) => (precision << 16 | scale & 0x7ff) + 4;
  assert.deepEqual(typeOf("numeric"), { kind: "decimal" });
  assert.deepEqual(typeOf("numeric", {}, typmod(12, 2)), { kind: "decimal", precision: 12, scale: 2 });
  assert.deepEqual(typeOf("numeric", {}, typmod(1000, 1000)), {
    kind: "decimal",
    precision: 1000,
    scale: 1000,
  });
  // numeric(3, -2) holds up to 99900, numeric(3, 5) up to 0.00999.
  assert.deepEqual(typeOf("numeric", {}, typmod(3, -2)), { kind: "decimal", precision: 5, scale: 0 });
  assert.deepEqual(typeOf("numeric", {}, typmod(3, 5)), { kind: "decimal", precision: 5, scale: 5 });
  assert.deepEqual(typeOf("_numeric", {}, typmod(12, 2)), {
    kind: "array",
    items: { kind: "decimal", precision: 12, scale: 2 },
  });
});

Deno.test("decimal_handling makes numeric a string or a double", () => {
  assert.deepEqual(typeOf("numeric", { decimal_handling: "string" }), { kind: "string" });
  check([["numeric", "1.50", '"1.50"']], { decimal_handling: "string" });
  assert.deepEqual(typeOf("numeric", { decimal_handling: "double" }), { kind: "float64" });
  check([
    ["numeric", "1.50", "1.5"],
    ["numeric", "12345678901234567890.5", "12345678901234567000.0"],
    ["numeric", "1" + "0".repeat(30), "1e+30"],
    ["numeric", "1" + "0".repeat(400), '"Infinity"'],
    ["numeric", "NaN", '"NaN"'],
    ["numeric", "-Infinity", '"-Infinity"'],
    ["money", "-$1,234.50", "-1234.5"],
  ], { decimal_handling: "double" });
});

Deno.test("money is a decimal without symbol and groups, with the sign and the scale of the server's locale", () => {
  check([
    ["money", "$0.00", '"0.00"'],
    ["money", "$1,234,567.89", '"1234567.89"'],
    ["money", "-$92,233,720,368,547,758.08", '"-92233720368547758.08"'],
  ]);
  assert.deepEqual(typeOf("money"), { kind: "decimal", precision: 19, scale: 2 });
  // Texts as documented for these locales (glibc's LC_MONETARY, cash.c); the test's server has only C.
  const locales = [
    {
      positive: "1.234.567,00 €",
      negative: "-1.234.567,00 €",
      scale: "2",
      texts: [["12,50 €", '"12.50"'], ["-1.000,00 €", '"-1000.00"']],
    },
    {
      positive: "￥1,234,567",
      negative: "-￥1,234,567",
      scale: "0",
      texts: [["￥1,234", '"1234"'], ["-￥5", '"-5"']],
    },
    {
      positive: "$1,234,567.00",
      negative: "($1,234,567.00)",
      scale: "2",
      texts: [["($0.05)", '"-0.05"'], ["$0.05", '"0.05"']],
    },
    { positive: "1234567.000", negative: "-1234567.000", scale: "3", texts: [["-0.001", '"-0.001"']] },
  ];
  for (const { positive, negative, scale, texts } of locales) {
    const row = typeRow({
      oid: "790",
      name: "money",
      money_positive: positive,
      money_negative: negative,
      money_scale: scale,
    });
    const catalog = testCatalog({}, [row]);
    for (const [text, json] of texts) assert.equal(faces(catalog, 790, text).json, json, text);
    for (const text of ["", "12", "£1.00", "$1.000,00", `${positive} `, positive.slice(0, -1)]) {
      if (text !== "12" || scale !== "0") assert.ok(isRefused(catalog, 790, text), `${positive}: ${text}`);
    }
  }
});

Deno.test("texts are strings, padding and control characters kept", () => {
  check([
    ["text", 'a"b\\c\n\t\u0001ü😀', '"a\\"b\\\\c\\n\\t\\u0001ü😀"'],
    ["text", "", '""'],
    ["varchar", "null", '"null"'],
    ["bpchar", "ab   ", '"ab   "'],
    ["name", "pg_class", '"pg_class"'],
    ["char", "x", '"x"'],
    ["char", "", '""'],
    ["char", "\\303", '"\\\\303"'],
    ["xml", '<a b="c">\n</a>', '"<a b=\\"c\\">\\n</a>"'],
    ["inet", "192.168.0.0/24", '"192.168.0.0/24"'],
    ["cidr", "2001:db8::/32", '"2001:db8::/32"'],
    ["macaddr", "08:00:2b:01:02:03", '"08:00:2b:01:02:03"'],
    ["macaddr8", "08:00:2b:ff:fe:01:02:03", '"08:00:2b:ff:fe:01:02:03"'],
    ["tsvector", "'a':1A 'b''c':2", "\"'a':1A 'b''c':2\""],
    ["pg_lsn", "16/B374D848", '"16/B374D848"'],
    ["tid", "(0,1)", '"(0,1)"'],
  ]);
  assert.deepEqual(typeOf("text"), { kind: "string" });
});

Deno.test('a "char" above 127 that an older server sends raw is written as newer servers print it', () => {
  const catalog = testCatalog();
  const writer = catalog.writer(oidOf("char"), -1);
  const written: string[] = [];
  // deno-lint-ignore no-explicit-any -- only `string` is called
  writer({ string: (text: string) => written.push(text) } as any, new Uint8Array([0xc3]), 0, 1);
  assert.deepEqual(written, ["\\303"]);
});

Deno.test("uuids are text, or 16 bytes as binary_handling writes them", () => {
  const text = "00112233-4455-6677-8899-aabbccddeeff";
  const bytes = Uint8Array.fromHex(text.replaceAll("-", ""));
  check([["uuid", text, `"${text}"`]]);
  check([["uuid", text, '"ABEiM0RVZneImaq7zN3u/w=="', bytes]], { uuid_handling: "binary" });
  check([["uuid", text, '"00112233445566778899aabbccddeeff"']], {
    uuid_handling: "binary",
    binary_handling: "hex",
  });
  assert.deepEqual(typeOf("uuid"), { kind: "uuid" });
  assert.deepEqual(typeOf("uuid", { uuid_handling: "binary" }), { kind: "bytes" });
});

Deno.test("bytea is base64 and bytes in a record; binary_handling has three other texts for it", () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  check([
    ["bytea", "\\x", '""', new Uint8Array()],
    ["bytea", "\\xff", '"/w=="', new Uint8Array([255])],
    ["bytea", "\\x00fFfe", '"AP/+"', new Uint8Array([0, 255, 254])],
    ["bytea", `\\x${all.toHex()}`, `"${all.toBase64()}"`, all],
  ]);
  check([
    ["bytea", "\\x", '""'],
    ["bytea", `\\x${all.toHex()}`, `"${all.toBase64({ alphabet: "base64url" })}"`],
  ], { binary_handling: "base64url" });
  check([["bytea", "\\x00FF", '"00ff"']], { binary_handling: "hex" });
  check([["bytea", "\\x", "[]"], ["bytea", `\\x${all.toHex()}`, `[${all.join(",")}]`]], {
    binary_handling: "bytes",
  });
  assert.deepEqual(typeOf("bytea"), { kind: "bytes" });
  assert.deepEqual(typeOf("bytea", { binary_handling: "hex" }), { kind: "string" });
  assert.deepEqual(typeOf("bytea", { binary_handling: "base64url" }), { kind: "string" });
  assert.deepEqual(typeOf("bytea", { binary_handling: "bytes" }), {
    kind: "array",
    items: { kind: "int16" },
  });
});

Deno.test("bit(1) is a boolean, longer bit strings are text or bytes with the last bit lowest", () => {
  check([["bit", "1", "true"], ["bit", "0", "false"]], {}, 1);
  check([["bit", "1", "true"]], { bit_handling: "bytes" }, 1);
  check([["bit", "10000000011", '"10000000011"']], {}, 11);
  check([["varbit", "", '""'], ["varbit", "1", '"1"']], {}, 1);
  check([["bit", "10000000011", '"AwQ="', new Uint8Array([3, 4])]], { bit_handling: "bytes" }, 11);
  check([["varbit", "", '""', new Uint8Array()]], { bit_handling: "bytes" });
  assert.deepEqual(typeOf("bit", {}, 1), { kind: "boolean" });
  assert.deepEqual(typeOf("bit", {}, 2), { kind: "string" });
  assert.deepEqual(typeOf("varbit", { bit_handling: "bytes" }), { kind: "bytes" });
});

Deno.test("json is embedded as its text on one line, or is a string", () => {
  check([
    ["json", '{"b" : 1,\n\t"a":1.50,\r\n"a":2}', '{"b" : 1, \t"a":1.50,  "a":2}'],
    ["jsonb", '{"n": 9007199254740993}', '{"n": 9007199254740993}', { n: 9007199254740993n }],
    ["jsonb", "null", "null"],
    ["jsonb", '"\\u0000\\n"', '"\\u0000\\n"'],
    ["json", "1e400", "1e400", Infinity],
  ]);
  check([["json", '{"a":\n1}', '"{\\"a\\":\\n1}"']], { json_handling: "string" });
  assert.deepEqual(typeOf("jsonb"), { kind: "json" });
  assert.deepEqual(typeOf("jsonb", { json_handling: "string" }), { kind: "string" });
});

Deno.test("points are objects; other shapes are text or made of points", () => {
  check([
    ["point", "(1.5,-2)", '{"x":1.5,"y":-2}'],
    ["point", "(1e+300,NaN)", '{"x":1e+300,"y":"NaN"}'],
    ["line", "{1,-1,0}", '"{1,-1,0}"'],
    ["circle", "<(1,2),3>", '"<(1,2),3>"'],
    ["box", "(2,2),(1,1)", '"(2,2),(1,1)"'],
  ]);
  check([
    ["point", "(0,0)", '{"x":0,"y":0}'],
    ["line", "{1,-1,0}", '{"a":1,"b":-1,"c":0}'],
    ["lseg", "[(0,0),(1,1)]", '[{"x":0,"y":0},{"x":1,"y":1}]'],
    ["box", "(2,2),(1,1)", '[{"x":2,"y":2},{"x":1,"y":1}]'],
    ["path", "[(0,0),(1,1)]", '{"closed":false,"points":[{"x":0,"y":0},{"x":1,"y":1}]}'],
    ["path", "((0,0))", '{"closed":true,"points":[{"x":0,"y":0}]}'],
    ["polygon", "((0,0),(1,0),(1,1))", '[{"x":0,"y":0},{"x":1,"y":0},{"x":1,"y":1}]'],
    ["circle", "<(1,2),3>", '{"center":{"x":1,"y":2},"radius":3}'],
    ["_box", "{(2,2),(1,1);(4,4),(3,3)}", '[[{"x":2,"y":2},{"x":1,"y":1}],[{"x":4,"y":4},{"x":3,"y":3}]]'],
  ], { geometry_handling: "object" });
});

Deno.test("a type that the catalog does not know is text", () => {
  const catalog = testCatalog();
  assert.equal(catalog.has(99999), false);
  assert.deepEqual(catalog.columnType(99999, -1), { kind: "string" });
  assert.equal(catalog.nativeType(99999, -1), "unknown(99999)");
  assert.equal(faces(catalog, 99999, 'a"b').json, '"a\\"b"');
});

Deno.test("values that no type has are refused with a RecordError that does not quote them", () => {
  const catalog = testCatalog();
  const refused: [string, string[]][] = [
    ["bool", ["", "x", "true"]],
    ["int4", ["", "-", "1.5", "1e3", "0x1f", "1 ", "--1"]],
    ["int8", ["", "12345678901234567890a"]],
    ["float8", ["", "-", "1.", ".5", "1e", "1e+", "nan", "Infinit", "01", "1_0", "+1"]],
    ["numeric", ["", "1,5", "1e5", "abc", "-Infinit"]],
    ["uuid", ["", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefg"]],
    ["bytea", ["", "\\", "\\x0", "\\xzz", "\\000", "00"]],
    ["varbit", ["2", "0 1"]],
    ["point", ["", "(1,2", "(1)", "(1,2)x", "1,2", "(a,b)"]],
  ];
  for (const [type, texts] of refused) {
    for (const text of texts) assert.ok(isRefused(catalog, oidOf(type), text), `${type} "${text}"`);
  }
  assert.throws(
    () => faces(catalog, oidOf("int4"), "secret"),
    (error: Error) => !error.message.includes("secret"),
  );
});
