/** Requests signed with keys of AWS. (AWS IAM User Guide, "Create a signed AWS API request", Signature Version 4.) */
// In place of @aws-sdk/client-s3, which needs 25 MB and rights that a confined worker does not have, for seven requests.
import { AwsV4Signer } from "npm:aws4fetch@1.0.20";
import type { HttpRequest } from "../http.ts";

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** For which service and region; made once, since it keeps the keys of the day. */
export class Signer {
  readonly #service: string;
  readonly #region: string;
  readonly #cache = new Map<string, ArrayBuffer>();

  /** @param service such as `s3` */
  constructor(service: string, region: string) {
    this.#service = service;
    this.#region = region;
  }

  /** @param request has the header `x-amz-content-sha256` when it has a body */
  async signed(
    { method, url, headers, body }: HttpRequest,
    keys: S3Keys,
    nowMs: number,
  ): Promise<HttpRequest> {
    const signer = new AwsV4Signer({
      ...{ method, url, headers: { ...headers }, ...keys },
      ...{ service: this.#service, region: this.#region, cache: this.#cache },
      datetime: new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ""),
    });
    const signed = await signer.sign();
    // One key a day and region.
    if (this.#cache.size > 16) this.#cache.clear();
    return { method, url: signed.url.href, headers: Object.fromEntries(signed.headers), body };
  }
}
