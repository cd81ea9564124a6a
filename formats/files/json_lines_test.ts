import assert from "node:assert/strict";
import { fakeBatch, fakeBatches, fakeRecord, linesOf } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPython } from "../../tests/servers/python.ts";
import { JSON_LINES, jsonArray } from "./json_lines.ts";
import { writeFiles } from "./testing.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

Deno.test("jsonl holds the text of the batches as it is, and keeps none of their buffers", async () => {
  const batches = fakeBatches(3, 10);
  const expected = linesOf(...batches).join("\n") + "\n";
  const pieces: Uint8Array[] = [];
  const file = JSON_LINES.begin(batches[0], 0, (bytes) => pieces.push(bytes));
  for (const batch of batches) {
    assert.equal(file.add(batch, 0, 4, () => {}), 4);
    assert.equal(file.add(batch, 4, 4, () => {}), 4);
    assert.equal(file.add(batch, 4, 10, () => {}), 10);
    batch.bytes.fill(0);
  }
  await file.end();
  assert.equal(pieces.map((piece) => decoder.decode(piece)).join(""), expected);
});

Deno.test("json is one array that another parser reads, on one line a record or indented", async (t) => {
  const python = await requireServer(t, () => startPython());
  if (python === undefined) return;
  const records = [
    fakeRecord(9007199254740993n as unknown as number, {
      key: { id: 9007199254740993n },
      after: { id: 9007199254740993n, customer: "x\u2028y\n[,]{}", total: "0.10" },
      order: undefined,
      timeMicros: 1n,
    }),
    fakeRecord(2, { operation: "delete", before: { id: 2n }, after: undefined }),
    fakeRecord(3),
  ];
  // A delete has no text in this layout, so it has no place in the array either.
  const batch = fakeBatch(records, { layout: "plain" });
  const program = `
import json, sys
value = json.loads(sys.stdin.buffer.read().decode("utf-8"), parse_int=str)
print(json.dumps(value))
`;
  for (const isPretty of [false, true]) {
    const { files } = await writeFiles(jsonArray(isPretty), batch, batch);
    const rows = JSON.parse(decoder.decode(await python.run(program, files[0])));
    const first = { id: "9007199254740993", customer: "x\u2028y\n[,]{}", total: "0.10" };
    const third = { id: "3", customer: 'customer 3 "ß"', total: "3.50" };
    assert.deepEqual(rows, [first, third, first, third]);
    assert.equal(decoder.decode(files[0]).split("\n").length, isPretty ? 23 : 7);
  }
});

Deno.test("json of nothing is an empty array", async () => {
  const gone = fakeBatch([fakeRecord(1, { operation: "tombstone", after: undefined })]);
  const { files } = await writeFiles(jsonArray(false), gone);
  assert.equal(decoder.decode(files[0]), "[]\n");
});
