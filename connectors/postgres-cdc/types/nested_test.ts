import assert from "node:assert/strict";
import type { Value } from "../../../formats/data/value.ts";
import type { TypeOptions, TypeRow } from "./mod.ts";
import { faces, isRefused, oidOf, testCatalog, typeRow } from "./testing.ts";

type Case = readonly [type: string | number, text: string, json: string, value?: Value];

/** Types that a database may have of its own. */
const OWN: readonly TypeRow[] = [
  typeRow({
    oid: "90000",
    namespace: "public",
    name: "mood",
    kind: "enum",
    labels: '["sad","so \\"so\\"","ok"]',
  }),
  typeRow({
    oid: "90001",
    namespace: "public",
    name: "_mood",
    native: "mood[]",
    kind: "array",
    element: "90000",
  }),
  typeRow({
    oid: "90002",
    namespace: "public",
    name: "point3",
    kind: "composite",
    attributes: JSON.stringify([["id", 20, -1], ['label "x"', 25, -1], ["raw", 17, -1], ["tags", 1009, -1]]),
  }),
  typeRow({
    oid: "90003",
    namespace: "public",
    name: "_point3",
    native: "point3[]",
    kind: "array",
    element: "90002",
  }),
  typeRow({
    oid: "90004",
    namespace: "public",
    name: "outer_type",
    native: "outer_type",
    kind: "composite",
    attributes: JSON.stringify([["one", 90002, -1], ["many", 90003, -1], ["range", 3926, -1]]),
  }),
  typeRow({
    oid: "90005",
    namespace: "public",
    name: "price",
    kind: "domain",
    base: "1700",
    base_typmod: "786438",
  }),
  typeRow({
    oid: "90006",
    namespace: "public",
    name: "fee",
    kind: "domain",
    base: "90005",
    base_typmod: "-1",
  }),
  typeRow({
    oid: "90007",
    namespace: "public",
    name: "_fee",
    native: "fee[]",
    kind: "array",
    element: "90006",
  }),
  typeRow({
    oid: "90008",
    namespace: "public",
    name: "ids",
    kind: "domain",
    base: "1016",
    base_typmod: "-1",
  }),
  typeRow({
    oid: "90009",
    namespace: "public",
    name: "_ids",
    native: "ids[]",
    kind: "array",
    element: "90008",
  }),
  typeRow({ oid: "90010", namespace: "public", name: "hstore", extension: "hstore" }),
  typeRow({
    oid: "90011",
    namespace: "public",
    name: "_hstore",
    native: "hstore[]",
    kind: "array",
    element: "90010",
  }),
  typeRow({ oid: "90012", namespace: "public", name: "vector", extension: "vector" }),
  typeRow({ oid: "90013", namespace: "public", name: "halfvec", extension: "vector" }),
  typeRow({ oid: "90014", namespace: "public", name: "sparsevec", extension: "vector" }),
  typeRow({
    oid: "90015",
    namespace: "public",
    name: "geometry",
    extension: "postgis",
    formats_typmod: "true",
  }),
  typeRow({
    oid: "90016",
    namespace: "public",
    name: "geography",
    extension: "postgis",
    formats_typmod: "true",
  }),
  typeRow({ oid: "90017", namespace: "public", name: "empty_type", kind: "composite" }),
  typeRow({ oid: "90018", namespace: "public", name: "lquery", extension: "ltree" }),
  typeRow({ oid: "90019", namespace: "other", name: "hstore", native: "other.hstore" }),
  typeRow({ oid: "90020", namespace: "public", name: "loop", kind: "domain", base: "90021" }),
  typeRow({ oid: "90021", namespace: "public", name: "loop2", kind: "domain", base: "90020" }),
];

const catalogOf = (options: Partial<TypeOptions> = {}) => testCatalog(options, OWN);
const oid = (type: string | number) => typeof type === "number" ? type : oidOf(type);

function check(cases: readonly Case[], options: Partial<TypeOptions> = {}): void {
  const catalog = catalogOf(options);
  for (const [type, text, json, value] of cases) {
    const got = faces(catalog, oid(type), text);
    assert.equal(got.json, json, `${type} ${text}`);
    assert.deepEqual(got.value, value === undefined ? JSON.parse(json) : value, `${type} ${text}`);
  }
}

