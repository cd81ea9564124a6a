import assert from "node:assert/strict";
import fc from "fast-check";
import { anyChange } from "../../tests/fakes/arbitraries.ts";
import type { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { valueText } from "../../formats/data/json_value.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import decryption from "../decrypt_field/definition.ts";
import { openTransform as openDecryption } from "../decrypt_field/implementation.ts";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import type { Transform, TransformDefinition } from "../contract.ts";
import encryption from "./definition.ts";
import { openTransform as openEncryption } from "./implementation.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i).toBase64();
const NEW_KEY = "ab".repeat(32);
const ENV = { RIVVEN_ENCRYPTION_KEY: KEY };
const USERS = stream({ id: "int64 key", ssn: "string", iban: "string", profile: "json" });
const SECRET = "123-45-6789";

function completed<Config>(
  definition: TransformDefinition<Config>,
  written: Record<string, unknown>,
  env: Record<string, string>,
): Config {
  const { config, problems } = definition.completeConfig!(
    definition.upgradeConfig!(written).config,
    (name) => env[name],
    () => "",
  );
  assert.deepEqual(problems, []);
  return configOf(definition, config);
}

const encrypt = (
  written: Record<string, unknown>,
  env: Record<string, string> = ENV,
  context = testContext(),
) => openEncryption(completed(encryption, written, env), context);
const decrypt = (written: Record<string, unknown>, env: Record<string, string> = ENV) =>
  openDecryption(completed(decryption, written, env), testContext());

/** No record may be rejected. */
const never = (_: DataRecord, error: RecordError) => {
  throw error;
};

/** Records through two transforms, one after the other. */
async function there(first: Transform, second: Transform, records: readonly DataRecord[]) {
  return await run(second, (await run(first, records)).records);
}

Deno.test("every operation's rows are encrypted, in both images, and open again", async () => {
  const records = [
    record(USERS, "snapshot", { after: { id: 1n, ssn: SECRET } }),
    record(USERS, "update", { before: { id: 1n, ssn: SECRET }, after: { id: 1n, ssn: null } }),
    record(USERS, "update", { after: { id: 1n }, unavailable: ["ssn"] }),
    record(USERS, "delete", { before: { id: 1n, ssn: SECRET } }),
    record(USERS, "tombstone", { key: { id: 1n } }),
  ];
  const sealed = await run(encrypt({ fields: ["ssn"] }), records);
  assert.ok(!JSON.stringify(sealed.records, (_, v) => typeof v === "bigint" ? `${v}` : v).includes(SECRET));
  assert.deepEqual(
    sealed.records.map(({ before, after }) =>
      [before, after].map((row) => row && (row as Row).ssn && Object.keys((row as Row).ssn as Row).length)
    ),
    [[undefined, 8], [8, 8], [undefined, undefined], [8, undefined], [undefined, undefined]],
  );
  assert.equal(sealed.stream.columns![1].type.kind, "json");
  const opened = await run(decrypt({ fields: ["ssn"], types: { ssn: "string" } }), sealed.records);
  assert.deepEqual(opened.rejected, []);
  assert.deepEqual(
    opened.records.map(({ before, after }) => ({ before, after })),
    records.map(({ before, after }) => ({ before, after })),
  );
});

Deno.test("null is encrypted too, unless it is to stay", async () => {
  const insert = record(USERS, "insert", { after: { id: 1n, ssn: null } });
  assert.notEqual((await after(encrypt({ fields: ["ssn"] }), insert) as Row).ssn, null);
  assert.equal((await after(encrypt({ fields: ["ssn"], encrypt_null: false }), insert) as Row).ssn, null);
});

Deno.test("values of every type open to what they were", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyChange,
      fc.constantFrom("aes-256-gcm", "deterministic", "chacha20-poly1305"),
      async (change, algorithm) => {
        const names = change.stream.columns!.map(({ name }) => name).filter((name) =>
          !change.stream.key.includes(name)
        );
        const name = names.find((name) => name !== "" && !name.includes('"'));
        if (name === undefined) return;
        const config = { fields: [`"${name}"`], algorithm };
        const transform = encrypt(config),
          back = openDecryption(
            { ...completed(decryption, { fields: config.fields }, ENV) },
            testContext(),
          );
        const made = transform.stream!(change.stream);
        const sealed = await transform.apply!([{ ...change, stream: made }], never);
        const opened = await back.apply!(sealed, never);
        // Without the column's type JSON's own: the text says the same.
        const text = ({ before, after, key }: DataRecord) =>
          [before, after, key].map((value) => valueText(value as Value));
        assert.deepEqual(text(opened[0]), text(change));
      },
    ),
  );
});

