import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row } from "../../formats/data/value.ts";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const ORDERS = stream({
  id: "int64 key",
  price: "decimal(10,2)",
  quantity: "int32",
  big: "int64",
  name: "string",
  nick: "string",
  ratio: "float64",
  doc: "json",
  raw: "bytes",
});

const ROW: Row = {
  id: 1n,
  price: "33.40",
  quantity: 3,
  big: 2n ** 60n,
  name: "Zoë",
  nick: null,
  ratio: 0.5,
  doc: { a: [9007199254740993n] },
  raw: new Uint8Array([1]),
};

function open(
  computations: Record<string, unknown>[],
  more: Record<string, unknown> = {},
  context = testContext(),
) {
  return openTransform(configOf(definition, { computations, ...more }), context);
}

async function compute(one: Record<string, unknown>, row: Row = ROW, of = ORDERS) {
  const { records, stream } = await run(open([{ target: "x", ...one }]), [
    record(of, "insert", { after: row }),
  ]);
  return [(records[0].after as Row).x, stream.columns?.find(({ name }) => name === "x")?.type.kind];
}

Deno.test("expressions are exact, and the column has their type", async () => {
  const cases: [string, unknown, string][] = [
    ["price * quantity", "100.20", "decimal"],
    ["quantity + 1", 4n, "int64"],
    ["big + 1", 2n ** 60n + 1n, "int64"],
    ["ratio * 3", 1.5, "float64"],
    ["ratio * big", "576460752303423488.0", "decimal"],
    ["quantity > 2", true, "boolean"],
    ["concat(name, '!')", "Zoë!", "string"],
    ["coalesce(nick, name)", "Zoë", "string"],
    ["nick", null, "string"],
    ["raw", new Uint8Array([1]), "bytes"],
    ["doc.a[0]", 9007199254740993n, "unknown"],
    ["quantity > 2 ? price : quantity", "33.40", "unknown"],
    ["big", 2n ** 60n, "int64"],
    ["abs(-5)", 5, "int32"],
    ["div(price, 3, 2)", "11.13", "decimal"],
    ["missing", null, "unknown"],
    ["op()", "insert", "string"],
    ["date_diff('day', '2026-01-01', '2026-01-03')", 2n, "int64"],
  ];
  for (const [expression, value, kind] of cases) {
    assert.deepEqual(await compute({ type: "expression", expression }), [value, kind], expression);
  }
});

Deno.test("the computations of earlier versions", async () => {
  assert.deepEqual(await compute({ type: "upper", source: "name" }), ["ZOË", "string"]);
  assert.deepEqual(await compute({ operation: "lower", fields: ["name"] }), ["zoë", "string"]);
  assert.deepEqual(await compute({ type: "coalesce", fields: ["nick", "gone", "name"] }), ["Zoë", "unknown"]);
  assert.deepEqual(
    await compute({
      operation: "concat",
      fields: ["name", " ", "$quantity", "'name'", { literal: "nick" }, "nick"],
    }),
    ["Zoë 3namenick", "string"],
  );
  assert.deepEqual(
    await compute(
      { type: "concat", parts: ["name", "-"] },
      { "-": "minus", name: "a" },
      stream({ "-": "string", name: "string" }),
    ),
    ["aminus", "string"],
  );
  assert.deepEqual(await compute({ type: "timestamp" }), ["2026-01-01T00:00:00.123456Z", "timestamptz"]);
  const sha = (text: string) => createHash("sha256").update(text).digest("hex");
  assert.deepEqual(await compute({ type: "hash", fields: ["name", "quantity"], legacy: true }), [
    sha('"Zoë"3'),
    "string",
  ]);
  assert.deepEqual(await compute({ type: "hash", fields: ["name", "quantity"] }), [
    sha('6:"Zoë"1:3'),
    "string",
  ]);
  const hmac = createHmac("sha256", "k").update('6:"Zoë"').digest("hex");
  assert.deepEqual(await compute({ type: "hash", fields: ["name"], key: "k" }), [hmac, "string"]);
});

