/**
 * The `gcs` block of the `object-storage` connector: its schema, what this machine fills in, and what the worker may
 * reach. For the main thread; store.ts runs in the worker and takes only the type from here.
 */
import { createPrivateKey } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import type { CompletedConfig, Machine, Permissions } from "../../contract.ts";
import { hostOf } from "../address.ts";
import { completeCas } from "../system_cas.ts";
import { endpointOf, tokenServiceOf } from "./endpoint.ts";
import { readKeyFile } from "./key_file.ts";

const address = z.url({ protocol: /^https?$/, error: "Write an http:// or https:// address" });

export const gcsConfig = z.strictObject({
  service_account_path: z.string().min(1).optional().describe(
    "JSON file with the key of a service account. Without it, and without the key itself, `use_adc` counts",
  ),
  service_account_key: z.string().min(1).superRefine((text, context) => {
    const message = keyProblem(text);
    if (message) context.addIssue({ code: "custom", message: `Can't be used: ${message}` });
  }).optional().describe("The text of such a file itself").meta({ secret: true }),
  use_adc: z.boolean().default(true).describe(
    "Application Default Credentials: the file that GOOGLE_APPLICATION_CREDENTIALS names, the one of `gcloud auth application-default login`, or the account of the machine, from Google's metadata server",
  ),
  anonymous: z.boolean().default(false).describe(
    "Requests prove nothing: for emulators, and buckets that anybody may write to",
  ),
  endpoint: address.optional().describe(
    "Address of another service that speaks the JSON API, such as an emulator. Without it STORAGE_EMULATOR_HOST (then without credentials), or Google",
  ),
  metadata_url: address.optional().describe(
    "The metadata server. Without it GCE_METADATA_HOST, or the name that is the same on all of Google's machines",
  ),
  ca_cert_path: z.string().min(1).optional().describe(
    "PEM file of the CA that has signed the endpoint's certificate; without it the system's CAs count",
  ),
  storage_class: z.enum(["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]).optional().describe(
    "Storage class of the objects; without it the bucket's",
  ),
  kms_key_name: z.string().regex(
    /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/,
    "A key is written projects/…/locations/…/keyRings/…/cryptoKeys/…",
  ).optional().describe("Key in Cloud KMS that objects are encrypted with; without it the bucket's"),
}).superRefine((block, context) => {
  const fail = (message: string, ...path: string[]) => context.addIssue({ code: "custom", message, path });
  const { service_account_path, service_account_key, anonymous, use_adc } = block;
  const ways = [service_account_path, service_account_key, anonymous || undefined];
  const count = ways.filter((way) => way !== undefined).length;
  if (count > 1) fail("Only one of service_account_path, service_account_key and anonymous can count");
  if (count === 0 && !use_adc) {
    fail("Credentials are missing: service_account_path, service_account_key, use_adc or anonymous");
  }
});

export type GcsConfig = z.output<typeof gcsConfig>;

/**
 * The connector's config with what its block `gcs` leaves out and this machine knows: key files are read, so that the
 * worker needs no right to them.
 */
export function completeGcs(config: Record<string, unknown>, machine: Machine): CompletedConfig {
  const { gcs: given = {} } = config;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return { config, notes: [], problems: [] };
  }
  const gcs: Record<string, unknown> = { ...given };
  const problems: CompletedConfig["problems"][number][] = [];
  const env = (name: string) => machine.env(name) || undefined;
  completeEmulator(gcs, env("STORAGE_EMULATOR_HOST"));
  completeCas(gcs, machine);
  const take = (path: string, named: string) => {
    const found = readFile(path, machine);
    if ("text" in found) gcs.service_account_key = found.text;
    else {problems.push({
        key: "gcs",
        message: `${named} "${path}" can't be used: ${found.problem}`,
        hint: HINT,
      });}
  };
  const { service_account_path, service_account_key, anonymous, use_adc } = gcs;
  if (service_account_key === undefined && anonymous !== true) {
    const variable = env("GOOGLE_APPLICATION_CREDENTIALS");
    const ofGcloud = pathOfGcloud(env);
    if (typeof service_account_path === "string") {
      take(service_account_path, "service_account_path");
      if (gcs.service_account_key !== undefined) delete gcs.service_account_path;
    } else if (service_account_path === undefined && use_adc !== false) {
      if (variable !== undefined) take(variable, "The file that GOOGLE_APPLICATION_CREDENTIALS names,");
      else if (ofGcloud !== undefined && canRead(ofGcloud, machine)) take(ofGcloud, "gcloud's file");
      else completeMetadata(gcs, env("GCE_METADATA_HOST"));
    }
  }
  return { config: { ...config, gcs }, notes: [], problems };
}

/** The storage service, and where tokens come from if they do. */
export function permissionsOf(config: GcsConfig): Permissions {
  const urls = [endpointOf(config), tokenServiceOf(config)].filter((url) => url !== undefined);
  const net = [...new Set(urls.map(hostOf))];
  return { net, ...config.ca_cert_path !== undefined && { read: [config.ca_cert_path] } };
}

const HINT = "Name a JSON file with the key of a service account, which the user of this program may read";

/** As Google's libraries take it: an address, or host and port. */
function completeEmulator(gcs: Record<string, unknown>, emulator: string | undefined): void {
  if (emulator === undefined || gcs.endpoint !== undefined) return;
  gcs.endpoint = /^https?:\/\//.test(emulator) ? emulator : `http://${emulator}`;
  const hasKey = gcs.service_account_path !== undefined || gcs.service_account_key !== undefined;
  if (!hasKey) gcs.anonymous ??= true;
}

function completeMetadata(gcs: Record<string, unknown>, host: string | undefined): void {
  if (host !== undefined) gcs.metadata_url ??= `http://${host}`;
}

/** Google Cloud documentation, "How Application Default Credentials works". */
function pathOfGcloud(env: (name: string) => string | undefined): string | undefined {
  const [own, home, appData] = [env("CLOUDSDK_CONFIG"), env("HOME"), env("APPDATA")];
  const folder = own ?? (home ? join(home, ".config", "gcloud") : appData && join(appData, "gcloud"));
  return folder && join(folder, "application_default_credentials.json");
}

function canRead(path: string, { readFile }: Machine): boolean {
  try {
    readFile(path);
    return true;
  } catch {
    return false;
  }
}

function readFile(path: string, machine: Machine): { text: string } | { problem: string } {
  let text: string;
  try {
    text = machine.readFile(path);
  } catch {
    return { problem: "it can't be read" };
  }
  const problem = keyProblem(text);
  return problem === undefined ? { text } : { problem };
}

/** What is wrong with the text of a key file, without repeating it. */
function keyProblem(text: string): string | undefined {
  const file = readKeyFile(text);
  if ("problem" in file) return file.problem;
  if (file.type === "authorized_user") return undefined;
  try {
    createPrivateKey(file.privateKey);
  } catch {
    return 'its "private_key" is no PEM text of a key';
  }
}
