/** `run --reset-position` of a pipeline that reads a broker's topics, whose group has offsets there. */
import assert from "node:assert/strict";
import { requireServer } from "../servers/missing.ts";
import { waitUntil } from "../servers/process.ts";
import { type Rivvend, startRivvend } from "../servers/rivvend.ts";
import { Program, runProgram, scratch } from "./program.ts";

async function publish(broker: Rivvend, ...numbers: number[]): Promise<void> {
  await using client = broker.client();
  const value = (n: number) => new TextEncoder().encode(`{"n":${n}}`);
  await client.publish("orders", 0, numbers.map((n) => ({ value: value(n) })));
}

Deno.test("topics are read once more from their start, from a time or from their end, and the group follows", async (t) => {
  await using broker = await requireServer(t, startRivvend);
  if (broker === undefined) return;
  using dir = scratch();
  dir.write(
    "connect.yaml",
    `
version: "1.0"
settings: { state_dir: state }
broker: { address: "${broker.address}" }
sinks:
  out: { connector: file, topics: [orders], consumer_group: mine, start_offset: earliest, config: { path: out.jsonl } }
`,
  );
  const numbers = () => {
    try {
      const lines = Deno.readTextFileSync(`${dir.path}/out.jsonl`).split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line).data.n as number);
    } catch {
      return [];
    }
  };
  /** Runs until the file holds so many records more. */
  const run = async (more: number, args: readonly string[], during?: (program: Program) => Promise<void>) => {
    const before = numbers().length;
    await using program = new Program(["run", ...args], { cwd: dir.path });
    await during?.(program);
    await waitUntil(() => Promise.resolve(numbers().length >= before + more || undefined), {
      what: `${more} records more than ${before}`,
      timeoutMs: 60_000,
    });
    const { code, stderr } = await program.stop();
    assert.equal(code, 0, stderr);
    assert.equal(numbers().length, before + more, stderr);
    return numbers().slice(before);
  };
  const committed = async () => {
    await using client = broker.client();
    return await client.committed("mine", "orders", 0);
  };
  const begins = (program: Program) => program.says('begins topic "orders" at');

  await using client = broker.client();
  await client.ensureTopic("orders", 1);
  await publish(broker, 1, 2, 3);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const time = new Date().toISOString();
  await publish(broker, 4, 5);
  assert.deepEqual(await run(5, []), [1, 2, 3, 4, 5]);
  assert.equal(await committed(), 5);

  const asked = await runProgram(["run", "--reset-position", "out=latest"], { cwd: dir.path });
  assert.equal(asked.code, 2, asked.stderr);
  assert.match(
    asked.stderr,
    /"sinks.out" would begin anew: .* from its end, .*never what it has not.*\n.*--yes/,
  );

  assert.deepEqual(await run(5, ["--reset-position", "out", "--yes"], begins), [1, 2, 3, 4, 5]);
  assert.deepEqual(await run(2, ["--reset-position", `out=${time}`, "--yes"], begins), [4, 5]);
  // What comes while nobody reads is passed over, what comes behind is not, also by the next run.
  await publish(broker, 6, 7);
  const atEnd = await run(1, ["--reset-position", "out=latest", "--yes"], async (program) => {
    await begins(program);
    assert.equal(await committed(), 7);
    await publish(broker, 8);
  });
  assert.deepEqual(atEnd, [8]);
  assert.equal(await committed(), 8);
  await publish(broker, 9);
  assert.deepEqual(await run(1, []), [9]);
});
