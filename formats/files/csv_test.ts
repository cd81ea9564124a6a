import assert from "node:assert/strict";
import { fakeBatch, fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPython } from "../../tests/servers/python.ts";
import type { DataRecord } from "../data/record.ts";
import type { Column, Row, Value } from "../data/value.ts";
import { csvFormat, type CsvOptions } from "./csv.ts";
import { writeFiles } from "./testing.ts";

const PLAIN: CsvOptions = {
  delimiter: ",",
  includeHeader: true,
  quote: '"',
  alwaysQuote: false,
  lineEnding: "\n",
  nullValue: "",
  escapeFormulas: false,
  metadataColumns: false,
};

/** What files of these records hold. */
async function texts(options: Partial<CsvOptions>, ...records: DataRecord[]): Promise<string[]> {
  const { files, rejected } = await writeFiles(csvFormat({ ...PLAIN, ...options }), fakeBatch(records));
  assert.deepEqual(rejected, []);
  return files.map((file) => new TextDecoder("utf-8", { fatal: true }).decode(file));
}

/** Records of a table with one column. */
function oneColumn(type: Column["type"], ...values: Value[]): DataRecord[] {
  const stream = fakeStream("one", { columns: [{ name: "v", type, nullable: true }], key: [] });
  return values.map((v, i) => fakeRecord(i, { stream, key: undefined, after: { v } }));
}

const NASTY = [
  'say "hi"',
  '"',
  '""',
  "a,b;c|d\te",
  "line\nline",
  "line\r\nline",
  "\r",
  " spaces ",
  "Zoë 😀",
  "NULL",
  "'",
  "\u2028",
  "=1+1",
  "\\",
  "#no comment",
  "\ufeff",
];

Deno.test("Python's csv module reads every text back, with any delimiter, quote and line end", async (t) => {
  const python = await requireServer(t, () => startPython());
  if (python === undefined) return;
  const stream = fakeStream("texts", {
    columns: [{ name: "a", type: { kind: "string" }, nullable: true }, {
      name: 'b "x",\n',
      type: { kind: "string" },
      nullable: true,
    }],
    key: [],
  });
  const rows = NASTY.map((a, i) => ({ a, 'b "x",\n': NASTY[NASTY.length - 1 - i] }));
  const records = rows.map((after, i) => fakeRecord(i, { stream, key: undefined, after }));
  const program = `
import base64, csv, io, json, sys
def rows(delimiter, quote, data):
    text = io.StringIO(base64.b64decode(data).decode("utf-8"), newline="")
    return list(csv.reader(text, delimiter=delimiter, quotechar=quote, strict=True))
print(json.dumps([rows(*one) for one in json.load(sys.stdin)]))
`;
  const written: [delimiter: string, quote: string, data: string][] = [];
  for (const delimiter of [",", "\t", ";", "|", "^", "]", "-"]) {
    for (const quote of ['"', "'"]) {
      const lineEnding = quote === "'" ? "\r\n" : "\n";
      const options = { delimiter, quote, lineEnding, alwaysQuote: delimiter === "^" } as const;
      const { files } = await writeFiles(csvFormat({ ...PLAIN, ...options }), fakeBatch(records));
      written.push([delimiter, quote, files[0].toBase64()]);
    }
  }
  const read = await python.run(program, new TextEncoder().encode(JSON.stringify(written)));
  const expected = [["a", 'b "x",\n'], ...rows.map((row) => Object.values(row))];
  assert.deepEqual(JSON.parse(new TextDecoder().decode(read)), written.map(() => expected));
});

Deno.test("NULL, an empty text and a text that looks like NULL stay three", async () => {
  const records = oneColumn({ kind: "string" }, null, "", "NULL", "x");
  assert.deepEqual(await texts({}, ...records), ['v\n\n""\nNULL\nx\n']);
  assert.deepEqual(await texts({ nullValue: "NULL" }, ...records), ['v\nNULL\n""\n"NULL"\nx\n']);
  assert.deepEqual(await texts({ alwaysQuote: true }, ...records), ['"v"\n\n""\n"NULL"\n"x"\n']);
  const numbers = oneColumn({ kind: "int32" }, null, 0, 10);
  assert.deepEqual(await texts({ nullValue: "0" }, ...numbers), ['v\n0\n"0"\n10\n']);
});

Deno.test("values are written as they are in JSON, without its quotes", async () => {
  const columns: [string, Column["type"], Value, string][] = [
    ["b", { kind: "boolean" }, true, "true"],
    ["i", { kind: "int64" }, -9223372036854775808n, "-9223372036854775808"],
    ["f", { kind: "float64" }, -0, "-0"],
    ["n", { kind: "float64" }, "NaN", "NaN"],
    ["e", { kind: "float64" }, 1e300, "1e+300"],
    ["d", { kind: "decimal", precision: 5, scale: 2 }, "1.50", "1.50"],
    ["x", { kind: "bytes" }, new Uint8Array([0, 255]), "AP8="],
    ["t", { kind: "timestamptz", precision: 6 }, "2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.5Z"],
    ["a", { kind: "array", items: { kind: "int64" } }, [1n, null], '"[1,null]"'],
    ["j", { kind: "json" }, { k: ["ß", 1] }, '"{""k"":[""ß"",1]}"'],
  ];
  const stream = fakeStream("typed", {
    columns: columns.map(([name, type]) => ({ name, type, nullable: true })),
    key: [],
  });
  const after = Object.fromEntries(columns.map(([name, , value]) => [name, value]));
  assert.deepEqual(await texts({ includeHeader: false }, fakeRecord(1, { stream, key: undefined, after })), [
    columns.map(([, , , text]) => text).join(",") + "\n",
  ]);
});

