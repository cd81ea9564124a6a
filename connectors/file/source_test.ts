import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { Compressor } from "../../formats/files/compression.ts";
import { COMPRESSIONS } from "../../formats/files/formats.ts";
import { fakeBatch, fakeRecord, linesOf } from "../../tests/fakes/records.ts";
import { recordsOf, SourceFolder } from "./testing.ts";

const values = (records: readonly { readonly after?: unknown }[]) => records.map(({ after }) => after);
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `{"n":${from + i}}\n`).join("");
const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ n: from + i }));

const CHANGES = [
  fakeRecord(1),
  fakeRecord(2, { operation: "snapshot" }),
  fakeRecord(3, { operation: "update", before: { id: 3n, customer: null, total: "1.00" } }),
  fakeRecord(4, { operation: "delete", before: { id: 4n }, after: undefined }),
  fakeRecord(5, { after: { id: 9007199254740993n, customer: "日本\n", total: "-0.10" } }),
];

for (const layout of LAYOUTS) {
  Deno.test(`lines in layout ${layout} become the records that they were`, async () => {
    await using place = new SourceFolder();
    place.write("changes.jsonl", linesOf(fakeBatch(CHANGES, { layout })).join("\n") + "\n");
    const found = await place.records({ path: "changes.jsonl", key: ["id"] });
    const isPlain = layout === "plain";
    const expected = CHANGES.filter(({ operation }) => !isPlain || operation !== "delete");
    assert.deepEqual(
      found.map(({ operation }) => operation),
      expected.map(({ operation }) => isPlain ? "record" : operation),
    );
    // Lines have no types: ids come as numbers where these are exact.
    const exact = (value: unknown) =>
      JSON.stringify(value, (_, v) => typeof v === "bigint" ? `${v}` : typeof v === "number" ? `${v}` : v);
    assert.equal(exact(values(found)), exact(values(expected)));
    assert.equal(
      exact(found.map(({ key }) => key)),
      exact(expected.map(({ after, before }) => ({ id: ((before ?? after) as { id: bigint }).id }))),
    );
    for (const [i, { stream, timeMicros }] of found.entries()) {
      assert.equal(stream.name, isPlain ? "changes" : "orders");
      assert.deepEqual(stream.key, ["id"]);
      if (!isPlain) assert.equal(stream.namespace, "public");
      if (layout === "standard" || layout === "full") assert.equal(timeMicros, expected[i].timeMicros);
    }
    const plain = await place.records({ path: "changes.jsonl", envelope: "none" });
    assert.ok(plain.every(({ operation, stream }) => operation === "record" && stream.name === "changes"));
  });
}

Deno.test("a line is what it is: rows, other JSON, white space, numbers of any length, names like those of layouts", async () => {
  await using place = new SourceFolder();
  const lines = [
    '\ufeff{"a": 1, "b": [true, null]}',
    '{"id":12345678901234567890,"deep":{"n":-123456789012345678}}',
    "[1,2]",
    '"text"',
    "  3.5  ",
    "null",
    '{"op":"c","source":5}',
    '{"event_type":"insert","stream":"x"}',
    '{"o\\u0070":"c","after":{}}',
    "",
    '{"ü":"ß"}\r',
    "{}",
  ];
  place.write("mixed.jsonl", lines.join("\n"));
  const found = await place.records({ path: "mixed.jsonl" });
  assert.deepEqual(values(found), [
    { a: 1, b: [true, null] },
    { id: 12345678901234567890n, deep: { n: -123456789012345678n } },
    [1, 2],
    "text",
    3.5,
    null,
    { op: "c", source: 5 },
    { event_type: "insert", stream: "x" },
    { op: "c", after: {} },
    { "ü": "ß" },
    {},
  ]);
  assert.deepEqual(found.map(({ stream: { payload } }) => payload).slice(0, 4), [
    "row",
    "row",
    "json",
    "json",
  ]);
  assert.ok(found.every(({ operation, source }) => operation === "record" && source?.file === "mixed.jsonl"));
});

