import assert from "node:assert/strict";
import { createDecrypter, keysFromEnvironment } from "../../transforms/_protection/decrypt.ts";
import { startPostgres } from "../servers/postgres.ts";
import { waitUntil } from "../servers/process.ts";
import { Program, runProgram, scratch } from "./program.ts";

const KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW_KEY = "ab".repeat(32);
const MASK_KEY = "a key for hashes, long enough";

interface Line {
  readonly op: string;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
}

/** The lines of a file as soon as there are so many; fails after two minutes. */
async function linesOf(path: string, count: number): Promise<string[]> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    let text = "";
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    const lines = text.split("\n").slice(0, -1);
    if (lines.length >= count) return lines;
    assert.ok(performance.now() < deadline, `${lines.length} of ${count} lines in ${path}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function* filesIn(folder: string): AsyncIterable<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* filesIn(`${folder}/${name}`);
    else yield `${folder}/${name}`;
  }
}

Deno.test("columns are protected in the snapshot and in the stream, across a restart and a rotation, and nowhere in clear", async (t) => {
  await using pg = await startPostgres();
  await pg.createDatabase("shop");
  const db = await pg.connect({ database: "shop" });
  try {
    await db.query(`CREATE TABLE users (
      id bigint PRIMARY KEY, ssn text, balance numeric(30,2), photo bytea, born date, notes text, password_hash text,
      email text, profile jsonb
    )`);
    await db.query("ALTER TABLE users REPLICA IDENTITY FULL");
    const insert = (id: bigint, secret: string) =>
      db.query(
        `INSERT INTO users VALUES (${id}, '${secret}', 12345678901234567890.50, '\\x00ff', '1815-12-10',
          repeat('${secret}', 2000), '${secret}', '${secret}@example.com',
          '{"phones": [{"no": "${secret}", "kind": "home"}], "n": 9007199254740993}')`,
      );
    await insert(9007199254740993n, "hunter2-one");
    const CONFIG = `
sources:
  shop:
    connector: postgres-cdc
    config:
      host: 127.0.0.1
      port: ${pg.port}
      database: shop
      user: postgres
      password: \${POSTGRES_PASSWORD}
      tables: [public.users]
      column_filters: { public.users: { exclude: [password_hash] } }
      column_masks: { email: { strategy: hash, truncate: 16 } }
      cdc_features:
        encryption:
          enabled: true
          fields: [ssn, "public.users:balance", "shop.public.users:photo", born, notes, profile.phones.no]
        tombstones: { enabled: true }
sinks:
  out: { connector: file, config: { path: out.jsonl } }
pipelines:
  p: { source: shop, sink: out }
`;
    using dir = scratch();
    dir.write("connect.yaml", CONFIG);
    const options = (more: Record<string, string>) => ({
      cwd: dir.path,
      env: { POSTGRES_PASSWORD: pg.password, RIVVEN_MASK_KEY: MASK_KEY, ...more },
    });
    const out = `${dir.path}/out.jsonl`;

    await t.step("without its key it does not start, and check says so", async () => {
      for (const command of ["run", "check"]) {
        const { code, stderr, stdout } = await runProgram([command], options({}));
        assert.equal(code, 2, stdout);
        assert.match(stderr + stdout, /RIVVEN_ENCRYPTION_KEY is not set/);
      }
    });

    await t.step("snapshot and stream", async () => {
      await using program = new Program(["run"], options({ RIVVEN_ENCRYPTION_KEY: KEY }));
      await linesOf(out, 1);
      await insert(2n, "hunter2-two");
      await db.query("UPDATE users SET born = NULL WHERE id = 2");
      await db.query("DELETE FROM users WHERE id = 2");
      await linesOf(out, 4);
      // What is not committed comes again, and would have the other version of the key then.
      const { rows: [{ lsn }] } = await db.query("SELECT pg_current_wal_lsn() AS lsn");
      const isCommitted = "SELECT FROM pg_replication_slots WHERE confirmed_flush_lsn >= $1::pg_lsn";
      await waitUntil(async () => (await db.query(isCommitted, [lsn])).rows.length > 0, {
        what: "the position to be acknowledged",
        timeoutMs: 120_000,
      });
      program.kill("SIGKILL");
      await program.ended;
    });
    await t.step("another version of the key after a restart", async () => {
      const both = { RIVVEN_ENCRYPTION_KEY: KEY, RIVVEN_ENCRYPTION_KEY_V2: NEW_KEY };
      await using program = new Program(["run"], options(both));
      await insert(3n, "hunter2-three");
      await linesOf(out, 5);
      const { code, stderr } = await program.stop();
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr, /hunter2/);
    });

    const lines = await linesOf(out, 5);
    for await (const path of filesIn(dir.path)) {
      // Of state.db too, byte by byte.
      const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
      assert.doesNotMatch(text, /hunter2|1815-12-10|a key for hashes|000102030405/, path);
      if (path === out) assert.doesNotMatch(text, /password_hash/);
    }
    const keys = { RIVVEN_ENCRYPTION_KEY: KEY, RIVVEN_ENCRYPTION_KEY_V2: NEW_KEY };
    const decrypter = createDecrypter({
      keys: keysFromEnvironment((name) => keys[name as keyof typeof keys]),
    });
    const opened = lines.map((line) => JSON.parse(decrypter.text(line)) as Line);
    assert.deepEqual(opened.map(({ op }) => op), ["r", "c", "u", "d", "c"]);
    const clear = (secret: string, born: string | null = "1815-12-10") => ({
      ssn: secret,
      balance: "12345678901234567890.50",
      photo: "AP8=",
      born,
      notes: secret.repeat(2000),
      phone: secret,
    });
    const shown = (row: Line["after"]) => {
      if (row === null || row === undefined) return null;
      const { ssn, balance, photo, born, notes, profile } = row;
      return {
        ssn,
        balance,
        photo,
        born,
        notes,
        phone: (profile as { phones: { no: string }[] }).phones[0].no,
      };
    };
    assert.deepEqual(opened.map(({ before, after }) => [shown(before), shown(after)]), [
      [null, clear("hunter2-one")],
      [null, clear("hunter2-two")],
      [clear("hunter2-two"), clear("hunter2-two", null)],
      [clear("hunter2-two", null), null],
      [null, clear("hunter2-three")],
    ]);
    assert.match(opened[0].after!.email as string, /^[0-9a-f]{16}$/);
    assert.match(lines[0], /"id":9007199254740993,/);
    assert.match(decrypter.text(lines[0]), /"n":9007199254740993/);
    const versions = lines.map((line) => /"__key_version":(\d)/.exec(line)?.[1]);
    assert.deepEqual(versions, ["1", "1", "1", "1", "2"]);
    const decrypted = await runProgram(["decrypt", "out.jsonl"], options(keys));
    assert.deepEqual(decrypted.stdout.trimEnd().split("\n"), lines.map((line) => decrypter.text(line)));
  } finally {
    await db.end();
  }
});

Deno.test("a column that its table does not have stops the source before the first row, and check finds it", async () => {
  await using pg = await startPostgres();
  await pg.createDatabase("shop");
  const db = await pg.connect({ database: "shop" });
  try {
    await db.query("CREATE TABLE users (id bigint PRIMARY KEY, ssn text)");
    await db.query("INSERT INTO users VALUES (1, 'hunter2')");
    using dir = scratch();
    const file = (fields: string) => `
sources:
  shop:
    connector: postgres-cdc
    config:
      { host: 127.0.0.1, port: ${pg.port}, database: shop, user: postgres, password: "\${POSTGRES_PASSWORD}",
        column_masks: [${fields}] }
sinks:
  out: { connector: file, config: { path: out.jsonl } }
pipelines:
  p: { source: shop, sink: out }
`;
    const check = () => runProgram(["check"], { cwd: dir.path, env: { POSTGRES_PASSWORD: pg.password } });
    for (const [fields, code] of [["public.users.snn", "no column"], ["id", "key column"]]) {
      dir.write("connect.yaml", file(fields));
      const { code: exit, stderr } = await runProgram(["run"], {
        cwd: dir.path,
        env: { POSTGRES_PASSWORD: pg.password },
      });
      assert.notEqual(exit, 0);
      assert.match(stderr, new RegExp(code));
      assert.doesNotMatch(stderr, /hunter2/);
      const written = await Deno.readTextFile(`${dir.path}/out.jsonl`).catch(() => "");
      assert.equal(written, "");
      const checked = await check();
      assert.equal(checked.code, 2, checked.stdout);
      assert.match(checked.stdout, new RegExp(`✗ transforms .*${code}`));
    }
    dir.write("connect.yaml", file("snn, ssn"));
    const warned = await check();
    assert.equal(warned.code, 0, warned.stdout);
    assert.match(warned.stdout, /! transforms +"[^":]+": No table that came has "snn"/);
    dir.write("connect.yaml", file("ssn"));
    assert.match((await check()).stdout, /✓ transforms +they fit the table that is there/);
  } finally {
    await db.end();
  }
});

Deno.test("an encrypted value that an update did not send stays away; a text that stands for it is encrypted as any", async () => {
  await using pg = await startPostgres();
  await pg.createDatabase("shop");
  const db = await pg.connect({ database: "shop" });
  try {
    await db.query("CREATE TABLE docs (id bigint PRIMARY KEY, n int, body text)");
    await db.query("ALTER TABLE docs ALTER body SET STORAGE EXTERNAL");
    await db.query("INSERT INTO docs VALUES (1, 0, repeat('hunter2', 2000))");
    for (const [handling, expected] of [["omit", undefined], ["placeholder", "__rivven_unavailable_value"]]) {
      using dir = scratch();
      dir.write(
        "connect.yaml",
        `
sources:
  shop:
    connector: postgres-cdc
    config:
      { host: 127.0.0.1, port: ${pg.port}, database: shop, user: postgres, password: "\${POSTGRES_PASSWORD}",
        slot_name: s_${handling}, publication: p_${handling}, toast_handling: ${handling},
        encryption: { enabled: true, fields: [body] } }
sinks:
  out: { connector: file, config: { path: out.jsonl } }
pipelines:
  p: { source: shop, sink: out }
`,
      );
      const env = { POSTGRES_PASSWORD: pg.password, RIVVEN_ENCRYPTION_KEY: KEY };
      await using program = new Program(["run"], { cwd: dir.path, env });
      await linesOf(`${dir.path}/out.jsonl`, 1);
      await db.query("UPDATE docs SET n = n + 1");
      const lines = await linesOf(`${dir.path}/out.jsonl`, 2);
      assert.equal((await program.stop()).code, 0);
      const [snapshot, update] = lines.map((line) => JSON.parse(line));
      assert.equal(snapshot.after.body.__encrypted, true);
      assert.equal(update.op, "u");
      const opened = createDecrypter({ keys: { default: { 1: KEY } } }).value(
        update.after,
      ) as typeof update.after;
      assert.equal(opened.body, expected);
      if (expected === undefined) assert.deepEqual(update.source.unavailable_columns, ["body"]);
    }
  } finally {
    await db.end();
  }
});
