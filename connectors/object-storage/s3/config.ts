/** The keys in `s3`: where the bucket is, who asks, and how objects are kept. */
import { z } from "zod";

const STORAGE_CLASSES = [
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER",
  "DEEP_ARCHIVE",
  "GLACIER_IR",
  "EXPRESS_ONEZONE",
] as const;

const sse = z.strictObject({
  type: z.enum(["s3", "kms", "kms_dsse", "customer"]).describe(
    "`s3`: with keys of S3 (SSE-S3). `kms`: with a key in AWS KMS (SSE-KMS). `kms_dsse`: with it, in two layers. `customer`: with a key of your own (SSE-C), which whoever reads the objects needs, too",
  ),
  kms_key_id: z.string().min(1).optional().describe(
    "With `kms` and `kms_dsse`: the key's id or ARN; without it AWS's own key for S3",
  ),
  bucket_key_enabled: z.boolean().optional().describe(
    "With `kms`: one key of the bucket's for many objects, which saves requests to KMS; without it what the bucket says",
  ),
  customer_key: z.base64("A key is Base64 text").refine((text) => text.length === 44 && text.endsWith("="), {
    message: "A key has 32 bytes",
  }).optional().describe(
    "With `customer`: the key, 32 bytes as Base64. S3 does not keep it: without it objects are lost",
  )
    .meta({ secret: true }),
}).refine(
  ({ type, kms_key_id, bucket_key_enabled }) =>
    type.startsWith("kms") || (kms_key_id === undefined && bucket_key_enabled === undefined),
  { message: "kms_key_id and bucket_key_enabled belong to type kms" },
).refine(
  ({ type, customer_key }) => (type === "customer") === (customer_key !== undefined),
  { message: "customer_key and type customer belong together" },
);

export const s3Keys = z.strictObject({
  region: z.string().regex(/^[a-z0-9-]+$/, "A region has lower case letters, digits and hyphens").default(
    "us-east-1",
  ).describe(
    "The bucket's region. Without it AWS_REGION, AWS_DEFAULT_REGION or the profile's; `auto` for R2",
  ),
  endpoint: z.url({ protocol: /^https?$/, error: "Write an http:// or https:// address" }).optional()
    .describe(
      "Address of another service that speaks S3, such as MinIO, R2 or Ceph. Without it AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, or AWS",
    ),
  access_key_id: z.string().min(1).optional().describe(
    "Access key. Without it AWS_ACCESS_KEY_ID, or the profile's",
  ),
  secret_access_key: z.string().min(1).optional().describe("Its secret").meta({ secret: true }),
  session_token: z.string().min(1).optional().describe("Of temporary keys: their token").meta({
    secret: true,
  }),
  profile: z.string().min(1).optional().describe(
    "A profile in ~/.aws/credentials and ~/.aws/config that has the keys. Without it AWS_PROFILE, or `default`",
  ),
  identity: z.enum(["instance", "container", "web_identity"]).optional().describe(
    "Keys that are given to this machine, and renewed: by EC2's metadata service, by the agent of ECS and EKS, or for a token file. The last two are found by themselves",
  ),
  identity_url: z.url({ protocol: /^https?$/ }).optional().describe(
    "Who gives the keys of `identity`. Without it EC2's address, AWS_CONTAINER_CREDENTIALS_…, or STS",
  ),
  identity_token_path: z.string().min(1).optional().describe(
    "File with the token that is shown for them. Without it AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_WEB_IDENTITY_TOKEN_FILE",
  ),
  identity_token: z.string().min(1).optional().describe(
    "That token itself. Without it AWS_CONTAINER_AUTHORIZATION_TOKEN",
  ).meta({ secret: true }),
  role_arn: z.string().min(1).optional().describe(
    "A role that the keys take, whose own keys STS gives and requests are signed with. Without it the profile's; with `web_identity` AWS_ROLE_ARN",
  ),
  role_external_id: z.string().min(1).optional().describe(
    "What the role's trust policy asks for as sts:ExternalId. Without it the profile's",
  ),
  role_session_name: z.string().regex(/^[\w+=,.@-]{2,64}$/, "2 to 64 letters, digits and _+=,.@-").default(
    "rivven-connect",
  ).describe(
    "What the role's user is called in AWS's logs. Without it AWS_ROLE_SESSION_NAME or the profile's",
  ),
  sts_endpoint: z.url({ protocol: /^https?$/, error: "Write an http:// or https:// address" }).optional()
    .describe(
      "Address of STS, which gives the keys of `role_arn`. Without it AWS_ENDPOINT_URL_STS, or the region's",
    ),
  force_path_style: z.boolean().optional().describe(
    "The bucket in the path (true) or in front of the host (false). Without it false on AWS, true elsewhere",
  ),
  anonymous: z.boolean().default(false).describe(
    "Requests are not signed: for buckets that anybody may write to",
  ),
  storage_class: z.enum(STORAGE_CLASSES).optional().describe(
    "Storage class of the objects; without it the bucket's own",
  ),
  sse: sse.optional().describe("Encryption where the objects lie; without it what the bucket says"),
  ca_cert_path: z.string().min(1).optional().describe(
    "PEM file of the CA that has signed the endpoint's certificate. Without it AWS_CA_BUNDLE, the profile's, or the system's CAs",
  ),
}).refine(
  ({ access_key_id, secret_access_key }) =>
    (access_key_id === undefined) === (secret_access_key === undefined),
  { message: "access_key_id and secret_access_key belong together" },
).refine(
  ({ role_arn, anonymous }) => role_arn === undefined || !anonymous,
  { message: "Who is anonymous can't take a role: leave out role_arn or anonymous" },
).refine(
  ({ sse, endpoint }) => sse?.type !== "customer" || !endpoint?.startsWith("http:"),
  { message: "A key of your own (sse customer) goes over https:// only", path: ["endpoint"] },
);

export type S3Config = z.output<typeof s3Keys>;
