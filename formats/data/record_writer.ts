/** Typed records into a BatchWriter: the way from objects to text, for everything that is not hot. */
import type { BatchWriter } from "./batch_writer.ts";
import { COMMON_SOURCE_MEMBERS } from "./envelope.ts";
import { membersText, needsExact, valueText } from "./json_value.ts";
import { type DataRecord, SNAPSHOT_MARKERS, type SnapshotMarker } from "./record.ts";
import type { Stream } from "./stream.ts";
import type { Row, Value } from "./value.ts";

const utf8 = new TextEncoder();
const NO_MEMBERS = new Uint8Array();

/** Writes a typed record. The batch must not be full. */
export function writeRecord(writer: BatchWriter, record: DataRecord): void {
  const { stream, operation, before, after } = record;
  const { group, index, suffix } = splitOrder(record.order);
  const transaction = transactionOf(record);
  if (transaction) writer.transactionOfNext(transaction, NaN, NaN);
  writer.begin(stream, operation, record.timeMicros, group, index, suffix);
  if (record.bare) writer.unwrap();
  if (record.key instanceof Uint8Array) writer.key(record.key, true);
  else if (record.key) {
    const names = stream.key.some(isMovedName) ? stream.key : undefined;
    writer.key(utf8.encode(names ? rowText(record.key, names) : valueText(record.key)), false);
    // The key may be all that a record has, so its digits count as those of a row do.
    if (needsExact(record.key)) writer.valueAs(record.key, "");
  }
  if (before) writePart(writer, "before", before);
  if (after !== undefined) writePart(writer, "after", after);
  if (record.headers) writer.headers(record.headers);
  writer.snapshotMarker = markerOf(record);
  writer.end(ownMembers(record));
}

function writePart(writer: BatchWriter, part: "before" | "after", value: Value): void {
  writer.beginValue(part);
  const names = isRow(value) && rowOrder(writer.stream);
  if (names) writer.valueAs(value, rowText(value, names));
  else writer.value(value);
  writer.endValue();
}

const orderByStream = new WeakMap<Stream, readonly string[] | "any">();

/**
 * The names of the columns where a row as an object may not have them in the table's order: JavaScript moves names
 * such as `7` to an object's front.
 */
function rowOrder(stream: Stream): readonly string[] | undefined {
  let order = orderByStream.get(stream);
  if (!order) {
    const names = (stream.columns ?? []).map(({ name }) => name);
    orderByStream.set(stream, order = names.some(isMovedName) ? names : "any");
  }
  return order === "any" ? undefined : order;
}

function isMovedName(name: string): boolean {
  return /^(0|[1-9]\d*)$/.test(name);
}

function isRow(value: Value): value is Row {
  return value !== null && typeof value === "object" && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

/** The row in the order of `names`, then what else it has. */
function rowText(row: Row, names: readonly string[]): string {
  return membersText(row, [...new Set([...names, ...Object.keys(row)])]);
}

/** `<group>/<16 digits><suffix>` taken apart, as orderText() in batch.ts put it together. */
function splitOrder(
  order: string | undefined,
): { group: string | undefined; index: number; suffix?: string } {
  if (order === undefined) return { group: undefined, index: NaN };
  const slash = order.lastIndexOf("/");
  const digits = order.slice(slash + 1, slash + 17);
  if (slash < 0 || !/^\d{16}$/.test(digits)) {
    throw new TypeError(`The order of a record is a group, "/" and 16 digits, but not "${order}"`);
  }
  return {
    group: order.slice(0, slash),
    index: Number(digits),
    suffix: order.slice(slash + 17) || undefined,
  };
}

/** The marker that `source.snapshot` of a record asks for. */
function markerOf({ operation, source }: DataRecord): SnapshotMarker | undefined {
  return operation === "record" ? undefined : SNAPSHOT_MARKERS.find((marker) => marker === source?.snapshot);
}

/** The text of a change's `transaction` block, complete; undefined where it has none, or one of another form. */
function transactionOf({ operation, source }: DataRecord): Uint8Array | undefined {
  const block = source?.transaction;
  if (operation === "record" || !isRow(block ?? null)) return undefined;
  const { id, total_order, data_collection_order, ...others } = block as Row;
  const isSmall = (value: Value | undefined) => Number.isSafeInteger(value) && Number(value) >= 0;
  if (typeof id !== "string" || /[{}]/.test(id) || !isSmall(total_order) || !isSmall(data_collection_order)) {
    return undefined;
  }
  if (Object.keys(others).length > 0) return undefined;
  return utf8.encode(`,"transaction":${valueText({ id, total_order, data_collection_order })}`);
}

/** The members of `source` that are the connector's own, as `end()` wants them. */
function ownMembers(record: DataRecord): Uint8Array {
  const { operation, source, unavailable } = record;
  // Of a `record` they are metadata, where the envelope takes no name for itself.
  const isBlock = transactionOf(record) !== undefined;
  const isOwn = ([name]: [string, Value]) =>
    operation === "record" || !(COMMON_SOURCE_MEMBERS.has(name) || isBlock && name === "transaction");
  const members = Object.entries(source ?? {}).filter(isOwn);
  if (unavailable) members.push(["unavailable_columns", unavailable]);
  if (members.length === 0) return NO_MEMBERS;
  return utf8.encode(members.map(([name, value]) => `,${JSON.stringify(name)}:${valueText(value)}`).join(""));
}
