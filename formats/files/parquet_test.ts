import assert from "node:assert/strict";
import { parquetMetadata, parquetReadObjects } from "npm:hyparquet@1.31.5";
import { readOffsetIndex } from "npm:hyparquet@1.31.5/src/indexes.js";
import { DEFAULT_PARSERS } from "npm:hyparquet@1.31.5/src/convert.js";
import { compressors } from "npm:hyparquet-compressors@1.1.2";
import { fakeBatch, fakeRecord, fakeStream, ORDERS } from "../../tests/fakes/records.ts";
import { DuckDb } from "../../tests/oracle/duckdb.ts";
import type { DataRecord } from "../data/record.ts";
import type { Column, ColumnType, Row, Value } from "../data/value.ts";
import { PARQUET_COMPRESSIONS } from "./formats.ts";
import { parquetFormat, type ParquetOptions } from "./parquet.ts";
import { writeFiles } from "./testing.ts";

const OPTIONS: ParquetOptions = {
  compression: "snappy",
  rowGroupSize: 10_000,
  enableStatistics: true,
  dataPageSize: 1 << 20,
  dictionaryPageSize: 1 << 20,
  maxStringSize: 1 << 20,
  metadataColumns: false,
};

/** Rows of a table with these columns; without columns, of a queue. */
function rowsOf(columns: Readonly<Record<string, ColumnType>> | undefined, rows: readonly Value[]) {
  const list = columns &&
    Object.entries(columns).map(([name, type]): Column => ({ name, type, nullable: true }));
  const stream = fakeStream("t", { columns: list, key: [], payload: list ? "row" : "json" });
  return fakeBatch(
    rows.map((after, i): DataRecord => fakeRecord(i, { stream, operation: "record", key: undefined, after })),
  );
}

function write(
  columns: Readonly<Record<string, ColumnType>> | undefined,
  rows: readonly Value[],
  options: Partial<ParquetOptions> = {},
) {
  return writeFiles(parquetFormat({ ...OPTIONS, ...options }), rowsOf(columns, rows));
}

const INT32: ColumnType = { kind: "int32" };
const decimal = (precision: number, scale: number): ColumnType => ({ kind: "decimal", precision, scale });
const stamp = (precision: number): ColumnType => ({ kind: "timestamp", precision });
const stampTz = (precision: number): ColumnType => ({ kind: "timestamptz", precision });
const list = (items: ColumnType): ColumnType => ({ kind: "array", items });

/** A type, its type in DuckDB, and values with what DuckDB reads where that is written otherwise. */
type Case = readonly [ColumnType, string, readonly (Value | { in: Value; out: Value })[]];
const as = (given: Value, read: Value) => ({ in: given, out: read });

