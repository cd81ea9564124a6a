/**
 * Live changes of PostgreSQL into a Rivven broker, while the program is killed at every named point and at random, and
 * the broker is stopped: the topic has each change once, and the changes of a row in order.
 */
import assert from "node:assert/strict";
import { FAILPOINTS } from "../../runtime/failpoint.ts";
import { Program, runProgram, scratch } from "../end_to_end/program.ts";
import { requireServer } from "../servers/missing.ts";
import { startPostgres } from "../servers/postgres.ts";
import { type Rivvend, startRivvend } from "../servers/rivvend.ts";
import { Writer } from "./writer.ts";

const PARTITIONS = 8;

const pipeline = (broker: string) => `
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
      slot_name: rivven_test
      publication: rivven_test
      tombstone: { enabled: true }
sinks:
  broker:
    connector: rivven
    config:
      address: "${broker}"
      topic: "cdc.{table}"
      topic_config: { partitions: ${PARTITIONS} }
      retry: { max_retries: 1000, initial_backoff_ms: 20, max_backoff_ms: 200 }
pipelines:
  all: { source: db, sink: broker }
`;

interface Change {
  readonly op: string;
  readonly before: { readonly id: number } | null;
  readonly after: { readonly id: number } | null;
  readonly source: { readonly order: string; readonly lane: string };
}

Deno.test("killed at every named point and at random, under live writes, a topic has each change once", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using pg = await startPostgres();
  using dir = scratch();
  dir.write("connect.yaml", pipeline(broker.address));
  const cwd = dir.path;
  const env = { PGHOST: pg.host, PGPORT: String(pg.port), PGUSER: pg.user, PGPASSWORD: pg.password };
  await pg.query("CREATE TABLE accounts (id bigint PRIMARY KEY, balance numeric NOT NULL, note text)");
  await pg.query("INSERT INTO accounts SELECT i, i, 'note' FROM generate_series(1, 500) i");
  {
    await using _writer = new Writer(pg, 42, 5);
    for (const [i, point] of FAILPOINTS.entries()) {
      const kill = { ...env, RIVVEN_FAILPOINT: `${point}:${i % 4 + 1}` };
      const { signal, stderr } = await runProgram(["run"], { cwd, env: kill });
      assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
    }
    for (let loop = 0; loop < 20; loop++) {
      await using program = new Program(["run"], { cwd, env });
      await program.says("db → broker");
      await new Promise((resolve) => setTimeout(resolve, 200 + (loop * 97) % 900));
      program.kill("SIGKILL");
      const { stderr } = await program.ended;
      assert.doesNotMatch(stderr, /ERROR/, stderr);
    }
    await using program = new Program(["run"], { cwd, env });
    await program.says("Streaming from");
    await broker.stop();
    await broker.start();
    await new Promise((resolve) => setTimeout(resolve, 500));
    program.kill("SIGKILL");
    await program.ended;
  }
  await pg.query("INSERT INTO accounts VALUES (999999, 0, 'the last row')");
  await using program = new Program(["run"], { cwd, env });
  const deadline = performance.now() + 180_000;
  while (!(await messages(broker)).some(({ value }) => value.includes("the last row"))) {
    assert.ok(performance.now() < deadline, `The last row has not come:\n${program.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  const { code, stderr } = await program.stop();
  assert.equal(code, 0, stderr);

  const found = await messages(broker);
  const seen = new Set<string>();
  const newest = new Map<string, string>();
  const rows = new Map<string, unknown>();
  let [deletes, tombstones] = [0, 0];
  for (const { key, value } of found) {
    if (value === "") {
      tombstones++;
      assert.ok(!rows.has(key), `The tombstone of ${key} does not stand behind its delete`);
      continue;
    }
    const { op, after, source: { lane, order } }: Change = JSON.parse(value);
    if (op === "d") rows.delete(key);
    else rows.set(key, { ...after });
    if (lane !== "stream") continue;
    if (op === "d") deletes++;
    assert.ok(!seen.has(order), `${order} of ${key} is there twice`);
    seen.add(order);
    assert.ok(order > (newest.get(key) ?? ""), `${key}: ${order} after ${newest.get(key)}`);
    newest.set(key, order);
  }
  assert.ok(seen.size > 500, `Only ${seen.size} changes were made`);
  assert.equal(tombstones, deletes);
  const table = await pg.query("SELECT id, balance::text, note FROM accounts ORDER BY id");
  assert.deepEqual(
    [...rows.values()].toSorted((a, b) => (a as { id: number }).id - (b as { id: number }).id),
    table.map(({ id, balance, note }) => ({ id: Number(id), balance, note })),
  );
});

/** All messages of the topic, each partition's in order; a tombstone's value is empty. */
async function messages(broker: Rivvend): Promise<{ key: string; value: string }[]> {
  const text = new TextDecoder();
  const found: { key: string; value: string }[] = [];
  await using client = broker.client();
  const topic = "cdc.accounts";
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { latest } = await client.offsets(topic, partition);
    for (let offset = 0; offset < latest;) {
      const records = await client.consume({ topic, partition, offset, maxRecords: 1000, maxWaitMs: 0 });
      for (const { key, value } of records) found.push({ key: text.decode(key), value: text.decode(value) });
      offset = records.at(-1)!.offset + 1;
    }
  }
  return found;
}
