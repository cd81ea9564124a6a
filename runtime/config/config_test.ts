import assert from "node:assert/strict";
import { fakeDefinitions } from "../../tests/fakes/definitions.ts";
import { readConfig, type ReadOptions, type ReadResult } from "./config.ts";

interface Outside {
  readonly env?: Record<string, string>;
  readonly files?: Record<string, string>;
}

function read(text: string, outside: Outside = {}, options: Partial<ReadOptions> = {}): ReadResult {
  return readConfig(text, {
    file: "f.yaml",
    env: (name) => outside.env?.[name],
    readFile: (path) => {
      if (outside.files?.[path] === undefined) throw new Error("No such file");
      return outside.files[path];
    },
    definitions: fakeDefinitions,
    unsetVariables: "error",
    ...options,
  });
}

/** `line:column message`, errors only unless said. */
function lines(result: ReadResult, severity: "error" | "warning" | "all" = "error"): string[] {
  return result.problems.filter((problem) => severity === "all" || problem.severity === severity)
    .map(({ line, column, message }) => `${line}:${column} ${message}`);
}

/** The config of a file without errors. */
function good(text: string, outside: Outside = {}, options: Partial<ReadOptions> = {}) {
  const result = read(text, outside, options);
  assert.deepEqual(lines(result), []);
  assert.ok(result.config);
  return { ...result, config: result.config };
}

/** A whole file around the config of a postgres-cdc source. */
const withConfig = (keys: string) =>
  `sources:
  shop:
    connector: postgres-cdc
    config:
      host: db
      database: shop
      user: repl
${keys.replaceAll(/^/gm, "      ")}
sinks:
  out: { connector: file, config: { path: out } }
pipelines:
  p: { source: shop, sink: out }
`;

const QUICK_START = `version: "1.0"

sources:
  postgres_db:
    connector: postgres-cdc
    config:
      host: localhost
      port: 5432
      database: mydb
      user: postgres
      password: \${POSTGRES_PASSWORD}
      slot_name: rivven_slot
      publication: rivven_pub
    streams:
      - name: users
        namespace: public
        sync_mode: incremental

sinks:
  broker:
    connector: rivven
    config:
      address: localhost:9092

pipelines:
  cdc_to_broker:
    source: postgres_db
    sink: broker
    enabled: true
`;

Deno.test("readConfig() takes the file of the Quick Start as it is written", () => {
  const { config, problems, secrets } = good(QUICK_START, { env: { POSTGRES_PASSWORD: "hunter2" } });
  assert.deepEqual(problems, []);
  assert.deepEqual(secrets, ["hunter2"]);
  const [source] = config.sources;
  assert.deepEqual(source.config, {
    host: "localhost",
    port: 5432,
    database: "mydb",
    user: "postgres",
    password: "hunter2",
    slot_name: "rivven_slot",
    publication: "rivven_pub",
    tls: false,
    snapshot_mode: "initial",
  });
  assert.deepEqual(source.streams, [{ name: "users", namespace: "public", sync_mode: "incremental" }]);
  assert.equal(config.sinks[0].connector, "rivven");
  assert.equal(config.settings.state_dir, "./data/connect-state");
  assert.equal(config.settings.shutdown_timeout_ms, 30_000);
  assert.deepEqual(config.pipelines[0].settings, {
    rate_limit: 0,
    on_error: "stop",
    dead_letter_max_ratio: 0.5,
  });
});

