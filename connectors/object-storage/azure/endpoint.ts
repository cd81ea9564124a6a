/** Where the blob service and the identity service are. */
import type { AzureConfig } from "./config.ts";

/** Address of the blob service, without a slash at its end; containers and blobs come behind it. */
export function endpointOf({ endpoint, account }: Pick<AzureConfig, "endpoint" | "account">): string {
  return endpoint?.replace(/\/+$/, "") ?? `https://${account}.blob.core.windows.net`;
}

/** The instance metadata service: one address in all of Azure, only reached from within the machine. */
export function identityServiceOf(
  { managed_identity_url }: Pick<AzureConfig, "managed_identity_url">,
): string {
  return managed_identity_url ?? "http://169.254.169.254/metadata/identity/oauth2/token";
}
