/**
 * The first promise, from outside: the whole program is killed at every named point and at random moments, while rows
 * are written; after each restart nothing is lost, and in a file nothing is there twice.
 */
import assert from "node:assert/strict";
import { FAILPOINTS } from "../../runtime/failpoint.ts";
import { Program, runProgram, scratch } from "../end_to_end/program.ts";
import { startPostgres } from "../servers/postgres.ts";
import { Writer } from "./writer.ts";

/** @param events how many in all; 0: without end, so that a program is killed however slow the machine is */
const generated = (events: number) => `
version: "1.0"
settings: { state_dir: state }
sources:
  shop:
    connector: datagen
    config: { pattern: orders, cdc_mode: true, seed: 7, events_per_second: 4000, max_events: ${events} }
sinks:
  files:
    connector: file
    config: { path: "out/{stream}.jsonl" }
pipelines:
  all: { source: shop, sink: files }
`;

Deno.test("killed at every named point, a generated stream is in the file once, in order", async () => {
  using dir = scratch();
  dir.write("connect.yaml", generated(0));
  for (const [i, point] of FAILPOINTS.entries()) {
    const env = { RIVVEN_FAILPOINT: `${point}:${i % 3 + 1}` };
    const { signal, stderr } = await runProgram(["run"], { cwd: dir.path, env });
    assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
  }
  const file = `${dir.path}/out/datagen.jsonl`;
  const events = lines(file).length + 1000;
  dir.write("connect.yaml", generated(events));
  const { code, stderr } = await runProgram(["run"], { cwd: dir.path });
  assert.equal(code, 0, stderr);
  const orders = lines(file).map((line) => JSON.parse(line).source.order);
  assert.equal(orders.length, events);
  assert.deepEqual(orders, Array.from({ length: events }, (_, i) => `0/${String(i).padStart(16, "0")}`));
});

const FOLLOWED = `
version: "1.0"
settings: { state_dir: state }
sources:
  db:
    connector: postgres-cdc
    config:
      host: "\${PGHOST}"
      port: \${PGPORT}
      database: postgres
      user: "\${PGUSER}"
      password: "\${PGPASSWORD}"
      tables: [public.accounts]
      slot_name: kill_test
      publication: kill_test
sinks:
  files:
    connector: file
    config: { path: "out/{stream}.jsonl" }
pipelines:
  all: { source: db, sink: files }
`;

Deno.test("killed at every named point and at random, under live writes, PostgreSQL's rows are all in the file", async () => {
  await using pg = await startPostgres();
  using dir = scratch();
  dir.write("connect.yaml", FOLLOWED);
  const env = { PGHOST: pg.host, PGPORT: String(pg.port), PGUSER: pg.user, PGPASSWORD: pg.password };
  await pg.query("CREATE TABLE accounts (id bigint PRIMARY KEY, balance numeric NOT NULL, note text)");
  await pg.query("INSERT INTO accounts SELECT i, i, repeat('x', 200) FROM generate_series(1, 3000) i");
  {
    await using _writer = new Writer(pg, 42);
    for (const [i, point] of FAILPOINTS.entries()) {
      const kill = { ...env, RIVVEN_FAILPOINT: `${point}:${i % 4 + 1}` };
      const { signal, stderr } = await runProgram(["run"], { cwd: dir.path, env: kill });
      assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
    }
    for (let loop = 0; loop < 42; loop++) {
      await using program = new Program(["run"], { cwd: dir.path, env });
      await program.says("db → files");
      // From before the source is connected to well into the stream.
      await new Promise((resolve) => setTimeout(resolve, 40 + (loop * 97) % 900));
      program.kill("SIGKILL");
      const { stderr } = await program.ended;
      assert.doesNotMatch(stderr, /ERROR/, stderr);
    }
  }
  await pg.query("INSERT INTO accounts VALUES (999999, 0, 'the last row')");
  await using program = new Program(["run"], { cwd: dir.path, env });
  await until(
    () => lines(`${dir.path}/out/accounts.jsonl`).some((line) => line.includes("the last row")),
    program,
  );
  const { code, stderr } = await program.stop();
  assert.equal(code, 0, stderr);

  const changes = lines(`${dir.path}/out/accounts.jsonl`).map((line) => JSON.parse(line));
  const streamed = changes.filter(({ source }) => source.lane === "stream").map(({ source }) => source.order);
  assert.deepEqual(streamed, streamed.toSorted(), "changes are out of order");
  assert.equal(new Set(streamed).size, streamed.length, "changes are there twice");
  const rows = new Map<number, unknown>();
  for (const { op, before, after } of changes) {
    if (op === "d") rows.delete(before.id);
    else rows.set(after.id, { ...after });
  }
  const table = await pg.query("SELECT id, balance::text, note FROM accounts ORDER BY id");
  assert.deepEqual(
    [...rows.values()].toSorted((a, b) => (a as { id: number }).id - (b as { id: number }).id),
    table.map(({ id, balance, note }) => ({ id: Number(id), balance, note })),
  );
});

function lines(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n").slice(0, -1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function until(holds: () => boolean, program: Program): Promise<void> {
  let ended: string | undefined;
  program.ended.then(({ stderr }) => ended = stderr);
  const deadline = performance.now() + 120_000;
  while (!holds()) {
    if (ended !== undefined) throw new Error(`The program ended:\n${ended}`);
    if (performance.now() > deadline) throw new Error(`It takes longer than two minutes:\n${program.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
