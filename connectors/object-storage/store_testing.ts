/** For tests of stores: objects, the keys that requests go by, and what a store says. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { CheckFinding } from "../contract.ts";
import type { HttpKeys } from "./http.ts";
import type { NewObject, ObjectStore } from "./object_store.ts";

/** As the connector has them when nothing is said, but for fewer retries. */
export const HTTP_KEYS: HttpKeys = {
  retry: {
    max_retries: 4,
    initial_backoff_ms: 100,
    max_backoff_ms: 20_000,
    backoff_multiplier: 2,
    jitter_factor: 0.5,
  },
  request_timeout_secs: 60,
};

/** 16 bytes in two pieces. */
export const SMALL: readonly Uint8Array[] = [
  new TextEncoder().encode('{"a":1}\n'),
  new TextEncoder().encode('{"a":2}\n'),
];

/** So many bytes in two pieces, with which no part of an upload ends. */
export function large(size: number): readonly Uint8Array[] {
  const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251);
  return [bytes.subarray(0, 5_000_001), bytes.subarray(5_000_001)];
}

export function object(name: string, body: readonly Uint8Array[] = SMALL): NewObject {
  return { name, body, contentType: "application/x-ndjson" };
}

/** In Base64, as stores write it. */
export function md5(pieces: readonly Uint8Array[]): string {
  const hash = createHash("md5");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("base64");
}

/** The error that it ends with. */
export async function caught(promise: Promise<unknown>): Promise<ConnectorError> {
  const error = await promise.then(() => assert.fail("It did not fail"), (error: unknown) => error);
  assert.ok(error instanceof ConnectorError, String(error));
  return error;
}

/** What `check` says. */
export async function findings(store: ObjectStore): Promise<CheckFinding[]> {
  const found: CheckFinding[] = [];
  await store.check((finding) => found.push(finding));
  return found;
}
