/** What S3 said, in words for whoever runs the pipeline. (Amazon S3 API Reference, "Error responses".) */
import { ConnectorError, type ErrorDetails } from "../../../formats/data/errors.ts";
import type { S3Answer } from "./requests.ts";

type Known = Pick<ErrorDetails, "code" | "hint">;

const KEYS = "access_key_id and secret_access_key, or where they come from (variables, profile)";

const KNOWN: Readonly<Record<string, Known>> = {
  AccessDenied: {
    code: "permission_s3",
    hint:
      "Allow s3:PutObject, s3:AbortMultipartUpload, s3:ListBucket and s3:ListBucketMultipartUploads on the bucket" +
      " (and, with sse kms, kms:GenerateDataKey and kms:Decrypt on the key)",
  },
  AllAccessDisabled: { code: "permission_s3", hint: "The account may not use S3: ask whom it belongs to" },
  AccountProblem: { code: "permission_s3", hint: "The account may not use S3: ask whom it belongs to" },
  InvalidAccessKeyId: { code: "auth_s3", hint: `Nobody has this key: check ${KEYS}` },
  XAdminUserNotFound: { code: "auth_s3", hint: `Nobody has this key: check ${KEYS}` },
  SignatureDoesNotMatch: { code: "auth_s3", hint: `The secret does not belong to the key: check ${KEYS}` },
  ExpiredToken: {
    code: "auth_s3_expired",
    hint:
      "Temporary keys have run out: start the program with new ones, or set s3.identity, which renews them",
  },
  TokenRefreshRequired: { code: "auth_s3_expired", hint: "Start the program with new temporary keys" },
  InvalidToken: { code: "auth_s3", hint: "session_token does not belong to the keys: check all three" },
  InvalidTokenId: { code: "auth_s3", hint: "session_token does not belong to the keys: check all three" },
  NoSuchBucket: {
    code: "not_found_s3_bucket",
    hint: "Make the bucket, or correct bucket, region or endpoint",
  },
  InvalidBucketName: { code: "config_s3_bucket", hint: "Correct bucket" },
  RequestTimeTooSkewed: {
    code: "auth_s3_clock",
    hint: "Set this machine's clock: it is more than 15 minutes off",
  },
  PermanentRedirect: { code: "config_s3_region", hint: "Correct region: the bucket is in another one" },
  AuthorizationHeaderMalformed: {
    code: "config_s3_region",
    hint: "Correct region: the store expects another one",
  },
  IllegalLocationConstraintException: { code: "config_s3_region", hint: "Correct region" },
  InvalidStorageClass: {
    code: "config_s3_storage_class",
    hint: "Correct storage_class: the store has no such one",
  },
  NotImplemented: {
    code: "config_s3_not_implemented",
    hint: "The store can't do what is asked: objects that are made only when there is none of that name " +
      "(If-None-Match), or what sse and storage_class say",
  },
  KMSDisabledException: { code: "permission_s3_kms", hint: "The key of sse is disabled in KMS" },
  "KMS.DisabledException": { code: "permission_s3_kms", hint: "The key of sse is disabled in KMS" },
  "KMS.NotFoundException": { code: "config_s3_kms", hint: "Correct sse.kms_key_id: there is no such key" },
  EntityTooLarge: { code: "config_s3_too_large", hint: "Lower max_file_size_mb" },
  InsufficientStorage: { code: "transient_s3_full", hint: "The store is full: make room" },
  XMinioStorageFull: { code: "transient_s3_full", hint: "The store is full: make room" },
};

/** The same, where the answer has no code in it (HEAD) or one that is not known. */
const BY_STATUS: Readonly<Record<number, Known>> = {
  301: KNOWN.PermanentRedirect,
  307: KNOWN.PermanentRedirect,
  400: { code: "config_s3", hint: "Check endpoint, region and bucket" },
  401: KNOWN.AccessDenied,
  403: KNOWN.AccessDenied,
  404: KNOWN.NoSuchBucket,
  429: {
    code: "rate_limited_s3",
    hint: "Nothing is lost: the pipeline goes on when the store takes requests again",
  },
  501: KNOWN.NotImplemented,
};

/**
 * The error that an answer stands for. All are tried again by the runtime, with its backoff: whatever it is, nothing is
 * lost while somebody mends it (a key, a right, a bucket).
 *
 * @param tried what was tried on what: `make "lake/x.jsonl" in bucket "b"`
 */
export function s3Error(tried: string, answer: S3Answer): ConnectorError {
  const { status, code, region } = answer;
  const known = KNOWN[code ?? ""] ?? BY_STATUS[status] ??
    {
      code: "transient_s3",
      hint: "Nothing is lost: the pipeline goes on when the store takes requests again",
    };
  const said = code === undefined ? String(status) : `${status} ${code}`;
  const hint = known.code === "config_s3_region" && region ? `Set s3.region: ${region}` : known.hint;
  return new ConnectorError(`Cannot ${tried}: S3 answered ${said}`, { ...known, hint, retryable: true });
}
