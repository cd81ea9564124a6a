/** Values that the server does not send because they have not changed, in every way to handle them. */
import assert from "node:assert/strict";
import type { DataRecord } from "../../formats/data/record.ts";
import type { ColumnType, Row } from "../../formats/data/value.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { streamed } from "./testing.ts";
import { placeholderFor } from "./toast.ts";

/** 32 KB of hexadecimal digits that don't compress below what is stored in the row. */
const HEX = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1024))";

/** Types that are stored out of line, each with an expression for a large value. */
const LARGE: Readonly<Record<string, string>> = {
  text: HEX,
  jsonb: `jsonb_build_object('key', ${HEX})`,
  json: `json_build_object('key', ${HEX})`,
  bytea: `decode(${HEX}, 'hex')`,
  "text[]": `ARRAY[${HEX}, NULL, '{"']`,
  "int[]": "(SELECT array_agg((random() * 1e9)::int) FROM generate_series(1, 4000))",
  "uuid[]": "(SELECT array_agg(md5(random()::text)::uuid) FROM generate_series(1, 1000))",
  "numeric[]": "(SELECT array_agg(random()::numeric) FROM generate_series(1, 3000))",
  numeric: "(SELECT string_agg((random() * 1e9)::int::text, '')::numeric FROM generate_series(1, 3000))",
  hstore: `hstore('key', ${HEX})`,
};

const columns = Object.keys(LARGE).map((type, i) => `c${i} ${type}`).join(", ");
const values = Object.values(LARGE).join(", ");
const names = Object.keys(LARGE).map((_, i) => `c${i}`);

/** Tables by replica identity, each with a row of large values, and an update of a small column of each. */
async function changedRows(
  pg: Postgres,
  keys: Record<string, unknown>,
  ...more: string[]
): Promise<DataRecord[]> {
  await pg.query(`
    CREATE EXTENSION IF NOT EXISTS hstore;
    CREATE TABLE d (id int PRIMARY KEY, n int, ${columns});
    CREATE TABLE f (id int PRIMARY KEY, n int, ${columns}); ALTER TABLE f REPLICA IDENTITY FULL;
    CREATE TABLE i (id int PRIMARY KEY, n int, code text NOT NULL, ${columns});
    CREATE UNIQUE INDEX by_code ON i (code); ALTER TABLE i REPLICA IDENTITY USING INDEX by_code;
  `);
  for (const name of [...names, "code"]) {
    for (const table of "dfi") {
      if (table === "i" || name !== "code") {
        await pg.query(`ALTER TABLE ${table} ALTER ${name} SET STORAGE EXTERNAL`);
      }
    }
  }
  // The key of i is large itself.
  const code = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 75))";
  const { records } = await streamed(pg, keys, [
    `INSERT INTO d VALUES (1, 1, ${values}); INSERT INTO f VALUES (1, 1, ${values}); INSERT INTO i VALUES (1, 1, ${code}, ${values})`,
    "UPDATE d SET n = 2; UPDATE f SET n = NULL; UPDATE i SET n = 2",
    ...more,
  ]);
  return records;
}

const row = ({ after }: DataRecord) => after as Row;

