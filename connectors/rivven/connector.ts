/** What the `rivven` connector is: records published to topics of Rivven's broker, and read from them. */
import { z } from "zod";
import { streamPattern } from "../../formats/data/stream_pattern_key.ts";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { OPERATIONS } from "../../formats/data/record.ts";
import { normalization, placeholders, topicPattern } from "../../formats/topic/keys.ts";
import { type ConnectorDefinition, defineConnector } from "../contract.ts";
import { addressText, parseAddress } from "./client/address.ts";
import example from "./example.gen.ts";
import { carriesOrder } from "./identity.ts";

const server = z.string().min(1).superRefine((text, context) => {
  if (parseAddress(text) !== undefined) return;
  context.addIssue({
    code: "custom",
    message: `"${text}" is no address: write host or host:port`,
    input: text,
  });
});

const tls = z.strictObject({
  enabled: z.boolean().default(true).describe("Whether connections are encrypted (a broker built with TLS)"),
  ca_path: z.string().min(1).optional().describe(
    "PEM file of the CA that has signed the broker's certificate; without it the system's CAs count",
  ),
  cert_path: z.string().min(1).optional().describe(
    "PEM file of our own certificate, where the broker asks for one",
  ),
  key_path: z.string().min(1).optional().describe("PEM file of the key to `cert_path`"),
  server_name: z.string().min(1).optional().describe(
    "The name that the broker's certificate must have; without it the host of the address",
  ),
  insecure: z.boolean().default(false).describe("Encrypts without asking who the broker is: for tests only"),
}).refine(({ cert_path, key_path }) => (cert_path === undefined) === (key_path === undefined), {
  message: "cert_path and key_path belong together",
});

const auth = z.strictObject({
  mechanism: z.enum(["scram-sha-256", "plain"]).default("scram-sha-256").describe(
    "How to log in; `plain` sends the password and needs TLS",
  ),
  username: z.string().min(1).describe("The user"),
  password: z.string().describe("Its password").meta({ secret: true }),
});

const retry = z.strictObject({
  max_retries: z.int().min(0).optional().describe(
    "How often a request is tried again before the pipeline is; 10 when left out",
  ),
  initial_backoff_ms: z.int().min(1).optional().describe(
    "Wait before the first of them, in milliseconds; 100 when left out",
  ),
  max_backoff_ms: z.int().min(1).optional().describe(
    "The longest wait, in milliseconds; 10000 when left out",
  ),
  backoff_multiplier: z.number().min(1).optional().describe(
    "How much longer each wait is than the one before; 2 when left out",
  ),
});

/** What would let changes of one row overtake each other. */
const UNORDERED = new Set(["round_robin", "random", "least_backup", "manual"]);
/** As other programs call what we do for keys. */
const KEY_HASH = new Set(["murmur2", "murmur2_hash", "default"]);

const partitioner = z.strictObject({
  strategy: z.preprocess(
    (text) => typeof text === "string" && KEY_HASH.has(text) ? "key_hash" : text,
    z.enum(["key_hash", "table_hash", "full_table_hash", "sticky"], {
      error: ({ input }) =>
        typeof input === "string" && UNORDERED.has(input)
          ? `${input} would let changes of one row overtake each other`
          : undefined,
    }),
  ).default("key_hash").describe(
    "`key_hash`: by the key, as the broker and Kafka do, and by the names of the table where there is none; " +
      "`table_hash`, `full_table_hash`: one for each table, by its name, or by its schema and name; `sticky`: always " +
      "`partition`",
  ),
  columns: z.array(z.string().min(1)).min(1).optional().describe(
    "With `key_hash`: these columns of the key count instead of all, so that rows which share them share a partition",
  ),
  partition: z.int().min(0).optional().describe("With `sticky`: which one; the first is 0"),
}).superRefine(({ strategy, columns, partition }, context) => {
  const problem = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message, input: path });
  if (columns !== undefined && strategy !== "key_hash") problem("columns", "Only key_hash has columns");
  if ((partition !== undefined) !== (strategy === "sticky")) {
    problem("partition", "It belongs to strategy: sticky, which needs it");
  }
});

/** Keys of one side, which would do nothing on the other. */
const SINK_KEYS = ["topic", "normalization", "topic_config", "partitioner", "batch_size"];
const SOURCE_KEYS = [
  "consumer_group",
  "start_offset",
  "on_out_of_range",
  "offset_commit_interval",
  "metadata_refresh_ms",
];