const CASES: readonly Case[] = [
  [{ kind: "boolean" }, "BOOLEAN", [true, false]],
  [{ kind: "int16" }, "SMALLINT", [-32768, 32767]],
  [INT32, "INTEGER", [-2147483648, 2147483647, 0]],
  [{ kind: "int64" }, "BIGINT", [-(2n ** 63n), 2n ** 63n - 1n, 9007199254740993n]],
  [{ kind: "uint64" }, "UBIGINT", [0n, 2n ** 64n - 1n]],
  [{ kind: "float32" }, "FLOAT", [
    as(0.1, Math.fround(0.1)),
    as(3.4028235e38, Math.fround(3.4028235e38)),
    as(1e-45, Math.fround(1e-45)),
    -0,
    "NaN",
    "-Infinity",
  ]],
  [{ kind: "float64" }, "DOUBLE", [0.1, 5e-324, 1.7976931348623157e308, -0, "NaN", "Infinity", "-Infinity"]],
  [decimal(9, 2), "DECIMAL(9,2)", [
    "-1234567.89",
    "9999999.99",
    "0.00",
    as("5", "5.00"),
    as("1.230", "1.23"),
  ]],
  [decimal(18, 0), "DECIMAL(18,0)", ["-999999999999999999", "999999999999999999"]],
  [decimal(18, 18), "DECIMAL(18,18)", ["0.000000000000000001", "-0.999999999999999999"]],
  [decimal(19, 4), "DECIMAL(19,4)", ["-999999999999999.9999", "0.0001"]],
  [decimal(38, 10), "DECIMAL(38,10)", [
    "9999999999999999999999999999.9999999999",
    "-9999999999999999999999999999.9999999999",
    "-0.0000000001",
  ]],
  [decimal(3, -2), "DECIMAL(5,0)", ["12300", as("1.23e4", "12300")]],
  [decimal(2, 4), "DECIMAL(4,4)", ["0.0012"]],
  [decimal(39, 2), "VARCHAR", ["9999999999999999999999999999999999999.99"]],
  [{ kind: "decimal" }, "VARCHAR", ["NaN", "1.50", `1${"0".repeat(200)}`]],
  [{ kind: "string" }, "VARCHAR", ["", "Zoë 🎉", "\0\n", "x".repeat(70_000)]],
  [{ kind: "uuid" }, "UUID", [
    "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    as("6F0B1D1E7C4A4B9E8F550123456789AB", "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab"),
  ]],
  [{ kind: "enum", values: ["new", "paid"] }, "VARCHAR", ["new", "paid"]],
  [{ kind: "set", values: ["a", "b"] }, "VARCHAR", ["a,b", ""]],
  [{ kind: "bytes" }, "BLOB", [new Uint8Array([0, 1, 255]), new Uint8Array()]],
  [{ kind: "date" }, "DATE", [
    "0001-01-01",
    "1969-12-31",
    "2024-02-29",
    "9999-12-31",
    as("+12026-01-31", "12026-01-31"),
  ]],
  [{ kind: "time", precision: 6 }, "TIME", ["00:00:00", "23:59:59.999999", "12:00:00.5"]],
  [{ kind: "time", precision: 9 }, "TIME_NS", ["23:59:59.999999999"]],
  [{ kind: "timetz", precision: 6 }, "VARCHAR", ["12:00:00.5+02:00"]],
  [stamp(6), "TIMESTAMP", [
    as("2026-01-31T12:00:00.123456", "2026-01-31 12:00:00.123456"),
    as("0001-01-01T00:00:00", "0001-01-01 00:00:00"),
    as("9999-12-31T23:59:59.999999", "9999-12-31 23:59:59.999999"),
    as("1969-12-31T23:59:59.999999000", "1969-12-31 23:59:59.999999"),
  ]],
  [stamp(7), "TIMESTAMP_NS", [
    as("2026-01-31T12:00:00.1234567", "2026-01-31 12:00:00.1234567"),
    as("1677-09-22T00:00:00", "1677-09-22 00:00:00"),
  ]],
  [stampTz(3), "TIMESTAMP WITH TIME ZONE", [
    as("2026-01-31T12:00:00.123Z", "2026-01-31 12:00:00.123+00"),
    as("2026-01-31T12:00:00.5+02:00", "2026-01-31 10:00:00.5+00"),
    as("1900-01-01T00:00:00-00:01:15", "1900-01-01 00:01:15+00"),
  ]],
  [{ kind: "interval" }, "VARCHAR", ["P1DT2H"]],
  [{ kind: "json" }, "JSON", [
    as({ a: [1, null, 12345678901234567890n] }, '{"a":[1,null,12345678901234567890]}'),
    as("text \\ud800", '"text \\\\ud800"'),
    as([], "[]"),
  ]],
  [list(INT32), "INTEGER[]", [[1, null, 3], [], [null]]],
  [list({ kind: "string" }), "VARCHAR[]", [["a", "", null, "b".repeat(1000)]]],
  [list({ kind: "uuid" }), "UUID[]", [["6f0b1d1e-7c4a-4b9e-8f55-0123456789ab"]]],
  [list(decimal(20, 2)), "DECIMAL(20,2)[]", [["1.50", null, "-0.01"]]],
  [list(list({ kind: "int64" })), "BIGINT[][]", [[[1n, 2n], [], null], [], [[null]]]],
  [list({ kind: "json" }), "VARCHAR[]", [as([[1], { a: 1 }], ["[1]", '{"a":1}'])]],
  [
    {
      kind: "struct",
      fields: [
        { name: "x", type: { kind: "float64" }, nullable: true },
        { name: "constructor", type: list({ kind: "string" }), nullable: true },
      ],
    },
    'STRUCT("x" DOUBLE, "constructor" VARCHAR[])',
    [
      { x: 1.5, constructor: ["a", null] },
      as({}, { x: null, constructor: null }),
    ],
  ],
  [{ kind: "struct", fields: [] }, "JSON", [as({}, "{}")]],
  [{ kind: "map", values: list({ kind: "int64" }) }, "MAP(VARCHAR, BIGINT[])", [
    { k: [1n, null], "": null },
    {},
  ]],
];

