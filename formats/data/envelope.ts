/**
 * The written layouts of a record. Each is a Frame: what stands before, between and after the two rows of a change,
 * so that rows are written once, straight into their place. batch_writer.ts calls the frames.
 */
import type { Origin } from "./batch_data.ts";
import { envelopeSchema } from "./connect_schema.ts";
import { type Member, splitMembers } from "./members.ts";
import { type Operation, OPERATION_LETTERS, OPERATIONS } from "./record.ts";
import { type Stream } from "./stream.ts";

/**
 * `standard`: Debezium's envelope. `rivven`: the SourceEvent of earlier versions. `cdc_event`: the CdcEvent of 0.0.8.
 * `plain`: the row by itself. `full`: `standard` with a Kafka Connect schema. `auto`: `standard` for changes,
 * `rivven` for records that are no changes.
 */
export const LAYOUTS = ["auto", "standard", "rivven", "cdc_event", "plain", "full"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** Members of `source` that the envelope writes for every connector. */
export const COMMON_SOURCE_MEMBERS: ReadonlySet<string> = new Set([
  "version",
  "connector",
  "name",
  "ts_ms",
  "ts_us",
  "ts_ns",
  "snapshot",
  "db",
  "schema",
  "table",
  "lane",
  "order",
]);

/** What a frame may ask of the writer of the record. BatchWriter is one. */
export interface EnvelopeWriter {
  readonly origin: Origin;
  readonly lane: string;
  readonly operation: Operation;
  readonly timeMicros: bigint;
  /** The index within the order's group; NaN: no order. */
  readonly orderIndex: number;
  /** Bytes as they are. */
  literal(text: Uint8Array): void;
  /** A member as it is, with a comma where something precedes. */
  member(text: Uint8Array): void;
  /** The whole `source` object, with lane and order. */
  sourceObject(): void;
  /** `name` and the order after it; nothing where there is no order. */
  orderMember(name: Uint8Array): void;
  /** `name` and the index within the order's group; nothing where there is no order. */
  orderIndexMember(name: Uint8Array): void;
  /** Text made of the connector's own members, which start with a comma; made once for records that share them. */
  fromOwn(make: (own: Uint8Array) => Uint8Array): Uint8Array;
  /** Text that is the same for all records of a batch with one operation, made once. */
  perBatch(name: string, make: (operation: Operation, readAtMicros: bigint) => Uint8Array): Uint8Array;
  /** Text that is the same for all records of a batch with one stream and one operation, made once. */
  perStream(
    name: string,
    make: (stream: Stream, operation: Operation, readAtMicros: bigint) => Uint8Array,
  ): Uint8Array;
}

/** One layout. `holds`: which parts its text contains for an operation; the others are kept beside the text. */
export interface Frame {
  holds(operation: Operation, part: "before" | "after" | "source"): boolean;
  /** Stands before the first row. */
  open(writer: EnvelopeWriter): void;
  /** Stands between `before` (or its absence) and `after`. */
  middle(writer: EnvelopeWriter, hasBefore: boolean): void;
  /** Stands after the last row; ends the line. */
  close(writer: EnvelopeWriter, hasBefore: boolean, hasAfter: boolean): void;
}

const utf8 = new TextEncoder();
const bytes = (text: string) => utf8.encode(text);

const NULL = bytes("null");
const LINE_END = bytes("\n");
const BRACE_LINE_END = bytes("}\n");
const BRACES_LINE_END = bytes("}}\n");

const OPEN_BEFORE = bytes('{"before":');
const COMMA_AFTER = bytes(',"after":');
const COMMA_SOURCE = bytes(',"source":');
const COMMA_AFTER_NULL = bytes(',"after":null');
const OPEN_MESSAGE = bytes('{"message":');

const standard: Frame = {
  holds: () => true,
  open(writer) {
    writer.literal(writer.operation === "message" ? OPEN_MESSAGE : OPEN_BEFORE);
  },
  middle(writer, hasBefore) {
    if (writer.operation === "message") return;
    if (!hasBefore) writer.literal(NULL);
    writer.literal(COMMA_AFTER);
  },
  close(writer, hasBefore, hasAfter) {
    closeStandard(writer, hasBefore, hasAfter);
    writer.literal(BRACE_LINE_END);
  },
};

/** Everything after the rows but the last brace. */
function closeStandard(writer: EnvelopeWriter, hasBefore: boolean, hasAfter: boolean): void {
  if (!hasAfter) {
    if (!hasBefore) writer.literal(NULL);
    if (writer.operation !== "message") writer.literal(COMMA_AFTER_NULL);
  }
  writer.literal(COMMA_SOURCE);
  writer.sourceObject();
  writer.literal(writer.perBatch("standard", standardTail));
}

function standardTail(operation: Operation, readAtMicros: bigint): Uint8Array {
  const [millis, nanos] = [readAtMicros / 1000n, readAtMicros * 1000n];
  return bytes(
    `,"op":"${OPERATION_LETTERS[operation]}","ts_ms":${millis},"ts_us":${readAtMicros},"ts_ns":${nanos}`,
  );
}

const plain: Frame = {
  holds: (operation, part) => part === "after" && operation !== "delete",
  open() {},
  middle() {},
  close(writer, _hasBefore, hasAfter) {
    if (hasAfter && writer.operation !== "delete") writer.literal(LINE_END);
  },
};

/** Upstream's names: crates/rivven-connect/src/traits/event.rs, `event_type`. It has no word for the others. */
const RIVVEN_TYPES: Record<Operation, string> = {
  insert: "insert",
  update: "update",
  delete: "delete",
  snapshot: "insert",
  truncate: "log",
  tombstone: "delete",
  message: "record",
  schema: "schema",
  record: "record",
};

const rivven: Frame = {
  holds: (operation, part) =>
    part === "after"
      ? operation !== "delete"
      : part === "before" && (operation === "update" || operation === "delete"),
  open(writer) {
    writer.literal(writer.perStream("rivven", rivvenHead));
    if (writer.operation === "update") writer.literal(OPEN_BEFORE);
  },
  middle(writer, hasBefore) {
    if (writer.operation !== "update") return;
    if (!hasBefore) writer.literal(NULL);
    writer.literal(COMMA_AFTER);
  },
  close(writer, hasBefore, hasAfter) {
    if (writer.operation === "update") {
      if (!hasAfter) {
        if (!hasBefore) writer.literal(NULL);
        writer.literal(COMMA_AFTER_NULL);
      }
      writer.literal(CLOSE);
    } else if (writer.operation === "delete" ? !hasBefore : !hasAfter) writer.literal(NULL);
    writer.literal(COMMA_METADATA);
    writer.literal(OPEN);
    if (writer.operation === "record") {
      writer.literal(writer.fromOwn(withoutComma));
      rivvenPosition(writer);
    } else {
      writer.literal(writer.fromOwn(rivvenMetadata));
      rivvenPosition(writer);
      writer.orderIndexMember(SEQUENCE_MEMBER);
      if (writer.operation === "snapshot") writer.member(SNAPSHOT_TRUE);
    }
    writer.literal(CLOSE);
    writer.literal(BRACE_LINE_END);
  },
};

/** The order, and what it is the order of: without source and lane it would tell records apart, but not know one again. */
function rivvenPosition(writer: EnvelopeWriter): void {
  if (Number.isNaN(writer.orderIndex)) return;
  writer.orderMember(POSITION_MEMBER);
  writer.member(writer.perBatch("rivven", () => {
    const [lane, source] = [writer.lane, writer.origin.name].map((text) => JSON.stringify(text));
    return bytes(`"lane":${lane},"source":${source}`);
  }));
}

function withoutComma(own: Uint8Array): Uint8Array {
  return own.subarray(1);
}

/** Members of `metadata` that have a meaning of their own: crates/rivven-connect/src/traits/event.rs. */
const RIVVEN_METADATA = new Set(["position", "lane", "source", "transaction_id", "sequence", "snapshot"]);

/** The own members of a change but those whose name means something else there, with the transaction as text. */
function rivvenMetadata(own: Uint8Array): Uint8Array {
  const members = splitMembers(own);
  const kept = members.filter(({ name }) => !RIVVEN_METADATA.has(name)).map(({ text }) => text);
  const transaction = transactionId(members);
  if (transaction !== undefined) kept.push(`"transaction_id":${transaction}`);
  return bytes(kept.join(","));
}

/** `txId` as JSON text of a string; undefined where the record has none, as rows of a snapshot. */
function transactionId(members: readonly Member[]): string | undefined {
  const value = members.find(({ name }) => name === "txId")?.value ?? "";
  if (value.startsWith('"')) return value;
  return /^\d+$/.test(value) ? `"${value}"` : undefined;
}

const OPEN = bytes("{");
const CLOSE = bytes("}");
const COMMA_METADATA = bytes(',"metadata":');
const POSITION_MEMBER = bytes('"position":');
const SEQUENCE_MEMBER = bytes('"sequence":');
const SNAPSHOT_TRUE = bytes('"snapshot":true');

function rivvenHead(stream: Stream, operation: Operation, readAtMicros: bigint): Uint8Array {
  const namespace = stream.namespace === undefined ? "null" : JSON.stringify(stream.namespace);
  return bytes(
    `{"event_type":"${RIVVEN_TYPES[operation]}","stream":${
      JSON.stringify(stream.name)
    },"namespace":${namespace},` +
      `"timestamp":"${rfc3339(readAtMicros)}","data":`,
  );
}

/** RFC 3339 in UTC with six digits. */
export function rfc3339(micros: bigint): string {
  const millis = Number(micros / 1000n);
  const rest = (micros % 1_000_000n).toString().padStart(6, "0");
  return `${new Date(millis).toISOString().slice(0, 19)}.${rest}Z`;
}

/** Upstream's variant names: crates/rivven-cdc/src/common/event.rs, `CdcOp`. */
const CDC_EVENT_OPS: Record<Operation, string> = {
  insert: "Insert",
  update: "Update",
  delete: "Delete",
  snapshot: "Snapshot",
  truncate: "Truncate",
  tombstone: "Tombstone",
  message: "Insert",
  schema: "Schema",
  record: "Insert",
};

const cdcEvent: Frame = {
  holds: (_operation, part) => part !== "source",
  open(writer) {
    writer.literal(writer.perStream("cdc_event", (stream, operation) =>
      bytes(
        `{"source_type":${JSON.stringify(writer.origin.connector.replace(/-cdc$/, ""))},` +
          `"database":${JSON.stringify(stream.database ?? "")},"schema":${
            JSON.stringify(stream.namespace ?? "")
          },` +
          `"table":${JSON.stringify(stream.name)},"op":"${CDC_EVENT_OPS[operation]}","before":`,
      )));
  },
  middle(writer, hasBefore) {
    if (!hasBefore) writer.literal(NULL);
    writer.literal(COMMA_AFTER);
  },
  close(writer, hasBefore, hasAfter) {
    if (!hasAfter) {
      if (!hasBefore) writer.literal(NULL);
      writer.literal(COMMA_AFTER_NULL);
    }
    writer.literal(bytes(`,"timestamp":${writer.timeMicros / 1_000_000n}`));
    const transaction = writer.fromOwn(cdcTransaction);
    if (transaction.length > 0) {
      writer.literal(transaction);
      writer.literal(bytes(
        `,"sequence":${writer.orderIndex || 0},"total_events":0,` +
          `"commit_ts":${writer.timeMicros / 1000n},"is_last":false}`,
      ));
    }
    writer.literal(BRACE_LINE_END);
  },
};

/** The opening of `transaction`; empty where the record has none. */
function cdcTransaction(own: Uint8Array): Uint8Array {
  const members = splitMembers(own);
  const id = transactionId(members);
  const lsn = members.find(({ name }) => name === "lsn")?.value ?? '""';
  return bytes(id === undefined ? "" : `,"transaction":{"id":${id},"lsn":${lsn}`);
}

/** `standard` inside `{schema, payload}`, as Kafka Connect's JsonConverter has it with schemas.enable. */
const full: Frame = {
  holds: () => true,
  open(writer) {
    writer.literal(
      writer.perStream(
        "full",
        (stream, operation) =>
          bytes(`{"schema":${JSON.stringify(envelopeSchema(stream, operation))},"payload":`),
      ),
    );
    standard.open(writer);
  },
  middle: standard.middle,
  close(writer, hasBefore, hasAfter) {
    closeStandard(writer, hasBefore, hasAfter);
    writer.literal(BRACES_LINE_END);
  },
};

/** The frames without `auto`, which is one of them for each operation. */
const FRAMES: Record<Exclude<Layout, "auto">, Frame> = { standard, rivven, cdc_event: cdcEvent, plain, full };

/** The frame that writes an operation in a layout. */
export function frameOf(layout: Layout, operation: Operation): Frame {
  if (layout === "auto") return operation === "record" ? rivven : standard;
  return FRAMES[layout];
}

/** The opening of a `source` object: what is the same for all records of a stream at one time. */
export function commonSource(
  origin: { connector: string; name: string; version: string },
  stream: Stream,
  timeMicros: bigint,
  snapshot: string,
): string {
  const schema = stream.namespace !== undefined && stream.namespace !== stream.database
    ? `"schema":${JSON.stringify(stream.namespace)},`
    : "";
  return `{"version":${JSON.stringify(origin.version)},"connector":${JSON.stringify(origin.connector)},` +
    `"name":${JSON.stringify(origin.name)},` +
    `"ts_ms":${timeMicros / 1000n},"ts_us":${timeMicros},"ts_ns":${
      timeMicros * 1000n
    },"snapshot":"${snapshot}",` +
    `"db":${JSON.stringify(stream.database ?? "")},${schema}"table":${JSON.stringify(stream.name)}`;
}

/** Index of an operation in OPERATIONS, as batches store it. */
export function operationIndex(operation: Operation): number {
  return OPERATIONS.indexOf(operation);
}
