/** Parquet files, read back by pyarrow: neither its code nor its view of types is DuckDB's (parquet_test.ts). */
import assert from "node:assert/strict";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { PARQUET_READER, startPython } from "../../tests/servers/python.ts";
import type { ColumnType, Row, Value } from "../data/value.ts";
import { PARQUET_COMPRESSIONS } from "./formats.ts";
import { parquetFormat } from "./parquet.ts";
import { writeFiles } from "./testing.ts";

/** A column's type, Arrow's name of it, and values with the text that READ has for them. */
const CASES: readonly [ColumnType, string, readonly [Value, string][]][] = [
  [{ kind: "boolean" }, "bool", [[true, "true"], [false, "false"]]],
  [{ kind: "int16" }, "int16", [[-32768, "-32768"], [32767, "32767"]]],
  [{ kind: "int32" }, "int32", [[-2147483648, "-2147483648"], [2147483647, "2147483647"]]],
  [{ kind: "int64" }, "int64", [
    [-(2n ** 63n), "-9223372036854775808"],
    [2n ** 63n - 1n, "9223372036854775807"],
    [9007199254740993n, "9007199254740993"],
  ]],
  [{ kind: "uint64" }, "uint64", [[2n ** 64n - 1n, "18446744073709551615"], [0n, "0"]]],
  [{ kind: "float32" }, "float", [
    [0.1, "0x1.99999a0000000p-4"],
    [1e-45, "0x1.0000000000000p-149"],
    ["NaN", "nan"],
    [-0, "-0x0.0p+0"],
  ]],
  [{ kind: "float64" }, "double", [
    [0.1, "0x1.999999999999ap-4"],
    [5e-324, "0x0.0000000000001p-1022"],
    ["-Infinity", "-inf"],
    ["NaN", "nan"],
    [-0, "-0x0.0p+0"],
  ]],
  ...[[9, 2, "-1234567.89"], [18, 18, "-0.999999999999999999"], [19, 4, "-999999999999999.9999"]].map(
    ([precision, scale, text]): (typeof CASES)[number] => [
      { kind: "decimal", precision: Number(precision), scale: Number(scale) },
      `decimal128(${precision}, ${scale})`,
      [[text, String(text)]],
    ],
  ),
  [{ kind: "decimal", precision: 38, scale: 10 }, "decimal128(38, 10)", [
    ["9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"],
    ["-9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999"],
    ["0.5", "0.5000000000"],
  ]],
  [{ kind: "decimal" }, "string", [["NaN", "NaN"], [`1${"0".repeat(60)}.5`, `1${"0".repeat(60)}.5`]]],
  [{ kind: "string" }, "string", [["", ""], ["Zoë 🎉 \0\n", "Zoë 🎉 \0\n"], [
    "x".repeat(70_000),
    "x".repeat(70_000),
  ]]],
  [{ kind: "uuid" }, "extension<arrow.uuid>", [
    ["6f0b1d1e-7c4a-4b9e-8f55-0123456789ab", "6f0b1d1e7c4a4b9e8f550123456789ab"],
  ]],
  [{ kind: "bytes" }, "binary", [[new Uint8Array([0, 1, 255]), "0001ff"], [new Uint8Array(), ""]]],
  [{ kind: "date" }, "date32[day]", [
    ["0001-01-01", "0001-01-01"],
    ["1969-12-31", "1969-12-31"],
    ["9999-12-31", "9999-12-31"],
  ]],
  [{ kind: "time", precision: 6 }, "time64[us]", [["00:00:00", "00:00:00.000000"], [
    "23:59:59.999999",
    "23:59:59.999999",
  ]]],
  [{ kind: "time", precision: 9 }, "time64[ns]", [["23:59:59.999999999", "23:59:59.999999999"]]],
  [{ kind: "timestamp", precision: 3 }, "timestamp[us]", [[
    "2026-01-31T12:00:00.123",
    "2026-01-31 12:00:00.123000",
  ]]],
  [{ kind: "timestamp", precision: 6 }, "timestamp[us]", [
    ["0001-01-01T00:00:00", "0001-01-01 00:00:00.000000"],
    ["1969-12-31T23:59:59.999999", "1969-12-31 23:59:59.999999"],
    ["9999-12-31T23:59:59.999999", "9999-12-31 23:59:59.999999"],
  ]],
  [{ kind: "timestamp", precision: 9 }, "timestamp[ns]", [
    ["2026-01-31T12:00:00.123456789", "2026-01-31 12:00:00.123456789"],
  ]],
  [{ kind: "timestamptz", precision: 6 }, "timestamp[us, tz=UTC]", [
    ["2026-01-31T12:00:00.5+02:00", "2026-01-31 10:00:00.500000Z"],
    ["1900-01-01T00:00:00-00:01:15", "1900-01-01 00:01:15.000000Z"],
  ]],
  [{ kind: "timestamptz", precision: 9 }, "timestamp[ns, tz=UTC]", [
    ["2026-01-31T12:00:00.123456789+02:00", "2026-01-31 10:00:00.123456789Z"],
  ]],
  [{ kind: "json" }, "extension<arrow.json>", [[
    { a: [1, null, 12345678901234567890n] },
    '{"a":[1,null,12345678901234567890]}',
  ]]],
  [{ kind: "array", items: { kind: "int64" } }, "list<element: int64>", [
    [[1n, null, -(2n ** 63n)], "[1, null, -9223372036854775808]"],
    [[], "[]"],
  ]],
  [
    { kind: "array", items: { kind: "array", items: { kind: "string" } } },
    "list<element: list<element: string>>",
    [
      [[["a", ""], [], null], '[["a", ""], [], null]'],
    ],
  ],
  [
    { kind: "struct", fields: [{ name: "x", type: { kind: "float64" }, nullable: true }] },
    "struct<x: double>",
    [[{ x: 1.5 }, '{"x": 1.5}'], [{}, '{"x": null}']],
  ],
  [{ kind: "map", values: { kind: "int32" } }, "map<string, int32>", [
    [{ a: 1, "": null }, '[["a", 1], ["", null]]'],
  ]],
];

