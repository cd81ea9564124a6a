/**
 * The language of conditions and computed values, as transforms use it: a text becomes an Expression once, and the
 * Expression is asked about records. README.md explains the language. Nothing is made from text at run time: the
 * parsed expression becomes closures, one set for each stream, because what a value is worth depends on its column.
 */
import { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import { compileTest, compileValue, type Test } from "./compile.ts";
import { parseExpression } from "./parse.ts";
import type { Read } from "./paths.ts";
import { type Node, walk } from "./syntax.ts";

export { ExpressionError, expressionProblem } from "./errors.ts";
export { compileRegex } from "../../formats/data/regex.ts";

export interface ExpressionOptions {
  /**
   * What becomes of a record that lacks a column which the expression names without `before.` or `after.`: `unknown`
   * (default) takes it for null, `error` throws a RecordError.
   */
  readonly onMissing?: "unknown" | "error";
  /** The clock of `now()`, microseconds since 1970; the system's when left out. */
  readonly nowMicros?: () => bigint;
}

export interface Expression {
  readonly text: string;
  readonly node: Node;
  /** The columns that it names, `before.` and `after.` included; of a nested path the first name. */
  readonly columns: readonly string[];
  /** Parts of a record that it looks at. `row`: the row after, or before where there is none after. */
  readonly needs: {
    readonly row: boolean;
    readonly before: boolean;
    readonly after: boolean;
    readonly key: boolean;
    readonly source: boolean;
    readonly headers: boolean;
  };
  /** Its value for a record; undefined: missing. */
  evaluate(record: DataRecord): Value | undefined;
  /** Does it hold? Null: unknown, which counts as no. */
  test(record: DataRecord): boolean | null;
  /** The type of its value for a stream, where the columns tell. */
  typeFor(stream: Stream): ColumnType | undefined;
  /** Has the row every column that it names? */
  isKnown(row: Row): boolean;
}

/**
 * Compiles an expression.
 *
 * @throws {ExpressionError} when it can't be used, with the column in the text and a hint
 */
export function compileExpression(text: string, options: ExpressionOptions = {}): Expression {
  const node = parseExpression(text);
  const expression = new CompiledExpression(text, node, options);
  // Whatever doesn't depend on a stream's columns is said now, not at the first record.
  expression.check();
  return expression;
}

const ANY_STREAM: Stream = { name: "any", key: [], payload: "row", version: 0 };

interface Compiled {
  readonly test: Test;
  readonly read: Read;
  readonly type: ColumnType | undefined;
}

class CompiledExpression implements Expression {
  readonly columns: readonly string[];
  readonly needs: Expression["needs"];
  readonly #paths: readonly (readonly (string | number)[])[];
  readonly #options: ExpressionOptions;
  readonly #byStream = new WeakMap<Stream, Compiled>();
  #lastStream: Stream | undefined;
  #last: Compiled | undefined;

  constructor(readonly text: string, readonly node: Node, options: ExpressionOptions) {
    this.#options = options;
    const paths: (readonly (string | number)[])[] = [];
    const needs = { row: false, before: false, after: false, key: false, source: false, headers: false };
    walk(node, (one) => {
      if (one.kind === "path") {
        needs[one.root] = true;
        if (one.root !== "source" && one.root !== "key") paths.push(one.names);
      } else if (one.kind === "call" && one.name === "changed") needs.before = needs.after = true;
      else if (one.kind === "call" && one.name === "header") needs.headers = true;
      else if (one.kind === "quoted") needs.row = true;
    });
    this.#paths = paths;
    this.columns = [...new Set(paths.map(([name]) => String(name)))];
    this.needs = needs;
  }

  check(): void {
    this.#compiled(ANY_STREAM);
  }

  evaluate(record: DataRecord): Value | undefined {
    return this.#compiled(record.stream).read(record);
  }

  test(record: DataRecord): boolean | null {
    return (record.stream === this.#lastStream ? this.#last! : this.#compiled(record.stream)).test(record);
  }

  typeFor(stream: Stream): ColumnType | undefined {
    return this.#compiled(stream).type;
  }

  isKnown(row: Row): boolean {
    return this.#paths.every((names) =>
      Object.hasOwn(row, names[0]) || names.length > 1 && Object.hasOwn(row, names.join("."))
    );
  }

  #compiled(stream: Stream): Compiled {
    if (stream === this.#lastStream) return this.#last!;
    let compiled = this.#byStream.get(stream);
    if (!compiled) {
      const { nowMicros = systemMicros, onMissing } = this.#options;
      const context = { stream, nowMicros, onMissing: onMissing === "error" ? rejectMissing : undefined };
      compiled = { test: compileTest(this.node, context), ...compileValue(this.node, context) } as Compiled;
      this.#byStream.set(stream, compiled);
    }
    this.#lastStream = stream;
    this.#last = compiled;
    return compiled;
  }
}

function systemMicros(): bigint {
  return BigInt(Date.now()) * 1000n;
}

function rejectMissing(_record: DataRecord, name: string): never {
  throw new RecordError(`The record has no column "${name}", which an expression asks for`, {
    code: "schema_missing_field",
  });
}
