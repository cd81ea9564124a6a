/** What postgres-cdc is: its configuration and its description. Loads neither a client nor a codec. */
import { z } from "zod";
import { streamPattern } from "../../formats/data/stream_pattern_key.ts";
import { defineConnector } from "../contract.ts";
import type { ConnectorDefinition, Permissions } from "../contract.ts";
import { addressText, isSocket, serversOf, socketPath } from "./address.ts";
import { foreignKeys } from "./foreign_keys.ts";
import { completeLogin } from "./login.ts";
import { type LoginConfig, loginKeys, refineLogin, upgradeLogin } from "./login_keys.ts";
import type { SchemaChangeTopic } from "./schema_change.ts";
import { type SignalConfig, signalKeys } from "./signal_keys.ts";
import { signalFile } from "./signals.ts";
import { lossOf, refineSlot, type SlotConfig, slotKeys, slotNotes } from "./slot_keys.ts";
import { type StreamConfig, streamKeys, upgradeStreamKeys } from "./stream_keys.ts";
import type { TransactionTopic } from "./transaction_metadata.ts";
import { TYPE_OPTION_VALUES, type TypeOptions } from "./types/options.ts";
import example from "./example.gen.ts";

/** A validated configuration, all defaults filled in. */
export interface PostgresConfig extends TypeOptions, LoginConfig, SignalConfig, SlotConfig, StreamConfig {
  readonly slot_name: string;
  readonly auto_create_slot: boolean;
  readonly drop_slot_on_stop: boolean;
  readonly slot_max_retries: number;
  readonly slot_retry_delay_ms: number;
  readonly publication: string;
  readonly auto_create_publication: boolean;
  readonly publication_autocreate_mode: "all_tables" | "filtered" | "disabled" | "no_tables";
  readonly schemas: readonly string[];
  readonly tables: readonly string[];
  readonly exclude_tables: readonly string[];
  readonly allow_missing_tables: boolean;
  readonly snapshot: {
    readonly mode: "initial" | "always" | "never" | "no_data" | "when_needed" | "initial_only" | "recovery";
    readonly include_tables: readonly string[];
    readonly exclude_tables: readonly string[];
    readonly select_overrides: Readonly<Record<string, string>>;
    readonly parallel_tables: number;
    readonly batch_size: number;
    readonly throttle_delay_ms: number;
    readonly query_timeout_secs: number;
  };
  readonly status_update_interval_ms: number;
  readonly schema_change_topic: SchemaChangeTopic;
  readonly transaction_topic: TransactionTopic;
}

const patterns = (what: string) =>
  z.array(streamPattern).default([]).describe(
    `${what}: exact, with * and ?, or a /regular expression/`,
  );

const snapshot = z.strictObject({
  mode: z.enum([
    "initial",
    "always",
    "never",
    "no_data",
    "when_needed",
    "initial_only",
    "recovery",
  ]).default("initial").describe(
    "What is read before the stream: initial: all rows, when no position is saved; never: nothing; no_data: the columns " +
      "of the tables, for schema_change_topic; always: all rows at each start; when_needed: as initial, and again " +
      "when the slot was lost; initial_only: all rows, then the end; recovery: as no_data at each start, and then from the " +
      "saved position on",
  ),
  include_tables: patterns("Only these of the captured tables are read in a snapshot"),
  exclude_tables: patterns("Captured tables that are not read in a snapshot"),
  select_overrides: z.record(z.string(), z.string().min(1)).default({}).describe(
    "By schema.table: the SELECT that gives its rows in a snapshot instead of the whole table; it must have all columns",
  ),
  parallel_tables: z.int().min(1).max(64).default(4).describe(
    "How many connections read at once: as many tables, or parts of large ones",
  ),
  batch_size: z.int().min(100).max(10_000_000).default(50_000).describe(
    "About how many rows of a table one statement reads; so many come again after an interruption at most",
  ),
  throttle_delay_ms: z.int().min(0).max(3_600_000).default(0).describe(
    "Pause of each connection between two statements, in milliseconds, which spares the server",
  ),
  query_timeout_secs: z.int().min(0).max(86_400).default(300).describe(
    "The longest time that the server may take for the next rows of a snapshot; 0: any",
  ),
});

