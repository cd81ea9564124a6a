/** What the `http-webhook` sink is: records sent to an HTTP endpoint, in order for each key. */
import { z } from "zod";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { OPERATIONS } from "../../formats/data/record.ts";
import { type ConnectorDefinition, defineConnector } from "../contract.ts";
import example from "./example.gen.ts";
import { PLACEHOLDERS, urlProblem } from "./url_template.ts";

const placeholders = PLACEHOLDERS.map((name) => `{${name}}`).join(" ");
const address = z.url({ protocol: /^https?$/, error: "Write an http:// or https:// address" });
const header = z.string().regex(/^[!#$%&'*+.^_`|~\w-]+$/, "A header's name has no blanks or colons");

const auth = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("bearer").describe("`Authorization: Bearer <token>`"),
    token: z.string().min(1).describe("The token").meta({ secret: true }),
  }),
  z.strictObject({
    type: z.literal("basic").describe("`Authorization: Basic …`"),
    username: z.string().min(1).describe("The user"),
    password: z.string().describe("Its password").meta({ secret: true }),
  }),
  z.strictObject({
    type: z.literal("api_key").describe("The key in a header of its own"),
    header_name: header.default("X-API-Key").describe("The header"),
    key: z.string().min(1).describe("The key").meta({ secret: true }),
  }),
  z.strictObject({
    type: z.literal("oauth2").describe(
      "A token from a token endpoint, by client credentials (RFC 6749, 4.4)",
    ),
    token_url: address.describe("The token endpoint"),
    client_id: z.string().min(1).describe("The client's name"),
    client_secret: z.string().min(1).describe("Its secret").meta({ secret: true }),
    scope: z.string().optional().describe("The scope to ask for; left out of the request without it"),
  }),
]);

const config = z.strictObject({
  url: z.string().min(1).superRefine((url, context) => {
    const message = urlProblem(url);
    if (message) context.addIssue({ code: "custom", message, input: url });
  }).describe(
    `Where requests go. Behind the host it may hold ${placeholders}; then a request has records of one URL only`,
  ),
  method: z.enum(["POST", "PUT", "PATCH", "DELETE"]).default("POST").describe("Method of the requests"),
  envelope: z.enum(LAYOUTS).optional().describe(
    "The layout of a record. Without it `standard` for changes and `rivven` for records that are no changes",
  ),
  batch_size: z.int().min(1).max(1000).default(1).describe(
    "Most records in a request. With 1 the body is the record, with more it is an array, also of one record",
  ),
  batch_timeout_ms: z.int().min(0).max(60_000).default(1000).describe(
    "With `batch_size` over 1: how long a request may wait to be filled, in milliseconds",
  ),
  max_body_mb: z.number().positive().max(100).default(5).describe(
    "A request is sent before its body gets larger than this (1 MB = 1,048,576 bytes); one larger record goes alone",
  ),
  content_type: z.string().min(1).default("application/json").describe("The header Content-Type"),
  headers: z.record(header, z.string()).default({}).describe("Further headers of every request"),
  auth: auth.optional().describe("How requests prove who sends them"),
  signing: z.strictObject({
    secret: z.string().min(1).describe("The key of the signature").meta({ secret: true }),
    header_name: header.default("X-Webhook-Signature").describe("Header with the signature"),
    algorithm: z.literal("sha256").default("sha256").describe("HMAC-SHA-256"),
    include_timestamp: z.boolean().default(true).describe(
      "The time of the request is signed with it, so that a request can't be repeated later",
    ),
    timestamp_header: header.default("X-Webhook-Timestamp").describe(
      "Header with that time, seconds since 1970",
    ),
  }).optional().describe(
    "A signature of each request: `sha256=` and the hex HMAC of `<time>.<body>` (of the body alone without a time), the body as it is sent",
  ),
  compression_threshold_bytes: z.int().min(0).default(0).describe(
    "Bodies of at least this size are sent with gzip; 0: none is",
  ),
  timeout_secs: z.number().min(1).max(300).default(30).describe(
    "Longest time to wait for an answer, in seconds",
  ),
  retry: z.strictObject({
    max_retries: z.int().min(0).max(100).default(3).describe(
      "How often a request is sent again after a network error, a timeout, 408, 425, 429 or 5xx, before the pipeline is started anew (which goes on without end)",
    ),
    initial_backoff_ms: z.int().min(1).max(60_000).default(1000).describe("Wait before the first of them"),
    max_backoff_ms: z.int().min(1).max(600_000).default(60_000).describe(
      "Longest wait; `Retry-After` of an answer counts even when it is longer",
    ),
    backoff_multiplier: z.number().min(1).max(10).default(2).describe("How much longer each wait is"),
    jitter: z.boolean().default(true).describe("Up to a quarter of each wait is left to chance"),
  }).prefault({}).describe("When the other side is away"),
  max_concurrency: z.int().min(1).max(64).default(4).describe(
    "Most requests at a time. Records with one key go one behind the other whatever it is",
  ),
  rate_limit_rps: z.number().min(0).default(0).describe("Most requests in a second; 0: no limit"),
  circuit_breaker: z.strictObject({
    failures: z.int().min(0).default(0).describe(
      "After this many requests in a row that failed no request is sent for a while; 0: off",
    ),
    reset_secs: z.number().min(1).max(3600).default(30).describe(
      "How long, in seconds; then one request tries it. Records wait, none is dropped",
    ),
  }).prefault({}).describe("Spares a server that is in trouble"),
  tls: z.strictObject({
    ca_cert_path: z.string().min(1).optional().describe(
      "PEM file of the CA that has signed the server's certificate; without it the system's CAs count",
    ),
    cert_path: z.string().min(1).optional().describe(
      "PEM file of our own certificate, where the server asks for one",
    ),
    key_path: z.string().min(1).optional().describe("PEM file of the key to `cert_path`"),
    accept_invalid_certs: z.literal(false, {
      error: "A certificate can't be left unchecked: name the CA that has signed it in tls.ca_cert_path",
    }).optional().describe("Only false"),
  }).refine(({ cert_path, key_path }) => (cert_path === undefined) === (key_path === undefined), {
    message: "cert_path and key_path belong together",
  }).optional().describe("Encryption of https:// addresses"),
  health_check_url: address.optional().describe("What `check` asks with GET, in place of HEAD on `url`"),
});

