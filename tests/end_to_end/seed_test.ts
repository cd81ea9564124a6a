/**
 * The pipeline files of rivven-connect 0.0.8's README, which people have and which must mean here what they say there.
 * testdata/seed/ holds its YAML blocks as they stand; those that are parts of a file are completed with what they
 * leave out. What names a connector or a feature that this build lacks is refused with exactly that name.
 */
import assert from "node:assert/strict";
import { readConfig } from "../../runtime/config/config.ts";
import { makePlan, type Plan } from "../../runtime/plan.ts";
import { loadDefinitions } from "../../runtime/config/registry.ts";
import { loadTransforms } from "../../runtime/config/transform_registry.ts";
import { requireServer } from "../servers/missing.ts";
import { type Postgres, startPostgres } from "../servers/postgres.ts";
import { startRivvend } from "../servers/rivvend.ts";
import { Program, runProgram, scratch } from "./program.ts";

const definitions = await loadDefinitions();
const transforms = await loadTransforms();

const text = (name: string) => Deno.readTextFileSync(new URL(`testdata/seed/${name}.yaml`, import.meta.url));

const ENV: Readonly<Record<string, string>> = {
  POSTGRES_PASSWORD: "p-1",
  DB_PASSWORD: "p-2",
  MSSQL_PASSWORD: "p-3",
  SCHEMA_REGISTRY_USER: "u",
  SCHEMA_REGISTRY_PASSWORD: "p-4",
  RIVVEN_ENCRYPTION_KEY: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
};

const BROKER = "broker: { address: localhost:9092 }";
const SOURCE = "sources: { in: { connector: datagen, config: { pattern: orders } } }";
const SINK = "sinks: { out: { connector: stdout } }";
const pipeline = (source: string, sink: string) => `pipelines: { p: { source: ${source}, sink: ${sink} } }`;
const LOGIN = "host: localhost\n      database: mydb\n      user: me";

interface Block {
  readonly name: string;
  /** What the block leaves out. */
  readonly more?: readonly string[];
  /** In the block: what stands for something, and what it stands for. */
  readonly fill?: readonly (readonly [string | RegExp, string])[];
  /** Connectors, transforms and features that this build need not have. */
  readonly needs?: readonly string[];
  /** What it comes to. */
  readonly flows?: readonly string[];
}

const postgres = [SINK, pipeline("postgres_cdc", "out")];
const login = [[/config:\n(?! {6}host)/, `config:\n      ${LOGIN}\n`]] as const;

