/** What an expression is made of, after parsing: plain data. parse.ts makes it, compile.ts and print.ts read it. */
import type { Value } from "../../formats/data/value.ts";

/** Where a path starts: a row by itself is `after`, or `before` where there is no row after. */
export type Root = "row" | "before" | "after" | "source" | "key";

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=";

/** `at` is the 0-based offset in the text, for errors that only show when types are known. */
export type Node =
  | {
    readonly kind: "path";
    readonly root: Root;
    readonly names: readonly (string | number)[];
    readonly at: number;
  }
  /** A text in double quotes where either may stand: a column if there is one of that name, else the text. */
  | { readonly kind: "quoted"; readonly text: string; readonly at: number }
  | { readonly kind: "literal"; readonly value: Value; readonly at: number }
  /** A number of more digits than a double holds, exact as text; `digits` has an optional sign in front. */
  | { readonly kind: "decimal"; readonly digits: string; readonly at: number }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Node[]; readonly at: number }
  | {
    readonly kind: "arithmetic";
    readonly op: "+" | "-" | "*";
    readonly left: Node;
    readonly right: Node;
    readonly at: number;
  }
  | {
    readonly kind: "compare";
    readonly op: Comparison;
    readonly left: Node;
    readonly right: Node;
    readonly at: number;
  }
  /** `=` and `!=` as earlier versions have them: never unknown, a missing field is unequal to everything. */
  | {
    readonly kind: "strict";
    readonly op: "=" | "<>";
    readonly left: Node;
    readonly right: Node;
    readonly at: number;
  }
  | {
    readonly kind: "distinct";
    readonly not: boolean;
    readonly left: Node;
    readonly right: Node;
    readonly at: number;
  }
  | {
    readonly kind: "is";
    readonly what: "null" | "true" | "false" | "unknown";
    readonly not: boolean;
    readonly operand: Node;
    readonly at: number;
  }
  | {
    readonly kind: "in";
    readonly not: boolean;
    readonly operand: Node;
    readonly list: readonly Node[];
    readonly strict: boolean;
    readonly at: number;
  }
  | {
    readonly kind: "between";
    readonly not: boolean;
    readonly operand: Node;
    readonly low: Node;
    readonly high: Node;
    readonly at: number;
  }
  | {
    readonly kind: "like";
    readonly not: boolean;
    readonly ignoreCase: boolean;
    readonly operand: Node;
    readonly pattern: string;
    readonly at: number;
  }
  | {
    readonly kind: "matches";
    readonly not: boolean;
    readonly operand: Node;
    readonly pattern: string;
    readonly at: number;
  }
  | { readonly kind: "not"; readonly operand: Node; readonly at: number }
  | { readonly kind: "and" | "or"; readonly left: Node; readonly right: Node; readonly at: number }
  | {
    readonly kind: "choose";
    readonly when: Node;
    readonly then: Node;
    readonly otherwise: Node;
    readonly at: number;
  };

/** Calls `visit` for the node and everything below it. */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const child of children(node)) walk(child, visit);
}

/** The nodes right below a node, in the order of the text. */
export function children(node: Node): readonly Node[] {
  switch (node.kind) {
    case "path":
    case "quoted":
    case "literal":
    case "decimal":
      return [];
    case "call":
      return node.args;
    case "in":
      return [node.operand, ...node.list];
    case "between":
      return [node.operand, node.low, node.high];
    case "choose":
      return [node.when, node.then, node.otherwise];
    case "is":
    case "like":
    case "matches":
    case "not":
      return [node.operand];
    default:
      return [node.left, node.right];
  }
}

/** Does it say yes, no or unknown? A path, a call and a choice may or may not. */
export function isCondition(node: Node): boolean {
  return !["path", "quoted", "literal", "decimal", "call", "arithmetic", "choose"].includes(node.kind);
}
