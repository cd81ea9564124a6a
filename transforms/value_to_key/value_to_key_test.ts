import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import { configOf, problemKeys, record, run, stream } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const open = (config: Record<string, unknown>) => openTransform(configOf(definition, config));
const orders = stream({ id: "int64 key", customer: "int64", region: "string", note: "string" });
const row = { id: 1n, customer: 9007199254740993n, region: "eu", note: "x" };
const text = (key: DataRecord["key"]) => key instanceof Uint8Array ? new TextDecoder().decode(key) : key;

Deno.test("the key has the fields in the order of the list, and the stream says so", async () => {
  const { records, stream: made } = await run(open({ fields: ["region", "customer"] }), [
    record(orders, "insert", { after: row }),
    record(orders, "snapshot", { after: row }),
    record(orders, "delete", { before: row }),
    record(orders, "truncate"),
  ]);
  assert.deepEqual(records.map(({ key }) => key), [
    ...Array(3).fill({ region: "eu", customer: 9007199254740993n }),
    undefined,
  ]);
  assert.deepEqual(Object.keys(records[0].key!), ["region", "customer"]);
  assert.deepEqual(made.key, ["region", "customer"]);
});

Deno.test("Kafka Connect's documented example of ValueToKey", async () => {
  const { records } = await run(open({ fields: "userId,city,state" }), [
    record(stream(undefined), "record", { after: { userId: 1, city: "Ulm", state: "BW", age: 3 } }),
  ]);
  assert.deepEqual(records[0].key, { userId: 1, city: "Ulm", state: "BW" });
});

Deno.test("an update that changes the key is a delete and an insert, and the tombstone of the old key when wanted", async () => {
  const update = record(orders, "update", {
    before: row,
    after: { id: 1n, customer: 5n, region: "eu" },
    unavailable: ["note"],
    order: "g/0000000000000007",
  });
  const { records } = await run(open({ fields: ["customer"], tombstone_for_old_key: true }), [update]);
  assert.deepEqual(
    records.map(({ operation, key, before, after, unavailable, order }) => ({
      operation,
      key,
      before,
      after,
      unavailable,
      order,
    })),
    [
      {
        operation: "delete",
        key: { customer: 9007199254740993n },
        before: row,
        after: undefined,
        unavailable: undefined,
        order: "g/0000000000000007",
      },
      {
        operation: "tombstone",
        key: { customer: 9007199254740993n },
        before: undefined,
        after: undefined,
        unavailable: undefined,
        order: "g/0000000000000007.1",
      },
      {
        operation: "insert",
        key: { customer: 5n },
        before: undefined,
        // What was not sent had not changed: the row before the change has it.
        after: { id: 1n, customer: 5n, region: "eu", note: "x" },
        unavailable: undefined,
        order: "g/0000000000000007.2",
      },
    ],
  );
});

Deno.test("an update that leaves the key alone, or whose old key nobody knows, stays an update", async () => {
  const { records } = await run(open({ fields: ["region"] }), [
    record(orders, "update", { before: row, after: { ...row, note: "y" } }),
    record(orders, "update", { before: { id: 1n }, after: { ...row, region: "us" } }),
    record(orders, "update", { after: { ...row, region: "us" } }),
  ]);
  assert.deepEqual(records.map(({ operation, key }) => [operation, key]), [
    ["update", { region: "eu" }],
    ["update", { region: "us" }],
    ["update", { region: "us" }],
  ]);
});

Deno.test("a tombstone has the key of its delete", async () => {
  const { records, rejected } = await run(open({ fields: ["region"] }), [
    record(orders, "delete", { before: row }),
    record(orders, "tombstone", { key: { id: 1n } }),
    record(orders, "tombstone", { key: { id: 2n } }),
  ]);
  assert.deepEqual(records.map(({ operation, key }) => [operation, key]), [
    ["delete", { region: "eu" }],
    ["tombstone", { region: "eu" }],
  ]);
  assert.deepEqual(rejected.map(({ error }) => error.code), ["schema_key_field_missing"]);
});

Deno.test("a field that is missing rejects the record, is null, or is left out", async () => {
  const given = [record(orders, "delete", { before: { id: 1n } })];
  const fields = ["id", "region"];
  const { rejected } = await run(open({ fields }), given);
  assert.match(rejected[0].error.message, /"region"/);
  assert.deepEqual((await run(open({ fields, on_missing: "null" }), given)).records[0].key, {
    id: 1n,
    region: null,
  });
  assert.deepEqual((await run(open({ fields, on_missing: "skip" }), given)).records[0].key, { id: 1n });
  assert.deepEqual(
    (await run(open({ fields: ["no"], on_missing: "skip" }), given)).records[0].key,
    undefined,
  );
  const bytes = stream(undefined, { payload: "bytes" });
  const raw = [record(bytes, "record", { key: new Uint8Array([1]), after: new Uint8Array([2]) })];
  assert.deepEqual((await run(open({ fields }), raw)).rejected.length, 1);
  assert.deepEqual(
    (await run(open({ fields, on_missing: "skip" }), raw)).records[0].key,
    new Uint8Array([1]),
  );
});

Deno.test("keys as text, as the first value, and added to the key that there is", async () => {
  const given = [record(orders, "insert", { after: { ...row, region: "a|b\\c" } })];
  const key = async (config: Record<string, unknown>) =>
    text((await run(open(config), given)).records[0].key);
  assert.equal(
    await key({ fields: ["region", "customer"], format: "string" }),
    "a\\|b\\\\c|9007199254740993",
  );
  assert.equal(await key({ fields: ["no", "id"], format: "string", on_missing: "null" }), "\\N|1");
  assert.equal(await key({ fields: ["customer", "id"], format: "first_value" }), "9007199254740993");
  assert.deepEqual(await key({ fields: ["customer"], replace: false }), {
    id: 1n,
    customer: 9007199254740993n,
  });
});

Deno.test("the row can keep the fields under a name of its own; paths reach into it", async () => {
  const { records, stream: made } = await run(
    open({ fields: ["id", "customer"], keep_value_field: "__key" }),
    [
      record(orders, "insert", { after: row }),
    ],
  );
  assert.deepEqual(records[0].after, { ...row, __key: { id: 1, customer: 9007199254740993n } });
  assert.equal(made.columns!.at(-1)!.type.kind, "json");
  const nested = await run(open({ fields: ["user.id"] }), [
    record(stream(undefined), "record", { after: { user: { id: 5 } } }),
  ]);
  assert.deepEqual(nested.records[0].key, { "user.id": 5 });
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, { fields: [] }), ["fields"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a*"] }), ["fields.0"]);
  assert.deepEqual(problemKeys(definition, { fields: ["a"], format: "string", replace: false }), ["replace"]);
});