const READ = `
import json, re, sys, pyarrow as pa, pyarrow.parquet as pq
def texts(column):
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType): return texts(pa.chunked_array([chunk.storage for chunk in column.chunks]))
    of = lambda text: [None if value is None else text(value) for value in column.to_pylist()]
    if pa.types.is_floating(kind): return of(float.hex)
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind): return of(bytes.hex)
    if pa.types.is_nested(kind): return of(json.dumps)
    return column.cast(pa.string()).to_pylist()
tables = []
for path in sys.argv[1:]:
    table = pq.read_table(path)
    tables.append({"types": [re.sub(r" \\('.*?'\\)", "", str(field.type)) for field in table.schema], "columns": [texts(column) for column in table.columns]})
json.dump(tables, sys.stdout)
`;

Deno.test("pyarrow reads every type back with its edges, in every codec", async (t) => {
  const python = await requireServer(t, () => startPython(PARQUET_READER));
  if (python === undefined) return;
  const most = Math.max(...CASES.map(([, , values]) => values.length));
  const columns = CASES.map(([type], i) => ({ name: `c${i}`, type, nullable: true }));
  const stream = fakeStream("t", { columns, key: [] });
  const rows = Array.from(
    { length: most + 1 },
    (_, k): Row => Object.fromEntries(CASES.map(([, , values], i) => [`c${i}`, values[k]?.[0] ?? null])),
  );
  const batch = fakeBatch(rows.map((after, i) => fakeRecord(i, { stream, key: undefined, after })));
  const folder = await Deno.makeTempDir({ prefix: "rivven-pyarrow-" });
  try {
    const paths = await Promise.all(PARQUET_COMPRESSIONS.map(async (compression) => {
      const format = parquetFormat({
        ...{ compression, rowGroupSize: 2, enableStatistics: true, metadataColumns: false },
        ...{ dataPageSize: 1 << 20, dictionaryPageSize: 1 << 20, maxStringSize: 1 << 20 },
      });
      const { files: [file], rejected } = await writeFiles(format, batch);
      assert.deepEqual(rejected.map(({ error }) => error.message), []);
      const path = `${folder}/${compression}.parquet`;
      await Deno.writeFile(path, file);
      return path;
    }));
    const read = JSON.parse(new TextDecoder().decode(await python.run(READ, new Uint8Array(), ...paths)));
    for (const [i, compression] of PARQUET_COMPRESSIONS.entries()) {
      assert.deepEqual(read[i].types, CASES.map(([, name]) => name), compression);
      const expected = CASES.map(([, , values]) => rows.map((_, k) => values[k]?.[1] ?? null));
      assert.deepEqual(read[i].columns, expected, compression);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
