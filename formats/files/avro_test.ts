/** Avro files, read back by fastavro and by Avro's own C library. */
import assert from "node:assert/strict";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { AVRO_READER, runProgram, startPython } from "../../tests/servers/python.ts";
import type { DataRecord } from "../data/record.ts";
import type { Column, ColumnType, Row, Value } from "../data/value.ts";
import { avroFormat, type AvroOptions } from "./avro.ts";
import { AvroWriter } from "./avro_writer.ts";
import { writeFiles } from "./testing.ts";

const OPTIONS: AvroOptions = {
  codec: "null",
  namespace: "rivven.events",
  recordName: "Event",
  metadataColumns: false,
};

/** Prints the records as JSON: what JSON has no type for as [type, text]. */
const READ = `
import datetime, decimal, fastavro, io, json, sys, uuid
def plain(value):
    if isinstance(value, dict): return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)): return [plain(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, str): return value
    if isinstance(value, int): return ["int", str(value)]
    if isinstance(value, float): return ["float", value.hex()]
    if isinstance(value, bytes): return ["bytes", value.hex()]
    if isinstance(value, decimal.Decimal): return ["decimal", str(value)]
    if isinstance(value, datetime.datetime) and value.tzinfo:
        return ["utc", value.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat()]
    if isinstance(value, (datetime.date, datetime.time)): return ["when", value.isoformat()]
    if isinstance(value, uuid.UUID): return ["uuid", str(value)]
    raise TypeError(type(value))
reader = fastavro.reader(io.BytesIO(sys.stdin.buffer.read()))
json.dump({"schema": reader.writer_schema, "codec": reader.codec, "rows": [plain(row) for row in reader]}, sys.stdout)
`;

interface Read {
  readonly schema: { readonly name: string; readonly fields: readonly Record<string, unknown>[] };
  readonly codec: string;
  readonly rows: readonly Record<string, unknown>[];
}

async function readBack(file: Uint8Array): Promise<Read> {
  const python = await startPython(AVRO_READER);
  return JSON.parse(new TextDecoder().decode(await python.run(READ, file)));
}

function tableOf(columns: readonly Column[], ...rows: Row[]): DataRecord[] {
  const stream = fakeStream("table", { columns, key: [] });
  return rows.map((after, i) => fakeRecord(i, { stream, key: undefined, after }));
}

function column(name: string, type: ColumnType, nullable = true): Column {
  return { name, type, nullable };
}

