import assert from "node:assert/strict";
import { loadDefinitions } from "./registry.ts";
import { readConfig } from "./config.ts";
import { loadTransforms } from "./transform_registry.ts";
import type { PlannedTransform } from "../chain/chain_plan.ts";

const KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const definitions = await loadDefinitions(["postgres-cdc", "stdout"]);
const transforms = await loadTransforms();

/** A file around the config of a source, read. */
function read(keys: string, env: Record<string, string> = { RIVVEN_ENCRYPTION_KEY: KEY }) {
  const text = `sources:
  shop:
    connector: postgres-cdc
    config:
      host: db
      database: shop
      user: repl
      password: x
${keys.trim().replaceAll(/^/gm, "      ")}
sinks:
  out: { connector: stdout, config: {} }
pipelines:
  p: { source: shop, sink: out }
`;
  const result = readConfig(text, {
    file: "f.yaml",
    env: (name) => env[name],
    readFile: () => {
      throw new Error("No such file");
    },
    definitions,
    transforms,
    unsetVariables: "error",
  });
  const errors = result.problems.filter(({ severity }) => severity === "error")
    .map(({ line, message }) => `${line - 8}: ${message}`);
  const [source] = result.config?.sources ?? [];
  const steps = (result.config?.transforms.sources.get("shop") ?? []) as readonly PlannedTransform[];
  const warnings = result.problems.filter(({ severity }) => severity === "warning").map(({ message }) =>
    message
  );
  return {
    errors,
    warnings,
    source: source?.config as Record<string, unknown>,
    steps,
    secrets: result.secrets,
  };
}

const names = (steps: readonly PlannedTransform[]) => steps.map(({ name, type }) => `${name}: ${type}`);

Deno.test("the README's example means what it says", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const section = readme.slice(readme.indexOf("## Protecting columns"));
  const yaml = /```yaml\n([^]*?)```/.exec(section)![1];
  const keys = yaml.slice(yaml.indexOf("as above\n") + "as above\n".length).replaceAll(/^ {6}/gm, "");
  const { errors, steps } = read(keys);
  assert.deepEqual(errors, []);
  assert.deepEqual(steps.map(({ type }) => type), ["column_filter", "mask_field", "encrypt_field"]);
  assert.deepEqual((steps[1].config as { fields: unknown }).fields, {
    email: "email",
    "public.users:card": { strategy: "partial", keep_last: 4 },
  });
});

Deno.test("features come in front of the source's transforms in one order, whatever the file's", () => {
  const { errors, steps } = read(`
transforms: [{ type: replace_field, config: { renames: { ssn: s } } }]
column_masks: [public.users.ssn]
cdc_features:
  encryption: { enabled: true, fields: [credit_card, ssn] }
  deduplication: { enabled: true, ttl_seconds: 60, max_entries: 10 }
exclude_columns: { public.users: [notes] }
columns: { public.users: [id, ssn] }
column_filters: { "*": { exclude: [password_hash] } }
filter_expression: "amount > 100 AND status != 'draft'"
`);
  assert.deepEqual(errors, []);
  assert.deepEqual(names(steps), [
    "cdc_features.deduplication: dedupe",
    "filter_expression: filter",
    "column_filters: column_filter",
    "columns: column_filter",
    "exclude_columns: column_filter",
    "column_masks: mask_field",
    "cdc_features.encryption: encrypt_field",
    "replace_field #8: replace_field",
  ]);
});

Deno.test("the other spelling of each block means the same", () => {
  const { errors, steps } = read(`
encryption: { enabled: true, fields: [ssn], algorithm: aes-256-gcm }
deduplication: { enabled: true, window_secs: 60, lru_size: 10, bloom_fpp: 0.01, bloom_expected_insertions: 5 }
`);
  assert.deepEqual(errors, []);
  assert.deepEqual(names(steps), ["deduplication: dedupe", "encryption: encrypt_field"]);
  const config = steps[0].config as Record<string, unknown>;
  assert.deepEqual([config.ttl_seconds, config.max_entries], [60, 10]);
});

Deno.test("stage: after_transforms puts the encryption behind the source's transforms", () => {
  const { errors, steps } = read(`
encryption: { enabled: true, fields: [full_name], stage: after_transforms }
transforms: [{ type: replace_field, config: { renames: { name: full_name } } }]
`);
  assert.deepEqual(errors, []);
  assert.deepEqual(steps.map(({ type }) => type), ["replace_field", "encrypt_field"]);
  assert.deepEqual(read("encryption: { enabled: true, fields: [x], stage: late }").errors, [
    `1: "stage" can't be this`,
  ]);
});

Deno.test("tombstones stay with a connector that sends them itself", () => {
  const { errors, source, steps } = read(`
cdc_features:
  tombstones: { enabled: true, emit_tombstone_after_delete: true }
  encryption: { enabled: true, fields: [ssn] }
`);
  assert.deepEqual(errors, []);
  assert.equal((source.tombstone as { enabled: boolean }).enabled, true);
  assert.deepEqual(steps.map(({ type }) => type), ["encrypt_field"]);
});