Deno.test("from any position comes exactly the rest, whatever the compression", async () => {
  for (const compression of COMPRESSIONS) {
    await using place = new SourceFolder();
    const compressor = new Compressor(compression);
    const bytes = [...compressor.push(new TextEncoder().encode(numbers(0, 500))), ...compressor.end()];
    for (const [i, piece] of bytes.entries()) place.write("a.jsonl", piece, i > 0);
    place.write("b.jsonl", numbers(500, 520));
    const config = { path: "*.jsonl" };
    const files = compression === "none" ? config : { path: "a.jsonl", compression };
    const batches = await place.read(files, undefined, 37);
    const all = recordsOf(batches);
    assert.deepEqual(values(all), rows(0, compression === "none" ? 520 : 500));
    let count = 0;
    for (const { length, position } of batches) {
      count += length;
      assert.deepEqual(await place.records(files, position, 37), all.slice(count));
    }
  }
});

Deno.test("what can't be read is rejected with its line and file, and the rest is read", async () => {
  await using place = new SourceFolder();
  const long = `{"n":"${"x".repeat(700_000)}"}`;
  place.write("a.jsonl", `{"n":0}\n{"secret":\n${long}\n\xff`);
  place.append("a.jsonl", Uint8Array.of(0xff, 0x0a));
  place.append("a.jsonl", '{"n":1}\n{"n":2');
  const batches = await place.read({ path: "a.jsonl", max_line_bytes: 1024 });
  assert.deepEqual(values(recordsOf(batches)), [{ n: 0 }, { n: 1 }]);
  const { undecoded, lines } = place.context;
  assert.deepEqual(undecoded.map(({ error: { message, code } }) => [message, code]), [
    ['Line 2 is no JSON in "a.jsonl"', "serialization_json"],
    ['Line 3 is longer than max_line_bytes (1024) in "a.jsonl"', "serialization_line_too_long"],
    ['Line 4 is no UTF-8 in "a.jsonl"', "serialization_json"],
  ]);
  assert.equal(new TextDecoder().decode(undecoded[0].record.payload), '{"secret":');
  assert.equal(undecoded[1].record.payload.length, 65_536);
  assert.equal(undecoded[0].record.order, "0/0000000000000008");
  assert.match(lines.at(-1)!.message, /ends in the middle of a record/);
  place.append("a.jsonl", "}\n");
  assert.deepEqual(values(await place.records({ path: "a.jsonl" }, batches.at(-1)!.position)), [{ n: 2 }]);
});

Deno.test("a line of many pieces is one record", async () => {
  await using place = new SourceFolder();
  const texts = [3_000_000, 5, 1_048_576, 700_000].map((size) => "é".repeat(size));
  place.write("a.jsonl", texts.map((text) => JSON.stringify({ text })).join("\n") + "\n");
  const found = await place.records({ path: "a.jsonl" });
  assert.deepEqual(
    found.map(({ after }) => (after as { text: string }).text.length),
    texts.map(({ length }) => length),
  );
});

Deno.test("while it follows, what is appended is read, and a line only when it is whole", async () => {
  await using place = new SourceFolder();
  place.write("a.jsonl", '{"n":0}\n{"n"');
  const seen: unknown[] = [];
  await place.follow({ path: "*.jsonl" }, (records) => {
    seen.push(...values(records));
    if (seen.length === 1) {
      place.append("a.jsonl", ':1}\n{"n":2}\n');
    } else if (seen.length === 3) place.write("b.jsonl", numbers(3, 5));
    return seen.length === 5;
  });
  assert.deepEqual(seen, rows(0, 5));
});