/** A column's type, values of it, and how fastavro shows them. */
const VALUES: [name: string, type: ColumnType, values: [Value, unknown][]][] = [
  ["bool", { kind: "boolean" }, [[true, true], [false, false]]],
  ["small", { kind: "int16" }, [[-32768, ["int", "-32768"]], [0, ["int", "0"]]]],
  ["int", { kind: "int32" }, [[-2147483648, ["int", "-2147483648"]], [2147483647, ["int", "2147483647"]]]],
  [
    "long",
    { kind: "int64" },
    [
      -9223372036854775808n,
      9223372036854775807n,
      9007199254740993n,
      -9007199254740993n,
      1073741823n,
      1073741824n,
      -1073741824n,
      -1073741825n,
      4294967295n,
      -1n,
      64n,
      -65n,
    ].map((n) => [n, ["int", String(n)]]),
  ],
  ["unsigned", { kind: "uint64" }, [[18446744073709551615n, ["decimal", "18446744073709551615"]], [0n, [
    "decimal",
    "0",
  ]], [128n, ["decimal", "128"]]]],
  ["float", { kind: "float32" }, [[0.1, ["float", "0x1.99999a0000000p-4"]], ["NaN", ["float", "nan"]], [
    3.4028235e38,
    ["float", "0x1.fffffe0000000p+127"],
  ]]],
  ["double", { kind: "float64" }, [
    [0.1, ["float", "0x1.999999999999ap-4"]],
    [-0, ["float", "-0x0.0p+0"]],
    ["Infinity", ["float", "inf"]],
    ["-Infinity", ["float", "-inf"]],
    [5e-324, ["float", "0x0.0000000000001p-1022"]],
    [1e300, ["float", "0x1.7e43c8800759cp+996"]],
  ]],
  ["decimal", { kind: "decimal", precision: 38, scale: 10 }, [
    ["-1234567890123456789012345678.0123456789", ["decimal", "-1234567890123456789012345678.0123456789"]],
    ["0.5", ["decimal", "0.5000000000"]],
    ["-0.0000000001", ["decimal", "-1E-10"]],
  ]],
  ["money", { kind: "decimal", precision: 5, scale: 2 }, [["999.99", ["decimal", "999.99"]], ["-1.28", [
    "decimal",
    "-1.28",
  ]]]],
  [
    "cents",
    { kind: "decimal", precision: 12, scale: 2 },
    // Where another byte begins, on both sides.
    ["1.27", "1.28", "-1.28", "-1.29", "327.67", "327.68", "-327.68", "-327.69", "83886.07", "83886.08"]
      .concat(["-83886.08", "-83886.09", "21474836.47", "21474836.48", "-21474836.48", "-21474836.49"])
      .map((text) => [text, ["decimal", text]]),
  ],
  ["free", { kind: "decimal" }, [[
    "123456789012345678901234567890123456789012.5",
    "123456789012345678901234567890123456789012.5",
  ], ["NaN", "NaN"]]],
  ["text", { kind: "string" }, [["", ""], ["Zoë 😀 \u2028 \u0000", "Zoë 😀 \u2028 \u0000"], [
    "ü".repeat(40),
    "ü".repeat(40),
  ], [
    "x".repeat(70_000),
    "x".repeat(70_000),
  ]]],
  ["uuid", { kind: "uuid" }, [["6f0b1d1e-7c4a-4b9e-8f55-0123456789ab", [
    "uuid",
    "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab",
  ]]]],
  ["kind", { kind: "enum", values: ["new order", "paid"] }, [["new order", "new order"]]],
  ["bytes", { kind: "bytes" }, [[new Uint8Array([0, 255, 10]), ["bytes", "00ff0a"]], [new Uint8Array(), [
    "bytes",
    "",
  ]]]],
  ["date", { kind: "date" }, [
    ["2026-01-31", ["when", "2026-01-31"]],
    ["0001-01-01", ["when", "0001-01-01"]],
    [
      "9999-12-31",
      ["when", "9999-12-31"],
    ],
  ]],
  ["time", { kind: "time", precision: 6 }, [["23:59:59.999999", ["when", "23:59:59.999999"]], ["00:00:00", [
    "when",
    "00:00:00",
  ]]]],
  ["zoned_time", { kind: "timetz", precision: 6 }, [["12:00:00.5+02:00", "12:00:00.5+02:00"]]],
  ["local", { kind: "timestamp", precision: 6 }, [
    ["2026-01-31T12:00:00.123456", ["when", "2026-01-31T12:00:00.123456"]],
    ["1969-12-31T23:59:59.999999", ["when", "1969-12-31T23:59:59.999999"]],
  ]],
  ["instant", { kind: "timestamptz", precision: 6 }, [
    ["2026-01-31T12:00:00.123456Z", ["utc", "2026-01-31T12:00:00.123456"]],
    ["2026-01-31T12:00:00+05:30", ["utc", "2026-01-31T06:30:00"]],
  ]],
  ["span", { kind: "interval" }, [["P1DT2H", "P1DT2H"]]],
  ["json", { kind: "json" }, [[
    { a: [1, null, 12345678901234567890n] },
    '{"a":[1,null,12345678901234567890]}',
  ], ["x", '"x"']]],
  ["longs", { kind: "array", items: { kind: "int64" } }, [[[1n, null, -9223372036854775808n], [
    ["int", "1"],
    null,
    [
      "int",
      "-9223372036854775808",
    ],
  ]], [[], []]]],
  ["point", {
    kind: "struct",
    fields: [column("x", { kind: "float64" }), column("the name", { kind: "string" })],
  }, [
    [{ x: 1.5, "the name": "n" }, { x: ["float", "0x1.8000000000000p+0"], the_name: "n" }],
    [{ x: null }, { x: null, the_name: null }],
  ]],
  ["map", { kind: "map", values: { kind: "int32" } }, [[{ a: 1, "b c": null }, {
    a: ["int", "1"],
    "b c": null,
  }], [{}, {}]]],
  ["any", { kind: "unknown" }, [
    [true, true],
    [7, ["int", "7"]],
    [1.5, ["float", "0x1.8000000000000p+0"]],
    [-0, ["float", "-0x0.0p+0"]],
    ["text", "text"],
    [{ a: [1] }, ["bytes", bytesOf('{"a":[1]}')]],
    [12345678901234567891n, ["bytes", bytesOf("12345678901234567891")]],
  ]],
];

