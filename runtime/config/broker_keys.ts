/** The `broker` block of a pipeline file as a zod schema: where sources with a `topic` and sinks with `topics` meet. */
import { z } from "zod";
import { compileRegex } from "../../formats/data/regex.ts";

const ms = z.int().min(1).max(2 ** 31 - 1);
const path = z.string().min(1);

const tls = z.strictObject({
  enabled: z.boolean().default(true).describe("false: connections are not encrypted"),
  ca_path: path.optional().describe("PEM file of the CA that has signed the broker's certificate"),
  cert_path: path.optional().describe("PEM file of our own certificate, where the broker asks for one"),
  key_path: path.optional().describe("PEM file of the key to cert_path"),
  server_name: z.string().min(1).optional().describe(
    "The name that the certificate must have; without it the host of the address",
  ),
  insecure: z.boolean().default(false).describe("Encrypts without asking who the broker is: for tests only"),
});

const auth = z.strictObject({
  mechanism: z.enum(["scram-sha-256", "plain"]).default("scram-sha-256").describe("How to log in"),
  username: z.string().min(1).describe("The user"),
  password: z.string().meta({ secret: true }).describe("Its password"),
  token: z.string().refine(() => false, "The broker has no login by token: give username and password")
    .optional().meta({ secret: true }).describe("Not possible: the broker has no login by token"),
});

/** The `broker` block. */
export const broker = z.strictObject({
  address: z.string().min(1).optional().describe("The broker, host:port; 9092 when there is no port"),
  bootstrap_servers: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional().describe(
    "Several brokers instead of address: a list, or a text with commas",
  ),
  tls: tls.optional().describe("Encryption; without it connections are plain"),
  auth: auth.optional().describe("Login; without it none is tried"),
  connections: z.int().min(1).max(64).optional().describe(
    "Most connections of each flow at once; 16 when left out. The broker takes 100 of one host",
  ),
  connection_timeout_ms: ms.min(100).optional().describe("Longest wait for a connection, in milliseconds"),
  request_timeout_ms: ms.min(1000).optional().describe("Longest wait for an answer, in milliseconds"),
  metadata_refresh_ms: ms.min(100).optional().describe(
    "How often new topics and partitions are looked for, in milliseconds; 5000 when left out",
  ),
}).refine(({ address, bootstrap_servers }) => (address === undefined) !== (bootstrap_servers === undefined), {
  message: "A broker has either an address or bootstrap_servers",
  path: ["address"],
});

/** The `topics` of a sink. */
const topicName = z.string().min(1);
const pattern = z.strictObject({
  pattern: z.string().min(1).refine(
    isExpression,
    "This is no regular expression",
  ).refine(endsSoon, "This pattern can take forever: what repeats in it can match one name in several ways")
    .describe(
      "Regular expression for the whole name",
    ),
});

export const sinkTopics = z.union([topicName, pattern, z.array(z.union([topicName, pattern])).min(1)]);

/** The `start_offset` of a sink. */
export const startOffset = z.union([
  z.enum(["earliest", "latest"]),
  z.strictObject({
    timestamp: z.iso.datetime({ offset: true }).describe("RFC 3339; the first records at or after it"),
  }),
]);

function isExpression(text: string): boolean {
  try {
    return new RegExp(`^(?:${text})$`, "u") !== undefined;
  } catch {
    return false;
  }
}

/** A name is chosen by whoever makes the topic, so no name may be able to stop a sink. */
function endsSoon(text: string): boolean {
  if (!isExpression(text)) return true;
  try {
    return compileRegex(text) !== undefined;
  } catch {
    return false;
  }
}

export type BrokerKeys = z.output<typeof broker>;
export type SinkTopics = z.output<typeof sinkTopics>;
