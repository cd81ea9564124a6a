/** Small connector definitions for tests of what reads, plans and describes pipeline files. No code behind them. */
import { z } from "zod";
import { type ConnectorDefinition, defineConnector } from "../../connectors/contract.ts";

const about = {
  version: "1.0.0",
  category: "utility_debug",
  tags: [],
  title: "Fake",
  summary: "A fake",
  description: "A fake for tests.",
  example: "",
} as const;

const batch = { cheap: false, maxRecords: 5000, maxBytes: 1_000_000, maxWaitMs: 2000 };

/** A change source with a password, a port, a choice, and keys of an older version. */
export const database = defineConnector({
  ...about,
  category: "database_cdc",
  type: "postgres-cdc",
  aliases: { postgres: {} },
  config: z.strictObject({
    host: z.string().min(1).describe("Address of the server"),
    port: z.int().min(1).max(65535).default(5432).describe("Port of the server"),
    database: z.string().describe("Name of the database"),
    user: z.string().describe("User with the right to replicate"),
    password: z.string().min(3).optional().meta({ secret: true }).describe("Password of the user"),
    slot_name: z.string().default("rivven_slot").describe("Replication slot"),
    publication: z.string().default("rivven_pub").describe("Publication"),
    tls: z.boolean().default(false).describe("Encrypt the connection"),
    snapshot_mode: z.enum(["initial", "never"]).default("initial").describe("When to read whole tables"),
    tags: z.record(z.string(), z.unknown()).optional().describe("Anything"),
    auth: z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("password"), secret: z.string().meta({ secret: true }) }),
      z.strictObject({ type: z.literal("key"), path: z.string() }),
    ]).optional().describe("How to log in"),
    hosts: z.union([z.string(), z.array(z.string())]).optional().describe("One or several servers"),
  }).refine((config) => config.slot_name !== config.publication, {
    path: ["slot_name"],
    error: (issue) =>
      `Slot "${(issue.input as { slot_name: string }).slot_name}" is named like the publication`,
    params: { hint: "Choose another name" },
  }),
  upgradeConfig: ({ username, passwd, ...config }) => {
    const notes: string[] = [];
    if (username !== undefined) notes.push('"username" is now "user"');
    if (passwd !== undefined) notes.push('"passwd" is now "password"');
    return {
      config: {
        ...config,
        ...(username !== undefined && { user: username }),
        ...(passwd !== undefined && { password: passwd }),
      },
      notes,
    };
  },
  permissions: ({ host, port }) => ({ net: [`${host}:${port}`] }),
  source: {
    guarantee: "exactly_once",
    ordering: "per_lane",
    mode: "singleton",
    syncModes: ["cdc", "full_refresh"],
    discover: true,
  },
});

/** A source without order. */
export const queue = defineConnector({
  ...about,
  type: "queue",
  config: z.strictObject({ url: z.url().describe("Address of the queue") }),
  permissions: ({ url }) => ({ net: [new URL(url).host] }),
  source: {
    guarantee: "at_least_once",
    ordering: "none",
    mode: "scalable",
    syncModes: ["incremental"],
    discover: false,
  },
});

/** An exactly-once sink that prefers `standard`. */
export const files = defineConnector({
  ...about,
  type: "file",
  config: z.strictObject({
    path: z.string().describe("Where to write"),
    batch_size: z.int().optional().describe("Records in a batch"),
    envelope: z.enum(["auto", "standard", "plain"]).default("auto").describe("Layout"),
  }),
  permissions: ({ path }) => ({ read: [path], write: [path] }),
  sink: {
    guarantee: "exactly_once",
    technique: "truncate",
    accepts: ["insert", "update", "delete", "snapshot", "record"],
    layout: "standard",
    batch,
  },
});

/** A sink with an alias that fixes a key. */
export const store = defineConnector({
  ...about,
  type: "object-storage",
  aliases: { s3: { provider: "s3" } },
  config: z.strictObject({
    provider: z.enum(["s3", "gcs"]).describe("Whose store"),
    bucket: z.string().describe("Name of the bucket"),
  }),
  permissions: () => ({ net: ["s3.amazonaws.com"], env: ["AWS_REGION"] }),
  sink: {
    guarantee: "at_least_once",
    accepts: ["insert"],
    layout: "plain",
    batch: { ...batch, cheap: true },
  },
});

/** The broker of the seed's Quick Start. */
export const broker = defineConnector({
  ...about,
  type: "rivven",
  config: z.strictObject({ address: z.string().describe("host:port of the broker") }),
  permissions: ({ address }) => ({ net: [address] }),
  sink: { guarantee: "at_least_once", accepts: ["insert"], layout: "auto", batch: { ...batch, cheap: true } },
});

export const fakeDefinitions = [
  database,
  queue,
  files,
  store,
  broker,
] as unknown as readonly ConnectorDefinition[];
