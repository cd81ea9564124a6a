/**
 * Dead letters in a topic of a real broker: published before the position moves past them, so that a program that is
 * killed in between, or a broker that is away, loses none.
 */
import assert from "node:assert/strict";
import { openCheckpoints } from "../../runtime/state/checkpoint.ts";
import { readEnvelope } from "../../runtime/dead_letters/dead_letter_envelope.ts";
import { Program, runProgram, scratch } from "../end_to_end/program.ts";
import { requireServer } from "../servers/missing.ts";
import { type Rivvend, startRivvend } from "../servers/rivvend.ts";

const EVENTS = 200;
const isRefused = (index: number) => index % 10 === 0;
const indexOf = ({ source: { order } }: { source: { order: string } }) => Number(order.slice(2, 18));

/** Takes changes over HTTP, all but each tenth. */
class Hook implements AsyncDisposable {
  readonly accepted = new Set<number>();
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const body = await request.json();
    const indexes = (Array.isArray(body) ? body : [body]).map(indexOf);
    if (indexes.some(isRefused)) return new Response(null, { status: 422 });
    for (const index of indexes) this.accepted.add(index);
    return new Response();
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const file = (broker: string, hook: string, max = EVENTS) => `
version: "1.0"
settings: { state_dir: state, retry: { max_retries: 1 } }
broker:
  address: "${broker}"
  auth: { username: us, password: "a-secret-word" }
sources:
  shop:
    connector: datagen
    config: { pattern: orders, cdc_mode: true, seed: 7, events_per_second: 100, max_events: ${max} }
sinks:
  hook:
    connector: http-webhook
    config: { url: "${hook}", batch_size: 10, envelope: standard }
    batch: { max_records: 20 }
pipelines:
  hooked:
    source: shop
    sink: hook
    settings: { dead_letter_topic: refused.orders, dead_letter_max_ratio: 1 }
`;

/** Everything in the topic of dead letters. */
async function published(broker: Rivvend) {
  await using client = broker.client();
  const letters = [];
  for (let partition = 0; partition < (await client.partitions("refused.orders") ?? 0); partition++) {
    const { latest } = await client.offsets("refused.orders", partition);
    for (let offset = 0; offset < latest;) {
      const records = await client.consume({
        topic: "refused.orders",
        partition,
        offset,
        maxRecords: 1000,
        maxWaitMs: 0,
      });
      letters.push(...records.map(({ value }) => JSON.parse(new TextDecoder().decode(value))));
      offset = records.at(-1)!.offset + 1;
    }
  }
  return letters;
}

Deno.test("killed between publishing and saving, every refused record is in the topic, every other at the target", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using hook = new Hook();
  using dir = scratch();
  dir.write("connect.yaml", file(broker.address, hook.url).replace(/^ {2}auth.*\n/m, ""));
  const cwd = dir.path;
  // The first commit has letters: record 0 is refused. After one that was saved, the next one is killed as well.
  for (
    const point of ["before_save", "after_flush", "before_save", "after_save", "before_save", "before_save"]
  ) {
    const { signal, stderr } = await runProgram(["run"], { cwd, env: { RIVVEN_FAILPOINT: point } });
    assert.equal(signal, "SIGKILL", `${point} was not reached:\n${stderr}`);
  }
  const { code, stderr } = await runProgram(["run"], { cwd });
  assert.equal(code, 0, stderr);

  const letters = await published(broker);
  const read = letters.map((letter) => readEnvelope(letter)!);
  const indexes = read.map(({ payload }) => indexOf(JSON.parse(new TextDecoder().decode(payload))));
  const all = Array.from({ length: EVENTS }, (_, index) => index);
  assert.deepEqual([...new Set(indexes)].toSorted((a, b) => a - b), all.filter(isRefused));
  assert.ok(indexes.length > new Set(indexes).size, "no kill came between the two");
  assert.deepEqual([...hook.accepted].toSorted((a, b) => a - b), all.filter((index) => !isRefused(index)));
  for (const [i, letter] of read.entries()) {
    assert.deepEqual(
      [letter.pipeline, letter.connectorName, letter.stage, letter.code, letter.lane, letter.retryCount],
      ["hooked", "hook", "sink", "serialization_http_422", "stream", 0],
    );
    assert.match(letter.error, /was answered with 422/);
    assert.equal(letter.stream.columns!.length > 2, true, "a replay has no types");
    assert.deepEqual(Object.keys(letters[i]).slice(0, 6), [
      "original_topic",
      "connector_name",
      "payload_b64",
      "error",
      "retry_count",
      "timestamp",
    ]);
  }
  using checkpoints = openCheckpoints(`${cwd}/state/state.db`, () => 0n);
  assert.equal(checkpoints.deadLetters.count("hooked"), 0, "letters with a topic are kept there alone");
});

Deno.test("while the broker is away nothing behind a refused record is acknowledged; then it goes on", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using hook = new Hook();
  using dir = scratch();
  dir.write("connect.yaml", file(broker.address, hook.url, 40).replace(/^ {2}auth.*\n/m, ""));
  await broker.stop();
  await using program = new Program(["run"], { cwd: dir.path });
  await program.says("trying again in");
  assert.match(program.stderr, /dead letters of hooked/);
  await broker.start();
  const { code, stderr } = await program.ended;
  assert.equal(code, 0, stderr);
  const indexes = (await published(broker)).map((letter) =>
    indexOf(JSON.parse(new TextDecoder().decode(readEnvelope(letter)!.payload)))
  );
  assert.deepEqual([...new Set(indexes)].toSorted((a, b) => a - b), [0, 10, 20, 30]);
  assert.equal(hook.accepted.size, 36);
});

Deno.test("plan shows the topic, the worker that publishes to it and its one right, and no secret", async () => {
  using dir = scratch();
  dir.write("connect.yaml", file("broker.example:9092", "https://hooks.example.com/"));
  const { code, stdout, stderr } = await runProgram(["plan"], { cwd: dir.path });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /a record that can't go on is kept in topic "refused\.orders"/);
  assert.match(stdout, /dead letters of hooked +sink rivven +\S+ +broker\.example:9092/);
  assert.doesNotMatch(stdout + stderr, /a-secret-word/);
  const { stdout: json } = await runProgram(["plan", "--json"], { cwd: dir.path });
  const [flow] = JSON.parse(json).sources[0].flows;
  assert.equal(flow.onError, "dead_letter", "a topic asks for dead_letter where on_error is left out");
  assert.deepEqual(flow.deadLetters.sink.permissions.net, ["broker.example:9092"]);
  assert.doesNotMatch(json, /a-secret-word/);
});
