/** Node → text that parses into the same: for messages about parts of an expression, and for tests of the parser. */
import type { Value } from "../../formats/data/value.ts";
import type { Node } from "./syntax.ts";

/** Parentheses stand wherever they could matter. */
export function printExpression(node: Node): string {
  switch (node.kind) {
    case "path":
      return (node.root === "row" ? "" : `${node.root}.`) +
        node.names.map((name, i) =>
          typeof name === "number" ? `[${name}]` : `${i > 0 ? "." : ""}${quoteName(name)}`
        ).join("");
    case "quoted":
      return JSON.stringify(node.text);
    case "literal":
      return printValue(node.value);
    case "decimal":
      return node.digits;
    case "call":
      return `${node.name}(${node.args.map(printExpression).join(", ")})`;
    case "arithmetic":
    case "compare":
    case "strict":
      return `${operand(node.left)} ${node.op} ${operand(node.right)}`;
    case "distinct":
      return `${operand(node.left)} IS ${not(node)}DISTINCT FROM ${operand(node.right)}`;
    case "is":
      return `${operand(node.operand)} IS ${not(node)}${node.what.toUpperCase()}`;
    case "in":
      return `${operand(node.operand)} ${not(node)}IN (${node.list.map(operand).join(", ")})`;
    case "between":
      return `${operand(node.operand)} ${not(node)}BETWEEN ${operand(node.low)} AND ${operand(node.high)}`;
    case "like":
      return `${operand(node.operand)} ${not(node)}${node.ignoreCase ? "ILIKE" : "LIKE"} ${
        quoteText(node.pattern)
      }`;
    case "matches":
      return `${operand(node.operand)} ${not(node)}MATCHES ${quoteText(node.pattern)}`;
    case "not":
      return `NOT ${operand(node.operand)}`;
    case "and":
    case "or":
      return `${operand(node.left)} ${node.kind.toUpperCase()} ${operand(node.right)}`;
    case "choose":
      return `${operand(node.when)} ? ${operand(node.then)} : ${operand(node.otherwise)}`;
  }
}

function operand(node: Node): string {
  const text = printExpression(node);
  return ["path", "quoted", "literal", "decimal", "call"].includes(node.kind) ? text : `(${text})`;
}

function not({ not }: { readonly not: boolean }): string {
  return not ? "NOT " : "";
}

function quoteName(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function printValue(value: Value): string {
  return typeof value === "string" ? quoteText(value) : String(value);
}