const BLOCKS: readonly Block[] = [
  { name: "quick_start", flows: ["cdc_to_broker: postgres_db postgres-cdc → broker rivven"] },
  {
    name: "object_storage",
    more: [SOURCE, pipeline("in", "events")],
    flows: ["p: in datagen → events object-storage"],
  },
  { name: "iceberg", more: [SOURCE, pipeline("in", "lakehouse")], needs: ["iceberg"] },
  {
    name: "transforms",
    more: postgres,
    flows: ["p: postgres_cdc postgres-cdc → out stdout"],
  },
  { name: "encryption", more: postgres, fill: login, flows: ["p: postgres_cdc postgres-cdc → out stdout"] },
  {
    name: "deduplication",
    more: postgres,
    fill: login,
    flows: ["p: postgres_cdc postgres-cdc → out stdout"],
  },
  {
    name: "tombstones",
    more: postgres,
    fill: login,
    flows: ["p: postgres_cdc postgres-cdc → out stdout"],
  },
  { name: "datagen", flows: ["sources.demo-data: demo-data datagen → broker.demo-data rivven"] },
  {
    name: "datagen_options",
    fill: [[/^/gm, "    "], [/^/, "sources:\n  in:\n    connector: datagen\n"]],
    more: [SINK, pipeline("in", "out")],
    flows: ["p: in datagen → out stdout"],
  },
  { name: "sqlserver", more: [SINK, pipeline("sqlserver_db", "out")], needs: ["sqlserver-cdc"] },
  { name: "snowflake", more: [BROKER], needs: ["snowflake"] },
  {
    name: "sources",
    fill: [
      ["<name>", "x"],
      ["<connector-type>", "postgres-cdc"],
      ["<output-topic>", "t"],
      [/config:\n/, `config:\n      ${LOGIN}\n`],
      ["<pattern>", '"cdc.{table}"'],
      ["<stream-name>", "orders"],
      ["<optional-namespace>", "public"],
      ["full_refresh | incremental", "incremental"],
      [/ *cursor_field: .*\n/, ""],
    ],
    more: [BROKER],
    flows: ["sources.x: x postgres-cdc → broker.x rivven"],
  },
  {
    name: "topic_routing",
    fill: login,
    more: [BROKER],
    flows: ["sources.postgres: postgres postgres-cdc → broker.postgres rivven"],
  },
  {
    name: "normalization",
    fill: login,
    more: [BROKER],
    flows: ["sources.postgres: postgres postgres-cdc → broker.postgres rivven"],
  },
  {
    name: "sinks",
    fill: [["<name>", "x"], ["<connector-type>", "file"], [/config:\n/, "config:\n      path: out.jsonl\n"]],
    more: [SOURCE, pipeline("in", "x")],
    flows: ["p: in datagen → x file"],
  },
  {
    name: "pipelines",
    fill: [
      ["<name>", "x"],
      ["<source-name>", "in"],
      ["<sink-name>", "out"],
      ["<transform-name>", "t"],
      ["skip | stop | dead_letter", "skip"],
    ],
    more: [SOURCE, SINK, "transforms: { t: { type: filter, config: { condition: status = active } } }"],
    needs: ["transforms", "filter"],
  },
  ...["external", "glue"].map((mode): Block => ({
    name: `registry_${mode}`,
    more: [SOURCE, SINK, pipeline("in", "out")],
    needs: ["schema_registry"],
  })),
  {
    name: "registry_disabled",
    more: [SOURCE, SINK, pipeline("in", "out")],
    flows: ["p: in datagen → out stdout"],
  },
  {
    name: "s3_parquet",
    more: [SOURCE, pipeline("in", "s3")],
    flows: ["p: in datagen → s3 object-storage"],
  },
  {
    name: "s3_compression",
    more: [SOURCE, pipeline("in", "s3")],
    flows: ["p: in datagen → s3 object-storage"],
  },
  { name: "distributed", more: [SOURCE, SINK, pipeline("in", "out")], needs: ["distributed"] },
  {
    name: "health",
    fill: login,
    more: [SINK, pipeline("postgres_db", "out")],
    needs: ["health"],
  },
];

function completed({ name, more = [], fill = [] }: Block): string {
  let file = text(name);
  for (const [from, to] of fill) {
    file = file.replaceAll(typeof from === "string" || from.global ? from : new RegExp(from, "g"), to);
  }
  return [file, ...more, ""].join("\n");
}

function examine(file: string): { readonly plan?: Plan; readonly errors: readonly string[] } {
  const { config, problems } = readConfig(file, {
    file: "seed.yaml",
    definitions,
    transforms,
    env: (name) => ENV[name],
    readFile: () => "",
    unsetVariables: "error",
  });
  const planned = config && makePlan(config, definitions);
  const errors = [...problems, ...planned?.problems ?? []].filter(({ severity }) => severity === "error");
  return {
    plan: planned?.plan,
    errors: errors.map(({ line, column, message, path, hint }) =>
      `${line}:${column} ${path}: ${message} (${hint})`
    ),
  };
}

Deno.test("every YAML block of the README is here, as it stands there", () => {
  const files = [...Deno.readDirSync(new URL("testdata/seed/", import.meta.url))].map(({ name }) => name);
  assert.deepEqual(files.sort(), BLOCKS.map(({ name }) => `${name}.yaml`).sort());
});

