/**
 * The `azure` block of the `object-storage` connector: its schema, what this machine fills in, and what the worker may
 * reach. For the main thread; store.ts runs in the worker and takes only the type from here.
 */
import { z } from "zod";
import type { CompletedConfig, Machine, Permissions } from "../../contract.ts";
import { hostOf } from "../address.ts";
import { completeCas } from "../system_cas.ts";
import { connectionString } from "./connection_string.ts";
import { endpointOf, identityServiceOf } from "./endpoint.ts";

/** Names of 3 to 24 small letters and digits; emulators may have others. */
const accountName = z.string().regex(
  /^[a-z0-9-]{3,63}$/,
  "An account's name has small letters and digits only; write an address as `endpoint`",
);

export const azureConfig = z.strictObject({
  account: accountName.optional().describe(
    "The storage account. Without it AZURE_STORAGE_ACCOUNT counts, or what connection_string says",
  ),
  access_key: z.base64({ error: "An access key is Base64 text" }).min(1).optional().describe(
    "One of the account's two keys. Without any credentials AZURE_STORAGE_KEY counts",
  ).meta({ secret: true }),
  sas_token: z.string().min(1).refine((text) => /(^|[?&])sig=/.test(text), {
    message: "A SAS token is the query of an address and holds `sig=`",
  }).optional().describe(
    "A shared access signature that may create and write. Without any credentials AZURE_STORAGE_SAS_TOKEN counts",
  ).meta({ secret: true }),
  connection_string: z.string().min(1).optional().describe(
    "As the portal shows it: account, endpoint and key in one. Without any credentials AZURE_STORAGE_CONNECTION_STRING counts",
  ).meta({ secret: true }),
  use_managed_identity: z.boolean().default(false).describe(
    "Tokens of the machine's own identity, from the instance metadata service of Azure's virtual machines",
  ),
  managed_identity_client_id: z.string().min(1).optional().describe(
    "Which one, where the machine has several: its client ID",
  ),
  managed_identity_url: z.url({ protocol: /^https?$/, error: "Write an http:// or https:// address" })
    .optional()
    .describe(
      "Where those tokens come from. Without it the address that is the same on all virtual machines",
    ),
  endpoint: z.url({ protocol: /^https?$/, error: "Write an http:// or https:// address" }).optional()
    .describe(
      "Address of the blob service, with the account's name in the path for emulators (`http://127.0.0.1:10000/devstoreaccount1`). Without it https://<account>.blob.core.windows.net",
    ),
  ca_cert_path: z.string().min(1).optional().describe(
    "PEM file of the CA that has signed the endpoint's certificate; without it the system's CAs count",
  ),
  access_tier: z.enum(["Hot", "Cool", "Cold", "Archive"]).optional().describe(
    "The access tier of the blobs (their storage class). Without it the account's",
  ),
  encryption_scope: z.string().min(1).optional().describe(
    "The encryption scope of the blobs. Without it the container's or the account's",
  ),
}).superRefine((block, context) => {
  const fail = (message: string, ...path: string[]) => context.addIssue({ code: "custom", message, path });
  const { access_key, sas_token, connection_string, use_managed_identity } = block;
  const ways = [access_key, sas_token, connection_string, use_managed_identity || undefined];
  const count = ways.filter((way) => way !== undefined).length;
  if (count > 1) {
    fail("Only one of access_key, sas_token, connection_string and use_managed_identity can count");
  }
  if (count === 0) {
    fail("Credentials are missing: access_key, sas_token, connection_string or use_managed_identity");
  }
  for (const key of ["managed_identity_client_id", "managed_identity_url"] as const) {
    if (block[key] !== undefined && !use_managed_identity) {
      fail(`${key} has an effect only with use_managed_identity: true`, key);
    }
  }
  if (connection_string === undefined && block.account === undefined) {
    if (block.endpoint === undefined) fail("account is missing", "account");
    else if (access_key !== undefined) fail("account is missing: an access key signs its name", "account");
  }
  const needsTls = use_managed_identity && block.endpoint?.startsWith("http:");
  if (needsTls) fail("Tokens are sent over https:// only", "endpoint");
});

export type AzureConfig = z.output<typeof azureConfig>;

/**
 * The connector's config with what its block `azure` leaves out and this machine knows: a connection string is taken
 * apart, and the variables of the Azure CLI count where there are no credentials.
 */
export function completeAzure(config: Record<string, unknown>, machine: Machine): CompletedConfig {
  const { azure: given = {} } = config;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return { config, notes: [], problems: [] };
  }
  const env = (name: string) => machine.env(name) || undefined;
  const azure: Record<string, unknown> = { ...given };
  const problems: CompletedConfig["problems"][number][] = [];
  const hasCredentials = azure.use_managed_identity === true ||
    ["access_key", "sas_token", "connection_string"].some((key) => azure[key] !== undefined);
  if (!hasCredentials) findCredentials(azure, env);
  if (typeof azure.connection_string === "string") {
    const parts = connectionString(azure.connection_string);
    if ("problem" in parts) {
      const message = `connection_string can't be used: ${parts.problem}`;
      const hint = 'Copy it from the page "Access keys" of the storage account';
      problems.push({ key: "azure", message, hint });
    } else {
      delete azure.connection_string;
      for (const [key, value] of Object.entries(parts)) azure[key] ??= value;
    }
  }
  completeCas(azure, machine);
  azure.account ??= env("AZURE_STORAGE_ACCOUNT") ?? env("AZURE_STORAGE_ACCOUNT_NAME");
  for (const key of Object.keys(azure)) if (azure[key] === undefined) delete azure[key];
  return { config: { ...config, azure }, notes: [], problems };
}

/** Variables of the Azure CLI, in its order; the second names are those of other tools. */
function findCredentials(azure: Record<string, unknown>, env: (name: string) => string | undefined): void {
  const found = {
    connection_string: env("AZURE_STORAGE_CONNECTION_STRING"),
    access_key: env("AZURE_STORAGE_KEY") ?? env("AZURE_STORAGE_ACCOUNT_KEY"),
    sas_token: env("AZURE_STORAGE_SAS_TOKEN"),
  };
  const [key, value] = Object.entries(found).find(([, value]) => value !== undefined) ?? [];
  if (key !== undefined) azure[key] = value;
}

/** The blob service, and where tokens come from if they do. */
export function permissionsOf(config: AzureConfig): Permissions {
  const net = [
    hostOf(endpointOf(config)),
    ...config.use_managed_identity ? [hostOf(identityServiceOf(config))] : [],
  ];
  return { net, ...config.ca_cert_path !== undefined && { read: [config.ca_cert_path] } };
}
