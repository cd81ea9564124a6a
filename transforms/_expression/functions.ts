/** The functions of the language: which there are and what they take. What they do is in calls.ts. */
import { closestMatch } from "leven";
import { ExpressionError } from "./errors.ts";
import type { Node } from "./syntax.ts";

interface Signature {
  readonly min: number;
  readonly max: number;
  /** How it is written, for errors and for the README. */
  readonly usage: string;
}

export const DATE_UNITS = ["day", "hour", "minute", "second", "millisecond", "microsecond"] as const;
export type DateUnit = (typeof DATE_UNITS)[number];

/** By name; README.md says what each does. */
export const FUNCTIONS: Readonly<Record<string, Signature>> = {
  abs: { min: 1, max: 1, usage: "abs(number)" },
  changed: { min: 1, max: Infinity, usage: "changed(column, …)" },
  coalesce: { min: 1, max: Infinity, usage: "coalesce(value, …)" },
  concat: { min: 1, max: Infinity, usage: "concat(value, …)" },
  contains: { min: 2, max: 2, usage: "contains(text or list, part)" },
  database: { min: 0, max: 0, usage: "database()" },
  date_diff: { min: 3, max: 3, usage: "date_diff('day', from, to)" },
  div: { min: 3, max: 3, usage: "div(number, by, digits)" },
  ends_with: { min: 2, max: 2, usage: "ends_with(text, end)" },
  header: { min: 1, max: 1, usage: "header('name')" },
  json_extract: { min: 2, max: 2, usage: "json_extract(column, '$.path')" },
  length: { min: 1, max: 1, usage: "length(text or list)" },
  lower: { min: 1, max: 1, usage: "lower(text)" },
  now: { min: 0, max: 0, usage: "now()" },
  op: { min: 0, max: 0, usage: "op()" },
  replace: { min: 3, max: 3, usage: "replace(text, part, by)" },
  schema: { min: 0, max: 0, usage: "schema()" },
  starts_with: { min: 2, max: 2, usage: "starts_with(text, start)" },
  substr: { min: 2, max: 3, usage: "substr(text, from 1, length)" },
  table: { min: 0, max: 0, usage: "table()" },
  topic: { min: 0, max: 0, usage: "topic()" },
  trim: { min: 1, max: 1, usage: "trim(text)" },
  upper: { min: 1, max: 1, usage: "upper(text)" },
};

/** Names that people bring along. */
const SYNONYMS: Readonly<Record<string, string>> = {
  operation: "op",
  substring: "substr",
  ifnull: "coalesce",
  nvl: "coalesce",
  char_length: "length",
  len: "length",
  datediff: "date_diff",
  lcase: "lower",
  ucase: "upper",
};

/**
 * A call as a node, once its name and arguments are right.
 *
 * @throws {ExpressionError} otherwise
 */
export function checkCall(written: string, args: readonly Node[], at: number): Node {
  const lower = written.toLowerCase();
  const name = Object.hasOwn(SYNONYMS, lower) ? SYNONYMS[lower] : lower;
  if (!Object.hasOwn(FUNCTIONS, name)) {
    const names = Object.keys(FUNCTIONS);
    const near = closestMatch(lower, names, { maxDistance: Math.max(1, Math.floor(lower.length / 3)) });
    throw new ExpressionError(
      `There is no function "${written}"`,
      at + 1,
      near ? `Did you mean ${near}()?` : `There are: ${names.join(", ")}`,
    );
  }
  const { min, max, usage } = FUNCTIONS[name];
  if (args.length < min || args.length > max) {
    throw new ExpressionError(`${name}() has ${args.length} arguments`, at + 1, `Write ${usage}`);
  }
  const wrong = wrongArgument(name, args);
  if (wrong) throw new ExpressionError(wrong, at + 1, `Write ${usage}`);
  return { kind: "call", name, args: args.map((arg, i) => asArgument(name, arg, i)), at };
}

/** Arguments that must be written out, so that they can be looked at once. */
function wrongArgument(name: string, args: readonly Node[]): string | undefined {
  const text = (node: Node) =>
    node.kind === "literal" && typeof node.value === "string"
      ? node.value
      : node.kind === "quoted"
      ? node.text
      : undefined;
  switch (name) {
    case "changed":
      return args.every((arg) => arg.kind === "quoted" || arg.kind === "path" && arg.root === "row")
        ? undefined
        : "changed() takes columns, without before. or after.";
    case "header":
      return text(args[0]) === undefined ? "The name of a header is a text" : undefined;
    case "date_diff":
      return (DATE_UNITS as readonly string[]).includes(text(args[0])?.toLowerCase() ?? "")
        ? undefined
        : `The unit of date_diff() is one of ${DATE_UNITS.join(", ")}`;
    case "json_extract":
      return jsonPath(text(args[1]) ?? "")
        ? undefined
        : "The path of json_extract() is a text such as '$.items[0].sku'";
    case "div": {
      const digits = args[2];
      const isCount = digits.kind === "literal" && Number.isInteger(digits.value) &&
        Number(digits.value) >= 0 &&
        Number(digits.value) <= 100;
      return isCount ? undefined : "The digits of div() are a number from 0 to 100";
    }
  }
}

/** A column in double quotes is a column for changed(); units and names are texts. */
function asArgument(name: string, arg: Node, i: number): Node {
  if (arg.kind !== "quoted") return arg;
  if (name === "changed") return { kind: "path", root: "row", names: [arg.text], at: arg.at };
  const isText = name === "header" || name === "date_diff" && i === 0 || name === "json_extract" && i === 1;
  return isText ? { kind: "literal", value: arg.text, at: arg.at } : arg;
}

/** `$.a.b[0]."c d"` → its steps; undefined when it is none. The `$` may be left out. */
export function jsonPath(text: string): (string | number)[] | undefined {
  const steps: (string | number)[] = [];
  let rest = text.replace(/^\$/, "");
  if (rest === text) rest = `.${rest}`;
  while (rest !== "") {
    const match = /^(?:\.([^.[\]"]+)|\."((?:[^"\\]|\\.)*)"|\[(\d{1,9})\]|\["((?:[^"\\]|\\.)*)"\])/.exec(rest);
    if (!match) return undefined;
    const [all, bare, quoted, index, bracketed] = match;
    steps.push(bare ?? (index !== undefined ? Number(index) : (quoted ?? bracketed).replace(/\\(.)/g, "$1")));
    rest = rest.slice(all.length);
  }
  return steps.length > 0 ? steps : undefined;
}