const TYPE_DESCRIPTIONS: Record<keyof TypeOptions, string> = {
  decimal_handling:
    "numeric: exact text with a decimal type, exact text as a string, or a floating point number",
  time_precision:
    "Dates and times: ISO text, whole units since 1970 or midnight, or what Debezium's mode of that name gives",
  binary_handling:
    "bytea and other binary values: base64, its URL-safe alphabet, hex digits, or an array of numbers",
  uuid_handling: "uuid: text, or its 16 bytes written as binary_handling says",
  bigint_handling: "int8: a number with all its digits, a string, or a string only beyond 2^53 - 1",
  interval_handling: "interval: ISO 8601 duration, or microseconds with 365.25 / 12 days a month",
  hstore_handling: "hstore: an object, or that object's JSON text in a string",
  json_handling: "json and jsonb: part of the row's JSON, or their text in a string",
  timetz_handling: "timetz: with the offset it was stored with, or in UTC",
  bit_handling: "bit(n) and varbit: text of 0 and 1, or bytes with the last bit first",
  geometry_handling: "line, lseg, box, path, polygon, circle: PostgreSQL's text, or objects made of points",
  range_handling: "Ranges and multiranges: PostgreSQL's text, or objects with bounds",
};

const typeOptions = Object.fromEntries(
  Object.entries(TYPE_OPTION_VALUES).map(([name, values]) => [
    name,
    z.enum(values as unknown as [string, ...string[]]).default(values[0])
      .describe(TYPE_DESCRIPTIONS[name as keyof TypeOptions]),
  ]),
);

/** The keys of `config:` in a pipeline file. */
export const config: z.ZodType<PostgresConfig> = z.strictObject({
  ...loginKeys,
  slot_name: z.string().regex(/^[a-z0-9_]{1,63}$/, "1 to 63 lower case letters, digits and _").default(
    "rivven_slot",
  )
    .describe(
      "Replication slot, which keeps the server from removing what was not read; one for each source",
    ),
  auto_create_slot: z.boolean().default(true).describe("Create the slot when there is none"),
  drop_slot_on_stop: z.boolean().default(false).describe(
    "Drops the slot when the pipeline is stopped on request and all that was read is durable: what changes until the " +
      "next start is not captured, and that start is an error, or a new snapshot with snapshot.mode always or when_needed",
  ),
  slot_max_retries: z.int().min(0).max(1000).default(6)
    .describe(
      "While another connection uses the slot, it is tried again for this many times slot_retry_delay_ms",
    ),
  slot_retry_delay_ms: z.int().min(100).max(600_000).default(10_000)
    .describe("Longest pause between two tries to get the slot, in milliseconds"),
  publication: z.string().min(1).max(63).default("rivven_pub")
    .describe("Publication, which says what tables the server sends"),
  auto_create_publication: z.boolean().default(true).describe("Create the publication when there is none"),
  publication_autocreate_mode: z.enum(["filtered", "all_tables", "disabled", "no_tables"]).default("filtered")
    .describe(
      "What a new publication covers: filtered: the selected tables, all where nothing is selected; all_tables; " +
        "no_tables: tables are added by hand; disabled: none is created",
    ),
  schemas: patterns("Schemas whose tables are captured; empty: all"),
  tables: patterns("Tables that are captured, as table or schema.table; empty: all of the schemas"),
  exclude_tables: patterns("Tables that are not captured, whatever the other keys say"),
  allow_missing_tables: z.boolean().default(false).describe(
    "A name or pattern in schemas, tables or streams that no table matches is no failure of check",
  ),
  snapshot: snapshot.prefault({}).describe("Reading the rows that are there already"),
  status_update_interval_ms: z.int().min(100).max(600_000).default(10_000)
    .describe(
      "Longest pause between two messages to the server about how far the sinks are, in milliseconds",
    ),
  schema_change_topic: z.strictObject({
    enabled: z.boolean().default(false).describe(
      "Sends a record before the first one of a table that is new or was changed",
    ),
    topic_name: z.string().min(1).optional().describe(
      "Topic of these records; without it the source's name with .schema_changes",
    ),
    include_columns: z.boolean().default(true).describe("They list the columns, now and before"),
    schemas: z.array(z.string().min(1)).default([]).describe(
      "Only of tables in these schemas, by exact name; empty: of all captured tables",
    ),
  }).prefault({}).describe("Records of changed tables"),
  ...signalKeys,
  ...slotKeys,
  ...streamKeys,
  transaction_topic: z.strictObject({
    enabled: z.boolean().default(false).describe(
      "Gives each change its number in its transaction, and sends a record where a transaction begins and where it ends",
    ),
    topic_name: z.string().min(1).optional().describe(
      "Topic of these records; without it the source's name with .transaction",
    ),
    include_data_collections: z.boolean().default(true).describe(
      "The last one lists the tables and how many changes of each there were",
    ),
    min_events_threshold: z.int().min(0).max(1_000_000_000).default(0).describe(
      "Transactions with fewer changes get no such records",
    ),
  }).prefault({}).describe("Records of transactions"),
  ...typeOptions,
}).superRefine(refineLogin).superRefine(refineSlot) as unknown as z.ZodType<PostgresConfig>;

