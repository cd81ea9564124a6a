/** Readers of text files, without files: whatever the pieces that bytes come in, and wherever reading begins anew. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Batch, batchFromData } from "../../data/batch.ts";
import { BatchWriter } from "../../data/batch_writer.ts";
import { Streams } from "../../data/envelope_reader.ts";
import { RecordError } from "../../data/errors.ts";
import type { Value } from "../../data/value.ts";
import { csvColumns, type CsvReadOptions, CsvRows } from "./csv_rows.ts";
import { JsonLines } from "./json_lines.ts";
import { isJsonArray, JsonValues, StructureError } from "./json_values.ts";
import type { TextReader } from "./text_reader.ts";

const FILE = { timeMicros: 0n, own: new Uint8Array() };
const JSON_OPTIONS = { stream: "s", streams: new Streams(), isPlain: false, key: [], maxBytes: 1 << 20 };
const CSV: CsvReadOptions = { delimiter: ",", quote: '"', nullValue: "", hasHeader: true, maxBytes: 1 << 20 };
const utf8 = new TextEncoder();

type Make = (offset: number, count: number) => TextReader;

interface Found {
  readonly records: Batch["records"];
  readonly errors: readonly string[];
  /** Where the reader was behind each record. */
  readonly places: readonly { readonly offset: number; readonly count: number }[];
  readonly hasRest: boolean;
}

/** Reads `text` in pieces of the sizes that `cut` gives. */
function read(
  make: Make,
  text: string | Uint8Array,
  cut: () => number,
  from = { offset: 0, count: 0 },
): Found {
  const bytes = typeof text === "string" ? utf8.encode(text) : text;
  const writer = new BatchWriter({
    origin: { connector: "file", name: "f", version: "0" },
    layout: "plain",
    nowMicros: () => 0n,
    maxRecords: 20,
  });
  const reader = make(from.offset, from.count);
  const errors: string[] = [];
  const places: { offset: number; count: number }[] = [];
  for (let at = from.offset;;) {
    const isEnd = at >= bytes.length;
    const before = writer.length;
    try {
      if (reader.next(isEnd)) {
        reader.write(writer);
        places.push({ offset: reader.offset, count: reader.count });
        continue;
      }
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      writer.rollback(before);
      errors.push(error.message);
      continue;
    }
    if (isEnd) break;
    const room = reader.room();
    const piece = bytes.subarray(at, at + Math.min(cut(), room.length));
    room.set(piece);
    reader.filled(piece.length);
    at += piece.length;
  }
  return {
    records: batchFromData(writer.finish({ v: 1 })).records,
    errors,
    places,
    hasRest: reader.hasRest,
  };
}

const all = () => 1 << 30;
const jsonl: Make = (offset, count) => new JsonLines(JSON_OPTIONS, FILE, offset, count);
const jsonOf = (text: string): Make => (offset, count) =>
  new JsonValues({ ...JSON_OPTIONS, isArray: isJsonArray(utf8.encode(text)) ?? false }, FILE, offset, count);
const csvOf = (
  names: readonly string[],
  options: Partial<CsvReadOptions> = {},
  types: Record<string, string> = {},
): Make =>
(offset, count) =>
  new CsvRows(
    { ...CSV, stream: "s", isPlain: false, key: [], ...options },
    csvColumns(names, types),
    FILE,
    offset,
    count,
  );

const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });
const cutter = (sizes: readonly number[]) => {
  let i = 0;
  return () => sizes[i++ % sizes.length];
};
const jsonValue = fc.jsonValue({ maxDepth: 3 });
const after = ({ records }: Found): unknown[] => records.map(({ after }) => after);
/** Integers of many digits come as bigint, which JSON.parse of the test does not give. */
const rounded = (values: readonly unknown[]): unknown[] =>
  JSON.parse(JSON.stringify(values, (_, value) => typeof value === "bigint" ? Number(value) : value));

