import assert from "node:assert/strict";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { AVRO_READER, startPython } from "../../tests/servers/python.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Column } from "../../formats/data/value.ts";
import { schemaOfColumns } from "../../formats/files/avro_columns.ts";
import { METADATA_COLUMNS } from "../../formats/files/rows.ts";
import definition from "./connector.ts";
import { Output } from "./output.ts";
import { StdoutSink } from "./sink.ts";

const COLUMNS: Column[] = [
  { name: "id", type: { kind: "int64" }, nullable: false },
  { name: "total", type: { kind: "decimal", precision: 12, scale: 2 }, nullable: true },
  { name: "tags", type: { kind: "array", items: { kind: "string" } }, nullable: true },
  { name: "ratio", type: { kind: "float64" }, nullable: true },
  {
    name: "place",
    type: { kind: "struct", fields: [{ name: "x y", type: { kind: "int32" }, nullable: true }] },
    nullable: true,
  },
  { name: "flags", type: { kind: "map", values: { kind: "boolean" } }, nullable: true },
];
const STREAM = fakeStream("orders", { columns: COLUMNS });

const RECORDS: DataRecord[] = [
  fakeRecord(1, {
    stream: STREAM,
    after: {
      id: -9223372036854775808n,
      total: "-12.50",
      tags: ["ß\n", null],
      ratio: 0.1,
      place: { "x y": 3 },
      flags: { a: true },
    },
  }),
  fakeRecord(2, {
    stream: STREAM,
    after: { id: 2n, total: null, tags: [], ratio: null, place: null, flags: {} },
  }),
  fakeRecord(3, { stream: STREAM, operation: "truncate", key: undefined, after: undefined }),
  fakeRecord(4, { stream: STREAM, operation: "delete", before: { id: 4n }, after: undefined }),
];

async function written(config: Record<string, unknown>, records: DataRecord[]) {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const take = (bytes: Uint8Array) => pieces.push(bytes.slice()) && bytes.length;
  const file = { writeSync: take, write: (bytes: Uint8Array) => Promise.resolve(take(bytes)) };
  const rejected: [number, string][] = [];
  const context = {
    ...fakeSinkContext({ clock: new FakeClock(true) }),
    reject: (_: unknown, i: number, error: Error) => void rejected.push([i, error.message]),
  };
  const sink = new StdoutSink(
    definition.config.parse(config),
    context,
    new Output(file, "file", context.clock),
  );
  await sink.write(fakeBatch(records));
  return { bytes: await new Blob(pieces).bytes(), rejected };
}

/** Rows as fastavro reads them from the JSON of `{schema, json, datums}`. */
const READ = `
import fastavro, io, json, sys
given = json.load(sys.stdin)
schema = fastavro.parse_schema(given["schema"])
rows = list(fastavro.json_reader(io.StringIO(given["json"]), schema))
def all_of(data):
    stream = io.BytesIO(data)
    while stream.tell() < len(data): yield fastavro.schemaless_reader(stream, schema)
binary = list(all_of(bytes.fromhex(given["binary"])))
hexes = [row for line in given["hex"].split() for row in all_of(bytes.fromhex(line))]
framed = [row for line in given["framed"].split() for row in all_of(bytes.fromhex(line)[5:])]
print(json.dumps([[str(row) for row in one] for one in (rows, binary, hexes, framed)]))
`;

Deno.test("fastavro reads the same rows from the three Avro formats, and behind Confluent's header", async (t) => {
  const python = await requireServer(t, () => startPython(AVRO_READER));
  if (python === undefined) return;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const optional = COLUMNS.map((column) => column.name === "id" ? column : { ...column, nullable: true });
  const framed = await written({ format: "avrohex", confluent_wire_format: true, schema_id: 258 }, RECORDS);
  for (const line of text(framed.bytes).trim().split("\n")) assert.match(line, /^0000000102/);
  const input = {
    schema: schemaOfColumns([...optional, ...METADATA_COLUMNS], "Event", "rivven.events"),
    json: text((await written({ format: "avrojson" }, RECORDS)).bytes),
    binary: (await written({ format: "avrobinary" }, RECORDS)).bytes.toHex(),
    hex: text((await written({ format: "avrohex" }, RECORDS)).bytes),
    framed: text(framed.bytes),
  };
  const read = JSON.parse(text(await python.run(READ, new TextEncoder().encode(JSON.stringify(input)))));
  for (const rows of read) {
    assert.equal(rows.length, 3);
    assert.match(
      rows[0],
      /'id': -9223372036854775808, 'total': Decimal\('-12.50'\), 'tags': \['ß\\n', None\], 'ratio': 0.1, 'place': {'x_y': 3}, 'flags': {'a': True}, '_rivven_op': 'c'/,
    );
    assert.match(rows[2], /'id': 4, 'total': None,.*'_rivven_op': 'd'/);
    assert.deepEqual(rows, read[0]);
  }
});

Deno.test("a given schema decides, and what does not fit it is refused by its number", async () => {
  const avro_schema = JSON.stringify({
    type: "record",
    name: "R",
    fields: [{ name: "id", type: "int" }, { name: "next", type: ["null", "R"] }],
  });
  const records = [1n, 4294967296n, 3n].map((id) =>
    fakeRecord(1, { after: { id, customer: "left out", total: null } })
  );
  const { bytes, rejected } = await written({ format: "avrojson", avro_schema }, records);
  assert.equal(new TextDecoder().decode(bytes), '{"id":1,"next":null}\n{"id":3,"next":null}\n');
  assert.deepEqual(rejected, [[
    1,
    'Column "id" does not fit the Avro schema: it is out of the range of 32 bits',
  ]]);
});

Deno.test("without columns and without a schema a record is refused, and told why", async () => {
  const stream = fakeStream("events", { columns: undefined, key: [] });
  const { rejected } = await written({ format: "avrohex" }, [
    fakeRecord(1, { stream, key: undefined, after: { a: 1 } }),
  ]);
  assert.match(rejected[0][1], /set avro_schema/);
});

Deno.test("Avro's keys that do not go together are named", () => {
  const problem = (config: Record<string, unknown>) => {
    const issue = definition.config.safeParse(config).error?.issues[0];
    return `${issue?.path.join(".")}: ${issue?.message}`;
  };
  assert.match(
    problem({ format: "json", avro_schema: '{"type":"record","name":"R","fields":[]}' }),
    /^avro_schema: A schema needs/,
  );
  assert.match(problem({ format: "avrojson", avro_schema: "{}" }), /^avro_schema: No schema/);
  assert.match(
    problem({ format: "avrojson", confluent_wire_format: true, schema_id: 1 }),
    /^confluent_wire_format/,
  );
  assert.match(problem({ format: "avrohex", confluent_wire_format: true }), /^schema_id/);
  assert.match(problem({ format: "avrohex", schema_id: 1 }), /^schema_id/);
});