Deno.test("readConfig() says where the YAML is broken, several mistakes at once, and quotes nothing of it", () => {
  const cases: [string, string[]][] = [
    ["a:\n\tb: 1\nc: d: e\n", [
      "2:1 A tab is used as indentation",
      '3:4 A second ": " in one line: a map can\'t start here',
    ]],
    ["a: %x\nb: @y\n", [
      "1:4 Plain value cannot start with directive indicator character %",
      "2:4 Plain value cannot start with reserved character @",
    ]],
    ["a: 1\n---\nb: 2\n", ["2:1 The file holds several YAML documents"]],
    ["password: *hunter2\n", ["1:11 No anchor of this name stands before the alias"]],
    ["a: &a [*a]\n", ["1:8 The alias stands inside what it refers to"]],
    ["a: !!binary hunter2\n", ["1:4 Unknown YAML tag"]],
    ["? [a]\n: 1\n", ["1:3 A key must be a plain name"]],
    ["__proto__: 1\n", ["1:1 A key must be a plain name"]],
    ["<<: 5\n", ['1:1 "<<" merges maps only']],
  ];
  for (const [text, expected] of cases) {
    const result = read(text);
    assert.deepEqual(lines(result).filter((line) => !line.includes("Unknown key")), expected, text);
    assert.ok(!JSON.stringify(result.problems).includes("hunter2"), text);
  }
  const flow = read("sources: { a: { connector: ${C} } }\n");
  assert.match(flow.problems[0].hint!, /needs quotes/);
  assert.equal(flow.problems.length, 1);
});

