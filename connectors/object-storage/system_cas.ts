/** The system's CAs, which count where no `ca_cert_path` is named. For what s3/, gcs/ and azure/ fill in. */
import type { Machine } from "../contract.ts";

/** Where systems keep the CAs that they trust: Debian and Alpine, Red Hat, SUSE, the BSDs and macOS. */
const FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Fills in `ca_cert_path` for a service at https://, which it is when `endpoint` does not say otherwise. */
export function completeCas(block: Record<string, unknown>, machine: Machine): void {
  if (block.ca_cert_path !== undefined || String(block.endpoint).startsWith("http:")) return;
  const path = systemCas(machine);
  if (path !== undefined) block.ca_cert_path = path;
}

/**
 * The name of their file; undefined where there is none. The worker could not find them by itself in all releases of
 * Deno, and without any it has to send by `fetch`, which takes 150 MB more for files of 64 MB (fetched.ts).
 */
function systemCas({ readFile }: Machine): string | undefined {
  return FILES.find((path) => {
    try {
      return readFile(path).includes("-----BEGIN CERTIFICATE-----");
    } catch {
      return false;
    }
  });
}
