/**
 * The messages of the pgoutput plugin that are not hot, read from where they lie (PostgreSQL documentation, "Logical
 * Replication Message Formats", protocol version 1). Rows are read by change_decoder.ts.
 */

/** First bytes of the messages. */
export const MESSAGE = {
  begin: 0x42, // B
  commit: 0x43, // C
  origin: 0x4f, // O
  relation: 0x52, // R
  type: 0x59, // Y
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
} as const;

/** First bytes of what stands in an update or a delete. */
export const TUPLE = { key: 0x4b, old: 0x4f, new: 0x4e } as const; // K O N

/** Kinds of values in a row. */
export const VALUE = { null: 0x6e, unchanged: 0x75, text: 0x74, binary: 0x62 } as const; // n u t b

/** Bits of a truncate's options. */
export const TRUNCATE = { cascade: 1, restartIdentity: 2 } as const;

/** PostgreSQL counts time from 2000-01-01: this many microseconds after 1970. */
export const EPOCH_MICROS = 946_684_800_000_000n;

/** A table as the stream announces it: as it was when the changes that follow were made. */
export interface RelationMessage {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly replicaIdentity: string;
  readonly columns: readonly RelationColumn[];
}

export interface RelationColumn {
  readonly name: string;
  readonly type: number;
  readonly typmod: number;
  /** Part of the replica identity. */
  readonly isIdentity: boolean;
}

/**
 * Reads a Relation message.
 *
 * @param at behind the message's first byte
 * @param end of the message
 * @throws {RangeError} when it is cut short
 */
export function readRelation(bytes: Uint8Array, view: DataView, at: number, end: number): RelationMessage {
  const oid = view.getUint32(at);
  at += 4;
  const text = () => {
    const zero = bytes.indexOf(0, at);
    if (zero < 0 || zero >= end) throw new RangeError("a name has no end");
    const value = decoder.decode(bytes.subarray(at, zero));
    at = zero + 1;
    return value;
  };
  // An empty name stands for pg_catalog.
  const schema = text() || "pg_catalog";
  const name = text();
  const replicaIdentity = String.fromCharCode(view.getUint8(at));
  const count = view.getInt16(at + 1);
  at += 3;
  const columns: RelationColumn[] = [];
  for (let i = 0; i < count; i++) {
    const flags = view.getUint8(at++);
    const columnName = text();
    columns.push({
      name: columnName,
      type: view.getUint32(at),
      typmod: view.getInt32(at + 4),
      isIdentity: (flags & 1) !== 0,
    });
    at += 8;
  }
  if (at > end) throw new RangeError("it is longer than its frame");
  return { oid, schema, name, replicaIdentity, columns };
}

/** Which tables a Truncate message empties, and its options. Throws RangeError when it is cut short. */
export function readTruncate(view: DataView, at: number, end: number): { oids: number[]; flags: number } {
  const count = view.getInt32(at);
  const flags = view.getUint8(at + 4);
  at += 5;
  if (count < 0 || at + 4 * count > end) throw new RangeError("a truncate has fewer tables than it says");
  return { oids: Array.from({ length: count }, (_, i) => view.getUint32(at + 4 * i)), flags };
}

/** What pg_logical_emit_message() has written. */
export interface LogicalMessage {
  readonly isTransactional: boolean;
  /** The end of its record in the log: what the function returned. */
  readonly lsn: bigint;
  readonly prefix: string;
  /** A view into the wire's buffer. */
  readonly content: Uint8Array;
}

/** Reads a Message message. Throws RangeError when it is cut short. */
export function readLogicalMessage(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
): LogicalMessage {
  const zero = bytes.indexOf(0, at + 9);
  if (zero < 0 || zero >= end) throw new RangeError("a prefix has no end");
  const start = zero + 5;
  const size = view.getInt32(zero + 1);
  if (size < 0 || start + size > end) throw new RangeError("a message is longer than its frame");
  return {
    isTransactional: (view.getUint8(at) & 1) !== 0,
    lsn: view.getBigUint64(at + 1),
    prefix: decoder.decode(bytes.subarray(at + 9, zero)),
    content: bytes.subarray(start, start + size),
  };
}

/** Where a replicated transaction came from: its commit LSN there, and the origin's name. */
export function readOrigin(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
): { lsn: bigint; name: string } {
  const zero = bytes.indexOf(0, at + 8);
  if (zero < 0 || zero >= end) throw new RangeError("an origin's name has no end");
  return { lsn: view.getBigUint64(at), name: decoder.decode(bytes.subarray(at + 8, zero)) };
}

const decoder = new TextDecoder();
