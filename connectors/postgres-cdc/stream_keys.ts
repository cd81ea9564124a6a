/**
 * The keys that say what the stream carries beside plain row changes, and their other spellings. connector.ts puts them
 * into the configuration.
 */
import { z } from "zod";
import { streamPattern } from "../../formats/data/stream_pattern_key.ts";
import type { OriginKeys } from "./plugin_options.ts";
import { IDENTITY, type IdentityRule, type RowKeys } from "./row_rules.ts";
import type { FailureKeys } from "./unreadable_rows.ts";
import { type ChangeKeys, SKIPPABLE, SKIPPABLE_LETTERS } from "./wanted.ts";

/** These keys, validated. */
export interface StreamConfig extends RowKeys, OriginKeys, FailureKeys, Omit<ChangeKeys, "database"> {
  readonly replica_identity_autoset: readonly IdentityRule[];
  readonly two_phase: boolean;
}

const SKIPPED = [...SKIPPABLE, ...Object.keys(SKIPPABLE_LETTERS), "none"];

const patterns = (what: string) =>
  z.array(streamPattern).default([]).describe(`${what}: exact, with * and ?, or a /regular expression/`);

/** For the schema of the whole configuration. */
export const streamKeys = {
  skipped_operations: z.array(z.enum(SKIPPED as [string, ...string[]])).refine(
    (words) => words.length < 2 || !words.includes("none"),
    '"none" stands alone',
  ).default(["t"]).describe(
    "What makes no records: c or insert, u or update, d or delete, t or truncate, m or message; none: everything makes",
  ),
  logical_messages: z.strictObject({
    enabled: z.boolean().default(false).describe(
      "Makes a record of each message that pg_logical_emit_message() writes; PostgreSQL 14 or newer",
    ),
    prefix_include: patterns("Only messages with these prefixes; empty: all"),
    prefix_exclude: patterns("No messages with these prefixes"),
  }).prefault({}).describe("Messages that applications write into the log"),
  message_key_columns: z.array(z.strictObject({
    table: streamPattern.describe(
      "Tables, as a pattern like those in `tables`; the first entry that fits counts",
    ),
    columns: z.array(z.string().min(1)).min(1).describe("Columns of the key, in its order"),
  })).default([]).describe(
    "Keys of records, where they are not to be the primary key; they belong into the replica identity, else deletes have none",
  ),
  tombstone: z.strictObject({
    enabled: z.boolean().default(false).describe(
      "Sends a tombstone, a key without a value, after each delete",
    ),
    after_delete: z.boolean().default(true).describe("false: sends none all the same"),
    behavior: z.enum(["emit_null"], {
      error: ({ input }) =>
        input === "emit_with_key" ? 'Tombstone behavior "emit_with_key" is not in this build yet' : undefined,
    }).default("emit_null").describe("What the value of a tombstone is: empty"),
    exclude_tables: patterns("Tables whose deletes have none"),
  }).prefault({}).describe("Tombstones for compacted topics"),
  toast_handling: z.enum(["omit", "placeholder", "reselect"]).default("omit").describe(
    "Large values that an update left alone, which the server does not send: omit: the column is left out and named; " +
      "placeholder: a text stands there; reselect: read from the table, as it is by then",
  ),
  unavailable_value_placeholder: z.string().min(1).refine(
    (text) => !text.startsWith("hex:") || /^hex:([0-9a-fA-F]{2})+$/.test(text),
    "After hex: come pairs of hexadecimal digits",
  ).default("__rivven_unavailable_value").describe(
    "Text of `toast_handling: placeholder`; after hex: the bytes that stand in binary columns",
  ),
  replica_identity_autoset: z.array(z.strictObject({
    table: streamPattern.describe(
      "Tables, as a pattern like those in `tables`; the first entry that fits counts",
    ),
    identity: z.string().regex(IDENTITY, "FULL, DEFAULT, NOTHING or INDEX and its name").describe(
      "FULL, DEFAULT, NOTHING or INDEX and its name",
    ),
  })).default([]).describe(
    "Tables that are given another replica identity at the start, by ALTER TABLE; empty: no table is touched",
  ),
  origin: z.enum(["any", "none"]).default("any").describe(
    "none: leaves out transactions that were replicated to the server from elsewhere; PostgreSQL 16 or newer",
  ),
  event_processing_failure_handling_mode: z.enum(["fail", "warn", "skip"]).optional().describe(
    "What happens to a row with a value that can't be read: fail: the pipeline stops; warn: it is left out with a " +
      "warning; skip: without one. Left out: the pipeline's on_error decides, as about other records",
  ),
  two_phase: z.boolean().refine(
    (isOn) => !isOn,
    "Prepared transactions are read when they commit: what was read at PREPARE could not be taken back, and might be " +
      "rolled back. Remove it",
  ).default(false).describe("Prepared transactions are read at COMMIT PREPARED, like others"),
};

