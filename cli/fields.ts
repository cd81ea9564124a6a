/**
 * The keys of a connector's or a transform's `config`, read off its definition: what spec.ts lists, docs.ts puts into READMEs, init.ts
 * writes as YAML and plan.ts masks by.
 */
import type { z } from "zod";
import type { Json } from "../formats/data/value.ts";
import { isSecretAt, jsonSchemaOf } from "../runtime/config/json_schema.ts";
import type { Path } from "../runtime/config/problem.ts";

/** What zod writes of a config, as far as it is shown; `since` and `secret` come from `.meta()`. */
interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: Json;
  readonly examples?: readonly Json[];
  readonly secret?: boolean;
  readonly deprecated?: boolean;
  readonly since?: string;
  readonly enum?: readonly Json[];
  readonly const?: Json;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema | boolean;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly format?: string;
  readonly pattern?: string;
}

/** One key of a configuration. */
export interface Field {
  /** `tls.ca_path`; `tables[].name` inside a list, `headers.<name>` inside a map. */
  readonly path: string;
  /** For people: `text`, `integer 5 to 65535`, `a | b | c`, `list of text`. */
  readonly type: string;
  readonly required: boolean;
  /** Undefined: there is none. */
  readonly default: Json | undefined;
  readonly description: string;
  readonly secret: boolean;
  readonly deprecated: boolean;
  readonly since?: string;
  readonly examples: readonly Json[];
  /** `type: rest`: where the key belongs to one of several shapes. */
  readonly when?: string;
  /** It has fields of its own, which follow it. */
  readonly isParent: boolean;
  /** How many fields it lies in. */
  readonly depth: number;
  /** Something that may be written there, for examples: the first choice, the smallest number. */
  readonly sample: Json;
}

/** What has a config: a connector or a transform. */
export interface Described {
  readonly config: z.ZodType;
}

/** Every key of a `config`, parents before their children, in the order of the definition. */
export function configFields(definition: Described): Field[] {
  const root = jsonSchemaOf(definition.config) as Schema;
  const fields: Field[] = [];
  collect(root, "", 0, undefined, new Set());
  return fields;

  function collect(
    given: Schema,
    prefix: string,
    depth: number,
    when: string | undefined,
    above: ReadonlySet<Schema>,
  ): void {
    const schema = resolve(given, root);
    if (above.has(schema)) return; // a schema that holds itself
    const within = new Set([...above, schema]);
    const shapes = alternatives(schema).map((shape) => resolve(shape, root));
    const objects = shapes.filter((shape) => shape.properties);
    if (objects.length > 1) {
      collectAlternatives(objects, prefix, depth, within);
      return;
    }
    for (const [name, member] of Object.entries(objects[0]?.properties ?? {})) {
      add(name, member, isRequired(objects[0], name), prefix, depth, when, within);
    }
    const values = shapes.find(({ additionalProperties }) => isSchema(additionalProperties))
      ?.additionalProperties;
    if (isSchema(values) && hasFields(values)) collect(values, `${prefix}<name>.`, depth, when, within);
  }

  /** Keys that all shapes have alike are listed once, the others with the shape they belong to. */
  function collectAlternatives(
    shapes: readonly Schema[],
    prefix: string,
    depth: number,
    within: ReadonlySet<Schema>,
  ): void {
    const mark = Object.keys(shapes[0].properties!).find((name) =>
      shapes.every((shape) => resolve(shape.properties?.[name] ?? {}, root).const !== undefined)
    );
    if (mark) {
      const members = shapes.map((shape) => resolve(shape.properties![mark], root));
      const description = members.find((member) => member.description)?.description;
      const schema = { enum: members.map((member) => member.const!), description };
      add(mark, schema, shapes.every((shape) => isRequired(shape, mark)), prefix, depth, undefined, within);
    }
    for (const shape of shapes) {
      const when = mark && `${mark}: ${resolve(shape.properties![mark], root).const}`;
      for (const [name, member] of Object.entries(shape.properties!)) {
        if (name !== mark) add(name, member, isRequired(shape, name), prefix, depth, when, within);
      }
    }
  }

  function add(
    name: string,
    given: Schema,
    required: boolean,
    prefix: string,
    depth: number,
    when: string | undefined,
    within: ReadonlySet<Schema>,
  ): void {
    const schema = resolve(given, root);
    const items = alternatives(schema).map(({ items }) => items).find((each) =>
      isSchema(each) && hasFields(each)
    );
    const isParent = hasFields(schema) || items !== undefined;
    fields.push({
      path: prefix + name,
      type: typeName(schema, root),
      required,
      default: schema.default,
      description: schema.description ?? "",
      secret: schema.secret ?? false,
      deprecated: schema.deprecated ?? false,
      since: schema.since,
      examples: schema.examples ?? [],
      when,
      isParent,
      depth,
      sample: sampleOf(schema, root),
    });
    if (isSchema(items)) collect(items, `${prefix}${name}[].`, depth + 1, undefined, within);
    else if (isParent) collect(schema, `${prefix}${name}.`, depth + 1, undefined, within);
  }

  function hasFields(given: Schema, above: readonly Schema[] = []): boolean {
    const schema = resolve(given, root);
    if (above.includes(schema)) return false;
    return alternatives(schema).some((shape) => {
      const { properties, additionalProperties } = resolve(shape, root);
      return properties !== undefined ||
        (isSchema(additionalProperties) && hasFields(additionalProperties, [...above, schema]));
    });
  }
}

