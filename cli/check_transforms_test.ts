import assert from "node:assert/strict";
import type { Stream } from "../formats/data/stream.ts";
import { readCase } from "../runtime/chain/transform_case.ts";
import { loadTransforms } from "../runtime/config/transform_registry.ts";
import type { PlannedSource } from "../runtime/plan.ts";
import { checkTransforms } from "./check_transforms.ts";

const definitions = await loadTransforms();
const USERS: Stream = {
  name: "users",
  namespace: "public",
  key: ["id"],
  payload: "row",
  version: 1,
  columns: [
    { name: "id", type: { kind: "int64" }, nullable: false },
    { name: "ssn", type: { kind: "string" }, nullable: true },
  ],
};

/** What `check` says about transforms of a source that sees one table. */
async function found(list: string): Promise<string[]> {
  const options = { file: "f.yaml", definitions, env: () => undefined, readFile: () => "" };
  const { case: made, problems } = readCase(`transforms: [${list}]\n`, options);
  assert.ok(made, problems.map(({ message }) => message).join());
  const source = { transforms: made.steps, flows: [] } as unknown as PlannedSource;
  const findings = await checkTransforms(source, [{ stream: USERS, syncModes: ["cdc"] }]);
  return findings.map(({ status, message }) => `${status} ${message}`);
}

Deno.test("check finds transforms that would refuse a table, and those that have nothing to do with any", async () => {
  const rename = (name: string) => `{ type: rename_field, config: { renames: { ${name}: number } } }`;
  const mask = (fields: string) => `{ type: mask_field, config: { fields: [${fields}] } }`;
  assert.deepEqual(await found(rename("snn")), [
    'warning "rename_field #1" has nothing to do with the table that is there',
  ]);
  assert.deepEqual(await found(`${rename("ssn")}, ${mask("ssn, number")}`), [
    'warning "mask_field #2": No table that came has "ssn", which is to be masked; there were public.users',
  ]);
  assert.match((await found(mask("id"))).join(), /^failed .* can't be masked/);
  assert.deepEqual(await found(mask("ssn")), ["ok they fit the table that is there"]);
});
