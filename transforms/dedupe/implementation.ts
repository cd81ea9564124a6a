/** Drops duplicates: the work of dedupe. Loaded by workers. */
import crypto from "node:crypto";
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { parsePath, valueAt } from "../_shared/paths.ts";
import { isRow } from "../_shared/records.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { DedupeConfig } from "./definition.ts";
import { SeenSet } from "./seen.ts";

export function openTransform(config: DedupeConfig, context: TransformContext): Transform {
  const seen = new SeenSet(config.max_entries, config.ttl_seconds);
  const messageIdentity = messageIdentityOf(config);
  const identityOf = (record: DataRecord) =>
    originOf(record) ?? (record.operation === "record" ? messageIdentity(record) : changeIdentity(record));
  return {
    apply(records) {
      const now = context.nowMicros();
      const kept = records.filter((record) => {
        const identity = identityOf(record);
        return identity === undefined || !seen.hasOrAdd(hash(identity), now);
      });
      if (kept.length === records.length) return records;
      context.metrics.add("events_deduplicated_total", records.length - kept.length);
      return kept;
    },
  };
}

/** A change that came by way of a topic says where in the log of its database it stood. */
function originOf({ operation, stream, source }: DataRecord): Value | undefined {
  const origin = source?.origin;
  if (!isRow(origin) || typeof origin.lane !== "string" || typeof origin.order !== "string") return undefined;
  const { connector = null, name = null, lane, order } = origin;
  return [connector, name, lane, order, operation, nameOf(stream)];
}

/**
 * The same change has everything in common, its place above all: two updates that do the same to a row are two. A row
 * of a snapshot is read again only when that is wanted.
 */
function changeIdentity(record: DataRecord): Value | undefined {
  const { operation, stream, key, before, after, timeMicros, source, order } = record;
  if (operation === "snapshot") return undefined;
  return list(operation, nameOf(stream), order, key, before, after, timeMicros, source);
}

function messageIdentityOf(
  { key_strategy, fields, include_time }: DedupeConfig,
): (record: DataRecord) => Value | undefined {
  const paths = fields.map((field) => parsePath(field));
  return ({ stream, key, after, timeMicros, order }) => {
    // Where messages have places, no place comes twice but after a restart, which the runtime sees to.
    if (key_strategy === "position" && order !== undefined) return undefined;
    const time = include_time ? timeMicros : null;
    if (key_strategy !== "fields") return list(nameOf(stream), key, after, time);
    const values = isRow(after) ? paths.map((path) => valueAt(after, path)) : [];
    if (values.every((value) => value === undefined)) return undefined;
    return list(nameOf(stream), include_time ? time : null, ...values);
  };
}

function nameOf(stream: DataRecord["stream"]): string {
  return `${stream.database ?? ""}.${qualifiedName(stream)}`;
}

/** Absent and null are not the same: an absent value is an empty list. */
function list(...values: (Value | undefined)[]): Value {
  return values.map((value) => value === undefined ? [] : [value]);
}

/** 128 bits of the SHA-256 of the value with its members in order of their names. */
function hash(identity: Value): string {
  return crypto.hash("sha256", valueText(sorted(identity)), "base64url").slice(0, 22);
}

function sorted(value: Value): Value {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRow(value)) return value;
  const out: Record<string, Value> = Object.create(null);
  for (const name of Object.keys(value).sort()) out[name] = sorted((value as Row)[name]);
  return out;
}
