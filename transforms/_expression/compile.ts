/** Node → closures for one stream: what can be decided from the columns is decided here, once. Called by expression.ts. */
import { type DataRecord, OPERATIONS } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Value } from "../../formats/data/value.ts";
import { type Argument, compileCall, isSameType, numberOf, operationNamed, textOf } from "./calls.ts";
import { classOf, isSame, type Order, orderOf, type Side } from "./compare.ts";
import { ExpressionError } from "./errors.ts";
import { likeTest } from "./like.ts";
import { calculate } from "./numbers.ts";
import { memberReader, pathReader, pathType, type Read, UNKNOWN_SOURCE_MEMBERS } from "./paths.ts";
import { compileRegex } from "../../formats/data/regex.ts";
import type { Comparison, Node } from "./syntax.ts";
import { isRow } from "../_shared/records.ts";

/** Yes, no, or unknown. */
export type Test = (record: DataRecord) => boolean | null;

export interface CompileContext {
  readonly stream: Stream;
  readonly nowMicros: () => bigint;
  /** Called when a column of the row is not there; returns, or throws. */
  readonly onMissing?: (record: DataRecord, name: string) => void;
}

/** Something to read, and what is known of it before any record. */
interface Operand extends Argument, Side {}

/**
 * The value of an expression.
 *
 * @throws {ExpressionError} for what can't be: an operation that doesn't exist, a pattern that is none
 */
export function compileValue(node: Node, context: CompileContext): { read: Read; type?: ColumnType } {
  const { read, type } = operandOf(node, context);
  return { read, type };
}

/** The truth of an expression; a value that is no boolean is unknown. */
export function compileTest(node: Node, context: CompileContext): Test {
  switch (node.kind) {
    case "and":
      return bothTest(compileTest(node.left, context), compileTest(node.right, context));
    case "or":
      return eitherTest(compileTest(node.left, context), compileTest(node.right, context));
    case "not": {
      const test = compileTest(node.operand, context);
      return (record) => {
        const answer = test(record);
        return answer === null ? null : !answer;
      };
    }
    case "compare":
      return comparison(node, context);
    case "strict":
      return strictTest(node, context);
    case "distinct":
      return distinctTest(node, context);
    case "is":
      return isTest(node, context);
    case "in":
      return node.strict ? strictInTest(node, context) : inTest(node, context);
    case "between":
      return betweenTest(node, context);
    case "like":
      return textTest(node, context, likeTest(node.pattern, node.ignoreCase));
    case "matches": {
      const pattern = regexOf(node.pattern, node.at);
      return textTest(node, context, (text) => pattern.test(text));
    }
    default: {
      const { read } = operandOf(node, context);
      return (record) => {
        const value = read(record);
        return typeof value === "boolean" ? value : null;
      };
    }
  }
}

function regexOf(pattern: string, at: number): RegExp {
  try {
    return compileRegex(pattern);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ExpressionError(
      error.message,
      at + 1,
      "The syntax is JavaScript's; a dot that is a dot is written \\.",
    );
  }
}

function operandOf(node: Node, context: CompileContext): Operand {
  switch (node.kind) {
    case "literal":
      return constantOf(node.value);
    case "decimal": {
      const { digits } = node;
      return { read: () => digits, class: "number", type: { kind: "decimal" }, constant: digits };
    }
    case "path":
      return pathOperand(node, context);
    case "quoted":
      return quotedOperand(node, context);
    case "call": {
      const args = node.args.map((arg) => operandOf(arg, context));
      const { read, type } = compileCall(node.name, args, context.stream, context.nowMicros);
      return { read, type, class: classOf(type) };
    }
    case "arithmetic": {
      const left = operandOf(node.left, context);
      const right = operandOf(node.right, context);
      const { op } = node;
      const type = resultType(left.type, right.type);
      const read: Read = (record) => {
        const a = numberOf(left.read(record), left.type);
        const b = numberOf(right.read(record), right.type);
        return a === undefined || b === undefined ? null : calculate(op, a, b) ?? null;
      };
      return { read, type, class: "number" };
    }
    case "choose": {
      const when = compileTest(node.when, context);
      const then = operandOf(node.then, context);
      const otherwise = operandOf(node.otherwise, context);
      const type = then.constant === null
        ? otherwise.type
        : otherwise.constant === null || otherwise.type && then.type && isSameType(then.type, otherwise.type)
        ? then.type
        : undefined;
      return {
        read: (record) => when(record) === true ? then.read(record) : otherwise.read(record),
        type,
        class: classOf(type),
      };
    }
    default:
      return { read: compileTest(node, context), type: { kind: "boolean" }, class: "any" };
  }
}

function constantOf(value: Value): Operand {
  const type: ColumnType | undefined = typeof value === "string"
    ? { kind: "string" }
    : typeof value === "boolean"
    ? { kind: "boolean" }
    : typeof value === "bigint"
    ? { kind: "int64" }
    : typeof value === "number"
    ? { kind: Number.isInteger(value) ? value === (value | 0) ? "int32" : "int64" : "float64" }
    : undefined;
  return { read: () => value, type, class: "any", constant: value };
}

