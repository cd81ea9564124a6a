/**
 * Changes through a Rivven broker and out again, while the program is killed at every named point and the broker is
 * killed and stopped: each change is there once, and the order of each key is kept.
 */
import assert from "node:assert/strict";
import { FAILPOINTS } from "../../runtime/failpoint.ts";
import { Program, runProgram, scratch } from "../end_to_end/program.ts";
import { requireServer } from "../servers/missing.ts";
import { type Rivvend, startRivvend } from "../servers/rivvend.ts";

/** @param changes how many in all; 0: without end, so that a program is killed however slow the machine is */
const pipelines = (broker: string, changes: number) => `
version: "1.0"
settings: { state_dir: state }
sources:
  shop:
    connector: datagen
    config:
      pattern: users
      cdc_mode: true
      initial_rows: 100
      tombstone: { enabled: true }
      seed: 7
      deterministic: true
      events_per_second: 1500
      max_events: ${changes}
  topics:
    connector: rivven
    config: { address: "${broker}", topics: ["cdc.*"], connections: 20, consumer_group: files }
sinks:
  truth: { connector: file, config: { path: "truth/all.jsonl" } }
  broker:
    connector: rivven
    config:
      address: "${broker}"
      topic: "cdc.{table}"
      topic_config: { partitions: 8 }
      retry: { max_retries: 1000, initial_backoff_ms: 20, max_backoff_ms: 200 }
  files: { connector: file, config: { path: "out/all.jsonl" } }
pipelines:
  truth: { source: shop, sink: truth }
  into_broker: { source: shop, sink: broker }
  out_of_broker: { source: topics, sink: files }
`;

interface Change {
  readonly op: string;
  readonly before: { readonly user_id: string } | null;
  readonly after: { readonly user_id: string } | null;
  readonly source: {
    readonly order: string;
    readonly lane: string;
    readonly table: string;
    readonly origin?: { readonly order: string };
  };
}

Deno.test("killed at every named point, with a broker that is killed and stopped, every change comes out again once", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  using dir = scratch();
  dir.write("connect.yaml", pipelines(broker.address, 0));
  const cwd = dir.path;
  for (const [i, point] of FAILPOINTS.entries()) {
    const env = { RIVVEN_FAILPOINT: `${point}:${i % 4 + 1}` };
    const { signal, stderr } = await runProgram(["run"], { cwd, env });
    assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
  }
  for (let loop = 0; loop < 12; loop++) {
    await using program = new Program(["run"], { cwd });
    await program.says("topics → files");
    await new Promise((resolve) => setTimeout(resolve, 50 + loop * 53));
    program.kill("SIGKILL");
    const { stderr } = await program.ended;
    assert.doesNotMatch(stderr, /ERROR/, stderr);
  }
  const truth = () => read(`${cwd}/truth/all.jsonl`);
  const changes = truth().length + 4000;
  dir.write("connect.yaml", pipelines(broker.address, changes));
  await using program = new Program(["run"], { cwd });
  await program.says("topics → files");
  for (let kills = 0; kills < 3; kills++) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await broker.kill();
    await broker.start();
  }
  await broker.stop();
  await broker.start();

  const found = () => read(`${cwd}/out/all.jsonl`);
  const orderOf = ({ source }: Change) => source.origin!.order;
  const deadline = performance.now() + 180_000;
  while (truth().length < changes || new Set(found().map(orderOf)).size < changes) {
    if (performance.now() >= deadline) {
      const there = new Set(found().map(orderOf));
      const missing = truth().filter(({ source }) => !there.has(source.order));
      const inTopic = await ordersInTopic(broker);
      const where = missing.map(({ source: { order } }) =>
        `${order}${inTopic.has(order) ? " (in the topic)" : ""}`
      );
      assert.fail(
        `${there.size} of ${changes} after a while, without ${where.join(", ")}:\n${program.stderr}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { code, stderr } = await program.stop();
  assert.equal(code, 0, stderr);

  const rows = ({ op, before, after, source: { table } }: Change) => ({ op, before, after, table });
  const expected = new Map(truth().map((change) => [change.source.order, rows(change)]));
  const newest = new Map<string, string>();
  for (const change of found()) {
    const order = orderOf(change);
    assert.deepEqual(rows(change), expected.get(order));
    const key = (change.after ?? change.before)!.user_id;
    assert.ok(order > (newest.get(key) ?? ""), `${key}: ${order} after ${newest.get(key)}`);
    newest.set(key, order);
  }
  assert.equal(found().length, changes);

  // In the broker as well, with the tombstones, which a file does not show.
  await using client = broker.client();
  let [messages, tombstones] = [0, 0];
  for (let partition = 0; partition < 8; partition++) {
    const { latest } = await client.offsets("cdc.datagen", partition);
    for (let offset = 0; offset < latest;) {
      const options = { topic: "cdc.datagen", partition, offset, maxRecords: 1000, maxWaitMs: 0 };
      const records = await client.consume(options);
      messages += records.length;
      tombstones += records.filter(({ value }) => value.length === 0).length;
      offset = records.at(-1)!.offset + 1;
    }
  }
  assert.equal(tombstones, truth().filter(({ op }) => op === "d").length);
  assert.equal(messages, changes + tombstones);
});

/** The orders of all changes that the topic holds. */
async function ordersInTopic(broker: Rivvend): Promise<Set<string>> {
  await using client = broker.client();
  const orders = new Set<string>();
  for (let partition = 0; partition < 8; partition++) {
    const { latest } = await client.offsets("cdc.datagen", partition);
    for (let offset = 0; offset < latest;) {
      const options = { topic: "cdc.datagen", partition, offset, maxRecords: 1000, maxWaitMs: 0 };
      const records = await client.consume(options);
      for (const { value } of records) {
        if (value.length > 0) orders.add(JSON.parse(new TextDecoder().decode(value)).source.order);
      }
      offset = records.at(-1)!.offset + 1;
    }
  }
  return orders;
}

function read(path: string): Change[] {
  return Deno.readTextFileSync(path).split("\n").slice(0, -1).map((line) => JSON.parse(line));
}
