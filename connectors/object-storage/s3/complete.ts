/**
 * What the keys in `s3` leave out, from where AWS's own programs take it: variables, then the profile in the two files
 * of ~/.aws. Runs on the main thread before the configuration is validated, so that `plan` shows the real endpoint and
 * the worker needs no right to variables and files. (AWS SDKs and Tools Reference Guide, "Credential providers".)
 */
import type { CompletedConfig, Machine } from "../../contract.ts";
import { completeCas } from "../system_cas.ts";
import { type Profile, readProfiles } from "./profile.ts";
import { type FoundKeys, keysOf, keysOfProfile } from "./profile_keys.ts";

type Keys = Record<string, unknown>;

/** Keys win over variables, variables over the profile; a profile that the keys name wins over variables. */
export function completeS3(config: Keys, machine: Machine): CompletedConfig {
  const notes: string[] = [];
  const problems: CompletedConfig["problems"][number][] = [];
  if (config.s3 !== undefined && !isMap(config.s3)) return { config, notes, problems };
  const s3: Keys = { ...config.s3 };
  const env = (name: string) => machine.env(name) || undefined;
  const named = typeof s3.profile === "string" ? s3.profile : undefined;
  const name = named ?? env("AWS_PROFILE");
  const find = (name: string) => profileOf(name, machine);
  const profile = find(name ?? "default");
  if (profile === undefined && name !== undefined) {
    const message = `There is no profile "${name}" in ~/.aws/credentials and ~/.aws/config`;
    if (named !== undefined) problems.push({ key: "s3", message, hint: "Correct profile, or add it" });
    else notes.push(`${message}, which AWS_PROFILE names`);
  }
  fill(s3, "region", env("AWS_REGION") ?? env("AWS_DEFAULT_REGION") ?? profile?.region);
  fill(s3, "endpoint", env("AWS_ENDPOINT_URL_S3") ?? env("AWS_ENDPOINT_URL") ?? profile?.endpoint_url);
  if (!String(s3.endpoint).startsWith("http:")) {
    fill(s3, "ca_cert_path", env("AWS_CA_BUNDLE") ?? profile?.ca_bundle);
  }
  completeCas(s3, machine);
  if (!hasIdentity(s3)) {
    const ofVariables = keysOf(
      env("AWS_ACCESS_KEY_ID"),
      env("AWS_SECRET_ACCESS_KEY"),
      env("AWS_SESSION_TOKEN"),
    );
    const ofProfile = keysOfProfile(name ?? "default", find, ofVariables?.keys);
    const found = findKeys(s3, env, ofVariables, ofProfile, named !== undefined);
    if ("reason" in found) {
      problems.push({
        key: "s3",
        message: `Profile "${name ?? "default"}" has no keys: it ${found.reason}`,
        hint: "Give the program keys with `aws configure export-credentials`, or set s3.identity",
      });
    } else if (found.keys.role_arn !== undefined && s3.role_arn !== undefined) {
      problems.push({
        key: "s3",
        message: `Profile "${name ?? "default"}" takes a role itself, and can't take role_arn with its keys`,
        hint: "Leave out role_arn, or name a profile that has keys of its own",
      });
    } else Object.assign(s3, found.keys);
  }
  completeIdentity(s3, env, machine, profile);
  return { config: { ...config, s3 }, notes, problems };
}

function hasIdentity({ access_key_id, secret_access_key, identity, anonymous }: Keys): boolean {
  return access_key_id !== undefined || secret_access_key !== undefined || identity !== undefined ||
    anonymous === true;
}

type Env = (name: string) => string | undefined;

/** The first that has any, in the order of AWS's programs; a profile that the keys of `s3` name goes first. */
function findKeys(
  s3: Keys,
  env: Env,
  ofVariables: FoundKeys | undefined,
  ofProfile: FoundKeys | undefined,
  isNamed: boolean,
): FoundKeys {
  const hasToken = env("AWS_WEB_IDENTITY_TOKEN_FILE") && (s3.role_arn ?? env("AWS_ROLE_ARN"));
  const ofToken = hasToken ? { keys: { identity: "web_identity" } } : undefined;
  const hasAgent = env("AWS_CONTAINER_CREDENTIALS_FULL_URI") ?? env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const ofAgent = hasAgent ? { keys: { identity: "container" } } : undefined;
  const inOrder = isNamed
    ? [ofProfile, ofVariables, ofToken, ofAgent]
    : [ofVariables, ofToken, ofProfile, ofAgent];
  // One without keys is only told where nobody else has any.
  return inOrder.find((found) => found !== undefined && "keys" in found) ?? ofProfile ?? { keys: {} };
}

/** "Container credential provider": the host of a relative address is the same for every task. */
function completeIdentity(s3: Keys, env: Env, machine: Machine, profile: Profile | undefined): void {
  if (s3.identity === "web_identity") {
    fill(s3, "role_arn", env("AWS_ROLE_ARN"));
    fill(s3, "identity_token_path", env("AWS_WEB_IDENTITY_TOKEN_FILE"));
  }
  if (s3.role_arn !== undefined) {
    fill(s3, "role_session_name", env("AWS_ROLE_SESSION_NAME"));
    fill(s3, "sts_endpoint", env("AWS_ENDPOINT_URL_STS") ?? env("AWS_ENDPOINT_URL") ?? profile?.endpoint_url);
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
