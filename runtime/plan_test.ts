import assert from "node:assert/strict";
import { fakeDefinitions } from "../tests/fakes/definitions.ts";
import { readConfig } from "./config/config.ts";
import { makePlan, type Plan, type PlanOptions, type PlanResult } from "./plan.ts";

function planOf(text: string, options: PlanOptions = {}, env: Record<string, string> = {}): PlanResult {
  const { config, problems } = readConfig(text, {
    file: "f.yaml",
    env: (name) => env[name],
    readFile: () => "",
    definitions: fakeDefinitions,
    unsetVariables: "error",
  });
  assert.ok(config, JSON.stringify(problems, undefined, 1));
  return makePlan(config, fakeDefinitions, options);
}

function good(text: string, options: PlanOptions = {}, env: Record<string, string> = {}): Plan {
  const { plan, problems } = planOf(text, options, env);
  assert.deepEqual(problems, []);
  assert.ok(plan);
  return plan;
}

const lines = ({ problems }: PlanResult) =>
  problems.map(({ line, column, severity, message }) => `${line}:${column} ${severity} ${message}`);

const DATABASE = "{ host: db, database: shop, user: repl, password: hunter2 }";

Deno.test("makePlan() plans a pipeline whole, with every default filled in", () => {
  const plan = good(`
sources: { shop: { connector: postgres, config: ${DATABASE} } }
sinks: { out: { connector: file, config: { path: ./out } } }
pipelines: { p: { source: shop, sink: out } }
`);
  assert.deepEqual(plan, {
    file: "f.yaml",
    settings: {
      stateDir: "./data/connect-state",
      logLevel: "info",
      logFormat: "text",
      shutdownTimeoutMs: 30_000,
    },
    secrets: ["hunter2"],
    sources: [{
      name: "shop",
      connector: "postgres-cdc",
      role: "source",
      config: {
        host: "db",
        database: "shop",
        user: "repl",
        password: "hunter2",
        port: 5432,
        slot_name: "rivven_slot",
        publication: "rivven_pub",
        tls: false,
        snapshot_mode: "initial",
      },
      permissions: { net: ["db:5432"], read: [], write: [], env: [], sys: [] },
      layout: "standard",
      streams: [],
      transforms: [],
      eventsPerSecond: 0,
      flows: [{
        name: "p",
        sink: {
          name: "out",
          connector: "file",
          role: "sink",
          config: { path: "./out", envelope: "auto" },
          permissions: { net: [], read: ["./out"], write: ["./out"], env: [], sys: [] },
        },
        layout: "standard",
        streams: [],
        transforms: [],
        eventsPerSecond: 0,
        onError: "stop",
        deadLetterMaxRatio: 0.5,
        batch: { cheap: false, maxRecords: 5000, maxBytes: 1_000_000, maxWaitMs: 2000 },
        guarantee: "exactly_once",
        guaranteeReason:
          'Source "shop" replays in order and sink "out" cuts back what the checkpoint doesn\'t know',
      }],
    }],
  });
  structuredClone(plan); // plain data: it crosses to workers
});

Deno.test("makePlan() reads a source once for all pipelines that name it, and opens their sinks apart", () => {
  const plan = good(`
sources:
  shop: { connector: postgres-cdc, config: ${DATABASE}, streams: [{ name: orders, namespace: public }] }
  jobs: { connector: queue, config: { url: "https://q.example/" }, rate_limit: { events_per_second: 7 } }
sinks:
  out: { connector: file, config: { path: x }, rate_limit: { events_per_second: 50 } }
  store: { connector: s3, config: { bucket: b } }
pipelines:
  orders: { source: shop, sink: out, streams: ["public.orders", "/^audit/"], settings: { rate_limit: 100, on_error: skip } }
  all: { source: shop, sink: out, settings: { rate_limit: { events_per_second: 10 }, dead_letter_max_ratio: 1 } }
  lake: { source: shop, sink: store }
  jobs: { source: jobs, sink: store, settings: { on_error: dead_letter } }
`);
  assert.deepEqual(
    plan.sources.map(({ name, eventsPerSecond, flows }) => [
      name,
      eventsPerSecond,
      flows.map((
        flow,
      ) => [flow.name, flow.sink.name, flow.eventsPerSecond, flow.onError, flow.deadLetterMaxRatio]),
    ]),
    [
      ["shop", 0, [
        ["orders", "out", 50, "skip", 0.5],
        ["all", "out", 10, "stop", 1],
        ["lake", "store", 0, "stop", 0.5],
      ]],
      ["jobs", 7, [["jobs", "store", 0, "dead_letter", 0.5]]],
    ],
  );
  const [shop] = plan.sources;
  assert.deepEqual(shop.streams, [{ name: "orders", namespace: "public", sync_mode: "incremental" }]);
  assert.deepEqual(shop.flows[0].streams, ["public.orders", "/^audit/"]);
  // The sinks disagree, so the source writes the first one's layout.
  assert.deepEqual(shop.flows.map((flow) => flow.layout), ["standard", "standard", "plain"]);
  assert.equal(shop.layout, "standard");
  assert.equal(plan.sources[1].layout, "plain");
  assert.deepEqual(shop.flows[2].sink.config, { provider: "s3", bucket: "b" });
});

