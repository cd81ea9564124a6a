/** `run` as a user meets it: what it says and how it ends, when all is well and when something is not. */
import assert from "node:assert/strict";
import { freePort } from "../servers/process.ts";
import { type Postgres, startPostgres } from "../servers/postgres.ts";
import { Program, runProgram, scratch } from "./program.ts";

const endless = (more = "") => `
version: "1.0"
settings: { state_dir: state${more} }
sources: { shop: { connector: datagen, config: { pattern: orders, events_per_second: 1000 } } }
sinks: { files: { connector: file, config: { path: "out/{stream}.jsonl" } } }
pipelines: { all: { source: shop, sink: files } }
`;

const follow = (more = "", state = "state") => `
version: "1.0"
settings: { state_dir: ${state} }
sources:
  db:
    connector: postgres-cdc
    config:
      host: 127.0.0.1
      port: \${PGPORT}
      database: postgres
      user: postgres
      password: "\${PGPASSWORD}"
      tables: [public.items]
      slot_name: run_test
      publication: run_test
      ${more}
sinks: { files: { connector: file, config: { path: "out/{stream}.jsonl" } } }
pipelines: { all: { source: db, sink: files } }
`;

function lines(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n").slice(0, -1);
  } catch {
    return [];
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`It took longer than two minutes: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

Deno.test("the first SIGTERM drains: what was read is in the file, committed, and the exit code is 0", async () => {
  using dir = scratch();
  dir.write("connect.yaml", endless());
  await using program = new Program(["run"], { cwd: dir.path });
  await until("records", () => lines(`${dir.path}/out/datagen.jsonl`).length > 100);
  const { code, stderr, stdout } = await program.stop();
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "", "something but records is on standard output");
  assert.match(stderr, /Draining after SIGTERM/);
  const durable = Number(/drained: ([\d,]+) records durable/.exec(stderr)![1].replaceAll(",", ""));
  assert.equal(lines(`${dir.path}/out/datagen.jsonl`).length, durable);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`a second ${signal} ends the program at once with ${code}`, async () => {
    using dir = scratch();
    dir.write("connect.yaml", endless());
    // The drain can't end: the worker of the sink stands still.
    const env = { RIVVEN_FAILPOINT: "after_read:1000000" };
    await using program = new Program(["run", "--shutdown-timeout", "1h"], { cwd: dir.path, env });
    await until("records", () => lines(`${dir.path}/out/datagen.jsonl`).length > 0);
    program.kill(signal);
    program.kill(signal);
    const ended = await program.ended;
    assert.ok(
      ended.code === code || (ended.code === 0 && /drained/.test(ended.stderr)),
      `${ended.code}: ${ended.stderr}`,
    );
  });
}

Deno.test("broken YAML and unset variables are found before anything starts, with line, column and exit code 2", async () => {
  using dir = scratch();
  dir.write("broken.yaml", 'version: "1.0"\nsources:\n  a: { connector: datagen\nsinks: [');
  const broken = await runProgram(["run", "-c", "broken.yaml"], { cwd: dir.path });
  assert.equal(broken.code, 2);
  assert.match(broken.stderr, /broken\.yaml:\d+:\d+: /);
  dir.write("unset.yaml", follow());
  const unset = await runProgram(["run", "-c", "unset.yaml"], { cwd: dir.path, env: { PGPORT: "1" } });
  assert.equal(unset.code, 2);
  assert.match(unset.stderr, /unset\.yaml:12:\d+: .*PGPASSWORD/);
  assert.throws(() => Deno.statSync(`${dir.path}/state`), Deno.errors.NotFound);
});

Deno.test("a state directory that can't be used, or is in use, is an error of the environment", async () => {
  using dir = scratch();
  dir.write("a-file", "");
  dir.write("connect.yaml", endless().replace("state_dir: state", "state_dir: a-file/state"));
  const unusable = await runProgram(["run"], { cwd: dir.path });
  assert.equal(unusable.code, 3, unusable.stderr);
  assert.match(unusable.stderr, /Cannot use "a-file\/state" as state directory/);
  dir.write("connect.yaml", endless());
  await using program = new Program(["run"], { cwd: dir.path });
  await program.says("shop → files");
  const second = await runProgram(["run"], { cwd: dir.path });
  assert.equal(second.code, 3, second.stderr);
  assert.match(second.stderr, new RegExp(`in use by process ${program.pid}`));
});

Deno.test("a full disk loses nothing: the pipeline waits, and goes on when there is room", async () => {
  using dir = scratch();
  const disk = `${dir.path}/out`;
  Deno.mkdirSync(disk);
  const mounted = await new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "size=400k", "tmpfs", disk] })
    .output()
    .catch(() => undefined);
  if (!mounted?.success) {
    console.log("skipped: this machine does not let the test mount a small disk");
    return;
  }
  try {
    dir.write("connect.yaml", endless());
    await using program = new Program(["run"], { cwd: dir.path });
    await program.says("trying again");
    await new Deno.Command("mount", { args: ["-o", "remount,size=50m", disk] }).output();
    await until("records after the remount", () => lines(`${disk}/datagen.jsonl`).length > 3000);
    const { code, stderr } = await program.stop();
    assert.equal(code, 0, stderr);
    const orders = lines(`${disk}/datagen.jsonl`).map((line) => JSON.parse(line).metadata.position);
    assert.deepEqual(orders, orders.map((_, i) => `0/${String(i).padStart(16, "0")}`));
  } finally {
    await new Deno.Command("umount", { args: [disk] }).output();
  }
});

// One server for what only needs to be refused.
Deno.test("what PostgreSQL refuses is told with what to do, and no output holds the password", async (t) => {
  await using pg = await startPostgres({ settings: { wal_level: "replica" } });
  const env = { PGPORT: String(pg.port), PGPASSWORD: pg.password };
  await pg.query("CREATE TABLE items (id int PRIMARY KEY)");
  const refused = async (pipeline: string, password: string, expected: RegExp, code = 3) => {
    using dir = scratch();
    dir.write("connect.yaml", pipeline);
    for (const command of ["run", "check"]) {
      const result = await runProgram([command], { cwd: dir.path, env: { ...env, PGPASSWORD: password } });
      const said = result.stderr + result.stdout;
      assert.equal(result.code, code, `${command}: ${said}`);
      assert.match(said, expected);
      assert.match(said, /→ /, "no hint");
      assert.ok(!said.includes(password), "the password is in the output");
    }
  };
  await t.step(
    "wrong password",
    () => refused(follow(), "a wrong password 4711", /password authentication failed/i),
  );
  await t.step("wal_level", () => refused(follow(), pg.password, /wal_level/));
  await pg.query("ALTER SYSTEM SET wal_level = logical");
  await using again = await restarted(pg);
  await t.step(
    "publication",
    () => refused(follow("auto_create_publication: false"), again.password, /publication "run_test"/),
  );
  await t.step(
    "a table that the file names and nobody has is the file's fault",
    () => refused(follow().replace("public.items", "public.none"), again.password, /public\.none/, 2),
  );
});

async function restarted(pg: Postgres): Promise<{ password: string } & AsyncDisposable> {
  await pg.stop();
  const path = `${pg.dataDir}/postgresql.conf`;
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replace(/wal_level = '?replica'?/g, "wal_level = logical"));
  await pg.start();
  return { password: pg.password, [Symbol.asyncDispose]: () => Promise.resolve() };
}

Deno.test("a database that is away at the start, and goes away later, is waited for", async () => {
  using dir = scratch();
  dir.write("connect.yaml", follow());
  const port = await freePort();
  await using pg = await startPostgres({ port });
  await pg.query("CREATE TABLE items (id int PRIMARY KEY, note text)");
  await pg.query("INSERT INTO items VALUES (1, 'before')");
  await pg.stop();
  const env = { PGPORT: String(port), PGPASSWORD: pg.password };
  await using program = new Program(["run"], { cwd: dir.path, env });
  await program.says("trying again");
  await pg.start();
  const file = `${dir.path}/out/items.jsonl`;
  await until("the snapshot", () => lines(file).length === 1);
  await pg.query("INSERT INTO items VALUES (2, 'streamed')");
  await until("the stream", () => lines(file).length === 2);
  await pg.restart({ mode: "immediate" });
  await pg.query("INSERT INTO items VALUES (3, 'after the crash')");
  await until("the stream after the crash", () => lines(file).length === 3);
  const { code, stderr } = await program.stop();
  assert.equal(code, 0, stderr);
  assert.deepEqual(lines(file).map((line) => JSON.parse(line).after.id), [1, 2, 3]);
});

Deno.test("a slot that another program reads is waited for, and its reader is named", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE items (id int PRIMARY KEY)");
  using dir = scratch();
  dir.write("first.yaml", follow());
  dir.write(
    "second.yaml",
    follow("snapshot: { mode: never }\n      slot_retry_delay_ms: 100\n      slot_max_retries: 1", "other"),
  );
  const env = { PGPORT: String(pg.port), PGPASSWORD: pg.password };
  await using first = new Program(["run", "-c", "first.yaml"], { cwd: dir.path, env });
  await pg.query("INSERT INTO items VALUES (1)");
  await until("the first to read", () => lines(`${dir.path}/out/items.jsonl`).length > 0);
  await using second = new Program(["run", "-c", "second.yaml"], { cwd: dir.path, env });
  await second.says("trying again");
  const [{ pid }] = await pg.query(
    "SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = 'run_test'",
  );
  assert.ok(second.stderr.includes(String(pid)), second.stderr);
  await second.stop();
  assert.equal((await first.stop()).code, 0);
});
