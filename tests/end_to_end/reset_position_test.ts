/** `run --reset-position`: who may say it, and what comes of it. */
import assert from "node:assert/strict";
import { waitUntil } from "../servers/process.ts";
import { Program, runProgram, scratch } from "./program.ts";

const file = (source = "max_events: 40") => `
version: "1.0"
settings: { state_dir: state }
sources: { shop: { connector: datagen, config: { pattern: orders, seed: 7, ${source} } } }
sinks: { a: { connector: file, config: { path: a.jsonl } }, b: { connector: file, config: { path: b.jsonl } } }
pipelines: { to_a: { source: shop, sink: a }, to_b: { source: shop, sink: b } }
`;

Deno.test("a pipeline begins anew where that is asked for and confirmed; the others of its source get nothing twice", async () => {
  using dir = scratch();
  const cwd = dir.path;
  dir.write("connect.yaml", file());
  const orders = (name: string) => {
    const lines = Deno.readTextFileSync(`${cwd}/${name}.jsonl`).trimEnd().split("\n");
    return lines.map((line) => JSON.parse(line).metadata.position as string);
  };
  const run = (...args: string[]) => runProgram(["run", ...args], { cwd });
  assert.equal((await run()).code, 0);
  const first = orders("a");
  assert.equal(first.length, 40);

  const refused: [string[], RegExp][] = [
    [["--reset-position", "to_a"], /"to_a" would begin anew: "shop" is read from its start.*\n.*Add --yes/],
    [["--reset-position", "to_c", "--yes"], /no pipeline "to_c" that would run\n.*Did you mean "to_a"\?/],
    [["--reset-position", "to_a=latest", "--yes"], /can't set "to_a" to "latest"\n.*datagen.*to_a=earliest/],
    [["--reset-position", "to_a=soon", "--yes"], /can't set "to_a" to "soon"\n.*earliest, latest or a time/],
  ];
  for (const [args, message] of refused) {
    const { code, stderr } = await run(...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
  assert.equal((await run()).code, 0);
  assert.equal(orders("a").length, 40, "what was refused has changed something");

  const again = await run("--reset-position", "to_a=earliest", "--yes");
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /position of "shop" and the marks of "to_a" are forgotten: it begins anew/);
  assert.deepEqual(orders("a"), [...first, ...first]);
  assert.deepEqual(orders("b"), first);
});

Deno.test("nothing is reset while another process runs, nor where the target knows records by their names", async () => {
  using dir = scratch();
  dir.write("connect.yaml", file("events_per_second: 100"));
  await using program = new Program(["run"], { cwd: dir.path });
  await waitUntil(() => Deno.stat(`${dir.path}/state/state.db`).catch(() => undefined), {
    what: "the state",
    timeoutMs: 120_000,
  });
  const other = await runProgram(["run", "--reset-position", "to_a", "--yes"], { cwd: dir.path });
  assert.equal(other.code, 3, other.stderr);
  assert.match(other.stderr, /in use by process \d+/);
  assert.equal((await program.stop()).code, 0);

  using objects = scratch();
  objects.write(
    "connect.yaml",
    file().replace(
      "b: { connector: file, config: { path: b.jsonl } }",
      "b: { connector: object-storage, config: { provider: local, local: { root: b } } }",
    ),
  );
  const named = await runProgram(["run", "--reset-position", "to_b", "--yes"], { cwd: objects.path });
  assert.equal(named.code, 2, named.stderr);
  assert.match(named.stderr, /"to_b" can't begin anew: "b" knows records by names .*\n.*another name/);
});
