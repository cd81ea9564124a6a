/** Every pipeline file in examples/ can be planned as it stands. */
import assert from "node:assert/strict";
import { readConfig } from "../../runtime/config/config.ts";
import { makePlan } from "../../runtime/plan.ts";
import { loadDefinitions } from "../../runtime/config/registry.ts";

const FOLDER = new URL("../../examples/", import.meta.url);
const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".yaml"));

for (const file of files) {
  Deno.test(`examples/${file} plans without a problem`, async () => {
    const definitions = await loadDefinitions();
    const { config, problems } = readConfig(Deno.readTextFileSync(new URL(file, FOLDER)), {
      file,
      definitions,
      // Every variable that has no default stands in its comment.
      env: (name) => name === "PGPASSWORD" ? "secret" : undefined,
      readFile: () => "",
      unsetVariables: "error",
    });
    assert.deepEqual(problems, []);
    const { plan, problems: found } = makePlan(config!, definitions);
    assert.deepEqual(found, []);
    assert.ok(plan!.sources.length > 0);
  });
}

Deno.test("there are examples", () => assert.ok(files.length > 1));
