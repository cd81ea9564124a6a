/** Keys that are given to this machine. (AWS SDKs and Tools Reference Guide, "Credential providers".) */
import { ConnectorError } from "../../../formats/data/errors.ts";
import type { StoreHttp } from "../http.ts";
import { identityUrl } from "./address.ts";
import type { S3Config } from "./config.ts";
import { askForKeys, type GivenKeys, givenKeys } from "./key_service.ts";
import { webIdentityKeys } from "./sts.ts";

/** Asks whoever gives the keys of `identity`. @throws {ConnectorError} when nobody gives any */
export async function identityKeys(config: S3Config, http: StoreHttp): Promise<GivenKeys> {
  const { identity, identity_token, identity_token_path, role_arn } = config;
  const url = identityUrl(config);
  if (url === undefined) {
    throw new ConnectorError("Cannot get keys for S3: nothing says where the agent of the container is", {
      code: "auth_s3_identity",
      hint: "Set s3.identity_url, or run it where AWS_CONTAINER_CREDENTIALS_FULL_URI is set",
    });
  }
  switch (identity) {
    case "instance":
      return givenKeys(url.href, fields(await ofInstance(http, url)));
    case "container": {
      const token = identity_token_path === undefined ? identity_token : readToken(identity_token_path);
      const headers: Record<string, string> = token === undefined ? {} : { Authorization: token };
      return givenKeys(url.href, fields(await askForKeys(http, { method: "GET", url: url.href, headers })));
    }
    default:
      if (role_arn === undefined || identity_token_path === undefined) {
        throw new ConnectorError("Cannot get keys for S3: web_identity needs a role and a token file", {
          code: "auth_s3_identity",
          hint: "Set s3.role_arn and s3.identity_token_path, or AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE",
        });
      }
      return await webIdentityKeys({ ...config, role_arn }, url, readToken(identity_token_path), http);
  }
}

/** Amazon EC2 User Guide, "Use IMDSv2". */
async function ofInstance(http: StoreHttp, url: URL): Promise<string> {
  const at = (path: string) => new URL(path, url).href;
  const token = await askForKeys(http, {
    method: "PUT",
    url: at("latest/api/token"),
    headers: { "X-aws-ec2-metadata-token-ttl-seconds": "300" },
  });
  const headers = { "X-aws-ec2-metadata-token": token };
  const roles = at("latest/meta-data/iam/security-credentials/");
  const role = (await askForKeys(http, { method: "GET", url: roles, headers })).trim().split("\n")[0];
  return await askForKeys(http, { method: "GET", url: roles + encodeURIComponent(role), headers });
}

/** Of a JSON object; none where it is something else. */
function fields(text: string): Record<string, unknown> {
  try {
    return { ...JSON.parse(text) };
  } catch {
    return {}; // the error would repeat a part of the text
  }
}

function readToken(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new ConnectorError(`Cannot get keys for S3: "${path}" can't be read`, {
      code: "auth_s3_identity",
      hint: "Give this user the right to read the token file",
      retryable: true,
      cause,
    });
  }
}
