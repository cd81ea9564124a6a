/** What the `object-storage` sink is: records in objects of S3, GCS or Azure, or in files made like them. */
import { z } from "zod";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { OPERATIONS } from "../../formats/data/record.ts";
import { formatKeys, formatProblems } from "../../formats/files/options.ts";
import {
  type CompletedConfig,
  type ConnectorDefinition,
  defineConnector,
  type Machine,
} from "../contract.ts";
import { azureConfig, completeAzure, permissionsOf as azurePermissions } from "./azure/config.ts";
import example from "./example.gen.ts";
import { PARTITIONINGS, PLACEHOLDERS, templateProblem } from "./folder_template.ts";
import { completeGcs, gcsConfig, permissionsOf as gcsPermissions } from "./gcs/config.ts";
import { completeS3 } from "./s3/complete.ts";
import { s3Keys } from "./s3/config.ts";
import { s3Permissions } from "./s3/address.ts";
import { upgradeConfig } from "./upgrade.ts";

const placeholders = Object.keys(PLACEHOLDERS).map((name) => `{${name}}`).join(" ");
const PROVIDERS = ["s3", "gcs", "azure", "local"] as const;

const template = (text: string, context: z.RefinementCtx) => {
  const message = templateProblem(text);
  if (message) context.addIssue({ code: "custom", message, input: text });
};

const config = z.strictObject({
  provider: z.enum(PROVIDERS).default("s3").describe(
    "Where objects go: `s3` (also MinIO, R2 and others that speak it), `gcs` (Google Cloud Storage), `azure` (Blob Storage) or `local`, files below a folder",
  ),
  bucket: z.string().min(1).optional().describe(
    "The bucket; of `azure` the container. With `local`: a folder below the root; none when left out",
  ),
  prefix: z.string().default("").superRefine(template).describe(
    `What the objects' names begin with, as a folder. It may hold ${placeholders}`,
  ),
  partitioning: z.string().default("none").superRefine((text, context) => {
    if (!(text in PARTITIONINGS)) template(text, context);
    if (!(text in PARTITIONINGS) && !text.includes("{")) {
      const message = `There is no partitioning "${text}": use ${
        Object.keys(PARTITIONINGS).join(", ")
      } or a pattern`;
      context.addIssue({ code: "custom", message, input: text });
    }
  }).describe(
    "Folders below the prefix: `none`, `day` (year=2026/month=01/day=31) or `hour`, by the time of the change, `stream` (one for each table), or a pattern such as {stream}/country={field:country}/{yyyy}-{MM}",
  ),
  ...formatKeys,
  envelope: z.enum(LAYOUTS).optional().describe(
    "The layout of a record in `jsonl` and `json`. Without it `standard` for changes and `rivven` for records that are no changes",
  ),
  batch_size: z.int().min(1).default(100_000).describe(
    "Files are made when they hold so many records together; those that are on their way by then are in them, too",
  ),
  flush_interval_secs: z.number().min(0.1).max(3600).default(60).describe(
    "How long a record waits at most until its file is made, in seconds",
  ),
  max_file_size_mb: z.number().min(0.01).max(512).default(64).describe(
    "Files are made when one is this large, or all together are; until then they are in memory (1 MB = 1,048,576 bytes, compressed)",
  ),
  file_naming: z.enum(["range", "legacy"]).default("range").describe(
    "`range`: by the records in the file, so that none is made twice. `legacy`: by the clock, as earlier versions did; then records may come twice after a crash",
  ),
  retry: z.strictObject({
    max_retries: z.int().min(0).max(100).default(6).describe(
      "How often a request is sent again after a network error, a timeout, 429 or 5xx, before the pipeline is started anew (which goes on without end)",
    ),
    initial_backoff_ms: z.int().min(1).max(60_000).default(200).describe("Wait before the first of them"),
    max_backoff_ms: z.int().min(1).max(600_000).default(20_000).describe("Longest wait"),
    backoff_multiplier: z.number().min(1).max(10).default(2).describe("How much longer each wait is"),
    jitter_factor: z.number().min(0).max(1).default(0.5).describe(
      "Share of each wait that is left to chance",
    ),
  }).prefault({}).describe("When the store is away or busy"),
  request_timeout_secs: z.number().min(1).max(600).default(60).describe(
    "Longest time for one request, which sends 16 MB at most, in seconds",
  ),
  s3: s3Keys.optional().describe("Keys of provider `s3`"),
  gcs: gcsConfig.optional().describe("Keys of provider `gcs`"),
  azure: azureConfig.optional().describe("Keys of provider `azure`"),
  local: z.strictObject({
    root: z.string().min(1).describe("The folder that the objects' names begin in; made when missing"),
  }).optional().describe("Keys of provider `local`"),
}).superRefine((config, context) => {
  const { provider, bucket } = config;
  const wrong = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message });
  if (provider !== "local" && bucket === undefined) wrong("bucket", "A bucket is needed");
  for (const block of PROVIDERS) {
    if (block !== provider && config[block] !== undefined) {
      wrong(block, `"${block}" belongs to provider ${block}; this one is ${provider}`);
    }
  }
  if (bucket !== undefined && (bucket.includes("/") || [".", ".."].includes(bucket))) {
    wrong("bucket", "A bucket has no slashes: write folders into prefix");
  }
  if (provider === "local" && config.local === undefined) wrong("local", "local.root is needed");
  if (provider === "azure" && config.azure === undefined) wrong("azure", "azure.account is needed");
  for (const { path, message } of formatProblems(config)) context.addIssue({ code: "custom", path, message });
}).overwrite((config) => {
  const { provider } = config;
  // Blocks in which nothing is required.
  if (provider === "s3" && !config.s3) return { ...config, s3: s3Keys.parse({}) };
  if (provider === "gcs" && !config.gcs) return { ...config, gcs: gcsConfig.parse({}) };
  return config;
});

