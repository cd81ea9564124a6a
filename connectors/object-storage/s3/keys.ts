/**
 * The keys that requests are signed with: those of the configuration, or those that are given to this machine, which
 * are fetched anew before they end. (AWS SDKs and Tools Reference Guide, "Credential providers".)
 */
import type { Clock } from "../../contract.ts";
import { ConnectorError } from "../../../formats/data/errors.ts";
import type { StoreHttp } from "../http.ts";
import { identityUrl } from "./address.ts";
import type { S3Config } from "./config.ts";
import { elementText } from "./xml.ts";

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3KeySource {
  /** Undefined: requests are not signed. */
  current(): Promise<S3Keys | undefined>;
  /** The store says that they have ended. True: there will be others to try. */
  renew(): boolean;
}

/** @throws {ConnectorError} `auth_s3_no_keys` when the configuration has none */
export function keySource(config: S3Config, clock: Clock, http: StoreHttp): S3KeySource {
  const { anonymous, identity, access_key_id, secret_access_key, session_token } = config;
  const fixed = (keys: S3Keys | undefined): S3KeySource => ({
    current: () => Promise.resolve(keys),
    renew: () => false,
  });
  if (anonymous) return fixed(undefined);
  if (access_key_id !== undefined) {
    return fixed({
      accessKeyId: access_key_id,
      secretAccessKey: secret_access_key!,
      sessionToken: session_token,
    });
  }
  if (identity !== undefined) return new GivenKeys(config, clock, http);
  throw new ConnectorError(
    "There are no keys for S3: neither in the configuration, nor in variables or a profile",
    {
      code: "auth_s3_no_keys",
      hint:
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in s3.profile, set s3.identity on " +
        "machines of AWS, or s3.anonymous: true",
    },
  );
}

interface Asking {
  readonly method?: "GET" | "PUT" | "POST";
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Keys are fetched anew this long before they end. */
const RENEW_EARLY_MS = 5 * 60_000;

class GivenKeys implements S3KeySource {
  readonly #config: S3Config;
  readonly #clock: Clock;
  readonly #http: StoreHttp;
  #keys: S3Keys | undefined;
  #endMs = 0;
  #fetching: Promise<S3Keys> | undefined;

  constructor(config: S3Config, clock: Clock, http: StoreHttp) {
    this.#config = config;
    this.#clock = clock;
    this.#http = http;
  }

  async current(): Promise<S3Keys> {
    const leftMs = this.#endMs - this.#nowMs();
    if (this.#keys && leftMs > RENEW_EARLY_MS) return this.#keys;
    this.#fetching ??= this.#fetch().finally(() => this.#fetching = undefined);
    try {
      return await this.#fetching;
    } catch (error) {
      // Those we have are good for a while yet.
      if (this.#keys && leftMs > 0) return this.#keys;
      throw error;
    }
  }

  renew(): boolean {
    this.#keys = undefined;
    return true;
  }

  #nowMs(): number {
    return Number(this.#clock.nowMicros() / 1000n);
  }

  async #fetch(): Promise<S3Keys> {
    const { identity } = this.#config;
    const url = identityUrl(this.#config);
    if (url === undefined) {
      throw new ConnectorError("Cannot get keys for S3: nothing says where the agent of the container is", {
        code: "auth_s3_identity",
        hint: "Set s3.identity_url, or run it where AWS_CONTAINER_CREDENTIALS_FULL_URI is set",
      });
    }
    const given = identity === "instance"
      ? await this.#ofInstance(url)
      : identity === "container"
      ? JSON.parse(await this.#ask(url, { headers: this.#containerToken() }))
      : await this.#ofToken(url);
    const { AccessKeyId, SecretAccessKey, Token, Expiration } = given;
    if (typeof AccessKeyId !== "string" || typeof SecretAccessKey !== "string") {
      throw this.#refused(url, "no keys");
    }
    const endMs = Date.parse(String(Expiration));
    this.#endMs = Number.isNaN(endMs) ? this.#nowMs() + 15 * 60_000 : endMs;
    return this.#keys = {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      ...(typeof Token === "string" ? { sessionToken: Token } : {}),
    };
  }

  /** Amazon EC2 User Guide, "Use IMDSv2". */
  async #ofInstance(url: URL) {
    const at = (path: string) => new URL(path, url);
    const token = await this.#ask(at("latest/api/token"), {
      method: "PUT",
      headers: { "X-aws-ec2-metadata-token-ttl-seconds": "300" },
    });
    const headers = { "X-aws-ec2-metadata-token": token };
    const roles = at("latest/meta-data/iam/security-credentials/");
    const role = (await this.#ask(roles, { headers })).trim().split("\n")[0];
    return JSON.parse(await this.#ask(new URL(encodeURIComponent(role), roles), { headers }));
  }

  #containerToken(): Record<string, string> {
    const { identity_token, identity_token_path } = this.#config;
    const token = identity_token_path === undefined ? identity_token : this.#read(identity_token_path);
    return token === undefined ? {} : { Authorization: token };
  }

  /** AWS STS API Reference, AssumeRoleWithWebIdentity. */
  async #ofToken(url: URL) {
    const { role_arn, identity_token_path } = this.#config;
    if (role_arn === undefined || identity_token_path === undefined) {
      throw new ConnectorError("Cannot get keys for S3: web_identity needs a role and a token file", {
        code: "auth_s3_identity",
        hint: "Set s3.role_arn and s3.identity_token_path, or AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE",
      });
    }
    const body = new URLSearchParams({
      Action: "AssumeRoleWithWebIdentity",
      Version: "2011-06-15",
      RoleArn: role_arn,
      RoleSessionName: "rivven-connect",
      WebIdentityToken: this.#read(identity_token_path),
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const xml = await this.#ask(url, { method: "POST", headers, body: body.toString() });
    return {
      AccessKeyId: elementText(xml, "AccessKeyId"),
      SecretAccessKey: elementText(xml, "SecretAccessKey"),
      Token: elementText(xml, "SessionToken"),
      Expiration: elementText(xml, "Expiration"),
    };
  }

  #read(path: string): string {
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

  async #ask(url: URL, { method = "GET", headers = {}, body }: Asking): Promise<string> {
    const bytes = body === undefined ? undefined : [new TextEncoder().encode(body)];
    const result = await this.#http.attempt({ method, url: url.href, headers, body: bytes });
    if (result.kind === "unknown") {
      throw new ConnectorError(`Cannot get keys for S3 from ${url.origin}: ${result.reason}`, {
        code: "connection_s3_identity",
        hint: "Is this a machine of AWS, with a role? Otherwise give s3 keys",
      });
    }
    const { status, text } = result.answer;
    if (status !== 200) throw this.#refused(url, String(status));
    return text;
  }

  #refused(url: URL, answer: string): ConnectorError {
    return new ConnectorError(`Cannot get keys for S3 from ${url.origin}: it answered ${answer}`, {
      code: "auth_s3_identity",
      hint: "Check that this machine has a role, and the role's trust policy",
      retryable: true,
    });
  }
}