Deno.test("arrays are nested, tell NULL from the text, and lose only their lower bounds", () => {
  check([
    ["_int4", "{}", "[]"],
    ["_int4", "{1,NULL,-3}", "[1,null,-3]"],
    ["_int4", "{{1,2},{3,4}}", "[[1,2],[3,4]]"],
    ["_int4", "{{{{{{1}}}}}}", "[[[[[[1]]]]]]"],
    ["_int4", "[2:3]={7,8}", "[7,8]"],
    ["_int4", "[-1:0][5:5]={{1},{2}}", "[[1],[2]]"],
    ["_int8", "{9007199254740993,NULL}", "[9007199254740993,null]", [9007199254740993n, null]],
    ["_int8", "{{1},{2}}", "[[1],[2]]", [[1n], [2n]]],
    ["_bool", "{t,f,NULL}", "[true,false,null]"],
    ["_float8", "{1.5,NaN,-Infinity}", '[1.5,"NaN","-Infinity"]'],
    ["_numeric", "{1.50,NaN}", '["1.50","NaN"]'],
    [
      "_text",
      '{a,"b c","NULL",NULL,"null","","d,e","{f}","g\\"h","i\\\\j"}',
      '["a","b c","NULL",null,"null","","d,e","{f}","g\\"h","i\\\\j"]',
    ],
    ["_text", '{"\n"," x "}', '["\\n"," x "]'],
    ["_bytea", '{"\\\\x00ff",NULL}', '["AP8=",null]', [new Uint8Array([0, 255]), null]],
    ["_timestamptz", '{"2026-01-31 12:00:00+00",infinity}', '["2026-01-31T12:00:00Z","infinity"]'],
    ["_jsonb", '{"{\\"a\\": [1, \\"x\\\\\\\\y\\"]}",1,"null",NULL}', '[{"a": [1, "x\\\\y"]},1,null,null]'],
    ["_box", "{(2,2),(1,1);(4,4),(3,3)}", '["(2,2),(1,1)","(4,4),(3,3)"]'],
    ["_point", '{"(1,2)","(3,4)"}', '[{"x":1,"y":2},{"x":3,"y":4}]'],
    ["_uuid", "{00112233-4455-6677-8899-aabbccddeeff}", '["00112233-4455-6677-8899-aabbccddeeff"]'],
  ]);
  assert.deepEqual(catalogOf().columnType(oidOf("_varchar"), 24), {
    kind: "array",
    items: { kind: "string" },
  });
});

Deno.test("enums are their labels, and the schema has all of them in their order", () => {
  check([[90000, "ok", '"ok"'], [90000, 'so "so"', '"so \\"so\\""'], [
    90001,
    '{ok,"so \\"so\\"",NULL}',
    '["ok","so \\"so\\"",null]',
  ]]);
  assert.deepEqual(catalogOf().columnType(90000, -1), { kind: "enum", values: ["sad", 'so "so"', "ok"] });
});

Deno.test("domains are what they are made of, with the modifier that the innermost has", () => {
  // 786438 is numeric(12,2).
  const decimal = { kind: "decimal", precision: 12, scale: 2 } as const;
  assert.deepEqual(catalogOf().columnType(90006, -1), decimal);
  assert.deepEqual(catalogOf().columnType(90007, -1), { kind: "array", items: decimal });
  check([[90006, "1.50", '"1.50"'], [90007, "{1.50,NULL}", '["1.50",null]']]);
  check([[90009, '{"{1,2}",NULL}', "[[1,2],null]", [[1n, 2n], null]]]);
});

Deno.test("a domain that is made of itself ends as text", () => {
  check([[90020, "x", '"x"']]);
});