Deno.test("a file that is renamed and begun anew is read to its end, then the new one", async () => {
  await using place = new SourceFolder();
  place.write("app.jsonl", numbers(0, 3));
  const seen: unknown[] = [];
  await place.follow({ path: "app.jsonl" }, (records) => {
    seen.push(...values(records));
    if (seen.length === 3) {
      Deno.renameSync(place.path("app.jsonl"), place.path("app.jsonl.1"));
      place.append("app.jsonl.1", numbers(3, 5));
      place.write("app.jsonl", numbers(5, 7));
    } else if (seen.length === 7) {
      // Deleted after something was written to it.
      place.append("app.jsonl", numbers(7, 8));
      Deno.removeSync(place.path("app.jsonl"));
      place.write("app.jsonl", numbers(8, 9));
    }
    return seen.length === 9;
  });
  assert.deepEqual(seen, rows(0, 9));
});

Deno.test("a file that was renamed while nobody read is read on, and the new one in a lane of its own", async () => {
  await using place = new SourceFolder();
  place.write("app.jsonl", numbers(0, 20));
  const [first] = await place.read({ path: "app.jsonl" }, undefined, 5);
  Deno.renameSync(place.path("app.jsonl"), place.path("app.jsonl.1"));
  place.write("app.jsonl", numbers(20, 22));
  const rest = await place.records({ path: "app.jsonl" }, first.position);
  assert.deepEqual(values(rest), rows(5, 22));
  assert.equal(new Set(rest.map(({ lane }) => lane)).size, 2);
  assert.equal(rest[0].lane, first.lane);
});

Deno.test("a pattern that both names fit reads a renamed file once", async () => {
  await using place = new SourceFolder();
  place.write("app.jsonl", numbers(0, 3));
  const batches = await place.read({ path: "app.jsonl*", format: "jsonl" });
  Deno.renameSync(place.path("app.jsonl"), place.path("app.jsonl.1"));
  place.write("app.jsonl", numbers(3, 5));
  assert.deepEqual(
    values(await place.records({ path: "app.jsonl*", format: "jsonl" }, batches.at(-1)!.position)),
    rows(3, 5),
  );
});

Deno.test("a file that was cut or written anew stops the source, or is read from its beginning in another lane", async () => {
  for (const content of [numbers(7, 9), numbers(107, 130)]) {
    await using place = new SourceFolder();
    place.write("a.jsonl", numbers(0, 10));
    const batches = await place.read({ path: "a.jsonl" });
    place.write("a.jsonl", content);
    const from = batches.at(-1)!.position;
    await assert.rejects(place.read({ path: "a.jsonl" }, from), { code: "state_file_shortened" });
    const again = await place.read({ path: "a.jsonl", if_shortened: "continue" }, from);
    assert.equal(recordsOf(again).length, content.split("\n").length - 1);
    assert.equal(again[0].lane, `${batches[0].lane}+1`);
    assert.deepEqual(await place.records({ path: "a.jsonl" }, again.at(-1)!.position), []);
  }
});

Deno.test("a file that is cut while it is followed is noticed, too", async () => {
  await using place = new SourceFolder();
  place.write("a.jsonl", numbers(0, 10));
  const seen: unknown[] = [];
  await place.follow({ path: "a.jsonl", if_shortened: "continue" }, (records) => {
    seen.push(...values(records));
    if (seen.length === 10) place.write("a.jsonl", numbers(10, 12));
    return seen.length === 12;
  });
  assert.deepEqual(seen, rows(0, 12));
  await assert.rejects(
    place.follow({ path: "a.jsonl" }, (records) => {
      if (records.length > 0) place.write("a.jsonl", numbers(5, 6));
      return false;
    }),
    { code: "state_file_shortened" },
  );
});

Deno.test("a compressed file that is cut off gives what it has and then an error", async () => {
  await using place = new SourceFolder();
  const bytes = gzipSync(numbers(0, 50_000));
  place.write("a.jsonl.gz", bytes.subarray(0, bytes.length - 20_000));
  await using source = place.open({ path: "a.jsonl.gz" });
  let count = 0;
  await assert.rejects(async () => {
    for await (const { length } of source.read(undefined, new AbortController().signal)) count += length;
  }, { code: "serialization_compression" });
  assert.ok(count > 10_000 && count < 50_000, `${count}`);
});

