/** What datagen is: its keys and what they mean. Loaded wherever connectors are described; source.ts does the work. */
import { z } from "zod";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { type ConnectorDefinition, defineConnector } from "../contract.ts";
import example from "./example.gen.ts";
import { type PatternName, PATTERNS } from "./patterns/patterns.ts";

const MAX_SEED = 2n ** 64n - 1n;

const seed = z.union([
  z.int("Must be an integer from 0; write one above 2⁵³ in quotes").min(0),
  z.string().regex(/^\d{1,20}$/, "Must be digits only").refine(
    (text) => !/^\d{1,20}$/.test(text) || BigInt(text) <= MAX_SEED,
    "Must be below 2⁶⁴",
  ),
]);

const weight = z.int().min(0).max(10_000);

const config = z.strictObject({
  pattern: z.enum(Object.keys(PATTERNS) as [PatternName, ...PatternName[]]).default("random")
    .describe(
      "What the records look like: counters, random objects, people, orders, visits, measurements, pairs",
    ),
  events_per_second: z.int().min(0).max(100_000).default(10)
    .describe("Records per second; 0: as fast as the sinks take them"),
  max_events: z.int().min(0).default(0)
    .describe("The source ends, successfully, after this many records in all its runs; 0: never"),
  stream_name: z.string().min(1).max(255).default("datagen").describe("Name of the stream, as of a table"),
  namespace: z.string().min(1).max(255).optional().describe(
    "Namespace of the stream, as of a schema; none when left out",
  ),
  include_sequence: z.boolean().default(true).describe(
    "Adds `_sequence`: the record's number, counting from 0",
  ),
  include_timestamp: z.boolean().default(true).describe(
    "Adds `_timestamp`: when the record was made, in UTC",
  ),
  custom_fields: z.record(z.string().min(1), z.json()).default({})
    .describe("Fields that are added to every row; one with the name of a generated field replaces it"),
  seed: seed.optional()
    .describe(
      "Start of the random numbers, 0 to 2⁶⁴ − 1 (in quotes above 2⁵³): the same seed gives the same values. " +
        "Chosen once and kept when left out",
    ),
  deterministic: z.boolean().default(false)
    .describe(
      "Times come from a virtual clock, so that two runs with one seed give the same rows; needs `seed`",
    ),
  start_time: z.iso.datetime({ offset: true, error: "Must be a time such as 2025-01-01T00:00:00Z" })
    .refine((text) => !(Date.parse(text) < 0), "Must not be before 1970").optional()
    .describe(
      "The virtual clock's start (RFC 3339, from 1970 on); it moves on by one record's share of a second with each " +
        "record. Left out: 2025-01-01T00:00:00Z with `deterministic`, otherwise times are real",
    ),
  on_restart: z.enum(["continue", "restart"]).default("continue")
    .describe(
      "Where a start with a saved position goes on: behind it, or at record 0 with the same identities again",
    ),
  batch_size: z.int().min(1).max(10_000).optional()
    .describe(
      "Most records in a batch, of which no batch has more than 1000. Left out: 100, or 1000 when " +
        "`events_per_second` is 0",
    ),
  price_mode: z.enum(["cents", "upstream"]).default("cents")
    .describe("Amounts of money in `orders` and `events`: with cents, or as rivven-connect 0.0.x draws them"),
  safe_domains: z.boolean().default(false)
    .describe("Mail addresses in `users` only in domains that nobody can own (RFC 2606)"),
  cdc_mode: z.boolean().default(false)
    .describe("Inserts, updates and deletes with keys, as from a table, instead of plain records"),
  cdc_weights: z.strictObject({
    insert: weight.default(60).describe("Share of inserts"),
    update: weight.default(30).describe("Share of updates"),
    delete: weight.default(10).describe("Share of deletes"),
  }).optional().describe("How often each operation is drawn; 60, 30 and 10 when left out. Needs `cdc_mode`"),
  update_mode: z.enum(["full", "partial"]).default("full")
    .describe("What an update changes: every field but the key, or one to three. `partial` needs `cdc_mode`"),
  initial_rows: z.int().min(0).max(100_000_000).default(0)
    .describe(
      "Rows that exist at the start and come first, as a snapshot; they count as records. Needs `cdc_mode`",
    ),
  tombstone: z.strictObject({
    enabled: z.boolean().default(false).describe(
      "Sends a tombstone, a key without a value, after each delete",
    ),
  }).optional().describe("Tombstones for compacted topics; none when left out. Needs `cdc_mode`"),
  envelope: z.enum(LAYOUTS).optional()
    .describe("How sinks that don't say it themselves write these records; left out: as suits the sink"),
}).superRefine((value, context) => {
  const refuse = (path: PropertyKey[], message: string) =>
    context.addIssue({ code: "custom", path, message });

  if (value.deterministic && value.seed === undefined) {
    refuse(["deterministic"], "Needs `seed`: without one, every first start draws other values");
  }
  if (!value.cdc_mode) {
    const changing = {
      cdc_weights: value.cdc_weights !== undefined,
      update_mode: value.update_mode === "partial",
      initial_rows: value.initial_rows > 0,
      tombstone: value.tombstone?.enabled === true,
    };
    for (const [key, isSet] of Object.entries(changing)) {
      if (isSet) refuse([key], "Has a meaning only with `cdc_mode: true`");
    }
  }
  if (value.price_mode === "upstream" && value.pattern !== "orders" && value.pattern !== "events") {
    refuse(["price_mode"], `Has a meaning only for the patterns orders and events, not for ${value.pattern}`);
  }
  if (value.safe_domains && value.pattern !== "users") {
    refuse(["safe_domains"], `Has a meaning only for the pattern users, not for ${value.pattern}`);
  }
  if (
    value.cdc_weights && value.cdc_weights.insert + value.cdc_weights.update + value.cdc_weights.delete === 0
  ) {
    refuse(["cdc_weights"], "At least one share must be above 0");
  }
  if (value.cdc_mode) {
    const [identity] = PATTERNS[value.pattern]({ priceMode: "cents", safeDomains: false }).fields;
    if (Object.hasOwn(value.custom_fields, identity.column.name)) {
      refuse(
        ["custom_fields", identity.column.name],
        `Is the key of the rows of ${value.pattern}: one value for all of them can't be with \`cdc_mode\``,
      );
    }
  }
  const inexact = findInexact(value.custom_fields, ["custom_fields"]);
  if (inexact) refuse(inexact, "Is an integer beyond 2⁵³, which can't be kept exactly: write it in quotes");
});

