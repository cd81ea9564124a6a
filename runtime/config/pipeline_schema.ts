/**
 * The pipeline file as one JSON Schema (2020-12) for editors: the file's own keys, and for each `connector:` the keys
 * of its config. `docs --write` puts it into examples/pipeline.schema.json.
 */
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import type { Json } from "../../formats/data/value.ts";
import { pipelineFile } from "./config_schema.ts";
import { type JsonSchema, jsonSchemaOf } from "./json_schema.ts";
import type { Role } from "./registry.ts";
import { routesTables, routingKeys } from "./topic_keys.ts";
import { addTransforms, sourceConfigKeys, transformDefs } from "./transform_json_schema.ts";
import type { TransformDefinition } from "../../transforms/contract.ts";

const VARIABLE = "#/$defs/variable";

/** Words that annotate a schema and stay outside of `anyOf`, where editors look for them. */
const ANNOTATIONS = [
  "title",
  "description",
  "default",
  "deprecated",
  "examples",
  "secret",
  "writeOnly",
  "since",
];

/**
 * Plain data, ready for JSON.stringify(). Where something else than free text is wanted, `${NAME}` is allowed too.
 * Keys marked secret have `secret: true` and `writeOnly: true`.
 */
export function pipelineJsonSchema(
  definitions: readonly ConnectorDefinition[],
  transforms: readonly TransformDefinition[],
): Record<string, unknown> {
  const file = written(structuredClone(jsonSchemaOf(pipelineFile)), "#");
  addTransforms(file);
  const configs: Record<string, JsonSchema> = {};
  for (const role of ["source", "sink"] as const) {
    const entry = entrySchema(file, role);
    const variants = definitions.filter((definition) => definition[role] !== undefined).flatMap(variantsOf);
    const choices = variants.flatMap(({ names, summary }) =>
      names.map((name): JsonSchema => ({ const: name, description: summary }))
    );
    entry.properties!.connector = { ...entry.properties!.connector, type: "string", oneOf: choices };
    entry.allOf = variants.map(({ names, id }) => ({
      if: { properties: { connector: { enum: names } }, required: ["connector"] },
      then: { properties: { config: { $ref: `#/$defs/${id}` } } },
    }));
    for (const { id, schema } of variants) configs[id] ??= schema(`#/$defs/${id}`);
  }
  const { $schema, ...rest } = file;
  return {
    $schema,
    title: "Pipelines of rivven-connect",
    ...rest,
    $defs: {
      variable: {
        description: "${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}",
        type: "string",
        pattern: "\\$\\{.+\\}",
      },
      ...file.$defs,
      ...configs,
      ...transformDefs(transforms, written),
    },
  };
}

/** What stands at each name under `sources` or `sinks`. */
function entrySchema(file: JsonSchema, role: Role): JsonSchema {
  const section = file.properties![`${role}s`];
  const map = [section, ...section.anyOf ?? []].find((one) => typeof one.additionalProperties === "object")!;
  return map.additionalProperties as JsonSchema;
}

interface Variant {
  /** What `connector:` may say for it. */
  readonly names: string[];
  readonly id: string;
  readonly summary: string;
  /** The schema of its config, for a place in the document. */
  readonly schema: (place: string) => JsonSchema;
}

/** A connector by its type, and by each alias that fixes keys: those keys need not be written there. */
function variantsOf(definition: ConnectorDefinition): Variant[] {
  const { type, summary } = definition;
  const aliases = Object.entries(definition.aliases ?? {});
  const schema = (fixed: Readonly<Record<string, Json>>) => (place: string) => {
    const config = structuredClone(jsonSchemaOf(definition.config));
    for (const one of [config, ...config.anyOf ?? [], ...config.oneOf ?? []]) {
      one.required = one.required?.filter((key) => !Object.hasOwn(fixed, key));
      if (one.required?.length === 0) delete one.required;
      for (const [key, value] of Object.entries(fixed)) {
        const { description } = one.properties?.[key] ?? {};
        if (one.properties?.[key] !== undefined) one.properties[key] = { description, const: value };
      }
    }
    if (routesTables(definition)) {
      config.properties = { ...config.properties, ...structuredClone(jsonSchemaOf(routingKeys).properties) };
    }
    delete config.$schema;
    const made = written(config, place);
    for (const one of [made, ...made.anyOf ?? []]) {
      if (one.properties) Object.assign(one.properties, structuredClone(sourceConfigKeys(definition)));
    }
    return made;
  };
  const same = aliases.filter(([, fixed]) => Object.keys(fixed).length === 0).map(([name]) => name);
  const others = aliases.filter(([, fixed]) => Object.keys(fixed).length > 0);
  return [
    { names: [type, ...same], id: type, summary, schema: schema({}) },
    ...others.map(([name, fixed]) => ({ names: [name], id: name, summary, schema: schema(fixed) })),
  ];
}

/** A schema as a file may spell its values: with variables, with secrets marked, its references moved to `place`. */
function written(schema: JsonSchema, place: string): JsonSchema {
  const out: JsonSchema = { ...schema };
  if (out.$ref !== undefined) out.$ref = out.$ref === "#" ? place : out.$ref.replace("#", place);
  if (out.secret === true) out.writeOnly = true;
  // With a variable for the key that tells them apart, several branches fit.
  if (out.oneOf !== undefined && out.anyOf === undefined) {
    out.anyOf = out.oneOf;
    delete out.oneOf;
  }
  for (const key of ["properties", "$defs"] as const) {
    if (out[key] === undefined) continue;
    out[key] = Object.fromEntries(Object.entries(out[key]).map(([name, one]) => [name, written(one, place)]));
  }
  for (const key of ["anyOf", "oneOf", "allOf", "prefixItems"] as const) {
    out[key] = out[key]?.map((one) => written(one, place));
    if (out[key] === undefined) delete out[key];
  }
  for (const key of ["items", "additionalProperties"] as const) {
    const one = out[key];
    if (typeof one === "object") out[key] = written(one, place);
  }
  return takesVariable(out) ? out : withVariable(out);
}

/** Does it accept every text, or is it no scalar? Variables stand in scalars only. */
function takesVariable(schema: JsonSchema): boolean {
  const { type } = schema;
  if (schema.const !== undefined || schema.enum !== undefined) return false;
  if (type === "string") return !["pattern", "format", "maxLength"].some((key) => schema[key] !== undefined);
  return !["number", "integer", "boolean"].includes(String(type));
}

function withVariable(schema: JsonSchema): JsonSchema {
  const annotations: JsonSchema = {};
  const rest: JsonSchema = {};
  for (const [key, value] of Object.entries(schema)) {
    (ANNOTATIONS.includes(key) ? annotations : rest)[key] = value;
  }
  return { ...annotations, anyOf: [rest, { $ref: VARIABLE }] };
}