for (const version of [18, 15] as const) {
  const server = () => startPostgres({ version, fsync: false });

  Deno.test(`PostgreSQL ${version}: unchanged values of every type are left out and named, or taken from the old row`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    const [d, f, i, newD, newF, newI] = await changedRows(pg, {});
    assert.deepEqual([row(newD), newD.unavailable], [{ id: 1, n: 2 }, names]);
    assert.deepEqual([row(newF), newF.unavailable], [{ ...row(f), n: null }, undefined]);
    assert.deepEqual(newF.before, row(f));
    // The index' column was not sent with the new row, but as the old key, which is the same.
    assert.deepEqual([row(newI), newI.unavailable], [{ id: 1, n: 2, code: row(i).code }, names]);
    assert.deepEqual([d.key, newI.key], [{ id: 1 }, { code: row(i).code }]);
    assert.deepEqual(newI.before, { code: row(i).code });
  });

  Deno.test(`PostgreSQL ${version}: a placeholder stands where the type has room for one, and is named`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    const keys = { toast_handling: "placeholder", unavailable_value_placeholder: "hex:00ff" };
    const [, f, , newD, newF] = await changedRows(pg, keys, "UPDATE d SET id = 2");
    const { c0, c1, c3, c4, c9 } = row(newD);
    assert.deepEqual([c0, c1, c3, c4, c9], [
      "hex:00ff",
      "hex:00ff",
      new Uint8Array([0, 0xff]),
      ["hex:00ff"],
      { "hex:00ff": "hex:00ff" },
    ]);
    const without = names.filter((name) => !(name in row(newD)));
    assert.deepEqual(newD.unavailable, without);
    assert.deepEqual(without.map((name) => Object.keys(LARGE)[names.indexOf(name)]), [
      "int[]",
      "uuid[]",
      "numeric[]",
      "numeric",
    ]);
    assert.deepEqual(newD.source?.placeholder_columns, names.filter((name) => name in row(newD)));
    assert.deepEqual(row(newF), { ...row(f), n: null });
  });

  Deno.test(`PostgreSQL ${version}: reselected values are those of the table, with one query a table and batch; of a row that is gone they stay out`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query(
      `CREATE TABLE gone (id int PRIMARY KEY, n int, big text); CREATE TABLE pair (a int, b text, n int, big text, small text, PRIMARY KEY (b, a))`,
    );
    const [d, f, i, newD, newF, newI, ...rest] = await changedRows(
      pg,
      { toast_handling: "reselect" },
      `
      INSERT INTO gone VALUES (1, 1, ${HEX}); INSERT INTO pair VALUES (1, 'it''s', 1, ${HEX}, 's'), (2, 'it''s', 1, ${HEX}, NULL);
    `,
      "UPDATE gone SET n = 2; DELETE FROM gone; UPDATE pair SET n = 2; UPDATE pair SET a = 3 WHERE a = 2",
    );
    assert.deepEqual(row(newD), { ...row(d), n: 2 });
    assert.deepEqual(row(newF), { ...row(f), n: null });
    assert.deepEqual(row(newI), { ...row(i), n: 2 });
    assert.deepEqual(Object.keys(row(newD)), Object.keys(row(d)));
    assert.deepEqual(newD.source?.reselected_columns, names);
    assert.deepEqual([newD.unavailable, newF.source?.reselected_columns], [undefined, undefined]);
    const [, first, second, update, , firstAgain, secondAgain, deleted, inserted] = rest;
    assert.deepEqual([row(update), update.unavailable], [{ id: 1, n: 2 }, ["big"]]);
    assert.deepEqual(row(firstAgain), { ...row(first), n: 2 });
    // By then its key was another one already.
    assert.deepEqual([row(secondAgain).big, secondAgain.unavailable], [undefined, ["big"]]);
    assert.deepEqual([deleted.operation, deleted.source?.key_changed], ["delete", true]);
    assert.deepEqual(row(inserted), { ...row(second), a: 3, n: 2 });
    assert.deepEqual([inserted.source?.key_changed, inserted.source?.reselected_columns], [true, ["big"]]);
    assert.deepEqual(inserted.order!.slice(-4), "0005");
  });

  Deno.test(`PostgreSQL ${version}: a reselected row keeps its place in the transaction, and its numbers their digits`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id bigint PRIMARY KEY, n bigint, big text)");
    const keys = {
      toast_handling: "reselect",
      transaction_topic: { enabled: true },
      tables: ["t", "finish"],
    };
    const { records } = await streamed(pg, keys, [
      `BEGIN; INSERT INTO t VALUES (9007199254740993, 1, ${HEX}); UPDATE t SET n = 9007199254740995; COMMIT`,
    ]);
    const [insert, update] = records.filter(({ stream }) => stream.name === "t");
    assert.deepEqual(row(update), { ...row(insert), n: 9007199254740995n });
    assert.deepEqual(update.key, { id: 9007199254740993n });
    const place = update.source?.transaction as Row;
    assert.deepEqual([place.total_order, place.data_collection_order], [2, 2]);
  });

  Deno.test(`PostgreSQL ${version}: a column that was dropped since is no reason to stop reselecting`, async (t) => {
    await using pg = await requireServer(t, server);
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY, n int, big text)");
    const { records, context } = await streamed(pg, { toast_handling: "reselect" }, [
      `BEGIN; INSERT INTO t VALUES (1, 1, ${HEX}); UPDATE t SET n = 2; ALTER TABLE t DROP big; COMMIT`,
    ]);
    assert.deepEqual([row(records[1]), records[1].unavailable], [{ id: 1, n: 2 }, ["big"]]);
    assert.equal(context.messages.some((text) => /warn: .*stay out of "public.t"/.test(text)), true);
  });
}

Deno.test("a placeholder has the type of its column, or there is none", () => {
  const text = (type: ColumnType) => {
    const bytes = placeholderFor(type, "gone");
    return bytes && new TextDecoder().decode(bytes);
  };
  assert.equal(text({ kind: "string" }), '"gone"');
  assert.equal(text({ kind: "json" }), '"gone"');
  assert.equal(text({ kind: "bytes" }), '"Z29uZQ=="');
  assert.equal(text({ kind: "array", items: { kind: "array", items: { kind: "string" } } }), '[["gone"]]');
  assert.equal(text({ kind: "map", values: { kind: "string" } }), '{"gone":"gone"}');
  for (const kind of ["int32", "uuid", "date", "float64"] as const) {
    assert.equal(text({ kind }), undefined);
    assert.equal(text({ kind: "array", items: { kind } }), undefined);
  }
  assert.equal(text({ kind: "decimal" }), undefined);
  assert.equal(text({ kind: "enum", values: ["a"] }), undefined);
});