Deno.test("composites are objects of their fields, however deep", () => {
  const one = '(7,"a ""quoted"" \\\\ (x)","\\\\x00ff","{a,""b \\\\""c\\\\"""",NULL}")';
  const json =
    '{"id":7,"label \\"x\\"":"a \\"quoted\\" \\\\ (x)","raw":"AP8=","tags":["a","b \\"c\\"",null]}';
  const value = {
    id: 7n,
    'label "x"': 'a "quoted" \\ (x)',
    raw: new Uint8Array([0, 255]),
    tags: ["a", 'b "c"', null],
  };
  const nulls = { id: null, 'label "x"': null, raw: null, tags: null };
  const nullsJson = '{"id":null,"label \\"x\\"":null,"raw":null,"tags":null}';
  check([
    [90002, one, json, value],
    [90002, "(,,,)", nullsJson],
    [90002, '(1,"",,{})', '{"id":1,"label \\"x\\"":"","raw":null,"tags":[]}', {
      ...nulls,
      id: 1n,
      'label "x"': "",
      tags: [],
    }],
    [90002, "(1,NULL,,)", '{"id":1,"label \\"x\\"":"NULL","raw":null,"tags":null}', {
      ...nulls,
      id: 1n,
      'label "x"': "NULL",
    }],
    [90017, "()", "{}"],
  ]);
  // The same nested: as record_out and array_out quote it, made by the rules of manual 8.16.6 and 8.15.6.
  const inRecord = (text: string) => `"${text.replace(/["\\]/g, "$&$&")}"`;
  const inArray = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
  const outer = `(${inRecord(one)},${
    inRecord(`{${inArray(one)},NULL,${inArray("(,,,)")}}`)
  },"[1,9007199254740993)")`;
  check([[
    90004,
    outer,
    `{"one":${json},"many":[${json},null,${nullsJson}],"range":"[1,9007199254740993)"}`,
    { one: value, many: [value, null, nulls], range: "[1,9007199254740993)" },
  ]]);
  assert.deepEqual(catalogOf().columnType(90002, -1), {
    kind: "struct",
    fields: [
      { name: "id", type: { kind: "int64" }, nullable: true, nativeType: "int8" },
      { name: 'label "x"', type: { kind: "string" }, nullable: true, nativeType: "text" },
      { name: "raw", type: { kind: "bytes" }, nullable: true, nativeType: "bytea" },
      {
        name: "tags",
        type: { kind: "array", items: { kind: "string" } },
        nullable: true,
        nativeType: "text[]",
      },
    ],
  });
});

Deno.test("a composite with other fields than its type has now is refused, and read once the new type is known", () => {
  const catalog = catalogOf();
  assert.ok(isRefused(catalog, 90002, "(1,x,,)") === false);
  for (const text of ["(1,x,)", "(1,x,,,)", "(1)"]) {
    assert.throws(() => faces(catalog, 90002, text), /it has not the 4 fields that the type has now/, text);
  }
  catalog.add([typeRow({
    oid: "90002",
    namespace: "public",
    name: "point3",
    kind: "composite",
    attributes: JSON.stringify([["id", 20, -1]]),
  })]);
  assert.equal(faces(catalog, 90002, "(1)").json, '{"id":1}');
  assert.equal(faces(catalog, 90003, '{"(1)"}').json, '[{"id":1}]');
});

Deno.test("ranges and multiranges are text, or objects with bounds", () => {
  check([
    ["int4range", "[1,10)", '"[1,10)"'],
    ["tstzrange", '["2026-01-01 00:00:00+00",)', '"[\\"2026-01-01 00:00:00+00\\",)"'],
    ["int4multirange", "{[1,3),[5,7)}", '"{[1,3),[5,7)}"'],
  ]);
  const flags = (lower: boolean, upper: boolean) =>
    `"lower_inc":${lower},"upper_inc":${upper},"empty":false}`;
  check([
    ["int4range", "[1,10)", `{"lower":1,"upper":10,${flags(true, false)}`],
    ["int4range", "empty", '{"lower":null,"upper":null,"lower_inc":false,"upper_inc":false,"empty":true}'],
    ["int4range", "(,)", `{"lower":null,"upper":null,${flags(false, false)}`],
    ["numrange", "(1.50,NaN]", `{"lower":"1.50","upper":"NaN",${flags(false, true)}`],
    [
      "int8range",
      "[9007199254740993,)",
      `{"lower":9007199254740993,"upper":null,${flags(true, false)}`,
      { lower: 9007199254740993n, upper: null, lower_inc: true, upper_inc: false, empty: false },
    ],
    ["daterange", "[2026-01-01,infinity)", `{"lower":"2026-01-01","upper":"infinity",${flags(true, false)}`],
    [
      "tstzrange",
      '["2026-01-01 00:00:00+00","2026-01-02 00:00:00+00")',
      `{"lower":"2026-01-01T00:00:00Z","upper":"2026-01-02T00:00:00Z",${flags(true, false)}`,
    ],
    ["int4multirange", "{}", "[]"],
    [
      "int4multirange",
      "{[1,3),[5,)}",
      `[{"lower":1,"upper":3,${flags(true, false)},{"lower":5,"upper":null,${flags(true, false)}]`,
    ],
    ["datemultirange", "{(,2026-01-01)}", `[{"lower":null,"upper":"2026-01-01",${flags(false, false)}]`],
  ], { range_handling: "object" });
});