/** Everything is found whatever the pieces, and from behind each record exactly the rest. */
function holds(make: Make, text: string, expected: readonly unknown[], sizes: readonly number[]): void {
  const found = read(make, text, cutter(sizes));
  assert.deepEqual(found.errors, []);
  assert.deepEqual(rounded(after(found)), rounded(expected));
  assert.equal(found.hasRest, false);
  for (const [i, place] of found.places.entries()) {
    assert.deepEqual(rounded(after(read(make, text, cutter(sizes), place))), rounded(expected.slice(i + 1)));
  }
}

Deno.test("JSON Lines are read in any pieces, and on from any place", () => {
  fc.assert(
    fc.property(fc.array(jsonValue, { maxLength: 8 }), cuts, fc.boolean(), (values, sizes, hasEnd) => {
      const lines = values.map((value) => JSON.stringify(value)).join("\n") +
        (hasEnd && values.length > 0 ? "\n" : "");
      holds(jsonl, lines, values, sizes);
    }),
    { numRuns: 60, seed: 1 },
  );
});

Deno.test("JSON arrays and texts one after the other are read in any pieces, and on from any place", () => {
  fc.assert(
    fc.property(
      fc.array(jsonValue, { maxLength: 8 }),
      cuts,
      fc.constantFrom(0, 2),
      fc.boolean(),
      (values, sizes, indent, isArray) => {
        // Texts one after the other that begin with a bracket are an array.
        const first = values[0];
        if (!isArray && Array.isArray(first)) return;
        const texts = values.map((value) => JSON.stringify(value, undefined, indent));
        const text = isArray ? `\ufeff[${texts.join(" ,\n")}]\n` : texts.join("\n");
        holds(jsonOf(text), text, values, sizes);
      },
    ),
    { numRuns: 80, seed: 2 },
  );
});

Deno.test("CSV is read in any pieces, and on from any place", () => {
  const cell = fc.option(
    fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", ";", "é", " ", "'"), maxLength: 6 }),
    { nil: null },
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell), { maxLength: 8 }),
      cuts,
      fc.constantFrom("\n", "\r\n"),
      fc.constantFrom({ delimiter: ",", quote: '"' }, { delimiter: ";", quote: "'" }),
      fc.boolean(),
      (rows, sizes, lineEnd, options, isQuoted) => {
        const { delimiter, quote } = options;
        const written = (text: string | null) => {
          if (text === null) return "";
          const isPlain = !isQuoted && text !== "" && !/[\r\n]/.test(text) && !text.includes(delimiter) &&
            !text.includes(quote);
          return isPlain ? text : quote + text.replaceAll(quote, quote + quote) + quote;
        };
        const lines = [["x", "y"], ...rows].map(([x, y]) => written(x) + delimiter + written(y));
        const text = lines.join(lineEnd) + lineEnd;
        holds(csvOf(["x", "y"], options), text, rows.map(([x, y]) => ({ x, y })), sizes);
      },
    ),
    { numRuns: 100, seed: 3 },
  );
});

