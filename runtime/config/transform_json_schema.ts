/** Transforms and predicates in the editor's JSON Schema: pipeline_schema.ts puts them where the file has them. */
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import type { TransformDefinition } from "../../transforms/contract.ts";
import { CDC_FEATURE_KEYS } from "./cdc_features.ts";
import { type JsonSchema, jsonSchemaOf } from "./json_schema.ts";
import { FORK_TYPES, forkConfig, predicateEntry, transformEntry } from "./transform_schema.ts";

const TRANSFORM = { $ref: "#/$defs/transform" };
const PREDICATE = { $ref: "#/$defs/predicate" };
const idOf = (type: string) => `transform-${type}`;

/** A list of transforms: names, or transforms written there. */
export const TRANSFORM_LIST: JsonSchema = {
  type: "array",
  items: { anyOf: [{ type: "string" }, TRANSFORM] },
};

/**
 * What the schema of the file refers to.
 *
 * @param written spells a schema as a file may have it, for its place in the document
 */
export function transformDefs(
  definitions: readonly TransformDefinition[],
  written: (schema: JsonSchema, place: string) => JsonSchema,
): Record<string, JsonSchema> {
  const choices = [
    ...definitions.map(({ type, aliases, summary, config }) => ({
      names: [type, ...Object.keys(aliases ?? {})],
      summary,
      id: idOf(type),
      schema: (place: string) => written(structuredClone(jsonSchemaOf(config)), place),
    })),
    {
      names: [...FORK_TYPES],
      summary: "Sends records one way or another",
      id: idOf(FORK_TYPES[0]),
      schema: (place: string) => withForks(written(structuredClone(jsonSchemaOf(forkConfig)), place)),
    },
  ];
  const entry = written(structuredClone(jsonSchemaOf(transformEntry)), "#/$defs/transform");
  entry.properties!.type = {
    ...entry.properties!.type,
    oneOf: choices.flatMap(({ names, summary }) =>
      names.map((name) => ({ const: name, description: summary }))
    ),
  };
  delete entry.properties!.type.minLength;
  entry.properties!.predicate = { ...entry.properties!.predicate, anyOf: [{ type: "string" }, PREDICATE] };
  const defs: Record<string, JsonSchema> = {
    transform: {
      ...bare(entry),
      allOf: choices.map(({ names, id }) => ({
        if: { properties: { type: { enum: names } }, required: ["type"] },
        then: { properties: { config: { $ref: `#/$defs/${id}` } } },
      })),
    },
    predicate: bare(
      withPredicates(written(structuredClone(jsonSchemaOf(predicateEntry)), "#/$defs/predicate")),
    ),
  };
  for (const { id, schema } of choices) defs[id] = bare(schema(`#/$defs/${id}`));
  return defs;
}

/** Puts them into the keys of the file, whose own schema says nothing of their inside. */
export function addTransforms(file: JsonSchema): void {
  const properties = file.properties!;
  const type = ["object", "null"];
  properties.transforms = { ...properties.transforms, type, additionalProperties: TRANSFORM };
  properties.predicates = { ...properties.predicates, type, additionalProperties: PREDICATE };
  for (const section of ["sources", "sinks", "pipelines"]) {
    const schema = properties[section];
    const map = [schema, ...schema.anyOf ?? []].find((one) => typeof one.additionalProperties === "object")!;
    const entry = (map.additionalProperties as JsonSchema).properties!;
    entry.transforms = { description: entry.transforms.description, ...TRANSFORM_LIST };
  }
}

/** The keys in the config of a source that are the runtime's. */
export function sourceConfigKeys({ category, source }: ConnectorDefinition): Record<string, JsonSchema> {
  if (!source) return {};
  const transforms = {
    description: "What its records go through first: names, or {type, config}",
    ...TRANSFORM_LIST,
  };
  if (category !== "database_cdc") return { transforms };
  const features = CDC_FEATURE_KEYS.map((
    key,
  ) => [key, { description: FEATURES[key] ?? "A feature of change capture" }]);
  return { ...Object.fromEntries(features), transforms };
}

const FEATURES: Readonly<Record<string, string>> = {
  cdc_features: "Encryption, deduplication, tombstones and a filter of the changes",
  filter_expression: "Only changes for which it holds, as in the transform filter",
  column_filters: "By table: include and exclude lists of columns",
  columns: "The only columns that are taken",
  exclude_columns: "Columns that are left out",
  column_masks: "Columns whose values are masked, each with how",
  encryption: "Fields whose values are encrypted",
  deduplication: "Drops changes that came before",
};

function withForks(schema: JsonSchema): JsonSchema {
  const properties = schema.properties!;
  properties.when = { ...properties.when, anyOf: [{ type: "string" }, PREDICATE] };
  for (const key of ["then", "else"]) properties[key] = { ...properties[key], ...TRANSFORM_LIST };
  return schema;
}

function withPredicates(schema: JsonSchema): JsonSchema {
  for (const key of ["any_of", "all_of"]) {
    schema.properties![key] = {
      ...schema.properties![key],
      items: { anyOf: [{ type: "string" }, PREDICATE] },
    };
  }
  return schema;
}

function bare({ $schema: _, ...schema }: JsonSchema): JsonSchema {
  return schema;
}
