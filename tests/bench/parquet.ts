/**
 * Parquet files in one thread, from records that are parsed: ours beside the library by itself, which gets the same
 * rows' values turned into its types in the shortest way, without a look whether they fit; and beside pyarrow, in C++,
 * which writes what it has in memory as columns already.
 */
import { ByteWriter, ParquetWriter, type SchemaElement } from "npm:hyparquet-writer@0.17.0";
import { zstdCompressSync } from "node:zlib";
import { type Batch, batchFromRecords, type Origin } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row } from "../../formats/data/value.ts";
import { fileFormat } from "../../formats/files/formats.ts";
import { Notation } from "../../transforms/_testing/notation.ts";
import { ServerMissing } from "../servers/missing.ts";
import { PARQUET_READER, startPython } from "../servers/python.ts";
import { type Bench, median } from "./measure.ts";

const ORIGIN: Origin = { connector: "bench", name: "bench", version: "0.0.0" };
const SIZE = 1000;
const GROUP = 10_000;
const CODECS = ["snappy", "zstd"] as const;

const COLUMNS = {
  "public.orders": {
    id: "int64 key",
    quantity: "int32",
    price: "float64",
    is_paid: "boolean",
    customer: "string",
    note: "string",
    created_at: "timestamptz",
    day: "date",
    total: "decimal(12,2)",
    reference: "uuid",
  },
};

export function batches(): Batch[] {
  const notation = new Notation(COLUMNS);
  return Array.from({ length: GROUP / SIZE }, (_, batch) => {
    const records = Array.from({ length: SIZE }, (_, i): DataRecord => record(notation, batch * SIZE + i));
    return batchFromRecords(
      { lane: "stream", position: { v: 1 }, layout: "plain", readAtMicros: 1n, origin: ORIGIN },
      records,
    );
  });
}

function record(notation: Notation, n: number): DataRecord {
  const hex = (n * 2654435761 % 2 ** 48).toString(16).padStart(12, "0");
  return notation.record({
    stream: "public.orders",
    op: "insert",
    key: { id: n },
    after: {
      id: n,
      quantity: n % 9 + 1,
      price: n * 0.37,
      is_paid: n % 3 === 0,
      customer: `customer ${n}`,
      note: n % 10 === 0 ? null : `a note of some sixty letters, so that the row has its length ${n % 100}`,
      created_at: `${new Date(1.7e12 + n).toISOString().slice(0, -1)}123Z`,
      day: new Date(1.6e12 + n % 365 * 86_400_000).toISOString().slice(0, 10),
      total: `${n}.37`,
      reference: `6f0b1d1e-7c4a-4b9e-8f55-${hex}`,
    },
    source: {},
  });
}

export const parquet: Bench = {
  name: "parquet",
  async run({ records, runs }, report) {
    const data = batches();
    const groups = Math.max(3, Math.round(records / GROUP / 4));
    for (const codec of CODECS) {
      const ours = await rate(runs, groups, () => writeOurs(data, codec, groups));
      const limit = await rate(runs, groups, () => Promise.resolve(writeAlone(data, codec, groups)));
      report({
        bench: `parquet ${codec}`,
        unit: "rows/CPU s",
        ours,
        limit,
        limit_is: "hyparquet-writer by itself, values turned into its types",
        goal: "0.8 of the limit",
      });
    }
    try {
      const { path, run } = await startPython(PARQUET_READER);
      for (const codec of CODECS) {
        const pieces = await writeOurs(data, codec, 1);
        const file = new Uint8Array(await new Blob(pieces).arrayBuffer());
        const seconds = Number(new TextDecoder().decode(await run(PYTHON, file, codec, String(groups))));
        report({ bench: `parquet pyarrow ${codec}`, unit: "rows/CPU s", ours: groups * GROUP / seconds });
      }
      console.error(`pyarrow of ${path}`);
    } catch (error) {
      if (!(error instanceof ServerMissing)) throw error;
      console.error(`parquet: not beside pyarrow, because ${error.message}`);
    }
  },
};

