import assert from "node:assert/strict";
import { fakeStream, linesOf } from "../../tests/fakes/records.ts";
import { batchFromRecords, orderText } from "./batch.ts";
import { type Layout, LAYOUTS } from "./envelope.ts";
import { parseJson, restoreOf, valueText } from "./json_value.ts";
import type { ColumnType, Value } from "./value.ts";

const README = Deno.readTextFileSync(new URL("../README.md", import.meta.url));

/** The update that the README shows in every layout. */
function update(layout: Layout): string {
  const stream = fakeStream("orders", {
    columns: [
      { name: "id", type: { kind: "int64" }, nullable: false },
      { name: "total", type: { kind: "decimal", precision: 12, scale: 2 }, nullable: true },
    ],
  });
  const [line] = linesOf(batchFromRecords({
    lane: "stream",
    position: { v: 1 },
    readAtMicros: 1_767_225_600_200_311n,
    layout,
    origin: { connector: "postgres-cdc", name: "orders_db", version: "0.1.0" },
  }, [{
    stream,
    operation: "update",
    key: { id: 7n },
    before: { id: 7n, total: "1.00" },
    after: { id: 7n, total: "12.50" },
    timeMicros: 1_767_225_600_123_456n,
    source: { txId: 571, lsn: "0/16E9118" },
    order: orderText("00000000016E9118", 3),
  }]));
  return line;
}

/** Its text without the white space between values. */
function compact(json: string): string {
  return valueText(parseJson(json, true));
}

Deno.test("the README shows every layout as it is written", () => {
  for (const layout of LAYOUTS) {
    const [, section = ""] = README.split(`\n### \`${layout}\`\n`);
    assert.notEqual(section, "", `the README has no section on ${layout}`);
    const example = /```json\n(.*?)\n```/s.exec(section.split("\n### ")[0])?.[1];
    if (layout === "auto") assert.equal(update(layout), update("standard"));
    else assert.equal(compact(example!), compact(update(layout)), layout);
  }
});

const VALUES: Record<ColumnType["kind"], Value> = {
  boolean: true,
  int16: -42,
  int32: -42,
  int64: 9007199254740993n,
  uint64: 9007199254740993n,
  float32: 1e-7,
  float64: 1e-7,
  decimal: "12.50",
  string: "Zoë",
  uuid: "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab",
  enum: "new,paid",
  set: "new,paid",
  bytes: new Uint8Array([0, 1, 255]),
  date: "2026-01-31",
  time: "12:00:00.5+02:00",
  timetz: "12:00:00.5+02:00",
  timestamp: "2026-01-31T12:00:00.123456",
  timestamptz: "2026-01-31T12:00:00.123456Z",
  interval: "P1DT2H",
  json: { a: [1, null] },
  array: [1, null, [2]],
  struct: { x: 1.5, y: 2 },
  map: { a: 1 },
  unknown: "text",
};

Deno.test("the README's table has every type of column, with the JSON text that its values have", () => {
  const rows = README.split("\n").filter((line) => /^\| `[a-z]/.test(line)).map((line) => line.split(" | "));
  const found = rows.flatMap(([types, , json]) =>
    types.match(/[a-z]\w+/g)!.map((kind) => [kind, /`(.*)`/.exec(json)![1]] as const)
  );
  assert.deepEqual(found.map(([kind]) => kind).toSorted(), Object.keys(VALUES).toSorted());
  for (const [kind, json] of found) {
    const value = VALUES[kind as ColumnType["kind"]];
    assert.equal(json, valueText(value), kind);
    const parsed = parseJson(json, true);
    const restore = ["int64", "uint64", "bytes"].includes(kind)
      ? restoreOf({ kind } as ColumnType)
      : undefined;
    assert.deepEqual(restore ? restore(parsed) : parsed, value, kind);
  }
});
