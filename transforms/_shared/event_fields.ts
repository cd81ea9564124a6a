/**
 * What can be said about a record beside its row, by the names that Debezium and earlier versions use: `op`, `table`,
 * `source.lsn`, `transaction.id`, `before.status`. For transforms that copy such things into rows and headers.
 */
import type { Origin } from "../../formats/data/batch.ts";
import { rfc3339 } from "../../formats/data/envelope.ts";
import { type DataRecord, OPERATION_LETTERS } from "../../formats/data/record.ts";
import { valueText } from "../../formats/data/json_value.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Value } from "../../formats/data/value.ts";
import { columnAt, type FieldPath, parsePath, valueAt } from "./paths.ts";
import { isRow } from "./records.ts";

export interface EventField {
  /** As it was written: `source.lsn`. */
  readonly text: string;
  /** The type of its values, where it is certain. */
  readonly type: ColumnType;
  /** Undefined: the record has nothing of the kind. */
  read(record: DataRecord): Value | undefined;
}

type Reader = { readonly type: ColumnType; read(record: DataRecord): Value | undefined };

const STRING: ColumnType = { kind: "string" }, INT64: ColumnType = { kind: "int64" };

const transactionId: Reader = {
  type: STRING,
  read({ source }) {
    const block = source?.transaction;
    const id = isRow(block) ? block.id : source?.txId;
    return id === undefined || id === null ? undefined : String(id);
  },
};

const database: Reader = { type: STRING, read: ({ stream }) => stream.database };
const schema: Reader = { type: STRING, read: ({ stream }) => stream.namespace };
const table: Reader = { type: STRING, read: ({ stream }) => stream.name };
const seconds: Reader = { type: INT64, read: ({ timeMicros }) => floorDiv(timeMicros, 1_000_000n) };
const letter: Reader = { type: STRING, read: ({ operation }) => OPERATION_LETTERS[operation] };

const READERS: Readonly<Record<string, Reader>> = {
  op: letter,
  operation: { type: STRING, read: ({ operation }) => operation },
  table,
  schema,
  namespace: schema,
  database,
  db: database,
  stream: { type: STRING, read: ({ stream }) => qualifiedName(stream) },
  topic: { type: STRING, read: ({ stream }) => stream.topic },
  ts_ms: { type: INT64, read: ({ timeMicros }) => floorDiv(timeMicros, 1000n) },
  ts_us: { type: INT64, read: ({ timeMicros }) => timeMicros },
  ts_ns: { type: INT64, read: ({ timeMicros }) => timeMicros * 1000n },
  ts: seconds,
  timestamp: seconds,
  time: { type: { kind: "timestamptz", precision: 6 }, read: ({ timeMicros }) => rfc3339(timeMicros) },
  order: { type: STRING, read: ({ order }) => order },
  snapshot: {
    type: STRING,
    read: ({ source, operation }) =>
      typeof source?.snapshot === "string" ? source.snapshot : operation === "snapshot" ? "true" : "false",
  },
  "transaction.id": transactionId,
  transaction_id: transactionId,
  txid: transactionId,
  xid: transactionId,
};

/** Members of `source` that every record has without holding them. */
const IN_SOURCE = ["ts_ms", "ts_us", "ts_ns", "snapshot", "db", "schema", "table", "order"];
const OF_ORIGIN = ["connector", "name", "version"] as const;
const PARTS = ["before", "after", "key", "source", "headers", "transaction"];

/** What eventField() knows by name, for messages. */
export const EVENT_FIELD_NAMES: readonly string[] = [...Object.keys(READERS), ...OF_ORIGIN];

/**
 * Reads the name of something about a record: one of EVENT_FIELD_NAMES; a path into `before`, `after`, `key`,
 * `source`, `transaction` or `headers`; otherwise, as Debezium reads it, a member of `source`.
 *
 * @throws {SyntaxError} when it isn't one
 */
export function eventField(text: string, origin?: Origin): EventField {
  const { type, read } = readerOf(text, origin);
  return { text, type, read };
}

function readerOf(text: string, origin: Origin | undefined): Reader {
  if (Object.hasOwn(READERS, text)) return READERS[text];
  const dot = text.indexOf(".");
  const [part, rest] = dot < 0 ? ["source", text] : [text.slice(0, dot), text.slice(dot + 1)];
  if (!PARTS.includes(part)) {
    throw new SyntaxError(
      `"${part}" is no part of a record: there are ${PARTS.join(", ")}, and ${EVENT_FIELD_NAMES.join(", ")}`,
    );
  }
  if (part === "headers") return { type: { kind: "unknown" }, read: (record) => headerOf(record, rest) };
  if (part === "source") return sourceReader(rest, origin);
  const path = parsePath(rest);
  if (part === "transaction") {
    return { type: { kind: "unknown" }, read: ({ source }) => memberOf(source?.transaction, path) };
  }
  return {
    type: { kind: "unknown" },
    read: (record) => memberOf(record[part as "before" | "after" | "key"], path),
  };
}

function sourceReader(name: string, origin: Origin | undefined): Reader {
  const own: Reader = { type: { kind: "unknown" }, read: memberReader(parsePath(name)) };
  if (IN_SOURCE.includes(name)) return READERS[name];
  const member = OF_ORIGIN.find((one) => one === name);
  // Read back from a broker, a record says itself where it came from.
  if (member) return { type: STRING, read: (record) => own.read(record) ?? origin?.[member] };
  return own;
}

function memberReader(path: FieldPath): (record: DataRecord) => Value | undefined {
  return ({ source }) => source && valueAt(source, path);
}

function memberOf(value: Value | undefined, path: FieldPath): Value | undefined {
  return isRow(value) ? valueAt(value, path) : undefined;
}

/** The last header with a name, as text; bytes that are no UTF-8 as they are. */
export function headerOf({ headers }: DataRecord, name: string): string | Uint8Array | undefined {
  const value = headers?.findLast(([other]) => other === name)?.[1];
  if (!(value instanceof Uint8Array)) return value;
  try {
    return strict.decode(value);
  } catch {
    return value;
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function floorDiv(value: bigint, by: bigint): bigint {
  return value < 0n && value % by !== 0n ? value / by - 1n : value / by;
}

/** The type of a field's values in a stream: for what lies in the row, its column's. */
export function typeIn({ text, type }: EventField, stream: Stream): ColumnType {
  const [, path] = /^(?:before|after|key)\.(.+)$/.exec(text) ?? [];
  if (path === undefined || type.kind !== "unknown") return type;
  return columnAt(stream.columns, parsePath(path))?.type ?? type;
}

/** A value as the text of a header; undefined where there is nothing to say. */
export function headerText(value: Value | undefined): string | Uint8Array | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" || value instanceof Uint8Array ? value : valueText(value);
}
