/** Dead letters as a user meets them: a target that refuses, `dlq`, and a target that takes what comes again. */
import assert from "node:assert/strict";
import { requireServer } from "../servers/missing.ts";
import { startRivvend } from "../servers/rivvend.ts";
import { Program, runProgram, scratch } from "./program.ts";

interface Change {
  readonly after: { readonly status: string } | null;
  readonly source: { readonly order: string };
}

const indexOf = ({ source: { order } }: Change) => Number(order.slice(2, 18));

/** Takes changes over HTTP: all, or all but each tenth that does not say that it is mended. */
class Hook implements AsyncDisposable {
  isStrict = true;
  readonly accepted: Change[] = [];
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const body = await request.json() as Change | Change[];
    const changes = Array.isArray(body) ? body : [body];
    const isBad = (change: Change) => indexOf(change) % 10 === 0 && change.after?.status !== "mended";
    if (this.isStrict && changes.some(isBad)) return new Response(null, { status: 422 });
    this.accepted.push(...changes);
    return new Response();
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  get indexes(): number[] {
    return this.accepted.map(indexOf).toSorted((a, b) => a - b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const file = (hook: string, more = "", settings = "{ on_error: dead_letter }") => `
version: "1.0"
settings: { state_dir: state }
sources:
  shop:
    connector: datagen
    config: { pattern: orders, cdc_mode: true, seed: 7, events_per_second: 1000, max_events: 40 }
sinks:
  hook:
    connector: http-webhook
    config:
      url: "${hook}"
      batch_size: 10
      envelope: standard
      auth: { type: bearer, token: a-secret-word }
pipelines:
  hooked: { source: shop, sink: hook, settings: ${settings} }
${more}`;

const all = Array.from({ length: 40 }, (_, index) => index);
const refused = all.filter((index) => index % 10 === 0);

/** A folder in which the pipeline has run, and four records were refused. */
async function ranWith(hook: Hook, text = file(hook.url)) {
  const dir = scratch();
  dir.write("connect.yaml", text);
  const { code, stderr } = await runProgram(["run"], { cwd: dir.path });
  assert.equal(code, 0, stderr);
  const dlq = async (...args: string[]) => await runProgram(["dlq", ...args], { cwd: dir.path });
  const ids = async (...args: string[]) => {
    const { code, stdout, stderr } = await dlq("list", "--json", ...args);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout).map(({ id }: { id: string }) => id);
  };
  return { dir, dlq, ids, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

Deno.test("refused records are listed, shown, mended, replayed into the sink and gone; none is lost, none twice", async () => {
  await using hook = new Hook();
  using ran = await ranWith(hook);
  const { dlq, ids } = ran;
  assert.deepEqual(await ids(), ["1", "2", "3", "4"]);
  assert.deepEqual(await ids("--pipeline", "hooked"), ["1", "2", "3", "4"]);
  for (const action of [["list"], ["drop", "--all", "--yes"], ["replay", "--all"]]) {
    const { code, stderr } = await dlq(...action, "--pipeline", "hoked");
    assert.equal(code, 2, stderr);
    assert.match(stderr, /no pipeline "hoked" in this file.*\n.*Did you mean "hooked"\?/);
  }
  assert.deepEqual(await ids("--stream", "datagen", "--since", "1h"), ["1", "2", "3", "4"]);
  assert.deepEqual(await ids("--since", "2999-01-01"), []);

  const list = await dlq("list");
  assert.match(
    list.stdout,
    /^id +pipeline +time +stage +stream +error\n1 +hooked +\S+Z +sink +datagen +POST/,
  );
  const show = await dlq("show", "2");
  assert.match(show.stdout, /^Dead letter 2\n +pipeline +hooked\n/);
  assert.match(show.stdout, /order +0\/0000000000000010\n/);
  const raw = await dlq("show", "2", "--raw");
  assert.equal(indexOf(JSON.parse(raw.stdout)), 10);
  assert.deepEqual(JSON.parse((await dlq("show", "2", "--json")).stdout).record, JSON.parse(raw.stdout));

  const again = await dlq("replay", "1");
  assert.equal(again.code, 1, again.stderr);
  assert.match(again.stderr, /1 was rejected again: POST .* was answered with 422/);
  assert.equal(JSON.parse((await dlq("list", "--json")).stdout)[0].retry_count, 1);

  assert.equal((await dlq("replay", "2", "--set", "after.status=mended")).code, 0);
  ran.dir.write("patch.json", '{"after":{"status":"mended"}}');
  assert.equal((await dlq("replay", "3", "--edit", "patch.json")).code, 0);
  assert.deepEqual(await ids(), ["1", "4"]);

  hook.isStrict = false;
  const rest = await dlq("replay", "--all", "--pipeline", "hooked", "--json");
  assert.deepEqual(JSON.parse(rest.stdout), [{ id: "1", pipeline: "hooked" }, {
    id: "4",
    pipeline: "hooked",
  }]);
  assert.deepEqual(await ids(), []);
  assert.deepEqual(hook.indexes, all);
  const mended = hook.accepted.filter(({ after }) => after?.status === "mended").map(indexOf);
  assert.deepEqual(mended.toSorted(), [10, 20]);
  for (const { stdout, stderr } of [list, show, again]) assert.doesNotMatch(stdout + stderr, /a-secret-word/);
});

Deno.test("a whole record from a file takes a letter's place", async () => {
  await using hook = new Hook();
  using ran = await ranWith(hook);
  const { stdout } = await ran.dlq("show", "4", "--raw");
  ran.dir.write("record.json", stdout.replace(/"status":"[^"]*"/, '"status":"mended"'));
  const { code, stderr } = await ran.dlq("replay", "4", "--from", "record.json");
  assert.equal(code, 0, stderr);
  assert.deepEqual(hook.accepted.filter(({ after }) => after?.status === "mended").map(indexOf), [30]);
});

Deno.test("a replay that is killed between the sink's flush and the save brings its records once more, and loses none", async () => {
  await using hook = new Hook();
  using ran = await ranWith(hook);
  hook.isStrict = false;
  const env = { RIVVEN_FAILPOINT: "before_save" };
  const killed = await runProgram(["dlq", "replay", "--all"], { cwd: ran.dir.path, env });
  assert.equal(killed.signal, "SIGKILL", killed.stderr);
  assert.deepEqual(await ran.ids(), ["1", "2", "3", "4"], "removed before it was saved");
  assert.equal((await ran.dlq("replay", "--all")).code, 0);
  assert.deepEqual(await ran.ids(), []);
  assert.deepEqual([...new Set(hook.indexes)], all);
  assert.equal(hook.indexes.length, 40 + refused.length);
});

Deno.test("dropping is for good, so it is asked for", async () => {
  await using hook = new Hook();
  using ran = await ranWith(hook);
  const { code, stderr } = await ran.dlq("drop", "1");
  assert.equal(code, 2);
  assert.match(stderr, /Add --yes/);
  assert.equal((await ran.dlq("drop", "1", "3", "--yes")).code, 0);
  assert.deepEqual(await ran.ids(), ["2", "4"]);
  assert.equal((await ran.dlq("drop", "--all", "--yes")).stdout, "2 dead letters dropped\n");
  assert.deepEqual(await ran.ids(), []);
});

Deno.test("while a pipeline runs on the state, dlq says whose it is; what can't be done is said before anything is", async () => {
  await using hook = new Hook();
  using ran = await ranWith(hook);
  const cwd = ran.dir.path;
  ran.dir.write("endless.yaml", file(hook.url).replace("max_events: 40", "max_events: 0"));
  {
    await using program = new Program(["run", "-c", "endless.yaml"], { cwd });
    await program.says("shop → hook");
    const { code, stderr } = await ran.dlq("list");
    assert.equal(code, 3, stderr);
    assert.match(stderr, new RegExp(`in use by process ${program.pid}, started`));
    assert.match(stderr, /stop that process first/);
  }
  for (
    const [args, message] of [
      [["show", "99"], /There is no dead letter "99"/],
      [["replay"], /needs ids of dead letters, or --all/],
      [["list", "--yes"], /"dlq list" has no option --yes/],
      [["replay", "1", "2", "--set", "after.x=1"], /--set is for one dead letter/],
      [["replay", "1", "--set", "after.x"], /--set needs a path and a value/],
      [["replay", "1", "--set", "status=mended"], /the record has no "status" to be changed/],
      [["replay", "1", "--from", "missing.json"], /Cannot read the file of --from/],
    ] as const
  ) {
    const { code, stderr } = await ran.dlq(...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
  ran.dir.write("connect.yaml", file(hook.url).replaceAll("hooked", "other"));
  const { code, stderr } = await ran.dlq("replay", "1");
  assert.equal(code, 2, stderr);
  assert.match(stderr, /the file has no enabled pipeline "hooked"/);
});

Deno.test("a file sink keeps what was replayed into it", async () => {
  using dir = scratch();
  const text = (config: string) => `
version: "1.0"
settings: { state_dir: state }
sources:
  shop: { connector: datagen, config: { pattern: orders, cdc_mode: true, seed: 7, max_events: 20 } }
sinks:
  out: { connector: file, config: { path: out.jsonl } }
transforms:
  whole: { type: cast, config: { specs: ${config}, on_error: fail } }
pipelines:
  p: { source: shop, sink: out, transforms: [whole], settings: { on_error: dead_letter, dead_letter_max_ratio: 1 } }
`;
  dir.write("connect.yaml", text("{ currency: int32 }"));
  const cwd = dir.path;
  assert.equal((await runProgram(["run"], { cwd })).code, 0);
  const listed = JSON.parse((await runProgram(["dlq", "list", "--json"], { cwd })).stdout);
  assert.equal(listed.length, 20);
  assert.deepEqual([listed[0].stage, listed[0].transform], ["transform", "whole"]);
  // It goes on at the transform that failed, so it comes through it as it is now.
  const again = await runProgram(["dlq", "replay", "--all"], { cwd });
  assert.equal(again.code, 1, again.stderr);
  dir.write("connect.yaml", text("{ quantity: string }"));
  const replayed = await runProgram(["dlq", "replay", "--all"], { cwd });
  assert.equal(replayed.code, 0, replayed.stderr);
  // A further run would cut the file back to what the state knows.
  assert.equal((await runProgram(["run"], { cwd })).code, 0);
  const lines = Deno.readTextFileSync(`${cwd}/out.jsonl`).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(lines.map(indexOf), all.slice(0, 20));
  assert.ok(lines.every(({ after }) => typeof after.quantity === "string"), "not through its transform");
});

Deno.test("dead letters of a topic are listed, replayed and dropped like those of the state", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  await using hook = new Hook();
  const topic = "{ dead_letter_topic: refused.orders }";
  using ran = await ranWith(hook, file(hook.url, `broker: { address: "${broker.address}" }`, topic));
  const ids: string[] = await ran.ids();
  assert.equal(ids.length, 4);
  for (const id of ids) assert.match(id, /^refused\.orders\/\d@\d+$/);
  assert.deepEqual(await ran.ids("--local"), []);
  const { stdout } = await ran.dlq("show", ids[0]);
  assert.match(stdout, new RegExp(`^Dead letter ${ids[0]}\n +pipeline +hooked\n`));
  assert.equal((await ran.dlq("drop", ids[3], "--yes")).code, 0);
  assert.equal((await ran.dlq("replay", ids[0])).code, 1);
  hook.isStrict = false;
  const { code, stderr } = await ran.dlq("replay", "--all");
  assert.equal(code, 0, stderr);
  assert.deepEqual(await ran.ids(), []);
  assert.equal(hook.indexes.length, 39);
  await broker.stop();
  const away = await ran.dlq("list", "--timeout", "2s");
  assert.equal(away.code, 3, away.stderr);
  assert.equal((await ran.dlq("list", "--local")).code, 0);
});
