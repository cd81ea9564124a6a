/**
 * Records as examples and tests write them (README.md, "Notation"), into typed records. The runner of examples, `docs`
 * and the commands that try transforms read it.
 */
import { orderText } from "../../formats/data/batch_data.ts";
import { restoreRow, restoresOf } from "../../formats/data/json_value.ts";
import { type DataRecord, type Header, type Operation, OPERATIONS } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Column, Row, Value } from "../../formats/data/value.ts";
import { parseColumn } from "./column_types.ts";

/** A record as it is written, as plain data: integers are numbers, or bigints where they are large. */
export type Written = { readonly [name: string]: unknown };

/** Types of columns by stream and name. */
export type WrittenColumns = { readonly [stream: string]: { readonly [column: string]: string } };

/** Members that a written record may have; `partial` and `columns` only one that is expected. */
export const RECORD_MEMBERS: readonly string[] = [
  "stream",
  "op",
  "key",
  "before",
  "after",
  "database",
  "topic",
  "time",
  "source",
  "headers",
  "unavailable",
  "order",
  "bare",
];

/** The time of the first record that names none: 2026-01-01T00:00:00Z, in microseconds. */
const FIRST_MICROS = 1_767_225_600_000_000n;
const GROUP = "0000000000000001";

/** Reads records, and keeps one Stream for records that have the same. */
export class Notation {
  readonly #columns: WrittenColumns;
  readonly #streams = new Map<string, Stream>();
  #read = 0;

  /** @throws {SyntaxError} when a type can't be understood */
  constructor(columns: WrittenColumns = {}) {
    this.#columns = columns;
    for (const name of Object.keys(columns)) this.#columnsOf(name);
  }

  /**
   * The next record. Without an order of its own it gets the next one, without a time one a second later.
   *
   * @throws {SyntaxError} saying which member can't be understood
   */
  record(written: Written): DataRecord {
    const n = this.#read++;
    for (const member of Object.keys(written)) {
      if (!RECORD_MEMBERS.includes(member)) throw new SyntaxError(`A record has no member "${member}"`);
    }
    const operation = operationOf(written.op);
    const stream = this.#stream(written, operation);
    const { before, after, key } = written;
    const order = written.order === undefined ? orderText(GROUP, n) : String(written.order);
    return {
      stream,
      operation,
      key: key === undefined ? undefined : keyOf(key, stream),
      before: before === undefined || before === null ? undefined : rowOf(before, stream, "before"),
      after: after === undefined ? undefined : valueOf(after, stream, operation),
      unavailable: written.unavailable as string[] | undefined,
      timeMicros: written.time === undefined ? FIRST_MICROS + BigInt(n) * 1_000_000n : microsOf(written.time),
      source: written.source === undefined ? undefined : plainValue(written.source) as Row,
      headers: written.headers === undefined ? undefined : headersOf(written.headers),
      order,
      ...(written.bare === undefined ? {} : { bare: written.bare === true }),
    };
  }

  #stream({ stream: written, database, topic, after }: Written, operation: Operation): Stream {
    if (typeof written !== "string" || written === "") throw new SyntaxError('A record needs its "stream"');
    const isJson = operation === "record" &&
      (typeof after !== "object" || after === null || Array.isArray(after));
    const id = JSON.stringify([written, database, topic, isJson]);
    let stream = this.#streams.get(id);
    if (!stream) {
      const dot = written.indexOf(".");
      const { columns, key } = this.#columnsOf(written);
      stream = {
        name: written.slice(dot + 1),
        ...(dot < 0 ? {} : { namespace: written.slice(0, dot) }),
        ...(database === undefined ? {} : { database: String(database) }),
        ...(topic === undefined ? {} : { topic: String(topic) }),
        ...(columns ? { columns } : {}),
        key,
        payload: isJson ? "json" : "row",
        version: 1,
      };
      this.#streams.set(id, stream);
    }
    return stream;
  }

  #columnsOf(stream: string): { columns?: readonly Column[]; key: readonly string[] } {
    const written = this.#columns[stream];
    if (!written) return { key: [] };
    const columns = Object.entries(written).map(([name, type]) => parseColumn(name, type));
    return {
      columns: columns.map(({ column }) => column),
      key: columns.filter(({ isKey }) => isKey).map(({ column }) => column.name),
    };
  }
}