Deno.test("readConfig() refuses files that are empty, no map, or explode when aliases are resolved", () => {
  assert.deepEqual(lines(read("")), ["1:1 The file is empty"]);
  assert.deepEqual(lines(read("# nothing\n")), ["1:1 The file is empty"]);
  assert.deepEqual(lines(read("- a\n")), ["1:1 The file must be a map of keys and values"]);
  const levels = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`);
  const bomb = read(`a0: &a0 [x,x]\n${levels.join("\n")}\n`);
  assert.ok(lines(bomb).some((line) => line.includes("more than 100000 values")));
});

Deno.test("readConfig() finds keys given twice at every level, with both lines", () => {
  const text = withConfig("port: 1\nport: 2\ntls: true\ntls: false") + "pipelines: {}\n";
  assert.deepEqual(lines(read(text)), [
    '9:7 Key "port" is already given in line 8',
    '11:7 Key "tls" is already given in line 10',
    '16:1 Key "pipelines" is already given in line 14',
  ]);
});

Deno.test("readConfig() reports all mistakes of a file at once, each at its line and column", () => {
  const result = read(`version: 2
sorces: {}
log_level: info
sources:
  shop:
    connector: postgres-cdc
    host: db
    config:
      port: "many"
      dtabase: shop
      user:
      snapshot_mode: initially
      tls: 1
      streams: []
      transforms: []
      auth: { type: kee, path: x }
      hosts: 5
    streams:
      - namespace: public
      - { name: a, sync_mode: cdc }
  kafkaesque:
    connector: kafka-x
  sink_side:
    connector: file
  mysql:
    connector: mysql-cdc
  "bad name": { connector: queue, config: { url: "no url" } }
sinks:
  out:
    conector: file
    batch: { max_records: 0, max_byte: 5 }
  store:
    connector: s3
    config: { provider: gcs, bucket: b }
  nothing:
pipelines:
  p:
    source: shopp
    sink: out
    enabled: maybe
    streams: orders
    settings: { on_error: retry, rate_limit: -1, dead_letter_max_ratio: 2 }
  q: [shop, out]
settings:
  shutdown_timeout_ms: soon
`);
  assert.deepEqual(lines(result), [
    '1:10 "version" must be 1 or 1.0',
    '2:1 Unknown key "sorces"',
    '3:1 Unknown key "log_level"',
    '7:5 Unknown key "host"',
    '8:5 Missing key "host"',
    '8:5 Missing key "database"',
    '9:13 "port" must be a number, not text',
    '10:7 Unknown key "dtabase"',
    '11:7 "user" has no value',
    '12:22 "snapshot_mode" must be one of initial, never, not "initially"',
    '13:12 "tls" must be true or false, not a number',
    '14:7 Unknown key "streams"',
    '16:21 "type" must be one of password, key, not "kee"',
    '17:14 "hosts" must be text or a list',
    '19:9 Missing key "name"',
    '20:31 "sync_mode" must be one of full_refresh, incremental, not "cdc"',
    '22:16 Unknown connector "kafka-x"',
    '24:16 Connector "file" is no source, only a sink',
    '26:16 Connector "mysql-cdc" is not in this build yet',
    '27:3 Name "bad name": A name is made of letters, digits, _, - and .',
    '27:50 "url": Invalid URL',
    '29:3 Missing key "connector"',
    '30:5 Unknown key "conector"',
    '31:27 "max_records" must be at least 1',
    '31:30 Unknown key "max_byte"',
    '34:25 "provider" is always "s3" for connector "s3"',
    '35:3 "nothing" has no value',
    '38:13 There is no source "shopp"',
    '40:14 "enabled" must be true or false, not text',
    '41:14 "streams" must be a list, not text',
    '42:27 "on_error" must be one of skip, stop, dead_letter, not "retry"',
    '42:46 "rate_limit" must be at least 0',
    '42:73 "dead_letter_max_ratio" must be at most 1',
    '43:6 "q" must be a map of keys and values, not a list',
    '45:24 "shutdown_timeout_ms" must be a number, not text',
  ]);
  const hint = (path: string) => result.problems.find((problem) => problem.path === path)?.hint;
  assert.equal(hint("sorces"), 'Did you mean "sources"?');
  assert.equal(hint("log_level"), '"log_level" belongs under "settings"');
  assert.equal(hint("sources.shop.host"), '"host" belongs under "config"');
  assert.equal(hint("sources.shop.config.dtabase"), 'Did you mean "database"?');
  assert.equal(hint("sources.shop.config.streams"), '"streams" belongs beside "config", not into it');
  assert.equal(hint("sources.shop.config.snapshot_mode"), 'Did you mean "initial"?');
  assert.equal(hint("sources.shop.config.host"), "Address of the server");
  assert.equal(hint("sources.shop.config.auth.type"), 'Did you mean "key"?');
  assert.equal(
    hint("sources.shop.streams[0].name"),
    "Table, topic or queue; may hold its namespace: public.orders",
  );
  assert.equal(hint("sources.kafkaesque.connector"), "Known sources: postgres-cdc, postgres, queue");
  assert.equal(hint("sources.sink_side.connector"), "Known sources: postgres-cdc, postgres, queue");
  assert.equal(hint("sinks.out.conector"), 'Did you mean "connector"?');
  assert.equal(hint("sinks.out.batch.max_byte"), 'Did you mean "max_bytes"?');
  assert.equal(hint("pipelines.p.source"), 'Did you mean "shop"?');
  assert.equal(result.config, undefined);
});

Deno.test("readConfig() with allowUnknownKeys warns about them and leaves them out", () => {
  const text = withConfig("prt: 1\nauth: { type: key, path: x, extra: 1 }") + "extras: 1\n";
  const { config, problems } = good(text, {}, { allowUnknownKeys: true });
  assert.deepEqual(problems.map(({ severity, line, column }) => [severity, line, column]), [
    ["warning", 8, 7],
    ["warning", 9, 35],
    ["warning", 14, 1],
  ]);
  const own = config.sources[0].config as Record<string, unknown>;
  assert.equal(own.prt, undefined);
  assert.deepEqual(own.auth, { type: "key", path: "x" });
});

Deno.test("readConfig() gives a variable the type that its place wants", () => {
  const env = {
    PORT: "5433",
    PW: "00123",
    TLS: "true",
    NUM: "7",
    HOSTS: "a",
    BIG: "18446744073709551615",
    WORD: "null",
  };
  const { config } = good(
    withConfig(`port: \${PORT}
password: \${PW}
tls: "\${TLS}"
slot_name: \${NUM}
hosts: \${NUM}
publication: "\${NONE:-5}"
tags: { plain: \${NUM}, quoted: "\${NUM}", part: "n\${NUM}", block: x, word: "\${WORD}", literal: 9007199254740993 }
`).replace("{ plain: ${NUM}, quoted", "{ quoted").replace(
      "      tags:",
      "      snapshot_mode: ${MODE:-never}\n      tags:",
    ),
    { env },
  );
  assert.deepEqual(config.sources[0].config, {
    host: "db",
    database: "shop",
    user: "repl",
    port: 5433,
    password: "00123",
    tls: true,
    slot_name: "7",
    hosts: "7",
    publication: "5",
    snapshot_mode: "never",
    tags: { quoted: "7", part: "n7", block: "x", word: "null", literal: 9007199254740993n },
  });
  const plain = good(withConfig("tags:\n  a: ${NUM}\n  b: ${TLS}\n  c: ${WORD}\n  d: ${BIG}"), { env });
  assert.deepEqual((plain.config.sources[0].config as { tags: unknown }).tags, {
    a: 7,
    b: true,
    c: null,
    d: 18446744073709551615n,
  });
});

Deno.test("readConfig() takes a long integer as its digits where text is wanted, and refuses it as a number", () => {
  const { config } = good(withConfig("password: 12345678901234567890"));
  assert.equal((config.sources[0].config as { password: string }).password, "12345678901234567890");
  assert.deepEqual(lines(read(withConfig("port: 12345678901234567890"))), [
    '8:13 "port" must be a number, not text',
  ]);
});

Deno.test("readConfig() keeps whatever a variable holds inside its one scalar", () => {
  const attacks = [
    "x\nadmin: true",
    'x"\n      admin: true\n      y: "',
    "x'\nadmin: true",
    "x # comment",
    "*alias",
    "&anchor x",
    "!!js/function x",
    "{ admin: true }",
    "[a, b]",
    "- a",
    "${OTHER}",
    "| block",
    "<<: {a: 1}",
    "%YAML 1.2\n---\n",
    "\u0000\u0085\u2028",
  ];
  for (const attack of attacks) {
    for (const written of ["${X}", '"${X}"', "'${X}'", "|-\n  ${X}", "${NONE:-${X}}"]) {
      const { config } = good(withConfig(`slot_name: ${written}`), { env: { X: attack } });
      const own = config.sources[0].config as Record<string, unknown>;
      assert.equal(own.slot_name, attack, written);
      assert.equal("admin" in own, false);
    }
  }
});

Deno.test("readConfig() fills variables in values only: not in keys, not in comments", () => {
  const asked: string[] = [];
  const { config } = good(
    withConfig("tags:\n  ${KEY}: 1 # ${COMMENT}\n# ${COMMENT}"),
    {},
    { env: (name) => (asked.push(name), "x") },
  );
  assert.deepEqual((config.sources[0].config as { tags: unknown }).tags, { "${KEY}": 1 });
  assert.deepEqual(asked, []);
});

Deno.test("readConfig() takes an unset variable as an error, or as a warning that keeps other checks going", () => {
  const text = withConfig("port: ${PORT}\npassword: ${file:/run/pw}\nsnapshot_mode: ${MODE}\nnope: 1");
  assert.deepEqual(lines(read(text)), [
    "8:13 Variable PORT is not set",
    '9:17 Cannot read "/run/pw": No such file',
    "10:22 Variable MODE is not set",
    '11:7 Unknown key "nope"',
  ]);
  const lenient = read(text, {}, { unsetVariables: "warning" });
  assert.deepEqual(lines(lenient), ['11:7 Unknown key "nope"']);
  assert.equal(lines(lenient, "warning").length, 3);
  const names = text.replace("postgres-cdc", "${KIND}").replace("source: shop", 'source: "${SOURCE}"');
  assert.deepEqual(lines(read(names)).filter((line) => !line.includes("is not set")), [
    '9:17 Cannot read "/run/pw": No such file',
  ]);
  const { config } = good(text.replace("      nope: 1\n", ""), {}, { unsetVariables: "warning" });
  assert.equal((config.sources[0].config as { port: number }).port, 5432);
});

Deno.test("readConfig() takes ${X:?message} as an error everywhere", () => {
  const result = read(withConfig("password: ${PW:?the replication password}"), {}, {
    unsetVariables: "warning",
  });
  assert.deepEqual(lines(result), ["8:17 Variable PW is not set: the replication password"]);
});

Deno.test("readConfig() collects secrets: marked keys, files, passwords and tokens in URLs", () => {
  const text = withConfig(`password: plain-secret
slot_name: "\${file:/run/slot}"
tags: { url: "postgres://u:p%40ss@db/x", hook: "https://h/x?api_key=k-1&page=12", other: visible }
auth: { type: password, secret: "\${TOKEN}" }`);
  const { secrets, config } = good(text, { env: { TOKEN: "tok-en" }, files: { "/run/slot": "from-file\n" } });
  assert.deepEqual([...secrets].toSorted(), ["from-file", "k-1", "p%40ss", "p@ss", "plain-secret", "tok-en"]);
  assert.deepEqual(config.secrets, secrets);
});

Deno.test("readConfig() knows the secrets of sections that it refuses", () => {
  const { config, secrets } = read(
    withConfig("") + "broker: { auth: { password: pw-1 } }\n" +
      "schema_registry: { mode: external, external: { url: 'https://u:pw-2@r/', password: pw-3 } }\n" +
      "settings: { admin: { token: pw-4 } }\nsecrets: { vault: { key: pw-5 } }\n",
  );
  assert.equal(config, undefined);
  assert.deepEqual([...secrets].toSorted(), ["pw-1", "pw-2", "pw-3", "pw-4", "pw-5"]);
});

Deno.test("no problem holds a secret or the value of a variable, whatever is wrong", () => {
  const secret = "hunter2-hunter2";
  const env = { V: secret, N: "987654", S: "qz" };
  const files = { "/f": secret };
  const values = ["${V}", '"${V}"', "x${V}", "${N}", "${file:/f}", '"${file:/f}"', "${NONE:-${V}}", "${S}"];
  const keys = ["port", "tls", "snapshot_mode", "tags", "auth", "hosts", "nope", "user: { a: 1 }\ndatabase"];
  let seen = 0;
  for (const value of values) {
    for (const key of keys) {
      for (
        const text of [
          withConfig(`${key}: ${value}`),
          withConfig(`${key}: { a: ${value.startsWith('"') ? value : `"${value}"`} }`),
          withConfig(`slot_name: ${value}\npublication: ${value}`),
          withConfig("").replace("connector: postgres-cdc", `connector: ${value}`),
          withConfig("").replace("source: shop,", `source: "${value.replaceAll('"', "")}",`),
          withConfig(`password: ${secret}\nauth: ${secret}\npasswd: { x: ${secret} }\nport: x`),
          withConfig(`auth: { type: password, secret: [${secret}] }`),
          withConfig(`password: ${secret}\nslot_name: ${secret}\npublication: ${secret}`),
        ]
      ) {
        const result = read(text, { env, files });
        seen += result.problems.length;
        const printed = result.problems.map(({ message, hint }) => `${message} ${hint}`).join("\n");
        for (const hidden of [secret, "987654", "qz"]) {
          assert.ok(!printed.includes(hidden), `${text}\n${printed}`);
        }
      }
    }
  }
  assert.ok(seen > 400, `${seen} problems looked at`);
});