Deno.test("CSV: cells have the types that are declared, and a row that has none of them is refused alone", () => {
  const types = {
    i: "int64",
    t: "tinyint",
    u: "uint64",
    f: "double",
    d: "decimal(12,2)",
    b: "boolean",
    y: "bytes",
    j: "json",
    at: "timestamptz(3)",
    l: "timestamp",
    day: "date",
    id: "uuid",
  };
  const names = [...Object.keys(types), "text"];
  const rows = [
    '-9223372036854775808,-128,18446744073709551615,-1.5e300,000.10,TRUE,AAH/,"{""a"":12345678901234567890}",2026-01-31 12:00:00.5+02,2026-01-31 12:00,2026-01-31,6F0B1D1E-7C4A-4B9E-8F55-0123456789AB,NULL',
    "1,2,3,-Infinity,1e3,0,,null,2026-01-31T12:00:00Z,,,,",
  ];
  const wrong: Record<string, string> = {
    i: "9223372036854775808",
    t: "128",
    u: "-1",
    f: "0x10",
    d: "1,5",
    b: "maybe",
    y: "a",
    j: "{",
    at: "yesterday",
    l: "2026-01-31T12:00:00Z",
    day: "31.1.2026",
    id: "7",
  };
  const broken = names.flatMap((name) => {
    if (!(name in wrong)) return [];
    return [names.map((other) => other === name ? `"${wrong[name]}"` : "").join(",")];
  });
  const text = [names.join(","), rows[0], ...broken, "1,2", rows[1]].join("\n");
  const found = read(csvOf(names, {}, types), text, all);
  assert.deepEqual(after(found), [
    {
      i: -9223372036854775808n,
      t: -128,
      u: 18446744073709551615n,
      f: -1.5e300,
      d: "000.10",
      b: true,
      y: Uint8Array.of(0, 1, 255),
      j: { a: 12345678901234567890n },
      at: "2026-01-31T12:00:00.5+02:00",
      l: "2026-01-31T12:00:00",
      day: "2026-01-31",
      id: "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab",
      text: "NULL",
    },
    {
      i: 1n,
      t: 2,
      u: 3n,
      f: "-Infinity",
      d: "1e3",
      b: false,
      y: null,
      j: null,
      at: "2026-01-31T12:00:00Z",
      l: null,
      day: null,
      id: null,
      text: null,
    } satisfies Record<string, Value>,
  ]);
  assert.equal(found.errors.length, Object.keys(wrong).length + 1);
  assert.match(found.errors[0], /^Row 3 can't be read: A cell of column "i" is no int64$/);
  assert.match(found.errors.at(-1)!, /it has 2 cells for 13 columns/);
  for (const error of found.errors) {
    for (const value of Object.values(wrong)) assert.ok(value.length < 3 || !error.includes(value));
  }
});

Deno.test("CSV: one column, a mark, no header, NULL by name, and text behind a quote", () => {
  assert.deepEqual(after(read(csvOf(["x"]), '\ufeff"x"\n\n""\n5\n', () => 1)), [{ x: null }, { x: "" }, {
    x: "5",
  }]);
  const plain = csvOf(["a", "b"], { hasHeader: false, nullValue: "NULL" });
  assert.deepEqual(after(read(plain, 'NULL,"NULL"\n"a"b,\n\nc"d,1', all)), [
    { a: null, b: "NULL" },
    { a: "ab", b: "" },
    { a: 'c"d', b: "1" },
  ]);
});

Deno.test("CSV: a row that is too long is refused, wherever it ends, and reading goes on behind it", () => {
  const make = csvOf(["a", "b"], { maxBytes: 1000 });
  const long = "x".repeat(2_000_000);
  for (const size of [999, 100_000]) {
    const found = read(make, `a,b\n1,2\n${long},3\n4,"${long}\n5,6\n`, () => size);
    assert.deepEqual(after(found), [{ a: "1", b: "2" }, { a: "5", b: "6" }]);
    assert.equal(found.errors.length, 2);
    assert.match(found.errors[0], /^Row 3 is longer than max_line_bytes/);
  }
});

Deno.test("a file that stops in the middle of a record leaves it, and a broken array is said", () => {
  const text = '[{"a":1},{"a":2';
  const found = read(jsonOf(text), text, all);
  assert.deepEqual([after(found), found.hasRest], [[{ a: 1 }], true]);
  const quoted = read(csvOf(["a"]), 'a\n1\n"2', all);
  assert.deepEqual([after(quoted), quoted.hasRest], [[{ a: "1" }], true]);
  for (const broken of ["[1 2]", "[1]{}", "[1]]"]) {
    assert.throws(() => read(jsonOf(broken), broken, all), StructureError, broken);
  }
  const wrong = read(jsonOf("[1,nope,2]"), "[1,nope,2]", all);
  assert.deepEqual([after(wrong), wrong.errors], [[1, 2], ["Value 2 is no JSON"]]);
});