Deno.test("a block that is off means nothing, and one that does not say it is an error", () => {
  assert.deepEqual(read("cdc_features: { encryption: { enabled: false, fields: [ssn] } }", {}).steps, []);
  assert.deepEqual(read("cdc_features: {}", {}).errors, []);
  assert.deepEqual(read("cdc_features: { encryption: { fields: [ssn] } }").errors, [
    '1: "encryption" says not whether it is on',
  ]);
  assert.deepEqual(read('encryption: { enabled: "yes", fields: [ssn] }').errors, [
    '1: "enabled" must be true or false',
  ]);
});

Deno.test("names that nobody knows are errors, at their lines", () => {
  assert.deepEqual(read("cdc_features:\n  encrypt: { enabled: true }").errors, ['2: Unknown key "encrypt"']);
  assert.deepEqual(read("cdc_features:\n  column_filters: {}").errors, ['2: Unknown key "column_filters"']);
  assert.deepEqual(read("encryption:\n  enabled: true\n  fields: [a]\n  algoritm: x").errors, [
    '4: Unknown key "algoritm"',
  ]);
  assert.deepEqual(
    read("encryption: { enabled: true, fields: [a] }\ncdc_features: { encryption: { enabled: true } }")
      .errors,
    [
      '1: "encryption" is given twice',
    ],
  );
  assert.equal(read("column_filters: { public.users: { includes: [a] } }").errors.length, 1);
});

Deno.test("what is wrong inside of features is found with everything else, at its own line", () => {
  const { errors } = read(`
column_filters:
  public.users: { exlude: [a] }
column_masks:
  email: emial
  "public.users:card": { strategy: partial, keep_lst: 4 }
filter_expression: "status = "
cdc_features:
  tombs: { enabled: true }
  deduplication: { enabled: true, ttl: 5 }
`);
  assert.deepEqual(errors.map((error) => error.slice(0, 32)), [
    '2: Unknown key "exlude"',
    '4: "email" must be asterisks, fi',
    '5: Unknown key "keep_lst"',
    "6: Something is missing at the e",
    '8: Unknown key "tombs"',
    '9: Unknown key "ttl"',
  ]);
});

Deno.test("without a key, with one that is none, or with keys that are elsewhere nothing starts", () => {
  const fields = "cdc_features:\n  encryption:\n    enabled: true\n    fields: [ssn]";
  assert.deepEqual(read(fields, {}).errors, ["4: There is no key: RIVVEN_ENCRYPTION_KEY is not set"]);
  const broken = read(fields, { RIVVEN_ENCRYPTION_KEY: "hunter2hunter2" }).errors;
  assert.match(broken.join(), /RIVVEN_ENCRYPTION_KEY is no key/);
  assert.ok(!broken.join().includes("hunter2"));
  assert.match(
    read(`${fields}\n    keys: { provider: vault }`).errors.join(),
    /"vault" is not in this build/,
  );
});

Deno.test("keys are in the worker's config, and among the secrets", () => {
  const { steps, secrets } = read("encryption: { enabled: true, fields: [ssn] }");
  assert.deepEqual((steps[0].config as Record<string, unknown>).key_versions, { 1: KEY });
  assert.ok(secrets.includes(KEY));
  assert.equal(steps[0].protects, true);
});

Deno.test("a key that stands in the file works and is warned about, one that a variable gives is not", () => {
  const written = read(`encryption: { enabled: true, fields: [ssn], key: "${KEY}" }`, {});
  assert.deepEqual([written.errors, written.warnings.length], [[], 1]);
  assert.ok(!written.warnings[0].includes(KEY));
  assert.ok(written.secrets.includes(KEY));
  const filled = read('encryption: { enabled: true, fields: [ssn], key: "${CDC_ENCRYPTION_KEY}" }', {
    CDC_ENCRYPTION_KEY: KEY,
  });
  assert.deepEqual([filled.errors, filled.warnings], [[], []]);
  assert.deepEqual((filled.steps[0].config as Record<string, unknown>).key_versions, { 1: KEY });
});

Deno.test("masks stand in a list, by field, or by table", () => {
  const fields = (keys: string) => {
    const { errors, steps } = read(keys);
    assert.deepEqual(errors, []);
    return (steps[0].config as { fields: unknown }).fields;
  };
  assert.deepEqual(fields("column_masks: [public.users.ssn, card]"), ["public.users.ssn", "card"]);
  assert.deepEqual(fields("column_masks: { ssn: { strategy: partial, keep_last: 4 }, card: card }"), {
    ssn: { strategy: "partial", keep_last: 4 },
    card: "card",
  });
  assert.deepEqual(
    fields(
      "column_masks:\n  public.users: [ssn]\n  public.cards: { number: card, cvc: { strategy: fixed } }",
    ),
    { "public.users:ssn": {}, "public.cards:number": "card", "public.cards:cvc": { strategy: "fixed" } },
  );
});
