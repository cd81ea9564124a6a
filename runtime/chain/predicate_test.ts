import assert from "node:assert/strict";
import { fakeRecord, fakeStream, ORDERS } from "../../tests/fakes/records.ts";
import type { PlannedPredicate } from "./chain_plan.ts";
import { compilePredicate } from "./predicate.ts";
import { conditionTest } from "./condition.ts";

const warnings: string[] = [];
const compile = (planned: PlannedPredicate) =>
  compilePredicate(planned, {
    compileCondition: (text) => conditionTest(text, () => 0n),
    warn: (message) => warnings.push(message),
  });

/** Does it hold for a record? */
function holds(planned: PlannedPredicate, record = fakeRecord(7)): boolean {
  const decision = compile(planned)(record.stream);
  return typeof decision === "boolean" ? decision : decision(record);
}

Deno.test("what a stream alone tells is decided for the stream", () => {
  const decide = (planned: PlannedPredicate) => compile(planned)({ ...ORDERS, topic: "cdc.orders" });
  assert.equal(decide({ tables: ["^ord"] }), true);
  assert.equal(decide({ tables: ["der"] }), true, "patterns are not anchored");
  assert.equal(decide({ tables: ["=order"] }), false);
  assert.equal(decide({ tables: ["=orders", "="] }), true);
  assert.equal(decide({ schemas: ["^public$"], databases: ["sh.p"], topics: ["^cdc\\."] }), true);
  assert.equal(decide({ schemas: ["other"], condition: "id = 1" }), false, "one part that fails is enough");
  assert.equal(decide({ schemas: ["other"], negate: true }), true);
  assert.equal(decide({ anyOf: [{ tables: ["=orders"] }, { condition: "id = 1" }] }), true);
  assert.equal(decide({ allOf: [{ tables: ["=orders"] }, { schemas: ["x"] }] }), false);
  assert.equal(typeof decide({ allOf: [{ tables: ["=orders"] }, { operations: ["insert"] }] }), "function");
});

Deno.test("operations, tombstones, headers, fields and expressions are asked of the record", () => {
  const headers = [["trace", "1"]] as const;
  assert.equal(holds({ operations: ["insert", "update"] }), true);
  assert.equal(holds({ operations: ["delete"] }), false);
  assert.equal(
    holds({ isTombstone: true }, fakeRecord(1, { operation: "tombstone", after: undefined })),
    true,
  );
  assert.equal(holds({ isTombstone: false }), true);
  assert.equal(holds({ hasHeader: "trace" }, fakeRecord(1, { headers })), true);
  assert.equal(holds({ hasHeader: "trace" }), false);
  assert.equal(holds({ fieldExists: "total" }), true);
  assert.equal(holds({ fieldExists: "toString" }), false);
  const deleted = fakeRecord(7, { operation: "delete", before: { id: 7n }, after: undefined });
  assert.equal(holds({ fieldExists: "id" }, deleted), true, "of a delete the row before it");
  assert.equal(holds({ fieldValue: { field: "id", value: 7 } }), true, "a number of the file and an int64");
  assert.equal(holds({ fieldValue: { field: "total", value: "7.50" } }), true);
  assert.equal(holds({ fieldValue: { field: "total", value: 7.5 } }), false);
  assert.equal(holds({ fieldValue: { field: "nothing", value: null } }), false, "a field that is not there");
  assert.equal(holds({ condition: "id = 7 and total > 7" }), true);
  assert.equal(holds({ condition: "nothing = 1" }), false, "unknown counts as false");
  assert.equal(holds({ condition: "nothing = 1", negate: true }), true);
});

Deno.test("a plain word that finds two tables is warned about, once", () => {
  warnings.length = 0;
  const predicate = compile({ tables: ["users"] });
  for (const name of ["users", "orders", "users_archive", "users_old"]) predicate(fakeStream(name));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /"users" finds more than one: users, users_archive; "=users"/);
  compile({ tables: ["^users"] });
  assert.equal(warnings.length, 1);
});

Deno.test("a pattern that could take forever for some name is refused", () => {
  assert.throws(() => compile({ topics: ["^(a+)+$"] }), /can take forever/);
});
