/**
 * The pipeline file as zod schemas, all of it but the inside of `config:`, which belongs to each connector. config.ts
 * validates with them; pipeline_schema.ts turns them into the editor's JSON Schema, so every key has its description.
 */
import { z } from "zod";
import { streamPattern } from "../../formats/data/stream_pattern_key.ts";
import { topicName } from "../../formats/topic/keys.ts";
import { broker, sinkTopics, startOffset } from "./broker_keys.ts";

const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]{0,199}$/u;
const name = z.string().regex(NAME, "A name is made of letters, digits, _, - and .");
const count = z.int().min(0);
const ms = z.int().min(0).max(2 ** 31 - 1);
const port = z.int().min(0).max(65535);
const text = z.string().min(1);
const ANYTHING = z.unknown();

const HOST =
  /^(?:unix:\/.+|(?:\*\.)?[\w.-]+(?::\d{1,5})?|[\d.]+\/\d{1,2}(?::\d{1,5})?|\[?[\da-fA-F:]+\]?(?:\/\d{1,3})?(?::\d{1,5})?)$/;

const allow = z.strictObject({
  net: z.array(
    z.string().regex(HOST, "A host is written host:port, host, *.domain, an address or a CIDR range"),
  )
    .default([])
    .describe("Hosts its worker may reach besides those its config names: host:port, *.domain, CIDR"),
});

const ENVELOPES = ["auto", "standard", "rivven", "source_event", "cdc_event", "plain", "full"] as const;
const envelope = z.enum(ENVELOPES);

/** Keys that sources and sinks share. */
const either = {
  connector: text.describe("Type of the connector: one that `rivven-connect spec` lists, or an alias of it"),
  enabled: z.boolean().default(true).describe("false: it is left out, and so are the pipelines that name it"),
  config: ANYTHING.optional().describe("Keys of the connector itself: `rivven-connect spec <connector>`"),
  required: z.boolean().default(true).describe("false: its trouble does not make /ready fail"),
  allow: allow.optional().describe("Rights that only the server's answers make necessary"),
  mode: z.enum(["singleton", "scalable", "partitioned"]).optional()
    .describe("How several processes share it; only singleton in this build"),
  tasks_max: z.int().min(1).optional().describe("Number of instances; only 1 in this build"),
  transforms: z.array(ANYTHING).optional().describe(
    "What all records that it reads, or is to write, go through: names under transforms, or {type, config}",
  ),
  dead_letter_topic: topicName.optional().describe(
    "Topic of the broker for records that fail here, in pipelines that name none; without it they are kept in " +
      "settings.state_dir",
  ),
  schema_registry_url: z.string().optional().describe("Schema registry; not in this build"),
};

const stream = z.strictObject({
  name: text.describe("Table, topic or queue; may hold its namespace: public.orders"),
  namespace: text.optional().describe("Schema (PostgreSQL, SQL Server) or database (MySQL)"),
  sync_mode: z.enum(["full_refresh", "incremental"]).default("incremental")
    .describe("incremental: its rows, then its changes; full_refresh: its rows only"),
  cursor_field: text.optional().describe("Column that grows, for sources that read by queries"),
});

/** The broker's request to make a topic has no place for it. */
const oneCopy = z.int().min(1).refine(
  (copies) => copies === 1,
  "The broker decides how many copies a topic has: remove it",
);

const table = z.strictObject({
  schema: text.optional().describe("Schema (PostgreSQL, SQL Server) or database (MySQL); without it all"),
  table: text.describe("Name of the table"),
  topic: topicName.optional().describe("Topic of its records; config.topic_routing wins"),
});

const source = z.strictObject({
  ...either,
  topic: topicName.optional().describe(
    "Topic for sinks that publish to a broker; in no pipeline: the topic of the file's broker to publish to. " +
      "config.topic_routing and tables[].topic win",
  ),
  topic_config: z.strictObject({
    partitions: z.int().min(1).optional().describe("Partitions of a topic that is created"),
    replication_factor: oneCopy.optional().describe("Only 1: the broker can't be asked for more"),
    auto_create: z.boolean().optional().describe("Create the topic when it is missing"),
  }).optional().describe("How topics are created by sinks that publish to a broker; over settings.topic"),
  streams: z.array(stream).default([]).describe(
    "What to read; empty: all that the connector's own keys select",
  ),
  tables: z.array(table).optional().describe("Older form of streams: tables to read, each with a topic"),
  rate_limit: z.strictObject({
    events_per_second: count.default(0).describe(
      "Most records per second, over all its pipelines; 0: no limit",
    ),
    max_in_flight: count.default(0).describe("Only 0 in this build"),
    burst_size: count.default(0).describe("Only 0 in this build"),
  }).optional().describe("How fast it is read"),
  envelope: envelope.optional().describe("Written layout of its records; a sink's own `envelope` wins"),
  payload: z.enum(["envelope", "data"]).optional().describe(
    "envelope: as envelope: auto; data: as envelope: plain",
  ),
});

