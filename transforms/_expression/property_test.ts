import assert from "node:assert/strict";
import fc from "fast-check";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType } from "../../formats/data/value.ts";
import { compareTexts } from "./compare.ts";
import { compileExpression, ExpressionError } from "./expression.ts";
import { compareInstants, parseInstant } from "./instants.ts";
import { likeTest } from "./like.ts";
import { calculate, compareNumbers, divide } from "./numbers.ts";
import { parseExpression } from "./parse.ts";
import { printExpression } from "./print.ts";
import type { Node } from "./syntax.ts";

const RUNS = { numRuns: 300, seed: 20260131 };

// ---- parse and print --------------------------------------------------------------------------------------------

const name = fc.oneof(
  fc.constantFrom("a", "status", "Order", "id"),
  fc.string({ minLength: 1, maxLength: 6, unit: "grapheme" }),
)
  .filter((text) => text.trim() !== "");
const path: fc.Arbitrary<Node> = fc.record({
  kind: fc.constant("path" as const),
  root: fc.constantFrom("row" as const, "before" as const, "after" as const, "key" as const),
  names: fc.tuple(name, fc.array(fc.oneof(name, fc.nat(99)), { maxLength: 2 })).map((
    [head, rest],
  ) => [head, ...rest]),
  at: fc.constant(0),
});
const literal: fc.Arbitrary<Node> = fc.record({
  kind: fc.constant("literal" as const),
  value: fc.oneof(
    fc.string({ maxLength: 8, unit: "grapheme" }),
    fc.integer({ min: 0 }),
    fc.boolean(),
    fc.bigInt({ min: 2n ** 60n, max: 2n ** 64n }),
  ),
  at: fc.constant(0),
});
const operand = fc.oneof(path, literal);
const { condition } = fc.letrec<{ condition: Node }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({
      kind: fc.constant("compare" as const),
      op: fc.constantFrom("=" as const, "<>" as const, "<" as const, ">=" as const),
      left: operand,
      right: operand,
      at: fc.constant(0),
    }),
    fc.record({
      kind: fc.constant("is" as const),
      what: fc.constant("null" as const),
      not: fc.boolean(),
      operand: path,
      at: fc.constant(0),
    }),
    fc.record({
      kind: fc.constant("in" as const),
      not: fc.boolean(),
      operand: path,
      list: fc.array(literal, { minLength: 1, maxLength: 3 }),
      strict: fc.constant(false),
      at: fc.constant(0),
    }),
    fc.record({
      kind: fc.constant("between" as const),
      not: fc.boolean(),
      operand: path,
      low: literal,
      high: operand,
      at: fc.constant(0),
    }),
    fc.record({
      kind: fc.constant("like" as const),
      not: fc.boolean(),
      ignoreCase: fc.boolean(),
      operand: path,
      pattern: fc.string({ maxLength: 6 }),
      at: fc.constant(0),
    }),
    fc.record({ kind: fc.constant("not" as const), operand: tie("condition"), at: fc.constant(0) }),
    fc.record({
      kind: fc.constantFrom("and" as const, "or" as const),
      left: tie("condition"),
      right: tie("condition"),
      at: fc.constant(0),
    }),
    fc.record({
      kind: fc.constant("choose" as const),
      when: tie("condition"),
      then: operand,
      otherwise: operand,
      at: fc.constant(0),
    }),
  ) as fc.Arbitrary<Node>,
}));

/** Without the places, which printing changes. */
function shape(node: unknown): unknown {
  return JSON.parse(
    JSON.stringify(
      node,
      (key, value) => key === "at" ? undefined : typeof value === "bigint" ? `${value}n` : value,
    ),
  );
}

Deno.test("what is printed parses into the same", () => {
  fc.assert(
    fc.property(condition, (node) => {
      // In parentheses it is never read as a three-part condition of earlier versions.
      const text = `(${printExpression(node)})`;
      assert.deepEqual(shape(parseExpression(text)), shape(node), text);
    }),
    RUNS,
  );
});

Deno.test("any text is an expression or an ExpressionError, and never takes long", () => {
  const words = fc.constantFrom(
    "a",
    "AND",
    "or",
    "not",
    "(",
    ")",
    "'x'",
    '"y"',
    "=",
    ">",
    "5",
    "in",
    "[1]",
    "is",
    "null",
    "like",
    "matches",
    ".",
    "-",
    "?",
    ":",
    ",",
    "é",
    "`b`",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "grapheme" }),
        fc.array(words, { maxLength: 12 }).map((list) => list.join(" ")),
      ),
      (text) => {
        try {
          const answer = compileExpression(text).test(recordOf({ a: 1 }));
          assert.ok(answer === null || typeof answer === "boolean");
        } catch (error) {
          assert.ok(error instanceof ExpressionError, `${text}: ${error}`);
          assert.ok(error.column >= 1 && error.column <= text.length + 1, text);
        }
      },
    ),
    { ...RUNS, numRuns: 2000 },
  );
});

// ---- numbers, beside a scale that holds them all -------------------------------------------------------------------

const decimal = fc.tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.nat(20)).map((
  [digits, scale],
) => ({ digits, scale }));

function decimalText({ digits, scale }: { digits: bigint; scale: number }): string {
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, "0");
  const sign = digits < 0n ? "-" : "";
  return scale === 0 ? `${sign}${text}` : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

const at20 = ({ digits, scale }: { digits: bigint; scale: number }) => digits * 10n ** BigInt(20 - scale);

function recordOf(after: DataRecord["after"], columns?: Stream["columns"]): DataRecord {
  const stream: Stream = { name: "t", key: [], payload: "row", version: 1, columns };
  return { stream, operation: "insert", after, timeMicros: 0n };
}

