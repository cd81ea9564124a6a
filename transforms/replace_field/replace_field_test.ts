import assert from "node:assert/strict";
import fc from "fast-check";
import type { Operation } from "../../formats/data/record.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>, context = testContext()) =>
  openTransform(configOf(definition, config), context);
const schemaless = stream(undefined);
const renamed = (config: Record<string, unknown>, row: Row) =>
  after(open(config), record(schemaless, "insert", { after: row }));

const users = stream({ id: "int64 key", name: "string", email: "string", total: "decimal(12,2)" });

Deno.test("a rename reaches both images, the key, the columns and the columns that were not sent", async () => {
  const before = { id: 9007199254740993n, name: "Ada", email: "a@b", total: "1.50" };
  const result = await run(open({ renames: { id: "user_id", total: "sum", name: "full_name" } }), [
    record(users, "update", {
      before,
      after: { id: 9007199254740993n, email: "c@d", total: "2.50" },
      unavailable: ["name"],
    }),
    record(users, "delete", { before: { id: 1n } }),
    record(users, "tombstone", { key: { id: 1n } }),
  ]);
  assert.deepEqual(
    result.records.map(({ key, before, after, unavailable }) => ({ key, before, after, unavailable })),
    [
      {
        key: { user_id: 9007199254740993n },
        before: { user_id: 9007199254740993n, full_name: "Ada", email: "a@b", sum: "1.50" },
        after: { user_id: 9007199254740993n, email: "c@d", sum: "2.50" },
        unavailable: ["full_name"],
      },
      { key: { user_id: 1n }, before: { user_id: 1n }, after: undefined, unavailable: undefined },
      { key: { user_id: 1n }, before: undefined, after: undefined, unavailable: undefined },
    ],
  );
  assert.deepEqual(result.stream.key, ["user_id"]);
  assert.deepEqual(result.stream.columns!.map(({ name, type }) => [name, type.kind]), [
    ["user_id", "int64"],
    ["full_name", "string"],
    ["email", "string"],
    ["sum", "decimal"],
  ]);
});

Deno.test("records without rows pass as they are", async () => {
  const operations: Operation[] = ["truncate", "message", "schema"];
  const given = operations.map((operation) =>
    record(users, operation, operation === "truncate" ? {} : { after: { id: 1, name: "x" } })
  );
  const { records } = await run(open({ renames: { id: "n" } }), given);
  assert.deepEqual(records.map(({ after }) => after), given.map(({ after }) => after));
});

Deno.test("two fields change places, and the order of the row stays", async () => {
  const row = await renamed({ renames: { a: "b", b: "a" } }, { a: 1, x: 0, b: 2 }) as Row;
  assert.deepEqual(Object.entries(row), [["b", 1], ["x", 0], ["a", 2]]);
});

Deno.test("renames by regular expression, of which the first that fits counts", async () => {
  const renames = [
    { from: "usr_id", to: "id" },
    { match: "^usr_(?<what>.*)", to: "user_$<what>" },
    { match: "_(\\w)$", to: "$$$1" },
  ];
  assert.deepEqual(
    await renamed({ renames }, { usr_id: 1, usr_name: "x", a_b: 2, plain: 3 }),
    { id: 1, user_name: "x", "a$b": 2, plain: 3 },
  );
});

Deno.test("a part of names can go, unless nothing would be left", async () => {
  assert.deepEqual(
    await renamed({ renames: [{ match: "^ord_", to: "" }] }, { ord_id: 1, ord_: 2 }),
    { id: 1, ord_: 2 },
  );
});

Deno.test("a new name that is taken is an error unless it may be overwritten", async () => {
  await assert.rejects(renamed({ renames: { a: "b" } }, { a: 1, b: 2 }), /called "b"/);
  assert.deepEqual(await renamed({ renames: { a: "b" }, overwrite: true }, { b: 2, a: 1 }), { b: 1 });
  assert.deepEqual(await renamed({ renames: { a: "b" }, overwrite: true }, { b: 2 }), { b: 2 });

  const table = stream({ a: "int32", b: "int32" });
  assert.throws(() => open({ renames: { a: "b" } }).stream!(table), { code: "config_rename_collision" });
  // The old b never stands in for the column that was not sent.
  const { records } = await run(open({ renames: { a: "b" }, overwrite: true }), [
    record(table, "update", { after: { b: 2 }, unavailable: ["a"] }),
  ]);
  assert.deepEqual([records[0].after, records[0].unavailable], [{}, ["b"]]);
});

