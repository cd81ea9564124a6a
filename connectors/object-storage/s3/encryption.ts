/** Headers that say how objects are kept. (Amazon S3 User Guide, "Protecting data with server-side encryption".) */
import { createHash } from "node:crypto";
import type { S3Config } from "./config.ts";

/** For the request that makes an object, or begins its upload. */
export function storageHeaders(config: Pick<S3Config, "storage_class" | "sse">): Record<string, string> {
  const { storage_class, sse } = config;
  const headers: Record<string, string> = { ...customerHeaders(config) };
  if (storage_class) headers["x-amz-storage-class"] = storage_class;
  if (!sse || sse.type === "customer") return headers;
  headers["x-amz-server-side-encryption"] =
    { s3: "AES256", kms: "aws:kms", kms_dsse: "aws:kms:dsse" }[sse.type];
  if (sse.kms_key_id) headers["x-amz-server-side-encryption-aws-kms-key-id"] = sse.kms_key_id;
  if (sse.bucket_key_enabled !== undefined) {
    headers["x-amz-server-side-encryption-bucket-key-enabled"] = String(sse.bucket_key_enabled);
  }
  return headers;
}

/** With a key of one's own: for every request about the object or a part of it. S3 forgets the key each time. */
export function customerHeaders({ sse }: Pick<S3Config, "sse">): Record<string, string> {
  if (sse?.type !== "customer") return {};
  const key = Uint8Array.fromBase64(sse.customer_key!);
  const header = "x-amz-server-side-encryption-customer";
  return {
    [`${header}-algorithm`]: "AES256",
    [`${header}-key`]: key.toBase64(),
    [`${header}-key-md5`]: createHash("md5").update(key).digest("base64"),
  };
}
