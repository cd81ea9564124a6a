import assert from "node:assert/strict";
import { z } from "zod";
import { fakeBatch, fakeRecord } from "../../tests/fakes/records.ts";
import { fileFormat } from "./formats.ts";
import { type FormatConfig, formatKeys, formatProblems, upgradeFormatKeys } from "./options.ts";

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

Deno.test("keys that do not go together are named", () => {
  assert.match(problem({ format: "csv", json: { pretty: true } }), /^json: .* the format is csv/);
  assert.match(problem({ csv: {} }), /^csv: .* the format is jsonl/);
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
