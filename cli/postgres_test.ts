import assert from "node:assert/strict";
import { parse } from "yaml";
import { parseCommandLine, UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { createOutput, type Output } from "./output.ts";
import { run } from "./postgres.ts";

/** The pipeline file that the flags stand for. */
async function printed(...flags: string[]): Promise<string> {
  const { args } = parseCommandLine(["postgres", "--print-config", ...flags], COMMANDS);
  const lines: string[] = [];
  const output: Output = Object.assign(Object.create(createOutput({ json: false })), {
    print: (text = "") => lines.push(text),
  });
  assert.equal(await run(args, output), 0);
  return lines.join("\n");
}

const FROM_ENVIRONMENT = "${PGPASSWORD}";

Deno.test("flags become a pipeline file: one source, one sink, one pipeline", async () => {
  const uri = "postgres://me@db:5433/shop?sslmode=require";
  const file = parse(
    await printed(
      ...["--connection", uri, "--slot", "s", "--publication", "p", "--tables", "a,public.b"],
      ...["--snapshot", "never", "--sink", "file", "--path", "out/{stream}.jsonl", "--state-dir", "here"],
    ),
  );
  assert.deepEqual(file, {
    version: "1.0",
    settings: { state_dir: "here" },
    sources: {
      postgres: {
        connector: "postgres-cdc",
        config: {
          connection: uri,
          slot_name: "s",
          publication: "p",
          tables: ["a", "public.b"],
          snapshot: { mode: "never" },
        },
      },
    },
    sinks: { file: { connector: "file", config: { path: "out/{stream}.jsonl" } } },
    pipelines: { postgres_to_file: { source: "postgres", sink: "file" } },
  });
  assert.deepEqual(parse(await printed()).sinks, {
    stdout: { connector: "stdout", config: { format: "json" } },
  });
});

Deno.test("the password of a connection is not printed, wherever it stands in it", async () => {
  for (
    const [uri, left] of [
      ["postgres://me:s3cret@db/shop", "postgres://me@db/shop"],
      ["postgres://me:s3cret%40%3A@db/shop", "postgres://me@db/shop"],
      ["postgres://me:s3@cret@db/shop", "postgres://me@db/shop"],
      ["postgres://me@db/shop?password=s3cret&sslmode=require", "postgres://me@db/shop?sslmode=require"],
      ["postgres://me@db/shop?password=s3cret", "postgres://me@db/shop"],
    ]
  ) {
    const text = await printed("--connection", uri);
    assert.ok(!/s3/.test(text), text);
    const { config } = parse(text).sources.postgres;
    assert.deepEqual(config, { connection: left, password: FROM_ENVIRONMENT });
  }
});

Deno.test("what a flag says is no variable", async () => {
  const { sinks } = parse(await printed("--sink", "file", "--path", "${HOME}/x"));
  assert.equal(sinks.file.config.path, "$${HOME}/x");
});

Deno.test("a broker is published to, as one address or several", async () => {
  const flags = ["--connection", "postgres://db/shop", "--slot", "s", "--publication", "p"];
  const { sinks, pipelines } = parse(
    await printed(...flags, "--topic", "cdc.shop", "--broker", "localhost:9092"),
  );
  assert.deepEqual(sinks, {
    rivven: { connector: "rivven", config: { address: "localhost:9092", topic: "cdc.shop" } },
  });
  assert.deepEqual(pipelines, { postgres_to_rivven: { source: "postgres", sink: "rivven" } });
  const several = parse(await printed("--broker", "a:1,b:2"));
  assert.deepEqual(several.sinks.rivven.config, { bootstrap_servers: ["a:1", "b:2"] });
});

Deno.test("flags that miss their partner, or have a wrong one, are named", async () => {
  const refusal = (...flags: string[]) =>
    printed(...flags).then(() => assert.fail("it was not refused"), (error) => {
      assert.ok(error instanceof UsageError);
      return error.message;
    });
  assert.equal(await refusal("--sink", "file"), "--sink file needs --path");
  assert.equal(await refusal("--sink", "rivven"), "--sink rivven needs --broker");
  assert.equal(await refusal("--path", "x"), "--path is for --sink file");
  assert.equal(await refusal("--topic", "x"), "--topic is for --sink rivven");
  assert.equal(await refusal("--broker", "x", "--sink", "stdout"), "--broker is for --sink rivven");
});
