/**
 * For tests of transforms: a config as the main thread would make it, records in few words, and a run as the chain
 * does one. Every result is also written as bytes and read again, so that a column whose type says something else
 * than its values is noticed.
 */
import assert from "node:assert/strict";
import { batchFromData, batchFromRecords } from "../../formats/data/batch.ts";
import type { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord, Operation } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Row } from "../../formats/data/value.ts";
import type { Transform, TransformContext, TransformDefinition } from "../contract.ts";
import { parseColumnType } from "./column_types.ts";

export interface TestContext extends TransformContext {
  readonly warnings: string[];
  readonly counts: Map<string, number>;
}

export function testContext(): TestContext {
  const warnings: string[] = [], counts = new Map<string, number>();
  return {
    name: "test #1",
    log: { warn: (message) => void warnings.push(message) },
    metrics: { add: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by) },
    nowMicros: () => 1_767_225_600_123_456n,
    random: () => 0.5,
    warnings,
    counts,
  };
}

/** The config that a worker gets; throws with the problems when there are some. */
export function configOf<Config>(
  definition: TransformDefinition<Config>,
  written: Record<string, unknown>,
): Config {
  const { config } = definition.upgradeConfig?.(written) ?? { config: written };
  const parsed = definition.config.parse(config);
  const problems = definition.checkConfig?.(parsed) ?? [];
  if (problems.length > 0) {
    throw new Error(problems.map(({ key, message }) => `${key}: ${message}`).join("; "));
  }
  return structuredClone(parsed);
}

/** The keys of a config that are wrong, by the schema or by checkConfig. */
export function problemKeys<Config>(
  definition: TransformDefinition<Config>,
  written: Record<string, unknown>,
): string[] {
  const { config } = definition.upgradeConfig?.(written) ?? { config: written };
  const parsed = definition.config.safeParse(config);
  if (parsed.success) return (definition.checkConfig?.(parsed.data) ?? []).map(({ key }) => key);
  return parsed.error.issues.map((issue) =>
    [...issue.path, ...(issue.code === "unrecognized_keys" ? issue.keys : [])].join(".")
  );
}

/** Columns by name: `int64 key`, `decimal(12,2)`, `string not null`; a type that has no text as an object. */
export function stream(columns?: Record<string, string | ColumnType>, others: Partial<Stream> = {}): Stream {
  const key: string[] = [];
  const made = columns && Object.entries(columns).map(([name, text]): Column => {
    if (typeof text !== "string") return { name, type: text, nullable: true };
    if (/ key$/.test(text)) key.push(name);
    const type = text.replace(/ (key|not null)$/, "");
    const known = type === "unknown" ? { type: { kind: "unknown" } as const } : parseColumnType(type);
    assert.ok(known, `no such type: ${text}`);
    return { name, type: known.type, nullable: !/ (key|not null)$/.test(text) };
  });
  return {
    name: "users",
    namespace: "public",
    database: "shop",
    columns: made,
    key,
    payload: "row",
    version: 1,
    ...others,
  };
}

let number = 0;

/** A record; its key is made of `after`, else `before`, where the stream has one and none is given. */
export function record(of: Stream, operation: Operation, parts: Partial<DataRecord> = {}): DataRecord {
  const row = (parts.before ?? parts.after) as Row | undefined;
  const key = of.key.length > 0 && row !== undefined && of.key.every((name) => Object.hasOwn(row, name))
    ? Object.fromEntries(of.key.map((name) => [name, row[name]]))
    : undefined;
  return {
    stream: of,
    operation,
    key,
    timeMicros: 1_709_287_200_123_456n,
    order: `0000000000000001/${String(++number).padStart(16, "0")}`,
    ...parts,
  };
}

export interface TestRun {
  readonly records: readonly DataRecord[];
  readonly rejected: readonly { readonly record: DataRecord; readonly error: RecordError }[];
  /** What became of the first record's stream. */
  readonly stream: Stream;
}

/** Runs records through, as the chain does. */
export async function run(transform: Transform, records: readonly DataRecord[]): Promise<TestRun> {
  const streams = new Map<Stream, Stream>();
  const renewed = records.map((record) => {
    let made = streams.get(record.stream);
    if (!made) streams.set(record.stream, made = transform.stream?.(record.stream) ?? record.stream);
    return { ...record, stream: made };
  });
  const before = structuredClone(renewed);
  const rejected: { record: DataRecord; error: RecordError }[] = [];
  const out = await transform.apply?.(renewed, (record, error) => void rejected.push({ record, error })) ??
    renewed;
  assert.deepEqual(renewed, before, "a transform changed a record in place");
  assert.deepEqual(written(out), out.map(complete), "columns and values disagree");
  return { records: out.map(complete), rejected, stream: renewed[0].stream };
}

/** `after` of what became of one record. */
export async function after(transform: Transform, one: DataRecord): Promise<unknown> {
  const { records, rejected } = await run(transform, [one]);
  if (rejected.length > 0) throw rejected[0].error;
  return records[0]?.after;
}

/** Records written as bytes and read again. */
function written(records: readonly DataRecord[]): DataRecord[] {
  const head = {
    lane: "stream",
    position: { v: 1 },
    readAtMicros: 0n,
    layout: "standard" as const,
    origin: { connector: "test", name: "test", version: "0" },
  };
  return batchFromData(batchFromRecords(head, records).encoded()).records.map(complete);
}

/** With every member that a record has in the batch's reading. */
function complete(record: DataRecord): DataRecord {
  const { stream, operation, key, before, after, unavailable, timeMicros, source, headers, order } = record;
  const bare = record.bare ?? false;
  return { stream, operation, key, before, after, unavailable, timeMicros, source, headers, order, bare };
}
