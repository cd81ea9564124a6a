/** Records beside what was expected of them, in the notation of examples; what differs in words that people read. */
import type { DataRecord } from "../../formats/data/record.ts";
import { valueText } from "../../formats/data/json_value.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type { Value } from "../../formats/data/value.ts";
import { typeText } from "./column_types.ts";
import { comparable, microsOf, RECORD_MEMBERS, type Written, writtenOf } from "./notation.ts";

/** A record that did not go on. */
export interface RejectedRecord {
  readonly order: string | undefined;
  readonly code: string;
}

export interface Outcome {
  readonly records: readonly DataRecord[];
  readonly rejected: readonly RejectedRecord[];
}

export interface Expected {
  readonly records: readonly Written[];
  readonly rejected?: readonly Written[];
  /** The records that were given, since `rejected` may count them. */
  readonly given: readonly DataRecord[];
}

/**
 * What differs, a line for each; none when all is as expected.
 *
 * @throws {SyntaxError} when what is expected can't be understood
 */
export function differences(outcome: Outcome, expected: Expected): string[] {
  const lines: string[] = [];
  const count = Math.max(outcome.records.length, expected.records.length);
  for (let i = 0; i < count; i++) {
    const [found, wanted] = [outcome.records[i], expected.records[i]];
    const title = `record ${i + 1}`;
    if (!wanted) lines.push(`${title}: not expected, found ${oneLine(writtenOf(found))}`);
    else if (!found) lines.push(`${title}: expected ${oneLine(wanted)}, found no such record`);
    else lines.push(...recordDifferences(found, wanted).map((line) => `${title}: ${line}`));
  }
  lines.push(...rejectedDifferences(outcome.rejected, expected));
  return lines;
}

function recordDifferences(found: DataRecord, wanted: Written): string[] {
  const lines: string[] = [];
  for (const name of Object.keys(wanted)) {
    if (!RECORD_MEMBERS.includes(name) && name !== "partial" && name !== "columns") {
      throw new SyntaxError(`A record has no member "${name}"`);
    }
  }
  const { stream, operation, timeMicros, source, headers, unavailable, order, bare } = found;
  const compare = (name: string, actual: unknown, expected: unknown) =>
    lines.push(...valueDifferences(name, comparable(actual), comparable(expected)));
  if (wanted.stream !== undefined) compare("stream", qualifiedName(stream), wanted.stream);
  if (wanted.op !== undefined) compare("op", operation, wanted.op);
  if (wanted.database !== undefined) compare("database", stream.database, wanted.database);
  if (wanted.topic !== undefined) compare("topic", stream.topic ?? null, wanted.topic);
  if (wanted.time !== undefined && microsOf(wanted.time) !== timeMicros) {
    lines.push(`time: expected ${wanted.time}, found ${timeMicros} µs since 1970`);
  }
  if (wanted.source !== undefined) lines.push(...membersDifferences("source", source, wanted.source));
  if (wanted.headers !== undefined) {
    const pairs = Array.isArray(wanted.headers) ? wanted.headers : Object.entries(wanted.headers as Written);
    compare("headers", headers ?? [], pairs);
  }
  if (wanted.unavailable !== undefined) compare("unavailable", unavailable ?? [], wanted.unavailable);
  if (wanted.order !== undefined) compare("order", order, wanted.order);
  if (wanted.bare !== undefined) compare("bare", bare ?? false, wanted.bare);
  if (wanted.columns !== undefined) {
    const columns = (stream.columns ?? []).map(({ name, type }) =>
      [name, typeText(type) + (stream.key.includes(name) ? " key" : "")] as const
    );
    compare("columns", Object.fromEntries(columns), wanted.columns);
  }
  const written = writtenOf(found);
  for (const part of ["key", "before", "after"]) {
    if (wanted.partial !== true) compare(part, written[part], wanted[part]);
    else if (wanted[part] !== undefined) lines.push(...membersDifferences(part, written[part], wanted[part]));
  }
  return lines;
}

/** Only the members that are named. */
function membersDifferences(path: string, found: unknown, wanted: unknown): string[] {
  if (!isMap(wanted) || !isMap(found)) return valueDifferences(path, comparable(found), comparable(wanted));
  return Object.entries(wanted).flatMap(([name, value]) =>
    valueDifferences(`${path}.${name}`, comparable(found[name]), comparable(value))
  );
}

function valueDifferences(path: string, found: unknown, wanted: unknown): string[] {
  if (isMap(found) && isMap(wanted)) {
    const names = new Set([...Object.keys(wanted), ...Object.keys(found)]);
    if (differsEachTime(found) && differsEachTime(wanted)) names.delete("__value");
    return [...names].flatMap((name) =>
      valueDifferences(
        `${path}.${name}`,
        Object.hasOwn(found, name) ? found[name] : undefined,
        Object.hasOwn(wanted, name) ? wanted[name] : undefined,
      )
    );
  }
  if (Array.isArray(found) && Array.isArray(wanted) && found.length === wanted.length) {
    return found.flatMap((item, i) => valueDifferences(`${path}[${i}]`, item, wanted[i]));
  }
  if (oneLine(found) === oneLine(wanted)) return [];
  return [`${path}: expected ${oneLine(wanted)}, found ${oneLine(found)}`];
}

/** Is it an encrypted value (transforms/_protection/README.md) with a random nonce? */
function differsEachTime({ __encrypted, __algorithm, __value }: Record<string, unknown>): boolean {
  return __encrypted === true && typeof __value === "string" && !/^deterministic$/i.test(String(__algorithm));
}

function rejectedDifferences(found: readonly RejectedRecord[], { rejected = [], given }: Expected): string[] {
  const lines: string[] = [];
  const left = [...found];
  for (const wanted of rejected) {
    const order = wanted.order ?? given[Number(wanted.index)]?.order;
    const at = left.findIndex((one) =>
      one.order === order && (wanted.code === undefined || one.code === wanted.code)
    );
    if (at >= 0) left.splice(at, 1);
    else lines.push(`rejected: expected ${oneLine(wanted)}, found ${oneLine(left)}`);
  }
  for (const { order, code } of left) {
    const index = given.findIndex((record) => record.order === order);
    lines.push(`rejected: the record with index ${index} was not expected to be rejected (${code})`);
  }
  return lines;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

/** JSON on one line, with `nothing` for what is not there. */
function oneLine(value: unknown): string {
  return value === undefined ? "nothing" : valueText(value as Value);
}
