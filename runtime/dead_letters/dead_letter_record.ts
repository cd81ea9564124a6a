/** A dead letter's text back into the record that it was, as it is or edited: for `dlq replay` and `dlq show`. */
import { COMMON_SOURCE_MEMBERS } from "../../formats/data/envelope.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import { parseJson, restoreRow, restoresOf } from "../../formats/data/json_value.ts";
import { type DataRecord, type Operation, SNAPSHOT_MARKERS } from "../../formats/data/record.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import type { DeadLetter } from "./dead_letter.ts";

const OPERATIONS: Readonly<Record<string, Operation>> = {
  c: "insert",
  u: "update",
  d: "delete",
  r: "snapshot",
  t: "truncate",
  m: "message",
};

/** The text as JSON; undefined where it is none, as bytes that could not be decoded. Integers keep their digits. */
export function letterJson({ payload }: Pick<DeadLetter, "payload">): Value | undefined {
  try {
    return parseJson(payload, true);
  } catch {
    return undefined;
  }
}

/**
 * @param json what the record is to be: what `letterJson` gave, or an edited form of it
 * @throws {ConnectorError} `serialization_dead_letter` when it is no record
 */
export function recordOf(letter: DeadLetter, json: Value | undefined): DataRecord {
  const { stream, record: shape, order, headers } = letter;
  const envelope = isRow(json) ? json : {};
  const operation = shape?.operation ?? OPERATIONS[String(envelope.op)];
  if (operation === undefined || (json === undefined && operation !== "tombstone")) {
    throw unreadable(letter, json === undefined ? "it is no JSON" : "it does not say what happened (op)");
  }
  try {
    const key = keyOf(letter);
    if (operation === "tombstone") return { stream, operation, key, timeMicros: 0n, headers, order };
    if (shape?.bare || operation === "schema") {
      const after = operation === "schema" ? json : restoredAfter(letter, json!);
      return { stream, operation, key, after, timeMicros: 0n, headers, order, bare: shape?.bare };
    }
    if (!isRow(envelope.source)) throw new TypeError("it has no source");
    const rows = operation === "message"
      ? { after: envelope.message }
      : { before: restoredRow(letter, envelope.before), after: restoredAfter(letter, envelope.after) };
    const { unavailable_columns: unavailable, snapshot, ...source } = envelope.source;
    const own = Object.fromEntries(
      Object.entries(source).filter(([name]) => !COMMON_SOURCE_MEMBERS.has(name)),
    );
    const marker = SNAPSHOT_MARKERS.find((one) => one === snapshot);
    const isPlain = snapshot === (operation === "snapshot" ? "true" : "false");
    return {
      stream,
      operation,
      key: keyOfRows(letter, rows) ?? key,
      ...present(rows, operation === "message" || operation === "record" && stream.payload !== "row"),
      unavailable: unavailable as readonly string[] | undefined,
      timeMicros: letterTime(envelope.source),
      source: {
        ...(marker !== undefined && !isPlain ? { snapshot: marker } : {}),
        ...own,
        ...(isRow(envelope.transaction) ? { transaction: envelope.transaction } : {}),
      },
      headers,
      order,
    };
  } catch (cause) {
    throw unreadable(letter, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/**
 * Sets one value: `after.total` to `12.5`. Objects on the way are made where they are missing.
 *
 * @returns the edited form; what was given stays as it is
 */
export function withValue(json: Value, path: readonly string[], value: Value): Value {
  if (path.length === 0) return value;
  const [name, ...rest] = path;
  const row = isRow(json) ? json : {};
  return { ...row, [name]: withValue(row[name] ?? {}, rest, value) };
}

/** JSON Merge Patch (RFC 7396): members replace those of the same name, null removes. */
export function merged(json: Value, patch: Value): Value {
  if (!isRow(patch)) return patch;
  const result: Record<string, Value> = isRow(json) ? { ...json } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merged(result[name] ?? null, value!);
  }
  return result;
}

/** The rows there are. In an envelope null stands for none, but for messages it is a value. */
function present(
  rows: { before?: Value; after?: Value },
  mayBeNull: boolean,
): { before?: Row; after?: Value } {
  const { before, after } = rows;
  return {
    ...(isRow(before) ? { before } : {}),
    ...(after !== undefined && (after !== null || mayBeNull) ? { after } : {}),
  };
}

function keyOf({ key, stream, record }: DeadLetter): Row | Uint8Array | undefined {
  if (key === undefined || record?.keyIsBytes) return key;
  const row = parseJson(key, true);
  return restored(stream.columns, row) as Row;
}

/** The key as the rows have it now, which may have been edited. */
function keyOfRows(
  { stream: { key: names }, record, key }: DeadLetter,
  { before, after }: { before?: Value; after?: Value },
): Row | undefined {
  if (names.length === 0 || record?.keyIsBytes || key === undefined) return undefined;
  const row = [before, after].filter((row) => isRow(row)).find((row) =>
    names.every((name) => row[name] !== undefined)
  );
  return row && Object.fromEntries(names.map((name) => [name, row[name]]));
}

function restoredAfter(letter: DeadLetter, value: Value | undefined): Value | undefined {
  const { payload } = letter.stream;
  if (payload === "bytes" && typeof value === "string") return Uint8Array.fromBase64(value);
  return payload === "row" ? restoredRow(letter, value) : value;
}

function restoredRow({ stream }: DeadLetter, value: Value | undefined): Value | undefined {
  return value === undefined ? undefined : restored(stream.columns, value);
}

function restored(columns: DeadLetter["stream"]["columns"], value: Value): Value {
  const restores = columns && restoresOf(columns);
  if (!restores || !isRow(value)) return value;
  const row = { ...value };
  restoreRow(row, restores);
  return row;
}

function letterTime({ ts_us }: Row): bigint {
  return typeof ts_us === "number" || typeof ts_us === "bigint" ? BigInt(ts_us) : 0n;
}

function isRow(value: Value | undefined): value is Row {
  return value !== null && typeof value === "object" && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

function unreadable({ stream }: DeadLetter, found: string, cause?: unknown): ConnectorError {
  return new ConnectorError(`Cannot make a record of this dead letter of ${stream.name}: ${found}`, {
    code: "serialization_dead_letter",
    hint: "Give the whole record with --from FILE, in the form in which `dlq show --raw` prints others",
    cause,
  });
}
