/**
 * Text → Node: a hand-written descent through the grammar of README.md. The libraries that were looked at (CEL, jsonata,
 * expr-eval, filtrex, SQL parsers) know neither SQL's third truth value with exact integers and decimals nor the
 * three-part conditions of earlier versions, and several of them make functions from texts, which a worker may not.
 */
import { parseThreeParts } from "./compatibility.ts";
import { ExpressionError } from "./errors.ts";
import { checkCall } from "./functions.ts";
import { jsonList, numberNode } from "./literals.ts";
import { isCondition, type Node, type Root } from "./syntax.ts";
import { type Token, tokenize } from "./tokens.ts";
import type { Value } from "../../formats/data/value.ts";

/** Deep enough for people, not for a stack. */
const MAX_DEPTH = 200;
const MAX_LENGTH = 16_384;

const ROOTS: Readonly<Record<string, Root>> = {
  before: "before",
  after: "after",
  source: "source",
  key: "key",
};
const COMPARISONS: Readonly<Record<string, "=" | "<>" | "<" | "<=" | ">" | ">=">> = {
  "=": "=",
  "==": "=",
  "!=": "<>",
  "<>": "<>",
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
};
/** Words that are never a name or a text by themselves. */
const RESERVED = new Set([
  "AND",
  "OR",
  "NOT",
  "IN",
  "IS",
  "LIKE",
  "ILIKE",
  "BETWEEN",
  "MATCHES",
  "IS_NULL",
  "IS_NOT_NULL",
]);

/**
 * Parses an expression.
 *
 * @throws {ExpressionError} with the place and, where there is one, a hint
 */
export function parseExpression(text: string): Node {
  if (text.trim() === "") throw new ExpressionError("The expression is empty", 1);
  if (text.length > MAX_LENGTH) {
    throw new ExpressionError(`The expression is longer than ${MAX_LENGTH} characters`, MAX_LENGTH);
  }
  let node: Node | undefined;
  let failure: unknown;
  try {
    node = new Parser(text).parse();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    failure = error;
  }
  const old = parseThreeParts(text, node, parseField);
  if (old) return old;
  if (node) return node;
  throw failure;
}

