import assert from "node:assert/strict";
import { parquetMetadata } from "npm:hyparquet@1.31.5";
import { z } from "zod";
import { fakeBatch, fakeRecord } from "../../tests/fakes/records.ts";
import { fileFormat } from "./formats.ts";
import { type FormatConfig, formatKeys, formatProblems, upgradeFormatKeys } from "./options.ts";
import { writeFiles } from "./testing.ts";

const schema = z.strictObject(formatKeys).superRefine((config, context) => {
  for (const problem of formatProblems(config)) context.addIssue({ code: "custom", ...problem });
});

/** Keys as a pipeline file has them → the first line of a file. */
async function firstLine(keys: Record<string, unknown>): Promise<string> {
  const config = schema.parse(keys) as FormatConfig;
  const format = await fileFormat(config.format, config);
  const batch = fakeBatch([fakeRecord(1)], { layout: "plain" });
  const pieces: Uint8Array[] = [];
  const file = format.begin(batch, 0, (bytes) => pieces.push(bytes));
  assert.equal(file.add(batch, 0, 1, (_, error) => assert.fail(error.message)), 1);
  await file.end();
  return (await new Blob(pieces as Uint8Array<ArrayBuffer>[]).text()).split("\n")[0];
}

function problem(keys: Record<string, unknown>): string {
  const { error } = schema.safeParse(keys);
  return error ? `${error.issues[0].path.join(".")}: ${error.issues[0].message}` : "none";
}

Deno.test("every name leads to its format, with what the keys leave out filled in", async () => {
  assert.equal(await firstLine({}), '{"id":1,"customer":"customer 1 \\"ß\\"","total":"1.50"}');
  assert.equal(await firstLine({ format: "json" }), "[");
  assert.equal(await firstLine({ format: "csv" }), "id,customer,total");
  assert.equal(await firstLine({ format: "tsv" }), "id\tcustomer\ttotal");
  assert.equal(await firstLine({ format: "tsv", csv: {} }), "id\tcustomer\ttotal");
  assert.equal(await firstLine({ format: "csv", csv: { delimiter: ";" } }), "id;customer;total");
  assert.equal(
    await firstLine({
      format: "csv",
      csv: {
        delimiter: "pipe",
        include_header: false,
        quote_char: "'",
        line_ending: "crlf",
        columns: ["total", "id"],
      },
    }),
    "1.50|1\r",
  );
  assert.equal(await firstLine({ format: "csv", csv: { always_quote: true } }), '"id","customer","total"');
});

Deno.test("compression of the sink is inside of Parquet files, and their own says more", async () => {
  const compressed = async (keys: Record<string, unknown>) => {
    const config = schema.parse({ format: "parquet", ...keys }) as FormatConfig;
    const format = await fileFormat(config.format, config);
    assert.equal(format.compressesOutside, false);
    const { files } = await writeFiles(format, fakeBatch([fakeRecord(1)]));
    return parquetMetadata(files[0].buffer).row_groups[0].columns[0].meta_data!.codec;
  };
  assert.equal(await compressed({}), "SNAPPY");
  assert.equal(await compressed({ compression: "zstd" }), "ZSTD");
  assert.equal(await compressed({ compression: "zstd", parquet: { compression: "none" } }), "UNCOMPRESSED");
  assert.equal(await compressed({ parquet: { compression: "brotli" } }), "BROTLI");
});

Deno.test("compression of the sink is inside of Avro files, by any of its names; what Avro has not is refused", async () => {
  const head = async (keys: Record<string, unknown>) => {
    const config = schema.parse({ format: "avro", ...keys }) as FormatConfig;
    const format = await fileFormat(config.format, config);
    assert.equal(format.compressesOutside, false);
    const { files } = await writeFiles(format, fakeBatch([fakeRecord(1)]));
    return new TextDecoder().decode(files[0].subarray(0, 120));
  };
  assert.ok((await head({})).startsWith("Obj\x01\x04\x14avro.codec\x08null\x16avro.schema"));
  assert.match(await head({}), /"name":"Event","namespace":"rivven\.events"/);
  assert.match(await head({ compression: "zstd", compression_level: 9 }), /zstandard/);
  assert.match(await head({ compression: "snappy", avro: { compression: "none" } }), /null/);
  assert.match(
    await head({ avro: { compression: "deflate", namespace: "a.b", record_name: "R" } }),
    /deflate.*"R".*"a\.b"/,
  );
  assert.match(
    problem({ format: "avro", compression: "lz4" }),
    /^compression: Avro files have no lz4 inside/,
  );
  assert.match(
    problem({ format: "avro", avro: { confluent_wire_format: true } }),
    /^avro.confluent_wire_format: Belongs/,
  );
  assert.match(problem({ format: "avro", avro: { schema: '"int"' } }), /^avro.schema: No schema of a record/);
  assert.match(problem({ format: "avro", avro: { namespace: "a..b" } }), /^avro.namespace/);
  const { config, notes } = upgradeFormatKeys({
    format: "avro",
    compression: "zstd",
    avro: { wire_format: false, compression: null },
  });
  assert.deepEqual(config.avro, { confluent_wire_format: false, compression: "none" });
  assert.equal(notes.length, 1);
});

Deno.test("keys that do not go together are named", () => {
  assert.match(problem({ format: "csv", json: { pretty: true } }), /^json: .* the format is csv/);
  assert.match(problem({ csv: {} }), /^csv: .* the format is jsonl/);
  assert.match(problem({ format: "csv", parquet: {} }), /^parquet: .* the format is csv/);
  assert.match(
    problem({ format: "parquet", compression: "zstd", compression_level: 3 }),
    /^compression_level: .* inside of Parquet/,
  );
  assert.match(problem({ metadata_columns: true }), /^metadata_columns: jsonl has no columns/);
  assert.match(problem({ compression: "lz4", compression_level: 3 }), /^compression_level: Only/);
  assert.match(problem({ compression: "gzip", compression_level: 12 }), /^compression_level: .*1 to 9/);
  assert.match(problem({ format: "csv", csv: { delimiter: "ab" } }), /^csv.delimiter: One character/);
  assert.match(problem({ format: "csv", csv: { delimiter: "pipe", quote_char: "|" } }), /^csv.quote_char/);
  assert.match(problem({ format: "csv", csv: { quote_char: "\n" } }), /^csv.quote_char/);
  assert.equal(problem({ format: "csv", csv: {}, compression: "zstd", compression_level: 19 }), "none");
});

Deno.test("other spellings come to the same", () => {
  const { config } = upgradeFormatKeys({ format: "NDJSON", compression: "Zstandard", other: 1 });
  assert.deepEqual(config, { format: "jsonl", compression: "zstd", other: 1 });
  assert.equal(upgradeFormatKeys({ compression: null }).config.compression, "none");
});