const isPair = (value: unknown): value is { in: Value; out: Value } =>
  typeof value === "object" && value !== null && Object.keys(value).join() === "in,out";
const given = (value: Case[2][number]) => isPair(value) ? value.in : value;
const read = (value: Case[2][number]) => isPair(value) ? value.out : value;

/** All cases as one table: a column for each, NULL where a case has no more values, and at the end in all. */
const TABLE = Object.fromEntries(CASES.map(([type], i) => [`c${i}`, type]));
const LENGTH = Math.max(...CASES.map(([, , values]) => values.length)) + 1;
const tableRows = (side: typeof given) =>
  Array.from({ length: LENGTH }, (_, row): Row =>
    Object.fromEntries(
      CASES.map(([, , values], i) => [`c${i}`, row < values.length ? side(values[row]) : null]),
    ));

Deno.test("DuckDB reads every type back with its values, in every codec", async (t) => {
  using duckdb = await DuckDb.open();
  for (const compression of PARQUET_COMPRESSIONS) {
    await t.step(compression, async () => {
      const { files, rejected } = await write(TABLE, tableRows(given), { compression });
      assert.deepEqual(rejected, []);
      const { types, rows } = await duckdb.readParquet(files[0]);
      assert.deepEqual(Object.values(types), CASES.map(([, name]) => name));
      assert.deepEqual(rows, tableRows(read));
      const chunks = parquetMetadata(files[0].buffer).row_groups[0].columns;
      const codec = compression === "none" ? "UNCOMPRESSED" : compression === "lz4" ? "LZ4_RAW" : compression;
      assert.ok(chunks.every(({ meta_data }) => meta_data!.codec === codec.toUpperCase()));
    });
  }
});

Deno.test("a second reader gets the same values, in every codec", async () => {
  const columns: Record<string, ColumnType> = {
    id: { kind: "int64" },
    text: { kind: "string" },
    bytes: { kind: "bytes" },
    ok: { kind: "boolean" },
    list: list(list({ kind: "float64" })),
  };
  // Enough rows for dictionaries, runs and blocks with matches, and a text without any.
  const rows = Array.from({ length: 2000 }, (_, i) => ({
    id: BigInt(i) << 40n,
    text: i % 7 === 0 ? null : i % 2 === 0 ? `text ${i % 10}` : `text ${i * 7919}`,
    bytes: new Uint8Array([i, i >> 8, i * 31]),
    ok: i % 3 === 0,
    list: i % 5 === 0 ? null : [[i], [], [i / 3, null]],
  }));
  for (const compression of PARQUET_COMPRESSIONS) {
    const { files } = await write(columns, rows, { compression, rowGroupSize: 700, dataPageSize: 2000 });
    const read = await parquetReadObjects({ file: files[0].buffer, compressors, utf8: false });
    // It says undefined for a list that is NULL.
    assert.deepEqual(read.map((row) => ({ ...row, list: row.list ?? null })), rows, compression);
  }
});