function pathOperand(node: Extract<Node, { kind: "path" }>, context: CompileContext): Operand {
  const { root, names, at } = node;
  const head = String(names[0]);
  if (root === "source" && UNKNOWN_SOURCE_MEMBERS.has(head)) {
    throw new ExpressionError(
      `"source.${head}" is written by the sink and not known here`,
      at + 1,
      "What can be asked: source.db, schema, table, ts_ms, snapshot, order, and the connector's own members",
    );
  }
  const type = pathType(root, names, context.stream);
  const read = pathReader(root, names, context.stream);
  const { onMissing } = context;
  const asked: Read = onMissing && root === "row"
    ? (record) => {
      const value = read(record);
      if (value === undefined) onMissing(record, names.join("."));
      return value;
    }
    : read;
  return { read: asked, type, class: classOf(type), column: head };
}

/** A text in double quotes: the column of that name if there is one, else the text. */
function quotedOperand({ text, at }: Extract<Node, { kind: "quoted" }>, context: CompileContext): Operand {
  const { columns } = context.stream;
  if (columns) {
    return columns.some(({ name }) => name === text)
      ? pathOperand({ kind: "path", root: "row", names: [text], at }, context)
      : constantOf(text);
  }
  const member = memberReader(text);
  return {
    read: ({ after, before }) => {
      const row = isRow(after) ? after : before;
      return (row && member(row)) ?? text;
    },
    class: "any",
    constant: text,
  };
}

/** The type of a sum or product, where it is certain. */
function resultType(a: ColumnType | undefined, b: ColumnType | undefined): ColumnType | undefined {
  const kinds = [a?.kind, b?.kind];
  if (kinds.some((kind) => kind === undefined || !NUMERIC.has(kind))) return undefined;
  const hasFloat = kinds.includes("float64") || kinds.includes("float32");
  const hasLong = kinds.includes("int64") || kinds.includes("uint64");
  // A double can't hold all integers of 64 bits, so that the two together are exact as a decimal.
  if (kinds.includes("decimal") || hasFloat && hasLong) return { kind: "decimal" };
  return { kind: hasFloat ? "float64" : "int64" };
}

const NUMERIC: ReadonlySet<string> = new Set([
  ...["int16", "int32", "int64", "uint64"],
  ...["float32", "float64", "decimal"],
]);

function bothTest(left: Test, right: Test): Test {
  return (record) => {
    const a = left(record);
    if (a === false) return false;
    const b = right(record);
    return b === false ? false : a === null || b === null ? null : true;
  };
}

function eitherTest(left: Test, right: Test): Test {
  return (record) => {
    const a = left(record);
    if (a === true) return true;
    const b = right(record);
    return b === true ? true : a === null || b === null ? null : false;
  };
}

/** Both sides of a comparison, where op() is one of them with the other as an operation's name. */
function sidesOf(left: Node, right: Node, context: CompileContext): [Operand, Operand] {
  return [operandOf(operationNode(left, right), context), operandOf(operationNode(right, left), context)];
}

function operationNode(node: Node, other: Node): Node {
  if (other.kind !== "call" || other.name !== "op") return node;
  const text = node.kind === "literal" && typeof node.value === "string"
    ? node.value
    : node.kind === "quoted"
    ? node.text
    : undefined;
  if (text === undefined) return node;
  const value = operationNamed(text, OPERATIONS);
  if (!value) {
    throw new ExpressionError(
      `"${text}" is no operation`,
      node.at + 1,
      `There are: ${OPERATIONS.join(", ")}`,
    );
  }
  return { kind: "literal", value, at: node.at };
}

function comparison(node: Extract<Node, { kind: "compare" }>, context: CompileContext): Test {
  const [left, right] = sidesOf(node.left, node.right, context);
  return fastTest(node.op, left, right) ?? orderTest(node.op, left.read, right.read, orderOf(left, right));
}

/** The two comparisons that most conditions are made of: with a constant text, with a constant number. */
function fastTest(op: Comparison, left: Operand, right: Operand): Test | undefined {
  const { read } = left;
  const { constant } = right;
  const isText = typeof constant === "string" && left.class === "any" && right.class === "any" && right.type;
  if (isText && (op === "=" || op === "<>")) {
    const wanted = op === "=";
    return (record) => {
      const value = read(record);
      return value === undefined || value === null ? null : (value === constant) === wanted;
    };
  }
  if (typeof constant !== "number") return undefined;
  const slow = orderTest(op, read, right.read, orderOf(left, right));
  const compare = numberTest(op, constant);
  return (record) => {
    const value = read(record);
    return typeof value === "number" ? compare(value) : slow(record);
  };
}

function numberTest(op: Comparison, constant: number): (value: number) => boolean {
  switch (op) {
    case "=":
      return (value) => value === constant;
    case "<>":
      return (value) => value !== constant;
    case "<":
      return (value) => value < constant;
    case "<=":
      return (value) => value <= constant;
    case ">":
      return (value) => value > constant;
    case ">=":
      return (value) => value >= constant;
  }
}

