/** Access tokens for Google's services: for the key of a service account, for a person, or for this machine. */
import { createSign } from "node:crypto";
import { ConnectorError } from "../../../formats/data/errors.ts";
import { type HttpAnswer, type HttpRequest, nowMs, type StoreContext, type StoreHttp } from "../http.ts";
import { type FetchedToken, Token } from "../token.ts";
import type { GcsConfig } from "./config.ts";
import { metadataServerOf } from "./endpoint.ts";
import { type KeyFile, readKeyFile } from "./key_file.ts";

/** All that the store does. */
const SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";

export class Credentials {
  readonly #token: Token | undefined;

  /** @throws {ConnectorError} where the key can't be used */
  constructor(config: GcsConfig, context: StoreContext, http: StoreHttp) {
    const ask = asking(config, context);
    if (ask === undefined) return;
    this.#token = new Token(context.clock, () => fetchToken(http, context, ask));
  }

  /** The request with its proof. @throws {ConnectorError} when no token can be had */
  async proven(request: HttpRequest): Promise<HttpRequest> {
    if (this.#token === undefined) return request;
    const Authorization = `Bearer ${await this.#token.get()}`;
    return { ...request, headers: { ...request.headers, Authorization } };
  }

  /** The service has refused a request. True: another one may be taken, because its token will be a new one. */
  refused({ headers }: HttpRequest): boolean {
    const token = /^Bearer (.*)$/.exec(headers.Authorization ?? "")?.[1];
    if (token !== undefined) this.#token?.refused(token);
    return token !== undefined;
  }
}

/** How to ask for a token. */
interface Asking {
  /** Of whom, for errors. */
  readonly whom: string;
  readonly request: () => HttpRequest;
  readonly hint: string;
}

function asking(config: GcsConfig, context: StoreContext): Asking | undefined {
  if (config.anonymous) return undefined;
  if (config.service_account_key === undefined) {
    // Google Cloud documentation, "Authenticate workloads using the metadata server".
    const url = `${metadataServerOf(config)}/computeMetadata/v1/instance/service-accounts/default/token`;
    return {
      whom: "Google's metadata server",
      request: () => ({ method: "GET", url, headers: { "Metadata-Flavor": "Google" } }),
      hint: "Is this a machine of Google's, with a service account? Otherwise set gcs.service_account_path",
    };
  }
  const file = readKeyFile(config.service_account_key);
  if ("problem" in file) {
    throw new ConnectorError(`Cannot use gcs.service_account_key: ${file.problem}`, {
      code: "config_gcs_key",
    });
  }
  const form = file.type === "service_account"
    ? () => ({
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: assertion(file, nowMs(context)),
    })
    : () => ({
      grant_type: "refresh_token",
      client_id: file.clientId,
      client_secret: file.clientSecret,
      refresh_token: file.refreshToken,
    });
  return {
    whom: new URL(file.tokenUri).host,
    request: () => ({
      method: "POST",
      url: file.tokenUri,
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: [new TextEncoder().encode(String(new URLSearchParams(form())))],
    }),
    hint: file.type === "service_account"
      ? "Check that the service account still has this key, and that this machine's clock is right"
      : "Log in again: gcloud auth application-default login",
  };
}

/** RFC 7523, 2.1 and 3, with the claims of Google's "Using OAuth 2.0 for Server to Server Applications". */
function assertion(file: KeyFile & { type: "service_account" }, nowMs: number): string {
  const part = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  const issued = Math.floor(nowMs / 1000);
  const header = {
    alg: "RS256",
    typ: "JWT",
    ...file.privateKeyId !== undefined && { kid: file.privateKeyId },
  };
  const claims = { iss: file.clientEmail, scope: SCOPE, aud: file.tokenUri, iat: issued, exp: issued + 3600 };
  const signed = `${part(header)}.${part(claims)}`;
  try {
    return `${signed}.${createSign("RSA-SHA256").update(signed).sign(file.privateKey, "base64url")}`;
  } catch {
    throw new ConnectorError("Cannot sign with the key of gcs.service_account_key: it is no RSA key", {
      code: "config_gcs_key",
      hint: "Make a new key for the service account, as JSON",
    });
  }
}

async function fetchToken(http: StoreHttp, context: StoreContext, ask: Asking): Promise<FetchedToken> {
  const what = `get a token from ${ask.whom}`;
  const answer = await http.send({ what, request: ask.request });
  const { access_token, expires_in, error } = jsonOf(answer!);
  if (answer!.status === 200 && typeof access_token === "string") {
    const seconds = Number(expires_in ?? 3600);
    return { text: access_token, lifeMs: Number.isFinite(seconds) ? seconds * 1000 : 0 };
  }
  // RFC 6749, 5.2: a code of few characters. The description may be anything.
  const code = typeof error === "string" && /^[a-z_]{1,40}$/.test(error) ? ` ${error}` : "";
  const skewMs = Date.parse(answer!.headers.get("date") ?? "") - nowMs(context);
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  throw new ConnectorError(`Cannot ${what}: the answer was ${answer!.status}${code}`, {
    code: minutes >= 5 ? "auth_clock" : "auth_google",
    hint: minutes >= 5
      ? `Set this machine's clock: it is ${minutes} minutes ${skewMs > 0 ? "behind" : "ahead"}`
      : ask.hint,
    retryable: true,
  });
}

/** What an answer holds; nothing where it is no JSON object. */
export function jsonOf(answer: HttpAnswer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(answer.text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}