const sink = z.strictObject({
  ...either,
  batch: z.strictObject({
    max_records: z.int().min(1).optional().describe("Records after which it makes durable what it has"),
    max_bytes: z.int().min(1).optional().describe("Bytes after which it makes durable what it has"),
    timeout_ms: ms.min(1).optional().describe(
      "Longest wait before it makes durable what it has, in milliseconds",
    ),
  }).optional().describe("When the sink commits; without it the connector's own limits"),
  rate_limit: z.strictObject({
    events_per_second: count.default(0).describe(
      "Most records per second of each pipeline into it; 0: no limit",
    ),
    burst_capacity: count.default(0).describe("Only 0 in this build"),
  }).optional().describe("How fast it is written to"),
  envelope: envelope.optional().describe("Written layout of the records; auto: what suits the sink"),
  payload: z.enum(["envelope", "data"]).optional().describe(
    "envelope: as envelope: auto; data: as envelope: plain",
  ),
  topics: sinkTopics.optional().describe(
    "Topics of the file's broker that feed the sink where no pipeline does: names, also with * and ?, or " +
      "{ pattern: regular expression }; new ones are found while it runs",
  ),
  consumer_group: text.optional().describe(
    "Group whose offsets at the broker follow what is durable; without it connect-<name of the sink>",
  ),
  start_offset: startOffset.optional().describe(
    "Where a first run begins in a topic: earliest, latest or { timestamp: … }. Without it latest; earliest where this " +
      "file publishes to the broker as well",
  ),
  on_out_of_range: z.enum(["stop", "earliest", "latest"]).optional().describe(
    "What to do when the records at the saved position are gone, or the topic was made anew: stop (as without it), or " +
      "go on at one end of what is there",
  ),
  offset_commit_interval: count.optional().describe(
    "The group's offsets follow after so many records at the latest; without it, and anyway, after a second",
  ),
});

const pipelineRate = z.strictObject({
  events_per_second: count.describe("Most records per second; 0: no limit"),
  burst_capacity: count.default(0).describe("Only 0 in this build"),
});

const pipeline = z.strictObject({
  source: text.describe("Name of a source of this file"),
  sink: text.describe("Name of a sink of this file"),
  streams: z.array(streamPattern).default([])
    .describe(
      "Streams it takes: names, globs with * and ?, or /regular expressions/; empty: all of the source",
    ),
  transforms: z.array(ANYTHING).optional().describe(
    "What its records go through: names under transforms, or {type, config}",
  ),
  enabled: z.boolean().default(true).describe("false: it is not run"),
  settings: z.strictObject({
    rate_limit: z.union([count, pipelineRate]).default(0).describe("Most records per second; 0: no limit"),
    on_error: z.enum(["skip", "stop", "dead_letter"]).default("stop")
      .describe(
        "What becomes of a record that can't be read, transformed or written: left out with a warning, pipeline " +
          "stopped, or kept aside for `dlq`. dead_letter where a dead_letter_topic is given",
      ),
    dead_letter_topic: topicName.optional().describe(
      "Topic of the broker for records that fail; without it they are kept in settings.state_dir",
    ),
    dead_letter_max_ratio: z.number().min(0).max(1).default(0.5)
      .describe("Share of the last 1000 records that may be rejected before the pipeline stops"),
  }).prefault({}).describe("How it is run"),
});

const health = z.strictObject({
  enabled: z.boolean().default(false).describe("Only false in this build"),
  host: text.default("0.0.0.0").describe("Address to listen at"),
  port: port.default(8080).describe("Port to listen at"),
  path: z.string().startsWith("/").default("/health").describe("Path of the health page"),
});

const metrics = z.strictObject({
  enabled: z.boolean().default(false).describe("Only false in this build"),
  host: text.default("0.0.0.0").describe("Address to listen at"),
  port: port.default(9091).describe("Port to listen at"),
});

const telemetry = z.strictObject({
  enabled: z.boolean().default(false).describe("Only false in this build"),
  service_name: text.default("rivven-connect").describe("Name this process reports"),
  exporter: ANYTHING.optional().describe("Where traces go"),
  sample_ratio: z.number().min(0).max(1).default(1).describe("Share of traces that is kept"),
  resource_attributes: z.record(z.string(), ANYTHING).default({}).describe("Attributes of every trace"),
  propagation: z.enum(["w3c", "jaeger", "b3", "b3multi"]).default("w3c").describe("Format of trace headers"),
  batch: z.strictObject({
    max_queue_size: count.default(2048).describe("Spans that may wait"),
    max_export_batch_size: count.default(512).describe("Spans in one export"),
    scheduled_delay_ms: ms.default(5000).describe("Time between exports, in milliseconds"),
    export_timeout_ms: ms.default(30_000).describe("Longest export, in milliseconds"),
  }).optional().describe("How traces are exported"),
});