Deno.test("makePlan() lets the layout come from the sink, then the source, then the connector", () => {
  const layoutWith = (source: string, sink: string, config = "") =>
    good(`
sources: { a: { connector: queue, config: { url: "https://q/" }${source} } }
sinks: { b: { connector: file, config: { path: x${config} }${sink} } }
pipelines: { p: { source: a, sink: b } }
`).sources[0].flows[0].layout;
  const cases: [string, string, string, string][] = [
    ["", "", "", "standard"],
    [", envelope: plain", "", "", "plain"],
    [", envelope: source_event", "", "", "rivven"],
    [", payload: data", "", "", "plain"],
    [", envelope: plain", ", envelope: full", "", "full"],
    [", envelope: plain", ", envelope: auto", "", "standard"],
    [", envelope: plain", ", payload: envelope", "", "standard"],
    [", envelope: full", "", ", envelope: plain", "plain"],
    [", envelope: full", "", ", envelope: auto", "standard"],
    ["", ", envelope: plain", ", envelope: plain", "plain"],
  ];
  for (const [source, sink, config, layout] of cases) {
    assert.equal(layoutWith(source, sink, config), layout, source + sink + config);
  }
});

Deno.test("makePlan() refuses a sink with two layouts", () => {
  const result = planOf(`
sources: { a: { connector: queue, config: { url: "https://q/" } } }
sinks: { b: { connector: file, config: { path: x, envelope: plain }, envelope: full } }
pipelines: { p: { source: a, sink: b } }
`);
  assert.equal(result.plan, undefined);
  assert.deepEqual(lines(result), ['3:61 error Sink "b" names two layouts: full, and plain in its config']);
});

Deno.test("makePlan() promises the weaker of both ends, and says why", () => {
  const { sources } = good(`
sources:
  ordered: { connector: postgres-cdc, config: ${DATABASE} }
  loose: { connector: queue, config: { url: "https://q/" } }
sinks:
  exact: { connector: file, config: { path: x } }
  least: { connector: s3, config: { bucket: b } }
pipelines:
  a: { source: ordered, sink: exact }
  b: { source: ordered, sink: least }
  c: { source: loose, sink: exact }
  d: { source: loose, sink: least }
`);
  const promised = sources.flatMap((source) => source.flows)
    .map((flow) => `${flow.name} ${flow.guarantee}: ${flow.guaranteeReason}`);
  assert.deepEqual(promised, [
    'a exactly_once: Source "ordered" replays in order and sink "exact" cuts back what the checkpoint doesn\'t know',
    'b at_least_once: Sink "least" may repeat records after a crash',
    'c at_least_once: Source "loose" may repeat records after a crash',
    'd at_least_once: Source "loose" and sink "least" may repeat records after a crash',
  ]);
});

Deno.test("makePlan() adds allow.net to the rights that the connector asks for", () => {
  const { sources: [source] } = good(
    `
sources:
  a: { connector: postgres-cdc, config: { host: "\${HOST}", database: d, user: u }, allow: { net: ["*.vendor.com", "b:1"] } }
sinks: { b: { connector: object-storage, config: { provider: gcs, bucket: x }, allow: { net: [a.example] } } }
pipelines: { p: { source: a, sink: b } }
`,
    {},
    { HOST: "b", PORT: "1" },
  );
  assert.deepEqual(source.permissions.net, ["*.vendor.com", "b:1", "b:5432"]);
  assert.deepEqual(source.flows[0].sink.permissions, {
    net: ["a.example", "s3.amazonaws.com"],
    read: [],
    write: [],
    env: ["AWS_REGION"],
    sys: [],
  });
});

