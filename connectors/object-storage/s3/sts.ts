/** Keys of a role, from STS. (AWS STS API Reference, AssumeRole and AssumeRoleWithWebIdentity.) */
import { createHash } from "node:crypto";
import type { HttpRequest, StoreHttp } from "../http.ts";
import type { S3Config } from "./config.ts";
import { askForKeys, type GivenKeys, givenKeys, type Refusal } from "./key_service.ts";
import { type S3Keys, Signer } from "./signature.ts";
import { elementText } from "./xml.ts";

type RoleConfig = S3Config & { readonly role_arn: string };

const REFUSED_ROLE: Refusal = {
  code: "auth_s3_role",
  hint:
    "The keys must be allowed sts:AssumeRole on s3.role_arn, and the role's trust policy must name whose keys " +
    "they are (and s3.role_external_id, where it asks for one); this machine's clock must be right",
};

/** For keys of our own those of the role that they may take. @throws {ConnectorError} when they may not */
export async function roleKeys(
  config: RoleConfig,
  url: URL,
  keys: S3Keys,
  nowMs: number,
  http: StoreHttp,
): Promise<GivenKeys> {
  const { region, role_external_id } = config;
  const request = asking(url, "AssumeRole", config, {
    ...role_external_id !== undefined && { ExternalId: role_external_id },
  });
  const signed = await new Signer("sts", region).signed(request, keys, nowMs);
  return readAnswer(url, await askForKeys(http, signed, REFUSED_ROLE), REFUSED_ROLE);
}

/** For the token of a web identity the keys of the role. */
export async function webIdentityKeys(
  config: RoleConfig,
  url: URL,
  token: string,
  http: StoreHttp,
): Promise<GivenKeys> {
  const request = asking(url, "AssumeRoleWithWebIdentity", config, { WebIdentityToken: token });
  return readAnswer(url, await askForKeys(http, request));
}

function asking(
  url: URL,
  action: string,
  { role_arn, role_session_name }: RoleConfig,
  more: Readonly<Record<string, string>>,
): HttpRequest {
  const form = new URLSearchParams({
    Action: action,
    Version: "2011-06-15",
    RoleArn: role_arn,
    RoleSessionName: role_session_name,
    ...more,
  });
  const body = new TextEncoder().encode(form.toString());
  return {
    method: "POST",
    url: url.href,
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "x-amz-content-sha256": createHash("sha256").update(body).digest("hex"),
    },
    body: [body],
  };
}

function readAnswer(url: URL, xml: string, refusal?: Refusal): GivenKeys {
  return givenKeys(url.href, {
    AccessKeyId: elementText(xml, "AccessKeyId"),
    SecretAccessKey: elementText(xml, "SecretAccessKey"),
    Token: elementText(xml, "SessionToken"),
    Expiration: elementText(xml, "Expiration"),
  }, refusal);
}