/** A configuration with the value of every key that the schema calls secret replaced by `***`. */
export function maskSecrets(config: unknown, definition: Described): unknown {
  const root = jsonSchemaOf(definition.config);
  return mask(config, []);

  function mask(value: unknown, path: Path): unknown {
    if (value === null || value === undefined) return value;
    if (isSecretAt(root, path)) return "***";
    if (Array.isArray(value)) return value.map((item, i) => mask(item, [...path, i]));
    if (typeof value !== "object" || value instanceof Uint8Array) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, mask(member, [...path, name])]),
    );
  }
}

function isSchema(value: Schema | boolean | undefined): value is Schema {
  return typeof value === "object" && Object.keys(value).length > 0;
}

function isRequired(schema: Schema, name: string): boolean {
  return (schema.required ?? []).includes(name) && schema.properties?.[name]?.default === undefined;
}

function alternatives(schema: Schema): readonly Schema[] {
  return schema.anyOf ?? schema.oneOf ?? [schema];
}

/** Follows a reference and joins `allOf`; what stands beside them wins. */
function resolve(schema: Schema, root: Schema): Schema {
  if (schema.$ref) {
    const { $ref, ...beside } = schema;
    const target = $ref === "#" ? root : root.$defs?.[$ref.replace("#/$defs/", "")] ?? {};
    return Object.keys(beside).length === 0 ? resolve(target, root) : { ...resolve(target, root), ...beside };
  }
  if (schema.allOf) {
    const { allOf, ...beside } = schema;
    const parts = allOf.map((part) => resolve(part, root));
    return Object.assign({}, ...parts, beside, {
      properties: Object.assign({}, ...parts.map(({ properties }) => properties), beside.properties),
      required: [...parts, beside].flatMap(({ required }) => required ?? []),
    });
  }
  return schema;
}

const FORMATS: Readonly<Record<string, string>> = {
  "uri": "URL",
  "date-time": "date and time",
  "date": "date",
  "email": "e-mail address",
  "uuid": "UUID",
};

/** Stands for a schema inside itself. */
const RECURSIVE = "itself";

/** What may be written, in words. */
function typeName(given: Schema, root: Schema, above: readonly Schema[] = []): string {
  const schema = resolve(given, root);
  if (above.includes(schema)) return RECURSIVE;
  if (schema.enum) return schema.enum.map(showJson).join(" | ");
  if (schema.const !== undefined) return showJson(schema.const);
  const shapes = schema.anyOf ?? schema.oneOf;
  if (shapes) {
    const names = new Set(shapes.map((shape) => typeName(shape, root, [...above, schema])));
    // A union that holds itself is JSON of any kind: nobody wants to read that spelled out.
    return [...names].some((name) => name.includes(RECURSIVE)) ? "anything" : [...names].join(" or ");
  }
  const types = typeof schema.type === "string" ? [schema.type] : schema.type ?? [];
  if (types.length === 0) return "anything";
  return types.map((type) => typeOf(type, schema, root, above)).join(" or ");
}

function typeOf(type: string, schema: Schema, root: Schema, above: readonly Schema[]): string {
  switch (type) {
    case "string":
      return FORMATS[schema.format ?? ""] ?? "text";
    case "integer":
    case "number":
      return [type, range(schema)].filter((part) => part).join(" ");
    case "boolean":
      return "true | false";
    case "array":
      return isSchema(schema.items)
        ? `list of ${plural(typeName(schema.items, root, [...above, schema]))}`
        : "list";
    case "object":
      return isSchema(schema.additionalProperties)
        ? `map of ${plural(typeName(schema.additionalProperties, root, [...above, schema]))}`
        : schema.properties
        ? "map"
        : "map of anything";
    default:
      return type;
  }
}

function plural(type: string): string {
  return type === "map" ? "maps" : type.includes(" | ") || type.includes(" or ") ? `(${type})` : type;
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  // The bounds that every safe integer has say nothing.
  const low = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined;
  const high = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  if (low !== undefined && high !== undefined) return `${low} to ${high}`;
  if (low !== undefined) return `≥ ${low}`;
  if (high !== undefined) return `≤ ${high}`;
  if (exclusiveMinimum !== undefined) return `> ${exclusiveMinimum}`;
  return exclusiveMaximum !== undefined ? `< ${exclusiveMaximum}` : "";
}

const SAMPLES: Readonly<Record<string, string>> = {
  "uri": "https://example.com",
  "date-time": "2025-01-01T00:00:00Z",
  "date": "2025-01-01",
  "email": "someone@example.com",
};

/** A value that fits: for files that are to be edited, and to try whether they are valid. */
function sampleOf(given: Schema, root: Schema): Json {
  const schema = resolve(given, root);
  if (schema.default !== undefined) return schema.default;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const shape = alternatives(schema)[0];
  if (shape !== schema) return sampleOf(shape, root);
  const type = typeof schema.type === "string" ? schema.type : schema.type?.[0];
  switch (type) {
    case "integer":
    case "number":
      return schema.minimum !== undefined && schema.minimum > Number.MIN_SAFE_INTEGER ? schema.minimum : 1;
    case "boolean":
      return false;
    case "array":
      return isSchema(schema.items) ? [sampleOf(schema.items, root)] : [];
    case "object":
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [name, sampleOf(schema.properties?.[name] ?? {}, root)]),
      );
    default:
      return SAMPLES[schema.format ?? ""] ?? "text";
  }
}

/** A value as one writes it in a pipeline file: text without quotes where it needs none. */
export function showJson(value: Json): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return /^[\w./:-]+$/.test(value) && !/^(true|false|null|[-\d.]+)$/.test(value)
    ? value
    : JSON.stringify(value);
}
