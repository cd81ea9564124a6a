/** Where a bucket is: the address of its objects, and the hosts that a worker must reach. */
import type { Permissions } from "../../contract.ts";
import { hostOf } from "../address.ts";
import type { S3Config } from "./config.ts";

/** Where instances get their keys: the same address on every EC2 machine. */
export const INSTANCE_METADATA = "http://169.254.169.254/";

/** The address in front of an object's name, ending in a slash. */
export function bucketUrl({ endpoint, region, force_path_style }: S3Config, bucket: string): URL {
  const url = new URL(endpoint ?? awsEndpoint("s3", region));
  // A certificate for *.s3.<region>.amazonaws.com does not hold for a name with a dot in it.
  const inPath = force_path_style ?? (endpoint !== undefined || bucket.includes("."));
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  if (inPath) url.pathname += `${encodeURIComponent(bucket)}/`;
  else url.hostname = `${bucket}.${url.hostname}`;
  return url;
}

/** AWS General Reference, "Regional endpoints"; China is a partition of its own. */
function awsEndpoint(service: string, region: string): string {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return `https://${service}.${region}.${domain}/`;
}

/** Who gives the keys of `identity`; undefined where there is none. */
export function identityUrl(config: S3Config): URL | undefined {
  const { identity, identity_url } = config;
  switch (identity) {
    case undefined:
      return undefined;
    case "instance":
      return new URL(identity_url ?? INSTANCE_METADATA);
    case "web_identity":
      return identity_url === undefined ? stsUrl(config) : new URL(identity_url);
    case "container":
      return identity_url === undefined ? undefined : new URL(identity_url);
  }
}

/** Who gives the keys of roles. */
export function stsUrl({ sts_endpoint, region }: S3Config): URL {
  return new URL(sts_endpoint ?? awsEndpoint("sts", region));
}

/** Exactly what the store needs. */
export function s3Permissions(config: S3Config, bucket: string): Permissions {
  const { ca_cert_path, identity, identity_token_path, role_arn } = config;
  const role = role_arn === undefined || identity === "web_identity" ? undefined : stsUrl(config);
  const urls = [bucketUrl(config, bucket), identityUrl(config), role].filter((url) => url !== undefined);
  const files = [ca_cert_path, identity === undefined ? undefined : identity_token_path]
    .filter((path) => path !== undefined);
  return { net: [...new Set(urls.map(({ href }) => hostOf(href)))], ...files.length > 0 && { read: files } };
}
