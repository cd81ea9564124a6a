import assert from "node:assert/strict";
import definition from "./connector.ts";

const machine = {
  env: () => undefined,
  readFile: () => "",
  fileMode: () => undefined,
};

const complete = (config: Record<string, unknown>) =>
  definition.completeConfig!({ address: "x:1", ...config }, machine, "source");

Deno.test("what the broker can't do is refused with the reason, and asking for nothing is accepted", () => {
  const refused: [Record<string, unknown>, string, RegExp][] = [
    [{ idempotent: true }, "idempotent", /would be lost/],
    [{ linger_ms: 5 }, "linger_ms", /Nothing waits for more/],
    [{ compression: "zstd" }, "compression", /no compression/],
    [{ auth: { token: "hunter2", username: "u", password: "p" } }, "auth", /no login by token/],
    [{ topics: ["a"], topic: "b" }, "topic", /a key of the sink/],
    [{ consumer_group: "g" }, "consumer_group", /a key of the source/],
    [{ metadata_refresh_ms: 100 }, "metadata_refresh_ms", /a key of the source/],
  ];
  for (const [config, key, message] of refused) {
    const { problems, config: completed } = complete(config);
    assert.deepEqual(problems.map((problem) => problem.key), [key]);
    assert.match(problems[0].message, message);
    assert.doesNotMatch(JSON.stringify(problems), /hunter2/);
    if (key !== "topic") definition.config.parse(completed);
  }
  const off = complete({ idempotent: false, linger_ms: 0, compression: "none" });
  assert.deepEqual(off, { config: { address: "x:1" }, notes: [], problems: [] });
});

Deno.test("what the file says elsewhere fills in what the config leaves out", () => {
  const config = definition.config.parse({
    address: "x:1",
    retry: { max_retries: 2 },
    topic_config: { partitions: 4 },
  });
  const settings = {
    retry: { max_retries: 9, max_backoff_ms: 70 },
    topic: { partitions: 8, auto_create: false },
  };
  const { retry, topic_config } = definition.withBrokerSettings!(config, settings);
  assert.deepEqual(retry, { max_retries: 2, max_backoff_ms: 70 });
  assert.deepEqual(topic_config, { partitions: 4, auto_create: false });
});
