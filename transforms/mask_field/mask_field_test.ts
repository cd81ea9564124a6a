import assert from "node:assert/strict";
import fc from "fast-check";
import { anyChange } from "../../tests/fakes/arbitraries.ts";
import { batchFromRecords } from "../../formats/data/batch.ts";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const USERS = stream({ id: "int64 key", ssn: "string", balance: "decimal(12,2)", profile: "json" });
const context = testContext();
const open = (written: Record<string, unknown>, env: Record<string, string> = {}, used = context) => {
  const { config, problems } = definition.completeConfig!(
    definition.upgradeConfig!(written).config,
    (name) => env[name],
    () => "",
  );
  assert.deepEqual(problems, []);
  return openTransform(configOf(definition, config), used);
};

const SECRET = "123-45-6789";

Deno.test("every operation's rows are masked, in both images, and null and absent stay what they are", async () => {
  const transform = open({ fields: ["ssn"] });
  const { records } = await run(transform, [
    record(USERS, "snapshot", { after: { id: 1n, ssn: SECRET } }),
    record(USERS, "insert", { after: { id: 1n, ssn: SECRET } }),
    record(USERS, "update", { before: { id: 1n, ssn: SECRET }, after: { id: 1n, ssn: null } }),
    record(USERS, "update", { after: { id: 1n }, unavailable: ["ssn"] }),
    record(USERS, "delete", { before: { id: 1n, ssn: SECRET } }),
    record(USERS, "tombstone", { key: { id: 1n } }),
    record(USERS, "truncate"),
  ]);
  const masked = { id: 1n, ssn: "*".repeat(11) };
  assert.deepEqual(records.map(({ before, after }) => [before, after]), [
    [undefined, masked],
    [undefined, masked],
    [masked, { id: 1n, ssn: null }],
    [undefined, { id: 1n }],
    [masked, undefined],
    [undefined, undefined],
    [undefined, undefined],
  ]);
});

Deno.test("columns follow: a masked one is a text, unless its type is preserved", async () => {
  const kinds = async (written: Record<string, unknown>) => {
    const { stream } = await run(open(written), [record(USERS, "insert", { after: { id: 1n } })]);
    return stream.columns!.map(({ type }) => type.kind);
  };
  assert.deepEqual(await kinds({ fields: ["balance"] }), ["int64", "string", "string", "json"]);
  assert.deepEqual(await kinds({ fields: ["balance"], type_preserving: true }), [
    "int64",
    "string",
    "decimal",
    "json",
  ]);
  assert.deepEqual(await kinds({ fields: ["profile.phone"] }), ["int64", "string", "decimal", "json"]);
});

Deno.test("each field has its own way, and what stands beside fields is for all", async () => {
  const transform = open({
    fields: { ssn: { strategy: "partial", keep_last: 4 }, "profile.phone": "fixed", "profile.mail": "email" },
    replacement: "hidden",
  });
  const row = { id: 1n, ssn: SECRET, profile: { phone: "1", mail: "ada@b.example", city: "Oslo" } };
  assert.deepEqual(await after(transform, record(USERS, "insert", { after: row })), {
    id: 1n,
    ssn: "*******6789",
    profile: { phone: "hidden", mail: "a***@b.example", city: "Oslo" },
  });
});

Deno.test("a hash needs its key from the environment, under the name that is given", async () => {
  const env = { RIVVEN_MASK_KEY: "a key of some length", OTHER: "another key, also long" };
  const hash = async (written: Record<string, unknown>) =>
    (await after(open(written, env), record(USERS, "insert", { after: { ssn: SECRET } })) as { ssn: string })
      .ssn;
  const one = await hash({ fields: ["ssn"], strategy: "hash" });
  assert.match(one, /^[0-9a-f]{64}$/);
  assert.equal(await hash({ fields: { ssn: "hash" } }), one);
  assert.notEqual(await hash({ fields: { ssn: { strategy: "hash", key_env: "OTHER" } } }), one);
  assert.equal(
    await hash({ fields: ["ssn"], strategy: "hash", hash_key_env: "OTHER", truncate: 32 }).then((h) =>
      h.length
    ),
    32,
  );
  const problems = (variables: Record<string, string>) =>
    definition.completeConfig!({ fields: { ssn: "hash" } }, (name) => variables[name], () => "").problems;
  assert.deepEqual(problems({}).map(({ key }) => key), ["fields.ssn"]);
  assert.match(problems({ RIVVEN_MASK_KEY: "short" })[0].message, /too short/);
  assert.ok(!problems({ RIVVEN_MASK_KEY: "short" })[0].message.includes('"short"'));
});

Deno.test("hashes without a key are warned about", () => {
  const used = testContext();
  open({ fields: ["ssn"], strategy: "hash", algorithm: "sha256" }, {}, used);
  assert.equal(used.warnings.length, 1);
});

Deno.test("a key column is refused, and hashed in the key and the rows alike where that is allowed", async () => {
  const insert = record(USERS, "insert", { after: { id: 7n, ssn: "x" } });
  await assert.rejects(run(open({ fields: ["id"] }), [insert]), { code: "config_key_protection" });
  await assert.rejects(run(open({ fields: ["/.*/"] }), [insert]), { code: "config_key_protection" });
  await assert.rejects(run(open({ fields: ["id"], allow_key_protection: true }), [insert]), {
    code: "config_key_protection",
  });
  const transform = open({ fields: ["id"], strategy: "hash", allow_key_protection: true }, {
    RIVVEN_MASK_KEY: "a key of some length",
  });
  const { records } = await run(transform, [
    insert,
    record(USERS, "delete", { before: { id: 7n } }),
    record(USERS, "tombstone", { key: { id: 7n } }),
  ]);
  const ids = records.map(({ key }) => (key as { id: string }).id);
  assert.match(ids[0], /^[0-9a-f]{64}$/);
  assert.deepEqual(new Set(ids).size, 1);
  assert.equal((records[0].after as { id: string }).id, ids[0]);
});

