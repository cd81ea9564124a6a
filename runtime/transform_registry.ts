/** Finds transform definitions by what `type:` says. config.ts and the commands that describe transforms ask. */
import type { Json } from "../formats/data/value.ts";
import type { TransformDefinition } from "../transforms/contract.ts";
import { registry } from "../transforms/registry.gen.ts";

export interface FoundTransform {
  readonly definition: TransformDefinition;
  /** The keys that the alias fixes. */
  readonly fixed: Readonly<Record<string, Json>>;
}

/**
 * Definitions of this build.
 *
 * @param names types; all definitions are loaded when they are left out, or when one of them is no type but may be an
 * alias or a misspelling
 */
export async function loadTransforms(names?: readonly string[]): Promise<readonly TransformDefinition[]> {
  const all = Object.keys(registry);
  const wanted = names?.every((name) => Object.hasOwn(registry, name))
    ? all.filter((type) => names.includes(type))
    : all;
  const modules = await Promise.all(wanted.map((type) => registry[type]()));
  return modules.map((module) => module.default);
}

/** The transform of this type or alias, or undefined. Types win over aliases. */
export function findTransform(
  definitions: readonly TransformDefinition[],
  name: string,
): FoundTransform | undefined {
  const byType = definitions.find((definition) => definition.type === name);
  if (byType !== undefined) return { definition: byType, fixed: {} };
  for (const definition of definitions) {
    if (Object.hasOwn(definition.aliases ?? {}, name)) {
      return { definition, fixed: definition.aliases![name] };
    }
  }
}

/** All types and aliases. */
export function transformNames(definitions: readonly TransformDefinition[]): string[] {
  return definitions.flatMap((definition) => [definition.type, ...Object.keys(definition.aliases ?? {})]);
}

/** Transforms that pipeline files may name and that a build need not have. */
export const TRANSFORMS_ELSEWHERE: readonly string[] = [
  "externalize_blob",
  "internalize_blob",
  "extract_new_record_state",
  "value_to_key",
  "mask_field",
  "insert_field",
  "replace_field",
  "rename_field",
  "remove_field",
  "add_field",
  "regex_router",
  "timestamp_converter",
  "filter",
  "cast",
  "flatten",
  "timezone_converter",
  "content_router",
  "header_to_value",
  "value_to_header",
  "unwrap",
  "set_null",
  "compute_field",
  "extract_changed_fields",
  "partition_router",
  "outbox_router",
  "timestamp_router",
  "hoist_field",
  "extract_field",
  "insert_header",
  "drop_headers",
  "set_schema_metadata",
  "reselect_columns",
  "enforce_record_size",
  "column_filter",
  "encrypt_field",
  "decrypt_field",
  "decode_json",
  "parse_xml",
  "geo_convert",
  "dedupe",
  "sample",
  "rate_limit",
  "custom",
  "javascript",
];