Deno.test("makePlan() reports rights that can't be worked out, without the value of a variable", () => {
  const definitions = fakeDefinitions.map((definition) =>
    definition.type !== "postgres-cdc" ? definition : {
      ...definition,
      permissions: (config: unknown) => {
        throw new Error(`Odd host "${(config as { host: string }).host}"`);
      },
    }
  );
  const { config } = readConfig(
    `
sources: { a: { connector: postgres-cdc, config: { host: "\${HOST}", database: d, user: u } } }
sinks: { b: { connector: file, config: { path: x } } }
pipelines: { p: { source: a, sink: b } }
`,
    { file: "f.yaml", env: () => "hidden-host", readFile: () => "", definitions, unsetVariables: "error" },
  );
  assert.deepEqual(lines(makePlan(config!, definitions)), [
    '2:42 error Can\'t tell which rights source "a" needs: Odd host "${HOST}"',
  ]);
});

Deno.test("makePlan() takes a sink's batch over its batch_size over the connector's limits", () => {
  const limits = (entry: string, config: string) =>
    good(`
sources: { a: { connector: queue, config: { url: "https://q/" } } }
sinks: { b: { connector: file, config: { path: x${config} }${entry} } }
pipelines: { p: { source: a, sink: b } }
`).sources[0].flows[0].batch;
  const own = { cheap: false, maxRecords: 5000, maxBytes: 1_000_000, maxWaitMs: 2000 };
  assert.deepEqual(limits("", ""), own);
  assert.deepEqual(limits("", ", batch_size: 20"), { ...own, maxRecords: 20 });
  assert.deepEqual(limits(", batch: { max_records: 10000, timeout_ms: 5000 }", ", batch_size: 20"), {
    ...own,
    maxRecords: 10_000,
    maxWaitMs: 5000,
  });
  assert.deepEqual(limits(", batch: { max_bytes: 7 }", ""), { ...own, maxBytes: 7 });
});

Deno.test("makePlan() leaves out what is disabled, and says which pipelines that stops", () => {
  const result = planOf(`
sources:
  on: { connector: queue, config: { url: "https://q/" } }
  off: { connector: queue, config: { url: "https://q/" }, enabled: false }
sinks:
  on: { connector: file, config: { path: x } }
  off: { connector: file, config: { path: y }, enabled: false }
pipelines:
  a: { source: on, sink: on }
  b: { source: off, sink: on }
  c: { source: on, sink: off }
  d: { source: on, sink: on, enabled: false }
`);
  assert.deepEqual(lines(result), [
    '10:16 warning Pipeline "b" is not run: its source "off" is disabled',
    '11:26 warning Pipeline "c" is not run: its sink "off" is disabled',
  ]);
  assert.deepEqual(
    result.plan!.sources.map((source) => [source.name, source.flows.map((flow) => flow.name)]),
    [
      ["on", ["a"]],
    ],
  );
});

Deno.test("makePlan() refuses a file in which nothing is enabled, and says what to do", () => {
  const parts = `
sources: { a: { connector: queue, config: { url: "https://q/" } } }
sinks: { b: { connector: file, config: { path: x } } }
`;
  const cases: [string, string, string][] = [
    ["version: 1\n", "1:1", "Describe a source, a sink and a pipeline that joins them"],
    [parts, "2:1", "Add a pipeline that names a source and a sink"],
    [
      parts + "pipelines: { p: { source: a, sink: b, enabled: false } }\n",
      "4:1",
      "Set enabled: true on a pipeline, its source and its sink",
    ],
  ];
  for (const [text, place, hint] of cases) {
    const { plan, problems } = planOf(text);
    assert.equal(plan, undefined);
    assert.equal(problems.length, 1);
    assert.match(problems[0].message, /^Nothing is enabled/);
    assert.equal(problems[0].hint, hint);
    assert.equal(`${problems[0].line}:${problems[0].column}`, place);
  }
});

Deno.test("makePlan() runs only the pipelines asked for, and lets flags win over the file", () => {
  const text = `
sources: { a: { connector: queue, config: { url: "https://q/" } } }
sinks: { b: { connector: file, config: { path: x } } }
pipelines: { p: { source: a, sink: b }, q: { source: a, sink: b } }
settings: { state_dir: ./mine, log_level: warn, log_format: json, shutdown_timeout_ms: 5 }
`;
  const { sources, settings } = good(text, {
    pipelines: ["q"],
    settings: { logLevel: "debug", stateDir: undefined },
  });
  assert.deepEqual(sources[0].flows.map((flow) => flow.name), ["q"]);
  assert.deepEqual(settings, {
    stateDir: "./mine",
    logLevel: "debug",
    logFormat: "json",
    shutdownTimeoutMs: 5,
  });
  const [problem] = planOf(text, { pipelines: ["r"] }).problems;
  assert.equal(problem.message, 'There is no pipeline "r"');
});