/** Keys that other brokers' sinks have, with the value that asks for nothing and why no other is possible. */
const IMPOSSIBLE: Readonly<Record<string, { readonly off: unknown; readonly why: string }>> = {
  idempotent: {
    off: false,
    why:
      "The broker's idempotent producer answers for records of a batch that it has not written, so they would be lost",
  },
  linger_ms: {
    off: 0,
    why: "Nothing waits for more: what comes while a batch is on its way is the next batch",
  },
  compression: { off: "none", why: "The broker's protocol has no compression" },
};

const config = z.strictObject({
  address: server.optional().describe("The broker, `host:port`; 9092 when there is no port"),
  bootstrap_servers: z.array(server).min(1).optional().describe(
    "Several brokers instead of `address`, tried in turn; a text with commas is taken apart",
  ),
  tls: tls.optional().describe("Encryption; without it connections are plain"),
  auth: auth.optional().describe("Login; without it none is tried"),
  connections: z.int().min(1).max(64).default(16).describe(
    "Most connections at once. The broker takes 100 of one host. It answers each one's requests one after the other, " +
      "about 500 published records a second, so this and the number of partitions bound the throughput",
  ),
  connection_timeout_ms: z.int().min(100).default(10_000).describe("Longest wait for a connection"),
  request_timeout_ms: z.int().min(1000).default(30_000).describe(
    "Longest wait for an answer; then the connection is given up",
  ),
  retry: retry.prefault({}).describe(
    "Tries of one request after a lost connection or an error that may pass; what is left out is as in settings.retry",
  ),
  envelope: z.enum([...LAYOUTS, "none"]).optional().describe(
    "Sink: the layout of what is published, without it `standard` for changes and `rivven` for records that are no " +
      "changes. Source: `auto` (as without it) turns what is recognised as one of these layouts back into the record " +
      "that it was, `none` gives every message as it is",
  ),
  topic: topicPattern.optional().describe(
    `Sink: the topic; placeholders give one for each stream: ${placeholders}. A topic that the source or a transform ` +
      "has chosen wins. Without it {source}.{namespace}.{stream}",
  ),
  normalization: normalization.optional().describe(
    "Sink: how names become parts of topics; without it other characters than letters, digits, `_` and `-` become `_`",
  ),
  topic_config: z.strictObject({
    auto_create: z.boolean().optional().describe(
      "Makes topics that are missing; false: stops instead. True when nothing says otherwise",
    ),
    partitions: z.int().min(1).max(1000).optional().describe(
      "Partitions of a topic that is made here; without it the broker's default, which is 3",
    ),
    require_topic_exists: z.boolean().optional().describe(
      "With auto_create: false: true stops where a topic is missing, false waits for somebody to make it. True when " +
        "nothing says otherwise",
    ),
    validate_existing: z.boolean().optional().describe(
      "Stops where a topic that exists has another number of partitions than `partitions`",
    ),
  }).prefault({}).describe(
    "Sink: topics that do not exist yet; what is left out is as in the source's topic_config, then as in settings.topic",
  ),
  partitioner: partitioner.optional().describe(
    "Sink: which partition of its topic a record goes to; without it that of its key",
  ),
  batch_size: z.int().min(1).max(1000).default(100).describe(
    "Sink: most records of one request. More than 100 gain nothing: the broker writes one after the other",
  ),
  topics: z.array(streamPattern).min(1).optional().describe(
    "Source, required there: the topics to read, by name, with `*` and `?`, or as a /regular expression/; new ones that " +
      "fit are found while it runs",
  ),
  consumer_group: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/, {
    error: "A group has 1 to 255 letters, digits, dots, - and _, with a letter or digit in front",
  }).optional().describe(
    "Source: the group whose offsets at the broker follow what the pipeline has made durable. Reading begins at them " +
      "where they are ahead of the pipeline's own state, or this has none. Without a group nothing is committed there",
  ),
  offset_commit_interval: z.int().min(0).optional().describe(
    "Source: the group's offsets follow after so many records at the latest; without it, and anyway, after a second",
  ),
  start_offset: z.union([
    z.enum(["earliest", "latest"]),
    z.strictObject({
      timestamp: z.iso.datetime({ offset: true }).describe("RFC 3339; the first records at or after it"),
    }),
  ]).default("earliest").describe(
    "Source: where a first run begins. Topics that appear later are read from their beginning",
  ),
  on_out_of_range: z.enum(["stop", "earliest", "latest"]).default("stop").describe(
    "Source: what to do when the records at the saved position are gone (deleted, or the topic was made anew): `stop` " +
      "with an error, or go on at one end of what is there",
  ),
  metadata_refresh_ms: z.int().min(100).default(5000).describe(
    "Source: how often new topics and partitions are looked for, in milliseconds",
  ),
}).superRefine((keys, context) => {
  const problem = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message, input: keys });
  if ((keys.address === undefined) === (keys.bootstrap_servers === undefined)) {
    problem("address", "Give address, or bootstrap_servers, and not both");
  }
  const isSource = keys.topics !== undefined;
  if (isSource && ![undefined, "auto", "none"].includes(keys.envelope)) {
    problem("envelope", "Of a source this is auto or none; the layout belongs to the sink");
  }
  if (!isSource && keys.envelope === "none") {
    problem("envelope", `A sink writes one of ${LAYOUTS.join(", ")}`);
  }
});

