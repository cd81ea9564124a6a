import assert from "node:assert/strict";
import rivven from "../../connectors/rivven/connector.ts";
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import { NORMALIZATION } from "../../formats/topic/normalization.ts";
import { fakeDefinitions } from "../../tests/fakes/definitions.ts";
import { readConfig, type ReadResult } from "./config.ts";
import { makePlan, type Plan, type PlanOptions } from "../plan.ts";

const definitions = [
  ...fakeDefinitions.filter(({ type }) => type !== "rivven"),
  rivven as unknown as ConnectorDefinition,
];

function read(
  text: string,
  env: Record<string, string> = {},
  unsetVariables: "error" | "warning" = "error",
): ReadResult {
  return readConfig(text, {
    file: "f.yaml",
    env: (name) => env[name],
    readFile: () => "",
    definitions,
    unsetVariables,
  });
}

function plan(text: string, options: PlanOptions = {}, env: Record<string, string> = {}): Plan {
  const { config, problems } = read(text, env);
  assert.ok(config, JSON.stringify(problems, undefined, 1));
  const planned = makePlan(config, definitions, options);
  assert.deepEqual([...problems, ...planned.problems], []);
  return planned.plan!;
}

const lines = ({ problems }: Pick<ReadResult, "problems">) =>
  problems.map(({ line, column, severity, message }) =>
    `${line}:${column} ${severity === "error" ? "" : "warning "}${message}`
  );

const flowsOf = ({ sources }: Plan) =>
  sources.flatMap((source) =>
    source.flows.map((flow) =>
      `${flow.name}: ${source.name} ${source.connector} → ${flow.sink.name} ${flow.sink.connector}`
    )
  );

const DATABASE = "{ host: db, database: shop, user: repl }";

Deno.test("a source with a topic and a sink with topics are flows through the broker, in the order of the file", () => {
  const text = `
version: "1.0"
broker:
  bootstrap_servers: "a:9092, b"
  auth: { username: me, password: "\${PASSWORD}" }
  tls: { ca_path: ca.pem }
  connection_timeout_ms: 1000
  metadata_refresh_ms: 300000
sources:
  shop: { connector: postgres-cdc, topic: shop-events, config: ${DATABASE} }
sinks:
  files:
    connector: file
    topics: ["shop-*", { pattern: "cdc[.](a|b)" }]
    consumer_group: readers
    start_offset: { timestamp: "2026-01-31T12:00:00Z" }
    offset_commit_interval: 50
    on_out_of_range: earliest
    config: { path: out }
`;
  const made = plan(text, {}, { PASSWORD: "hunter2" });
  assert.deepEqual(flowsOf(made), [
    "sources.shop: shop postgres-cdc → broker.shop rivven",
    "sinks.files: broker.files rivven → files file",
  ]);
  const [shop, files] = made.sources;
  const common = {
    bootstrap_servers: ["a:9092", "b"],
    tls: { enabled: true, ca_path: "ca.pem", insecure: false },
    auth: { mechanism: "scram-sha-256", username: "me", password: "hunter2" },
    connections: 16,
    connection_timeout_ms: 1000,
    request_timeout_ms: 30_000,
    retry: {},
    topic_config: {},
    batch_size: 100,
    on_out_of_range: "stop",
  };
  assert.deepEqual(shop.flows[0].sink.config, {
    ...common,
    topic: "shop-events",
    start_offset: "earliest",
    metadata_refresh_ms: 5000,
  });
  assert.deepEqual(files.config, {
    ...common,
    topics: ["shop-*", "/cdc[.](a|b)/"],
    consumer_group: "readers",
    start_offset: { timestamp: "2026-01-31T12:00:00Z" },
    offset_commit_interval: 50,
    on_out_of_range: "earliest",
    metadata_refresh_ms: 300_000,
  });
  assert.deepEqual(files.permissions, {
    net: ["a:9092", "b:9092"],
    read: ["ca.pem"],
    write: [],
    env: [],
    sys: [],
  });
  assert.deepEqual(made.secrets, ["hunter2"]);
  assert.deepEqual(shop.routing, { topic: "shop-events", tables: [], normalization: NORMALIZATION });
  const only = plan(text, { pipelines: ["sinks.files"] }, { PASSWORD: "x" });
  assert.deepEqual(only.sources.map(({ name }) => name), ["broker.files"]);
});

