import assert from "node:assert/strict";
import fc from "fast-check";
import type { Row, Value } from "../../formats/data/value.ts";
import { after, configOf, problemKeys, record, run, stream } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>) => openTransform(configOf(definition, config));
const schemaless = stream(undefined);
const flat = (row: Row, config: Record<string, unknown> = {}) =>
  after(open(config), record(schemaless, "record", { after: row }));

Deno.test("the documented cases", async () => {
  const deep = { a: { b: { c: 1 } } };
  assert.deepEqual(await flat(deep), { "a.b.c": 1 });
  assert.deepEqual(await flat(deep, { delimiter: "_" }), { a_b_c: 1 });
  assert.deepEqual(await flat(deep, { max_depth: 1 }), { "a.b": { c: 1 } });
  assert.deepEqual(await flat({ a: {}, x: [{ y: 1 }] }, { drop_empty: true }), { x: [{ y: 1 }] });
  assert.deepEqual(await flat({ a: {}, x: [{ y: 1 }] }), { a: {}, x: [{ y: 1 }] });
});

Deno.test("Kafka Connect's documented example of Flatten", async () => {
  const row = { content: { id: 42, name: { first: "David", middle: null, last: "Wong" } } };
  assert.deepEqual(await flat(row), {
    "content.id": 42,
    "content.name.first": "David",
    "content.name.middle": null,
    "content.name.last": "Wong",
  });
});

Deno.test("arrays stay, are counted, or become JSON", async () => {
  const row = { a: [{ b: 9007199254740993n }, [2]], e: [], s: { t: [1] } };
  assert.deepEqual(await flat(row), { a: row.a, e: [], "s.t": [1] });
  assert.deepEqual(await flat(row, { arrays: "index" }), {
    "a.0.b": 9007199254740993n,
    "a.1.0": 2,
    e: [],
    "s.t.0": 1,
  });
  assert.deepEqual(await flat(row, { arrays: "json_string" }), {
    a: '[{"b":9007199254740993},[2]]',
    e: "[]",
    "s.t": "[1]",
  });
});

Deno.test("fields are chosen, and what comes out of objects gets a prefix", async () => {
  const row = { a: { x: 1 }, b: { x: 2 }, c_1: { x: { y: 3 } }, d: 4 };
  assert.deepEqual(await flat(row, { fields: ["a", "c_*"], prefix: "f_" }), {
    "f_a.x": 1,
    b: { x: 2 },
    "f_c_1.x.y": 3,
    d: 4,
  });
  assert.deepEqual(await flat(row, { exclude: ["a", "c_?"] }), {
    a: { x: 1 },
    "b.x": 2,
    c_1: { x: { y: 3 } },
    d: 4,
  });
});

Deno.test("a name that is taken is an error, or the later field's, or gets a number", async () => {
  const row = { "a.b": 1, a: { b: 2 } };
  await assert.rejects(flat(row), { code: "schema_flatten_collision" });
  assert.deepEqual(await flat(row, { on_collision: "overwrite" }), { "a.b": 2 });
  assert.deepEqual(await flat(row, { on_collision: "suffix" }), { "a.b": 1, "a.b_2": 2 });
});

Deno.test("encrypted fields and references are not taken apart", async () => {
  const row = { ssn: { __encrypted: true, __value: "x" }, doc: { file: { __externalized: true, url: "u" } } };
  assert.deepEqual(await flat(row), { ssn: row.ssn, "doc.file": row.doc.file });
});

Deno.test("structs become columns with their types, in both images, the unsent ones too", async () => {
  const table = stream({
    id: "int64 key",
    address: {
      kind: "struct",
      fields: [
        { name: "zip", type: { kind: "int64" }, nullable: false },
        {
          name: "geo",
          type: { kind: "struct", fields: [{ name: "x", type: { kind: "bytes" }, nullable: true }] },
          nullable: true,
        },
      ],
    },
  });
  const { records, stream: made } = await run(open({ delimiter: "_" }), [
    record(table, "update", {
      before: { id: 1n, address: { zip: 5n, geo: { x: new Uint8Array([1]) } } },
      after: { id: 1n },
      unavailable: ["address"],
    }),
    record(table, "insert", { after: { id: 2n, address: null } }),
  ]);
  assert.deepEqual(made.columns!.map(({ name, type, nullable }) => [name, type.kind, nullable]), [
    ["id", "int64", false],
    ["address_zip", "int64", true],
    ["address_geo_x", "bytes", true],
  ]);
  assert.deepEqual(records[0].before, { id: 1n, address_zip: 5n, address_geo_x: new Uint8Array([1]) });
  assert.deepEqual([records[0].after, records[0].unavailable], [{ id: 1n }, [
    "address_zip",
    "address_geo_x",
  ]]);
});

Deno.test("opened JSON leaves the stream without columns, unless the column is excluded", async () => {
  const table = stream({ id: "int64 key", doc: "json" });
  const given = [record(table, "insert", { after: { id: 1n, doc: { a: 1 } } })];
  const opened = await run(open({}), given);
  assert.deepEqual([opened.stream.columns, opened.records[0].after, opened.records[0].key], [
    undefined,
    { id: 1, "doc.a": 1 },
    { id: 1 },
  ]);
  assert.equal(open({ exclude: ["doc"] }).matches!(table), false);
});

Deno.test("flattened and put together again, an object is what it was", async () => {
  const { object } = fc.letrec<{ object: Row; value: Value }>((tie) => ({
    object: fc.dictionary(fc.stringMatching(/^[a-zäß0-9]{1,4}$/), tie("value"), {
      minKeys: 1,
      maxKeys: 4,
      noNullPrototype: true,
    }),
    value: fc.oneof({ depthSize: "small" }, fc.integer(), fc.string(), fc.constant(null), tie("object")),
  }));
  await fc.assert(fc.asyncProperty(object, async (row) => {
    const flattened = await flat(row, { delimiter: "/" }) as Row;
    assert.ok(Object.values(flattened).every((value) => value === null || typeof value !== "object"));
    const nested: Record<string, Value> = Object.create(null);
    for (const [path, value] of Object.entries(flattened)) {
      const names = path.split("/");
      let at = nested;
      for (const name of names.slice(0, -1)) at = (at[name] ??= Object.create(null)) as Record<string, Value>;
      at[names.at(-1)!] = value;
    }
    assert.equal(sorted(nested), sorted(row));
  }));
});

function sorted(value: Value): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value as Row).map(([name, inner]) =>
    `${JSON.stringify(name)}:${sorted(inner)}`
  );
  return `{${entries.sort().join(",")}}`;
}

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, { max_depth: -1 }), ["max_depth"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a."] }), ["fields.0"]);
  assert.deepEqual(problemKeys(definition, { delimeter: "_" }), ["delimeter"]);
});
