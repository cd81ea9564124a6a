/** Two programs, each with a state directory of its own, that were given one and the same replication slot. */
import assert from "node:assert/strict";
import { Program, scratch } from "../end_to_end/program.ts";
import { type Postgres, startPostgres } from "../servers/postgres.ts";
import { waitUntil } from "../servers/process.ts";
import { startProxy } from "../servers/proxy.ts";

const SLOT = "shared_slot";

const pipeline = (name: string) => `
version: "1.0"
settings: { state_dir: ${name}-state }
sources:
  ${name}:
    connector: postgres-cdc
    config:
      host: 127.0.0.1
      port: \${PGPORT}
      database: postgres
      user: postgres
      password: "\${PGPASSWORD}"
      tables: [public.items]
      slot_name: ${SLOT}
      slot_retry_delay_ms: 200
      slot_max_retries: 3
sinks: { files: { connector: file, config: { path: "${name}/{stream}.jsonl" } } }
pipelines: { all: { source: ${name}, sink: files } }
`;

/** Each server process that sends is ended after two seconds without an answer. */
const settings = { wal_sender_timeout: "2s" };

interface Scene {
  readonly pg: Postgres;
  /** Starts the program `name`, which reaches the server at `port`. */
  start(name: string, port: number): Program;
  /** The ids of the rows that the program has written, in order. */
  ids(name: string): number[];
}

async function scene(play: (scene: Scene) => Promise<void>): Promise<void> {
  await using pg = await startPostgres({ settings });
  await pg.query("CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items VALUES (1)");
  using dir = scratch();
  await play({
    pg,
    start(name, port) {
      dir.write(`${name}.yaml`, pipeline(name));
      const env = { PGPORT: String(port), PGPASSWORD: pg.password };
      return new Program(["run", "-c", `${name}.yaml`], { cwd: dir.path, env });
    },
    ids(name) {
      try {
        const lines = Deno.readTextFileSync(`${dir.path}/${name}/items.jsonl`).split("\n").slice(0, -1);
        return lines.map((line) => JSON.parse(line).after.id);
      } catch {
        return [];
      }
    },
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  await waitUntil(() => Promise.resolve(holds() || undefined), { what, timeoutMs: 120_000 });
}

async function holder(pg: Postgres): Promise<number> {
  const [row] = await pg.query("SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1", [SLOT]);
  return Number(row?.active_pid);
}

Deno.test("the second of two programs on one slot reads nothing, is told who has it, and takes over when that one's line is dead", async () => {
  await scene(async ({ pg, start, ids }) => {
    await using proxy = await startProxy({ target: pg });
    await using first = start("first", proxy.port);
    await until("the first program to read", () => ids("first").includes(1));
    await first.says("Streaming from");
    await pg.query("INSERT INTO items VALUES (2)");
    await until("a change", () => ids("first").includes(2));

    await using second = start("second", pg.port);
    await second.says("conflict_slot_active");
    const pid = await holder(pg);
    const named =
      `in use by process ${pid} of the server (user "postgres", application "rivven-connect first", ` +
      "from 127.0.0.1, since ";
    assert(second.stderr.includes(named), second.stderr);
    await second.says("give this one a slot_name of its own");
    assert.deepEqual(ids("second"), []);

    proxy.swallow();
    await pg.query("INSERT INTO items VALUES (3)");
    await until("the second program to take over", () => ids("second").includes(3));
    // It has never read anything, so it begins with the rows that are there.
    assert.deepEqual(ids("second").sort(), [1, 2, 3]);
    proxy.pass();
    proxy.cut();
    await first.says('application "rivven-connect second"');
    const [{ lsn }] = await pg.query("SELECT pg_current_wal_insert_lsn()::text AS lsn");
    await pg.query("INSERT INTO items VALUES (4)");
    await until("a change", () => ids("second").includes(4));
    const acknowledged =
      "SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn > $2::pg_lsn";
    await waitUntil(async () => (await pg.query(acknowledged, [SLOT, lsn])).length > 0 || undefined, {
      what: "the change to be acknowledged",
      timeoutMs: 120_000,
    });
    await second.stop();
    // What the other has read is gone for this one: that is an error, and not a gap.
    await first.says("state_position_gone");
    assert.deepEqual(ids("first"), [1, 2]);
  });
});

Deno.test("a program that is stopped for longer than wal_sender_timeout writes nothing of what came after it had lost the slot", async () => {
  await scene(async ({ pg, start, ids }) => {
    await using first = start("first", pg.port);
    await until("the first program to read", () => ids("first").includes(1));
    await first.says("Streaming from");
    // It says so before it does.
    const pid = await waitUntil(async () => await holder(pg) || undefined, {
      what: "the first program to have the slot",
      timeoutMs: 120_000,
    });
    await using second = start("second", pg.port);
    await second.says("in use by process");
    first.kill("SIGSTOP");
    try {
      await waitUntil(async () => ![pid, NaN, 0].includes(await holder(pg)) || undefined, {
        what: "the second program to have the slot",
        timeoutMs: 120_000,
      });
      await pg.query("INSERT INTO items VALUES (2)");
      await until("a change", () => ids("second").includes(2));
    } finally {
      first.kill("SIGCONT");
    }
    await first.says('application "rivven-connect second"');
    assert.deepEqual(ids("first"), [1]);
  });
});

Deno.test("a program whose holder of the slot is killed takes over at once", async () => {
  await scene(async ({ pg, start, ids }) => {
    await using first = start("first", pg.port);
    await until("the first program to read", () => ids("first").includes(1));
    await waitUntil(async () => await holder(pg) || undefined, {
      what: "the first program to have the slot",
      timeoutMs: 120_000,
    });
    await using second = start("second", pg.port);
    await second.says("in use by process");
    first.kill("SIGKILL");
    await first.ended;
    await pg.query("INSERT INTO items VALUES (2)");
    await until("the second program to read", () => ids("second").includes(2));
    assert.deepEqual(ids("second").sort(), [1, 2]);
  });
});