Deno.test("columns get their types back where they are told", async () => {
  const typed = stream({
    id: "int64 key",
    n: "int64",
    b: "bytes",
    d: "decimal(30,2)",
    t: "timestamptz(6)",
    l: { kind: "array", items: { kind: "int64" } },
  });
  const row = {
    id: 1n,
    n: 9007199254740993n,
    b: Uint8Array.of(0, 255),
    d: "12345678901234567890.50",
    t: "2026-01-31T12:00:00.123456Z",
    l: [1n, null],
  };
  const insert = record(typed, "insert", { after: row });
  const fields = ["n", "b", "d", "t"];
  const types = { n: "int64", b: "bytes", d: "decimal(30,2)", t: "timestamptz(6)" };
  const { records, stream: opened } = await there(encrypt({ fields }), decrypt({ fields, types }), [insert]);
  assert.deepEqual(records[0].after, row);
  assert.deepEqual(opened.columns!.map(({ type }) => type), typed.columns!.map(({ type }) => type));
});

Deno.test("nested fields and items of arrays are encrypted where they are", async () => {
  const row = { id: 1n, profile: { phones: [{ no: "1" }, { no: "2" }], city: "Oslo" } };
  const sealed = await run(encrypt({ fields: ["profile.phones.no"] }), [
    record(USERS, "insert", { after: row }),
  ]);
  const profile = (sealed.records[0].after as Row).profile as { phones: { no: Row }[]; city: string };
  assert.equal(profile.city, "Oslo");
  assert.deepEqual(
    profile.phones.map(({ no }) => no.__place),
    Array(2).fill("shop.public.users.profile.phones.no"),
  );
  const opened = await run(decrypt({ fields: ["profile.phones.no"] }), sealed.records);
  assert.deepEqual(opened.records[0].after, row);
});

/** The rejections' codes when what is in the second row's field is put into the first row's `into`. */
async function swapped(written: Record<string, unknown>, into = "ssn"): Promise<string[]> {
  const { records } = await run(encrypt({ fields: ["ssn", "iban"], ...written }), [
    record(USERS, "insert", { after: { id: 1n, ssn: "one", iban: "i" } }),
    record(USERS, "insert", { after: { id: 2n, ssn: "two", iban: "j" } }),
  ]);
  const [one, two] = records.map(({ after }) => after as Row);
  const mixed = { ...records[0], after: { ...one, [into]: two.ssn } };
  const { rejected } = await run(decrypt({ fields: ["ssn", "iban"] }), [mixed]);
  return rejected.map(({ error }) => error.code);
}

Deno.test("a value does not open in another row, nor in another column, nor when its label is changed along", async () => {
  assert.deepEqual(await swapped({}), ["serialization_wrong_place"]);
  assert.deepEqual(await swapped({ aad: { bind: ["table", "column"] } }), []);
  assert.deepEqual(await swapped({ aad: { bind: ["table", "column"] } }, "iban"), [
    "serialization_wrong_place",
  ]);
  assert.deepEqual(await swapped({ algorithm: "deterministic" }, "iban"), ["serialization_wrong_place"]);
  assert.deepEqual(await swapped({ aad: { bind: [] } }, "iban"), []);
  const { records } = await run(encrypt({ fields: ["ssn"] }), [
    record(USERS, "insert", { after: { id: 1n, ssn: "one" } }),
  ]);
  const row = records[0].after as { id: bigint; ssn: Row };
  const moved = { ...records[0], after: { id: 2n, ssn: { ...row.ssn, __row: '{"id":2}' } } };
  const { rejected } = await run(decrypt({ fields: ["ssn"] }), [moved]);
  assert.deepEqual(rejected.map(({ error }) => error.code), ["serialization_decrypt"]);
});

Deno.test("a value of a renamed column opens where the place doesn't matter, and not by default", async () => {
  const { records } = await run(encrypt({ fields: ["ssn"] }), [
    record(USERS, "insert", { after: { id: 1n, ssn: "one" } }),
  ]);
  const row = records[0].after as Row;
  const renamed = record(stream({ id: "int64 key", s: "json" }), "insert", {
    after: { id: row.id, s: row.ssn },
  });
  assert.equal((await run(decrypt({ fields: ["s"] }), [renamed])).rejected.length, 1);
  assert.deepEqual(await after(decrypt({ fields: ["s"], check_place: false }), renamed), {
    id: 1n,
    s: "one",
  });
});