/** The name of an operation; `record` when left out. */
export function operationOf(op: unknown): Operation {
  const found = OPERATIONS.find((operation) => operation === (op ?? "record"));
  if (!found) throw new SyntaxError(`There is no operation "${op}": one of ${OPERATIONS.join(", ")}`);
  return found;
}

/** Microseconds of a time such as `2026-01-31T12:00:00.123456Z`. */
export function microsOf(time: unknown): bigint {
  const text = String(time);
  const parts = /^(\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const ms = parts ? Date.parse(parts[1] + parts[3]) : NaN;
  if (Number.isNaN(ms)) throw new SyntaxError(`"${text}" is no time such as 2026-01-31T12:00:00.5Z`);
  return BigInt(ms) * 1000n + BigInt((parts![2] ?? "").padEnd(6, "0"));
}

/** A value of the notation as one of a record: only integers that a number can't hold are bigints. */
export function plainValue(value: unknown): Value {
  if (typeof value === "bigint") {
    return BigInt.asIntN(54, value) === value ? Number(value) : value;
  }
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array || value === null || typeof value !== "object") return value as Value;
  if (Array.isArray(value)) return value.map(plainValue);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plainValue(inner)]));
}

function rowOf(written: unknown, { columns }: Stream, part: string): Row {
  const row = plainValue(written);
  if (typeof row !== "object" || row === null || Array.isArray(row) || row instanceof Uint8Array) {
    throw new SyntaxError(`"${part}" must be a map of columns and values`);
  }
  if (!columns) return row as Row;
  const restores = restoresOf(columns);
  if (restores) restoreRow(row as Row, restores);
  // YAML reads 12.50 as a number: as many digits as the column has give it back.
  const target = row as Record<string, Value>;
  for (const { name, type } of columns) {
    const value = target[name];
    if (type.kind === "decimal" && (typeof value === "number" || typeof value === "bigint")) {
      target[name] = typeof value === "number" && type.scale !== undefined
        ? value.toFixed(type.scale)
        : `${value}`;
    }
  }
  return row as Row;
}

function valueOf(written: unknown, stream: Stream, operation: Operation): Value {
  const isRow = typeof written === "object" && written !== null && !Array.isArray(written) &&
    !(written instanceof Uint8Array);
  return isRow && operation !== "message" && operation !== "schema"
    ? rowOf(written, stream, "after")
    : plainValue(written);
}

function keyOf(written: unknown, stream: Stream): Row | Uint8Array {
  if (typeof written === "string") return new TextEncoder().encode(written);
  return written instanceof Uint8Array ? written : rowOf(written, stream, "key");
}

/** A map of names and values, or a list of pairs where a name comes twice. */
function headersOf(written: unknown): Header[] {
  const pairs = Array.isArray(written) ? written : Object.entries(written as Written);
  return pairs.map(([name, value]) => [String(name), value instanceof Uint8Array ? value : String(value)]);
}

/** A record as it would be written; a short form of it for messages. */
export function writtenOf(record: DataRecord): Record<string, unknown> {
  const { stream, operation, key, before, after, unavailable, headers, bare } = record;
  const text = new TextDecoder();
  return {
    stream: qualifiedName(stream),
    op: operation,
    ...(stream.topic === undefined ? {} : { topic: stream.topic }),
    ...(key === undefined ? {} : { key: key instanceof Uint8Array ? text.decode(key) : comparable(key) }),
    ...(before === undefined ? {} : { before: comparable(before) }),
    ...(after === undefined ? {} : { after: comparable(after) }),
    ...(unavailable === undefined ? {} : { unavailable }),
    ...(headers === undefined ? {} : { headers: headers.map(([name, value]) => [name, comparable(value)]) }),
    ...(bare ? { bare } : {}),
  };
}

/** A value as JSON and YAML have it: bytes as base64, integers as numbers where they fit. */
export function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.toBase64();
  const plain = plainValue(value);
  if (plain === null || typeof plain !== "object" || plain instanceof Uint8Array) return plain;
  if (Array.isArray(plain)) return plain.map(comparable);
  return Object.fromEntries(Object.entries(plain).map(([name, inner]) => [name, comparable(inner)]));
}
