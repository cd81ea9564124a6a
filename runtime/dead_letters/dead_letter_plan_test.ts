import assert from "node:assert/strict";
import { loadDefinitions } from "../config/registry.ts";
import { readConfig } from "../config/config.ts";
import { makePlan } from "../plan.ts";

const definitions = await loadDefinitions(["rivven", "datagen", "file"]);

/** A plan of a datagen source and a file sink with these keys, or what is wrong with them. */
function planned(
  keys: { settings?: string; source?: string; sink?: string; top?: string; sinkConnector?: string },
) {
  const { settings = "{}", source = "", sink = "", top = "" } = keys;
  const sinkConnector = keys.sinkConnector ?? "connector: file, config: { path: out }";
  const text = `
settings: { state_dir: state }
sources: { shop: { connector: datagen, config: {}${source} } }
sinks: { out: { ${sinkConnector}${sink} } }
pipelines: { p: { source: shop, sink: out, settings: ${settings} } }
${top}`;
  const read = readConfig(text, {
    file: "f.yaml",
    env: () => undefined,
    readFile: () => "",
    definitions,
    unsetVariables: "error",
  });
  assert.ok(read.config, JSON.stringify(read.problems));
  const { plan, problems } = makePlan(read.config, definitions);
  return { flow: plan?.sources[0].flows[0], problems: [...read.problems, ...problems] };
}

const BROKER = 'broker: { address: "bus:9092", auth: { username: u, password: hunter2 } }';

Deno.test("a pipeline's topic is for all its records, and reached in a worker with the broker's right alone", () => {
  const { flow, problems } = planned({
    settings: "{ on_error: dead_letter, dead_letter_topic: dlq.p }",
    source: ", dead_letter_topic: other",
    top: BROKER,
  });
  assert.deepEqual(problems, []);
  const { sink, sourceTopic, sinkTopic } = flow!.deadLetters!;
  assert.deepEqual([sourceTopic, sinkTopic], ["dlq.p", "dlq.p"]);
  assert.deepEqual([sink.name, sink.connector, sink.role], ["dead letters of p", "rivven", "sink"]);
  assert.deepEqual(sink.permissions, { net: ["bus:9092"], read: [], write: [], env: [], sys: [] });
  assert.equal((sink.config as { auth: { username: string } }).auth.username, "u");
});

Deno.test("topics of sources and sinks are for what fails there", () => {
  const source = planned({ source: ", dead_letter_topic: dlq.in", top: BROKER }).flow!;
  assert.deepEqual([source.deadLetters!.sourceTopic, source.deadLetters!.sinkTopic], ["dlq.in", undefined]);
  const sink = planned({ sink: ", dead_letter_topic: dlq.out", top: BROKER }).flow!;
  assert.deepEqual([sink.deadLetters!.sourceTopic, sink.deadLetters!.sinkTopic], [undefined, "dlq.out"]);
  assert.deepEqual([source.onError, sink.onError], ["dead_letter", "dead_letter"]);
});

Deno.test("a topic asks for dead_letter, and can't have another on_error", () => {
  assert.equal(planned({ settings: "{ dead_letter_topic: dlq }", top: BROKER }).flow!.onError, "dead_letter");
  assert.equal(planned({ top: BROKER }).flow!.onError, "stop");
  const { flow, problems } = planned({ settings: "{ on_error: skip, dead_letter_topic: dlq }", top: BROKER });
  assert.deepEqual([flow!.onError, flow!.deadLetters], ["skip", undefined]);
  assert.deepEqual(problems.map(({ severity, message }) => [severity, message]), [
    ["warning", 'With on_error: skip no record of pipeline "p" goes to a dead letter topic'],
  ]);
});

Deno.test("without a broker in the file the flow's own is taken, and where there is none that is said", () => {
  const own = planned({
    settings: "{ dead_letter_topic: dlq }",
    sinkConnector: 'connector: rivven, config: { address: "own:9092", topic: rows, connections: 20 }',
  }).flow!.deadLetters!.sink;
  assert.deepEqual(own.permissions.net, ["own:9092"]);
  assert.equal((own.config as { topic?: string }).topic, "dlq", "not the topic of the rows");
  const { flow, problems } = planned({ settings: "{ dead_letter_topic: dlq }" });
  assert.equal(flow, undefined);
  const [{ message, hint, line }] = problems;
  assert.equal(message, "dead_letter_topic needs a broker, and the file has none");
  assert.match(hint!, /broker: \{ address/);
  assert.equal(line, 5);
});

Deno.test("a pipeline that would read its own dead letters is refused", () => {
  const text = `
${BROKER}
sinks: { out: { connector: file, config: { path: out }, topics: ["dlq.*"], dead_letter_topic: dlq.out } }`;
  const { config } = readConfig(text, {
    file: "f.yaml",
    env: () => undefined,
    readFile: () => "",
    definitions,
    unsetVariables: "error",
  });
  const { problems } = makePlan(config!, definitions);
  assert.deepEqual(problems.map(({ message }) => message), [
    'Pipeline "sinks.out" would read the dead letters that it publishes to "dlq.out"',
  ]);
});
