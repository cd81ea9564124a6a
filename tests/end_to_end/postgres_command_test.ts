/** The command `postgres` and the ways to log in, as a user meets them: connectors in their confined workers. */
import assert from "node:assert/strict";
import { makeAuthority, tlsSettings } from "../servers/certificates.ts";
import { requireServer } from "../servers/missing.ts";
import { type Postgres, startPostgres } from "../servers/postgres.ts";
import { waitUntil } from "../servers/process.ts";
import { startRivvend } from "../servers/rivvend.ts";
import { Program, runProgram, scratch } from "./program.ts";

const ids = (text: string) =>
  text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).after.id);

/** A server with a table of two rows. */
async function withRows(settings: Record<string, string> = {}): Promise<Postgres> {
  const pg = await startPostgres({ settings });
  await pg.query("CREATE TABLE items (id int PRIMARY KEY)");
  await pg.query("INSERT INTO items VALUES (1), (2)");
  return pg;
}

/** The connection without its password. */
const uriOf = ({ user, host, port, database }: Postgres) => `postgres://${user}@${host}:${port}/${database}`;

async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

Deno.test("postgres follows a database into files and goes on where it was, and nothing prints the password", async () => {
  await using pg = await withRows();
  using dir = scratch();
  const flags = [
    "--connection",
    pg.url,
    "--tables",
    "public.items",
    "--slot",
    "mine",
    "--publication",
    "pub",
  ];
  const args = ["postgres", ...flags, "--sink", "file", "--path", "out.jsonl", "--state-dir", "kept", "-v"];
  const read = () => {
    try {
      return ids(Deno.readTextFileSync(`${dir.path}/out.jsonl`));
    } catch {
      return [];
    }
  };
  for (const expected of [[1, 2], [1, 2, 3]]) {
    await using program = new Program(args, { cwd: dir.path });
    await program.says("Streaming from");
    await waitUntil(() => Promise.resolve(read().length >= expected.length || undefined), {
      what: "every row",
      timeoutMs: 120_000,
    });
    const { code, stderr } = await program.stop();
    assert.equal(code, 0, stderr);
    assert.deepEqual(read(), expected);
    assert.ok(!stderr.includes(pg.password) && !stderr.includes(encodeURIComponent(pg.password)), stderr);
    await pg.query("INSERT INTO items VALUES (3) ON CONFLICT DO NOTHING");
  }
  assert.ok(Deno.statSync(`${dir.path}/kept/state.db`).isFile);
  const [{ slots }] = await pg.query("SELECT string_agg(slot_name, ',') AS slots FROM pg_replication_slots");
  assert.equal(slots, "mine");
});

Deno.test("what --print-config prints is a file that run takes", async () => {
  await using pg = await withRows();
  using dir = scratch();
  const flags = ["--connection", pg.url, "--snapshot", "initial_only"];
  const printed = await runProgram(["postgres", ...flags, "--print-config"], { cwd: dir.path });
  assert.equal(printed.code, 0, printed.stderr);
  assert.ok(!printed.stdout.includes(encodeURIComponent(pg.password)));
  dir.write("connect.yaml", printed.stdout);
  const env = { PGPASSWORD: pg.password };
  const fromFile = await runProgram(["run"], { cwd: dir.path, env });
  assert.equal(fromFile.code, 0, fromFile.stderr);
  assert.deepEqual(ids(fromFile.stdout), [1, 2]);
  const fromFlags = await runProgram(["postgres", ...flags, "--state-dir", "other"], { cwd: dir.path });
  assert.deepEqual(ids(fromFlags.stdout), [1, 2], fromFlags.stderr);
  const missing = await runProgram(["postgres", ...flags, "--snapshot", "sometimes"], { cwd: dir.path });
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /<flags>:\d+:\d+: "mode" must be one of/);
});

Deno.test("postgres publishes to a broker", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using pg = await withRows();
  using dir = scratch();
  const flags = ["--connection", pg.url, "--snapshot", "initial_only", "--broker", broker.address];
  const published = await runProgram(["postgres", ...flags, "--topic", "cdc.mydb"], { cwd: dir.path });
  assert.equal(published.code, 0, published.stderr);
  assert.match(published.stderr, /finished: 2 records durable/);
});