Deno.test("hstores are objects of strings and nulls, or the JSON text of that", () => {
  const cases: [string, string][] = [
    ["", "{}"],
    ['"a"=>"1", "b"=>NULL, "c"=>"NULL"', '{"a":"1","b":null,"c":"NULL"}'],
    ['""=>"", "x\\"y\\\\z"=>"=>, \\"\n"', '{"":"","x\\"y\\\\z":"=>, \\"\\n"}'],
  ];
  check(cases.map(([text, json]) => [90010, text, json]));
  check(cases.map(([text, json]) => [90010, text, JSON.stringify(json)]), { hstore_handling: "string" });
  check([[90011, '{"\\"a\\"=>\\"1\\"",NULL,""}', '[{"a":"1"},null,{}]']]);
  assert.deepEqual(catalogOf().columnType(90010, -1), { kind: "map", values: { kind: "string" } });
  // A type of that name that is not the extension's is text.
  check([[90019, '"a"=>"1"', '"\\"a\\"=>\\"1\\""']]);
});

// Texts of pgvector and PostGIS are taken from their documentation: no test server has them.

Deno.test("pgvector's vectors are arrays of numbers, sparse ones objects", () => {
  check([
    [90012, "[1,2.5,-3e-07]", "[1,2.5,-3e-07]"],
    [90013, "[0.1]", "[0.1]"],
    [90014, "{1:1,3:2.5}/5", '{"dimensions":5,"vector":{"1":1,"3":2.5}}'],
    [90014, "{}/3", '{"dimensions":3,"vector":{}}'],
  ]);
  assert.deepEqual(catalogOf().columnType(90012, 3), { kind: "array", items: { kind: "float32" } });
  assert.equal(catalogOf().nativeType(90012, 3), "vector(3)");
});

Deno.test("PostGIS geometries are WKB without SRID, and the SRID", () => {
  // SELECT ST_SetSRID(ST_MakePoint(1, 2), 4326): the manual's EWKB example, and the same without SRID, big endian too.
  const wkb = Uint8Array.fromHex("0101000000000000000000f03f0000000000000040");
  const big = Uint8Array.fromHex("00000000013ff00000000000004000000000000000");
  check([
    [90015, "0101000020E6100000000000000000F03F0000000000000040", `{"wkb":"${wkb.toBase64()}","srid":4326}`, {
      wkb,
      srid: 4326,
    }],
    [90015, "0101000000000000000000F03F0000000000000040", `{"wkb":"${wkb.toBase64()}","srid":0}`, {
      wkb,
      srid: 0,
    }],
    [90016, "0020000001000010E63FF00000000000004000000000000000", `{"wkb":"${big.toBase64()}","srid":4326}`, {
      wkb: big,
      srid: 4326,
    }],
  ]);
  assert.equal(catalogOf().nativeType(90015, 1107460), "geometry");
});

