/** Where the storage service, the token service and the metadata server are. */
import type { GcsConfig } from "./config.ts";
import { readKeyFile } from "./key_file.ts";

/** Address of the JSON API, without a slash at its end. */
export function endpointOf({ endpoint }: Pick<GcsConfig, "endpoint">): string {
  return endpoint?.replace(/\/+$/, "") ?? "https://storage.googleapis.com";
}

/** The metadata server: one name on all of Google's machines, only reached from within them. */
export function metadataServerOf({ metadata_url }: Pick<GcsConfig, "metadata_url">): string {
  return metadata_url?.replace(/\/+$/, "") ?? "http://metadata.google.internal";
}

/** Who gives tokens; undefined where requests have none. */
export function tokenServiceOf(config: GcsConfig): string | undefined {
  if (config.anonymous) return undefined;
  if (config.service_account_key === undefined) return metadataServerOf(config);
  const file = readKeyFile(config.service_account_key);
  return "problem" in file ? undefined : file.tokenUri;
}