function orderTest(op: Comparison, readA: Read, readB: Read, order: Order): Test {
  const accept = accepts(op);
  return (record) => {
    const a = readA(record);
    if (a === undefined || a === null) return null;
    const b = readB(record);
    return b === undefined || b === null ? null : accept(order(a, b));
  };
}

/** What an order says about a comparison. NaN: unequal, and nothing else can be said. */
function accepts(op: Comparison): (order: number) => boolean | null {
  switch (op) {
    case "=":
      return (order) => order === 0;
    case "<>":
      return (order) => order !== 0;
    case "<":
      return (order) => Number.isNaN(order) ? null : order < 0;
    case "<=":
      return (order) => Number.isNaN(order) ? null : order <= 0;
    case ">":
      return (order) => Number.isNaN(order) ? null : order > 0;
    case ">=":
      return (order) => Number.isNaN(order) ? null : order >= 0;
  }
}

/** Equality that is never unknown: null is equal to null, and what is missing to nothing. */
function strictTest(node: Extract<Node, { kind: "strict" }>, context: CompileContext): Test {
  const left = operandOf(node.left, context);
  const right = operandOf(node.right, context);
  const equals = equality(orderOf(left, right));
  const constant = right.constant ?? null;
  const wanted = node.op === "=";
  return (record) => {
    const value = left.read(record);
    return (value !== undefined && equals(value, constant)) === wanted;
  };
}

function equality(order: Order): (a: Value, b: Value) => boolean {
  return (a, b) =>
    a === null || b === null ? a === b : typeof a === "object" ? isSame(a, b) : order(a, b) === 0;
}

function distinctTest(node: Extract<Node, { kind: "distinct" }>, context: CompileContext): Test {
  const [left, right] = sidesOf(node.left, node.right, context);
  const equals = equality(orderOf(left, right));
  const { not } = node;
  return (record) => equals(left.read(record) ?? null, right.read(record) ?? null) === not;
}

function isTest({ what, not, operand }: Extract<Node, { kind: "is" }>, context: CompileContext): Test {
  if (what === "null") {
    // Whether it is there is the question, so that it is missing is no error.
    const { read } = operandOf(operand, { ...context, onMissing: undefined });
    return (record) => ((read(record) ?? null) === null) !== not;
  }
  const test = compileTest(operand, context);
  const wanted = what === "unknown" ? null : what === "true";
  return (record) => (test(record) === wanted) !== not;
}

function inTest(node: Extract<Node, { kind: "in" }>, context: CompileContext): Test {
  const operand = operandOf(node.operand, context);
  const { not } = node;
  const items = node.list.map((item) => operandOf(operationNode(item, node.operand), context));
  const constants = items.map(({ constant, type }) => type?.kind === "string" ? constant : undefined);
  if (
    operand.class === "any" && items.length > 0 && constants.every((constant) => typeof constant === "string")
  ) {
    const set = new Set<Value>(constants as string[]);
    return (record) => {
      const value = operand.read(record);
      return value === undefined || value === null ? null : set.has(value) !== not;
    };
  }
  const tests = items.map((item) => ({ read: item.read, equals: equality(orderOf(operand, item)) }));
  return (record) => {
    const value = operand.read(record);
    if (value === undefined || value === null) return tests.length === 0 ? not : null;
    let unknown = false;
    for (const { read, equals } of tests) {
      const item = read(record);
      if (item === undefined || item === null) unknown = true;
      else if (equals(value, item)) return !not;
    }
    return unknown ? null : not;
  };
}

/** As earlier versions have it: null may be in the list, and what is missing is in none. */
function strictInTest(node: Extract<Node, { kind: "in" }>, context: CompileContext): Test {
  const operand = operandOf(node.operand, context);
  const items = node.list.map((item) => {
    const side = operandOf(operationNode(item, node.operand), context);
    return { constant: side.constant ?? null, equals: equality(orderOf(operand, side)) };
  });
  return (record) => {
    const value = operand.read(record);
    return value !== undefined && items.some(({ constant, equals }) => equals(value, constant));
  };
}

function betweenTest(node: Extract<Node, { kind: "between" }>, context: CompileContext): Test {
  const operand = operandOf(node.operand, context);
  const [low, high] = [operandOf(node.low, context), operandOf(node.high, context)];
  const above = orderTest(">=", operand.read, low.read, orderOf(operand, low));
  const below = orderTest("<=", operand.read, high.read, orderOf(operand, high));
  const both = bothTest(above, below);
  const { not } = node;
  return (record) => {
    const answer = both(record);
    return answer === null ? null : answer !== not;
  };
}

/** A question about a text: unknown where there is no value, no where the value is no text. */
function textTest(
  node: Extract<Node, { kind: "like" | "matches" }>,
  context: CompileContext,
  test: (text: string) => boolean,
): Test {
  const { read } = operandOf(node.operand, context);
  const { not } = node;
  return (record) => {
    const value = read(record);
    if (value === undefined || value === null) return null;
    const text = textOf(value);
    return (text !== undefined && typeof value === "string" && test(text)) !== not;
  };
}
