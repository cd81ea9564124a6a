/** Values of a configuration beside values of rows, as the types of the columns have it: a decimal is a number. */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Value } from "../../formats/data/value.ts";
import { classOf, isSame, orderOf } from "./compare.ts";
import type { Expression } from "./expression.ts";

/** Is the expression's value one of these? Null is equal to null, what is missing to nothing. */
export function jsonEquality(
  expression: Expression,
  values: readonly Value[],
): (record: DataRecord) => boolean {
  const byStream = new WeakMap<Stream, readonly ((value: Value) => boolean)[]>();
  return (record) => {
    const value = expression.evaluate(record);
    if (value === undefined) return false;
    let tests = byStream.get(record.stream);
    if (!tests) {
      byStream.set(
        record.stream,
        tests = values.map((one) => equals(expression, record.stream, one)),
      );
    }
    return tests.some((test) => test(value));
  };
}

function equals(expression: Expression, stream: Stream, constant: Value): (value: Value) => boolean {
  if (constant === null) return (value) => value === null;
  const side = { class: classOf(expression.typeFor(stream)) };
  const order = orderOf(side, { class: "any", constant });
  return (value) =>
    value !== null && (typeof value === "object" ? isSame(value, constant) : order(value, constant) === 0);
}
