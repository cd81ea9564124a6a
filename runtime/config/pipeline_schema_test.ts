import assert from "node:assert/strict";
import { Ajv2020 } from "npm:ajv@8.20.0/dist/2020.js";
import { parse } from "yaml";
import { fakeDefinitions } from "../../tests/fakes/definitions.ts";
import { pipelineJsonSchema } from "./pipeline_schema.ts";
import { loadTransforms } from "./transform_registry.ts";

const schema = pipelineJsonSchema(fakeDefinitions, await loadTransforms());

const validate = new Ajv2020({ strict: false, validateFormats: false, allErrors: true }).compile(schema);

function complaints(yaml: string): string[] {
  validate(parse(yaml));
  return (validate.errors ?? []).filter(({ keyword }) => !["if", "anyOf"].includes(keyword))
    .map(({ instancePath, keyword, params }) => `${instancePath} ${keyword} ${JSON.stringify(params)}`);
}

const file = (source: string, sink = "{ connector: file, config: { path: x } }") => `
version: "1.0"
sources: { a: ${source} }
sinks: { b: ${sink} }
pipelines: { p: { source: a, sink: b, settings: { rate_limit: 5 } } }
`;
const DATABASE = "connector: postgres-cdc, config: { host: h, database: d, user: u";

Deno.test("pipelineJsonSchema() accepts good files, with variables where numbers are wanted", () => {
  for (
    const source of [
      `{ ${DATABASE} } }`,
      `{ ${DATABASE}, port: 5, tls: true, snapshot_mode: never } }`,
      `{ ${DATABASE}, port: "\${PORT}", tls: "\${TLS:-false}", snapshot_mode: "\${MODE}", password: "\${PW}" } }`,
      `{ ${DATABASE}, auth: { type: key, path: x } } }`,
      `{ ${DATABASE} }, enabled: "\${ON}", streams: [{ name: x }] }`,
      "{ connector: postgres, config: { host: h, database: d, user: u } }",
    ]
  ) assert.deepEqual(complaints(file(source)), [], source);
  assert.deepEqual(complaints(file(`{ ${DATABASE} } }`, "{ connector: s3, config: { bucket: x } }")), []);
  assert.deepEqual(complaints("sources:\nsinks:\npipelines:\n"), []);
});

Deno.test("pipelineJsonSchema() chooses the config's schema by the connector, aliases included", () => {
  const cases: [string, RegExp][] = [
    [file(`{ ${DATABASE}, porrt: 5 } }`), /\/sources\/a\/config additionalProperties .*porrt/],
    [file(`{ ${DATABASE}, port: many } }`), /\/sources\/a\/config\/port type/],
    [
      file("{ connector: postgres, config: { host: h, database: d } }"),
      /\/sources\/a\/config required .*user/,
    ],
    [file("{ connector: queue, config: { host: h } }"), /\/sources\/a\/config required .*url/],
    [file("{ connector: file, config: { path: x } }"), /\/sources\/a\/connector oneOf/],
    [file(`{ ${DATABASE} }, topik: x }`), /\/sources\/a additionalProperties .*topik/],
    [
      file(`{ ${DATABASE} } }`, "{ connector: s3, config: { provider: gcs, bucket: x } }"),
      /config\/provider const/,
    ],
    [
      file(`{ ${DATABASE} } }`, "{ connector: object-storage, config: { bucket: x } }"),
      /config required .*provider/,
    ],
    [file(`{ ${DATABASE} } }`) + "extra: 1\n", / additionalProperties .*extra/],
  ];
  for (const [text, expected] of cases) {
    const found = complaints(text);
    assert.ok(found.some((one) => expected.test(one)), `${text}\n${found.join("\n")}`);
  }
});

Deno.test("pipelineJsonSchema() knows transforms wherever they stand, each with its keys, and predicates", () => {
  const rename =
    "{ type: rename_field, config: { renames: { a: b } }, predicate: { table: users }, on_error: skip }";
  const good = file(`{ ${DATABASE}, transforms: [${rename}], column_filters: {} }, transforms: [named] }`) +
    `transforms: { named: ${rename} }\n` +
    "predicates: { p: { any_of: [q, { operations: [c] }] }, q: { condition: a = 1 } }\n";
  assert.deepEqual(complaints(good), []);
  const fork =
    "{ type: conditional, config: { when: a = 1, then: [named, { type: filter, config: { condition: b } }] } }";
  assert.deepEqual(complaints(file(`{ ${DATABASE} }, transforms: [${fork}] }`)), []);
  const cases: [string, RegExp][] = [
    [`transforms: { x: { type: rename_field, config: { renam: 1 } } }`, /\/transforms\/x\/config .*renam/],
    [`transforms: { x: { type: nothing } }`, /\/transforms\/x\/type/],
    [`transforms: { x: { type: filter, config: { condition: a, drop: maybe } } }`, /\/config\/drop/],
    [`transforms: { x: ${fork.replace("b }", "b, dro: 1 }")} }`, /\/config\/then\/1\/config .*dro/],
    [`predicates: { p: { tabel: x } }`, /\/predicates\/p .*tabel/],
    [`predicates: { p: { all_of: [{ tabel: x }] } }`, /\/all_of\/0 .*tabel/],
  ];
  for (const [text, expected] of cases) {
    const found = complaints(text);
    assert.ok(found.some((one) => expected.test(one)), `${text}\n${found.join("\n")}`);
  }
});

Deno.test("pipelineJsonSchema() is plain JSON of 2020-12 and describes and marks its keys", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(schema)), schema);
  assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  const { $defs } = schema as {
    $defs: Record<string, { properties: Record<string, Record<string, unknown>> }>;
  };
  const { password, port } = $defs["postgres-cdc"].properties;
  assert.equal(password.secret, true);
  assert.equal(password.writeOnly, true);
  assert.equal(port.description, "Port of the server");
  assert.equal(port.default, 5432);
});

Deno.test("every key of the file has a description", () => {
  const bare: string[] = [];
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== "object" || node === null) return;
    const { properties } = node as { properties?: Record<string, { description?: string }> };
    for (const [key, one] of Object.entries(properties ?? {})) {
      if (
        !path.startsWith("$defs") && !path.includes(".if") && !path.includes(".then") &&
        one.description === undefined
      ) {
        bare.push(`${path}.${key}`);
      }
    }
    for (const [key, inner] of Object.entries(node)) visit(inner, path === "" ? key : `${path}.${key}`);
  };
  visit(schema, "");
  assert.deepEqual(bare, []);
});