Deno.test("decimals compare as their digits say", () => {
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const [x, y] = [at20(a), at20(b)];
      const expected = x < y ? -1 : x > y ? 1 : 0;
      assert.equal(compareNumbers(decimalText(a), decimalText(b)), expected);
      assert.equal(compareNumbers(decimalText(a), `${decimalText(a)}${a.scale > 0 ? "00" : ""}`), 0);
    }),
    RUNS,
  );
});

Deno.test("int64, decimals and literals compare exactly through an expression", () => {
  const columns = (type: ColumnType) => [{ name: "v", type, nullable: false }];
  const near = fc.tuple(
    fc.bigInt({ min: -(2n ** 63n) + 2n, max: 2n ** 63n - 3n }),
    fc.bigInt({ min: -2n, max: 2n }),
  );
  fc.assert(
    fc.property(near, ([v, difference]) => {
      const other = v + difference;
      for (const [value, type] of [[v, { kind: "int64" }], [String(v), { kind: "decimal" }]] as const) {
        for (const op of ["<", "<=", ">", ">=", "=", "<>"]) {
          const expected = {
            "<": v < other,
            "<=": v <= other,
            ">": v > other,
            ">=": v >= other,
            "=": v === other,
            "<>": v !== other,
          }[op];
          const text = `v ${op} ${other} AND true`;
          assert.equal(
            compileExpression(text).test(recordOf({ v: value }, columns(type))),
            expected,
            `${text}, v = ${value}`,
          );
        }
      }
    }),
    { ...RUNS, numRuns: 60 },
  );
});

Deno.test("doubles compare with literals as their shortest digits say", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (v) => {
      const digits = String(v);
      if (/e[+]/.test(digits)) return;
      const test = (text: string) => compileExpression(text).test(recordOf({ v }));
      assert.equal(test(`v = ${digits} AND true`), true, digits);
      assert.equal(test(`v < ${digits}`), false, digits);
    }),
    RUNS,
  );
});

Deno.test("sums, differences, products and quotients are exact", () => {
  fc.assert(
    fc.property(decimal, decimal, fc.nat(6), (a, b, places) => {
      const [x, y] = [decimalText(a), decimalText(b)];
      assert.equal(
        compareNumbers(calculate("+", x, y)!, decimalText({ digits: at20(a) + at20(b), scale: 20 })),
        0,
      );
      assert.equal(
        compareNumbers(calculate("-", x, y)!, decimalText({ digits: at20(a) - at20(b), scale: 20 })),
        0,
      );
      assert.equal(
        compareNumbers(calculate("*", x, y)!, decimalText({ digits: at20(a) * at20(b), scale: 40 })),
        0,
      );
      if (b.digits === 0n) return assert.equal(divide(x, y, places), undefined);
      const quotient = divide(x, y, places)!;
      // |quotient × b − a| is at most half a unit of the last place, times |b|.
      const scaled = BigInt(quotient.replace(".", ""));
      const error = scaled * at20(b) - at20(a) * 10n ** BigInt(places);
      const bound = at20(b) < 0n ? -at20(b) : at20(b);
      assert.ok((error < 0n ? -error : error) * 2n <= bound, `${x} / ${y} = ${quotient}`);
    }),
    RUNS,
  );
});

// ---- times, texts, patterns ----------------------------------------------------------------------------------------

Deno.test("moments compare as Date does, whatever zone they are written in", () => {
  const moment = fc.tuple(
    fc.date({ min: new Date("0001-01-02"), max: new Date("9999-12-30"), noInvalidDate: true }),
    fc.integer({ min: -14 * 60, max: 14 * 60 }),
  );
  const written = ([date, offset]: [Date, number]) => {
    const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
    const minutes = Math.abs(offset);
    const two = (n: number) => String(n).padStart(2, "0");
    return `${local}${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  };
  fc.assert(
    fc.property(moment, moment, (a, b) => {
      const order = compareInstants(parseInstant(written(a))!, parseInstant(written(b))!);
      assert.equal(order, Math.sign(a[0].getTime() - b[0].getTime()) || 0);
    }),
    RUNS,
  );
});

Deno.test("texts compare by code point", () => {
  const text = fc.string({ unit: "binary", maxLength: 6 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [x, y] = [[...a], [...b]].map((chars) =>
        chars.map((char) => String.fromCodePoint(char.codePointAt(0)!))
      );
      let expected = Math.sign(x.length - y.length);
      for (let i = 0; i < Math.min(x.length, y.length); i++) {
        const difference = x[i].codePointAt(0)! - y[i].codePointAt(0)!;
        if (difference !== 0) {
          expected = Math.sign(difference);
          break;
        }
      }
      assert.equal(compareTexts(a, b), expected);
    }),
    RUNS,
  );
});

Deno.test("LIKE agrees with the regular expression that it stands for", () => {
  const unit = fc.constantFrom("a", "b", "😀", ".");
  const pattern = fc.array(fc.oneof(unit, fc.constantFrom("%", "_")), { maxLength: 7 }).map((list) =>
    list.join("")
  );
  fc.assert(
    fc.property(pattern, fc.array(unit, { maxLength: 8 }).map((list) => list.join("")), (like, text) => {
      const source = like.replaceAll(".", "\\.").replaceAll("%", ".*").replaceAll("_", ".");
      assert.equal(
        likeTest(like, false)(text),
        new RegExp(`^${source}$`, "su").test(text),
        `${text} LIKE ${like}`,
      );
    }),
    { ...RUNS, numRuns: 1000 },
  );
});