const settings = z.strictObject({
  state_dir: text.default("./data/connect-state")
    .describe("Folder for positions and dead letters, from the working directory; one process at a time"),
  log_level: z.enum(["debug", "info", "warn", "error"]).default("info").describe(
    "Least important level to log",
  ),
  log_format: z.enum(["text", "json"]).default("text").describe(
    "Lines for people or JSON lines, on standard error",
  ),
  shutdown_timeout_ms: ms.default(30_000).describe(
    "Longest time to drain after a stop signal, in milliseconds",
  ),
  isolation: z.enum(["worker", "process"]).default("worker").describe("Only worker in this build"),
  health: health.optional().describe("Health endpoint; not in this build"),
  metrics: metrics.optional().describe("Metrics endpoint; not in this build"),
  telemetry: telemetry.optional().describe("Traces; not in this build"),
  admin: ANYTHING.optional().describe("Administration endpoint; not in this build"),
  topic: z.strictObject({
    auto_create: z.boolean().default(true).describe("Create topics that are missing"),
    default_partitions: z.int().min(1).optional().describe(
      "Partitions of a topic that is created; without it the broker's default",
    ),
    default_replication_factor: oneCopy.default(1).describe("Only 1: the broker can't be asked for more"),
    require_topic_exists: z.boolean().default(true).describe(
      "Without auto_create: fail where a topic is missing; false: wait for it",
    ),
    validate_existing: z.boolean().default(false).describe(
      "Fail where a topic that exists has another number of partitions",
    ),
  }).optional().describe("Topics that sinks publish to at a broker; their own topic_config wins"),
  retry: z.strictObject({
    max_retries: count.default(10).describe("How often a request to the broker is tried again"),
    initial_backoff_ms: ms.min(1).default(100).describe("First pause, in milliseconds"),
    max_backoff_ms: ms.min(1).default(30_000).describe("Longest pause, in milliseconds"),
    backoff_multiplier: z.number().min(1).default(2).describe("How much longer each pause is"),
  }).optional().describe("Requests to a broker; the retry of a connector's config wins"),
});

const schemaRegistry = z.strictObject({
  mode: z.enum(["external", "glue", "disabled"]).optional().describe("Only disabled in this build"),
  external: ANYTHING.optional().describe("A registry at a URL"),
  glue: ANYTHING.optional().describe("AWS Glue"),
  url: z.string().optional().describe("Older place of external.url"),
  username: z.string().optional().describe("Older place of external.username"),
  password: z.string().meta({ secret: true }).optional().describe("Older place of external.password"),
  region: z.string().optional().describe("Older place of glue.region"),
  registry_name: z.string().optional().describe("Older place of glue.registry_name"),
  cache_ttl_secs: count.optional().describe("Older place of glue.cache_ttl_secs"),
});

const distributed = z.looseObject({
  enabled: z.boolean().default(false).describe("Only false in this build"),
});

/** The whole file. */
export const pipelineFile = z.strictObject({
  version: z.union([z.enum(["1", "1.0"]), z.literal(1)]).default("1.0").describe("Version of this format"),
  sources: z.record(name, source).nullish().describe("What records are read from"),
  sinks: z.record(name, sink).nullish().describe("What records are written to"),
  pipelines: z.record(name, pipeline).nullish().describe("Which source feeds which sink"),
  settings: settings.prefault({}).describe("The program itself"),
  schema_registry: schemaRegistry.optional().describe("Schema registry; only mode disabled in this build"),
  distributed: distributed.optional().describe("Several processes as one; not in this build"),
  broker: broker.optional().describe(
    "Broker that sources with a topic publish to and sinks with topics read",
  ),
  transforms: ANYTHING.optional().describe("Transforms by name, for the lists of transforms"),
  predicates: ANYTHING.optional().describe("Predicates by name, for transforms"),
  plugins: ANYTHING.optional().describe("Connectors from elsewhere; not in this build"),
  secrets: ANYTHING.optional().describe("Secret stores; not in this build"),
});

export type PipelineFile = z.output<typeof pipelineFile>;
export type SourceEntry = z.output<typeof source>;
export type SinkEntry = z.output<typeof sink>;
export type PipelineEntry = z.output<typeof pipeline>;
