import assert from "node:assert/strict";
import { batchFromRecords } from "../../formats/data/batch.ts";
import { configOf, problemKeys, record, run, stream } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>) =>
  openTransform(configOf(definition, { field: "data", ...config }));
const schemaless = stream(undefined);
const table = stream({
  id: "int64 key",
  data: {
    kind: "struct",
    fields: [{ name: "n", type: { kind: "int64" }, nullable: false }, {
      name: "t",
      type: { kind: "string" },
      nullable: true,
    }],
  },
});

Deno.test("members join the row in both images, with their columns", async () => {
  const { records, stream: made } = await run(open({}), [
    record(table, "update", {
      before: { id: 1n, data: { n: 1n, t: "a" } },
      after: { id: 1n, data: { n: 2n, t: null } },
    }),
    record(table, "delete", { before: { id: 1n } }),
    record(table, "tombstone", { key: { id: 1n } }),
  ]);
  assert.deepEqual(records.map(({ key, before, after }) => [key, before, after]), [
    [{ id: 1n }, { id: 1n, n: 1n, t: "a" }, { id: 1n, n: 2n, t: null }],
    [{ id: 1n }, { id: 1n }, undefined],
    [{ id: 1n }, undefined, undefined],
  ]);
  assert.deepEqual(made.columns!.map(({ name, type }) => [name, type.kind]), [
    ["id", "int64"],
    ["n", "int64"],
    ["t", "string"],
  ]);
});

Deno.test("Kafka Connect's documented example of ExtractField: the value alone", async () => {
  const one = record(schemaless, "record", { after: { f: { a: 1 }, data: 42 } });
  const { records, stream: made } = await run(open({ mode: "replace" }), [one]);
  assert.deepEqual([records[0].after, records[0].bare, made.payload], [42, true, "json"]);
  const head = { lane: "", position: { v: 1 }, readAtMicros: 0n, layout: "auto" as const };
  const origin = { connector: "t", name: "t", version: "0" };
  assert.equal(new TextDecoder().decode(batchFromRecords({ ...head, origin }, records).bytes), "42\n");
  assert.deepEqual(
    (await run(open({ mode: "replace", field: "f.a" }), [one])).records[0].after,
    1,
  );
});

Deno.test("a replaced row keeps its key and its columns where it is a struct", async () => {
  const { records, stream: made } = await run(open({ mode: "replace" }), [
    record(table, "insert", { after: { id: 1n, data: { n: 5n, t: "x" } } }),
    record(table, "delete", { before: { id: 1n, data: { n: 5n, t: "x" } } }),
  ]);
  assert.deepEqual(records.map(({ key, before, after, bare }) => [key, before, after, bare]), [
    [{ id: 1 }, undefined, { n: 5n, t: "x" }, true],
    [{ id: 1 }, { n: 5n, t: "x" }, undefined, false],
  ]);
  assert.deepEqual(made.columns!.map(({ name }) => name), ["n", "t"]);
});

Deno.test("text is parsed first when it is JSON, exactly", async () => {
  const texts = stream({ id: "int64 key", data: "string", more: "json" });
  const { records, rejected, stream: made } = await run(open({ parse_json: true }), [
    record(texts, "insert", { after: { id: 1n, data: '{"big":9007199254740993}', more: null } }),
    record(texts, "insert", { after: { id: 2n, data: "{secret", more: null } }),
  ]);
  assert.deepEqual(records[0].after, { id: 1, more: null, big: 9007199254740993n });
  assert.equal(made.columns, undefined);
  assert.equal(rejected[0].error.code, "serialization_json");
  assert.doesNotMatch(rejected[0].error.message, /secret/);
});

Deno.test("what is not there stays, goes, or rejects the record", async () => {
  const given = [record(schemaless, "record", { after: { a: 1, data: "text" } })];
  assert.deepEqual((await run(open({}), given)).records[0].after, { a: 1, data: "text" });
  assert.equal((await run(open({ on_missing: "drop" }), given)).records.length, 0);
  assert.equal(
    (await run(open({ on_missing: "fail" }), given)).rejected[0].error.code,
    "schema_field_missing",
  );
  const other = stream({ id: "int64 key" });
  assert.equal(open({}).stream!(other), other);
});

Deno.test("a name that the row has already is an error, or one of the two wins", async () => {
  const given = [record(schemaless, "record", { after: { a: 1, data: { a: 2, b: 3 } } })];
  assert.equal((await run(open({}), given)).rejected[0].error.code, "schema_unwrap_collision");
  assert.deepEqual((await run(open({ on_collision: "keep" }), given)).records[0].after, { a: 1, b: 3 });
  assert.deepEqual((await run(open({ on_collision: "overwrite" }), given)).records[0].after, { a: 2, b: 3 });
});

Deno.test("the key can be one value alone", async () => {
  const config = { target: "key", mode: "replace", field: "id" };
  const { records } = await run(open(config), [
    record(table, "insert", { after: { id: 9007199254740993n, data: null } }),
    record(stream({ id: "string key" }), "tombstone", { key: { id: "k1" } }),
    record(table, "truncate"),
  ]);
  assert.deepEqual(records.map(({ key }) => key && new TextDecoder().decode(key as Uint8Array)), [
    "9007199254740993",
    "k1",
    undefined,
  ]);
});

Deno.test("columns that were not sent are those that the struct's fields became", async () => {
  const { records } = await run(open({}), [
    record(table, "update", { after: { id: 1n }, unavailable: ["data"] }),
  ]);
  assert.deepEqual([records[0].after, records[0].unavailable], [{ id: 1n }, ["n", "t"]]);
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), ["field"]);
  assert.deepEqual(problemKeys(definition, { path: "a.*" }), ["field"]);
  assert.deepEqual(problemKeys(definition, { field: "a", target: "key" }), ["target"]);
});
