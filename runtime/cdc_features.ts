/**
 * Keys in the config of sources that read a database's log which stand for transforms: `cdc_features`,
 * `column_filters`, `column_masks`. transforms_of_file.ts puts what they come to around the source's own transforms.
 */
import type { Path, Report } from "./problem.ts";
import type { ImpliedTransform } from "./transform_config.ts";
import type { YamlDocument } from "./yaml_document.ts";

/** The keys, which the connectors themselves don't know. */
export const CDC_FEATURE_KEYS: readonly string[] = ["cdc_features", "column_filters", "column_masks"];

export interface CdcFeatures {
  /** In front of the source's transforms, in order. */
  readonly front: readonly ImpliedTransform[];
  /** Behind them. */
  readonly back: readonly ImpliedTransform[];
}

/**
 * What the keys of the source at `entry` come to.
 *
 * @returns undefined when one of them is not valid; the problems tell why
 */
export function cdcFeatures(document: YamlDocument, entry: Path, report: Report): CdcFeatures | undefined {
  const given = CDC_FEATURE_KEYS.filter((key) => document.at([...entry, "config", key]) !== undefined);
  for (const key of given) {
    const message = `"${key}" is not in this build yet`;
    report({ path: [...entry, "config", key], onKey: true, message, hint: "Remove it" });
  }
  return given.length > 0 ? undefined : { front: [], back: [] };
}