Deno.test("every truncation of a nested value is refused", () => {
  const object = catalogOf({ range_handling: "object", geometry_handling: "object" });
  const values: [string | number, string][] = [
    ["_int4", "[2:3][1:2]={{1,NULL},{3,4}}"],
    ["_text", '{a,"b \\"c\\\\",NULL}'],
    ["_bytea", '{"\\\\x00ff"}'],
    ["_box", "{(2,2),(1,1);(4,4),(3,3)}"],
    [90003, '{"(7,\\"a \\"\\"b\\"\\"\\",,\\"{x,NULL}\\")",NULL}'],
    [90002, '(7,"a ""b"" \\\\","\\\\x00ff","{a,""b""}")'],
    ["int4range", "[1,10)"],
    ["int4range", "empty"],
    ["tstzrange", '["2026-01-01 00:00:00+00","2026-01-02 00:00:00+00")'],
    ["int8multirange", "{[1,3),[5,7)}"],
    ["path", "((0,0),(1,1))"],
    ["circle", "<(1,2),3>"],
    [90012, "[1,2.5,3]"],
    [90014, "{1:1,3:2}/5"],
    [90015, "0101000020E6100000000000000000F03F0000000000000040"],
  ];
  for (const [type, text] of values) {
    assert.equal(isRefused(object, oid(type), text), false, `${type} ${text}`);
    for (let size = 0; size < text.length; size++) {
      // Of a geometry only what the header needs is looked at: its coordinates are passed on.
      if (type === 90015 && size >= 26 && size % 2 === 0) continue;
      assert.ok(isRefused(object, oid(type), text.slice(0, size)), `${type} ${text.slice(0, size)}`);
    }
  }
});

Deno.test("every truncation of an hstore is refused, except between two pairs, where it is an hstore", () => {
  const catalog = catalogOf();
  const text = '"a"=>"1", "b\\"c"=>NULL, "d"=>"\\\\"';
  const whole = new Set([0, text.indexOf(", "), text.lastIndexOf(", ")]);
  for (let size = 0; size < text.length; size++) {
    assert.equal(isRefused(catalog, 90010, text.slice(0, size)), !whole.has(size), text.slice(0, size));
  }
});

Deno.test("nested values with too much, too little or in the wrong place are refused", () => {
  const object = catalogOf({ range_handling: "object", geometry_handling: "object" });
  const values: [string | number, string[]][] = [
    ["_int4", [
      "1",
      "{1}}",
      "{1} ",
      "{1,}",
      "{,1}",
      "{1,{2}}",
      "{{1},2}",
      "{{1},{{2}}}",
      "{{},{}}",
      "{{{{{{{1}}}}}}}",
      "[1:1]{1}",
      "[1;1]={1}",
      "{1;2}",
    ]],
    ["_text", ['{a"b}', '{"a"b}', "{a\\b}", '{"a" ,b}', "{a{b}"]],
    [90002, ["(1,x,,", "1,x,,", "(1,x,,))", '(1,x"y",,)', "(1,(x,,)", "(a,x,,)"]],
    ["int4range", ["[1;2)", "[1,2", "1,2)", "[1,2)x", "[a,b)", "[1,2,3)", "Empty", "[(1,2)"]],
    ["int4multirange", ["[1,2)", "{[1,2)", "{[1,2);[3,4)}", "{[1,2),}", "{[1,2)}x", "{empty}", "{,}"]],
    [90010, ['a=>"1"', '"a"="1"', '"a"=>1', '"a"=>"1","b"=>"2"', '"a"=>"1", ', '"a"=>NULLx', '"a"=>']],
    [90012, ["1,2", "[1,]", "[,]", "[x]", "[1 2]", "[1,2]x"]],
    [90014, ["{1:1}", "{1}/3", "{:1}/3", "{1:}/3", "{1:1,}/3", "{1:1}/x", "{1:1}/", "1:1/3"]],
    [90015, [
      "",
      "01",
      "0201000000000000000000F03F0000000000000040",
      "zz01000000000000000000F03F0000000000000040",
    ]],
    ["polygon", ["((0,0)", "(0,0)", "((0,0),)", "((0,0)))", "((0,0);(1,1))"]],
  ];
  for (const [type, texts] of values) {
    for (const text of texts) assert.ok(isRefused(object, oid(type), text), `${type} ${text}`);
  }
});
