/**
 * Which records a transform is for: a PlannedPredicate compiled, so that what follows from the stream alone is decided
 * once for each stream. chain.ts asks.
 */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { compileRegex } from "../../formats/data/regex.ts";
import type { PlannedPredicate } from "./chain_plan.ts";

export type RecordTest = (record: DataRecord) => boolean;

/** What is known of all records of a stream, or how to find out for each. */
export type Decision = boolean | RecordTest;

export type Predicate = (stream: Stream) => Decision;

export interface PredicateOptions {
  /** An expression as a test; what is neither true nor false counts as false. */
  readonly compileCondition: (text: string) => RecordTest;
  readonly warn: (message: string) => void;
}

/** Compiles it; the patterns and expressions are known to be well-formed. */
export function compilePredicate(planned: PlannedPredicate, options: PredicateOptions): Predicate {
  const { tables, schemas, databases, topics, negate } = planned;
  const { fieldExists, fieldValue, hasHeader, condition, anyOf, allOf } = planned;
  const parts: Predicate[] = [];
  if (tables) parts.push(warnAboutSeveral(tables, names(tables, ({ name }) => name), options.warn));
  if (schemas) parts.push(names(schemas, ({ namespace }) => namespace));
  if (databases) parts.push(names(databases, ({ database }) => database));
  if (topics) parts.push(names(topics, (stream) => stream.topic ?? stream.name));
  const { operations, isTombstone } = planned;
  if (operations) parts.push(() => ({ operation }) => operations.includes(operation));
  if (isTombstone !== undefined) {
    parts.push(() => ({ operation }) => (operation === "tombstone") === isTombstone);
  }
  if (hasHeader !== undefined) {
    parts.push(() => ({ headers }) => headers?.some(([name]) => name === hasHeader) ?? false);
  }
  if (fieldExists !== undefined) parts.push(() => (record) => fieldOf(record, fieldExists) !== undefined);
  if (fieldValue) {
    const { field, value } = fieldValue;
    parts.push(() => (record) => isSame(fieldOf(record, field), value));
  }
  if (condition !== undefined) {
    const test = options.compileCondition(condition);
    parts.push(() => test);
  }
  if (anyOf) {
    const some = anyOf.map((one) => compilePredicate(one, options));
    parts.push((stream) => either(some.map((one) => one(stream))));
  }
  if (allOf) parts.push(...allOf.map((one) => compilePredicate(one, options)));
  const whole: Predicate = (stream) => all(parts, stream);
  return negate ? (stream) => opposite(whole(stream)) : whole;
}

function all(parts: readonly Predicate[], stream: Stream): Decision {
  const tests: RecordTest[] = [];
  for (const part of parts) {
    const decision = part(stream);
    if (decision === false) return false;
    if (decision !== true) tests.push(decision);
  }
  if (tests.length < 2) return tests[0] ?? true;
  return (record) => tests.every((test) => test(record));
}

function either(decisions: readonly Decision[]): Decision {
  if (decisions.includes(true)) return true;
  const tests = decisions.filter((decision) => typeof decision === "function");
  return tests.length === 0 ? false : (record) => tests.some((test) => test(record));
}

function opposite(decision: Decision): Decision {
  return typeof decision === "boolean" ? !decision : (record) => !decision(record);
}

function names(patterns: readonly string[], nameOf: (stream: Stream) => string | undefined): Predicate {
  const tests = patterns.map((pattern): (name: string) => boolean => {
    if (pattern.startsWith("=")) return (name) => name === pattern.slice(1);
    const regex = compileRegex(pattern);
    return (name) => regex.test(name);
  });
  return (stream) => {
    const name = nameOf(stream);
    return name !== undefined && tests.some((test) => test(name));
  };
}

/** `table: users` also finds users_archive, which whoever wrote it may not have thought of. */
function warnAboutSeveral(
  patterns: readonly string[],
  predicate: Predicate,
  warn: (message: string) => void,
): Predicate {
  const plain = patterns.filter((pattern) => /^[\w-]+$/.test(pattern));
  const found = new Map(plain.map((pattern) => [pattern, new Set<string>()]));
  return (stream) => {
    for (const [pattern, tables] of found) {
      if (!stream.name.includes(pattern)) continue;
      tables.add(stream.name);
      if (tables.size !== 2) continue;
      warn(
        `The predicate's table "${pattern}" finds more than one: ${[...tables].join(", ")}; ` +
          `"=${pattern}" stands for that one only`,
      );
    }
    return predicate(stream);
  };
}

/** The member of `after`, or of `before` where there is no `after`. */
function fieldOf({ after, before }: DataRecord, name: string): Value | undefined {
  const row = after ?? before;
  if (typeof row !== "object" || row === null || Array.isArray(row) || row instanceof Uint8Array) {
    return undefined;
  }
  return Object.hasOwn(row, name) ? (row as Row)[name] : undefined;
}

/** Equal as JSON: 7 of the file is 7 of an int64 column, too. */
function isSame(a: Value | undefined, b: Value): boolean {
  if (a === b) return true;
  if (typeof a === "bigint" || typeof b === "bigint") {
    return (typeof a === "number" || typeof a === "bigint") &&
      (typeof b === "number" || typeof b === "bigint") &&
      // deno-lint-ignore eqeqeq
      a == b;
  }
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) return false;
  const [x, y] = [Object.entries(a), b as Row];
  return Array.isArray(a) === Array.isArray(b) && x.length === Object.keys(b).length &&
    x.every(([name, value]) => Object.hasOwn(y, name) && isSame(value, y[name]));
}
