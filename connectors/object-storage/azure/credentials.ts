/** How requests to Azure prove who sends them: signed by a key, with a token in the URL, or with a bearer token. */
import { ConnectorError } from "../../../formats/data/errors.ts";
import { type HttpAnswer, type HttpRequest, nowMs, type StoreContext, type StoreHttp } from "../http.ts";
import { type FetchedToken, Token } from "../token.ts";
import type { AzureConfig } from "./config.ts";
import { identityServiceOf } from "./endpoint.ts";
import type { CredentialsKey } from "./errors.ts";
import { sharedKey } from "./signature.ts";

export class Credentials {
  readonly key: CredentialsKey;
  readonly #config: AzureConfig;
  readonly #context: StoreContext;
  readonly #token: Token;
  /** The service's clock minus ours. */
  #skewMs = 0;

  constructor(config: AzureConfig, context: StoreContext, http: StoreHttp) {
    const { access_key, sas_token } = config;
    this.#config = config;
    this.#context = context;
    this.key = access_key !== undefined
      ? "access_key"
      : sas_token !== undefined
      ? "sas_token"
      : "use_managed_identity";
    this.#token = new Token(context.clock, () => identityToken(http, context, config));
  }

  /** The request with its proof. @throws {ConnectorError} when no token can be had */
  async proven(request: HttpRequest): Promise<HttpRequest> {
    const { account, access_key, sas_token } = this.#config;
    if (access_key !== undefined) {
      const date = new Date(this.#nowMs).toUTCString();
      const dated = { ...request, headers: { ...request.headers, "x-ms-date": date } };
      return {
        ...dated,
        headers: { ...dated.headers, Authorization: sharedKey(account!, access_key, dated) },
      };
    }
    if (sas_token !== undefined) {
      const { url } = request;
      return { ...request, url: `${url}${url.includes("?") ? "&" : "?"}${sas_token.replace(/^\?/, "")}` };
    }
    const token = await this.#token.get();
    return { ...request, headers: { ...request.headers, Authorization: `Bearer ${token}` } };
  }

  /** Milliseconds since 1970, by the service's clock as far as it is known. */
  get #nowMs(): number {
    return nowMs(this.#context) + this.#skewMs;
  }

  /** The service has refused a request. True: the next may be taken, with a new token or at another time. */
  refused({ headers }: HttpRequest, answer: HttpAnswer): boolean {
    if (this.key === "access_key") return this.#setClock(answer);
    const token = /^Bearer (.*)$/.exec(headers.Authorization ?? "")?.[1];
    if (token !== undefined) this.#token.refused(token);
    return token !== undefined;
  }

  /** Goes by the service's clock where ours is off: it takes signatures of the last 15 minutes only. */
  #setClock({ headers }: HttpAnswer): boolean {
    const skewMs = Date.parse(headers.get("date") ?? "") - this.#nowMs;
    if (!(Math.abs(skewMs) > 5 * 60_000)) return false;
    this.#skewMs += skewMs;
    const minutes = Math.round(Math.abs(skewMs) / 60_000);
    this.#context.log.warn(
      `This machine's clock is ${minutes} minutes ${skewMs > 0 ? "behind" : "ahead of"} the store's: ` +
        "requests are signed with the store's time",
    );
    return true;
  }
}

/** Microsoft Entra documentation, "Use managed identities on a virtual machine to acquire access token". */
async function identityToken(
  http: StoreHttp,
  context: StoreContext,
  config: AzureConfig,
): Promise<FetchedToken> {
  const { managed_identity_client_id: clientId } = config;
  const what = "get a token for Azure from the machine's identity service";
  const query = new URLSearchParams({
    "api-version": "2018-02-01",
    resource: "https://storage.azure.com/",
    ...clientId !== undefined && { client_id: clientId },
  });
  const url = `${identityServiceOf(config)}?${query}`;
  const answer = await http.send({
    what,
    request: () => ({ method: "GET", url, headers: { Metadata: "true" } }),
    // "404: the endpoint is updating"; "410: updating, within 70 seconds".
    isBusy: ({ status }) => status === 404 || status === 410,
  });
  const { access_token, expires_on, expires_in } = parsed(answer!.text);
  if (answer!.status !== 200 || typeof access_token !== "string") {
    throw new ConnectorError(`Cannot ${what}: the answer was ${answer!.status}`, {
      code: "auth_identity",
      hint: clientId === undefined
        ? "Give this machine an identity, or name one with azure.managed_identity_client_id where it has several"
        : "Check azure.managed_identity_client_id, and that this machine has that identity",
      retryable: true,
    });
  }
  const lifeMs = expires_on === undefined
    ? Number(expires_in ?? 3600) * 1000
    : Number(expires_on) * 1000 - nowMs(context);
  return { text: access_token, lifeMs: Number.isFinite(lifeMs) ? lifeMs : 0 };
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}