const definition: ConnectorDefinition<PostgresConfig> = defineConnector({
  type: "postgres-cdc",
  aliases: { postgres: {}, postgresql: {} },
  version: "0.1.0",
  category: "database_cdc",
  tags: ["cdc", "postgresql", "logical-replication", "pgoutput", "snapshot"],
  title: "PostgreSQL",
  summary: "Reads the rows and the changes of PostgreSQL tables",
  description:
    "Takes a consistent snapshot of the tables and goes on with every insert, update and delete from exactly that " +
    "point, by logical replication (pgoutput). The server keeps what was not read yet, and lets go of it only when the " +
    "sinks have it.",
  license: "Apache-2.0",
  config,
  upgradeConfig,
  foreignKeys,
  completeConfig: (given, machine) => {
    const completed = completeLogin(given, machine);
    return { ...completed, notes: [...completed.notes, ...slotNotes(given)] };
  },
  permissions,
  source: {
    guarantee: "exactly_once",
    ordering: "per_lane",
    mode: "singleton",
    syncModes: ["full_refresh", "incremental", "cdc"],
    discover: true,
    snapshots: true,
    loss: lossOf,
  },
  example,
});

export default definition;

/** The servers, by port or socket file, and the files that `tls` and `signal` name: nothing else. */
function permissions(config: PostgresConfig): Permissions {
  const servers = serversOf(config);
  const sockets = servers.filter(isSocket).map(socketPath);
  const { ca_cert_path, client_cert_path, client_key_path } = config.tls;
  const files = [ca_cert_path, client_cert_path, client_key_path, signalFile(config)].filter((path) =>
    path !== undefined
  );
  const net = servers.map((server) => isSocket(server) ? `unix:${socketPath(server)}` : addressText(server));
  const read = [...sockets, ...files];
  return { net, ...(read.length > 0 ? { read } : {}), ...(sockets.length > 0 ? { write: sockets } : {}) };
}

/** Spellings of earlier versions and of other tools. */
function upgradeConfig(given: Record<string, unknown>): { config: Record<string, unknown>; notes: string[] } {
  const config = { ...given };
  const notes: string[] = [];
  const rename = (from: string, to: string) => {
    if (!(from in config) || to in config) return;
    config[to] = config[from];
    delete config[from];
    notes.push(`"${from}" is called "${to}"`);
  };
  upgradeLogin(config, notes);
  upgradeStreamKeys(config, notes);
  rename("publication_name", "publication");
  if ("snapshot_mode" in config) {
    const block = isObject(config.snapshot) ? config.snapshot : {};
    if (!("mode" in block)) {
      config.snapshot = { ...block, mode: config.snapshot_mode };
      delete config.snapshot_mode;
      notes.push('"snapshot_mode" is called "mode" in "snapshot"');
    }
  }
  if ("provide_transaction_metadata" in config) {
    const block = isObject(config.transaction_topic) ? config.transaction_topic : {};
    if (!("enabled" in block)) {
      config.transaction_topic = { ...block, enabled: config.provide_transaction_metadata };
      delete config.provide_transaction_metadata;
      notes.push('"provide_transaction_metadata" is called "enabled" in "transaction_topic"');
    }
  }
  if (isObject(config.snapshot) && config.snapshot.mode === "schema_only") {
    config.snapshot = { ...config.snapshot, mode: "no_data" };
    notes.push('snapshot mode "schema_only" is called "no_data"');
  }
  if (isObject(config.snapshot) && config.snapshot.mode === "schema_only_recovery") {
    config.snapshot = { ...config.snapshot, mode: "recovery" };
    notes.push('snapshot mode "schema_only_recovery" is called "recovery"');
  }
  return { config, notes };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