export type RivvenConfig = z.output<typeof config> & {
  /** Not in files: a first run does not begin at the group's offsets, but sets them to where it begins. */
  readonly resets_group?: boolean;
};

const definition: ConnectorDefinition<RivvenConfig> = defineConnector<RivvenConfig>({
  type: "rivven",
  version: "1.0.0",
  category: "messaging_rivven",
  tags: ["broker", "topics", "queue"],
  title: "Rivven broker",
  summary: "Publishes records to topics of a Rivven broker, and reads them",
  description:
    "Publishes each record with its key, so that the order of a row's changes is kept and topics can be compacted. " +
    "Batches go over many connections, one at a time for each partition. What is recognised as an envelope is read " +
    "back as the change that it was.",
  config,
  upgradeConfig(config) {
    const servers = config.bootstrap_servers;
    if (typeof servers !== "string") return { config, notes: [] };
    return {
      config: { ...config, bootstrap_servers: servers.split(",").map((text) => text.trim()) },
      notes: [],
    };
  },
  completeConfig(given) {
    const config = { ...given };
    const problems: { key: string; message: string; hint?: string }[] = [];
    for (const [key, { off, why }] of Object.entries(IMPOSSIBLE)) {
      if (!(key in config)) continue;
      if (config[key] !== off) problems.push({ key, message: why, hint: `Remove ${key}` });
      delete config[key];
    }
    if (isMap(config.auth) && "token" in config.auth) {
      const { token: _, ...auth } = config.auth;
      config.auth = auth;
      problems.push({
        key: "auth",
        message: "The broker has no login by token",
        hint: "Give username and password, and remove token",
      });
    }
    const isSource = config.topics !== undefined;
    for (const key of isSource ? SINK_KEYS : SOURCE_KEYS) {
      if (config[key] === undefined) continue;
      const message = isSource
        ? `${key} is a key of the sink, and with topics this is a source`
        : `${key} is a key of the source, which has topics`;
      problems.push({ key, message });
    }
    return { config, notes: [], problems };
  },
  withBrokerSettings: (config, { retry, topic }) => ({
    ...config,
    retry: { ...retry, ...config.retry },
    topic_config: { ...topic, ...config.topic_config },
  }),
  permissions(config) {
    const files = config.tls?.enabled ? [config.tls.ca_path, config.tls.cert_path, config.tls.key_path] : [];
    const read = files.filter((path) => path !== undefined);
    const net = (config.bootstrap_servers ?? [config.address!]).map((text) =>
      addressText(parseAddress(text)!)
    );
    return { net: [...new Set(net)], ...(read.length > 0 ? { read } : {}) };
  },
  source: {
    guarantee: "exactly_once",
    ordering: "per_lane",
    mode: "singleton",
    syncModes: ["incremental"],
    discover: true,
    startAt: (config: RivvenConfig, start): RivvenConfig => ({
      ...config,
      start_offset: start,
      resets_group: true,
    }),
  },
  sink: {
    guarantee: "exactly_once",
    technique: "lookup",
    exception: (_config, layout) =>
      carriesOrder(layout)
        ? undefined
        : `writes layout ${layout}, which does not say which records these are`,
    accepts: OPERATIONS,
    layout: "auto",
    // A flush waits for the slowest partition, so under load it comes every few seconds only.
    batch: { cheap: true, minIntervalMs: 5, maxRecords: 50_000, maxBytes: 64 << 20, maxWaitMs: 5000 },
  },
  example,
});

export default definition;

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