/** Rows of one second of CPU (10,000 in a group): the median of runs, after one that does not count. */
export async function rate(runs: number, groups: number, work: () => Promise<unknown>): Promise<number> {
  const rates: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const started = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(started);
    if (run > 0) rates.push(groups * GROUP / ((user + system) / 1e6));
  }
  return median(rates);
}

async function writeOurs(data: readonly Batch[], codec: typeof CODECS[number], groups: number) {
  const format = await fileFormat("parquet", { metadata_columns: false, compression: codec });
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  // Only the first row group is kept: pyarrow reads it.
  const out = (bytes: Uint8Array) => groups === 1 && pieces.push(bytes as Uint8Array<ArrayBuffer>);
  const file = format.begin(data[0], 0, out);
  for (let group = 0; group < groups; group++) {
    for (const batch of data) {
      file.add(batch, 0, batch.length, (_, error) => {
        throw error;
      });
    }
  }
  await file.end();
  return pieces;
}

const OPTIONAL = { repetition_type: "OPTIONAL" } as const;
const TEXT = { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } } as const;

/** Each column with the library's type, and how a value gets it. */
const ALONE: readonly (readonly [SchemaElement, (row: Row) => unknown])[] = [
  [{ name: "id", type: "INT64", ...OPTIONAL }, (row) => row.id],
  [{ name: "quantity", type: "INT32", ...OPTIONAL }, (row) => row.quantity],
  [{ name: "price", type: "DOUBLE", ...OPTIONAL }, (row) => row.price],
  [{ name: "is_paid", type: "BOOLEAN", ...OPTIONAL }, (row) => row.is_paid],
  [{ name: "customer", ...TEXT, ...OPTIONAL }, (row) => row.customer],
  [{ name: "note", ...TEXT, ...OPTIONAL }, (row) => row.note],
  [
    { name: "created_at", type: "INT64", converted_type: "TIMESTAMP_MICROS", ...OPTIONAL },
    // Milliseconds are what a Date has; the rest is in the last three digits.
    ({ created_at: text }) =>
      BigInt(Date.parse(text as string)) * 1000n + BigInt((text as string).slice(-4, -1)),
  ],
  [
    { name: "day", type: "INT32", converted_type: "DATE", ...OPTIONAL },
    (row) => new Date(row.day as string),
  ],
  [
    { name: "total", type: "INT64", converted_type: "DECIMAL", precision: 12, scale: 2, ...OPTIONAL },
    (row) => BigInt((row.total as string).replace(".", "")),
  ],
  [
    {
      name: "reference",
      type: "FIXED_LEN_BYTE_ARRAY",
      type_length: 16,
      logical_type: { type: "UUID" },
      ...OPTIONAL,
    },
    (row) => row.reference,
  ],
];

function writeAlone(data: readonly Batch[], codec: typeof CODECS[number], groups: number): number {
  const buffer = new ByteWriter();
  const writer = new ParquetWriter({
    writer: buffer,
    schema: [{ name: "schema", num_children: ALONE.length }, ...ALONE.map(([element]) => element)],
    codec: codec === "zstd" ? "ZSTD" : "SNAPPY",
    compressors: { ZSTD: (page) => zstdCompressSync(page) },
  });
  for (let group = 0; group < groups; group++) {
    const columnData = ALONE.map(([{ name }]) => ({ name, data: [] as unknown[] }));
    for (const { records } of data) {
      for (const { after } of records) {
        ALONE.forEach(([, valueOf], i) => columnData[i].data.push(valueOf(after as Row)));
      }
    }
    writer.write({ columnData, rowGroupSize: GROUP });
    // What was written is given away, as it would be to a file.
    buffer.index = 0;
  }
  writer.finish();
  return buffer.offset;
}

const PYTHON = `
import io, resource, sys
import pyarrow.parquet as pq
codec, groups = sys.argv[1], int(sys.argv[2])
table = pq.read_table(io.BytesIO(sys.stdin.buffer.read()))
def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
started = used()
with pq.ParquetWriter(io.BytesIO(), table.schema, compression=codec) as writer:
    for _ in range(groups):
        writer.write_table(table)
print(used() - started)
`;
