/** Every connector of this build, through every suite. */
import { loadDefinitions } from "../../runtime/config/registry.ts";
import assert from "node:assert/strict";
import { testConfined } from "./confined.ts";
import { testDefinition, testRegistry } from "./definition.ts";
import { sinkEnvironments, sourceEnvironments } from "./environments.ts";
import { testSink } from "./sink.ts";
import { testSource } from "./source.ts";

const definitions = await loadDefinitions();

testRegistry(definitions);

for (const definition of definitions) {
  const { type } = definition;
  const sources = sourceEnvironments[type] ?? {};
  const sinks = sinkEnvironments[type] ?? {};
  testDefinition(definition);
  Deno.test(`${type}: has an environment for each of its sides`, () => {
    if (definition.source) assert.ok(Object.keys(sources).length > 0, "Add one to sourceEnvironments");
    if (definition.sink) assert.ok(Object.keys(sinks).length > 0, "Add one to sinkEnvironments");
  });
  if (definition.source) testSource(definition, sources);
  if (definition.sink) testSink(definition, sinks);
  testConfined(definition, sources, sinks);
}