Deno.test("nanoseconds with a zone are all in the file", async () => {
  const rows = [{ at: "2026-01-31T12:00:00.123456789+02:00" }];
  const { files } = await write({ at: stampTz(9) }, rows);
  const read = await parquetReadObjects({
    file: files[0].buffer,
    compressors,
    parsers: { ...DEFAULT_PARSERS, timestampFromNanoseconds: (nanos: bigint) => nanos },
  });
  assert.deepEqual(read, [{ at: BigInt(Date.UTC(2026, 0, 31, 10)) * 1_000_000n + 123_456_789n }]);
});

const struct: ColumnType = { kind: "struct", fields: [{ name: "x", type: INT32, nullable: true }] };

/** Values that their columns can't hold, with the reason. */
const REFUSED: readonly (readonly [ColumnType, Value, RegExp])[] = [
  [{ kind: "boolean" }, 1, /a number, not a boolean/],
  [{ kind: "int16" }, 32768, /out of range/],
  [INT32, 2147483648, /out of range/],
  [INT32, 1.5, /not an integer/],
  [{ kind: "int64" }, 2n ** 63n, /out of range/],
  [{ kind: "uint64" }, -1n, /out of range/],
  [{ kind: "float32" }, 16777217, /no number of 32 bits/],
  [{ kind: "float32" }, 1e39, /no number of 32 bits/],
  [{ kind: "float64" }, "1.5", /text, not a number/],
  [decimal(4, 2), "100.00", /more digits than the precision/],
  [decimal(4, 2), "0.001", /more digits than the scale/],
  [decimal(4, 2), "1e-3", /more digits than the scale/],
  [decimal(4, 2), "NaN", /NaN or infinite/],
  [decimal(4, 2), "-Infinity", /NaN or infinite/],
  [decimal(4, 2), "1,5", /no decimal/],
  [decimal(4, 2), ".", /no decimal/],
  [decimal(4, 2), true, /a boolean, not the text/],
  [{ kind: "string" }, 5, /a number, not text/],
  [{ kind: "string" }, "\ud800", /surrogate/],
  [{ kind: "string" }, "é".repeat(60), /max_string_size, which is 100 bytes/],
  [{ kind: "json" }, { a: "x".repeat(100) }, /max_string_size/],
  [{ kind: "json" }, { a: ["\\", "\\\\\udc00"] }, /surrogate/],
  [{ kind: "bytes" }, new Uint8Array(101), /max_string_size/],
  [{ kind: "uuid" }, "6f0b1d1e-7c4a-4b9e-8f55-0123456789a", /no UUID/],
  [{ kind: "uuid" }, "6f0b1d1e-7c4a-4b9e-8f55-0123456789abc", /no UUID/],
  [{ kind: "uuid" }, "6f0b1d1e-7c4a-4b9e-8f55-0123456789ag", /no UUID/],
  [{ kind: "date" }, "infinity", /infinite/],
  [{ kind: "date" }, "-0043-03-15", /before the year 1/],
  [{ kind: "date" }, "0000-00-00", /before the year 1/],
  [{ kind: "date" }, "2026-02-29", /no such day/],
  [{ kind: "date" }, "2026-1-31", /another form/],
  [{ kind: "time", precision: 6 }, "24:00:00", /beyond the end of a day/],
  [{ kind: "time", precision: 6 }, "-838:59:59", /another form/],
  [{ kind: "time", precision: 6 }, "12:00:00.1234567", /finer/],
  [stamp(6), "-infinity", /infinite/],
  [stamp(6), "2026-01-31T12:00:00.1234567", /finer/],
  [stamp(6), "2026-01-31T12:00:00Z", /names a zone/],
  [stampTz(6), "2026-01-31T12:00:00", /names no zone/],
  [stampTz(6), "0044-03-15T12:00:00Z BC", /another form/],
  [stampTz(6), "+294247-01-31T12:00:00Z", /too far from 1970/],
  [stamp(9), "2300-01-01T00:00:00", /too far from 1970/],
  [list(INT32), 5, /not an array/],
  [list(INT32), [1, "a"], /text, not an integer/],
  [list(INT32), [[1], 2], /not an array/],
  [struct, [1], /an array, not an object/],
  [struct, { x: 1, y: 2 }, /a member that the type does not name/],
  [{ kind: "map", values: INT32 }, { a: "b" }, /text, not an integer/],
];

