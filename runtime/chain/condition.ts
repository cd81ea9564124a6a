/** Conditions of predicates, in the language of `filter`: checked by predicate_config.ts, asked by chains. */
import { compileExpression, expressionProblem } from "../../transforms/_expression/expression.ts";
import type { RecordTest } from "./predicate.ts";

/** What is wrong with an expression, or undefined. */
export function conditionProblem(text: string): { message: string; hint?: string } | undefined {
  try {
    compileExpression(text);
  } catch (error) {
    return expressionProblem("condition", error);
  }
}

/**
 * An expression as a test, which fails where it is neither true nor false.
 *
 * @throws {ExpressionError} when it can't be used
 */
export function conditionTest(text: string, nowMicros: () => bigint): RecordTest {
  const expression = compileExpression(text, { nowMicros });
  return (record) => expression.test(record) === true;
}