Deno.test("a first run can begin at the end", async () => {
  await using place = new SourceFolder();
  place.write("a.jsonl", numbers(0, 3) + '{"n"');
  place.write("b.jsonl.gz", gzipSync(numbers(50, 60)));
  const seen: unknown[] = [];
  await place.follow({ path: "*.jsonl*", start: "latest" }, (records) => {
    if (records.length === 0) place.append("a.jsonl", ':3}\n{"n":4}\n');
    seen.push(...values(records));
    return seen.length === 2;
  });
  assert.deepEqual(seen, rows(3, 5));
});

Deno.test("however many files there are, a position stays small and is right", async () => {
  await using place = new SourceFolder();
  for (let i = 0; i < 400; i++) {
    place.write(`in/${String(i).padStart(4, "0")}.jsonl`, numbers(2 * i, 2 * i + 2));
  }
  let from = undefined;
  const seen: unknown[] = [];
  for (const limit of [90, 300, Infinity]) {
    await using source = place.open({ path: "in/" });
    for await (const batch of source.read(from, new AbortController().signal)) {
      from = JSON.parse(JSON.stringify(batch.position));
      assert.ok(JSON.stringify(from).length < 8192, `${JSON.stringify(from).length}`);
      seen.push(...values(batch.records));
      await source.acknowledge(from);
      if (seen.length >= limit) break;
    }
  }
  assert.deepEqual(seen, rows(0, 800));
  const kept = [...place.documents.values()].filter((document) => document !== null).length;
  assert.ok(kept < 20, `${kept} documents`);
  assert.deepEqual(await place.records({ path: "in/" }, from), []);
  place.documents.clear();
  await assert.rejects(place.read({ path: "in/" }, from), { code: "state_documents_gone" });
});

Deno.test("files are read in the order of their names, or of their last change", async () => {
  await using place = new SourceFolder();
  const names = ["b.jsonl", "a.jsonl", "sub/c.jsonl", ".hidden.jsonl"];
  names.forEach((name, i) => {
    place.write(name, numbers(i, i + 1));
    Deno.utimeSync(place.path(name), 1000 + i, 1000 + i);
  });
  const read = async (config: Record<string, unknown>) =>
    values(await place.records(config)).map((row) => (row as { n: number }).n);
  assert.deepEqual(await read({ path: "." }), [1, 0]);
  assert.deepEqual(await read({ path: "*.jsonl", order_by: "time" }), [0, 1]);
  assert.deepEqual(await read({ path: "**/*.jsonl" }), [1, 0, 2]);
  assert.deepEqual(await read({ path: "sub/?.jsonl" }), [2]);
  assert.deepEqual(await read({ path: "**" }), [1, 0, 2]);
});

Deno.test("the lowest of several positions has every file as it is in the one that is behind", async () => {
  await using place = new SourceFolder();
  place.write("a.jsonl", numbers(0, 10));
  place.write("b.jsonl", numbers(10, 20));
  const config = { path: "*.jsonl" };
  const batches = await place.read(config, undefined, 4);
  const source = place.open(config);
  const lowest = source.lowest!([batches[4].position, batches[1].position, batches[2].position]);
  assert.deepEqual(values(await place.records(config, lowest)), rows(8, 20));
});

