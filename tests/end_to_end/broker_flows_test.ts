/**
 * Flows through the broker that no pipeline names: sources with a topic, sinks with topics, in one file and one
 * program, while it is killed.
 */
import assert from "node:assert/strict";
import { requireServer } from "../servers/missing.ts";
import { startPostgres } from "../servers/postgres.ts";
import { type Rivvend, startRivvend } from "../servers/rivvend.ts";
import { Program, runProgram, scratch } from "./program.ts";

interface Line {
  readonly op?: string;
  readonly after: { readonly id: number; readonly n: number } | null;
  readonly source: { readonly table: string; readonly lane: string; readonly order: string };
}

function lines(path: string): Line[] {
  try {
    return Deno.readTextFileSync(path).split("\n").slice(0, -1).map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  instead: () => string | Promise<string> = () => "",
): Promise<void> {
  const deadline = performance.now() + 180_000;
  while (!await holds()) {
    if (performance.now() > deadline) {
      throw new Error(`It took longer than three minutes: ${what} ${await instead()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** How many messages a topic holds. */
async function count(broker: Rivvend, topic: string): Promise<number> {
  await using client = broker.client();
  let messages = 0;
  for (let partition = 0; partition < (await client.partitions(topic) ?? 0); partition++) {
    const { earliest, latest } = await client.offsets(topic, partition);
    messages += latest - earliest;
  }
  return messages;
}

/** The places in a topic that are not among `places`, each with its message. */
async function missing(broker: Rivvend, topic: string, places: readonly string[]): Promise<string[]> {
  await using client = broker.client();
  const missing: string[] = [];
  for (let partition = 0; partition < (await client.partitions(topic) ?? 0); partition++) {
    const { earliest, latest } = await client.offsets(topic, partition);
    for (let offset = earliest; offset < latest; offset++) {
      const place = `${topic}/${partition} ${offset}`;
      if (places.some((each) => each === place)) continue;
      const [message] = await client.consume({ topic, partition, offset, maxRecords: 1, maxWaitMs: 0 });
      missing.push(
        `${place} of ${earliest}..${latest} ${JSON.stringify(message)} ${
          new TextDecoder().decode(message.value)
        }`,
      );
    }
  }
  return missing;
}

Deno.test("generated records go to a topic and from there into a file, and the group's offsets follow", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  using dir = scratch();
  dir.write(
    "connect.yaml",
    `
version: "1.0"
settings: { state_dir: state, topic: { default_partitions: 4 } }
broker: { bootstrap_servers: "${broker.address}" }
sources:
  demo-data:
    connector: datagen
    topic: demo-events
    config: { pattern: users, max_events: 500, events_per_second: 0, seed: 42, cdc_mode: true }
sinks:
  files:
    connector: file
    topics: ["demo-*"]
    config: { path: "out/{stream}.jsonl" }
`,
  );
  const planned = await runProgram(["plan"], { cwd: dir.path });
  assert.equal(planned.code, 0, planned.stderr);
  assert.match(planned.stdout, /^sources\.demo-data {2}demo-data datagen → broker\.demo-data rivven$/m);
  assert.match(planned.stdout, /^sinks\.files {2}broker\.files rivven → files file$/m);
  assert.match(planned.stdout, /consumer_group: connect-files$/m);
  const checked = await runProgram(["check"], { cwd: dir.path });
  assert.equal(checked.code, 0, checked.stderr + checked.stdout);

  await using program = new Program(["run"], { cwd: dir.path });
  await until("500 lines", () => lines(`${dir.path}/out/datagen.jsonl`).length === 500);
  const { code, stderr } = await program.stop();
  assert.equal(code, 0, stderr);
  assert.match(stderr, /sources\.demo-data.*(finished|drained): 500 records durable/);
  assert.equal(await count(broker, "demo-events"), 500);
  await using client = broker.client();
  assert.equal(await client.partitions("demo-events"), 4);
  let committed = 0;
  for (let partition = 0; partition < 4; partition++) {
    committed += await client.committed("connect-files", "demo-events", partition) ?? 0;
  }
  assert.equal(committed, 500);
});

Deno.test("each table goes to its own topic and from there into a file; killed again and again, no change is lost", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using pg = await startPostgres();
  await pg.query('CREATE TABLE "UserProfiles" (id int PRIMARY KEY, n int)');
  await pg.query("CREATE TABLE dbo_orders (id int PRIMARY KEY, n int)");
  await pg.query("CREATE TABLE notes (id int PRIMARY KEY, n int)");
  await pg.query('INSERT INTO "UserProfiles" SELECT i, 0 FROM generate_series(1, 200) i');
  using dir = scratch();
  dir.write(
    "connect.yaml",
    `
version: "1.0"
settings:
  state_dir: state
  retry: { max_retries: 1000, initial_backoff_ms: 20, max_backoff_ms: 200 }
broker: { address: "${broker.address}", metadata_refresh_ms: 200 }
sources:
  shop:
    connector: postgres-cdc
    topic: cdc.default
    topic_config: { partitions: 2 }
    config:
      host: 127.0.0.1
      port: ${pg.port}
      database: postgres
      user: postgres
      password: "\${PGPASSWORD}"
      topic_routing: "cdc.{schema}.{table}"
      normalization: { case_conversion: snake_case, strip_prefixes: ["dbo_"] }
sinks:
  files:
    connector: file
    topics: [{ pattern: "cdc[.]public[.].*" }]
    consumer_group: files
    start_offset: earliest
    config: { path: "out/{stream}.jsonl" }
`,
  );
  const options = { cwd: dir.path, env: { PGPASSWORD: pg.password } };
  const ROUNDS = 8;
  for (let round = 1; round <= ROUNDS; round++) {
    await using program = new Program(["run"], options);
    await program.says("broker.files → files");
    for (let i = 0; i < 10; i++) {
      await pg.query(
        `INSERT INTO dbo_orders SELECT ${round * 1000 + i * 10} + i, ${round} FROM generate_series(0, 9) i`,
      );
      await pg.query(`UPDATE "UserProfiles" SET n = n + 1 WHERE id BETWEEN ${i * 10 + 1} AND ${i * 10 + 10}`);
      await pg.query(`INSERT INTO notes VALUES (${round * 100 + i}, ${round})`);
      await new Promise((resolve) => setTimeout(resolve, 10 + round * 7));
    }
    program.kill("SIGKILL");
    const { stderr } = await program.ended;
    assert.doesNotMatch(stderr, /ERROR/, stderr);
  }
  await using program = new Program(["run"], options);
  const file = (table: string) => lines(`${dir.path}/out/${table}.jsonl`);
  // A snapshot that was interrupted is read again: when this note is there, all of it is in the topics.
  await program.says("Streaming from");
  await pg.query("INSERT INTO notes VALUES (9999, 0)");
  await until(
    "every order",
    () => new Set(file("dbo_orders").map(({ after }) => after!.id)).size === ROUNDS * 100,
  );
  await until(
    "every note",
    () => new Set(file("notes").map(({ after }) => after!.id)).size === ROUNDS * 10 + 1,
  );
  const newest = () => new Map(file("UserProfiles").map(({ after }) => [after!.id, after!.n]));
  await until(
    "the last update of every profile",
    () => newest().size === 200 && [...newest()].every(([id, n]) => n === (id <= 100 ? ROUNDS : 0)),
  );
  const topics = [["dbo_orders", "orders"], ["notes", "notes"], ["UserProfiles", "user_profiles"]];
  for (const [table, topic] of topics) {
    // Rows of a snapshot that was interrupted are there again.
    await until(
      `all of ${topic}`,
      async () => file(table).length === await count(broker, `cdc.public.${topic}`),
      async () => {
        const places = file(table).map(({ source: { lane, order } }) => `${lane} ${order}`);
        const twice = places.filter((place, i) => places.indexOf(place) !== i);
        return `${places.length} lines, twice: ${twice}, missing: ${await missing(
          broker,
          `cdc.public.${topic}`,
          places,
        )} ` + places.slice(-3);
      },
    );
  }
  const { code, stderr } = await program.stop();
  assert.equal(code, 0, stderr);

  await using client = broker.client();
  assert.deepEqual((await client.topics()).sort(), [
    "cdc.public.notes",
    "cdc.public.orders",
    "cdc.public.user_profiles",
  ]);
  assert.equal(await client.partitions("cdc.public.orders"), 2);
  for (
    const [table, topic] of [["dbo_orders", "orders"], ["notes", "notes"], ["UserProfiles", "user_profiles"]]
  ) {
    const places = file(table).map(({ source: { lane, order } }) => `${lane} ${order}`);
    assert.ok(places.every((place) => place.startsWith(`cdc.public.${topic}/`)), topic);
    // What the broker has is in the file once.
    assert.equal(new Set(places).size, places.length, topic);
    assert.equal(places.length, await count(broker, `cdc.public.${topic}`), topic);
  }
});

Deno.test("a record's topic: a transform's, then topic_routing, the table's, the source's, the sink's, its own name", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using pg = await startPostgres();
  for (const table of ["a", "b", "c"]) {
    await pg.query(`CREATE TABLE ${table} (id int PRIMARY KEY)`);
    await pg.query(`INSERT INTO ${table} VALUES (1)`);
  }
  using dir = scratch();
  const database = (name: string, more: string) =>
    `{ host: 127.0.0.1, port: ${pg.port}, database: postgres, user: postgres, password: "\${PGPASSWORD}", ` +
    `slot_name: ${name}, publication: ${name}, snapshot: { mode: initial_only }${more} }`;
  const generated = (stream: string) => `{ pattern: sequence, stream_name: ${stream}, max_events: 1 }`;
  const route = `{ type: regex_router, config: { routes: [{ pattern: "^public[.]a$", topic: NAME }] } }`;
  dir.write(
    "connect.yaml",
    `
version: "1.0"
settings: { state_dir: state }
sources:
  routed:
    connector: postgres-cdc
    topic: unused
    config: ${database("routed", ', topic_routing: "routing.{table}"')}
  tables:
    connector: postgres-cdc
    topic: source.topic
    tables: [{ table: a }, { schema: public, table: b, topic: table.topic }, { table: c }]
    config: ${database("tables", "")}
  plain: { connector: datagen, config: ${generated("p")} }
sinks:
  named: { connector: rivven, config: { address: "${broker.address}", topic: sink.topic } }
  bus: { connector: rivven, config: { address: "${broker.address}" } }
pipelines:
  one: { source: routed, sink: named, transforms: [${route.replace("NAME", "transform.one")}] }
  two: { source: tables, sink: named, transforms: [${route.replace("NAME", "transform.two")}] }
  three: { source: plain, sink: named }
  four: { source: plain, sink: bus }
`,
  );
  const { code, stderr } = await runProgram(["run"], { cwd: dir.path, env: { PGPASSWORD: pg.password } });
  assert.equal(code, 0, stderr);
  await using client = broker.client();
  const topics = [
    "plain.p",
    "routing.b",
    "routing.c",
    "sink.topic",
    "source.topic",
    "table.topic",
    "transform.one",
    "transform.two",
  ];
  assert.deepEqual((await client.topics()).sort(), topics);
  for (const topic of topics) assert.equal(await count(broker, topic), 1, topic);
});