Deno.test("include and exclude use new names, or the old ones, as Kafka Connect does", async () => {
  const row = { a: 1, b: 2, c: 3 };
  assert.deepEqual(await renamed({ renames: { a: "x" }, include: ["x", "b"] }, row), { x: 1, b: 2 });
  assert.deepEqual(await renamed({ renames: { a: "x" }, include: ["a"], filter_names: "old" }, row), {
    x: 1,
  });
  assert.deepEqual(await renamed({ exclude: ["?"], include: ["b"] }, row), {});
  assert.deepEqual(
    await renamed({ include: ["*_at", "ID"], ignore_case: true }, { id: 1, made_AT: 2, x: 3 }),
    {
      id: 1,
      made_AT: 2,
    },
  );
});

Deno.test("Kafka Connect's documented examples of ReplaceField", async () => {
  const row = { x: 1, y: 2, z: 3 };
  // renames "foo:bar,abc:xyz"; exclude "x"; whitelist and blacklist are its older names.
  assert.deepEqual(await renamed({ renames: "x:xyz,abc:y2" }, row), { xyz: 1, y: 2, z: 3 });
  assert.deepEqual(await renamed({ exclude: "x,y" }, row), { z: 3 });
  assert.deepEqual(await renamed({ blacklist: "x" }, row), { y: 2, z: 3 });
  assert.deepEqual(await renamed({ whitelist: "x" }, row), { x: 1 });
});

Deno.test("earlier versions' rename_field and remove_field mean the row", async () => {
  assert.deepEqual(await renamed({ from: "a", to: "b" }, { a: 1 }), { b: 1 });
  assert.deepEqual(await renamed({ field: "a" }, { a: 1, b: 2 }), { b: 2 });
  assert.deepEqual(await renamed({ rename: { a: "b" } }, { a: 1 }), { b: 1 });
});

Deno.test("paths reach into objects and arrays", async () => {
  const row = {
    id: 1,
    address: { city: "Ulm", zip: "89073" },
    items: [{ sku: "a", cost: 1 }, { sku: "b", cost: 2 }],
  };
  assert.deepEqual(await renamed({ exclude: ["items.cost", "address.zip"] }, row), {
    id: 1,
    address: { city: "Ulm" },
    items: [{ sku: "a" }, { sku: "b" }],
  });
  assert.deepEqual(await renamed({ include: ["id", "address.city"] }, row), {
    id: 1,
    address: { city: "Ulm" },
  });
  assert.deepEqual(
    await renamed(
      { renames: { "address.city": "city", "address.zip": "address.postcode", id: "ids.main" } },
      row,
    ),
    { address: { postcode: "89073" }, items: row.items, city: "Ulm", ids: { main: 1 } },
  );
  assert.deepEqual(await renamed({ renames: { "a.b": "c" } }, { "a.b": 1, a: { b: 2 } }), {
    c: 1,
    a: { b: 2 },
  });
  assert.deepEqual(await renamed({ renames: { a: '"b.c"' } }, { a: 1 }), { "b.c": 1 });
});

Deno.test("columns of structs follow their values", async () => {
  const table = stream({
    id: "int64 key",
    address: { kind: "struct", fields: [{ name: "zip", type: { kind: "int64" }, nullable: true }] },
  });
  const { records, stream: made } = await run(open({ renames: { "address.zip": "zip" } }), [
    record(table, "insert", { after: { id: 1n, address: { zip: 5n } } }),
  ]);
  assert.deepEqual(records[0].after, { id: 1n, address: {}, zip: 5n });
  assert.deepEqual(made.columns!.map(({ name, type }) => [name, type]), [
    ["id", { kind: "int64" }],
    ["address", { kind: "struct", fields: [] }],
    ["zip", { kind: "int64" }],
  ]);
});