export type ObjectStorageConfig = z.output<typeof config>;

const definition: ConnectorDefinition<ObjectStorageConfig> = defineConnector<ObjectStorageConfig>({
  type: "object-storage",
  aliases: {
    s3: { provider: "s3" },
    minio: { provider: "s3" },
    r2: { provider: "s3" },
    "aws-s3": { provider: "s3" },
    gcs: { provider: "gcs" },
    "google-cloud-storage": { provider: "gcs" },
    "gcp-storage": { provider: "gcs" },
    "azure-blob": { provider: "azure" },
    "azure-storage": { provider: "azure" },
    "azure-blob-storage": { provider: "azure" },
  },
  version: "1.0.0",
  category: "storage_object",
  tags: ["s3", "gcs", "azure", "minio", "r2", "files", "data-lake"],
  title: "Object storage",
  summary: "Writes records to files in S3, Google Cloud Storage, Azure or a folder, exactly once",
  description:
    "Collects records into files, in folders by table, time or column, and makes an object of each when it is large or " +
    "old enough. An object appears as a whole, under a name that says which records it holds, and is never written " +
    "over, so that after a crash no record is missing and none is there twice.",
  config,
  upgradeConfig,
  completeConfig,
  permissions(config) {
    switch (config.provider) {
      case "s3":
        return s3Permissions(config.s3!, config.bucket!);
      case "gcs":
        return gcsPermissions(config.gcs!);
      case "azure":
        return azurePermissions(config.azure!);
      case "local":
        return { read: [config.local!.root], write: [config.local!.root] };
    }
  },
  sink: {
    guarantee: "exactly_once",
    technique: "T2",
    exception: ({ file_naming }: ObjectStorageConfig) =>
      file_naming === "legacy" ? "names files by the clock (file_naming: legacy)" : undefined,
    accepts: OPERATIONS,
    layout: "auto",
    batch: { cheap: false, maxRecords: 100_000, maxBytes: 1 << 30, maxWaitMs: 60_000 },
  },
  example,
});

export default definition;

/** What the machine knows: keys, regions, endpoints. A local root that nobody named is the one of earlier versions. */
function completeConfig(config: Record<string, unknown>, machine: Machine): CompletedConfig {
  const { provider = "s3" } = config;
  switch (provider) {
    case "s3":
      return completeS3(config, machine);
    case "gcs":
      return completeGcs(config, machine);
    case "azure":
      return completeAzure(config, machine);
    default: {
      const isNamed = (config.local as { root?: unknown } | undefined)?.root !== undefined;
      if (provider !== "local" || isNamed) return { config, notes: [], problems: [] };
      const root = `${machine.env("TMPDIR") ?? "/tmp"}/rivven-storage`;
      const note = `local.root is left out: files go to ${root}, which the system may empty`;
      return { config: { ...config, local: { root } }, notes: [note], problems: [] };
    }
  }
}
