import assert from "node:assert/strict";
import { readCase, runCase } from "../runtime/chain/transform_case.ts";
import { loadTransforms } from "../runtime/config/transform_registry.ts";

const definitions = await loadTransforms();

for (const { type, example } of definitions) {
  Deno.test(`the example of ${type} does what it shows`, async () => {
    const read = readCase(example, {
      file: `transforms/${type}/example.yaml`,
      definitions,
      env: () => undefined,
      readFile: (path) => {
        throw new Error(`An example reads no file, but this one ${path}`);
      },
    });
    assert.ok(
      read.case,
      read.problems.map(({ line, message, hint }) => `${line}: ${message} (${hint})`).join("\n"),
    );
    assert.deepEqual(read.problems, []);
    assert.ok(read.case.given.length > 0, "It gives no records");
    assert.deepEqual(await runCase(read.case), []);
  });
}

Deno.test("a case that is not met says which record, which field, what was wanted and what was found", async () => {
  const { case: made, problems } = readCase(
    `
transforms: []
columns: { shop.t: { id: int64 key, price: "decimal(5,2)", at: timestamp(3), tags: array<string> } }
given:
  - { stream: shop.t, op: insert, key: { id: 9007199254740993 }, after: { id: 9007199254740993, price: 12.50, tags: [a] } }
  - { stream: shop.t, op: delete, before: { id: 2 } }
expect:
  - { stream: shop.t, op: update, key: { id: 9007199254740993 }, after: { id: 9007199254740992, price: "12.5", tags: [b] } }
rejected: [{ index: 1, code: schema }]
`,
    { file: "case.yaml", definitions, env: () => undefined, readFile: () => "" },
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(await runCase(made!), [
    'record 1: op: expected "update", found "insert"',
    "record 1: after.id: expected 9007199254740992, found 9007199254740993",
    'record 1: after.price: expected "12.5", found "12.50"',
    'record 1: after.tags[0]: expected "b", found "a"',
    'record 2: not expected, found {"stream":"shop.t","op":"delete","before":{"id":2}}',
    'rejected: expected {"index":1,"code":"schema"}, found []',
  ]);
});

Deno.test("of an encrypted value all is compared but its text, which differs each time", async () => {
  const outcome = async (algorithm: string, place: string) => {
    const { case: made, problems } = readCase(
      `
transforms: [{ type: encrypt_field, config: { fields: [ssn], algorithm: ${algorithm}, key: "${
        "ab".repeat(32)
      }" } }]
columns: { t: { id: int64 key, ssn: string } }
given: [{ stream: t, op: insert, after: { id: 1, ssn: "1" } }]
expect:
  - stream: t
    after:
      id: 1
      ssn: { __encrypted: true, __v: 2, __key_id: default, __key_version: 1, __algorithm: ${algorithm}, __place: ${place}, __row: '{"id":1}', __value: AAAA }
`,
      { file: "case.yaml", definitions, env: () => undefined, readFile: () => "" },
    );
    assert.ok(made, problems.map(({ message }) => message).join());
    return (await runCase(made)).map((line) => line.split(":")[1].trim());
  };
  assert.deepEqual(await outcome("aes-256-gcm", "..t.ssn"), []);
  assert.deepEqual(await outcome("aes-256-gcm", "..t.iban"), ["after.ssn.__place"]);
  assert.deepEqual(await outcome("deterministic", "..t.ssn"), ["after.ssn.__row", "after.ssn.__value"]);
});