Deno.test("a sink without a group gets one of its own, and starts at the latest offset unless the file publishes too", () => {
  const sinks = 'sinks: { "lake 1": { connector: file, topics: cdc.orders, config: { path: out } } }'
    .replace("lake 1", "lake.ü");
  const reader = (text: string) => {
    const { sources } = plan(`broker: { address: "x:1" }\n${text}\n${sinks}`);
    return sources.at(-1)!.config as Record<string, unknown>;
  };
  const alone = reader("");
  assert.deepEqual(alone.topics, ["cdc.orders"]);
  assert.equal(alone.consumer_group, "connect-lake._");
  assert.equal(alone.start_offset, "latest");
  const beside = reader('sources: { a: { connector: queue, topic: t, config: { url: "https://q/" } } }');
  assert.equal(beside.start_offset, "earliest");
});

Deno.test("a pipeline decides over a topic, and styles mix in one file", () => {
  const text = `
broker: { address: "x:1" }
sources:
  named: { connector: postgres-cdc, topic: t, config: ${DATABASE} }
  alone: { connector: queue, topic: u, config: { url: "https://q/" } }
  off: { connector: queue, topic: v, enabled: false, config: { url: "https://q/" } }
  idle: { connector: postgres-cdc, config: { host: db, database: shop, user: u, topic_routing: "cdc.{table}" } }
sinks:
  bus: { connector: rivven, config: { address: "y:2", topic: other } }
  files: { connector: file, config: { path: out } }
  reader: { connector: file, topics: [u], config: { path: read } }
pipelines:
  first: { source: named, sink: bus }
  second: { source: named, sink: files }
`;
  const made = plan(text);
  assert.deepEqual(flowsOf(made), [
    "first: named postgres-cdc → bus rivven",
    "second: named postgres-cdc → files file",
    "sources.alone: alone queue → broker.alone rivven",
    "sources.idle: idle postgres-cdc → broker.idle rivven",
    "sinks.reader: broker.reader rivven → reader file",
  ]);
  assert.equal(made.sources[0].routing?.topic, "t", "the source's topic wins over the sink's");
  assert.equal(made.sources[2].routing?.pattern, "cdc.{table}");
  const { topic_routing } = made.sources[2].config as { topic_routing?: string };
  assert.equal(topic_routing, undefined, "the connector does not see it");
});

Deno.test("settings and topic_config reach what talks to a broker, where it says nothing itself", () => {
  const made = plan(`
broker: { address: "x:1" }
settings:
  topic: { auto_create: false, default_partitions: 4, require_topic_exists: false, validate_existing: true }
  retry: { max_retries: 3, backoff_multiplier: 1.5 }
sources:
  a: { connector: queue, topic: t, topic_config: { partitions: 8, auto_create: true }, config: { url: "https://q/" } }
  b: { connector: queue, config: { url: "https://q/" } }
sinks:
  bus:
    connector: rivven
    config: { address: "y:2", topic_config: { partitions: 2 }, retry: { max_retries: 7 } }
  reader: { connector: file, topics: [t], config: { path: out } }
pipelines: { p: { source: b, sink: bus } }
`);
  const retry = { max_retries: 3, initial_backoff_ms: 100, max_backoff_ms: 30_000, backoff_multiplier: 1.5 };
  const sinkOf = (name: string) =>
    made.sources.flatMap(({ flows }) => flows).find((flow) => flow.name === name)!.sink.config as {
      topic_config: unknown;
      retry: unknown;
    };
  const settings = {
    auto_create: false,
    partitions: 4,
    require_topic_exists: false,
    validate_existing: true,
  };
  assert.deepEqual(sinkOf("sources.a").topic_config, { ...settings, partitions: 8, auto_create: true });
  assert.deepEqual(sinkOf("sources.a").retry, retry);
  assert.deepEqual(sinkOf("p").topic_config, { ...settings, partitions: 2 });
  assert.deepEqual(sinkOf("p").retry, { ...retry, max_retries: 7 });
  const reader = made.sources.find(({ name }) => name === "broker.reader")!.config as { retry: unknown };
  assert.deepEqual(reader.retry, retry);
});

Deno.test("tables of a source select as streams do, and have topics of their own", () => {
  const made = plan(`
broker: { address: "x:1" }
sources:
  shop:
    connector: postgres-cdc
    config: ${DATABASE}
    streams: [{ name: orders, namespace: public, sync_mode: full_refresh }]
    tables: [{ schema: public, table: orders, topic: o }, { table: users, topic: u }, { schema: audit, table: log }]
`);
  const [{ streams, routing }] = made.sources;
  assert.deepEqual(streams, [
    { name: "orders", namespace: "public", sync_mode: "full_refresh" },
    { name: "users", sync_mode: "incremental" },
    { name: "log", namespace: "audit", sync_mode: "incremental" },
  ]);
  assert.deepEqual(routing?.tables, [{ namespace: "public", name: "orders", topic: "o" }, {
    name: "users",
    topic: "u",
  }]);
});

