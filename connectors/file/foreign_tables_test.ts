/** Avro files that another program has written: every type and codec, and blocks that are being appended. */
import assert from "node:assert/strict";
import type { Value } from "../../formats/data/value.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPython } from "../../tests/servers/python.ts";
import { recordsOf, SourceFolder } from "./testing.ts";

const PACKAGES = ["fastavro==1.12.2", "cramjam==2.14.0", "zstandard==0.25.0"];

/** Writes a file: the codec and the number of records are its arguments. */
const PROGRAM = `
import sys, io, decimal, datetime, uuid, fastavro
codec, count = sys.argv[1], int(sys.argv[2])
node = {"type": "record", "name": "Node", "fields": [
    {"name": "value", "type": "int"}, {"name": "next", "type": ["null", "Node"]}]}
schema = {"type": "record", "name": "Edge", "namespace": "shop.v1", "fields": [
    {"name": "id", "type": "long"},
    {"name": "flag", "type": ["boolean", "null"]},
    {"name": "f", "type": "float"},
    {"name": "d", "type": ["null", "double"]},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 4}},
    {"name": "fixed_price", "type": {"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 2}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "clock", "type": {"type": "long", "logicalType": "time-micros"}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
    {"name": "uid", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "raw", "type": "bytes"},
    {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}},
    {"name": "again", "type": ["null", "Color"]},
    {"name": "list", "type": {"type": "array", "items": ["null", "long"]}},
    {"name": "map", "type": {"type": "map", "values": "string"}},
    {"name": "mixed", "type": ["null", "string", "long", {"type": "array", "items": "int"}]},
    {"name": "node", "type": ["null", node]}]}
def row(i):
    return {"id": 2**63 - 1 - i, "flag": i % 2 == 0, "f": 0.1, "d": None if i == 0 else 5e-324,
        "price": decimal.Decimal("-12345678901234567890.0001"), "fixed_price": decimal.Decimal("-0.05"),
        "day": datetime.date(1, 1, 1), "clock": datetime.time(23, 59, 59, 999999),
        "at": datetime.datetime(1969, 12, 31, 23, 59, 59, 123456, tzinfo=datetime.timezone.utc),
        "local": datetime.datetime(2026, 1, 31, 12, 0, 0, 500000), "uid": uuid.UUID(int=i), "raw": bytes([0, 255]),
        "color": "GREEN", "again": "RED", "list": [1, None, -2**63], "map": {"a": "\\u65e5"},
        "mixed": [None, "text", 2**60, [1, 2]][i % 4], "node": {"value": 1, "next": {"value": 2, "next": None}}}
out = io.BytesIO()
fastavro.writer(out, schema, (row(i) for i in range(count)), codec=codec, sync_interval=2000)
sys.stdout.buffer.write(out.getvalue())
`;

function expected(i: number): Record<string, Value> {
  return {
    id: 2n ** 63n - 1n - BigInt(i),
    flag: i % 2 === 0,
    f: 0.1,
    d: i === 0 ? null : 5e-324,
    price: "-12345678901234567890.0001",
    fixed_price: "-0.05",
    day: "0001-01-01",
    clock: "23:59:59.999999",
    at: "1969-12-31T23:59:59.123456Z",
    local: "2026-01-31T12:00:00.5",
    uid: `00000000-0000-0000-0000-${i.toString(16).padStart(12, "0")}`,
    raw: Uint8Array.of(0, 255),
    color: "GREEN",
    again: "RED",
    list: [1n, null, -(2n ** 63n)],
    map: { a: "日" },
    mixed: [null, "text", 2n ** 60n, [1, 2]][i % 4],
    node: { value: 1, next: { value: 2, next: null } },
  };
}

Deno.test("avro: files of another program are read with all types and codecs, and on from any position", async (t) => {
  const python = await requireServer(t, () => startPython(PACKAGES));
  if (python === undefined) return;
  await using place = new SourceFolder();
  for (const codec of ["null", "deflate", "snappy"]) {
    const file = await python.run(PROGRAM, new Uint8Array(), codec, "60");
    place.write("a.avro", file);
    const batches = await place.read({ path: "a.avro", key: ["id"] }, undefined, 7);
    const all = recordsOf(batches);
    assert.deepEqual(all.map(({ after }) => after), Array.from({ length: 60 }, (_, i) => expected(i)), codec);
    assert.deepEqual(all[1].key, { id: 2n ** 63n - 2n });
    if (codec !== "deflate") continue;
    const types = all[0].stream.columns!.map(({ name, type, nullable }) => [name, type.kind, nullable]);
    assert.deepEqual(types.slice(0, 6), [
      ["id", "int64", false],
      ["flag", "boolean", true],
      ["f", "float32", false],
      ["d", "float64", true],
      ["price", "decimal", false],
      ["fixed_price", "decimal", false],
    ]);
    let count = 0;
    for (const { length, position } of batches) {
      count += length;
      assert.deepEqual(await place.records({ path: "a.avro", key: ["id"] }, position, 7), all.slice(count));
    }
    Deno.removeSync(place.path("a.avro"));
    // Block by block, while it is read.
    place.write("a.avro", file.subarray(0, 30));
    let at = 30;
    const seen: unknown[] = [];
    const timer = setInterval(() => {
      place.append("a.avro", file.subarray(at, at + 1777));
      at += 1777;
    }, 5);
    try {
      await place.follow({ path: "*.avro" }, (records) => {
        seen.push(...records.map(({ after }) => after));
        return seen.length === 60;
      });
    } finally {
      clearInterval(timer);
    }
    assert.deepEqual(seen, all.map(({ after }) => after));
  }
});