Deno.test("what a column can't hold is an error of its record, and the row leaves no trace", async (t) => {
  using duckdb = await DuckDb.open();
  for (const [type, value, reason] of REFUSED) {
    await t.step(`${JSON.stringify(type)} ${reason.source}`, async () => {
      const columns = { before: INT32, column: type, behind: list(INT32) };
      const rows = [{ before: 1, column: null, behind: null }, { before: 2, column: value, behind: [2] }, {
        before: 3,
        column: null,
        behind: [3],
      }];
      const { files, rejected } = await write(columns, rows, { maxStringSize: 100 });
      assert.deepEqual(rejected.map(({ i, error }) => [i, error.code]), [[1, "serialization_parquet"]]);
      assert.match(rejected[0].error.message, /of column "column": /);
      assert.match(rejected[0].error.message, reason);
      assert.deepEqual((await duckdb.readParquet(files[0])).rows, [rows[0], rows[2]]);
    });
  }
});

Deno.test("rows with names that no column has are refused, as are files that no reader could take", async () => {
  const row = { a: 1 };
  const codes = async (...args: Parameters<typeof write>) => {
    const { files, rejected } = await write(...args);
    return [rejected.map(({ error }) => error.code), files.map(({ length }) => length > 0)];
  };
  assert.deepEqual(await codes({ a: INT32 }, [{ a: 1, b: 2 }, row]), [["schema_columns"], [true]]);
  assert.deepEqual(await codes({}, [{}]), [["schema_columns"], [false]]);
  assert.deepEqual(await codes({ "\udfff": INT32 }, [{}]), [["schema_columns"], [false]]);
  assert.deepEqual(
    await codes({ _rivven_op: INT32 }, [{ _rivven_op: 1 }], { metadataColumns: true }),
    [["schema_columns"], [false]],
  );
});

Deno.test("metadata columns stand behind the table's, and deletes have a row beside them", async () => {
  using duckdb = await DuckDb.open();
  const batch = fakeBatch([
    fakeRecord(1),
    fakeRecord(2, { operation: "delete", after: undefined, before: { id: 2n } }),
    fakeRecord(3, { operation: "update", unavailable: ["total"], after: { id: 3n, customer: null } }),
    fakeRecord(4, { operation: "truncate", key: undefined, after: undefined }),
  ]);
  const { files } = await writeFiles(parquetFormat({ ...OPTIONS, metadataColumns: true }), batch);
  const { types, rows } = await duckdb.readParquet(files[0]);
  assert.deepEqual(types, {
    id: "BIGINT",
    customer: "VARCHAR",
    total: "DECIMAL(12,2)",
    _rivven_op: "VARCHAR",
    _rivven_ts: "TIMESTAMP WITH TIME ZONE",
    _rivven_position: "VARCHAR",
    _rivven_unavailable: "VARCHAR[]",
  });
  assert.deepEqual(rows.map((row) => [row.id, row.total, row._rivven_op, row._rivven_unavailable]), [
    [1n, "1.50", "c", null],
    [2n, null, "d", null],
    [3n, null, "u", ["total"]],
  ]);
  assert.equal(rows[0]._rivven_position, fakeRecord(1).order);
});

