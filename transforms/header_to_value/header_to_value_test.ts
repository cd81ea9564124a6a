import assert from "node:assert/strict";
import { configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const ORIGIN = { connector: "postgres-cdc", name: "shop_db", version: "1" };
const open = (config: Record<string, unknown>) =>
  openTransform(configOf(definition, config), { ...testContext(), origin: ORIGIN });
const users = stream({ id: "int64 key" });
const utf8 = (text: string) => new TextEncoder().encode(text);
const message = record(stream(undefined), "record", {
  after: { id: 1, source: { lsn: 5 } },
  headers: [["event_timestamp", "1626102708861"], ["key", utf8("100")], ["header_x", "0"], [
    "key",
    utf8("101"),
  ]],
});

Deno.test("Debezium's documented example of HeaderToValue: two lists, moved, into objects too", async () => {
  const { records } = await run(
    open({ headers: "event_timestamp,key", fields: "timestamp,source.id", operation: "move" }),
    [message],
  );
  assert.deepEqual(records[0].after, { id: 1, source: { lsn: 5, id: "101" }, timestamp: "1626102708861" });
  assert.deepEqual(records[0].headers, [["header_x", "0"]]);
});

Deno.test("headers stay when they are copied, and are JSON when that is wanted", async () => {
  const { records } = await run(
    open({ headers: { key: "k", event_timestamp: "t", no: "n" }, parse_json: true }),
    [message],
  );
  assert.deepEqual(records[0].after, { ...message.after as object, k: 101, t: 1626102708861 });
  assert.deepEqual(records[0].headers, message.headers);
});

Deno.test("facts about the change have the names of earlier versions, and paths", async () => {
  const { records, stream: made } = await run(
    open({
      fields: {
        source_type: "a",
        db: "b",
        schema: "c",
        table: "d",
        op: "e",
        timestamp: "f",
        txid: "g",
        "source.lsn": "h",
        "key.id": "i",
      },
    }),
    [record(users, "insert", { after: { id: 7n }, source: { txId: 571, lsn: "0/1" } })],
  );
  assert.deepEqual(records[0].after, {
    id: 7n,
    a: "postgres-cdc",
    b: "shop",
    c: "public",
    d: "users",
    e: "c",
    f: 1709287200n,
    g: "571",
    h: "0/1",
    i: 7n,
  });
  assert.deepEqual(
    made.columns!.map(({ type }) => type.kind).join(),
    "int64,string,string,string,string,string,int64,string,unknown,int64",
  );
});

Deno.test("the usual facts come behind a prefix", async () => {
  const { records } = await run(open({ all_headers_prefix: "__" }), [
    record(users, "update", { after: { id: 7n }, headers: [["h", "x"]] }),
  ]);
  assert.deepEqual(records[0].after, {
    id: 7n,
    __source_type: "postgres-cdc",
    __database: "shop",
    __schema: "public",
    __table: "users",
    __op: "u",
    __ts: 1709287200n,
  });
});

Deno.test("bytes that are no text become base64", async () => {
  const { records } = await run(open({ headers: { raw: "r" } }), [
    record(users, "insert", { after: { id: 7n }, headers: [["raw", new Uint8Array([255])]] }),
  ]);
  assert.deepEqual(records[0].after, { id: 7n, r: "/w==" });
});

Deno.test("what is in the way of a path rejects the record", async () => {
  const { rejected } = await run(open({ headers: { header_x: "id.x" } }), [message]);
  assert.equal(rejected[0].error.code, "schema_no_object");
});

Deno.test("mistakes in the file are found before the start", () => {
  assert.deepEqual(problemKeys(definition, {}), [""]);
  assert.deepEqual(problemKeys(definition, { fields: { "sorce.x": "a" } }), ["fields.sorce.x"]);
  assert.deepEqual(problemKeys(definition, { headers: { a: "b." } }), ["headers.a"]);
  assert.deepEqual(problemKeys(definition, { move: true, headers: { a: "b" } }), []);
});
