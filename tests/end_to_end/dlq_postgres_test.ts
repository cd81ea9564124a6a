/** A row that postgres-cdc can't read: kept with the server's text of the value, mended, and replayed. */
import assert from "node:assert/strict";
import { startPostgres } from "../servers/postgres.ts";
import { Program, runProgram, scratch } from "./program.ts";

const FILE = `
version: "1.0"
settings: { state_dir: state }
sources:
  shop:
    connector: postgres-cdc
    config:
      host: "\${PGHOST}"
      port: \${PGPORT}
      database: postgres
      user: "\${PGUSER}"
      password: "\${PGPASSWORD}"
      tables: [public.places]
sinks:
  files: { connector: file, config: { path: out.jsonl } }
pipelines:
  places: { source: shop, sink: files, settings: { on_error: dead_letter, dead_letter_max_ratio: 1 } }
`;

interface Change {
  readonly op: string;
  readonly after: { readonly id: number; readonly at: unknown };
}

Deno.test("a row with a value of a type that has lost a field is kept aside, mended and replayed; the others go on", async () => {
  await using pg = await startPostgres();
  using dir = scratch();
  const env = { PGHOST: pg.host, PGPORT: String(pg.port), PGUSER: pg.user, PGPASSWORD: pg.password };
  const cwd = dir.path;
  dir.write("connect.yaml", FILE);
  await pg.query("CREATE TYPE point2 AS (x int, y int)");
  await pg.query("CREATE TABLE places (id int PRIMARY KEY, at point2)");
  await pg.query("INSERT INTO places VALUES (1, (1, 2))");
  const read = (): Change[] => {
    try {
      return Deno.readTextFileSync(`${cwd}/out.jsonl`).split("\n").slice(0, -1).map((line) =>
        JSON.parse(line)
      );
    } catch {
      return [];
    }
  };
  const runUntil = async (count: number) => {
    await using program = new Program(["run"], { cwd, env });
    const late = performance.now() + 120_000;
    while (read().length < count) {
      assert.ok(performance.now() < late, `${read().length} of ${count} rows:\n${program.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { code, stderr } = await program.stop();
    assert.equal(code, 0, stderr);
    return stderr;
  };
  await runUntil(1);
  await pg.query("INSERT INTO places VALUES (2, (3, 4))");
  await pg.query("ALTER TYPE point2 DROP ATTRIBUTE y");
  await pg.query("INSERT INTO places VALUES (3, ROW(5))");
  const stderr = await runUntil(2);
  assert.match(stderr, /went to the dead letters: Cannot read column "at" of "public\.places"/);
  assert.deepEqual(read().map(({ after: { id } }) => id), [1, 3]);

  const dlq = async (...args: string[]) => await runProgram(["dlq", ...args], { cwd, env });
  const [letter] = JSON.parse((await dlq("list", "--json")).stdout);
  assert.deepEqual([letter.stage, letter.connector_name, letter.stream], ["decode", "shop", "places"]);
  const { record } = JSON.parse((await dlq("show", letter.id, "--json")).stdout);
  assert.deepEqual([record.op, record.after], ["c", { id: 2, at: "(3,4)" }]);
  const { code, stderr: said } = await dlq("replay", letter.id, "--set", 'after.at={"x":3}');
  assert.equal(code, 0, said);
  await pg.query("INSERT INTO places VALUES (4, ROW(7))");
  await runUntil(4);
  assert.deepEqual(read().map(({ after }) => after), [
    { id: 1, at: { x: 1, y: 2 } },
    { id: 3, at: { x: 5 } },
    { id: 2, at: { x: 3 } },
    { id: 4, at: { x: 7 } },
  ]);
});
