/**
 * For the tests: a column for every type of PostgreSQL, with values at its edges, and what becomes of them: the
 * documented representation under the default options.
 */
import type { ColumnType, Value } from "../../../formats/data/value.ts";

/** The objects that the types below need. */
export const PRELUDE = `
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION isn;
CREATE SCHEMA other;
CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'o,k', 'glücklich');
ALTER TYPE mood ADD VALUE 'fine' BEFORE 'sad';
CREATE TYPE other.mood AS ENUM ('x');
CREATE DOMAIN price AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE DOMAIN fee AS price;
CREATE DOMAIN ids AS int8[];
CREATE TYPE inner_type AS (id int8, "a ""label""" text, raw bytea, tags text[], gone int, at timestamptz);
ALTER TYPE inner_type DROP ATTRIBUTE gone;
CREATE TYPE outer_type AS (one inner_type, many inner_type[], price fee, mood other.mood);
CREATE TABLE row_type (id int4, name varchar(10));
CREATE TYPE span AS RANGE (subtype = timestamptz);
CREATE TYPE words AS RANGE (subtype = text, collation = "C");
`;

/** What a value becomes; `value` where it is not what JSON.parse makes of the text. `from`: the first version that has it. */
export interface Expected {
  readonly sql: string;
  readonly json: string;
  readonly value?: Value;
  readonly from?: number;
}

export interface TypeCase {
  /** As in CREATE TABLE. */
  readonly sql: string;
  readonly type: ColumnType;
  readonly values: readonly Expected[];
}

function column(
  sql: string,
  type: ColumnType | ColumnType["kind"],
  ...values: (readonly [sql: string, json: string, value?: Value, from?: number])[]
): TypeCase {
  return {
    sql,
    type: typeof type === "string" ? { kind: type } as ColumnType : type,
    values: values.map(([sql, json, value, from]) => ({ sql, json, value, from })),
  };
}

const array = (items: ColumnType | ColumnType["kind"]): ColumnType => ({
  kind: "array",
  items: typeof items === "string" ? { kind: items } as ColumnType : items,
});
const decimal = (precision?: number, scale?: number): ColumnType =>
  precision === undefined ? { kind: "decimal" } : { kind: "decimal", precision, scale };
const time = (kind: "time" | "timetz" | "timestamp" | "timestamptz", precision = 6): ColumnType => ({
  kind,
  precision,
});
const POINT: ColumnType = {
  kind: "struct",
  fields: ["x", "y"].map((name) => ({ name, type: { kind: "float64" }, nullable: false })),
};
const INNER: ColumnType = {
  kind: "struct",
  fields: [
    { name: "id", type: { kind: "int64" }, nullable: true, nativeType: "bigint" },
    { name: 'a "label"', type: { kind: "string" }, nullable: true, nativeType: "text" },
    { name: "raw", type: { kind: "bytes" }, nullable: true, nativeType: "bytea" },
    { name: "tags", type: array("string"), nullable: true, nativeType: "text[]" },
    { name: "at", type: time("timestamptz"), nullable: true, nativeType: "timestamp with time zone" },
  ],
};
const MOOD: ColumnType = { kind: "enum", values: ["fine", "sad", 'so "so"', "o,k", "glücklich"] };

const MANY_DIGITS = `1${"0".repeat(131071)}.${"0".repeat(16382)}1`;
const INNER_SQL =
  `ROW(9007199254740993, E'a "q" \\\\ (x), y', '\\x00ff', ARRAY['p q', NULL, 'NULL', E'"\\\\'], '2026-01-31 12:00+02')`;
const INNER_JSON = '{"id":9007199254740993,"a \\"label\\"":"a \\"q\\" \\\\ (x), y","raw":"AP8=",' +
  '"tags":["p q",null,"NULL","\\"\\\\"],"at":"2026-01-31T10:00:00Z"}';
const INNER_VALUE: Value = {
  id: 9007199254740993n,
  'a "label"': 'a "q" \\ (x), y',
  raw: new Uint8Array([0, 255]),
  tags: ["p q", null, "NULL", '"\\'],
  at: "2026-01-31T10:00:00Z",
};
const NO_INNER = '{"id":null,"a \\"label\\"":null,"raw":null,"tags":null,"at":null}';

