/** Constants of an expression from their texts, exact: what JSON.parse would round stays as it was written. */
import type { Value } from "../../formats/data/value.ts";
import { ExpressionError } from "./errors.ts";
import type { Node } from "./syntax.ts";

/** A number as exact as it was written. */
export function numberNode(text: string, at: number): Node {
  if (/^-?\d+$/.test(text)) {
    const integer = BigInt(text);
    const isSafe = Number.isSafeInteger(Number(integer));
    return { kind: "literal", value: isSafe ? Number(integer) : integer, at };
  }
  // A double tells all numbers of 15 digits apart.
  const digits = text.replace(/[eE].*$/, "").replace(/[.-]/g, "").replace(/^0+/, "");
  const value = Number(text);
  if (digits.length <= 15 && Number.isFinite(value)) return { kind: "literal", value, at };
  return { kind: "decimal", digits: text, at };
}

/** The items of a JSON array as nodes, numbers exact. */
export function jsonList(text: string, at: number): Node[] {
  let items: unknown;
  try {
    items = JSON.parse(text, exactNumbers);
  } catch {
    throw new ExpressionError("The list is no JSON array", at + 1, `Write ["a", "b"], or ('a', 'b')`);
  }
  return (items as unknown[]).map((value) => valueNode(value, at));
}

class ExactNumber {
  constructor(readonly text: string) {}
}

function exactNumbers(_name: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === "number" && context?.source !== undefined ? new ExactNumber(context.source) : value;
}

/** A JSON text as a node, numbers exact; undefined when it is not JSON. */
export function jsonNode(text: string, at: number): Node | undefined {
  try {
    return valueNode(JSON.parse(text, exactNumbers), at);
  } catch {
    return undefined;
  }
}

function valueNode(value: unknown, at: number): Node {
  if (value instanceof ExactNumber) return numberNode(value.text, at);
  return { kind: "literal", value: plain(value), at };
}

/** Numbers inside lists and objects, exact as integers. */
function plain(value: unknown): Value {
  if (value instanceof ExactNumber) {
    const node = numberNode(value.text, 0);
    return node.kind === "literal" ? node.value : Number(value.text);
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
  }
  return value as Value;
}
