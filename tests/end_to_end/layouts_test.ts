/** The same changes of a real PostgreSQL in every layout, as they stand in the files of one run. */
import assert from "node:assert/strict";
import { startPostgres } from "../servers/postgres.ts";
import golden from "./testdata/postgres_layouts.json" with { type: "json" };
import { Program, scratch } from "./program.ts";

const LAYOUTS = ["standard", "rivven", "cdc_event", "plain", "full"] as const;

const file = (port: number) => `
version: "1.0"
settings: { state_dir: state }
sources:
  db:
    connector: postgres-cdc
    config:
      host: 127.0.0.1
      port: ${port}
      database: postgres
      user: postgres
      password: "\${PGPASSWORD}"
      tables: [public.items]
      skipped_operations: [none]
      logical_messages: { enabled: true }
      tombstone: { enabled: true }
sinks:
${
  LAYOUTS.map((layout) =>
    `  ${layout}: { connector: file, config: { path: ${layout}.jsonl, envelope: ${layout} } }`
  )
    .join("\n")
}
pipelines:
${LAYOUTS.map((layout) => `  ${layout}: { source: db, sink: ${layout} }`).join("\n")}
`;

/** What differs from run to run, by what it is: times, places in the log, transactions. */
function normalised(line: string): string {
  return line
    .replaceAll(/"(ts_ms|ts_us|ts_ns|lsn_num|txId|commit_ts)":\d+/g, '"$1":0')
    .replaceAll(/"timestamp":\d+/g, '"timestamp":0')
    .replaceAll(/"timestamp":"[^"]+"/g, '"timestamp":"T"')
    .replaceAll(/"transaction_id":"\d+"/g, '"transaction_id":"0"')
    .replaceAll(/"id":"\d+","lsn"/g, '"id":"0","lsn"')
    .replaceAll(/"lsn":"[0-9A-F]+\/[0-9A-F]+"/g, '"lsn":"0/0"')
    .replaceAll(/"sequence":"\[(?:\\"\d+\\"|null),\\"\d+\\"\]"/g, '"sequence":"S"')
    .replaceAll(/"(order|position)":"[0-9A-F]{16}\/0{12}/g, '"$1":"G/')
    .replaceAll(/"version":"[\d.]+"/g, '"version":"V"');
}

Deno.test("each kind of record of PostgreSQL in each layout is what it is documented to be", async () => {
  using dir = scratch();
  await using pg = await startPostgres({ version: 18, fsync: false });
  await pg.query(`
    CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL, price numeric(10, 2), made timestamptz, tags text[]);
    INSERT INTO items VALUES (9007199254740993, 'old', 1.50, '2026-01-31 12:00:00.5+02', '{a,NULL}');
  `);
  dir.write("connect.yaml", file(pg.port));
  await using program = new Program(["run"], { cwd: dir.path, env: { PGPASSWORD: pg.password } });
  await program.says("Streaming from");
  await pg.query("INSERT INTO items VALUES (2, 'Zoë \"Q\"', NULL, 'infinity', '{}')");
  await pg.query("UPDATE items SET price = 2.5 WHERE id = 2");
  await pg.query("UPDATE items SET id = 3 WHERE id = 2");
  await pg.query("DELETE FROM items WHERE id = 3");
  await pg.query("TRUNCATE items RESTART IDENTITY");
  await pg.query("SELECT pg_logical_emit_message(true, 'audit', 'text')");
  const read = (layout: string) =>
    Deno.readTextFileSync(`${dir.path}/${layout}.jsonl`).split("\n").slice(0, -1);
  const deadline = performance.now() + 120_000;
  const isThere = (layout: string) => {
    try {
      return read(layout).some((line) => line.includes('"audit"'));
    } catch {
      return false;
    }
  };
  while (!LAYOUTS.every(isThere)) {
    if (performance.now() > deadline) {
      throw new Error(`No message in every file after two minutes:\n${program.stderr}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { code, stderr } = await program.stop();
  assert.equal(code, 0, stderr);
  const found = Object.fromEntries(LAYOUTS.map((layout) => [layout, read(layout).map(normalised)]));
  for (const layout of LAYOUTS) assert.deepEqual(found[layout], golden[layout], layout);
});
