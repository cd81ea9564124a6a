/**
 * The keys that requests are signed with: those of the configuration, or those that are given to this machine, or those
 * of a role that these may take. What is given for a while is fetched anew before it ends.
 */
import type { Clock } from "../../contract.ts";
import { ConnectorError } from "../../../formats/data/errors.ts";
import { nowMs, type StoreHttp } from "../http.ts";
import { stsUrl } from "./address.ts";
import type { S3Config } from "./config.ts";
import { identityKeys } from "./identity.ts";
import type { GivenKeys } from "./key_service.ts";
import type { S3Keys } from "./signature.ts";
import { roleKeys } from "./sts.ts";

export interface S3KeySource {
  /** Undefined: requests are not signed. */
  current(): Promise<S3Keys | undefined>;
  /** The store says that they have ended. True: there will be others to try. */
  renew(): boolean;
}

/** @throws {ConnectorError} `auth_s3_no_keys` when the configuration has none */
export function keySource(config: S3Config, clock: Clock, http: StoreHttp): S3KeySource {
  if (config.anonymous) return { current: () => Promise.resolve(undefined), renew: () => false };
  const own = ownKeys(config, clock, http);
  const { role_arn, identity } = config;
  // A web identity has taken its role already.
  if (role_arn === undefined || identity === "web_identity") return own;
  const url = stsUrl(config);
  return new RenewedKeys(
    clock,
    async () => await roleKeys({ ...config, role_arn }, url, await own.current(), nowMs({ clock }), http),
    () => own.renew(),
  );
}

interface OwnKeys extends S3KeySource {
  current(): Promise<S3Keys>;
}

function ownKeys(config: S3Config, clock: Clock, http: StoreHttp): OwnKeys {
  const { identity, access_key_id, secret_access_key, session_token } = config;
  if (access_key_id !== undefined) {
    const keys: S3Keys = {
      accessKeyId: access_key_id,
      secretAccessKey: secret_access_key!,
      sessionToken: session_token,
    };
    return { current: () => Promise.resolve(keys), renew: () => false };
  }
  if (identity !== undefined) return new RenewedKeys(clock, () => identityKeys(config, http));
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

/** Keys are fetched anew this long before they end. */
const RENEW_EARLY_MS = 5 * 60_000;
/** How long keys are used whose end nobody said. */
const UNSAID_LIFE_MS = 15 * 60_000;

class RenewedKeys implements OwnKeys {
  readonly #context: { readonly clock: Clock };
  readonly #fetch: () => Promise<GivenKeys>;
  readonly #alsoRenew: () => void;
  #keys: S3Keys | undefined;
  #endMs = 0;
  #fetching: Promise<S3Keys> | undefined;

  constructor(clock: Clock, fetch: () => Promise<GivenKeys>, alsoRenew: () => void = () => {}) {
    this.#context = { clock };
    this.#fetch = fetch;
    this.#alsoRenew = alsoRenew;
  }

  async current(): Promise<S3Keys> {
    const leftMs = this.#endMs - nowMs(this.#context);
    if (this.#keys && leftMs > RENEW_EARLY_MS) return this.#keys;
    this.#fetching ??= this.#renewed().finally(() => this.#fetching = undefined);
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
    this.#alsoRenew();
    return true;
  }

  async #renewed(): Promise<S3Keys> {
    const { keys, endMs } = await this.#fetch();
    this.#endMs = endMs ?? nowMs(this.#context) + UNSAID_LIFE_MS;
    return this.#keys = keys;
  }
}