Deno.test("columns that no schema names get the type that all values of the first row group have", async () => {
  using duckdb = await DuckDb.open();
  const rows: Row[] = [
    { i: 1, f: 1, big: 1, mixed: 1, s: null, l: [], b: true, o: { a: 1 }, n: null, deep: [[1, 2]], zero: 0 },
    { i: 2n ** 60n, f: 1.5, big: 2n ** 60n, mixed: "a", s: "x", l: [1], b: null, o: { b: [2] }, zero: -0 },
    { i: null, f: 2n ** 53n - 1n, big: 0.5, mixed: [true], s: "y", l: [null, 0.5], b: false, deep: [] },
  ];
  const { files, rejected } = await write(undefined, rows);
  assert.deepEqual(rejected, []);
  const { types, rows: read } = await duckdb.readParquet(files[0]);
  assert.deepEqual(types, {
    i: "BIGINT",
    f: "DOUBLE",
    big: "JSON",
    mixed: "JSON",
    s: "VARCHAR",
    l: "DOUBLE[]",
    b: "BOOLEAN",
    o: "JSON",
    n: "VARCHAR",
    deep: "BIGINT[][]",
    zero: "DOUBLE",
  });
  const column = (name: string) => read.map((row) => row[name]);
  assert.deepEqual(column("i"), [1n, 2n ** 60n, null]);
  assert.deepEqual(column("f"), [1, 1.5, 2 ** 53 - 1]);
  assert.deepEqual(column("big"), ["1", String(2n ** 60n), "0.5"]);
  assert.deepEqual(column("mixed"), ["1", '"a"', "[true]"]);
  assert.deepEqual(column("l"), [[], [1], [null, 0.5]]);
  assert.deepEqual(column("o"), ['{"a":1}', '{"b":[2]}', null]);
  assert.deepEqual(column("deep"), [[[1n, 2n]], null, []]);
  assert.deepEqual(column("zero"), [0, -0, null]);
});

Deno.test("a value of another type than the file's begins the next file, and so does a new name", async () => {
  using duckdb = await DuckDb.open();
  const rows: Row[] = [{ a: 1 }, { a: 2 }, { a: 3 }, { a: "x" }, { a: null }, { a: "y", b: 1 }];
  const { files, rejected } = await write(undefined, rows, { rowGroupSize: 2 });
  assert.deepEqual(rejected, []);
  const read = await Promise.all(files.map((file) => duckdb.readParquet(file)));
  assert.deepEqual(read.map(({ types }) => types), [
    { a: "BIGINT" },
    { a: "VARCHAR" },
    { a: "VARCHAR", b: "BIGINT" },
  ]);
  assert.deepEqual(read.map(({ rows }) => rows), [
    [{ a: 1n }, { a: 2n }, { a: 3n }],
    [{ a: "x" }, { a: null }],
    [{ a: "y", b: 1n }],
  ]);
});

Deno.test("an array has the dimensions of the first value that shows them; others begin the next file", async () => {
  using duckdb = await DuckDb.open();
  const rows = [{ a: null }, { a: [] }, { a: [[1, 2], [null, 4]] }, { a: [] }, { a: [5] }, { a: [null] }];
  const { files, rejected } = await write({ a: list(INT32) }, rows);
  assert.deepEqual(rejected, []);
  const read = await Promise.all(files.map((file) => duckdb.readParquet(file)));
  assert.deepEqual(read.map(({ types }) => types.a), ["INTEGER[][]", "INTEGER[]"]);
  assert.deepEqual(read.flatMap(({ rows }) => rows), rows);
});

Deno.test("row groups end at their rows and at their bytes, so that little is held back", async () => {
  const text = (i: number) => String(i).repeat(200_000);
  const rows = Array.from({ length: 100 }, (_, i) => ({ id: i, text: text(i) }));
  const { files, mostBuffered } = await write({ id: INT32, text: { kind: "string" } }, rows, {
    rowGroupSize: 90,
  });
  const groups = parquetMetadata(files[0].buffer).row_groups.map(({ num_rows }) => Number(num_rows));
  assert.equal(groups.reduce((a, b) => a + b), 100);
  assert.ok(groups.length > 1 && groups.every((size) => size < 90), `${groups}`);
  assert.ok(mostBuffered < 9 << 20, `${mostBuffered} bytes held back`);
  const few = await write({ id: INT32 }, Array.from({ length: 10 }, (_, id) => ({ id })), {
    rowGroupSize: 4,
  });
  const sizes = parquetMetadata(few.files[0].buffer).row_groups.map(({ num_rows }) => Number(num_rows));
  assert.deepEqual(sizes, [4, 4, 2]);
});