/** A field by itself, as earlier versions write it: a path, or any word that is none. */
function parseField(word: string): Node {
  try {
    const node = new Parser(word).parse();
    if (node.kind === "path") return node;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
  }
  return { kind: "path", root: "row", names: [word], at: 0 };
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  parse(): Node {
    const node = this.#expression();
    const rest = this.#peek();
    if (rest.kind !== "end") {
      throw this.#error(
        `"${this.#shown(rest)}" is one word too many`,
        rest,
        rest.kind === "sign" && rest.text === "||"
          ? "Write OR between conditions, concat(a, b) for texts"
          : rest.kind === "sign" && rest.text === "/"
          ? "Write div(a, b, digits): the number of digits after the point is yours to say"
          : "Join conditions with AND or OR; put texts of several words into single quotes",
      );
    }
    return node;
  }

  #expression(): Node {
    if (++this.#depth > MAX_DEPTH) throw this.#error("The expression is nested too deeply", this.#peek());
    const when = this.#or();
    const sign = this.#peek();
    this.#depth--;
    if (!this.#takeSign("?")) return when;
    this.#mustBeCondition(when);
    const then = this.#expression();
    if (!this.#takeSign(":")) {
      throw this.#error('":" is missing', this.#peek(), "Write condition ? value : other value");
    }
    return { kind: "choose", when, then, otherwise: this.#expression(), at: sign.at };
  }

  #or(): Node {
    let left = this.#and();
    while (true) {
      const { at } = this.#peek();
      if (!this.#takeWord("OR")) return left;
      const right = this.#and();
      this.#mustBeCondition(left);
      this.#mustBeCondition(right);
      left = { kind: "or", left, right, at };
    }
  }

  #and(): Node {
    let left = this.#not();
    while (true) {
      const { at } = this.#peek();
      if (!this.#takeWord("AND") && !this.#takeSign("&&")) return left;
      const right = this.#not();
      this.#mustBeCondition(left);
      this.#mustBeCondition(right);
      left = { kind: "and", left, right, at };
    }
  }

  #not(): Node {
    const { at } = this.#peek();
    if (!this.#takeWord("NOT") && !this.#takeSign("!")) return this.#predicate();
    if (++this.#depth > MAX_DEPTH) throw this.#error("The expression is nested too deeply", this.#peek());
    const operand = this.#not();
    this.#depth--;
    this.#mustBeCondition(operand);
    return { kind: "not", operand, at };
  }

  /** An operand, and what is said about it. */
  #predicate(): Node {
    const left = this.#sum("left");
    const token = this.#peek();
    const { at } = token;
    if (token.kind === "sign") {
      const op = COMPARISONS[token.text];
      if (!op) return left;
      this.#next++;
      const right = this.#right(left, op);
      this.#noNull(right);
      return { kind: "compare", op, left, right, at };
    }
    if (token.kind !== "word") return left;
    const negated = token.upper === "NOT";
    const word = negated ? this.#peek(1) : token;
    const keyword = word.kind === "word" ? word.upper : "";
    switch (keyword) {
      case "IN":
      case "LIKE":
      case "ILIKE":
      case "BETWEEN":
      case "MATCHES":
        this.#next += negated ? 2 : 1;
        break;
      case "IS":
      case "IS_NULL":
      case "IS_NOT_NULL":
        if (negated) return left;
        this.#next++;
        break;
      default:
        return left;
    }
    switch (keyword) {
      case "IN":
        return { kind: "in", not: negated, operand: left, list: this.#list(left), strict: false, at };
      case "BETWEEN": {
        const low = this.#right(left, "<");
        if (!this.#takeWord("AND")) {
          throw this.#error('"AND" is missing', this.#peek(), "Write x BETWEEN low AND high");
        }
        return { kind: "between", not: negated, operand: left, low, high: this.#right(left, "<"), at };
      }
      case "LIKE":
      case "ILIKE":
        return {
          kind: "like",
          not: negated,
          ignoreCase: keyword === "ILIKE",
          operand: left,
          pattern: this.#pattern(keyword),
          at,
        };
      case "MATCHES":
        return { kind: "matches", not: negated, operand: left, pattern: this.#pattern(keyword), at };
      case "IS":
        return this.#is(left, at);
      default:
        this.#skipDummy();
        return { kind: "is", what: "null", not: keyword === "IS_NOT_NULL", operand: left, at };
    }
  }

  #is(operand: Node, at: number): Node {
    const not = this.#takeWord("NOT");
    const token = this.#peek();
    const word = token.kind === "word" ? token.upper : "";
    if (word === "DISTINCT") {
      this.#next++;
      if (!this.#takeWord("FROM")) throw this.#error('"FROM" is missing', this.#peek());
      return { kind: "distinct", not, left: operand, right: this.#right(operand, "="), at };
    }
    if (word === "NULL" || word === "TRUE" || word === "FALSE" || word === "UNKNOWN") {
      this.#next++;
      if (word !== "NULL") this.#mustBeCondition(operand);
      return { kind: "is", what: word.toLowerCase() as "null", not, operand, at };
    }
    throw this.#error("IS is followed by [NOT] NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM", token);
  }

  /** `email is_null x`: earlier versions wanted a third word, whatever it said. */
  #skipDummy(): void {
    const token = this.#peek();
    if (
      token.kind === "word" ? !RESERVED.has(token.upper) : ["string", "quoted", "number"].includes(token.kind)
    ) this.#next++;
  }

  #list(left: Node): Node[] {
    const token = this.#peek();
    if (token.kind === "json") {
      this.#next++;
      return jsonList(token.text, token.at);
    }
    if (!this.#takeSign("(")) {
      throw this.#error("IN is followed by a list", token, `Write IN ('a', 'b') or IN ["a", "b"]`);
    }
    const list: Node[] = [];
    do {
      const item = this.#right(left, "=");
      this.#noNull(item);
      list.push(item);
    } while (this.#takeSign(","));
    if (!this.#takeSign(")")) throw this.#error('")" is missing', this.#peek());
    return list;
  }

  #pattern(keyword: string): string {
    const token = this.#peek();
    if (token.kind !== "string" && token.kind !== "quoted") {
      throw this.#error(`${keyword} is followed by a text`, token, `Put the pattern into single quotes`);
    }
    this.#next++;
    return token.text;
  }

  /**
   * What a value is compared with. A bareword there is a text, as in `status = active`, unless there is nothing on
   * the left that it could be a value of; where order counts it could be meant either way, so it has to be said.
   */
  #right(left: Node, op: string): Node {
    const token = this.#peek();
    const after = this.#peek(1);
    const isBare = token.kind === "word" && !RESERVED.has(token.upper) && !CONSTANTS.has(token.upper) &&
      !(after.kind === "sign" && ["(", ".", "[", "+", "-", "*"].includes(after.text));
    if (!isBare || left.kind === "literal" || left.kind === "decimal") return this.#sum("right");
    if (op !== "=" && op !== "<>") {
      throw this.#error(
        `"${token.text}" could be a column or a text`,
        token,
        `Write after.${token.text} for the column, '${token.text}' for the text`,
      );
    }
    this.#next++;
    return { kind: "literal", value: token.text, at: token.at };
  }

  #sum(side: "left" | "right"): Node {
    let left = this.#product(side);
    while (true) {
      const token = this.#peek();
      if (token.kind !== "sign" || token.text !== "+" && token.text !== "-") return left;
      this.#next++;
      left = { kind: "arithmetic", op: token.text, left, right: this.#product(side), at: token.at };
    }
  }

  #product(side: "left" | "right"): Node {
    let left = this.#unary(side);
    while (true) {
      const { at } = this.#peek();
      if (!this.#takeSign("*")) return left;
      left = { kind: "arithmetic", op: "*", left, right: this.#unary(side), at };
    }
  }

  #unary(side: "left" | "right"): Node {
    const token = this.#peek();
    if (!this.#takeSign("-")) return this.#primary(side);
    const operand = this.#primary(side);
    if (operand.kind === "decimal") return { ...operand, digits: `-${operand.digits}`, at: token.at };
    if (
      operand.kind === "literal" && (typeof operand.value === "number" || typeof operand.value === "bigint")
    ) {
      return { ...operand, value: -operand.value, at: token.at };
    }
    return {
      kind: "arithmetic",
      op: "-",
      left: { kind: "literal", value: 0, at: token.at },
      right: operand,
      at: token.at,
    };
  }

  #primary(side: "left" | "right"): Node {
    const token = this.#peek();
    this.#next++;
    switch (token.kind) {
      case "string":
        return { kind: "literal", value: token.text, at: token.at };
      case "number":
        return numberNode(token.text, token.at);
      case "name":
        return this.#path("row", [token.text], token.at);
      case "quoted":
        return this.#quoted(token.text, token.at, side);
      case "word":
        return this.#word(token);
      case "sign":
        if (token.text === "(") return this.#parenthesized();
    }
    throw this.#error(
      token.kind === "end"
        ? "Something is missing at the end"
        : `A value is missing before "${this.#shown(token)}"`,
      token,
    );
  }

  #parenthesized(): Node {
    const inner = this.#expression();
    if (!this.#takeSign(")")) throw this.#error('")" is missing', this.#peek());
    return inner;
  }

  /** On the left it is a name; as something to compare with or to hand over it may be a text. */
  #quoted(text: string, at: number, side: "left" | "right"): Node {
    const isPath = this.#peek().kind === "sign" && ["[", "."].includes(this.#peek().text);
    return side === "left" || isPath ? this.#path("row", [text], at) : { kind: "quoted", text, at };
  }

  #word(token: Extract<Token, { kind: "word" }>): Node {
    const { text, upper, at } = token;
    const follows = this.#peek();
    if (follows.kind === "sign" && follows.text === "(" && !RESERVED.has(upper)) return this.#call(text, at);
    if (RESERVED.has(upper)) {
      throw this.#error(
        `A value is missing before "${text}"`,
        token,
        `A column of that name is written \`${text}\``,
      );
    }
    const hasDot = follows.kind === "sign" && follows.text === ".";
    if (!hasDot) {
      const constant = CONSTANTS.get(upper);
      if (constant !== undefined) return { kind: "literal", value: constant, at };
      return this.#path("row", [text], at);
    }
    // Debezium's conditions say value.op, value.before.id.
    if (text === "value") {
      const member = this.#peek(1);
      const name = member.kind === "word" ? member.text : "";
      if (name === "op") {
        this.#next += 2;
        return { kind: "call", name: "op", args: [], at };
      }
      if (name in ROOTS) {
        this.#next += 2;
        return this.#rooted(ROOTS[name], at);
      }
    }
    return Object.hasOwn(ROOTS, text) ? this.#rooted(ROOTS[text], at) : this.#path("row", [text], at);
  }

  #rooted(root: Root, at: number): Node {
    const path = this.#path(root, [], at) as Extract<Node, { kind: "path" }>;
    if (path.names.length === 0) throw this.#error("A column's name is missing", this.#peek());
    return path;
  }

  /** What follows the first name: `.name`, `."name"`, `[0]`. */
  #path(root: Root, names: (string | number)[], at: number): Node {
    while (true) {
      if (this.#takeSign(".")) {
        const token = this.#peek();
        if (
          token.kind !== "word" && token.kind !== "name" && token.kind !== "quoted" && token.kind !== "number"
        ) {
          throw this.#error("A name is missing after the dot", token);
        }
        this.#next++;
        names.push(token.text);
      } else if (this.#takeSign("[")) {
        const token = this.#peek();
        if (token.kind !== "number" || !/^\d{1,9}$/.test(token.text)) {
          throw this.#error("A place in a list is a whole number from 0", token);
        }
        this.#next++;
        if (!this.#takeSign("]")) throw this.#error('"]" is missing', this.#peek());
        names.push(Number(token.text));
      } else return { kind: "path", root, names, at };
    }
  }

  #call(written: string, at: number): Node {
    this.#next++;
    const args: Node[] = [];
    if (!this.#takeSign(")")) {
      do args.push(this.#argument()); while (this.#takeSign(","));
      if (!this.#takeSign(")")) throw this.#error('")" is missing', this.#peek());
    }
    return checkCall(written, args, at);
  }

  #argument(): Node {
    const token = this.#peek();
    const after = this.#peek(1);
    // By itself a text in double quotes may be either; as part of something larger it is a name.
    if (token.kind === "quoted" && after.kind === "sign" && (after.text === "," || after.text === ")")) {
      this.#next++;
      return { kind: "quoted", text: token.text, at: token.at };
    }
    return this.#expression();
  }

  #mustBeCondition(node: Node): void {
    if (node.kind === "literal" && typeof node.value === "boolean") return;
    if (isCondition(node) || node.kind === "path" || node.kind === "call" || node.kind === "choose") return;
    throw new ExpressionError(
      "A condition is missing: a value by itself is neither true nor false",
      node.at + 1,
      "Say what it is compared with each time: a = 'x' OR a = 'y', or a IN ('x', 'y')",
    );
  }

  #noNull(node: Node): void {
    if (node.kind === "literal" && node.value === null) {
      throw new ExpressionError(
        "Nothing is equal to null, and nothing unequal",
        node.at + 1,
        "Write IS NULL or IS NOT NULL",
      );
    }
  }

  #peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#next + ahead, this.#tokens.length - 1)];
  }

  #takeWord(keyword: string): boolean {
    const token = this.#peek();
    if (token.kind !== "word" || token.upper !== keyword) return false;
    this.#next++;
    return true;
  }

  #takeSign(sign: string): boolean {
    const token = this.#peek();
    if (token.kind !== "sign" || token.text !== sign) return false;
    this.#next++;
    return true;
  }

  #shown(token: Token): string {
    const end = this.#tokens[this.#tokens.indexOf(token) + 1]?.at ?? this.#text.length;
    return this.#text.slice(token.at, end).trim();
  }

  #error(message: string, token: Token, hint?: string): ExpressionError {
    return new ExpressionError(message, token.at + 1, hint);
  }
}

const CONSTANTS: ReadonlyMap<string, Value> = new Map<string, Value>([["TRUE", true], ["FALSE", false], [
  "NULL",
  null,
]]);
