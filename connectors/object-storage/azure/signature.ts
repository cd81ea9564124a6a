/** Shared Key: Azure Storage REST documentation, "Authorize with Shared Key", for versions from 2015-02-21 on. */
import { createHmac } from "node:crypto";
import { sizeOf } from "../bytes.ts";
import type { HttpRequest } from "../http.ts";

/** The headers that are signed by their values alone, in this order. */
const SIGNED_HEADERS = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-md5",
  "content-type",
  "date",
  "if-modified-since",
  "if-match",
  "if-none-match",
  "if-unmodified-since",
  "range",
];

/** The header Authorization for a request that has all of its other headers. */
export function sharedKey(account: string, accessKey: string, request: HttpRequest): string {
  const signature = createHmac("sha256", Uint8Array.fromBase64(accessKey)).update(
    stringToSign(account, request),
  );
  return `SharedKey ${account}:${signature.digest("base64")}`;
}

/** What is signed. */
export function stringToSign(account: string, { method, url, headers, body }: HttpRequest): string {
  const all = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.trim()]));
  // The header itself is added when it is sent. A length of 0 is signed as nothing.
  all.set("content-length", body && sizeOf(body) > 0 ? String(sizeOf(body)) : "");
  const own = [...all].filter(([name]) => name.startsWith("x-ms-")).sort(byName);
  return [
    method,
    ...SIGNED_HEADERS.map((name) => all.get(name) ?? ""),
    ...own.map(([name, value]) => `${name}:${value}`),
    canonicalResource(account, new URL(url)),
  ].join("\n");
}

function canonicalResource(account: string, { pathname, searchParams }: URL): string {
  const query = [...searchParams].map(([name, value]): [string, string] => [name.toLowerCase(), value]);
  return [`/${account}${pathname}`, ...query.sort(byName).map(([name, value]) => `${name}:${value}`)].join(
    "\n",
  );
}

function byName([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