Deno.test("the password may come from PGPASSWORD or ~/.pgpass, and the server from PGHOST", async () => {
  await using pg = await withRows();
  using dir = scratch();
  // Deno, too, looks for things at home: its packages.
  const home = { HOME: dir.path, DENO_DIR: await denoDir() };
  const variables = {
    PGHOST: pg.host,
    PGPORT: String(pg.port),
    PGUSER: pg.user,
    PGDATABASE: pg.database,
    ...home,
  };
  const run = (env: Record<string, string>, ...flags: string[]) =>
    runProgram(["postgres", "--snapshot", "initial_only", "--state-dir", crypto.randomUUID(), ...flags], {
      cwd: dir.path,
      env,
    });
  const none = await run(variables);
  assert.equal(none.code, 3, none.stderr);
  assert.match(none.stderr, /there is none.*\n.*PGPASSWORD/);
  const fromVariable = await run({ ...home, PGPASSWORD: pg.password }, "--connection", uriOf(pg));
  assert.deepEqual(ids(fromVariable.stdout), [1, 2], fromVariable.stderr);
  const line = `127.0.0.1:${pg.port}:*:${pg.user}:${pg.password.replaceAll(/[\\:]/g, "\\$&")}\n`;
  dir.write(".pgpass", `# passwords\n${line}`);
  Deno.chmodSync(`${dir.path}/.pgpass`, 0o600);
  const fromFile = await run(variables);
  assert.deepEqual(ids(fromFile.stdout), [1, 2], fromFile.stderr);
  dir.write(
    "connect.yaml",
    "sources: { a: { connector: postgres-cdc } }\nsinks: { b: { connector: stdout } }\n" +
      "pipelines: { c: { source: a, sink: b } }\n",
  );
  const plan = await runProgram(["plan"], { cwd: dir.path, env: variables });
  assert.match(plan.stdout, new RegExp(`reach +127\\.0\\.0\\.1:${pg.port}`));
  assert.ok(!plan.stdout.includes(pg.password));
  Deno.chmodSync(`${dir.path}/.pgpass`, 0o644);
  const open = await run(variables);
  assert.equal(open.code, 3);
  assert.match(open.stderr, /warning: .*\.pgpass" is not used, others may read it: chmod 600/);
});

Deno.test("a worker reads the files that tls names, and no others, and refuses a server that is not the one meant", async (t) => {
  await using ca = await requireServer(t, makeAuthority);
  if (ca === undefined) return;
  await using other = await makeAuthority();
  const server = await ca.signed("server", { name: "localhost", names: ["DNS:localhost"] });
  await using pg = await withRows(tlsSettings(server));
  using dir = scratch();
  const env = { PGPASSWORD: pg.password, PGHOST: "localhost", PGPORT: String(pg.port) };
  const write = (caPath: string) =>
    dir.write(
      "connect.yaml",
      `
settings: { state_dir: "\${STATE_DIR:-state}" }
sources:
  a:
    connector: postgres-cdc
    config:
      database: postgres
      user: postgres
      snapshot: { mode: initial_only }
      tls: { mode: verify-full, ca_cert_path: ${caPath} }
sinks: { b: { connector: stdout, config: { format: json } } }
pipelines: { c: { source: a, sink: b } }
`,
    );
  write(ca.caPath);
  const plan = JSON.parse((await runProgram(["plan", "--json"], { cwd: dir.path, env })).stdout);
  assert.deepEqual(plan.sources[0].permissions, {
    net: [`localhost:${pg.port}`],
    read: [ca.caPath],
    write: [],
    env: [],
    sys: [],
  });
  const good = await runProgram(["run"], { cwd: dir.path, env });
  assert.deepEqual(ids(good.stdout), [1, 2], good.stderr);
  const checked = await runProgram(["check"], { cwd: dir.path, env });
  assert.match(checked.stdout, /ssl +control connection: TLS.*certificate and host name verified/);
  write(other.caPath);
  for (const command of ["run", "check"]) {
    const wrong = await runProgram([command], { cwd: dir.path, env });
    assert.equal(wrong.code, 3, wrong.stderr);
    assert.match(wrong.stderr + wrong.stdout, /TLS \(verify-full\) can't be had[^]*→ /);
  }
  await t.step("without a CA, those of DENO_TLS_CA_STORE count", async () => {
    dir.write(
      "connect.yaml",
      Deno.readTextFileSync(`${dir.path}/connect.yaml`).replace(/, ca_cert_path: [^ ]+/, ""),
    );
    const system = { ...env, STATE_DIR: "another", DENO_TLS_CA_STORE: "system", SSL_CERT_FILE: ca.caPath };
    const trusted = await runProgram(["run"], { cwd: dir.path, env: system });
    assert.deepEqual(ids(trusted.stdout), [1, 2], trusted.stderr);
    const untrusted = await runProgram(["run"], { cwd: dir.path, env });
    assert.equal(untrusted.code, 3, untrusted.stderr);
  });
});

Deno.test("keys of other tools are refused with what to write in their place", async () => {
  using dir = scratch();
  dir.write(
    "file.yaml",
    `version: "1.0"
sources:
  db:
    connector: postgres-cdc
    config: { host: db, database: d, user: u, proto_version: 4, snapshot: { progress_dir: /tmp } }
sinks: { out: { connector: stdout } }
pipelines: { all: { source: db, sink: out } }
`,
  );
  const { code, stdout, stderr } = await runProgram(["validate", "-c", "file.yaml"], { cwd: dir.path });
  assert.equal(code, 2);
  const said = stdout + stderr;
  assert.match(
    said,
    /file\.yaml:5:\d+: Unknown key "proto_version"\s+→ Remove it: newer versions send transactions before/,
  );
  assert.match(said, /Unknown key "progress_dir"\s+→ Remove it: the progress is part of the position/);
});
