import assert from "node:assert/strict";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import definition, { type StdoutConfig } from "./connector.ts";
import { renderOf } from "./render.ts";

function shown(config: Partial<StdoutConfig>, record: Partial<DataRecord> = {}, isTerminal = false): string {
  const render = renderOf(definition.config.parse(config), isTerminal);
  return render!(fakeBatch([fakeRecord(7, { timeMicros: 1_769_860_800_123_456n, ...record })]), 0);
}

Deno.test("pretty shows time, operation and stream, then the data, then what the source adds", () => {
  assert.equal(
    shown({}),
    `[2026-01-31 12:00:00.123] INSERT: orders (public)
{
  "id": 7,
  "customer": "customer 7 \\"ß\\"",
  "total": "7.50"
}
---metadata---
{
  "lsn": "0/7",
  "position": "0000000000000001/0000000000000007"
}
`,
  );
});

Deno.test("pretty leaves out time and metadata where told to", () => {
  assert.equal(
    shown({ include_metadata: false, include_timestamp: false }, { after: { id: 7n } }),
    'INSERT: orders (public)\n{\n  "id": 7\n}\n',
  );
});

Deno.test("an update shows both rows, a delete the row that is gone, a tombstone its key", () => {
  const plain = { format: "text", include_timestamp: false } as const;
  assert.equal(
    shown(plain, {
      operation: "update",
      before: { id: 7n, total: "1.00" },
      after: { id: 7n, total: "2.00" },
    }),
    'UPDATE: orders (public) {"before":{"id":7,"total":"1.00"},"after":{"id":7,"total":"2.00"}}\n',
  );
  assert.equal(
    shown(plain, { operation: "delete", before: { id: 7n }, after: undefined }),
    'DELETE: orders (public) {"id":7}\n',
  );
  assert.equal(
    shown(plain, { operation: "tombstone", after: undefined }),
    'TOMBSTONE: orders (public) {"id":7}\n',
  );
});

Deno.test("tsv has four columns, and a name with a tab does not make a fifth", () => {
  const stream = fakeStream("or\tders\n");
  const line = shown({ format: "tsv" }, { stream, after: { id: 7n, customer: "a\tb" } });
  assert.equal(
    line,
    '2026-01-31 12:00:00.123\tINSERT\tpublic.or\\x09ders\\x0a\t{"id":7,"customer":"a\\tb"}\n',
  );
});

Deno.test("colours appear on a terminal only", () => {
  assert.ok(!shown({ color: true }).includes("\x1b"));
  assert.ok(!shown({ color: false }, {}, true).includes("\x1b"));
  assert.ok(shown({ color: true }, {}, true).includes("\x1b[32mINSERT\x1b[0m"));
});

Deno.test("indented JSON has the layout's members and every digit", () => {
  const text = shown({ format: "json", pretty: true }, { after: { id: 9_223_372_036_854_775_807n } });
  assert.match(text, /\n {4}"id": 9223372036854775807\n/);
  assert.match(text, /^\{\n {2}"before": null,\n/);
});
