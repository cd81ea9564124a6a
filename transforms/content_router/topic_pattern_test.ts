/** What is said to somebody who puts a record's values into a sink's `topic` is an expression that does it. */
import assert from "node:assert/strict";
import { patternProblem } from "../../formats/topic/topic_name.ts";
import { fakeRecord, fakeStream } from "../../tests/fakes/records.ts";
import type { Row } from "../../formats/data/value.ts";
import { compileExpression } from "../_expression/expression.ts";

Deno.test("the expression that a refused pattern of topics names gives the topic that was meant", () => {
  const topicOf = (pattern: string, after: Row) => {
    const expression = /topic_expression: "(.*)"$/.exec(patternProblem(pattern)!)![1];
    return compileExpression(expression, { nowMicros: () => 0n })
      .evaluate(fakeRecord(1, { stream: fakeStream("orders"), operation: "update", after }));
  };
  const row = { country: "DE", city: "Ulm" };
  assert.equal(topicOf("cdc.{schema}.{table}.{field:country}", row), "cdc.public.orders.DE");
  assert.equal(topicOf("{field:country}-{field:city}", row), "DE-Ulm");
  assert.equal(topicOf("{table}.{op}", row), "orders.update");
  for (const missing of [{ city: "Ulm" }, { country: null, city: "Ulm" }] as Row[]) {
    assert.equal(topicOf("x.{field:country}-{field:city}", missing), null);
  }
});