Deno.test("check says what would be read, and what is wrong", async () => {
  await using place = new SourceFolder();
  const check = async (config: Record<string, unknown>) => {
    const findings: string[] = [];
    await place.open(config).check(({ status, message }) => findings.push(`${status}: ${message}`));
    return findings.map((finding) => finding.replaceAll(place.folder, ""));
  };
  place.write("a.jsonl", numbers(0, 2));
  place.write("b.log", "text");
  assert.deepEqual(await check({ path: "*.jsonl" }), ['ok: "/a.jsonl": 16 bytes of jsonl']);
  assert.deepEqual(await check({ path: "." }), ['ok: "/a.jsonl": 16 bytes of jsonl']);
  assert.deepEqual(await check({ path: "*" }), ['failed: Cannot tell the format of "/b.log" by its ending']);
  assert.deepEqual(await check({ path: "c/*" }), ['failed: "/c/*" selects no file']);
  assert.deepEqual(await check({ path: "c/*", follow: true }), ['warning: "/c/*" selects no file']);
  await assert.rejects(place.read({ path: "*" }), { code: "config_format" });
});

Deno.test("csv, tsv and json files are read on from any position, compressed or not", async () => {
  await using place = new SourceFolder();
  const lines = Array.from(
    { length: 60 },
    (_, i) => `${i},"say ""${i}""\nand ${i}",${i % 3 === 0 ? "" : i}.5`,
  );
  const csv = `id,text,total\n${lines.join("\n")}\n`;
  const expected = lines.map((_, i) => ({
    id: BigInt(i),
    text: `say "${i}"\nand ${i}`,
    total: i % 3 === 0 ? ".5" : `${i}.5`,
  }));
  const json = JSON.stringify(
    Array.from({ length: 60 }, (_, i) => ({ n: i, nested: [{ "]": i }] })),
    undefined,
    1,
  );
  place.write("a.csv", csv);
  place.write("b.csv.gz", gzipSync(csv));
  place.write("c.tsv", csv.replaceAll(/,(?=[".\d])|(?<=id|text),/g, "\t"));
  place.write("d.json", json);
  place.write("e.json.gz", gzipSync(json));
  const config = { path: ".", key: ["id"], csv: { types: { id: "int64", total: "decimal" } } };
  const batches = await place.read(config, undefined, 13);
  const all = recordsOf(batches);
  assert.equal(all.length, 300);
  for (const from of [0, 60, 120]) {
    const part = all.slice(from, from + 60);
    assert.deepEqual(values(part), expected);
    assert.deepEqual(part.map(({ key }) => key), expected.map(({ id }) => ({ id })));
    assert.deepEqual(part[0].stream.columns!.map(({ type: { kind } }) => kind), [
      "int64",
      "string",
      "decimal",
    ]);
  }
  assert.deepEqual(values(all.slice(180, 240)), JSON.parse(json));
  assert.deepEqual(values(all.slice(240)), JSON.parse(json));
  let count = 0;
  for (const { length, position } of batches) {
    count += length;
    assert.deepEqual(await place.records(config, position, 13), all.slice(count));
  }
  await using source = place.open(config);
  const streams = (await source.discover!()).map(({ stream: { name, columns } }) => [name, columns?.length]);
  assert.deepEqual(streams, [["a", 3], ["b", 3], ["c", 3], ["d", undefined], ["e", undefined]]);
});

Deno.test("a CSV file whose header is being written is waited for; columns of one name are refused", async () => {
  await using place = new SourceFolder();
  place.write("a.csv", "id,na");
  place.write("b.jsonl", numbers(0, 1));
  const seen: unknown[] = [];
  await place.follow({ path: "*" }, (records) => {
    seen.push(...values(records));
    if (seen.length === 1) place.append("a.csv", "me\n1,x\n");
    if (seen.length === 2) place.append("a.csv", "2,y\n3");
    return seen.length === 3;
  });
  assert.deepEqual(seen, [{ n: 0 }, { id: "1", name: "x" }, { id: "2", name: "y" }]);
  place.write("a.csv", "id,id\n1,2\n");
  await assert.rejects(place.read({ path: "a.csv" }), { code: "schema_columns" });
  place.write("c.json", "[1, 2] 3");
  await assert.rejects(place.read({ path: "c.json" }), { code: "serialization_json" });
});