Deno.test("an id follows from the record's place, or is random", async () => {
  const of = (more: Partial<DataRecord>) =>
    record(ORDERS, "insert", { after: ROW, order: "1/0000000000000007", ...more });
  const ids = async (version: number, records: readonly DataRecord[]) =>
    (await run(open([{ target: "x", type: "uuid", version }]), records)).records.map(({ after }) =>
      String((after as Row).x)
    );
  for (const version of [5, 7]) {
    const [a, b, c] = await ids(version, [of({}), of({}), of({ order: "1/0000000000000008" })]);
    assert.match(
      a,
      new RegExp(`^[0-9a-f]{8}-[0-9a-f]{4}-${version}[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
    );
    assert.equal(a, b);
    assert.notEqual(a, c);
    if (version === 7) assert.equal(parseInt(a.replaceAll("-", "").slice(0, 12), 16), 1_709_287_200_123);
  }
  for (const id of [...await ids(4, [of({})]), ...await ids(5, [of({ order: undefined })])]) {
    assert.match(id, /^80808080-8080-4080-8080-/);
  }
});

Deno.test("later computations see earlier ones, and a column may be replaced by what is made of it", async () => {
  const transform = open([
    { target: "total", expression: "price * quantity" },
    { target: "size", expression: "total > 100 ? 'large' : 'small'" },
    { target: "price", expression: "concat(price, ' EUR')" },
    { target: "label", expression: "concat(size, ' ', price)" },
  ]);
  const { records, stream } = await run(transform, [record(ORDERS, "insert", { after: ROW })]);
  const { total, size, price, label } = records[0].after as Row;
  assert.deepEqual({ total, size, price, label }, {
    total: "100.20",
    size: "large",
    price: "33.40 EUR",
    label: "large 33.40 EUR",
  });
  assert.deepEqual(stream.columns!.map(({ name, type }) => `${name} ${type.kind}`).slice(0, 2), [
    "id int64",
    "price string",
  ]);
  assert.deepEqual(stream.columns!.map(({ name }) => name).slice(-3), ["total", "size", "label"]);
});

Deno.test("both rows of a change, as far as they have the columns", async () => {
  const transform = () =>
    open([
      { target: "loud", expression: "upper(name)" },
      { target: "renamed", expression: "changed(name)" },
      { target: "at", type: "timestamp" },
    ]);
  const news = async (one: DataRecord) => {
    const { records } = await run(transform(), [one]);
    const pick = (row: unknown) =>
      row &&
      Object.fromEntries(
        ["loud", "renamed", "at"].filter((name) => Object.hasOwn(row, name)).map((
          name,
        ) => [name, (row as Row)[name]]),
      );
    return [pick(records[0].before), pick(records[0].after)];
  };
  const at = "2026-01-01T00:00:00.123456Z";
  const after = { ...ROW, name: "b" };
  assert.deepEqual(await news(record(ORDERS, "update", { before: ROW, after })), [{ loud: "ZOË" }, {
    loud: "B",
    renamed: true,
    at,
  }]);
  assert.deepEqual(await news(record(ORDERS, "update", { before: { id: 1n }, after })), [{}, {
    loud: "B",
    renamed: null,
    at,
  }]);
  assert.deepEqual(await news(record(ORDERS, "delete", { before: ROW })), [
    { loud: "ZOË", renamed: null, at },
    undefined,
  ]);
  assert.deepEqual(await news(record(ORDERS, "delete", { before: { id: 1n } })), [{ at }, undefined]);
  assert.deepEqual(await news(record(ORDERS, "snapshot", { after })), [undefined, {
    loud: "B",
    renamed: null,
    at,
  }]);
});

Deno.test("what has no row passes as it is; a queue's objects get fields too", async () => {
  const events = (["truncate", "tombstone"] as const).map((operation) =>
    record(ORDERS, operation, { key: { id: 1n } })
  );
  const schema = record(ORDERS, "schema", { after: { name: "x" } });
  const { records } = await run(open([{ target: "x", expression: "upper(name)" }]), [...events, schema]);
  assert.deepEqual(records.map(({ after }) => after), [undefined, undefined, { name: "x" }]);
  const queue = stream(undefined, { payload: "json", key: [] });
  const values = [{ name: "a" }, [1], "text", null];
  const out = await run(
    open([{ target: "x", expression: "upper(name)" }]),
    values.map((after) => record(queue, "record", { after })),
  );
  assert.deepEqual(out.records.map(({ after }) => after), [{ name: "a", x: "A" }, [1], "text", null]);
});

Deno.test("a computed column is no longer one that was not sent", async () => {
  const one = record(ORDERS, "update", {
    before: ROW,
    after: { id: 1n, quantity: 2 },
    unavailable: ["name", "price"],
  });
  const { records } = await run(open([{ target: "name", expression: "concat(name, quantity)" }]), [one]);
  assert.deepEqual((records[0].after as Row).name, "Zoë2");
  assert.deepEqual(records[0].unavailable, ["price"]);
});

Deno.test("a column that gets another type describes the row before a change as well, whatever is left in it", async () => {
  const { quantity: _, ...before } = ROW;
  const one = record(ORDERS, "update", { before, after: ROW });
  const transform = open([{ target: "raw", expression: "quantity + 1" }, {
    target: "big",
    expression: "name",
  }]);
  const { records } = await run(transform, [one]);
  const { stream, ...changed } = records[0];
  const types = Object.fromEntries(stream.columns!.map(({ name, type }) => [name, type.kind]));
  assert.deepEqual([types.raw, types.big, types.quantity], ["unknown", "unknown", "int32"]);
  assert.deepEqual([(changed.after as Row).raw, (changed.after as Row).big], [4, "Zoë"]);
  assert.deepEqual([changed.before!.raw, changed.before!.big], ["AQ==", "Zoë"]);
});

Deno.test("columns of the key are refused, unknown ones of a concat are warned about", async () => {
  assert.throws(() => open([{ target: "id", expression: "1" }]).stream!(ORDERS), {
    code: "config_key_column",
  });
  const context = testContext();
  await run(open([{ target: "x", type: "concat", parts: ["nmae"] }], {}, context), [
    record(ORDERS, "insert", { after: ROW }),
  ]);
  assert.equal(context.warnings.length, 1);
});

Deno.test("mistakes of the config are found at their keys", () => {
  const keys = (one: Record<string, unknown>) =>
    problemKeys(definition, { computations: [{ target: "x", ...one }] });
  assert.deepEqual(keys({ expression: "a >" }), ["computations.0.expression"]);
  assert.deepEqual(keys({ type: "uper", source: "a" }), ["computations.0.type"]);
  assert.deepEqual(keys({ type: "upper" }), ["computations.0.source"]);
  assert.deepEqual(keys({ type: "uuid", version: 6 }), ["computations.0.version"]);
  assert.deepEqual(keys({ type: "hash", fields: ["a"], key: "k", legacy: true }), ["computations.0.legacy"]);
  assert.deepEqual(keys({ type: "upper", source: "a", extra: 1 }), ["computations.0.extra"]);
  assert.deepEqual(problemKeys(definition, {}), ["computations"]);
});

Deno.test("a key comes from a variable, which has to be set", () => {
  const config = { computations: [{ target: "x", type: "hash", fields: ["a"], key_env: "KEY" }] };
  const found = definition.completeConfig!(config, () => "secret", () => "");
  assert.equal((found.config.computations as { key: string }[])[0].key, "secret");
  assert.deepEqual(
    definition.completeConfig!(config, () => undefined, () => "").problems.map(({ key }) => key),
    [
      "computations.0.key_env",
    ],
  );
});
