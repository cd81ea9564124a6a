import assert from "node:assert/strict";
import { loadDefinitions } from "./registry.ts";
import { type ConfiguredTransforms } from "./transforms_of_file.ts";
import { readConfig, type ReadResult } from "./config.ts";
import { makePlan } from "../plan.ts";
import { transformsOf } from "../chain/chain_plan.ts";
import { stepsFor } from "../dead_letters/dead_letter_replay.ts";
import { loadTransforms } from "./transform_registry.ts";

const definitions = await loadDefinitions();
const transforms = await loadTransforms();

const variables: Record<string, string> = { PGPASSWORD: "pw", KEY: "a-key-with-enough-letters" };

function read(text: string): ReadResult {
  return readConfig(text, {
    file: "f.yaml",
    definitions,
    transforms,
    env: (name) => variables[name],
    readFile: () => "",
    unsetVariables: "error",
  });
}

interface Parts {
  readonly top?: string;
  readonly source?: string;
  readonly config?: string;
  readonly sink?: string;
  readonly pipeline?: string;
}

const fileOf = ({ top = "", source = "", config = "", sink = "", pipeline = "" }: Parts) => `
sources:
  gen: { connector: datagen, config: { pattern: orders${config && `, ${config}`} }${source && `, ${source}`} }
sinks:
  out: { connector: stdout${sink && `, ${sink}`} }
pipelines:
  p: { source: gen, sink: out${pipeline && `, ${pipeline}`} }
${top}
`;

function configured(parts: Parts): ConfiguredTransforms {
  const { config, problems } = read(fileOf(parts));
  const errors = problems.filter(({ severity }) => severity === "error");
  assert.deepEqual(errors.map(({ message, hint }) => `${message}: ${hint}`), []);
  return config!.transforms;
}

/** Line and column within the lines of fileOf(), and the message. */
function problems(parts: Parts): string[] {
  return read(fileOf(parts)).problems.map(({ path, message, hint }) =>
    `${path}: ${message}${hint ? ` → ${hint}` : ""}`
  );
}

const RENAME = "{ type: rename_field, config: { renames: { a: b } } }";

Deno.test("a chain is what stands in the source's config, beside it, at the pipeline, at the sink, in this order", () => {
  const made = configured({
    top: `transforms: { named: ${RENAME} }`,
    config: `transforms: [${RENAME}]`,
    source: `transforms: [{ type: filter, config: { condition: a = 1 } }, named]`,
    pipeline: `transforms: [{ type: cast, name: own, config: { specs: { a: int32 } }, on_error: fail }]`,
    sink: `transforms: [${RENAME}, named]`,
  });
  const names = (chain = made.sources.get("gen")) => chain!.map(({ name }) => name);
  assert.deepEqual(names(), ["rename_field #1", "filter #2", "named"]);
  assert.deepEqual(names(made.pipelines.get("p")), ["own"]);
  assert.deepEqual(names(made.sinks.get("out")), ["rename_field #1 of sink out", "named"]);
  const [cast] = made.pipelines.get("p")!;
  assert.ok(cast.kind === "transform");
  assert.deepEqual([cast.type, cast.onError], ["cast", "stop"]);
  const [rename] = made.sources.get("gen")!;
  assert.ok(rename.kind === "transform" && rename.type === "replace_field", "aliases are resolved");
});