Deno.test("a connector's own rule has its message and hint, with the value of a variable hidden", () => {
  const [plain] = read(withConfig("slot_name: same\npublication: same")).problems;
  assert.equal(
    `${plain.line}:${plain.column} ${plain.message}`,
    '8:18 Slot "same" is named like the publication',
  );
  assert.equal(plain.hint, "Choose another name");
  const [hidden] = read(withConfig("slot_name: ${S}\npublication: ${S}"), { env: { S: "same" } }).problems;
  assert.equal(hidden.message, 'Slot "${S}" is named like the publication');
});

Deno.test("readConfig() accepts older spellings with a warning, variables of digits included", () => {
  const text = withConfig("passwd: ${PW}").replace("user: repl", "username: ${USER_ID}");
  const { config, problems, secrets } = good(text, { env: { PW: "0042", USER_ID: "1000" } });
  assert.deepEqual(problems.map(({ line, column, severity, message }) => [line, column, severity, message]), [
    [7, 7, "warning", '"username" is now "user"'],
    [8, 7, "warning", '"passwd" is now "password"'],
  ]);
  const { user, password } = config.sources[0].config as Record<string, unknown>;
  assert.deepEqual([user, password], ["1000", "0042"]);
  assert.deepEqual(secrets, ["0042"]);
});