Deno.test("a column of the key is not taken out of the row by accident", async () => {
  const given = [record(users, "insert", { after: { id: 1n, name: "x" } })];
  assert.throws(() => open({ exclude: ["id"] }).stream!(users), { code: "config_key_column" });

  const kept = await run(open({ exclude: ["id"], renames: { name: "n" }, on_key_column: "keep" }), given);
  assert.deepEqual([kept.records[0].key, kept.records[0].after, kept.stream.key], [{ id: 1 }, { n: "x" }, [
    "id",
  ]]);

  const gone = await run(open({ exclude: ["id"], on_key_column: "remove" }), given);
  assert.deepEqual([gone.records[0].key, gone.stream.key], [{}, []]);
});

Deno.test("a table that loses all its columns is warned about", () => {
  const context = testContext();
  open({ include: ["nothing"], on_key_column: "keep" }, context).stream!(users);
  assert.equal(context.warnings.length, 1);
});

Deno.test("tables without a field that is meant are not parsed", () => {
  const transform = open({ renames: { other: "x" } });
  assert.equal(transform.matches!(users), false);
  assert.equal(transform.matches!(schemaless), true);
  assert.equal(open({ renames: { name: "x" } }).matches!(users), true);
});

Deno.test("names that mean something to JavaScript are names", async () => {
  const row = JSON.parse('{"__proto__": 1, "constructor": 2, "7": 3}') as Row;
  const there = await renamed(
    { renames: { __proto__x: "y", constructor: "__proto__" }, overwrite: true },
    row,
  ) as Row;
  assert.equal(JSON.stringify(there), '{"7":3,"__proto__":2}');
  assert.deepEqual(await renamed({ exclude: ["toString"] }, { a: 1 }), { a: 1 });
});

Deno.test("values that are no rows pass", async () => {
  const bytes = stream(undefined, { payload: "bytes" }), json = stream(undefined, { payload: "json" });
  const given: Value[] = [new Uint8Array([1]), "text", [1, 2], null, 7];
  const { records } = await run(
    open({ renames: { a: "b" } }),
    given.map((value) => record(value instanceof Uint8Array ? bytes : json, "record", { after: value })),
  );
  assert.deepEqual(records.map(({ after }) => after), given);
});

Deno.test("renamed there and back, a row is what it was", async () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1 }).filter((name) => !/["`]/.test(name)), {
    maxLength: 8,
  });
  await fc.assert(fc.asyncProperty(names, fc.array(fc.bigInt(), { maxLength: 8 }), async (names, values) => {
    const row: Record<string, Value> = {};
    names.forEach((name, i) => {
      // As JSON would show it, so that it can be read back.
      const value = values[i] ?? null;
      Object.defineProperty(row, name, {
        value: typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value,
        enumerable: true,
        writable: true,
        configurable: true,
      });
    });
    const there = names.map((name, i) => ({ from: `"${name}"`, to: `"new ${i}"` }));
    const back = there.map(({ from, to }) => ({ from: to, to: from }));
    if (names.length === 0 || names.some((name) => name.startsWith("new "))) return;
    const renamedRow = await renamed({ renames: there }, row) as Row;
    assert.deepEqual(Object.keys(renamedRow).sort(), names.map((_, i) => `new ${i}`).sort());
    assert.deepEqual(await renamed({ renames: back }, renamedRow), row);
  }));
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), [""]);
  assert.deepEqual(problemKeys(definition, { renames: { "a*": "b" } }), ["renames.a*"]);
  assert.deepEqual(problemKeys(definition, { renames: [{ match: "(", to: "x" }] }), ["renames.0.match"]);
  assert.deepEqual(problemKeys(definition, { renames: [{ match: "^(a+)+$", to: "x" }] }), [
    "renames.0.match",
  ]);
  assert.deepEqual(problemKeys(definition, { exclude: ["a..b"] }), ["exclude.0"]);
  assert.deepEqual(problemKeys(definition, { exclude: ["a"], kepp: 1 }), ["kepp"]);
});