function bytesOf(text: string): string {
  return new TextEncoder().encode(text).toHex();
}

for (const codec of ["null", "deflate", "snappy", "zstandard"] as const) {
  Deno.test(`fastavro reads every type back with its edges, ${codec}`, async (t) => {
    await requireServer(t, async () => {
      const columns = VALUES.map(([name, type]) => column(name, type));
      const most = Math.max(...VALUES.map(([, , values]) => values.length));
      const rows: Row[] = [];
      const expected: Record<string, unknown>[] = [];
      for (let k = 0; k <= most; k++) {
        rows.push(Object.fromEntries(VALUES.map(([name, , values]) => [name, values[k]?.[0] ?? null])));
        expected.push(Object.fromEntries(VALUES.map(([name, , values]) => [name, values[k]?.[1] ?? null])));
      }
      const batch = fakeBatch(tableOf(columns, ...rows));
      const { files, rejected } = await writeFiles(avroFormat({ ...OPTIONS, codec }), batch);
      assert.deepEqual(rejected.map(({ error }) => error.message), []);
      assert.equal(files.length, 1);
      const read = await readBack(files[0]);
      assert.equal(read.codec, codec);
      assert.equal(read.schema.name, "rivven.events.Event");
      assert.deepEqual(read.rows, expected);
      const again = await writeFiles(avroFormat({ ...OPTIONS, codec }), batch);
      assert.ok(again.files[0].every((byte, i) => byte === files[0][i]), "the same rows give another file");
    });
  });
}

Deno.test("Avro's own reader reads files of several blocks, and memory stays bounded", async (t) => {
  await requireServer(t, async () => {
    const columns = [column("id", { kind: "int64" }, false), column("pad", { kind: "string" })];
    const pad = "0123456789".repeat(100);
    const batches = Array.from(
      { length: 3 },
      (_, b) =>
        fakeBatch(
          tableOf(columns, ...Array.from({ length: 400 }, (_, i) => ({ id: BigInt(b * 400 + i), pad }))),
        ),
    );
    for (const codec of ["null", "deflate", "snappy"] as const) {
      const { files, mostBuffered } = await writeFiles(avroFormat({ ...OPTIONS, codec }), ...batches);
      assert.ok(mostBuffered < 1 << 19, `${mostBuffered} bytes`);
      const path = await Deno.makeTempFile({ suffix: ".avro" });
      try {
        await Deno.writeFile(path, files[0]);
        const lines = new TextDecoder().decode(await runProgram("avrocat", [path])).trim().split("\n");
        assert.deepEqual(
          lines.map((line) => JSON.parse(line)),
          Array.from({ length: 1200 }, (_, id) => ({ id, pad: { string: pad } })),
        );
      } finally {
        await Deno.remove(path);
      }
    }
  });
});

Deno.test("what a column can't hold exactly is refused with its name, and its neighbours are not", async () => {
  const refused: [ColumnType, Value, RegExp][] = [
    [{ kind: "decimal", precision: 5, scale: 2 }, "1.505", /more digits than the scale/],
    [{ kind: "decimal", precision: 5, scale: 2 }, "1000.00", /more digits than the precision/],
    [{ kind: "decimal", precision: 5, scale: 2 }, "NaN", /NaN/],
    [{ kind: "int64" }, 9223372036854775808n, /64 bits/],
    [{ kind: "int32" }, 2147483648, /32 bits/],
    [{ kind: "int32" }, 1.5, /whole number/],
    [{ kind: "float32" }, 0.123456789012, /32 bits/],
    [{ kind: "date" }, "infinity", /./],
    [{ kind: "date" }, "2026-02-30", /./],
    [{ kind: "time", precision: 6 }, "24:00:00", /day/],
    [{ kind: "timestamp", precision: 6 }, "2026-01-31T12:00:00.1234567", /./],
    [{ kind: "timestamptz", precision: 6 }, "infinity", /./],
    [{ kind: "timestamptz", precision: 9 }, "2300-01-01T00:00:00Z", /1970/],
    [{ kind: "array", items: { kind: "int32" } }, [[1], [2]], /an array, not/],
    [{ kind: "string" }, "half \ud83d", /surrogate/],
    [{ kind: "boolean" }, "true", /not a boolean/],
  ];
  for (const [type, value, reason] of refused) {
    const columns = [column("before", { kind: "string" }), column("v", type)];
    const records = tableOf(columns, { before: "a", v: null }, { before: "b", v: value }, {
      before: "c",
      v: null,
    });
    const { files, rejected } = await writeFiles(avroFormat(OPTIONS), fakeBatch(records));
    assert.deepEqual(
      rejected.map(({ i, error }) => [i, error.code]),
      [[1, "schema_value"]],
      JSON.stringify(type),
    );
    assert.match(rejected[0].error.message, /^Column "v" does not fit/);
    assert.match(rejected[0].error.message, reason);
    // One block of two rows in eight bytes: branch 1, "a", branch 0; the same with "c".
    assert.deepEqual([...files[0].subarray(-16 - 10, -16)], [4, 16, 2, 2, 97, 0, 2, 2, 99, 0]);
  }
});