Deno.test("readConfig() resolves aliases of connectors, with the keys that they fix", () => {
  const { config } = good(`
sources: { a: { connector: postgres, config: { host: h, database: d, user: u } } }
sinks: { b: { connector: s3, config: { bucket: x } } }
pipelines: { p: { source: a, sink: b } }
`);
  assert.equal(config.sources[0].connector, "postgres-cdc");
  assert.equal(config.sinks[0].connector, "object-storage");
  assert.deepEqual(config.sinks[0].config, { provider: "s3", bucket: "x" });
});

Deno.test("readConfig() follows anchors, aliases and merges, and reports what stands behind them once", () => {
  const shared = `
sources:
  a: &base { connector: postgres-cdc, config: &config { host: h, database: d, user: u } }
  b: *base
  c: { <<: *base, config: { <<: [*config], port: 7 } }
sinks: { out: { connector: file, config: { path: x } } }
pipelines: { p: { source: a, sink: out }, q: { source: b, sink: out }, r: { source: c, sink: out } }
`;
  const { config } = good(shared);
  const ports = config.sources.map((source) => (source.config as { port: number }).port);
  assert.deepEqual(ports, [5432, 5432, 7]);
  assert.deepEqual(lines(read(shared.replace("user: u", "usr: u"))), [
    '3:39 Missing key "user"',
    '3:79 Unknown key "usr"',
    '5:19 Missing key "user"',
  ]);
});