Deno.test("after a rotation old values and new ones open; without the old key those are kept or an error", async () => {
  const insert = record(USERS, "insert", { after: { id: 1n, ssn: SECRET } });
  const both = { ...ENV, RIVVEN_ENCRYPTION_KEY_V2: NEW_KEY };
  const old = (await run(encrypt({ fields: ["ssn"] }), [insert])).records[0];
  const young = (await run(encrypt({ fields: ["ssn"] }, both), [insert])).records[0];
  assert.deepEqual([old, young].map(({ after }) => ((after as Row).ssn as Row).__key_version), [1, 2]);
  const opened = await run(decrypt({ fields: ["ssn"] }, both), [old, young]);
  assert.deepEqual(opened.records.map(({ after }) => (after as Row).ssn), [SECRET, SECRET]);
  const keys = { keys: { versions: { 2: "NEW" } } };
  const strict = await run(decrypt({ fields: ["ssn"], ...keys }, { NEW: NEW_KEY }), [old, young]);
  assert.deepEqual([strict.records.length, strict.rejected.map(({ error }) => error.code)], [1, [
    "not_found_key",
  ]]);
  const lax = await run(decrypt({ fields: ["ssn"], on_missing_key: "keep", ...keys }, { NEW: NEW_KEY }), [
    old,
    young,
  ]);
  assert.deepEqual(lax.records.map(({ after }) => typeof (after as Row).ssn), ["object", "string"]);
});

Deno.test("a key column needs deterministic encryption, and then stays one key", async () => {
  const insert = record(USERS, "insert", { after: { id: 7n } });
  await assert.rejects(run(encrypt({ fields: ["id"] }), [insert]), { code: "config_key_protection" });
  const config = { fields: ["id"], algorithm: "deterministic", allow_key_protection: true };
  const { records } = await run(encrypt(config), [
    insert,
    record(USERS, "delete", { before: { id: 7n } }),
    record(USERS, "tombstone", { key: { id: 7n } }),
  ]);
  const keys = records.map(({ key }) => JSON.stringify(key));
  assert.equal(new Set(keys).size, 1);
  assert.match(keys[0], /__encrypted/);
  const opened = await run(decrypt({ fields: ["id"], types: { id: "int64" } }), records);
  assert.deepEqual(opened.records.map(({ key }) => key), Array(3).fill({ id: 7n }));
});

Deno.test("format 1 gives what earlier versions gave, and opens everywhere as theirs does", async () => {
  const insert = record(USERS, "insert", { after: { id: 1n, ssn: SECRET } });
  const sealed = await after(encrypt({ fields: ["ssn"], format: 1 }), insert) as Row;
  assert.deepEqual(Object.keys(sealed.ssn as Row), [
    "__encrypted",
    "__key_id",
    "__key_version",
    "__algorithm",
    "__value",
  ]);
  assert.deepEqual(
    (await there(encrypt({ fields: ["ssn"], format: 1 }), decrypt({ fields: ["ssn"] }), [insert])).records[0]
      .after,
    insert.after,
  );
});

Deno.test("an object that only looks encrypted opens nowhere but where fields are decrypted, and there fails", async () => {
  const spoof = { __encrypted: true, __key_id: "default", __key_version: 1, __value: "AAAA" };
  const insert = record(stream({ id: "int64 key", ssn: "json", profile: "json" }), "insert", {
    after: { id: 1n, profile: spoof },
  });
  assert.deepEqual(await after(decrypt({ fields: ["ssn"] }), insert), insert.after);
  assert.equal((await run(decrypt({ fields: ["profile"] }), [insert])).rejected.length, 1);
});

Deno.test("what does not fit together is refused, key by key", () => {
  const keys = (written: Record<string, unknown>) => problemKeys(encryption, written);
  assert.deepEqual(keys({ fields: [] }), ["fields"]);
  assert.deepEqual(keys({ fields: ["a"], algorithm: "aes-256-siv" }), ["algorithm"]);
  assert.deepEqual(keys({ fields: ["a"], format: 1, algorithm: "chacha20-poly1305" }), ["algorithm"]);
  assert.deepEqual(keys({ fields: ["a"], format: 1, aad: { bind: [] } }), ["aad"]);
  assert.deepEqual(keys({ fields: ["a"], allow_key_protection: true }), ["algorithm"]);
  assert.deepEqual(
    keys({ fields: ["a"], allow_key_protection: true, algorithm: "deterministic", aad: { bind: ["key"] } }),
    ["aad.bind"],
  );
  assert.deepEqual(problemKeys(decryption, { fields: ["a"], types: { a: "varchar2" } }), ["types.a"]);
});
