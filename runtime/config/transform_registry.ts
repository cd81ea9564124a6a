/** Finds transform definitions by what `type:` says. config.ts and the commands that describe transforms ask. */
import type { TransformDefinition } from "../../transforms/contract.ts";
import { registry } from "../../transforms/registry.gen.ts";
import { find, type Found, load, namesOf } from "./definitions.ts";

export type FoundTransform = Found<TransformDefinition>;

/** Definitions of these types, or of all. */
export function loadTransforms(names?: readonly string[]): Promise<readonly TransformDefinition[]> {
  return load(registry, names);
}

/** The transform of this type or alias, or undefined. */
export function findTransform(
  definitions: readonly TransformDefinition[],
  name: string,
): FoundTransform | undefined {
  return find(definitions, name);
}

/** All types and aliases. */
export function transformNames(definitions: readonly TransformDefinition[]): string[] {
  return namesOf(definitions);
}

/** Transforms that pipeline files may name and that no build has yet; what to do instead. */
export const TRANSFORMS_ELSEWHERE: Readonly<Record<string, string>> = {
  externalize_blob: "enforce_record_size cuts or rejects large values, and replace_field leaves fields out",
  internalize_blob: "Nothing here has moved contents elsewhere: leave it out",
  reselect_columns: "toast_handling: reselect of the source reads columns that were not sent",
  set_schema_metadata: "regex_router names topics, from which names of schemas follow",
  partition_router: "value_to_key chooses the key, and the key the partition",
  rate_limit: "settings.rate_limit of a pipeline limits its records per second",
  parse_xml: "javascript runs a function of your own",
  geo_convert: "javascript runs a function of your own",
  swap_geometry_coordinates: "javascript runs a function of your own",
  vector_to_json: "Vectors are arrays here already: leave it out",
  stringify_fields: "cast with the type string writes values as JSON text",
  custom: "javascript runs a function of your own",
};