Deno.test("what can't be a flow is a problem at its line", () => {
  const source = 'a: { connector: queue, topic: t, config: { url: "https://q/" } }';
  const cases: [string, string[]][] = [
    [`sources: { ${source} }`, ['1:35 The source "a" publishes to a topic, and the file has no broker']],
    ["sinks: { f: { connector: file, topics: [t], config: { path: x } } }", [
      '1:32 The sink "f" reads topics, and the file has no broker',
    ]],
    [`broker: { address: "x:1", bootstrap_servers: [y] }\nsources: { ${source} }`, [
      "1:20 A broker has either an address or bootstrap_servers",
    ]],
    [`broker: { address: "x:port" }\nsources: { ${source} }`, [
      '1:20 "x:port" is no address: write host or host:port',
    ]],
    [`broker: { adress: "x:1" }\nsources: { ${source} }`, [
      "1:1 A broker has either an address or bootstrap_servers",
      '1:11 Unknown key "adress"',
    ]],
    [
      `broker: { address: x, auth: { token: hunter2, username: u, password: p } }\nsources: { ${source} }`,
      ["1:38 The broker has no login by token: give username and password"],
    ],
    [`broker: { address: x, tls: { cert_path: c } }\nsources: { ${source} }`, [
      "1:28 cert_path and key_path belong together",
    ]],
    [`broker: { address: x }\nsources: { ${source.replace("topic: t", "topic: _t")} }`, [
      '2:42 "_t" is no name of a topic: 1 to 255 letters, digits, dots, - and _, with a letter or digit in front',
    ]],
    [
      "broker: { address: x }\nsinks: { f: { connector: file, topics: [t], consumer_group: -g, config: { path: x } } }",
      ['2:61 "consumer_group": A group has 1 to 255 letters, digits, dots, - and _, with a letter or digit in front'],
    ],
    [
      'broker: { address: x }\nsinks: { f: { connector: file, topics: [{ pattern: "(" }], config: { path: x } } }',
      ["2:52 This is no regular expression"],
    ],
    [
      'broker: { address: x }\nsinks: { f: { connector: file, topics: [{ pattern: "(a+)+b" }], config: { path: x } } }',
      ["2:52 This pattern can take forever: what repeats in it can match one name in several ways"],
    ],
    [
      `broker: { address: x }
sinks:
  f: { connector: file, topics: [t], config: { path: x } }
  g: { connector: file, topics: [t], consumer_group: connect-f, config: { path: y } }`,
      ['4:54 The sink "g" has the consumer group of sink "f": they would move each other\'s offsets'],
    ],
    [
      `broker: { address: x }
sources: { r: { connector: rivven, config: { address: "y:1", topics: [a], consumer_group: g } } }
sinks:
  f: { connector: file, topics: [t], consumer_group: g, config: { path: x } }
  h: { connector: file, config: { path: y } }
pipelines: { p: { source: r, sink: h } }`,
      ['4:54 The sink "f" has the consumer group of source "r": they would move each other\'s offsets'],
    ],
    [
      `broker: { address: x }
sources: { ${source}, b: { connector: queue, config: { url: "https://q/" } } }
sinks: { broker.a: { connector: file, config: { path: x } } }
pipelines: { sources.a: { source: b, sink: broker.a } }`,
      [
        '3:10 The name "broker.a" belongs to what source "a" makes with the broker',
        '4:14 The name "sources.a" belongs to what source "a" makes with the broker',
      ],
    ],
    [
      `broker: { address: x }
sources: { ${source.replace("topic: t", "topic: t, topic_config: { replication_factor: 3 }")} }`,
      ["2:81 The broker decides how many copies a topic has: remove it"],
    ],
  ];
  for (const [text, expected] of cases) assert.deepEqual(lines(read(text)), expected, text);
});

Deno.test("keys that do nothing are warned about", () => {
  const result = read(`
sources:
  a:
    connector: postgres-cdc
    config: { host: h, database: d, user: u, topic_routing: "cdc.{table}" }
    tables: [{ table: x, topic: t }]
  b: { connector: postgres-cdc, config: { host: h, database: d, user: u, normalization: { avro_compatible: true } } }
sinks:
  f: { connector: file, topics: [t], consumer_group: g, config: { path: x } }
  g: { connector: file, start_offset: earliest, config: { path: y } }
pipelines: { p: { source: a, sink: f }, q: { source: b, sink: g } }
`);
  assert.ok(result.config);
  assert.deepEqual(lines(result), [
    '5:46 warning The topics of source "a" are not used: "f", which it feeds, knows none',
    '6:26 warning The "topic" of a table has no effect: config.topic_routing names it',
    '7:74 warning "normalization" has no effect without topic_routing',
    '9:25 warning "topics" has no effect: a pipeline feeds sink "f"',
    '9:38 warning "consumer_group" has no effect: a pipeline feeds sink "f"',
    '10:25 warning "start_offset" has no effect without topics',
  ]);
});

