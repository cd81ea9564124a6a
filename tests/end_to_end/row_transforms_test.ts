/** Rows of a real table through the transforms of rows, from the snapshot and from the stream, into files. */
import assert from "node:assert/strict";
import { startPostgres } from "../servers/postgres.ts";
import { Program, scratch } from "./program.ts";

const BIG = 9007199254740993n;

/** The lines of a file as soon as there are so many; fails after three minutes. */
async function linesOf(program: Program, path: string, count: number): Promise<string[]> {
  const deadline = performance.now() + 180_000;
  for (;;) {
    let text = "";
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    const lines = text.split("\n").slice(0, -1);
    if (lines.length >= count) return lines;
    assert.ok(
      performance.now() < deadline,
      `${lines.length} of ${count} lines in ${path}\n${program.stderr}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("rows are renamed, cast, converted and written by themselves, exactly, in snapshot and stream", async () => {
  await using pg = await startPostgres();
  await pg.createDatabase("shop");
  const db = await pg.connect({ database: "shop" });
  try {
    await db.query(`CREATE TABLE orders (
      ord_id bigint PRIMARY KEY, customer bigint, total numeric, placed timestamptz, doc jsonb, notes text, secret text
    )`);
    await db.query("ALTER TABLE orders REPLICA IDENTITY FULL");
    await db.query(
      `INSERT INTO orders VALUES (${BIG}, 7, 12.5, '2024-07-01 10:00:00.123456+00', '{"n": ${BIG}}', repeat('x', 9000), 's')`,
    );
    using dir = scratch();
    dir.write(
      "connect.yaml",
      `
settings: { state_dir: state }
sources:
  shop:
    connector: postgres-cdc
    config:
      host: 127.0.0.1
      port: ${pg.port}
      database: shop
      user: postgres
      password: \${POSTGRES_PASSWORD}
      tables: [public.orders]
      tombstone: { enabled: true }
      transforms:
        - type: rename_field
          config: { renames: [{ match: "^ord_", to: "" }], exclude: [secret] }
        - type: cast
          config: { specs: { total: "decimal(12,2)", customer: string }, on_error: fail }
        - type: timezone_converter
          config: { fields: [placed], to: Europe/Berlin }
        - type: unwrap
          config: { field: doc }
sinks:
  changes: { connector: file, config: { path: changes.jsonl } }
  rows: { connector: file, config: { path: rows.jsonl } }
pipelines:
  all: { source: shop, sink: changes, transforms: [keyed] }
  flat: { source: shop, sink: rows, transforms: [keyed, flat] }
transforms:
  keyed:
    type: value_to_key
    config: { fields: [customer] }
  flat:
    type: extract_new_record_state
    config: { add_op: true, add_table: true, add_fields: ["source.name:from"] }
`,
    );
    await using program = new Program(["run"], {
      cwd: dir.path,
      env: { POSTGRES_PASSWORD: pg.password },
    });
    await linesOf(program, `${dir.path}/rows.jsonl`, 1);
    // What is not sent because it did not change is in the row before; the key goes from one customer to another.
    await db.query("UPDATE orders SET total = 20 WHERE customer = 7");
    await db.query("UPDATE orders SET customer = 8 WHERE customer = 7");
    await db.query("DELETE FROM orders");
    const rows = await linesOf(program, `${dir.path}/rows.jsonl`, 5);
    const changes = await linesOf(program, `${dir.path}/changes.jsonl`, 5);
    const { code, stderr } = await program.stop();
    assert.equal(code, 0, stderr);

    const notes = JSON.stringify("x".repeat(9000));
    const row = (customer: number, total: string) =>
      `{"id":${BIG},"customer":"${customer}","total":"${total}","placed":"2024-07-01T12:00:00.123456+02:00",` +
      `"notes":${notes},"n":${BIG}`;
    assert.deepEqual(rows, [
      `${row(7, "12.50")},"__table":"orders","__op":"r","__from":"shop"}`,
      `${row(7, "20.00")},"__table":"orders","__op":"u","__from":"shop"}`,
      `${row(7, "20.00")},"__deleted":true,"__table":"orders","__op":"d","__from":"shop"}`,
      `${row(8, "20.00")},"__table":"orders","__op":"c","__from":"shop"}`,
      `${row(8, "20.00")},"__deleted":true,"__table":"orders","__op":"d","__from":"shop"}`,
    ]);
    const kinds = changes.map((line) => {
      const { op, before, after } = JSON.parse(line);
      return [op, before?.customer ?? null, after?.customer ?? null, before?.notes?.length ?? null];
    });
    assert.deepEqual(kinds, [
      ["r", null, "7", null],
      ["u", "7", "7", 9000],
      ["d", "7", null, 9000],
      ["c", null, "8", null],
      ["d", "8", null, 9000],
    ]);
    assert.ok(changes.every((line) => !line.includes("secret") && !line.includes("ord_id")));
    const orders = changes.map((line) => JSON.parse(line).source.order as string);
    assert.deepEqual(orders, orders.toSorted());
    assert.equal(new Set(orders).size, 5);
  } finally {
    await db.end();
  }
});
