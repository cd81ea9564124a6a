import assert from "node:assert/strict";
import fc from "fast-check";
import type { Column, Row, Value } from "../../formats/data/value.ts";
import { parsePath, pathProblem, putAt, removeAt, updateAt, updateColumns, valueAt } from "./paths.ts";

const row: Row = {
  id: 1,
  "a.b": "whole",
  a: { b: "deep", "x.y": 2 },
  items: [{ sku: "p", n: 1 }, { sku: "q", n: null }],
};

Deno.test("a path finds top-level fields, members, elements, quoted names and patterns", () => {
  const cases: [string, Value | undefined][] = [
    ["id", 1],
    ["a.b", "whole"],
    ['a."b"', "deep"],
    ["a.`x.y`", 2],
    ["items.sku", "p"],
    ["items.1.sku", "q"],
    ["items.7.sku", undefined],
    ["i?", 1],
    ["it*.s*", "p"],
    ["id.x", undefined],
    ["no", undefined],
    ["constructor", undefined],
    ["a.toString", undefined],
  ];
  for (const [text, expected] of cases) assert.deepEqual(valueAt(row, parsePath(text)), expected, text);
  assert.equal(valueAt(row, parsePath("ITEMS.SKU", { ignoreCase: true })), "p");
  assert.equal(valueAt(row, parsePath("I?", { ignoreCase: true })), 1);
});

Deno.test("a change reaches every element, and copies only what it changes", () => {
  const upper = (value: Value) => typeof value === "string" ? value.toUpperCase() : value;
  const changed = updateAt(row, parsePath("items.sku"), upper);
  assert.deepEqual(changed.items, [{ sku: "P", n: 1 }, { sku: "Q", n: null }]);
  assert.equal(changed.a, row.a);
  assert.deepEqual(row.items, [{ sku: "p", n: 1 }, { sku: "q", n: null }]);
  assert.equal(updateAt(row, parsePath("no.thing"), upper), row);
  assert.equal(updateAt(row, parsePath("id"), upper), row);
  assert.deepEqual(updateAt(row, parsePath("items.*"), () => 0).items, [{ sku: 0, n: 0 }, { sku: 0, n: 0 }]);
});

Deno.test("what is put is found, what is removed is gone, and nothing else moves", () => {
  const put = putAt(row, parsePath("a.new.er"), 5)!;
  assert.deepEqual(put.a, { b: "deep", "x.y": 2, new: { er: 5 } });
  assert.equal(putAt(row, parsePath("id.x"), 5), undefined);
  assert.deepEqual(removeAt(row, parsePath("items.n")).items, [{ sku: "p" }, { sku: "q" }]);
  assert.deepEqual(Object.keys(removeAt(row, parsePath("a.b"))), ["id", "a", "items"]);

  const name = fc.string({ minLength: 1 }).filter((text) => !text.includes("`"));
  fc.assert(fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), fc.integer(), (names, value) => {
    const path = parsePath(names.map((one) => `\`${one}\``).join("."));
    const with_ = putAt({}, path, value)!;
    assert.equal(valueAt(with_, path), value);
    assert.equal(valueAt(removeAt(with_, path), path), undefined);
    assert.equal(JSON.parse(JSON.stringify(with_)) !== undefined, true);
  }));
});

Deno.test("columns follow into structs and arrays of them; one element alone has no type", () => {
  const fields: Column[] = [{ name: "n", type: { kind: "int32" }, nullable: true }];
  const columns: Column[] = [
    { name: "s", type: { kind: "struct", fields }, nullable: true },
    { name: "l", type: { kind: "array", items: { kind: "struct", fields } }, nullable: true },
    { name: "j", type: { kind: "json" }, nullable: true },
  ];
  const text = (path: string) =>
    JSON.stringify(
      updateColumns(columns, parsePath(path), (column) => ({ ...column, type: { kind: "string" } })).map((
        { type },
      ) => type),
    );
  const struct = '{"kind":"struct","fields":[{"name":"n","type":{"kind":"int32"},"nullable":true}]}';
  const other = struct.replace("int32", "string");
  assert.equal(text("s.n"), `[${other},{"kind":"array","items":${struct}},{"kind":"json"}]`);
  assert.equal(text("l.n"), `[${struct},{"kind":"array","items":${other}},{"kind":"json"}]`);
  assert.equal(text("l.0.n"), `[${struct},{"kind":"json"},{"kind":"json"}]`);
  assert.equal(text("j.n"), `[${struct},{"kind":"array","items":${struct}},{"kind":"json"}]`);
});

Deno.test("a path that can't be read says why", () => {
  assert.match(pathProblem("a..b")!, /empty name/);
  assert.match(pathProblem('"a')!, /not closed/);
  assert.match(pathProblem('"a"b')!, /behind a closing quote/);
  assert.match(pathProblem("")!, /empty name/);
  assert.equal(pathProblem("a.b-c.Ä.*"), undefined);
});
