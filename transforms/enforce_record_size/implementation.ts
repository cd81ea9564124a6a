/** Records of a limited size: the work of enforce_record_size. Loaded by workers. */
import { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { addedColumn } from "../_shared/column_types.ts";
import { setMember, withColumn } from "../_shared/paths.ts";
import { eachRecord, isRow, isRowRecord } from "../_shared/records.ts";
import type { EnforceRecordSizeConfig } from "./definition.ts";
import { isSurelyWithin, recordSize, shortened, sizeOf } from "./sizes.ts";

const NAMES: ColumnType = { kind: "array", items: { kind: "string" } };
/** Each pass takes away what is too much; escaped characters may need a second or third. */
const MAX_PASSES = 8;

export function openTransform(config: EnforceRecordSizeConfig, context: TransformContext): Transform {
  const { action, drop_before, truncated_field } = config;
  const limit = Math.floor(config.max_bytes / config.compression_ratio);
  return {
    stream(stream) {
      if (truncated_field === undefined || !stream.columns) return stream;
      return { ...stream, columns: withColumn(stream.columns, addedColumn(truncated_field, NAMES)) };
    },
    apply: eachRecord((record): DataRecord | undefined => {
      if (!isRowRecord(record)) return record;
      const given = truncated_field === undefined ? record : noting(record, truncated_field, null);
      if (isSurelyWithin(given, limit)) return given;
      let size = recordSize(given);
      if (size <= limit) return given;
      let smaller = given;
      if (drop_before && given.before && given.after !== undefined) {
        smaller = { ...given, before: undefined };
        size = recordSize(smaller);
        if (size <= limit) {
          context.metrics.add("records_without_before");
          return smaller;
        }
      }
      if (action === "drop") {
        context.metrics.add("records_too_large");
        return undefined;
      }
      if (action === "reject") throw tooLarge(size, limit);
      const made = truncated(smaller, limit, config);
      context.metrics.add("records_truncated");
      return made;
    }),
  };
}

function tooLarge(size: number, limit: number): RecordError {
  return new RecordError(`The record has ${size} bytes, and ${limit} are allowed`, {
    code: "serialization_too_large",
  });
}

function noting(record: DataRecord, field: string, names: readonly string[] | null): DataRecord {
  if (!isRow(record.after)) return record;
  const after: Record<string, Value> = { ...record.after };
  setMember(after, field, names);
  return { ...record, after };
}

interface Cuttable {
  readonly part: "before" | "after";
  readonly name: string;
  readonly size: number;
}

/** The record with its long texts and bytes cut, each in proportion to what it has above the smallest size. */
function truncated(record: DataRecord, limit: number, config: EnforceRecordSizeConfig): DataRecord {
  const { min_field_size: smallest, truncation_marker: marker, truncated_field } = config;
  const cut = new Set<string>();
  let current = record;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const excess = recordSize(current) - limit;
    if (excess <= 0) return current;
    const fields = cuttable(current, smallest);
    const total = fields.reduce((sum, { size }) => sum + size - smallest, 0);
    if (total === 0) break;
    const images: Record<"before" | "after", Record<string, Value>> = {
      before: { ...current.before },
      after: isRow(current.after) ? { ...current.after } : {},
    };
    for (const { part, name, size } of fields) {
      const less = Math.ceil(excess * (size - smallest) / total);
      // The quotes count as well.
      const value = images[part][name] as string | Uint8Array;
      images[part][name] = shortened(value, less, Math.max(0, smallest - 2), marker);
      if (part === "after") cut.add(name);
    }
    if (truncated_field !== undefined && isRow(current.after)) {
      setMember(images.after, truncated_field, cut.size > 0 ? [...cut] : null);
    }
    current = {
      ...current,
      before: current.before && images.before,
      after: isRow(current.after) ? images.after : current.after,
    };
  }
  throw tooLarge(recordSize(current), limit);
}

function cuttable({ before, after, stream }: DataRecord, smallest: number): Cuttable[] {
  const found: Cuttable[] = [];
  const look = (part: "before" | "after", row: Row) => {
    for (const name of Object.keys(row)) {
      const value = row[name];
      if (typeof value !== "string" && !(value instanceof Uint8Array)) continue;
      if (!mayBeCut(stream, name)) continue;
      const size = sizeOf(value);
      if (size > smallest) found.push({ part, name, size });
    }
  };
  if (before) look("before", before);
  if (isRow(after)) look("after", after);
  return found;
}

function mayBeCut({ columns, key }: Stream, name: string): boolean {
  if (key.includes(name)) return false;
  const kind = columns?.find((column) => column.name === name)?.type.kind ?? "unknown";
  return kind === "string" || kind === "bytes" || kind === "unknown" || kind === "json";
}