Deno.test("readConfig() refuses by name what this build can't do, and accepts its off form", () => {
  const base = withConfig("");
  const into = (section: string, keys: string) => base.replace(section, `${section}\n${keys}`);
  const refused: [string, string][] = [
    [base + "plugins: { x: {} }\n", "plugins"],
    [base + "secrets: { vault: {} }\n", "secrets"],
    [base + "schema_registry: { mode: external, external: { url: x } }\n", "schema_registry"],
    [base + "schema_registry: { url: x }\n", "schema_registry"],
    [base + "distributed: { enabled: true, node_id: a }\n", "distributed"],
    [base + "settings: { isolation: process }\n", "settings.isolation"],
    [base + "settings: { health: { enabled: true } }\n", "settings.health.enabled"],
    [base + "settings: { metrics: { enabled: true } }\n", "settings.metrics.enabled"],
    [base + "settings: { telemetry: { enabled: true } }\n", "settings.telemetry.enabled"],
    [base + "settings: { admin: { token: x } }\n", "settings.admin"],
    [into("  shop:", "    schema_registry_url: x"), "schema_registry_url"],
    [into("  shop:", "    tasks_max: 2"), "tasks_max"],
    [into("  shop:", "    mode: scalable"), "mode"],
    [into("  shop:", "    rate_limit: { burst_size: 5 }"), "rate_limit.burst_size"],
    [into("  shop:", "    rate_limit: { max_in_flight: 5 }"), "rate_limit.max_in_flight"],
    [
      base.replace("{ path: out } }", "{ path: out }, rate_limit: { burst_capacity: 1 } }"),
      "rate_limit.burst_capacity",
    ],
  ];
  for (const [text, label] of refused) {
    const result = read(text);
    assert.deepEqual(lines(result).map((line) => line.replace(/^\d+:\d+ /, "")), [
      `"${label}" is not in this build yet`,
    ], text);
    assert.ok(result.problems[0].hint, label);
  }
  const off = base.replace(
    "  shop:",
    `  shop:
    topic_config: { partitions: 3, auto_create: true }
    transforms: []
    tasks_max: 1
    mode: singleton
    required: false
    rate_limit: { events_per_second: 5, max_in_flight: 0, burst_size: 0 }`,
  ) + `
schema_registry: { mode: disabled }
distributed: { enabled: false, node_id: a, failover: { heartbeat_interval_ms: 1 } }
transforms: {}
settings:
  isolation: worker
  health: { enabled: false, port: 8081 }
  metrics: { enabled: false }
  telemetry: { enabled: false, sample_ratio: 0.5 }
`;
  assert.deepEqual(good(off).problems, []);
});

