/** `test` and `record` as a user meets them: real files, the whole program. */
import assert from "node:assert/strict";
import { runProgram, scratch } from "./program.ts";

const PIPELINE = `
version: "1.0"
sources:
  shop: { connector: datagen, topic: "orders-\${STAGE}", config: { pattern: orders, max_events: 5, events_per_second: 0, seed: 1 } }
sinks:
  out: { connector: stdout, config: { format: json } }
transforms:
  cents: { type: javascript, config: { file: ./cents.js } }
pipelines:
  shop_to_out:
    source: shop
    sink: out
    transforms: [cents, { type: filter, config: { condition: "total_cents > 1000" } }]
`;
const CENTS = `export default (record) => {
  const total_cents = BigInt(Math.round(Number(record.after.total) * 100));
  return { ...record, after: { ...record.after, total_cents } };
};
`;
const TESTS = `
pipeline: shop.yaml
variables: { STAGE: test }
tests:
  - name: small orders stay out # the limit is ten
    given:
      - { stream: orders, after: { id: 1, total: "12.50" } }
      - { stream: orders, after: { id: 2, total: "2.00" } }
    expect:
      - { stream: orders, topic: orders-test, after: { id: 1, total: "12.50", total_cents: 1251 } }
  - name: an order without a row goes to on_error
    given:
      - { stream: orders, op: insert }
    rejected: [{ index: 0, code: serialization_function }]
`;

function write(dir: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${dir}/${name}`, text);
}

Deno.test("test runs a pipeline's tests, says what differs, and takes it as expected with --update", async () => {
  using dir = scratch();
  write(dir.path, { "shop.yaml": PIPELINE, "cents.js": CENTS, "shop.test.yaml": TESTS });
  const failing = await runProgram(["test"], { cwd: dir.path });
  assert.equal(failing.code, 1, failing.stderr);
  assert.match(
    failing.stdout,
    /✗ small orders stay out {2}shop\.test\.yaml:5\n {4}record 1: after\.total_cents: expected 1251, found 1250\n/,
  );
  assert.match(failing.stdout, /✓ an order without a row goes to on_error/);
  assert.match(failing.stdout, /\n1 passed, 1 failed\n/);

  const updated = await runProgram(["test", "--update", "shop.test.yaml"], { cwd: dir.path });
  assert.equal(updated.code, 0, updated.stderr);
  assert.match(updated.stdout, /~ small orders stay out[^]*\n1 passed, 0 failed, 1 updated\n/);
  const text = Deno.readTextFileSync(`${dir.path}/shop.test.yaml`);
  assert.match(text, /total_cents: 1250/);
  assert.match(text, /# the limit is ten/);

  const passing = await runProgram(["test", "--json"], { cwd: dir.path });
  assert.equal(passing.code, 0, passing.stderr);
  const { passed, failed, tests } = JSON.parse(passing.stdout);
  assert.deepEqual([passed, failed, tests.length], [2, 0, 2]);
});

Deno.test("what is wrong with a file of tests is told with its line, and exit code 2", async () => {
  using dir = scratch();
  write(dir.path, {
    "shop.yaml": PIPELINE,
    "cents.js": CENTS,
    "a.test.yaml":
      "pipeline: shop.yaml\ntests:\n  - { flow: shop_to_uot, given: [{ stream: o, opp: insert }] }\n",
  });
  const { code, stderr } = await runProgram(["test"], { cwd: dir.path, env: { STAGE: "x" } });
  assert.equal(code, 2, stderr);
  assert.match(
    stderr,
    /a\.test\.yaml:3:\d+: There is no pipeline "shop_to_uot"\n {2}→ Did you mean "?shop_to_out/,
  );
  assert.match(stderr, /a\.test\.yaml:3:\d+: A record has no member "opp"/);

  const unset = await runProgram(["test"], { cwd: dir.path });
  assert.equal(unset.code, 2);
  assert.match(unset.stderr, /shop\.yaml:4:\d+: .*STAGE/);
});

Deno.test("record writes records with their types, and a test takes them", async () => {
  using dir = scratch();
  write(dir.path, {
    "shop.yaml": PIPELINE,
    "cents.js": CENTS,
    "recorded.test.yaml":
      "transforms: [{ type: rename_field, config: { renames: { order_id: id } } }]\nrecorded: orders.records.yaml\n" +
      "expect: [{ op: record, partial: true, after: { id: ORD-00000000, _sequence: 0 } }, { partial: true, after: { _sequence: 1 } }]\n",
  });
  const env = { STAGE: "x" };
  const args = ["record", "-c", "shop.yaml", "-n", "2", "-o", "orders.records.yaml"];
  const recorded = await runProgram(args, { cwd: dir.path, env });
  assert.equal(recorded.code, 0, recorded.stderr);
  assert.match(Deno.readTextFileSync(`${dir.path}/orders.records.yaml`), /_sequence: int64 not null/);
  const tested = await runProgram(["test"], { cwd: dir.path, env });
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  const again = await runProgram(args, { cwd: dir.path, env });
  assert.equal(again.code, 2);
  assert.match(
    again.stderr,
    /There is a file "orders\.records\.yaml" already\n {2}→ Write it over with --force/,
  );
});
