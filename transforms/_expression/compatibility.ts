/**
 * The conditions of earlier versions: `field operator value`, split at blanks, where the value is JSON or else the rest
 * of the line as a text. parse.ts asks here first, so that `status != active` keeps its meaning, missing fields
 * included; what can't have been meant that way is left to the grammar.
 */
import { jsonList, jsonNode } from "./literals.ts";
import { isCondition, type Node } from "./syntax.ts";

const THREE_PARTS =
  /^\s*(?!-)([^\s'"`(),=<>!+*?:&|]+)\s+(==?|!=|<>|is_null|is_not_null|matches|in)(?:\s+(\S[\s\S]*?))?\s*$/;
const NO_FIELD = /^(?:not|and|or)$/i;
/** Words in capitals join conditions; in small letters they may be part of a text: `note = salt and pepper`. */
const JOINS = /(?:^|\s)(?:AND|OR|NOT)(?:\s|$)/;
const PLAIN = /^[^'"`()=<>!+*?:&|]+$/;
const WITH_ROOT = /^(?:before|after|source|key|value)\.\S+$/;

/**
 * The condition in the meaning of earlier versions; undefined when it has to be read by the grammar.
 *
 * @param parsed what the grammar makes of the same text, where it makes something of it
 */
export function parseThreeParts(
  text: string,
  parsed: Node | undefined,
  parseField: (word: string) => Node,
): Node | undefined {
  const match = THREE_PARTS.exec(text);
  if (!match || NO_FIELD.test(match[1])) return undefined;
  const [, field, operator, value = ""] = match;
  const at = text.indexOf(operator, text.indexOf(field) + field.length);
  const valueAt = text.lastIndexOf(value);
  const left = parseField(field);
  switch (operator) {
    case "is_null":
    case "is_not_null":
      if (/\s/.test(value)) return undefined;
      return { kind: "is", what: "null", not: operator === "is_not_null", operand: left, at };
    case "in":
      if (!value.startsWith("[") || jsonNode(value, valueAt) === undefined) return undefined;
      return { kind: "in", not: false, operand: left, list: jsonList(value, valueAt), strict: true, at };
    case "matches": {
      const literal = jsonNode(value, valueAt);
      const isText = literal?.kind === "literal" && typeof literal.value === "string";
      if (!isText && (value === "" || /^['"]/.test(value) || JOINS.test(value))) return undefined;
      const pattern = isText ? (literal.value as string) : value;
      return { kind: "matches", not: false, operand: left, pattern, at };
    }
    default: {
      const right = jsonNode(value, valueAt) ??
        (isPlain(value, parsed) ? textNode(value, valueAt) : undefined);
      return right && { kind: "strict", op: operator.startsWith("=") ? "=" : "<>", left, right, at };
    }
  }
}

function textNode(value: string, at: number): Node {
  return { kind: "literal", value, at };
}

/** Is the value a text, rather than the rest of an expression? */
function isPlain(value: string, parsed: Node | undefined): boolean {
  if (!PLAIN.test(value) || JOINS.test(value) || WITH_ROOT.test(value)) return false;
  if (parsed === undefined) return true;
  if (parsed.kind === "and" || parsed.kind === "or") return !isJoined(parsed);
  // `price - discount` is a difference, `in-progress` and `wip-2` are texts.
  return !(parsed.kind === "compare" && parsed.right.kind === "arithmetic" && /\s-\s/.test(value));
}

/** Are all parts conditions, so that "and" joins them? */
function isJoined(node: Node): boolean {
  return node.kind === "and" || node.kind === "or"
    ? isJoined(node.left) && isJoined(node.right)
    : isCondition(node);
}
