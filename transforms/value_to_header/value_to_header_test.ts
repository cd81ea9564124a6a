import assert from "node:assert/strict";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>) => openTransform(configOf(definition, config), testContext());
const orders = stream({ id: "int64 key", trace: "string", more: "json" });
const row = { id: 9007199254740993n, trace: "abc", more: { a: [1] } };

Deno.test("fields become headers: texts as they are, other values as JSON, nothing for null", async () => {
  const { records } = await run(open({ fields: { trace: "t", id: "i", "more.a": "m", no: "n" } }), [
    record(orders, "insert", { after: row }),
    record(orders, "delete", { before: { id: 1n, trace: null } }),
    record(orders, "tombstone", { key: { id: 1n } }),
  ]);
  assert.deepEqual(records.map(({ headers }) => headers), [
    [["t", "abc"], ["i", "9007199254740993"], ["m", "[1]"]],
    [["i", "1"]],
    undefined,
  ]);
  assert.deepEqual(records[0].after, row);
});

Deno.test("moved fields leave both images, the columns, and the list of what was not sent", async () => {
  const { records, stream: made } = await run(
    open({ fields: { trace: "t", "more.a": "m" }, operation: "move" }),
    [
      record(orders, "update", {
        before: row,
        after: { id: 1n, more: { a: 2, b: 3 } },
        unavailable: ["trace"],
      }),
    ],
  );
  assert.deepEqual([records[0].before, records[0].after, records[0].unavailable, records[0].headers], [
    { id: 9007199254740993n, more: {} },
    { id: 1n, more: { b: 3 } },
    [],
    [["m", "2"]],
  ]);
  assert.deepEqual(made.columns!.map(({ name }) => name), ["id", "more"]);
  assert.throws(() => open({ fields: { id: "i" }, operation: "move" }).stream!(orders), {
    code: "config_key_column",
  });
});

Deno.test("Kafka Connect's documented HeaderFrom and InsertHeader", async () => {
  const one = record(stream(undefined), "record", {
    after: { a: "x", b: "y", c: 1 },
    headers: [["h1", "old"]],
  });
  const moved = await run(open({ headers: "h1,h2", fields: "a,b", operation: "move" }), [one]);
  assert.deepEqual([moved.records[0].headers, moved.records[0].after], [[["h1", "x"], ["h2", "y"]], {
    c: 1,
  }]);
  const inserted = await run(open({ header: "h1", "value.literal": "v" }), [one]);
  assert.deepEqual(inserted.records[0].headers, [["h1", "v"]]);
});

Deno.test("fixed texts and facts go on every record; another of the same name is replaced or joined", async () => {
  const config = { static_headers: { team: "a" }, templates: { at: "{schema}.{table}:{op}" } };
  const given = [record(orders, "tombstone", { key: { id: 1n }, headers: [["team", "old"]] })];
  assert.deepEqual((await run(open(config), given)).records[0].headers, [["team", "a"], [
    "at",
    "public.users:d",
  ]]);
  assert.deepEqual((await run(open({ ...config, overwrite: false }), given)).records[0].headers, [
    ["team", "old"],
    ["team", "a"],
    ["at", "public.users:d"],
  ]);
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), [""]);
  assert.deepEqual(problemKeys(definition, { templates: { a: "{" } }), ["templates.a"]);
  assert.deepEqual(problemKeys(definition, { fields: { "a.": "b" } }), ["fields.a."]);
});
