import assert from "node:assert/strict";
import { after, configOf, problemKeys, record, run, stream, testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const USERS = stream({ id: "int64 key", email: "string", name: "string", password_hash: "string" });
const ROW = { id: 1n, email: "e", name: "n", password_hash: "p" };
const open = (written: Record<string, unknown>, context = testContext()) =>
  openTransform(configOf(definition, written), context);

Deno.test("include and exclude of the seed's example give id, email, name, in rows and columns, of every operation", async () => {
  const transform = open({
    filters: { "public.users": { include: ["id", "email", "name"], exclude: ["password_hash"] } },
  });
  const { records, stream: made } = await run(transform, [
    record(USERS, "snapshot", { after: ROW }),
    record(USERS, "update", { before: ROW, after: ROW, unavailable: ["password_hash"] }),
    record(USERS, "delete", { before: { id: 1n } }),
    record(USERS, "tombstone", { key: { id: 1n } }),
  ]);
  const { password_hash: _, ...kept } = ROW;
  assert.deepEqual(records.map(({ before, after }) => [before, after]), [
    [undefined, kept],
    [kept, kept],
    [{ id: 1n }, undefined],
    [undefined, undefined],
  ]);
  assert.equal(records[1].unavailable, undefined);
  assert.deepEqual(made.columns!.map(({ name }) => name), ["id", "email", "name"]);
});

Deno.test("exclude beats include, and columns may be patterns", async () => {
  const columns = async (filter: Record<string, unknown>) => {
    const row = await after(open({ filters: { users: filter } }), record(USERS, "insert", { after: ROW }));
    return Object.keys(row as Record<string, unknown>);
  };
  assert.deepEqual(await columns({ include: ["id", "name", "email"], exclude: ["name"] }), ["id", "email"]);
  assert.deepEqual(await columns({ exclude: ["*_hash"] }), ["id", "email", "name"]);
  assert.deepEqual(await columns({ exclude: ["/(name|email)/"] }), ["id", "password_hash"]);
});

Deno.test("of several entries for a table the most exact counts", async () => {
  const filters = {
    "*": { exclude: ["email"] },
    "public.*": { exclude: ["name"] },
    "shop.public.users": { exclude: ["password_hash"] },
  };
  const lost = async (filters: Record<string, unknown>) => {
    const row = await after(open({ filters }), record(USERS, "insert", { after: ROW })) as Record<
      string,
      unknown
    >;
    return Object.keys(ROW).filter((name) => !(name in row));
  };
  assert.deepEqual(await lost(filters), ["password_hash"]);
  const { "shop.public.users": _, ...patterns } = filters;
  assert.deepEqual(await lost(patterns), ["name"]);
  assert.deepEqual(await lost({ "*": filters["*"], "public.orders": { exclude: ["id"] } }), ["email"]);
});

Deno.test("a key column that would go stops the source, or stays in the key alone", async () => {
  const insert = record(USERS, "insert", { after: ROW });
  await assert.rejects(run(open({ filters: { users: { include: ["email"] } } }), [insert]), {
    code: "config_key_protection",
  });
  const transform = open({ filters: { users: { include: ["email"] } }, allow_key_protection: true });
  const { records: [out] } = await run(transform, [insert]);
  assert.deepEqual([out.key, out.after], [{ id: 1 }, { email: "e" }]);
});

Deno.test("a column that the table lacks is told, or stops the source where that is strict", () => {
  const context = testContext();
  const filters = { "public.users": { include: ["id", "mail"] } };
  open({ filters }, context).matches!(USERS);
  assert.equal(context.warnings.length, 1);
  assert.match(context.warnings[0], /"mail"/);
  assert.throws(() => open({ filters, strict: true }).matches!(USERS), { code: "config_unmatched_column" });
  const pattern = open({ filters: { "*": { exclude: ["mail"] } }, strict: true });
  assert.equal(pattern.matches!(USERS), false);
});

Deno.test("updates of nothing that stays are dropped, others never", async () => {
  const context = testContext();
  const transform = open(
    { filters: { users: { exclude: ["password_hash"] } }, skip_unchanged: true },
    context,
  );
  const changed = { ...ROW, password_hash: "q" };
  const { records } = await run(transform, [
    record(USERS, "update", { before: ROW, after: changed }),
    record(USERS, "update", { before: ROW, after: { ...changed, name: "m" } }),
    record(USERS, "update", { before: { id: 1n }, after: changed }),
    record(USERS, "update", { after: changed }),
    record(USERS, "update", { before: { ...ROW, name: null as never }, after: changed }),
    record(USERS, "insert", { after: changed }),
  ]);
  assert.equal(records.length, 5);
  assert.equal(context.counts.get("updates_unchanged_total"), 1);
});

Deno.test("tables that no entry names pass unlooked at, and a payload that is no row does not pass", async () => {
  const transform = open({ filters: { "public.orders": { exclude: ["x"] } } });
  assert.equal(transform.matches!(USERS), false);
  const topic = stream(undefined, { name: "t", payload: "bytes" });
  const { records, rejected } = await run(open({ exclude: ["x"] }), [
    record(topic, "record", { after: Uint8Array.of(1) }),
    record(stream(undefined, { name: "t" }), "record", { after: [{ x: 1, y: 2 }] }),
  ]);
  assert.deepEqual(rejected.map(({ error }) => error.code), ["serialization_not_a_row"]);
  assert.deepEqual(records.map(({ after }) => after), [[{ y: 2 }]]);
});

Deno.test("a broken config is refused, key by key", () => {
  assert.deepEqual(problemKeys(definition, { filters: {} }), ["filters"]);
  assert.deepEqual(problemKeys(definition, { filters: { "/(/": {} } }), ["filters./(/"]);
  assert.deepEqual(problemKeys(definition, { filters: { t: { includes: [] } } }), ["filters.t.includes"]);
});
