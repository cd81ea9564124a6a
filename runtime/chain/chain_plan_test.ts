import assert from "node:assert/strict";
import { fakeDefinitions } from "../../tests/fakes/definitions.ts";
import { readConfig } from "../config/config.ts";
import { loadTransforms } from "../config/transform_registry.ts";
import { keyInClear, type PlannedStep } from "./chain_plan.ts";
import { makePlan } from "../plan.ts";
import { readCase } from "./transform_case.ts";

const definitions = await loadTransforms();
const KEY = "ab".repeat(32);
const SEAL = `{ type: encrypt_field, name: seal, config: { fields: [ssn], key: "${KEY}" } }`;
const MASK =
  `{ type: mask_field, name: mask, config: { fields: [id], strategy: hash, key: "${KEY}", allow_key_protection: true } }`;

function stepsOf(list: string): readonly PlannedStep[] {
  const options = { file: "f.yaml", definitions, env: () => undefined, readFile: () => "" };
  const { case: made, problems } = readCase(`transforms: [${list}]\n`, options);
  assert.ok(made, problems.map(({ message }) => message).join());
  return made.steps;
}

/** The names of the two, in the order of the chain. */
function found(list: string): string[] {
  const leak = keyInClear(stepsOf(list));
  return leak ? [leak.names.name, leak.hides.name] : [];
}

Deno.test("a key can't be hidden behind values that name it, whichever transforms stand between", () => {
  const conditional = (then: string, otherwise: string) =>
    `{ type: conditional, config: { when: "id > 1", then: [${then}], else: [${otherwise}] } }`;
  const filters = `{ "*": { exclude: [id] } }`;
  const cut =
    `{ type: column_filter, name: cut, config: { filters: ${filters}, allow_key_protection: true } }`;
  assert.deepEqual(found(`${SEAL}, { type: flatten }, ${MASK}`), ["seal", "mask"]);
  assert.deepEqual(found(`${SEAL}, ${cut}`), ["seal", "cut"]);
  assert.deepEqual(found(`${conditional(SEAL, "")}, ${MASK}`), ["seal", "mask"]);
  assert.deepEqual(found(conditional(`${SEAL}, ${MASK}`, "")), ["seal", "mask"]);
  assert.deepEqual(found(conditional(SEAL, MASK)), [], "no record goes through both");
});

Deno.test("a key is hidden in front of such values, or behind values that are bound to less", () => {
  const seal = (config: string) =>
    `{ type: encrypt_field, config: { fields: [ssn], key: "${KEY}", ${config} } }`;
  assert.deepEqual(found(`${MASK}, ${SEAL}`), []);
  assert.deepEqual(found(`${seal("aad: { bind: [table, column] }")}, ${MASK}`), []);
  assert.deepEqual(found(`${seal("algorithm: deterministic")}, ${MASK}`), []);
  assert.deepEqual(found(`${seal("format: 1")}, ${MASK}`), []);
  assert.deepEqual(found(`${SEAL}, { type: mask_field, config: { fields: [name] } }`), []);
});

Deno.test("a pipeline that would show a key it hides is refused where it stands, the source's transforms counted in", () => {
  const { config, problems } = readConfig(
    `
sources: { shop: { connector: queue, config: { url: "https://q/" }, transforms: [${SEAL}] } }
sinks: { out: { connector: file, config: { path: x } } }
pipelines:
  people: { source: shop, sink: out, transforms: [${MASK}] }
`,
    {
      file: "f.yaml",
      definitions: fakeDefinitions,
      transforms: definitions,
      env: () => undefined,
      readFile: () => "",
      unsetVariables: "error",
    },
  );
  assert.ok(config, JSON.stringify(problems));
  const planned = makePlan(config, fakeDefinitions);
  assert.equal(planned.plan, undefined);
  assert.deepEqual(
    planned.problems.map(({ line, column, message }) => [line, column, /"mask".*"seal"/.test(message)]),
    [
      [5, 3, true],
    ],
  );
});