Deno.test("readConfig() lets disabled parts name what is not there", () => {
  const { config, problems } = good(`
sources:
  on: { connector: queue, config: { url: "https://q/" } }
  off: { enabled: false, connector: mysql-cdc, transforms: [x], config: { password: "\${NONE}" } }
  half: { enabled: false, connector: postgres-cdc, config: { host: h, database: d, user: "\${NONE}" } }
sinks:
  out: { connector: file, config: { path: x } }
pipelines:
  p: { source: on, sink: out }
  q: { source: gone, sink: out, enabled: false }
`);
  assert.equal(config.sources[1].config, undefined);
  assert.equal((config.sources[2].config as { host: string }).host, "h");
  assert.ok(problems.every((problem) => problem.severity === "warning"));
  assert.deepEqual(problems.map(({ message }) => message), [
    'Connector "mysql-cdc" is not in this build yet',
    "Variable NONE is not set",
    "Variable NONE is not set",
    'There is no source "gone"',
  ]);
});

Deno.test("readConfig() warns about a source and a sink in no pipeline", () => {
  const text = `
sources:
  a: { connector: queue, config: { url: "https://q/" } }
  b: { connector: queue, config: { url: "https://q/" } }
sinks: { out: { connector: file, config: { path: x } }, idle: { connector: file, config: { path: y } } }
pipelines: { p: { source: a, sink: out } }
`;
  assert.deepEqual(lines(read(text), "all"), [
    '4:3 Source "b" stands in no pipeline: it is not run',
    '5:57 Sink "idle" stands in no pipeline: it is not run',
  ]);
});

Deno.test("readConfig() checks the streams against what the source can do", () => {
  const text = `
sources:
  a:
    connector: postgres-cdc
    config: { host: h, database: d, user: u }
    streams: [{ name: x, sync_mode: full_refresh }, { name: y, cursor_field: id }]
  b:
    connector: queue
    config: { url: "https://q/" }
    streams: [{ name: x }, { name: y, sync_mode: full_refresh }]
sinks: { out: { connector: file, config: { path: x } } }
pipelines: { p: { source: a, sink: out }, q: { source: b, sink: out } }
`;
  assert.deepEqual(lines(read(text), "all"), [
    '6:64 "cursor_field" has no effect: "postgres-cdc" reads the log of changes',
    '10:50 Connector "queue" can\'t do sync_mode full_refresh',
  ]);
});

Deno.test("readConfig() accepts hosts in allow.net and refuses what is no host", () => {
  const text = (hosts: string) =>
    withConfig("").replace("  shop:", `  shop:\n    allow: { net: [${hosts}] }`);
  good(
    text(
      '"db:5432", db, 10.0.0.1, "10.0.0.0/8", "10.0.0.0/8:5432", "*.aws.com", "*.aws.com:443", "[::1]:80", "unix:/x"',
    ),
  );
  for (const host of ["https://db", "db:port", "a b", "db/path", "*"]) {
    const [problem] = read(text(`"${host}"`)).problems;
    assert.equal(`${problem.line}:${problem.column}`, "3:20", host);
    assert.match(problem.message, /^Entry 1 of "net": A host is written/);
  }
});
