/**
 * Walks the JSON Schema of a zod schema along a value: which keys there are at a place, what a key is for, and which
 * values are secret. config.ts asks; pipeline_schema.ts writes these schemas out.
 */
import { z } from "zod";
import type { Path } from "./problem.ts";

/** The members that zod writes and this program reads. */
export interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: boolean | JsonSchema;
  prefixItems?: JsonSchema[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  enum?: unknown[];
  const?: unknown;
  description?: string;
  /** Of our own: `.meta({ secret: true })`. */
  secret?: boolean;
  [keyword: string]: unknown;
}

const known = new WeakMap<z.ZodType, JsonSchema>();

/** The schema of what may be written in the file; made once for each zod schema. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  let made = known.get(schema);
  if (made === undefined) {
    made = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
    known.set(schema, made);
  }
  return made;
}

/**
 * Whether a value of it can be secret: `secretsIn` needs no JSON Schema where not, which takes 10 ms to make. Looks at
 * whatever zod has within the schema, so it may say yes for a part that no file can write.
 */
export function mayHoldSecrets(schema: z.ZodType): boolean {
  const seen = new Set<unknown>();
  const visit = (inner: unknown): boolean => {
    if (typeof inner !== "object" || inner === null || seen.has(inner)) return false;
    seen.add(inner);
    if ("_zod" in inner) {
      const { def } = (inner as z.ZodType)._zod;
      if (z.globalRegistry.get(inner as z.ZodType)?.secret === true) return true;
      if (def.type === "lazy") return visit((def as z.core.$ZodLazyDef).getter());
      return visit(def);
    }
    return Object.values(inner).some(visit);
  };
  return visit(schema);
}

/** Every alternative of a schema, itself included, with references followed. */
function* alternatives(
  root: JsonSchema,
  schema: JsonSchema,
  seen = new Set<JsonSchema>(),
): Iterable<JsonSchema> {
  if (seen.has(schema)) return;
  seen.add(schema);
  yield schema;
  if (schema.$ref !== undefined) {
    const target = schema.$ref === "#" ? root : root.$defs?.[schema.$ref.replace("#/$defs/", "")];
    if (target !== undefined) yield* alternatives(root, target, seen);
  }
  for (const list of [schema.anyOf, schema.oneOf, schema.allOf]) {
    for (const one of list ?? []) yield* alternatives(root, one, seen);
  }
}

/** The schemas of what stands at `step` of a map or list. */
function* below(root: JsonSchema, schema: JsonSchema, step: string | number): Iterable<JsonSchema> {
  for (const one of alternatives(root, schema)) {
    if (typeof step === "number") {
      const item = one.prefixItems?.[step] ?? one.items;
      if (typeof item === "object") yield item;
    } else if (one.properties !== undefined && Object.hasOwn(one.properties, step)) {
      yield one.properties[step];
    } else if (typeof one.additionalProperties === "object") {
      yield one.additionalProperties;
    }
  }
}

function schemasAt(root: JsonSchema, path: Path): JsonSchema[] {
  let schemas = [root];
  for (const step of path) schemas = schemas.flatMap((schema) => [...below(root, schema, step)]);
  return schemas;
}

/** The keys that a map at `path` may have. */
export function keysAt(root: JsonSchema, path: Path): string[] {
  const keys = schemasAt(root, path).flatMap((schema) =>
    [...alternatives(root, schema)].flatMap((one) => Object.keys(one.properties ?? {}))
  );
  return [...new Set(keys)];
}

/** What the key at `path` is for, where its schema says so. */
export function descriptionAt(root: JsonSchema, path: Path): string | undefined {
  return schemasAt(root, path).find((schema) => schema.description !== undefined)?.description;
}

/** Is the value at `path`, or one that holds it, marked secret? */
export function isSecretAt(root: JsonSchema, path: Path): boolean {
  return path.some((_, i) =>
    schemasAt(root, path.slice(0, i + 1)).some((schema) =>
      [...alternatives(root, schema)].some((one) => one.secret === true)
    )
  );
}

/**
 * Every secret in `value`: all texts and numbers below a key that is marked, and wherever they stand the password of a
 * URL and what its query has under names such as `token` and `sig`.
 */
export function secretsIn(root: JsonSchema, value: unknown): string[] {
  const secrets = new Set<string>();
  collect([root], value, false);
  return [...secrets];

  function collect(schemas: JsonSchema[], value: unknown, inSecret: boolean): void {
    const all = schemas.flatMap((schema) => [...alternatives(root, schema)]);
    const secret = inSecret || all.some((one) => one.secret === true);
    if (typeof value === "object" && value !== null) {
      const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
      for (const [step, inner] of entries) {
        collect(schemas.flatMap((schema) => [...below(root, schema, step)]), inner, secret);
      }
    } else if (
      secret && value !== undefined && value !== null && value !== "" && typeof value !== "boolean"
    ) {
      secrets.add(String(value));
    }
    if (typeof value === "string") { for (const inside of secretsOfUrl(value)) secrets.add(inside); }
  }
}

const SECRET_PARAMETER = /^(?:.*(?:token|secret|passw|signature|credential|auth|key)|sig|pwd|code)/i;

/** The password in a URL's user part, and what stands under telling names in its query; as written and decoded. */
function secretsOfUrl(text: string): string[] {
  const [, password, query = ""] =
    /^[a-z][a-z0-9+.-]*:\/\/(?:[^\s/?#:@]*:([^\s/?#]+)@)?[^?#]*(?:\?([^#]*))?/i.exec(text) ?? [];
  const parameters = query.split("&").map((one) => /^([^=]*)=(.+)$/.exec(one) ?? []);
  const written = [
    password,
    ...parameters.filter(([, name]) => name && SECRET_PARAMETER.test(name)).map(([, , value]) => value),
  ].filter((one) => one !== undefined);
  return [
    ...new Set(written.flatMap((one) => {
      try {
        return [one, decodeURIComponent(one)];
      } catch {
        return [one];
      }
    })),
  ];
}
