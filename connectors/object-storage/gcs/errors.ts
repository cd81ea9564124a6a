/** What Google says, in words for whoever runs the pipeline: Cloud Storage, "HTTP status and error codes for JSON". */
import { ConnectorError, type ErrorDetails } from "../../../formats/data/errors.ts";
import type { HttpAnswer } from "../http.ts";
import { jsonOf } from "./credentials.ts";

/** `error.errors[0].reason` of an answer: `conditionNotMet`, `rateLimitExceeded`. */
export function reasonOf(answer: HttpAnswer): string | undefined {
  const { error } = jsonOf(answer) as { error?: { errors?: { reason?: unknown }[] } };
  const reason = error?.errors?.[0]?.reason;
  return typeof reason === "string" && /^\w{1,60}$/.test(reason) ? reason : undefined;
}

/** The same request may be taken later, although the status does not say so. */
export function isBusy(answer: HttpAnswer): boolean {
  return answer.status === 403 && /^(user)?rateLimitExceeded$/i.test(reasonOf(answer) ?? "");
}

/** A 404 that is about the bucket; of one about an object nothing is said. */
export function isBucketMissing(answer: HttpAnswer): boolean {
  return answer.status === 404 && /bucket does(n't| not) exist/i.test(answer.text);
}

/** @param what the end of `Cannot …` */
export function gcsError(what: string, answer: HttpAnswer): ConnectorError {
  const reason = reasonOf(answer);
  const said = reason === undefined ? String(answer.status) : `${answer.status} ${reason}`;
  return new ConnectorError(`Cannot ${what}: the answer was ${said}`, detailsOf(answer));
}

function detailsOf(answer: HttpAnswer): ErrorDetails {
  const { status } = answer;
  if (status === 400 && /match calculated/.test(answer.text)) { // damaged on its way
    return { code: "transient_gcs", hint: "Nothing is lost: it is tried again" };
  }
  const isAboutKey = /kms|cryptokey/i.test(answer.text);
  if (status === 401) {
    return {
      code: "auth_gcs",
      hint: "Check the credentials in `gcs`: the service knows nobody by them",
      retryable: true,
    };
  }
  if (status === 403) {
    return {
      code: "permission_gcs",
      hint: isAboutKey
        ? "Give the storage service's own account the role Cloud KMS CryptoKey Encrypter/Decrypter on gcs.kms_key_name"
        : "Give the account the role Storage Object User on the bucket (create and get objects)",
      retryable: true,
    };
  }
  if (status === 404 || status === 410) {
    return {
      code: "not_found_bucket",
      hint: "Make the bucket, or check `bucket` and `gcs.endpoint`",
      retryable: true,
    };
  }
  if (status === 409 || status === 412) {
    return { code: "transient_gcs", hint: "Nothing is lost: it is tried again" };
  }
  if (status >= 300 && status < 400) {
    return {
      code: "config_http_redirect",
      hint: "Write the address of the storage service into `gcs.endpoint`: redirects are not followed",
    };
  }
  return {
    code: "config_gcs",
    hint: isAboutKey
      ? "Check gcs.kms_key_name: the key must be in the bucket's location"
      : "Check `bucket`, `prefix` and the keys of `gcs`",
  };
}