Deno.test("transforms that have no name are called differently in a whole chain, so dead letters find theirs", () => {
  const cast = "{ type: cast, config: { specs: { a: int32 } } }";
  const fork = `{ type: conditional, config: { when: a = 1, then: [${cast}], else: [${cast}, ${RENAME}] } }`;
  const { config } = read(fileOf({
    config: `transforms: [${cast}]`,
    source: `transforms: [${fork}]`,
    pipeline: `transforms: [${cast}, ${fork}, ${RENAME}]`,
    sink: `transforms: [${cast}]`,
  }));
  const { plan } = makePlan(config!, definitions);
  const [source] = plan!.sources;
  const [flow] = source.flows;
  const names = (steps: typeof source.transforms) => steps.map(({ name }) => name);
  assert.deepEqual(names(source.transforms), ["cast #1", "conditional #2"]);
  assert.deepEqual(names(flow.transforms), [
    "cast #1 of pipeline p",
    "conditional #2 of pipeline p",
    "rename_field #3",
    "cast #1 of sink out",
  ]);
  assert.deepEqual([...transformsOf(source.transforms)].map(({ name }) => name), [
    "cast #1",
    "cast #1 of conditional #2",
    "cast #2 of conditional #2",
    "rename_field #3 of conditional #2",
  ]);
  const all = [...transformsOf([...source.transforms, ...flow.transforms])].map(({ name }) => name);
  assert.equal(new Set(all).size, all.length);
  const letter = { stage: "transform", transform: "cast #1 of pipeline p" } as Parameters<typeof stepsFor>[0];
  assert.deepEqual(stepsFor(letter, source, flow), flow.transforms);
  assert.equal(stepsFor({ ...letter, transform: "cast #1" }, source, flow).length, 6);
});

Deno.test("the plan gives each flow its chain, and a source's chain stops where it says nothing", () => {
  const { config } = read(fileOf({ source: `transforms: [${RENAME}]`, sink: `transforms: [${RENAME}]` }));
  const { plan } = makePlan(config!, definitions);
  const [source] = plan!.sources;
  assert.deepEqual(source.transforms.map((step) => step.kind === "transform" && step.onError), ["stop"]);
  assert.deepEqual(source.flows[0].transforms.map((step) => step.kind === "transform" && step.onError), [
    undefined,
  ]);
});

Deno.test("names of earlier versions act on the row", () => {
  const made = configured({
    source:
      `transforms: [{ type: rename_field, config: { from: a, to: b } }, { type: remove_field, config: { field: c } },
      { type: add_field, config: { field: d, value: 1 } }, { type: filter, config: { field: e, equals: x } }]`,
  });
  assert.deepEqual(
    made.sources.get("gen")!.map((step) => step.kind === "transform" && step.type),
    ["replace_field", "replace_field", "insert_field", "filter"],
  );
});

Deno.test("unknown names, types and keys are said with the nearest, where they stand", () => {
  const top = `transforms: { named: ${RENAME} }`;
  assert.deepEqual(problems({ top, pipeline: "transforms: [namd, named]" }), [
    'pipelines.p.transforms[0]: There is no transform "namd" → Did you mean "named"?',
  ]);
  assert.deepEqual(problems({ pipeline: "transforms: [{ type: mask_feld, config: {} }]" }), [
    'pipelines.p.transforms[0].type: Unknown transform "mask_feld" → Did you mean "mask_field"?',
  ]);
  assert.match(
    problems({ pipeline: "transforms: [{ type: externalize_blob }]" })[0],
    /"externalize_blob" is not in this build yet → \w/,
  );
  assert.deepEqual(
    problems({ pipeline: `transforms: [{ type: "org.apache.kafka.connect.transforms.MaskField$Value" }]` }),
    [
      'pipelines.p.transforms[0].type: Unknown transform "org.apache.kafka.connect.transforms.MaskField$Value" → ' +
      'Did you mean "mask_field"?',
    ],
  );
  assert.deepEqual(problems({ pipeline: "transforms: [filter]" }), [
    'pipelines.p.transforms[0]: There is no transform "filter" → Write it as a map: {type: filter, config: {…}}',
  ]);
  assert.deepEqual(
    problems({ config: "transforms: [{ type: cast, config: { specs: { a: int32 }, predicate: x } }]" }),
    [
      'sources.gen.config.transforms[0].config.predicate: Unknown key "predicate" → ' +
      '"predicate" belongs beside "config", not into it',
    ],
  );
  assert.deepEqual(
    problems({
      pipeline: "transforms: [{ type: cast, specs: { a: int32 }, config: { specs: { a: int32 } } }]",
    }),
    [
      'pipelines.p.transforms[0].specs: Unknown key "specs" → "specs" belongs under "config"',
    ],
  );
  assert.match(
    problems({ pipeline: "transforms: [{ type: cast, config: { specs: { a.b: nothing } } }]" })[0],
    /^pipelines\.p\.transforms\[0\]\.config\.specs\.a\.b: /,
    "what the schema can't say has its place too",
  );
});

