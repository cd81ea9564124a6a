/** Sets fields to null: the work of set_null. Loaded by workers. */
import type { Value } from "../../formats/data/value.ts";
import { compileRegex } from "../../formats/data/regex.ts";
import { FieldProtection } from "../_protection/protection.ts";
import { parseSelector } from "../_protection/selector.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { SetNullConfig } from "./definition.ts";

export function openTransform(config: SetNullConfig, context: TransformContext): Transform {
  const applies = testOf(config.condition);
  return new FieldProtection<null>({
    entries: config.fields.map((field) => ({
      selector: parseSelector(field, config.ignore_case),
      action: null,
    })),
    context,
    done: "set to null",
    allowUnmatched: config.allow_unmatched_fields,
    refuseKey: () => ({ reason: "rows could no longer be told apart", hint: "Leave it out of fields" }),
    changeColumn: ({ default: _, ...column }) => ({ ...column, nullable: true }),
    change: (value) => applies(value) ? null : value,
  });
}

function testOf(condition: SetNullConfig["condition"]): (value: Value) => boolean {
  if (condition === "always") return () => true;
  if (condition === "if_empty") return (value) => value === "";
  if (typeof condition === "object" && "equals" in condition) {
    const { equals } = condition;
    // A whole number of a 64-bit column is a bigint.
    return (value) =>
      value === equals || typeof value === "bigint" && typeof equals === "number" && Number(value) === equals;
  }
  const expression = compileRegex(typeof condition === "string" ? condition : condition.matches);
  return (value) => typeof value === "string" && expression.test(value);
}