Deno.test("formulas are disarmed on request, and numbers with a sign are none", async () => {
  const records = oneColumn({ kind: "string" }, "=A1", "@x", "-1.50", "+4e3", "-1+2", "\tx", "a=b");
  assert.deepEqual(await texts({ escapeFormulas: true }, ...records), [
    "v\n'=A1\n'@x\n-1.50\n+4e3\n'-1+2\n'\tx\na=b\n",
  ]);
});

Deno.test("a delete has a row beside the columns that say so, and none without", async () => {
  const records = [
    fakeRecord(1),
    fakeRecord(1, { operation: "delete", before: { id: 1n }, after: undefined }),
    fakeRecord(1, { operation: "tombstone", after: undefined }),
    fakeRecord(2, { operation: "update", after: { id: 2n, total: "2.50" }, unavailable: ["customer"] }),
  ];
  const { files, rejected } = await writeFiles(csvFormat(PLAIN), fakeBatch(records));
  assert.equal(new TextDecoder().decode(files[0]), 'id,customer,total\n1,"customer 1 ""ß""",1.50\n');
  assert.deepEqual(rejected.map(({ i, error }) => [i, error.code]), [[3, "schema_unavailable"]]);
  const [text, ...more] = await texts({ metadataColumns: true, columns: ["id", "total"] }, ...records);
  assert.deepEqual(more, []);
  assert.deepEqual(text.split("\n"), [
    "id,total,_rivven_op,_rivven_ts,_rivven_position,_rivven_unavailable",
    "1,1.50,c,2026-01-31T12:00:00.000001Z,0000000000000001/0000000000000001,",
    "1,,d,2026-01-31T12:00:00.000001Z,0000000000000001/0000000000000001,",
    '2,2.50,u,2026-01-31T12:00:00.000002Z,0000000000000001/0000000000000002,"[""customer""]"',
    "",
  ]);
});

Deno.test("other columns begin a new file; the same columns under another version do not", async () => {
  const [id, customer, total] = fakeStream("orders").columns!;
  const later = fakeStream("orders", { version: 2 });
  const wider = fakeStream("orders", {
    version: 3,
    columns: [id, customer, total, { name: "note", type: { kind: "string" }, nullable: true }],
  });
  const files = await texts(
    { includeHeader: false },
    fakeRecord(1, { after: { id: 1n, customer: null, total: null } }),
    fakeRecord(2, { stream: later, after: { id: 2n, customer: null, total: null } }),
    fakeRecord(3, { stream: wider, after: { id: 3n, customer: null, total: null, note: "n" } }),
  );
  assert.deepEqual(files, ["1,,\n2,,\n", "3,,,n\n"]);
});

Deno.test("a stream without columns gets those of its first record; another name begins a new file", async () => {
  const stream = fakeStream("events", { columns: undefined, key: [] });
  const rows: Row[] = [{ a: 1 }, { a: null }, { b: { c: 1 }, a: 2 }, { a: 3 }];
  const records = rows.map((after, i) =>
    fakeRecord(i, { stream, key: undefined, operation: "record", after })
  );
  assert.deepEqual(await texts({}, ...records), ["a\n1\n\n", 'b,a\n"{""c"":1}",2\n,3\n']);
  assert.deepEqual(await texts({ columns: ["a", "z"] }, ...records), ["a,z\n1,\n,\n2,\n3,\n"]);
  const noRow = fakeRecord(9, { stream, key: undefined, operation: "record", after: [1] });
  const { rejected } = await writeFiles(csvFormat(PLAIN), fakeBatch([records[0], noRow]));
  assert.deepEqual(rejected.map(({ i, error }) => [i, error.code]), [[1, "schema_no_row"]]);
});

Deno.test("a text that UTF-8 has no bytes for is refused, and its neighbours are not", async () => {
  const records = oneColumn({ kind: "string" }, "a", "half \ud83d", "b");
  const { files, rejected } = await writeFiles(csvFormat(PLAIN), fakeBatch(records));
  assert.equal(new TextDecoder().decode(files[0]), "v\na\nb\n");
  assert.deepEqual(rejected.map(({ i, error }) => [i, error.code]), [[1, "schema_text"]]);
});

Deno.test("a large file is given away while it grows", async () => {
  const records = oneColumn({ kind: "string" }, ...Array.from({ length: 1000 }, () => "x".repeat(1000)));
  const batch = fakeBatch(records);
  const { files, mostBuffered } = await writeFiles(csvFormat(PLAIN), batch, batch, batch);
  assert.equal(files[0].length, 2 + 3 * 1000 * 1001);
  assert.ok(mostBuffered < 1 << 17, `${mostBuffered} bytes`);
});
