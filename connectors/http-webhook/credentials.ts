/** The headers that say who sends a request, and those that sign it. */
import { createHmac } from "node:crypto";
import type { Clock } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { WebhookConfig } from "./connector.ts";

type Auth = WebhookConfig["auth"];

/** A token is fetched anew this long before it ends. */
const REFRESH_EARLY_MS = 30_000;

/** Gives the headers of `auth`; fetches and keeps the token where one is needed. */
export class Credentials {
  readonly #auth: Auth;
  readonly #clock: Clock;
  readonly #client: Deno.HttpClient;
  #token: { readonly text: string; readonly untilMs: number } | undefined;
  #fetching: Promise<string> | undefined;

  constructor(auth: Auth, clock: Clock, client: Deno.HttpClient) {
    this.#auth = auth;
    this.#clock = clock;
    this.#client = client;
  }

  /** @throws {ConnectorError} when no token can be had */
  async headers(signal: AbortSignal): Promise<Record<string, string>> {
    const auth = this.#auth;
    switch (auth?.type) {
      case undefined:
        return {};
      case "bearer":
        return { Authorization: `Bearer ${auth.token}` };
      case "basic":
        return { Authorization: `Basic ${base64(`${auth.username}:${auth.password}`)}` };
      case "api_key":
        return { [auth.header_name]: auth.key };
      case "oauth2":
        return { Authorization: `Bearer ${await this.#currentToken(signal)}` };
    }
  }

  /** The server refused what `headers()` gave. True: there will be something new to try. */
  refused(): boolean {
    const hadToken = this.#token !== undefined;
    this.#token = undefined;
    return hadToken;
  }

  async #currentToken(signal: AbortSignal): Promise<string> {
    if (this.#token && this.#token.untilMs > this.#clock.monotonicMs()) return this.#token.text;
    this.#fetching ??= this.#fetchToken(signal).finally(() => this.#fetching = undefined);
    return await this.#fetching;
  }

  /** RFC 6749, 4.4.2: the client's name and secret in Basic authentication (2.3.1). */
  async #fetchToken(signal: AbortSignal): Promise<string> {
    const { token_url, client_id, client_secret, scope } = this.#auth as Extract<Auth, { type: "oauth2" }>;
    const form = new URLSearchParams({ grant_type: "client_credentials" });
    if (scope !== undefined) form.set("scope", scope);
    let status = 0;
    let answer: { access_token?: unknown; expires_in?: unknown };
    try {
      const response = await fetch(token_url, {
        method: "POST",
        body: form,
        headers: {
          Accept: "application/json",
          Authorization: `Basic ${
            base64(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`)
          }`,
        },
        redirect: "manual",
        client: this.#client,
        signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
      });
      status = response.status;
      answer = await response.json().catch(() => ({}));
    } catch (cause) {
      throw new ConnectorError(`Cannot get a token from ${token_url}: no answer`, {
        code: "connection_token",
        hint: "Look whether that endpoint can be reached from here",
        cause,
      });
    }
    if (status !== 200 || typeof answer.access_token !== "string") {
      throw new ConnectorError(`Cannot get a token from ${token_url}: it answered ${status}`, {
        code: status >= 500 ? "connection_token" : "auth_token",
        hint: "Check auth.client_id, auth.client_secret and auth.scope",
        retryable: true,
      });
    }
    const seconds = Number(answer.expires_in ?? 3600);
    const lifeMs = Number.isFinite(seconds) ? Math.max(seconds * 1000 - REFRESH_EARLY_MS, 1000) : 1000;
    this.#token = { text: answer.access_token, untilMs: this.#clock.monotonicMs() + lifeMs };
    return answer.access_token;
  }
}

/** The headers of `signing` for a body as it is sent. */
export function signatureHeaders(
  signing: WebhookConfig["signing"],
  body: Uint8Array,
  nowMicros: bigint,
): Record<string, string> {
  if (!signing) return {};
  const hmac = createHmac("sha256", signing.secret);
  const seconds = String(nowMicros / 1_000_000n);
  if (signing.include_timestamp) hmac.update(`${seconds}.`);
  const headers = { [signing.header_name]: `sha256=${hmac.update(body).digest("hex")}` };
  return signing.include_timestamp ? { ...headers, [signing.timestamp_header]: seconds } : headers;
}

function base64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}