/** The path of an integer that has lost digits already when the file was read. */
function findInexact(value: unknown, path: PropertyKey[]): PropertyKey[] | undefined {
  if (typeof value === "number") {
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? path : undefined;
  }
  if (value === null || typeof value !== "object") return undefined;
  for (const [name, member] of Object.entries(value)) {
    const found = findInexact(member, [...path, name]);
    if (found) return found;
  }
}

export type DatagenConfig = z.output<typeof config>;

const definition: ConnectorDefinition<DatagenConfig> = defineConnector({
  type: "datagen",
  version: "1.0.0",
  category: "utility_generate",
  tags: ["synthetic", "test", "demo", "cdc"],
  title: "Generated data",
  summary: "Makes up records: people, orders, visits, measurements, or changes of a table",
  description:
    "Generates records without any outside system, at a given rate or as fast as the sinks take them. " +
    "A seed makes the values repeatable, cdc_mode simulates inserts, updates and deletes with keys, and a restart " +
    "continues exactly where the last durable record was.",
  license: "Apache-2.0",
  config,
  upgradeConfig(config) {
    if (config.envelope !== "source_event") return { config, notes: [] };
    return {
      config: { ...config, envelope: "rivven" },
      notes: ["envelope: source_event is now called rivven"],
    };
  },
  permissions: () => ({}),
  source: {
    guarantee: "exactly_once",
    ordering: "per_lane",
    mode: "singleton",
    syncModes: ["full_refresh", "incremental"],
    discover: true,
  },
  example,
});

export default definition;
