/** Spellings of earlier versions and of other tools → the keys of connector.ts. */
import { upgradeFormatKeys } from "../../formats/files/options.ts";

type Keys = Record<string, unknown>;

/** Keys of `s3` that may also stand directly in `config`. */
const OF_S3 = [
  "region",
  "endpoint",
  "access_key_id",
  "secret_access_key",
  "session_token",
  "profile",
  "force_path_style",
  "path_style_access",
  "anonymous",
  "role_arn",
  "role_external_id",
  "role_session_name",
  "sts_endpoint",
  "sse",
  "storage_class",
];

/** What other tools write after S3's header. */
const SSE_HEADERS: Readonly<Record<string, string>> = {
  AES256: "s3",
  "aws:kms": "kms",
  "aws:kms:dsse": "kms_dsse",
};

export function upgradeConfig(given: Keys): { config: Keys; notes: string[] } {
  const { config, notes } = upgradeFormatKeys(given);
  const found = OF_S3.filter((key) => key in config);
  if (found.length > 0 && (config.s3 === undefined || isMap(config.s3))) {
    // They are told apart from those in `s3`, which win.
    const moved = Object.fromEntries(found.map((key) => [key, config[key]]));
    for (const key of found) delete config[key];
    config.s3 = { ...moved, ...(config.s3 as Keys | undefined) };
  }
  if (isMap(config.s3) && "path_style_access" in config.s3) {
    const { path_style_access, ...s3 } = config.s3;
    config.s3 = { force_path_style: path_style_access, ...s3 };
  }
  if (isMap(config.s3) && typeof config.s3.sse === "string" && config.s3.sse in SSE_HEADERS) {
    config.s3 = { ...config.s3, sse: { type: SSE_HEADERS[config.s3.sse] } };
  }
  if (typeof config.batch_timeout_ms === "number" && !("flush_interval_secs" in config)) {
    config.flush_interval_secs = config.batch_timeout_ms / 1000;
    delete config.batch_timeout_ms;
    notes.push("batch_timeout_ms is now flush_interval_secs, in seconds");
  }
  if (config.envelope === "source_event") {
    config.envelope = "rivven";
    notes.push("envelope: source_event is now called rivven");
  }
  return { config, notes };
}

function isMap(value: unknown): value is Keys {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
