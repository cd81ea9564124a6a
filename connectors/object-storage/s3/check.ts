/** What `check` finds out about a bucket, with a probe object that it removes again. */
import type { CheckReport } from "../../contract.ts";
import { letters } from "../object_name.ts";
import { s3Error } from "./errors.ts";
import type { S3Requests } from "./requests.ts";
import type { S3Store } from "./store.ts";

/** @throws {ConnectorError} for what keeps objects from being made */
export async function checkBucket(
  store: S3Store,
  requests: S3Requests,
  bucket: string,
  random: () => number,
  report: CheckReport,
): Promise<void> {
  const name = `.rivven-check-${letters(12, random)}`;
  const probe = { name, body: [new TextEncoder().encode("probe\n")], contentType: "text/plain" };
  await store.create(probe);
  report({
    name: "bucket",
    status: "ok",
    message: `Objects can be made in "${bucket}" at ${requests.url.host}`,
  });
  try {
    // Some stores keep to it in one way of making an object and not in the other.
    const isKept = await store.create(probe) === "exists" && await store.create(probe, true) === "exists";
    report(
      isKept ? { name: "conditions", status: "ok", message: "An object is not written over" } : {
        name: "conditions",
        status: "failed",
        message: "The store writes objects over although it is asked not to (If-None-Match: *)",
        hint:
          "Bring the store to a version that has conditional writes: without them records could be lost or come twice",
        blame: "environment",
      },
    );
  } finally {
    const removed = await requests.send({ what: `remove "${name}"`, method: "DELETE", name });
    if (removed.status >= 300) {
      report({
        name: "probe",
        status: "warning",
        message: `An object of 6 bytes is left: ${
          s3Error(`remove "${name}" in bucket "${bucket}"`, removed).message
        }`,
        hint: "Remove it, or allow s3:DeleteObject; the sink itself removes nothing",
      });
    }
  }
  const what = `look into bucket "${bucket}"`;
  const looked = await requests.send({ what, method: "HEAD", name: `${name}-missing` });
  const listed = await requests.send({ what, method: "GET", query: { uploads: "", prefix: name } });
  if (looked.status === 404 && listed.status === 200) return;
  report({
    name: "rights",
    status: "warning",
    message: `What is there already can't be looked at (S3 answered ${looked.status} and ${listed.status})`,
    hint: "Allow s3:ListBucket and s3:ListBucketMultipartUploads: they are used after a crash",
  });
}
