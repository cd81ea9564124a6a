/**
 * The keys that a profile of ~/.aws stands for: its own, or a role with the keys of another. (AWS SDKs and Tools
 * Reference Guide, "Assume role credential provider".)
 */
import type { Profile } from "./profile.ts";

type Keys = Readonly<Record<string, unknown>>;

/** Keys in the words of `s3`, or why there are none, to stand behind `Profile "x" has no keys: it`. */
export type FoundKeys = { readonly keys: Keys } | { readonly reason: string };

/** What a profile may say in place of keys, and why it can't be used. */
const FOREIGN: Readonly<Record<string, string>> = {
  credential_process: "starts a program for its keys, and connectors can't start any",
  sso_session: "logs in with a browser (SSO)",
  sso_account_id: "logs in with a browser (SSO)",
  login_session: "logs in with a browser",
};

/** Where a role's own keys are when they are no other profile's. */
const SOURCES: Readonly<Record<string, Keys>> = {
  Ec2InstanceMetadata: { identity: "instance" },
  EcsContainer: { identity: "container" },
};

/**
 * @param find the profile of a name
 * @param environment the keys in variables
 * @returns undefined when it says nothing of keys
 */
export function keysOfProfile(
  name: string,
  find: (name: string) => Profile | undefined,
  environment: Keys | undefined,
): FoundKeys | undefined {
  const profile = find(name);
  if (profile === undefined) return undefined;
  const { role_arn, web_identity_token_file, external_id, role_session_name } = profile;
  if (role_arn === undefined) return staticKeys(profile) ?? foreign(profile);
  const named = { role_arn, ...role_session_name !== undefined && { role_session_name } };
  if (web_identity_token_file !== undefined) {
    return { keys: { ...named, identity: "web_identity", identity_token_path: web_identity_token_file } };
  }
  if (profile.mfa_serial !== undefined) {
    return { reason: "takes a role with a code that somebody has to type (mfa_serial)" };
  }
  const source = sourceOf(name, profile, find, environment);
  if ("reason" in source) return source;
  const role = { ...named, ...external_id !== undefined && { role_external_id: external_id } };
  return { keys: { ...source.keys, ...role } };
}

/** Keys that a role is taken with. */
function sourceOf(
  name: string,
  { source_profile, credential_source, ...own }: Profile,
  find: (name: string) => Profile | undefined,
  environment: Keys | undefined,
): FoundKeys {
  if (source_profile !== undefined) {
    const source = source_profile === name ? own : find(source_profile);
    if (source === undefined) {
      return { reason: `takes a role with the keys of profile "${source_profile}", which is missing` };
    }
    if (source !== own && source.role_arn !== undefined) {
      return {
        reason: `takes a role with those of "${source_profile}", which is a role as well (one at a time)`,
      };
    }
    const found = staticKeys(source) ?? foreign(source) ?? { reason: "has none" };
    return "keys" in found
      ? found
      : { reason: `takes a role with those of "${source_profile}", which ${found.reason}` };
  }
  if (credential_source === undefined) {
    return { reason: "takes a role and does not say with whose keys (source_profile or credential_source)" };
  }
  const keys = credential_source === "Environment" ? environment : SOURCES[credential_source];
  return keys === undefined
    ? { reason: `takes a role with the keys of ${credential_source}, where there are none` }
    : { keys };
}

function staticKeys(profile: Profile): { readonly keys: Keys } | undefined {
  const { aws_access_key_id, aws_secret_access_key, aws_session_token } = profile;
  return keysOf(aws_access_key_id, aws_secret_access_key, aws_session_token);
}

/** A complete pair in the words of `s3`. */
export function keysOf(id?: string, secret?: string, token?: string): { readonly keys: Keys } | undefined {
  if (id === undefined || secret === undefined) return undefined;
  return { keys: { access_key_id: id, secret_access_key: secret, ...token && { session_token: token } } };
}

function foreign(profile: Profile): { readonly reason: string } | undefined {
  const [key, why] = Object.entries(FOREIGN).find(([key]) => key in profile) ?? [];
  return key === undefined ? undefined : { reason: `${why} (${key})` };
}