for (const block of BLOCKS) {
  Deno.test(`README of 0.0.8, ${block.name}: plans, or is refused for what this build lacks`, () => {
    const { plan, errors } = examine(completed(block));
    const { needs = [], flows } = block;
    if (needs.length === 0) assert.deepEqual(errors, []);
    if (errors.length === 0) {
      assert.ok(plan);
      const made = plan.sources.flatMap((source) =>
        source.flows.map((flow) =>
          `${flow.name}: ${source.name} ${source.connector} → ${flow.sink.name} ${flow.sink.connector}`
        )
      );
      if (flows) assert.deepEqual(made, flows);
      else assert.equal(made.length, 1);
      return;
    }
    for (const error of errors) {
      assert.match(error, /not in this build|Unknown transform/, error);
      assert.ok(needs.some((need) => error.includes(`"${need}`)), `${error}: names none of ${needs}`);
    }
  });
}

/** Ports of the test's servers in place of the README's, and nothing else. */
function at(name: string, servers: { postgres?: Postgres; broker?: { readonly address: string } }): string {
  return text(name)
    .replace("port: 5432", `port: ${servers.postgres?.port}`)
    .replace("localhost:9092", String(servers.broker?.address));
}

Deno.test("README of 0.0.8, Quick Start and Datagen: run as they stand, into a real broker", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using pg = await startPostgres();
  await pg.createDatabase("mydb");
  const db = await pg.connect({ database: "mydb" });
  await db.query("CREATE TABLE users (id int PRIMARY KEY, name text)");
  await db.query("CREATE TABLE others (id int PRIMARY KEY)");
  await db.query("INSERT INTO users VALUES (1, 'Ada'), (2, 'Grace')");
  await using client = broker.client();
  const latest = async (topic: string) => {
    let sum = 0;
    for (let partition = 0; partition < (await client.partitions(topic) ?? 0); partition++) {
      sum += (await client.offsets(topic, partition)).latest;
    }
    return sum;
  };
  const until = async (topic: string, count: number) => {
    const deadline = performance.now() + 120_000;
    while (await latest(topic) < count) {
      assert.ok(
        performance.now() < deadline,
        `${await latest(topic)} records in ${topic} instead of ${count}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  try {
    await t.step("Quick Start", async () => {
      using dir = scratch();
      dir.write("rivven-connect.yaml", at("quick_start", { postgres: pg, broker }));
      const options = { cwd: dir.path, env: { POSTGRES_PASSWORD: pg.password } };
      const checked = await runProgram(["check", "--config", "rivven-connect.yaml"], options);
      assert.equal(checked.code, 0, checked.stdout + checked.stderr);
      await using program = new Program(["run", "--config", "rivven-connect.yaml"], options);
      await until("postgres_db.public.users", 2);
      await db.query("UPDATE users SET name = 'Ada L.' WHERE id = 1");
      await until("postgres_db.public.users", 3);
      const { code, stderr } = await program.stop();
      assert.equal(code, 0, stderr);
      assert.deepEqual(await client.topics(), ["postgres_db.public.users"]);
    });
    await t.step("Datagen", async () => {
      using dir = scratch();
      dir.write("connect.yaml", at("datagen", { broker }));
      await using program = new Program(["run"], { cwd: dir.path });
      await until("demo-events", 100);
      const { code, stderr } = await program.stop();
      assert.equal(code, 0, stderr);
    });
    await t.step("Topic routing with normalization", async () => {
      await db.query('CREATE TABLE "dbo_UserProfiles_table" (id int PRIMARY KEY)');
      await db.query('INSERT INTO "dbo_UserProfiles_table" VALUES (1)');
      using dir = scratch();
      const keys = `config:
      host: 127.0.0.1
      port: ${pg.port}
      database: mydb
      user: postgres
      password: \${POSTGRES_PASSWORD}
      slot_name: routed
      publication: routed
`;
      dir.write(
        "connect.yaml",
        `${text("normalization").replace("config:\n", keys)}\nbroker: { address: "${broker.address}" }\n`,
      );
      const options = { cwd: dir.path, env: { POSTGRES_PASSWORD: pg.password } };
      await using program = new Program(["run"], options);
      await until("cdc.public.user_profiles", 1);
      await until("cdc.public.users", 2);
      const { code, stderr } = await program.stop();
      assert.equal(code, 0, stderr);
    });
  } finally {
    await db.end();
  }
});