Deno.test("NULL in a column that has none is refused, and so is a column that was not sent", async () => {
  const columns = [column("id", { kind: "int32" }, false)];
  const { rejected } = await writeFiles(
    avroFormat(OPTIONS),
    fakeBatch(tableOf(columns, { id: null }, {}, { id: 1 })),
  );
  assert.deepEqual(rejected.map(({ i }) => i), [0, 1]);
});

Deno.test("names become Avro's, all different, and keep the original", async (t) => {
  await requireServer(t, async () => {
    const names = ["a b", "a_b", "a-b", "1st", "", "é", "ok"];
    const columns = names.map((name) => column(name, { kind: "string" }));
    const row = Object.fromEntries(names.map((name, i) => [name, String(i)]));
    const { files } = await writeFiles(avroFormat(OPTIONS), fakeBatch(tableOf(columns, row)));
    const { schema, rows } = await readBack(files[0]);
    assert.deepEqual(rows, [{ a_b_2: "0", a_b: "1", a_b_3: "2", _1st: "3", _: "4", __2: "5", ok: "6" }]);
    assert.deepEqual(schema.fields.map((field) => field["rivven.name"] ?? field.name), names);
  });
});

Deno.test("deletes and values that were not sent stand beside the columns that say so", async (t) => {
  await requireServer(t, async () => {
    const columns = [column("id", { kind: "int64" }, false), column("note", { kind: "string" }, false)];
    const stream = fakeStream("notes", { columns });
    const { files, rejected } = await writeFiles(
      avroFormat({ ...OPTIONS, metadataColumns: true }),
      fakeBatch([
        fakeRecord(1, { stream, after: { id: 1n, note: "n" } }),
        fakeRecord(2, { stream, operation: "update", after: { id: 1n }, unavailable: ["note"] }),
        fakeRecord(3, { stream, operation: "delete", before: { id: 1n }, after: undefined }),
        fakeRecord(4, { stream, operation: "tombstone", after: undefined }),
      ]),
    );
    assert.deepEqual(rejected, []);
    const { rows } = await readBack(files[0]);
    assert.deepEqual(
      rows.map(({ note, _rivven_op, _rivven_unavailable }) => [note, _rivven_op, _rivven_unavailable]),
      [
        ["n", "c", null],
        [null, "u", ["note"]],
        [null, "d", null],
      ],
    );
    assert.deepEqual(rows[0]._rivven_ts, ["utc", "2026-01-31T12:00:00.000001"]);
  });
});

Deno.test("other columns begin a new file, and so does a new name where a stream has no columns", async (t) => {
  await requireServer(t, async () => {
    const narrow = tableOf([column("a", { kind: "int32" })], { a: 1 });
    const wide = tableOf([column("a", { kind: "int64" })], { a: 2n });
    const typed = await writeFiles(avroFormat(OPTIONS), fakeBatch([...narrow, ...wide]));
    assert.equal(typed.files.length, 2);
    const stream = fakeStream("events", { columns: undefined, key: [] });
    const rows: Row[] = [{ a: null }, { a: 1 }, { a: "x" }, {}, { a: 2, b: [1] }, { a: 3 }];
    const records = rows.map((after, i) =>
      fakeRecord(i, { stream, key: undefined, operation: "record", after })
    );
    const { files } = await writeFiles(avroFormat(OPTIONS), fakeBatch(records));
    const read = await Promise.all(files.map((file) => readBack(file)));
    assert.deepEqual(read.map((file) => file.rows), [
      [{ a: null }, { a: ["int", "1"] }, { a: "x" }, { a: null }],
      [{ a: ["int", "2"], b: ["bytes", bytesOf("[1]")] }, { a: ["int", "3"], b: null }],
    ]);
  });
});