/** Other spellings of the keys → these; for `upgradeConfig`. */
export function upgradeStreamKeys(config: Record<string, unknown>, notes: string[]): void {
  upgradeSkipped(config);
  upgradeTombstones(config, notes);
  if ("toast" in config && !("toast_handling" in config)) {
    config.toast_handling = config.toast;
    delete config.toast;
    notes.push('"toast" is called "toast_handling"');
  }
  if (config.toast_handling === "fetch") config.toast_handling = "reselect";
  if (typeof config.message_key_columns === "string") {
    config.message_key_columns = config.message_key_columns.split(";").map((entry) => entry.trim()).filter(
      Boolean,
    );
  }
  if (Array.isArray(config.message_key_columns)) {
    config.message_key_columns = config.message_key_columns.map((entry) => {
      const colon = typeof entry === "string" ? entry.lastIndexOf(":") : -1;
      return colon < 0 ? entry : {
        table: entry.slice(0, colon).trim(),
        columns: entry.slice(colon + 1).split(",").map((column: string) => column.trim()),
      };
    });
  }
  if (typeof config.replica_identity_autoset === "string") {
    config.replica_identity_autoset = config.replica_identity_autoset.split(",").map((entry) => entry.trim());
  }
  if (Array.isArray(config.replica_identity_autoset)) {
    config.replica_identity_autoset = config.replica_identity_autoset.map(identityRule);
  }
}

/** `public.t: FULL` as YAML reads it, or as text. */
function identityRule(entry: unknown): unknown {
  if (typeof entry === "string") {
    const colon = entry.lastIndexOf(":");
    return colon < 0
      ? entry
      : { table: entry.slice(0, colon).trim(), identity: entry.slice(colon + 1).trim() };
  }
  if (!isObject(entry) || "table" in entry) return entry;
  const members = Object.entries(entry);
  return members.length === 1 ? { table: members[0][0], identity: members[0][1] } : entry;
}

function upgradeSkipped(config: Record<string, unknown>): void {
  const given = config.skipped_operations;
  if (typeof given === "string") config.skipped_operations = given.split(",").map((word) => word.trim());
}

function upgradeTombstones(config: Record<string, unknown>, notes: string[]): void {
  if (isObject(config.cdc_features) && "tombstones" in config.cdc_features && !("tombstone" in config)) {
    const { tombstones, ...rest } = config.cdc_features;
    config.tombstone = tombstones;
    if (Object.keys(rest).length > 0) config.cdc_features = rest;
    else delete config.cdc_features;
    notes.push('"tombstones" in "cdc_features" is called "tombstone"');
  }
  if (isObject(config.tombstone) && "emit_tombstone_after_delete" in config.tombstone) {
    const { emit_tombstone_after_delete, ...rest } = config.tombstone;
    config.tombstone = { after_delete: emit_tombstone_after_delete, ...rest };
    notes.push('"emit_tombstone_after_delete" is called "after_delete" in "tombstone"');
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