/** The cases that a version knows: its types, and of their values those that it has. */
export function typeCases(version: number): TypeCase[] {
  return TYPE_CASES
    .map((type) => ({ ...type, values: type.values.filter(({ from = 0 }) => from <= version) }))
    .filter(({ values }) => values.length > 0);
}

const TYPE_CASES: readonly TypeCase[] = [
  column("bool", "boolean", ["true", "true"], ["false", "false"]),
  column("int2", "int16", ["-32768", "-32768"], ["32767", "32767"]),
  column("int4", "int32", ["-2147483648", "-2147483648"], ["0", "0"]),
  column(
    "int8",
    "int64",
    ["-9223372036854775808", "-9223372036854775808", -9223372036854775808n],
    ["9223372036854775807", "9223372036854775807", 9223372036854775807n],
    ["9007199254740993", "9007199254740993", 9007199254740993n],
    ["7", "7", 7n],
  ),
  column("oid", "int64", ["4294967295", "4294967295", 4294967295n]),
  column("xid", "int64", ["'4294967295'", "4294967295", 4294967295n]),
  column("cid", "int64", ["'0'", "0", 0n]),
  column("xid8", "uint64", ["'18446744073709551615'", "18446744073709551615", 18446744073709551615n]),
  column("tid", "string", ["'(4294967295,65535)'", '"(4294967295,65535)"']),
  column("pg_lsn", "string", ["'16/B374D848'", '"16/B374D848"']),
  column(
    "float4",
    "float32",
    ["0.1", "0.1"],
    ["1e20", "1e+20"],
    ["1e-7", "1e-07"],
    ["'3.4028235e38'", "3.4028235e+38"],
    ["'1e-45'", "1e-45"],
    ["'NaN'", '"NaN"'],
    ["'-Infinity'", '"-Infinity"'],
    ["16777217", "1.6777216e+07"],
  ),
  column(
    "float8",
    "float64",
    ["0.1", "0.1"],
    ["'-0'", "-0", -0],
    ["1e15", "1e+15"],
    ["123456789012345", "123456789012345"],
    ["'1.7976931348623157e308'", "1.7976931348623157e+308"],
    ["'5e-324'", "5e-324"],
    ["'NaN'", '"NaN"'],
    ["'Infinity'", '"Infinity"'],
  ),
  column(
    "numeric",
    decimal(),
    ["1.50", '"1.50"'],
    ["'NaN'", '"NaN"'],
    ["'Infinity'", '"Infinity"'],
    ["'-Infinity'", '"-Infinity"'],
    ["1e-20", '"0.00000000000000000001"'],
    [MANY_DIGITS, `"${MANY_DIGITS}"`],
  ),
  column("numeric(12,2)", decimal(12, 2), ["1.5", '"1.50"'], ["-9999999999.99", '"-9999999999.99"']),
  column("numeric(38,18)", decimal(38, 18), ["-0.000000000000000001", '"-0.000000000000000001"']),
  column("numeric(3,-2)", decimal(5, 0), ["12345", '"12300"', undefined, 15]),
  column("numeric(3,5)", decimal(5, 5), ["0.00123", '"0.00123"', undefined, 15]),
  column(
    "money",
    decimal(19, 2),
    ["'1234567.895'", '"1234567.90"'],
    ["'-0.05'", '"-0.05"'],
    ["'-92233720368547758.08'", '"-92233720368547758.08"'],
  ),
  column(
    "text",
    "string",
    [`E'a"b\\\\c\\n\\r\\t\\x01\\x7f ü😀\\u2028'`, '"a\\"b\\\\c\\n\\r\\t\\u0001\x7f ü😀\u2028"'],
    ["''", '""'],
    ["'null'", '"null"'],
    ["repeat('x', 100000)", `"${"x".repeat(100000)}"`],
  ),
  column("varchar(20)", "string", ["'ab '", '"ab "']),
  column("varchar", "string", ["'ab'", '"ab"']),
  column("char(5)", "string", ["'ab'", '"ab   "']),
  column("bpchar", "string", ["'ab  '", '"ab  "']),
  column("name", "string", ["'pg_class'", '"pg_class"']),
  column('"char"', "string", ["'x'", '"x"'], ["''", '""'], ["'\\303'", '"\\\\303"', undefined, 16]),
  column("citext", "string", ["'AbC'", '"AbC"']),
  column(
    "bytea",
    "bytes",
    ["'\\x'", '""', new Uint8Array()],
    ["'\\x00ff5c22'", '"AP9cIg=="', new Uint8Array([0, 255, 0x5c, 0x22])],
  ),
  column("bit(1)", "boolean", ["B'1'", "true"], ["B'0'", "false"]),
  column("bit(11)", "string", ["B'10000000011'", '"10000000011"']),
  column("varbit", "string", ["B''", '""'], ["B'01'", '"01"']),
  column("varbit(5)", "string", ["B'1'", '"1"']),
  column(
    "date",
    "date",
    ["'2026-01-31'", '"2026-01-31"'],
    ["'0044-03-15 BC'", '"-0043-03-15"'],
    ["'0001-01-01 BC'", '"0000-01-01"'],
    ["'12026-01-01'", '"+12026-01-01"'],
    ["'5874897-12-31'", '"+5874897-12-31"'],
    ["'4714-11-24 BC'", '"-4713-11-24"'],
    ["'infinity'", '"infinity"'],
    ["'-infinity'", '"-infinity"'],
  ),
  column("time", time("time"), ["'12:00:00.5'", '"12:00:00.5"'], ["'24:00:00'", '"24:00:00"']),
  column("time(0)", time("time", 0), ["'23:59:59.4'", '"23:59:59"']),
  column(
    "timetz",
    time("timetz"),
    ["'12:00:00.000001+02'", '"12:00:00.000001+02:00"'],
    ["'12:00:00-03:30'", '"12:00:00-03:30"'],
    ["'12:00:00+00:19:32'", '"12:00:00+00:19:32"'],
    ["'24:00:00-15:59:59'", '"24:00:00-15:59:59"'],
    ["'00:00:00+00'", '"00:00:00+00:00"'],
  ),
  column("timetz(3)", time("timetz", 3), ["'12:00:00.12345+02'", '"12:00:00.123+02:00"']),
  column(
    "timestamp",
    time("timestamp"),
    ["'2026-01-31 12:00:00.123456'", '"2026-01-31T12:00:00.123456"'],
    ["'2026-01-31 12:00:00'", '"2026-01-31T12:00:00"'],
    ["'0044-03-15 12:00:00.5 BC'", '"-0043-03-15T12:00:00.5"'],
    ["'294276-12-31 23:59:59.999999'", '"+294276-12-31T23:59:59.999999"'],
    ["'4714-11-24 00:00:00 BC'", '"-4713-11-24T00:00:00"'],
    ["'infinity'", '"infinity"'],
    ["'-infinity'", '"-infinity"'],
  ),
  column("timestamp(3)", time("timestamp", 3), ["'1969-12-31 23:59:59.9996'", '"1970-01-01T00:00:00"']),
  column(
    "timestamptz",
    time("timestamptz"),
    ["'2026-01-31 12:00:00.123456+05:30'", '"2026-01-31T06:30:00.123456Z"'],
    ["'1900-01-01 00:00:00+00:19:32'", '"1899-12-31T23:40:28Z"'],
    ["'0044-03-15 12:00:00+00 BC'", '"-0043-03-15T12:00:00Z"'],
    ["'2016-12-31 23:59:60+00'", '"2017-01-01T00:00:00Z"'],
    ["'294276-12-31 23:59:59.999999+00'", '"+294276-12-31T23:59:59.999999Z"'],
    ["'infinity'", '"infinity"'],
    ["'-infinity'", '"-infinity"'],
  ),
  column("timestamptz(0)", time("timestamptz", 0), ["'2026-01-31 12:00:00.6+00'", '"2026-01-31T12:00:01Z"']),
  column(
    "interval",
    "interval",
    ["'1 year 2 mons 3 days 04:05:06.000007'", '"P1Y2M3DT4H5M6.000007S"'],
    ["'1 mon -3 days +04:05:06'", '"P1M-3DT4H5M6S"'],
    ["'0'", '"PT0S"'],
    ["'-1 year -2 mons +3 days -04:05:06.5'", '"P-1Y-2M3DT-4H-5M-6.5S"'],
    ["'-0.000001 s'", '"PT-0.000001S"'],
    ["'178000000 years'", '"P178000000Y"'],
    ["'2562047788 hours'", '"PT2562047788H"', undefined, 15],
    ["'infinity'", '"infinity"', undefined, 17],
  ),
  column("interval day to second(3)", "interval", ["'1 day 0.12345 s'", '"P1DT0.123S"']),
  column("interval year to month", "interval", ["'14 mons'", '"P1Y2M"']),
  column("uuid", "uuid", [
    "'00112233-4455-6677-8899-AABBCCDDEEFF'",
    '"00112233-4455-6677-8899-aabbccddeeff"',
  ]),
  column(
    "json",
    "json",
    [`E'{"b" : 1,\\n\\t"a":1.50,\\r\\n"a":"x\\\\n"}'`, '{"b" : 1, \t"a":1.50,  "a":"x\\n"}', {
      b: 1,
      a: "x\n",
    }],
    ["'null'", "null"],
    ["'12345678901234567890'", "12345678901234567890", 12345678901234567890n],
  ),
  column(
    "jsonb",
    "json",
    [`'{"b": 9007199254740993, "a": [1.50, "\\u00fc"]}'`, '{"a": [1.50, "ü"], "b": 9007199254740993}', {
      a: [1.5, "ü"],
      b: 9007199254740993n,
    }],
    ["'1e30'", `1${"0".repeat(30)}`, 10n ** 30n],
    [`'"x"'`, '"x"'],
  ),
  column("json[]", array("json"), [
    `ARRAY['{"a": "x\\\\y"}', NULL, 'null']::json[]`,
    '[{"a": "x\\\\y"},null,null]',
  ]),
  column("jsonb[]", array("json"), [`ARRAY['{"a":"}"}', '1']::jsonb[]`, '[{"a": "}"},1]']),
  column("jsonpath", "string", [`'$.a[*] ? (@ > 1)'`, '"$.\\"a\\"[*]?(@ > 1)"']),
  column("tsvector", "string", [`'''a b'':1A c'`, `"'a b':1A 'c'"`]),
  column("tsquery", "string", ["'a & !b'", `"'a' & !'b'"`]),
  column("regclass", "string", ["'pg_class'", '"pg_class"']),
  column("inet", "string", ["'192.168.0.1/24'", '"192.168.0.1/24"'], ["'::1'", '"::1"']),
  column("cidr", "string", ["'10.0.0.0/8'", '"10.0.0.0/8"']),
  column("macaddr", "string", ["'08002B010203'", '"08:00:2b:01:02:03"']),
  column("macaddr8", "string", ["'08002B0102030405'", '"08:00:2b:01:02:03:04:05"']),
  column("point", POINT, ["'(1.5,-2)'", '{"x":1.5,"y":-2}'], [
    "'(NaN,Infinity)'",
    '{"x":"NaN","y":"Infinity"}',
  ]),
  column("line", "string", ["'{1,-1,0}'", '"{1,-1,0}"']),
  column("lseg", "string", ["'[(0,0),(1,1)]'", '"[(0,0),(1,1)]"']),
  column("box", "string", ["'(1,1),(2,2)'", '"(2,2),(1,1)"']),
  column("path", "string", ["'[(0,0),(1,1)]'", '"[(0,0),(1,1)]"'], ["'((0,0))'", '"((0,0))"']),
  column("polygon", "string", ["'((0,0),(1,0),(1,1))'", '"((0,0),(1,0),(1,1))"']),
  column("circle", "string", ["'<(1,2),3>'", '"<(1,2),3>"']),
  column("int4range", "string", ["'(1,10]'", '"[2,11)"'], ["'empty'", '"empty"'], ["'(,)'", '"(,)"']),
  column("int8range", "string", ["'[1,9007199254740993)'", '"[1,9007199254740993)"']),
  column("numrange", "string", ["'(1.50,)'", '"(1.50,)"']),
  column("tsrange", "string", ["'[2026-01-01 12:00,)'", '"[\\"2026-01-01 12:00:00\\",)"']),
  column("tstzrange", "string", ["'[2026-01-01 12:00+02,)'", '"[\\"2026-01-01 10:00:00+00\\",)"']),
  column("daterange", "string", ["'[2026-01-01,infinity)'", '"[2026-01-01,infinity)"']),
  column("span", "string", ["'[2026-01-01 12:00+02,infinity]'", '"[\\"2026-01-01 10:00:00+00\\",infinity]"']),
  column("words", "string", [`words('a "b" \\', 'c)', '[]')`, '"[\\"a \\"\\"b\\"\\" \\\\\\\\\\",\\"c)\\"]"']),
  column("int4multirange", "string", ["'{[1,3),[5,7)}'", '"{[1,3),[5,7)}"'], ["'{}'", '"{}"']),
  column("tstzmultirange", "string", ["'{[2026-01-01 12:00+02,)}'", '"{[\\"2026-01-01 10:00:00+00\\",)}"']),
  column("hstore", { kind: "map", values: { kind: "string" } }, [
    `hstore(ARRAY['a', '1', 'n', NULL, '', '', E'k"\\\\', '=>, "NULL"'])`,
    '{"":"","a":"1","n":null,"k\\"\\\\":"=>, \\"NULL\\""}',
  ], ["''", "{}"]),
  column("ltree", "string", ["'a.b.c'", '"a.b.c"']),
  column("isbn13", "string", ["'978-0-393-04002-9'", '"978-0-393-04002-9"']),
  column("mood", MOOD, [`'so "so"'`, '"so \\"so\\""'], ["'glücklich'", '"glücklich"']),
  column("other.mood", { kind: "enum", values: ["x"] }, ["'x'", '"x"']),
  column("price", decimal(12, 2), ["1", '"1.00"']),
  column("fee", decimal(12, 2), ["1.5", '"1.50"']),
  column("ids", array("int64"), ["'{1,9007199254740993}'", "[1,9007199254740993]", [1n, 9007199254740993n]]),
  column("inner_type", INNER, [INNER_SQL, INNER_JSON, INNER_VALUE], [
    "ROW(NULL,NULL,NULL,NULL,NULL)",
    NO_INNER,
  ]),
  column(
    "outer_type",
    {
      kind: "struct",
      fields: [
        { name: "one", type: INNER, nullable: true, nativeType: "inner_type" },
        { name: "many", type: array(INNER), nullable: true, nativeType: "inner_type[]" },
        { name: "price", type: decimal(12, 2), nullable: true, nativeType: "fee" },
        { name: "mood", type: { kind: "enum", values: ["x"] }, nullable: true, nativeType: "other.mood" },
      ],
    },
    [
      `ROW(${INNER_SQL}, ARRAY[${INNER_SQL}, NULL]::inner_type[], 1.5, 'x')`,
      `{"one":${INNER_JSON},"many":[${INNER_JSON},null],"price":"1.50","mood":"x"}`,
      { one: INNER_VALUE, many: [INNER_VALUE, null], price: "1.50", mood: "x" },
    ],
  ),
  column("row_type", {
    kind: "struct",
    fields: [
      { name: "id", type: { kind: "int32" }, nullable: true, nativeType: "integer" },
      { name: "name", type: { kind: "string" }, nullable: true, nativeType: "character varying(10)" },
    ],
  }, ["ROW(1, 'a b')", '{"id":1,"name":"a b"}']),
  column("row_type[]", {
    kind: "array",
    items: {
      kind: "struct",
      fields: [
        { name: "id", type: { kind: "int32" }, nullable: true, nativeType: "integer" },
        { name: "name", type: { kind: "string" }, nullable: true, nativeType: "character varying(10)" },
      ],
    },
  }, ["ARRAY[ROW(1, '\"')]::row_type[]", '[{"id":1,"name":"\\""}]']),
  column("bool[]", array("boolean"), ["'{t,NULL,f}'", "[true,null,false]"]),
  column("int2[]", array("int16"), ["'[2:3]={7,8}'", "[7,8]"]),
  column(
    "int4[]",
    array("int32"),
    ["'{}'", "[]"],
    ["'{{1,2},{3,4}}'", "[[1,2],[3,4]]"],
    ["'[0:1][5:5]={{1},{NULL}}'", "[[1],[null]]"],
  ),
  column("int8[]", array("int64"), ["'{9007199254740993,1}'", "[9007199254740993,1]", [
    9007199254740993n,
    1n,
  ]]),
  column("oid[]", array("int64"), ["'{1}'", "[1]", [1n]]),
  column("float4[]", array("float32"), ["'{0.1,NaN}'", '[0.1,"NaN"]']),
  column("float8[]", array("float64"), ["'{1e300,-Infinity}'", '[1e+300,"-Infinity"]']),
  column("numeric(12,2)[]", array(decimal(12, 2)), ["'{1.5,NULL}'", '["1.50",null]']),
  column("money[]", array(decimal(19, 2)), [`'{"-1,234.50"}'::money[]`, '["-1234.50"]']),
  column("text[]", array("string"), [
    `ARRAY['a', 'b c', 'NULL', NULL, 'null', '', 'd,e', '{f}', 'g"h', E'i\\\\j', E'\\n']`,
    '["a","b c","NULL",null,"null","","d,e","{f}","g\\"h","i\\\\j","\\n"]',
  ], ["ARRAY[ARRAY['a'],ARRAY['}']]", '[["a"],["}"]]']),
  column("varchar(20)[]", array("string"), ["'{ab}'", '["ab"]']),
  column("char(3)[]", array("string"), ["'{a}'", '["a  "]']),
  column("bytea[]", array("bytes"), ["ARRAY['\\x00ff', NULL]::bytea[]", '["AP8=",null]', [
    new Uint8Array([0, 255]),
    null,
  ]]),
  column("bit(1)[]", array("boolean"), ["'{1,0}'", "[true,false]"]),
  column("date[]", array("date"), [
    "'{2026-01-31,0001-01-01 BC,infinity}'",
    '["2026-01-31","0000-01-01","infinity"]',
  ]),
  column("time(0)[]", array(time("time", 0)), ["'{12:00:00}'", '["12:00:00"]']),
  column("timetz[]", array(time("timetz")), ["'{12:00:00+02}'", '["12:00:00+02:00"]']),
  column("timestamp(3)[]", array(time("timestamp", 3)), [
    "'{2026-01-31 12:00:00.5}'",
    '["2026-01-31T12:00:00.5"]',
  ]),
  column("timestamptz[]", array(time("timestamptz")), [
    "'{2026-01-31 12:00:00+02}'",
    '["2026-01-31T10:00:00Z"]',
  ]),
  column("interval[]", array("interval"), ["'{1 day}'", '["P1D"]']),
  column("uuid[]", array("uuid"), [
    "'{00112233-4455-6677-8899-aabbccddeeff}'",
    '["00112233-4455-6677-8899-aabbccddeeff"]',
  ]),
  column("inet[]", array("string"), ["'{::1}'", '["::1"]']),
  column("point[]", array(POINT), ["ARRAY['(1,2)']::point[]", '[{"x":1,"y":2}]']),
  column("box[]", array("string"), ["'{(1,1),(2,2);(3,3),(4,4)}'", '["(2,2),(1,1)","(4,4),(3,3)"]']),
  column("int4range[]", array("string"), [`'{"[1,3)",empty}'`, '["[1,3)","empty"]']),
  column("hstore[]", array({ kind: "map", values: { kind: "string" } }), [
    `ARRAY['a=>"x y"']::hstore[]`,
    '[{"a":"x y"}]',
  ]),
  column("citext[]", array("string"), ["'{Ab}'", '["Ab"]']),
  column("mood[]", array(MOOD), [`'{fine,"so \\"so\\"","o,k"}'`, '["fine","so \\"so\\"","o,k"]']),
  column("fee[]", array(decimal(12, 2)), ["'{1}'", '["1.00"]']),
  column("ids[]", array(array("int64")), [`'{"{1,2}",NULL}'`, "[[1,2],null]", [[1n, 2n], null]]),
  column("int2vector", "string", ["'1 2'", '"1 2"']),
];