Deno.test("a given schema decides: types, order, defaults, named types, unions and what is left out", async (t) => {
  await requireServer(t, async () => {
    const schema = {
      type: "record",
      name: "Order",
      namespace: "shop",
      fields: [
        {
          name: "amount",
          type: { type: "fixed", name: "Amount", size: 8, logicalType: "decimal", precision: 12, scale: 2 },
          "rivven.name": "total",
        },
        { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
        { name: "state", type: { type: "enum", name: "State", symbols: ["new", "paid"] } },
        { name: "next", type: ["null", "Order"] },
        { name: "mixed", type: ["string", "long", "null"] },
        { name: "source", type: "string", default: "ours" },
        { name: "tags", type: { type: "array", items: "string" }, default: [] },
        { name: "absent", type: ["null", "long"], default: null },
      ],
    };
    const stream = fakeStream("orders", { columns: undefined, key: [] });
    const after = {
      total: "-12.5",
      at: "2026-01-31T12:00:00.123Z",
      state: "paid",
      next: null,
      mixed: 9007199254740993n,
      dropped: 1,
    };
    const record = (row: Row) => fakeRecord(1, { stream, key: undefined, operation: "record", after: row });
    const { files, rejected } = await writeFiles(
      avroFormat({ ...OPTIONS, schema: JSON.stringify(schema) }),
      fakeBatch([
        record(after),
        record({ ...after, next: { ...after, mixed: "m" } }),
        record({ ...after, state: "lost" }),
        record({ ...after, at: "2026-01-31T12:00:00.1234Z" }),
        record({ ...after, next: { ...after, mixed: [1] } }),
      ]),
    );
    assert.deepEqual(rejected.map(({ i }) => i), [2, 3, 4]);
    assert.match(rejected[2].error.message, /^Column "next.mixed"/);
    const { rows, schema: read } = await readBack(files[0]);
    assert.equal(read.name, "shop.Order");
    const first = {
      amount: ["decimal", "-12.50"],
      at: ["utc", "2026-01-31T12:00:00.123000"],
      state: "paid",
      next: null,
      mixed: ["int", "9007199254740993"],
      source: "ours",
      tags: [],
      absent: null,
    };
    assert.deepEqual(rows, [first, { ...first, next: { ...first, mixed: "m" } }]);
  });
});

Deno.test("a schema that is none is refused before anything is written", () => {
  const bad = [
    '"string"',
    '{"type":"record","name":"A"}',
    '{"type":"record","name":"A b","fields":[]}',
    '{"type":"record","name":"A","fields":[{"name":"x","type":"unheard"}]}',
    '{"type":"record","name":"A","fields":[{"name":"x","type":"int"},{"name":"x","type":"int"}]}',
    '{"type":"record","name":"A","fields":[{"name":"x","type":"int","default":"1"}]}',
    '{"type":"record","name":"A","fields":[{"name":"x","type":{"type":"record","name":"A","fields":[]}}]}',
    '{"type":"record","name":"A","fields":[{"name":"x","type":{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}}]}',
    "{",
  ];
  for (const schema of bad) assert.throws(() => avroFormat({ ...OPTIONS, schema }), SyntaxError, schema);
});

Deno.test("texts of any length and any letters are written as their bytes are", () => {
  for (const letter of ["a", "é", "€", "😀"]) {
    for (const length of [0, 1, 20, 31, 32, 63, 64, 2730, 4096, 8191, 8192, 16384, 16385]) {
      const text = letter.repeat(length);
      const [written, wanted] = [new AvroWriter(), new AvroWriter()];
      for (const writer of [written, wanted]) writer.integer(7);
      written.text(text);
      wanted.bytes(new TextEncoder().encode(text));
      for (const writer of [written, wanted]) writer.integer(8);
      assert.deepEqual(written.written, wanted.written, `${length} of ${letter}`);
    }
  }
});