Deno.test("statistics are those of the values, shortened for long texts; without them there are none", async () => {
  const columns: Record<string, ColumnType> = {
    n: { kind: "int64" },
    d: decimal(38, 2),
    s: { kind: "string" },
    long: { kind: "string" },
    j: { kind: "json" },
    f: { kind: "float64" },
  };
  const rows = [
    { n: -5n, d: "-1.50", s: "b", long: `a${"x".repeat(1000)}`, j: "x".repeat(100), f: "NaN" },
    { n: 2n ** 60n, d: "2.50", s: "é", long: `b${"x".repeat(1000)}`, j: 1, f: 2 },
    { n: null, d: null, s: null, long: null, j: null, f: null },
  ];
  using duckdb = await DuckDb.open();
  const { files } = await write(columns, rows);
  const of = (file: Uint8Array<ArrayBuffer>) =>
    parquetMetadata(file.buffer).row_groups[0].columns.map(({ meta_data }) => meta_data!.statistics);
  const [n, , s, long, j, f] = of(files[0]);
  assert.deepEqual([n!.min_value, n!.max_value, n!.null_count], [-5n, 2n ** 60n, 1n]);
  assert.deepEqual([s!.min_value, s!.max_value], ["b", "é"]);
  assert.deepEqual([long!.min_value, long!.max_value], [`a${"x".repeat(15)}`, `b${"x".repeat(14)}y`]);
  assert.deepEqual([long!.is_min_value_exact, long!.is_max_value_exact], [false, false]);
  assert.deepEqual([j!.min_value, j!.max_value, j!.null_count], [undefined, undefined, 1n]);
  assert.deepEqual([f!.min_value, f!.max_value], [2, 2]);
  // Readers that go by them find what they look for.
  const path = await Deno.makeTempFile({ suffix: ".parquet" });
  try {
    await Deno.writeFile(path, files[0]);
    const where = `d = -1.5 and long > 'a' and long < 'b' and s >= 'b' and n <= -5`;
    const { rows: found } = await duckdb.query(`select n from '${path}' where ${where}`);
    assert.deepEqual(found, [{ n: -5n }]);
  } finally {
    await Deno.remove(path);
  }
  const without = await write(columns, rows, { enableStatistics: false });
  assert.ok(of(without.files[0]).every((statistics) => statistics === undefined));
});

Deno.test("the smallest and the largest value are right in the order of every type", async () => {
  const uuid = (first: string) => `${first}0000000-0000-4000-8000-000000000000`;
  const ordered: readonly (readonly [ColumnType, readonly [Value, Value, Value]])[] = [
    [{ kind: "boolean" }, [false, true, true]],
    [INT32, [-70000, 0, 70000]],
    [{ kind: "int64" }, [-(2n ** 40n) - 1n, -(2n ** 40n), 5n]],
    [{ kind: "uint64" }, [5n, 2n ** 63n - 1n, 2n ** 63n + 5n]],
    [{ kind: "float32" }, [-0.5, -0.25, 0.25]],
    [{ kind: "float64" }, [-1e300, -0.5, 1e-300]],
    [decimal(9, 2), ["-12.50", "-1.00", "3.25"]],
    [decimal(18, 2), ["-99999999999.50", "-1.00", "99999999999.25"]],
    [decimal(30, 2), ["-99999999999999999999.50", "-1.00", "99999999999999999999.25"]],
    [{ kind: "date" }, ["1960-01-31", "1969-12-31", "2026-01-31"]],
    [stamp(6), ["1960-01-31T00:00:00.000001", "1969-12-31T00:00:00", "2026-01-31T00:00:00"]],
    [{ kind: "string" }, ["a", "ab", "é"]],
    [{ kind: "uuid" }, [uuid("0"), uuid("7"), uuid("f")]],
  ];
  const columns = Object.fromEntries(ordered.map(([type], i) => [`c${i}`, type]));
  const row = (at: number) => Object.fromEntries(ordered.map(([, values], i) => [`c${i}`, values[at]]));
  using duckdb = await DuckDb.open();
  // In another order, and each often enough for a dictionary.
  for (const rows of [[1, 2, 0].map(row), Array.from({ length: 300 }, (_, i) => row((i + 1) % 3))]) {
    const { files } = await write(columns, rows);
    const path = await Deno.makeTempFile({ suffix: ".parquet" });
    try {
      await Deno.writeFile(path, files[0]);
      for (const [i, [type]] of ordered.entries()) {
        const { rows: [found] } = await duckdb.query(
          `select stats_min_value = min(c${i})::varchar as min, stats_max_value = max(c${i})::varchar as max ` +
            `from '${path}', parquet_metadata('${path}') where path_in_schema = 'c${i}' ` +
            `group by stats_min_value, stats_max_value`,
        );
        assert.deepEqual(found, { min: true, max: true }, JSON.stringify(type));
      }
    } finally {
      await Deno.remove(path);
    }
  }
});

