/** Damaged values: whatever the text, a codec ends, with valid JSON on one line or with its RecordError. */
import assert from "node:assert/strict";
import { BatchWriter } from "../../../formats/data/batch_writer.ts";
import { RecordError } from "../../../formats/data/errors.ts";
import { oidOf, testCatalog, typeRow } from "./testing.ts";
import type { TypeOptions } from "./mod.ts";

const OWN = [
  typeRow({
    oid: "90002",
    namespace: "public",
    name: "item",
    kind: "composite",
    attributes: JSON.stringify([["id", 20, -1], ["name", 25, -1], ["tags", 1009, -1], ["at", 1184, -1]]),
  }),
  typeRow({
    oid: "90003",
    namespace: "public",
    name: "_item",
    native: "item[]",
    kind: "array",
    element: "90002",
  }),
  typeRow({ oid: "90010", namespace: "public", name: "hstore", extension: "hstore" }),
  typeRow({ oid: "90012", namespace: "public", name: "vector", extension: "vector" }),
  typeRow({ oid: "90014", namespace: "public", name: "sparsevec", extension: "vector" }),
  typeRow({ oid: "90015", namespace: "public", name: "geometry", extension: "postgis" }),
];

/** Valid texts to start from. json and jsonb are not among them: what the server calls JSON is taken for it. */
const SEEDS: readonly (readonly [type: string | number, text: string])[] = [
  ["bool", "t"],
  ["int4", "-2147483648"],
  ["int8", "9223372036854775807"],
  ["float8", "-1.5e-07"],
  ["float8", "Infinity"],
  ["numeric", "-123456789.50"],
  ["money", "-$1,234,567.89"],
  ["text", 'a"b\\c'],
  ["uuid", "00112233-4455-6677-8899-aabbccddeeff"],
  ["bytea", "\\x00ff5c22aa"],
  ["varbit", "10110"],
  ["date", "2026-01-31"],
  ["date", "0044-03-15 BC"],
  ["time", "12:00:00.123456"],
  ["timetz", "12:00:00.5+05:30:15"],
  ["timestamp", "12026-01-31 12:00:00.123456"],
  ["timestamptz", "2026-01-31 12:00:00.123456+00"],
  ["timestamptz", "0044-03-15 12:00:00+05:30 BC"],
  ["interval", "P-1Y2M-3DT4H5M6.000007S"],
  ["path", "((0,0),(1.5,-1e+10))"],
  ["circle", "<(1,2),3>"],
  ["_int4", "[2:3][1:2]={{1,NULL},{3,4}}"],
  ["_text", '{a,"b \\"c\\\\",NULL,"{,}"}'],
  ["_bytea", '{"\\\\x00ff",NULL}'],
  ["_box", "{(2,2),(1,1);(4,4),(3,3)}"],
  [90003, '{"(7,\\"a \\"\\"b\\"\\"\\",\\"{x,NULL}\\",\\"2026-01-01 00:00:00+00\\")",NULL}'],
  ["tstzrange", '["2026-01-01 00:00:00+00","2026-01-02 00:00:00+00")'],
  ["nummultirange", "{[1.5,3),(5,NaN]}"],
  [90010, '"a"=>"1", "b\\"c"=>NULL, ""=>"\\\\"'],
  [90012, "[1,2.5,-3e-07]"],
  [90014, "{1:0.5,30:2}/50"],
  [90015, "0101000020E6100000000000000000F03F0000000000000040"],
];

const ROUNDS = 2000;
const ALPHABET = new TextEncoder().encode('{}()[]<>,;:"\\=+-./ \n01239aeEfNULPTxBC$');

/** xorshift32: the same numbers every time. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** One to four changes: a byte exchanged, inserted or left out, a part repeated, the end cut off. */
function damaged(text: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = [...text];
  for (let change = random(4); change >= 0; change--) {
    const at = random(bytes.length + 1);
    const byte = ALPHABET[random(ALPHABET.length)];
    switch (random(5)) {
      case 0:
        bytes.splice(at, 1, byte);
        break;
      case 1:
        bytes.splice(at, 0, byte);
        break;
      case 2:
        bytes.splice(at, 1 + random(3));
        break;
      case 3:
        bytes.splice(at, 0, ...bytes.slice(at, at + random(8)));
        break;
      default:
        bytes.length = at;
    }
  }
  return Uint8Array.from(bytes);
}

const VARIANTS: readonly Partial<TypeOptions>[] = [
  { range_handling: "object", geometry_handling: "object" },
  {
    decimal_handling: "double",
    time_precision: "microseconds",
    binary_handling: "bytes",
    uuid_handling: "binary",
    bigint_handling: "string_when_unsafe",
    interval_handling: "numeric",
    hstore_handling: "string",
    timetz_handling: "utc",
    bit_handling: "bytes",
    range_handling: "object",
    geometry_handling: "object",
  },
];

Deno.test("a damaged value of any type is valid JSON or a RecordError", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const out = new BatchWriter({
    origin: { connector: "postgres-cdc", name: "test", version: "0" },
    layout: "plain",
    nowMicros: () => 1n,
  });
  const random = randomNumbers(20260131);
  let refused = 0;
  let written = 0;
  for (const options of VARIANTS) {
    const catalog = testCatalog(options, OWN);
    for (const [type, text] of SEEDS) {
      const writer = catalog.writer(typeof type === "number" ? type : oidOf(type), -1);
      const seed = new TextEncoder().encode(text);
      for (let round = 0; round < ROUNDS; round++) {
        const value = damaged(seed, random);
        // What stands around it on the wire must not be read: it would close every quote and bracket.
        const source = new Uint8Array(value.length + 8).fill(ALPHABET[round % ALPHABET.length]);
        source.set(value, 4);
        out.at = 0;
        try {
          writer(out, source, 4, 4 + value.length);
        } catch (error) {
          assert.ok(error instanceof RecordError, `${type} ${decoder.decode(value)}: ${error}`);
          assert.equal(error.code, "serialization_malformed_value");
          refused++;
          continue;
        }
        const json = decoder.decode(out.bytes.subarray(0, out.at));
        assert.ok(!json.includes("\n"), json);
        assert.doesNotThrow(() => JSON.parse(json), `${type} ${decoder.decode(value)} → ${json}`);
        written++;
      }
    }
  }
  assert.equal(refused + written, VARIANTS.length * SEEDS.length * ROUNDS);
  assert.ok(refused > 80_000 && written > 10_000, `${refused} refused, ${written} written`);
});
