import assert from "node:assert/strict";
import { configOf, problemKeys, record, run, stream } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = () => openTransform(configOf(definition, { field: "magic" }));

Deno.test("Kafka Connect's documented example of HoistField: any value is wrapped", async () => {
  const json = stream(undefined, { payload: "json" }), bytes = stream(undefined, { payload: "bytes" });
  const { records } = await run(open(), [
    record(json, "record", { after: 42 }),
    record(json, "record", { after: { a: [1] } }),
    record(bytes, "record", { after: new Uint8Array([1, 2]) }),
  ]);
  assert.deepEqual(records.map(({ after }) => after), [{ magic: 42 }, { magic: { a: [1] } }, {
    magic: "AQI=",
  }]);
});

Deno.test("both images are wrapped, the columns are one struct, the key stays", async () => {
  const table = stream({ id: "int64 key", raw: "bytes" });
  const { records, stream: made } = await run(open(), [
    record(table, "update", {
      before: { id: 1n, raw: new Uint8Array([7]) },
      after: { id: 1n },
      unavailable: ["raw"],
    }),
    record(table, "delete", { before: { id: 1n } }),
    record(table, "tombstone", { key: { id: 2n ** 60n } }),
    record(table, "truncate"),
  ]);
  assert.deepEqual(records.map(({ key, before, after, unavailable }) => [key, before, after, unavailable]), [
    [{ id: 1 }, { magic: { id: 1n, raw: new Uint8Array([7]) } }, { magic: { id: 1n } }, ["magic.raw"]],
    [{ id: 1 }, { magic: { id: 1n } }, undefined, undefined],
    [{ id: 2n ** 60n }, undefined, undefined, undefined],
    [undefined, undefined, undefined, undefined],
  ]);
  assert.deepEqual(made.columns, [
    { name: "magic", type: { kind: "struct", fields: table.columns! }, nullable: true },
  ]);
});

Deno.test("a field is needed", () => {
  assert.deepEqual(problemKeys(definition, {}), ["field"]);
});
