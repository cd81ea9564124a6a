/**
 * Records of a file, for commands that try transforms on them: JSON lines as sinks write them, or the notation of tests
 * and recordings.
 */
import { parse } from "yaml";
import { ConnectorError } from "../formats/data/errors.ts";
import { parseJson } from "../formats/data/json_value.ts";
import { type DataRecord, type Operation, OPERATIONS } from "../formats/data/record.ts";
import type { Stream } from "../formats/data/stream.ts";
import type { Row, Value } from "../formats/data/value.ts";
import { pathText } from "../runtime/config/problem.ts";
import { readRecords } from "../runtime/chain/transform_case.ts";

/** `op` of Debezium's envelope. */
const OPERATION_CODES: Readonly<Record<string, Operation>> = {
  c: "insert",
  r: "snapshot",
  u: "update",
  d: "delete",
  t: "truncate",
  m: "message",
};

/**
 * Reads a file. A line of JSON is a change where it looks like Debezium's envelope (the layouts `standard` and `full`),
 * a record of earlier versions (`rivven`), or else a row; such a row's stream is named after the file. A file that
 * ends in `.yaml` or `.yml` is a map with `given` and `columns`, as `record` writes it.
 *
 * @throws {ConnectorError} kind `config` naming the line that can't be read
 */
export function recordsOf(file: string, text: string): readonly DataRecord[] {
  if (/\.ya?ml$/i.test(file)) return recordsOfYaml(file, text);
  const name = file.replace(/^.*\//, "").replace(/\.\w+$/, "") || "records";
  const streams = new Map<string, Stream>();
  const records: DataRecord[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    let value: Value;
    try {
      value = parseJson(line, true);
    } catch {
      throw new ConnectorError(`${file}:${i + 1} is no JSON`, {
        code: "config_file",
        hint: "A file of records has one JSON text a line; the notation of tests needs the ending .yaml",
      });
    }
    records.push(recordOf(value, records.length, name, streams));
  }
  return records;
}

function recordsOfYaml(file: string, text: string): readonly DataRecord[] {
  const problems: string[] = [];
  let parsed: unknown;
  try {
    parsed = parse(text, { intAsBigInt: true });
  } catch (error) {
    problems.push((error as Error).message.split("\n")[0]);
  }
  if (problems.length === 0 && (typeof parsed !== "object" || parsed === null || !("given" in parsed))) {
    problems.push('a map with "given" in it was expected');
  }
  const records = problems.length > 0 ? undefined : readRecords(
    parsed as Record<string, unknown>,
    [],
    ({ path, message }) => problems.push(`${pathText(path)}: ${message}`),
  );
  if (records && problems.length === 0) return records.given;
  throw new ConnectorError(`Cannot read records from ${file}: ${problems.join("; ")}`, {
    code: "config_file",
  });
}

function recordOf(line: Value, n: number, name: string, streams: Map<string, Stream>): DataRecord {
  const isFull = isRow(line) && isRow(line.payload) && (isRow(line.schema) || line.schema === null);
  const value = isFull ? line.payload : line;
  const order = `0/${String(n).padStart(16, "0")}`;
  const stream = (own: Partial<Stream>): Stream => {
    const id = JSON.stringify([own.name, own.namespace, own.database, own.payload]);
    const made = streams.get(id) ?? { name, key: [], payload: "row", version: 1, ...own };
    streams.set(id, made);
    return made;
  };
  if (isRow(value) && typeof value.op === "string" && Object.hasOwn(OPERATION_CODES, value.op)) {
    const operation = OPERATION_CODES[value.op];
    const source = isRow(value.source) ? value.source : {};
    const text = (member: Value | undefined) => typeof member === "string" ? member : undefined;
    return {
      stream: stream({
        ...named("name", text(source.table)),
        ...named("namespace", text(source.schema)),
        ...named("database", text(source.db)),
      }),
      operation,
      before: isRow(value.before) ? value.before : undefined,
      after: operation === "message" ? value.message : isRow(value.after) ? value.after : undefined,
      timeMicros: BigInt(Math.round(Number(source.ts_us ?? Number(source.ts_ms ?? 0) * 1000))),
      source,
      order: text(source.order) ?? order,
    };
  }
  if (isRow(value) && typeof value.event_type === "string" && "data" in value) {
    const isSnapshot = isRow(value.metadata) && value.metadata.snapshot === true;
    const operation = isSnapshot
      ? "snapshot"
      : OPERATIONS.find((one) => one === value.event_type) ?? "record";
    const both = operation === "update" && isRow(value.data) &&
      ("before" in value.data || "after" in value.data);
    const data = both
      ? value.data as Row
      : operation === "delete"
      ? { before: value.data }
      : { after: value.data };
    return {
      stream: stream({
        ...named("name", typeof value.stream === "string" ? value.stream : undefined),
        ...named("namespace", typeof value.namespace === "string" ? value.namespace : undefined),
      }),
      operation,
      before: isRow(data.before) ? data.before : undefined,
      after: data.after,
      timeMicros: microsOf(value.timestamp),
      source: isRow(value.metadata) ? value.metadata : undefined,
      order,
    };
  }
  return {
    stream: stream({ payload: isRow(value) ? "row" : "json" }),
    operation: "record",
    after: value,
    timeMicros: 0n,
    order,
  };
}

function named<Name extends keyof Stream>(name: Name, value: string | undefined): Partial<Stream> {
  return value === undefined ? {} : { [name]: value };
}

function microsOf(time: Value | undefined): bigint {
  const ms = typeof time === "string" ? Date.parse(time) : NaN;
  return Number.isNaN(ms) ? 0n : BigInt(ms) * 1000n;
}

function isRow(value: Value | undefined): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}
