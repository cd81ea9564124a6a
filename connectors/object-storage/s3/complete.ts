/**
 * What the keys in `s3` leave out, from where AWS's own programs take it: variables, then the profile in the two files
 * of ~/.aws. Runs on the main thread before the configuration is validated, so that `plan` shows the real endpoint and
 * the worker needs no right to variables and files. (AWS SDKs and Tools Reference Guide, "Credential providers".)
 */
import type { CompletedConfig, Machine } from "../../contract.ts";
import { type Profile, readProfiles } from "./profile.ts";

type Keys = Record<string, unknown>;

/** What a profile may say in place of keys, and why it can't be used. */
const FOREIGN: Readonly<Record<string, string>> = {
  role_arn: "takes a role with the keys of another profile",
  credential_process: "starts a program for its keys, and connectors can't start any",
  sso_session: "logs in with a browser (SSO)",
  sso_account_id: "logs in with a browser (SSO)",
};

/** Keys win over variables, variables over the profile; a profile that the keys name wins over variables. */
export function completeS3(config: Keys, machine: Machine): CompletedConfig {
  const notes: string[] = [];
  const problems: CompletedConfig["problems"][number][] = [];
  if (config.s3 !== undefined && !isMap(config.s3)) return { config, notes, problems };
  const s3: Keys = { ...config.s3 };
  const env = (name: string) => machine.env(name) || undefined;
  const named = typeof s3.profile === "string" ? s3.profile : undefined;
  const name = named ?? env("AWS_PROFILE");
  const profile = profileOf(name ?? "default", machine);
  if (profile === undefined && name !== undefined) {
    const message = `There is no profile "${name}" in ~/.aws/credentials and ~/.aws/config`;
    if (named !== undefined) problems.push({ key: "s3", message, hint: "Correct profile, or add it" });
    else notes.push(`${message}, which AWS_PROFILE names`);
  }
  fill(s3, "region", env("AWS_REGION") ?? env("AWS_DEFAULT_REGION") ?? profile?.region);
  fill(s3, "endpoint", env("AWS_ENDPOINT_URL_S3") ?? env("AWS_ENDPOINT_URL") ?? profile?.endpoint_url);
  if (!String(s3.endpoint).startsWith("http:")) {
    fill(s3, "ca_cert_path", env("AWS_CA_BUNDLE") ?? profile?.ca_bundle ?? systemCas(machine));
  }
  if (!hasIdentity(s3)) findKeys(s3, env, profile, named !== undefined);
  if (!hasIdentity(s3) && profile !== undefined) {
    const [key, why] = Object.entries(FOREIGN).find(([key]) => key in profile) ?? [];
    if (key !== undefined) {
      problems.push({
        key: "s3",
        message: `Profile "${name ?? "default"}" has no keys: it ${why} (${key})`,
        hint: "Give the program keys with `aws configure export-credentials`, or set s3.identity",
      });
    }
  }
  completeIdentity(s3, env, machine);
  return { config: { ...config, s3 }, notes, problems };
}

function hasIdentity({ access_key_id, secret_access_key, identity, anonymous }: Keys): boolean {
  return access_key_id !== undefined || secret_access_key !== undefined || identity !== undefined ||
    anonymous === true;
}

/** Where systems keep the CAs that they trust: Debian and Alpine, Red Hat, SUSE, the BSDs and macOS. */
const SYSTEM_CAS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * The system's CAs by the name of their file. The worker could not find them by itself in all releases of Deno, and
 * without any it has to send by `fetch`, which takes 150 MB more for files of 64 MB (fetched.ts).
 */
function systemCas({ readFile }: Machine): string | undefined {
  return SYSTEM_CAS.find((path) => {
    try {
      return readFile(path).includes("-----BEGIN CERTIFICATE-----");
    } catch {
      return false;
    }
  });
}

type Env = (name: string) => string | undefined;

function findKeys(s3: Keys, env: Env, profile: Profile | undefined, isNamed: boolean): void {
  const take = (id?: string, secret?: string, token?: string) => {
    if (id === undefined || secret === undefined) return false;
    Object.assign(s3, { access_key_id: id, secret_access_key: secret }, token && { session_token: token });
    return true;
  };
  const ofProfile = () =>
    take(profile?.aws_access_key_id, profile?.aws_secret_access_key, profile?.aws_session_token);
  if (isNamed && ofProfile()) return;
  if (take(env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"), env("AWS_SESSION_TOKEN"))) return;
  if (env("AWS_WEB_IDENTITY_TOKEN_FILE") && (s3.role_arn ?? env("AWS_ROLE_ARN"))) {
    s3.identity = "web_identity";
  } else if (ofProfile()) return;
  else if (env("AWS_CONTAINER_CREDENTIALS_FULL_URI") ?? env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) {
    s3.identity = "container";
  }
}

/** "Container credential provider": the host of a relative address is the same for every task. */
function completeIdentity(s3: Keys, env: Env, machine: Machine): void {
  if (s3.identity === "web_identity") {
    fill(s3, "role_arn", env("AWS_ROLE_ARN"));
    fill(s3, "identity_token_path", env("AWS_WEB_IDENTITY_TOKEN_FILE"));
  }
  if (s3.identity !== "container") return;
  const relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  fill(s3, "identity_url", relative ? `http://169.254.170.2${relative}` : full);
  fill(s3, "identity_token_path", env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
  fill(s3, "identity_token", machine.env("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
}

function fill(keys: Keys, key: string, value: unknown): void {
  if (keys[key] === undefined && value !== undefined) keys[key] = value;
}

function profileOf(name: string, machine: Machine): Profile | undefined {
  const home = machine.env("HOME") ?? machine.env("USERPROFILE");
  const path = (variable: string, file: string) =>
    machine.env(variable) || (home ? `${home}/.aws/${file}` : undefined);
  const read = (path: string | undefined, isConfig: boolean) => {
    if (path === undefined) return undefined;
    try {
      return readProfiles(machine.readFile(path), isConfig).get(name);
    } catch {
      return undefined; // as AWS's programs do: there need be no such file
    }
  };
  const config = read(path("AWS_CONFIG_FILE", "config"), true);
  const credentials = read(path("AWS_SHARED_CREDENTIALS_FILE", "credentials"), false);
  return config || credentials ? { ...config, ...credentials } : undefined;
}

function isMap(value: unknown): value is Keys {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