Deno.test("topic_routing is checked with the file, and belongs to sources that capture tables", () => {
  const text = (keys: string) => `
sources: { a: { connector: postgres-cdc, config: { host: h, database: d, user: u, ${keys} } } }
sinks: { f: { connector: file, config: { path: "{topic}" } } }
pipelines: { p: { source: a, sink: f } }
`;
  assert.deepEqual(lines(read(text('topic_routing: "cdc.{Table}"'))), [
    '2:98 There is no placeholder "{Table}": use {source}, {database}, {namespace}, {schema}, {stream}, {table}',
  ]);
  assert.deepEqual(lines(read(text('topic_routing: "{table}", normalization: { case: lower }'))), [
    '2:126 Unknown key "case"',
  ]);
  const queue = read(`
sources: { a: { connector: queue, config: { url: "https://q/", topic_routing: x } } }
sinks: { f: { connector: file, config: { path: x } } }
pipelines: { p: { source: a, sink: f } }
`);
  assert.deepEqual(lines(queue), ['2:64 Unknown key "topic_routing"']);
});

Deno.test("a variable of the broker without a value is said once", () => {
  const text = `
broker: { address: "\${BROKER}" }
sinks: { f: { connector: file, topics: ["\${TOPIC}"], consumer_group: "\${GROUP}", config: { path: x } } }
`;
  const messages = ["BROKER", "TOPIC", "GROUP"].map((name) => `Variable ${name} is not set`);
  assert.deepEqual(read(text).problems.map(({ message }) => message), messages);
  const warned = read(text, {}, "warning");
  assert.deepEqual(warned.problems.map(({ severity, message }) => `${severity} ${message}`), [
    ...messages.map((message) => `warning ${message}`),
  ]);
  assert.equal(warned.config, undefined);
});

Deno.test("topics of a source that only feeds sinks which know none are warned about", () => {
  const warned = (source: string, sink: string, more = "") =>
    lines(read(`
sources:
  shop: { connector: postgres-cdc, ${source} }
sinks:
  out: ${sink}
  bus: { connector: rivven, config: { address: "localhost:9092" } }
pipelines:
  p: { source: shop, sink: out${more}
`)).filter((line) => line.includes("not used"));
  const config = `config: ${DATABASE}`;
  const file = "{ connector: file, config: { path: x } }";
  const said = (column: number) => [
    `3:${column} warning The topics of source "shop" are not used: "out", which it feeds, knows none`,
  ];
  assert.deepEqual(warned(`topic: events, ${config}`, file, " }"), said(36));
  assert.deepEqual(warned(`tables: [{ table: t, topic: events }], ${config}`, file, " }"), said(36));
  const routed = `config: { topic_routing: "{source}.{table}", host: db, database: shop, user: repl }`;
  assert.deepEqual(warned(routed, file, " }"), said(46));
  // Nothing to say where there are none, or somebody may use them.
  assert.deepEqual(warned(config, file, " }"), []);
  assert.deepEqual(warned(`topic: events, ${config}`, file, " }\n  q: { source: shop, sink: bus }"), []);
  assert.deepEqual(
    warned(`topic: events, ${config}`, `{ connector: file, config: { path: "{topic}" } }`, " }"),
    [],
  );
  const transform = ", transforms: [{ type: filter, predicate: { topic: events }, config: {} }] }";
  assert.deepEqual(warned(`topic: events, ${config}`, file, transform), []);
});

Deno.test("how records become partitions is chosen, but so that those of one key keep their order", () => {
  const file = (partitioner: string) => `
sources: { shop: { connector: postgres-cdc, config: ${DATABASE} } }
sinks:
  bus: { connector: rivven, config: { address: "localhost:9092", partitioner: ${partitioner} } }
pipelines: { p: { source: shop, sink: bus } }
`;
  const said = (partitioner: string) => read(file(partitioner)).problems.map(({ message }) => message).join();
  for (
    const good of [
      "{ strategy: key_hash, columns: [customer] }",
      "{ strategy: murmur2_hash }",
      "{ strategy: table_hash }",
      "{ strategy: full_table_hash }",
      "{ strategy: sticky, partition: 3 }",
    ]
  ) assert.equal(said(good), "", good);
  assert.match(
    said("{ strategy: round_robin }"),
    /round_robin would let changes of one row overtake each other/,
  );
  assert.match(said("{ strategy: keyhash }"), /key_hash/);
  assert.match(said("{ strategy: sticky }"), /sticky, which needs it/);
  assert.match(said("{ partition: 1 }"), /belongs to strategy: sticky/);
  assert.match(said("{ strategy: table_hash, columns: [a] }"), /Only key_hash has columns/);
});