Deno.test("a field that the table named with it lacks stops the source; one that no table has is told at the end", async () => {
  const insert = record(USERS, "insert", { after: { id: 1n } });
  for (const field of ["public.users:sssn", "users.sssn", "public.users.sssn"]) {
    await assert.rejects(run(open({ fields: [field] }), [insert]), { code: "config_unmatched_field" }, field);
  }
  const used = testContext();
  await run(open({ fields: ["public.users:sssn"], allow_unmatched_fields: true }, {}, used), [insert]);
  assert.equal(used.warnings.length, 1);
  await run(open({ fields: ["public.orders:sssn"] }), [insert]);
  const late = testContext();
  const transform = open({ fields: ["sssn", "ssn"] }, {}, late);
  await run(transform, [insert]);
  assert.deepEqual(late.warnings, []);
  await transform[Symbol.asyncDispose]!();
  assert.equal(late.warnings.length, 1);
  // Whoever logs it says which transform it is.
  assert.match(late.warnings[0], /^No table that came has "[^"]*sssn/);
});

Deno.test("a stream that has none of the fields is not looked at", () => {
  const transform = open({ fields: ["public.users:ssn", "profile.phone"] });
  assert.equal(transform.matches!(USERS), true);
  assert.equal(transform.matches!(stream({ id: "int64 key", profile: "int32" }, { name: "orders" })), false);
  assert.equal(transform.matches!(stream(undefined, { name: "orders" })), true);
});

Deno.test("payloads of any form are masked where they can be, and go no further where they can't", async () => {
  const topic = stream(undefined, { name: "t", namespace: undefined, payload: "json" });
  const transform = open({ fields: ["ssn"] });
  const rows = await after(
    transform,
    record(topic, "record", { after: [{ ssn: "x" }, [{ ssn: "y", a: 1 }]] }),
  );
  assert.deepEqual(rows, [{ ssn: "*" }, [{ ssn: "*", a: 1 }]]);
  assert.equal(await after(transform, record(topic, "record", { after: '{"ssn":"x"}' })), '{"ssn":"*"}');
  assert.equal(await after(transform, record(topic, "record", { after: "plain" })), "plain");
  const bytes = stream(undefined, { name: "b", payload: "bytes" });
  const { records, rejected } = await run(transform, [record(bytes, "record", { after: Uint8Array.of(1) })]);
  assert.deepEqual([records.length, rejected.length], [0, 1]);
  const other = open({ fields: ["t:ssn"] });
  assert.equal((await run(other, [record(bytes, "record", { after: Uint8Array.of(1) })])).records.length, 1);
});

Deno.test("a broken config is refused, key by key", () => {
  const keys = (written: Record<string, unknown>) => problemKeys(definition, written);
  assert.deepEqual(keys({ fields: [] }), ["fields"]);
  assert.deepEqual(keys({ fields: {} }), ["fields"]);
  assert.deepEqual(keys({ fields: ["a..b"] }), ["fields.0"]);
  assert.deepEqual(keys({ fields: { "a[1]": "card" } }), ["fields.a[1]"]);
  assert.deepEqual(keys({ fields: ["a"], strategy: "partial" }), ["strategy"]);
  assert.deepEqual(keys({ fields: { a: "truncate" } }), ["fields.a"]);
  assert.deepEqual(keys({ fields: ["a"], mask_chr: "x" }), ["mask_chr"]);
  assert.deepEqual(keys({ fields: ["a"], mask_char: "xx" }), ["mask_char"]);
});

Deno.test("no text of a masked column is in any layout, key, part or message of any record", async () => {
  await fc.assert(fc.asyncProperty(anyChange, fc.constantFrom(...LAYOUTS), async (change, layout) => {
    const secret = "\u{1F510}secret\u{1F510}";
    const columns = change.stream.columns!.filter(({ name }) => !change.stream.key.includes(name));
    // Quoted, a selector can name every column but these.
    const name = columns.find(({ name }) => name !== "" && !name.includes('"'))?.name;
    if (name === undefined) return;
    const spied = stream(undefined, {
      ...change.stream,
      columns: change.stream.columns!.map((column) =>
        column.name === name ? { ...column, type: { kind: "string" as const }, default: secret } : column
      ),
    });
    const hide = (row: unknown) =>
      typeof row === "object" && row !== null && Object.hasOwn(row, name)
        ? Object.fromEntries(Object.entries(row).map(([key, value]) => [key, key === name ? secret : value]))
        : row;
    const record = {
      ...change,
      stream: spied,
      before: hide(change.before) as typeof change.before,
      after: hide(change.after) as typeof change.after,
    };
    const transform = open({ fields: [`"${name}"`] });
    const made = transform.stream!(spied);
    const messages: string[] = [];
    const out = await transform.apply!(
      [{ ...record, stream: made }],
      (_, error) => messages.push(error.message),
    );
    const head = {
      lane: "stream",
      position: { v: 1 },
      readAtMicros: 0n,
      layout,
      origin: { connector: "t", name: "t", version: "0" },
    };
    const batch = batchFromRecords(head, out);
    const { text, side } = batch.encoded();
    const all = [text, side].map((bytes) => new TextDecoder().decode(bytes)).join() + messages.join() +
      JSON.stringify(made) + context.warnings.join();
    assert.ok(!all.includes("secret"));
  }));
});