Deno.test("what hides can't let records pass; a fork has no on_error; nothing stands inside of itself", () => {
  const mask = "type: mask_field, config: { fields: [a] }";
  assert.match(
    problems({ pipeline: `transforms: [{ ${mask}, on_error: pass }]` })[0],
    /on_error: "on_error" of a mask_field can't be pass/,
  );
  assert.match(
    problems({
      pipeline:
        `transforms: [{ type: conditional, config: { when: a = 1, then: [${RENAME}] }, on_error: skip }]`,
    })[0],
    /"on_error" has no effect on "conditional"/,
  );
  const loop = "transforms: { a: { type: conditional, config: { when: x = 1, then: [b] } }, " +
    "b: { type: conditional, config: { when: x = 1, else: [a] } } }";
  assert.match(
    problems({ top: loop, pipeline: "transforms: [a]" })[0],
    /Transform "a" stands inside of itself/,
  );
});

Deno.test("predicates: by name and nested, with operations under every name; mistakes have their place", () => {
  const top = `predicates:
  big: { any_of: [{ condition: total > 100 }, { operations: [c, update, read] }], negate: true }
  tables: { tables: [users, "^ord"], match: regex, field_value: { field: a, value: 7 } }
  exact: { table: users, match: exact, topic: x }`;
  const step = (predicate: string) => RENAME.replace(/ }$/, `, predicate: ${predicate} }`);
  const made = configured({
    top,
    pipeline: `transforms: [${step("big")}, ${step("tables")}, ${step("exact")}]`,
  });
  assert.deepEqual(made.pipelines.get("p")!.map(({ predicate }) => predicate), [
    { anyOf: [{ condition: "total > 100" }, { operations: ["insert", "update", "snapshot"] }], negate: true },
    { tables: ["users", "^ord"], fieldValue: { field: "a", value: 7 } },
    { tables: ["=users"], topics: ["=x"] },
  ]);
  const wrong = (predicate: string) =>
    problems({ top, pipeline: `transforms: [${step(predicate)}, ${["big", "tables", "exact"].map(step)}]` });
  assert.deepEqual(wrong("bigg"), [
    'pipelines.p.transforms[0].predicate: There is no predicate "bigg" → Did you mean "big"?',
  ]);
  assert.match(
    wrong("{ operations: [upsert] }")[0],
    /predicate\.operations\[0\]: Unknown operation "upsert"/,
  );
  assert.match(wrong('{ table: "(" }')[0], /predicate\.table: "\(" is no regular expression/);
  assert.match(wrong("{ table: a, tables: b }")[0], /predicate\.tables: "table" and "tables" are both given/);
  assert.match(wrong("{ condition: a = }")[0], /predicate\.condition: /);
  assert.match(wrong("{ negate: true }")[0], /predicate: The predicate says nothing about records/);
  assert.match(
    wrong("{ all_of: [{ tabel: x }] }")[0],
    /all_of\[0\]\.tabel: Unknown key "tabel" → Did you mean "table"/,
  );
});

Deno.test("secrets in configs of transforms are secrets of the file, variables included", () => {
  const { secrets, config } = read(fileOf({
    pipeline: 'transforms: [{ type: mask_field, config: { fields: [a], strategy: hash, key: "${KEY}" } }]',
  }));
  assert.ok(config);
  assert.ok(secrets.includes(variables.KEY));
});

Deno.test("the example of the README is a good file", async () => {
  const text = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const section = text.slice(text.indexOf("\n## Transforms\n"));
  const { problems } = read(/```yaml\n([^]*?)```/.exec(section)![1]);
  assert.deepEqual(problems.map(({ line, message }) => `${line}: ${message}`), []);
});
