import assert from "node:assert/strict";
import { batchFromData } from "../../formats/data/batch.ts";
import { BatchWriter, writerColumns } from "../../formats/data/batch_writer.ts";
import { RecordError } from "../../formats/data/errors.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { writeCopyRow } from "./copy_text.ts";
import { type ValueWriter } from "./types/mod.ts";

const asText: ValueWriter = (out, source, start, end) => out.text(source, start, end);

function rowOf(line: string, columns = 3) {
  const stream: Stream = {
    name: "t",
    columns: Array.from(
      { length: columns },
      (_, i) => ({ name: `c${i}`, type: { kind: "string" }, nullable: true }),
    ),
    key: [],
    payload: "row",
    version: 1,
  };
  const writer = new BatchWriter({
    origin: { connector: "c", name: "n", version: "0" },
    layout: "plain",
    nowMicros: () => 0n,
  });
  const bytes = new TextEncoder().encode(`before${line}behind`);
  writer.begin(stream, "snapshot", 0n, undefined, 0);
  writer.beginRow("after");
  writeCopyRow(
    writer,
    writerColumns(stream),
    Array(columns).fill(asText),
    bytes,
    6,
    bytes.length - 6,
    (_, error) => {
      throw error;
    },
  );
  writer.endRow();
  writer.end();
  return Object.values(
    batchFromData(writer.finish({ v: 1 })).records[0].after as Record<string, string | null>,
  );
}

Deno.test("a line of COPY is split at tabs and its escapes are undone", () => {
  assert.deepEqual(rowOf("a\tb\tc\n"), ["a", "b", "c"]);
  assert.deepEqual(rowOf("\t\\N\t\n"), ["", null, ""]);
  assert.deepEqual(rowOf("\\\\N\tN\t\\\\\\\\\n"), ["\\N", "N", "\\\\"]);
  assert.deepEqual(rowOf("\\b\\f\\n\\r\\t\\v\tx\\ty\té\\\\t\n"), ["\b\f\n\r\t\v", "x\ty", "é\\t"]);
  assert.deepEqual(rowOf("no line end", 1), ["no line end"]);
  assert.deepEqual(rowOf("\n", 0), []);
});

Deno.test("a line of another shape is an error", () => {
  for (const line of ["a\tb\n", "a\tb\tc\td\n", "a\tb\tc\\"]) {
    assert.throws(
      () => rowOf(line),
      (error) => error instanceof RecordError && error.code === "serialization_copy",
      line,
    );
  }
});
