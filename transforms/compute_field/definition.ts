/** What compute_field is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { compileExpression, ExpressionError, expressionProblem } from "../_expression/expression.ts";
import { fieldText } from "../_expression/spellings.ts";
import { selectionProblems, tables } from "../_shared/selection.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";
import { partOf } from "./parts.ts";

const target = z.string().min(1).describe("The column that gets the value; one of that name is replaced");
const field = z.string().min(1);

const computation = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("expression").describe("A value computed by an expression"),
    target,
    expression: z.string().min(1).describe(
      "As in `price * quantity` or `coalesce(nick, name)`: see transforms/_expression/README.md",
    ),
  }),
  z.strictObject({
    type: z.literal("concat").describe("Texts one after the other; what is null or missing is empty"),
    target,
    parts: z.array(z.union([
      z.string(),
      z.strictObject({ literal: z.string().describe("A text") }),
      z.strictObject({ field: field.describe("A column or a path") }),
    ])).min(1).describe(
      "A name or $name is a column or a path; {literal: …}, and what is in quotes or can't be a name, is a text",
    ),
  }),
  z.strictObject({
    type: z.literal("hash").describe("SHA-256 of the values, in hex"),
    target,
    fields: z.array(field).min(1).describe("Columns or paths, in this order"),
    key_env: z.string().min(1).optional().describe(
      "Name of an environment variable with a key: then the hash is an HMAC, which nobody without the key can guess by trying",
    ),
    key: z.string().min(1).optional().describe("The key itself; key_env keeps it out of the file").meta({
      secret: true,
    }),
    legacy: z.boolean().default(false).describe(
      "The hash of earlier versions, in which ab, c and a, bc can't be told apart",
    ),
  }),
  z.strictObject({
    type: z.literal("upper").describe("The text in capitals"),
    target,
    source: field.describe("A column or a path"),
  }),
  z.strictObject({
    type: z.literal("lower").describe("The text in small letters"),
    target,
    source: field.describe("A column or a path"),
  }),
  z.strictObject({
    type: z.literal("coalesce").describe("The first value that is not null"),
    target,
    fields: z.array(field).min(1).describe("Columns or paths, in this order"),
  }),
  z.strictObject({
    type: z.literal("uuid").describe("An id of the record"),
    target,
    version: z.union([z.literal(4), z.literal(5), z.literal(7)]).default(5).describe(
      "5 and 7 follow from the record's place in the source, so that a record that comes twice has the same id; 7 " +
        "begins with the time of the change. 4 is random, as is every id of a record without a place",
    ),
  }),
  z.strictObject({
    type: z.literal("timestamp").describe("The time at which it is computed, in UTC"),
    target,
  }),
]);

const config = z.strictObject({
  computations: z.array(computation).min(1).describe(
    "What is computed, in order: later ones see earlier ones",
  ),
  apply_to: z.array(z.enum(["after", "before"])).min(1).default(["after", "before"]).describe(
    "Which rows get the columns. The row before a change gets those that can be computed from the columns it has, and " +
      "no uuid and timestamp unless it is a delete's",
  ),
  tables,
});

export type ComputeFieldConfig = z.output<typeof config>;
export type Computation = ComputeFieldConfig["computations"][number];

const definition: TransformDefinition<ComputeFieldConfig> = defineTransform({
  type: "compute_field",
  title: "Compute columns",
  summary: "Adds columns that are computed from others",
  description:
    "Numbers are exact: integers and decimals are never rounded. The column's type is what the expression gives, as far " +
    "as the types of the table's columns tell. Columns of the key can't be computed, because the key is the row's before " +
    "any change. Truncations, messages, schema changes and tombstones pass as they are.",
  config,
  upgradeConfig(config) {
    if (!Array.isArray(config.computations)) return { config, notes: [] };
    const notes = new Set<string>();
    const computations = config.computations.map((one: unknown) => {
      if (typeof one !== "object" || one === null) return one;
      const { operation, ...others } = one as Record<string, unknown>;
      const made: Record<string, unknown> = { ...others };
      if (operation !== undefined && made.type === undefined) {
        made.type = operation;
        notes.add("operation is called type here");
      }
      if (made.type === undefined && made.expression !== undefined) made.type = "expression";
      if (made.type === "concat" && made.parts === undefined && made.fields !== undefined) {
        made.parts = made.fields;
        delete made.fields;
        notes.add("fields of a concat are called parts here");
      }
      if (
        (made.type === "upper" || made.type === "lower") && made.source === undefined &&
        Array.isArray(made.fields)
      ) {
        if (made.fields.length === 1) {
          made.source = made.fields[0];
          delete made.fields;
          notes.add(`fields of ${made.type} is called source here`);
        }
      }
      return made;
    });
    return { config: { ...config, computations }, notes: [...notes] };
  },
  completeConfig(config, env) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    if (!Array.isArray(config.computations)) return { config, problems };
    const computations = config.computations.map((one: unknown, i) => {
      const name = (one as { key_env?: unknown } | null)?.key_env;
      if (typeof name !== "string") return one;
      const key = env(name);
      if (!key) {
        problems.push({
          key: `computations.${i}.key_env`,
          message: `The environment variable "${name}" is not set`,
          hint: "Set it to a long random text",
        });
      }
      return { ...one as Record<string, unknown>, key };
    });
    return { config: { ...config, computations }, problems };
  },
  checkConfig(config) {
    const problems = selectionProblems({ tables: config.tables });
    const check = (key: string, text: string) => {
      try {
        compileExpression(text);
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        problems.push(expressionProblem(key, error));
      }
    };
    config.computations.forEach((one, i) => {
      const key = `computations.${i}`;
      if (one.type === "expression") check(`${key}.expression`, one.expression);
      if ("source" in one) check(`${key}.source`, fieldText(one.source));
      if ("fields" in one) one.fields.forEach((field, k) => check(`${key}.fields.${k}`, fieldText(field)));
      if (one.type === "concat") {
        one.parts.forEach((part, k) => {
          const { field } = partOf(part);
          if (field !== undefined) check(`${key}.parts.${k}`, fieldText(field));
        });
      }
      if (one.type === "hash" && one.legacy && one.key !== undefined) {
        problems.push({ key: `${key}.legacy`, message: "The hash of earlier versions has no key" });
      }
    });
    return problems;
  },
  example,
});

export default definition;