export type WebhookConfig = z.output<typeof config>;

/** Names of earlier versions, and where they are now. */
const MOVED: readonly (readonly [old: string, section: string, key: string])[] = [
  ["max_retries", "retry", "max_retries"],
  ["retry_backoff_ms", "retry", "initial_backoff_ms"],
  ["retry_jitter", "retry", "jitter"],
  ["circuit_breaker_threshold", "circuit_breaker", "failures"],
  ["circuit_breaker_reset_secs", "circuit_breaker", "reset_secs"],
];

/** Keys of earlier versions that mean nothing here, with the reason. */
const GONE: Readonly<Record<string, string>> = {
  http2: "http2 is left out: the protocol is agreed on with the server",
  keepalive_secs: "keepalive_secs is left out: connections are kept as long as the server keeps them",
};

const definition: ConnectorDefinition<WebhookConfig> = defineConnector<WebhookConfig>({
  type: "http-webhook",
  aliases: { webhook: {}, "http-sink": {}, "rest-api": {} },
  version: "1.0.0",
  category: "http_api",
  tags: ["http", "webhook", "rest"],
  title: "HTTP webhook",
  summary: "Sends records to an HTTP endpoint, in order for each key",
  description:
    "One request for each record, or for up to 1000 of them. Several requests are under way at a time, but records " +
    "with one key go one behind the other. Requests are repeated while the server is away or busy, as long as it " +
    "takes; a record that the server refuses goes to on_error. Each request has an Idempotency-Key, so a receiver " +
    "can tell one that comes twice.",
  config,
  upgradeConfig: (config) => upgraded(config),
  permissions({ url, auth, tls, health_check_url }) {
    const urls = [url, health_check_url, auth?.type === "oauth2" ? auth.token_url : undefined];
    const files = [tls?.ca_cert_path, tls?.cert_path, tls?.key_path].filter((path) => path !== undefined);
    return {
      net: urls.filter((one) => one !== undefined).map(hostOf),
      ...files.length > 0 && { read: files },
    };
  },
  sink: {
    guarantee: "at_least_once",
    accepts: OPERATIONS,
    layout: "auto",
    batch: { cheap: true, minIntervalMs: 0, maxRecords: 10_000, maxBytes: 16 << 20, maxWaitMs: 1000 },
    batchOf: ({ batch_size, batch_timeout_ms }) =>
      batch_size > 1 ? { minIntervalMs: batch_timeout_ms, maxWaitMs: Math.max(1000, batch_timeout_ms) } : {},
  },
  example,
});

export default definition;

/** `host:port` of an address, as a right is written. */
function hostOf(address: string): string {
  const { protocol, hostname, port } = new URL(address.split(/[{]/, 1)[0]);
  return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

function upgraded(old: Record<string, unknown>): { config: Record<string, unknown>; notes: string[] } {
  const config = { ...old };
  const notes: string[] = [];
  for (const [key, section, name] of MOVED) {
    if (!(key in config)) continue;
    const value = config[key];
    delete config[key];
    const own = config[section];
    config[section] = { [name]: value, ...(typeof own === "object" ? own : {}) };
    notes.push(`${key} is now called ${section}.${name}`);
  }
  const { retry } = config;
  if (typeof retry === "object" && retry !== null && "max_attempts" in retry) {
    const { max_attempts, ...rest } = retry as Record<string, unknown>;
    config.retry = { max_retries: max_attempts, ...rest };
    notes.push("retry.max_attempts is now called retry.max_retries");
  }
  for (const [key, note] of Object.entries(GONE)) {
    if (!(key in config)) continue;
    delete config[key];
    notes.push(note);
  }
  if (config.include_metadata !== undefined) {
    const { include_metadata } = config;
    delete config.include_metadata;
    if (include_metadata === false && config.envelope === undefined) config.envelope = "plain";
    notes.push("include_metadata is now `envelope`: plain writes the row alone");
  }
  if (config.envelope === "source_event") {
    config.envelope = "rivven";
    notes.push("envelope: source_event is now called rivven");
  }
  return { config, notes };
}