Deno.test("values that come many times stand in a dictionary, and those that do not in pages of the size", async () => {
  const columns: Record<string, ColumnType> = {
    few: { kind: "string" },
    zeros: { kind: "float64" },
    number: INT32,
    long: { kind: "string" },
    large: { kind: "string" },
  };
  const rows = Array.from({ length: 1000 }, (_, i) => ({
    few: i % 5 === 0 ? null : `text ${i % 3}`,
    zeros: i % 2 === 0 ? 0 : -0,
    number: i,
    long: `text ${i}`,
    large: `${i % 3}`.repeat(300),
  }));
  const sizes = { dataPageSize: 1000, dictionaryPageSize: 500 };
  const { files } = await write(columns, rows, { ...sizes, compression: "none" });
  const chunks = parquetMetadata(files[0].buffer).row_groups[0].columns;
  const encodings = chunks.map(({ meta_data }) => meta_data!.encodings.at(-1));
  assert.deepEqual(encodings, ["RLE_DICTIONARY", "RLE_DICTIONARY", "PLAIN", "PLAIN", "PLAIN"]);
  // Of each number four bytes.
  const { offset_index_offset: index, offset_index_length: length } = chunks[2];
  const view = new DataView(files[0].buffer, Number(index), length);
  assert.equal(readOffsetIndex({ view, offset: 0 }).page_locations.length, 5);
  const read = await parquetReadObjects({ file: files[0].buffer, rowStart: 245, rowEnd: 255 });
  assert.deepEqual(read, rows.slice(245, 255));
  assert.ok(read.every(({ zeros }, i) => Object.is(zeros, rows[245 + i].zeros)));
});

Deno.test("the same rows give the same bytes, whatever batches they come in", async () => {
  const records = Array.from({ length: 300 }, (_, i) => fakeRecord(i));
  const format = parquetFormat({ ...OPTIONS, compression: "zstd", rowGroupSize: 70, metadataColumns: true });
  const one = await writeFiles(format, fakeBatch(records));
  const three = await writeFiles(
    format,
    ...[[0, 1], [1, 200], [200, 300]].map(([from, to]) => fakeBatch(records.slice(from, to))),
  );
  assert.deepEqual(three.files, one.files);
  assert.equal(parquetMetadata(one.files[0].buffer).created_by, "rivven-connect");
});

Deno.test("a file without rows has its columns", async () => {
  using duckdb = await DuckDb.open();
  const tombstone = fakeRecord(1, { stream: ORDERS, operation: "tombstone", after: undefined });
  const { files } = await writeFiles(parquetFormat(OPTIONS), fakeBatch([tombstone]));
  const { types, rows } = await duckdb.readParquet(files[0]);
  assert.deepEqual(Object.keys(types), ["id", "customer", "total"]);
  assert.deepEqual(rows, []);
});
