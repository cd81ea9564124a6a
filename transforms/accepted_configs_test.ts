/**
 * What `validate` accepts, a source's worker can open: a mistake in one flow's transforms would otherwise show only
 * there, and stop the source with all its flows. Configs are made of each schema, with texts that are often wrong.
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { z } from "zod";
import { loadTransforms } from "../runtime/config/transform_registry.ts";
import { testContext } from "./_shared/testing.ts";
import type { TransformDefinition, TransformModule } from "./contract.ts";
import { implementations } from "./implementations.gen.ts";

/** Wrong as a path, a pattern, a regular expression, a template, an expression, a type or a name of something. */
const TEXTS = ["", "a..b", "a.", "*", "a.b.*", "items.0", '"', "`a", "(", "a[0", "/(/", "x:y:z", "${nope}"]
  .concat([
    "${topic",
    "$9",
    "a = ",
    "yyyy-QQ",
    "Nowhere/City",
    "decimal(99)",
    "array<",
    "__proto__",
    "op",
    "1e99",
  ]);

/** The parts of a JSON Schema that definitions have. */
interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
}

/** Values that the schema may take, down to three levels. */
function valuesOf(schema: JsonSchema, depth = 0): unknown[] {
  const inner = (one: JsonSchema) => depth < 3 ? valuesOf(one, depth + 1) : [];
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.flatMap(inner);
  if (schema.enum) return [...schema.enum];
  if ("const" in schema) return [schema.const];
  switch (schema.type) {
    case "string":
      return TEXTS;
    case "boolean":
      return [true, false];
    case "integer":
    case "number":
      return [0, 1, 1e9, 0.5];
    case "array":
      return [[], ...inner(schema.items ?? {}).flatMap((value) => [[value], [value, value]])];
    case "object": {
      const { additionalProperties: others, properties = {} } = schema;
      const free = typeof others === "object" ? inner(others) : [];
      return [
        {},
        ...free.map((value) => ({ a: value })),
        ...(free.length > 0 ? TEXTS.flatMap((name) => [{ [name]: "string" }, { [name]: free[0] }]) : []),
        ...Object.entries(properties).flatMap(([name, one]) =>
          inner(one).map((value) => ({ [name]: value }))
        ),
      ];
    }
    default:
      return [];
  }
}

/** Of the example with one key changed, and with parts of it changed; and with that key alone. */
function configsOf(definition: TransformDefinition): Record<string, unknown>[] {
  const { transforms } = parse(definition.example) as { transforms: { type: string; config?: object }[] };
  const example: Record<string, unknown> = { ...transforms[0].config };
  const schema = z.toJSONSchema(definition.config, { io: "input", unrepresentable: "any" }) as JsonSchema;
  return Object.entries(schema.properties ?? {}).flatMap(([key, one]) =>
    valuesOf(one).flatMap((value) => {
      const given = example[key];
      const made = [{ [key]: value }, { ...example, [key]: value }];
      if (!isMap(value) && !Array.isArray(value)) return made;
      if (isMap(given) && isMap(value)) made.push({ ...example, [key]: { ...given, ...value } });
      if (Array.isArray(given) && isMap(given[0]) && Array.isArray(value) && isMap(value[0])) {
        made.push({ ...example, [key]: [{ ...given[0], ...value[0] }] });
      }
      return made;
    })
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a worker gets; undefined where `validate` refuses the config. */
function accepted(definition: TransformDefinition, written: Record<string, unknown>): unknown {
  const upgraded = definition.upgradeConfig?.(written).config ?? written;
  const env = (name: string) => name === "RIVVEN_ENCRYPTION_KEY" ? "ab".repeat(32) : undefined;
  const completed = definition.completeConfig?.(upgraded, env, () => "") ??
    { config: upgraded, problems: [] };
  const parsed = definition.config.safeParse(completed.config);
  if (completed.problems.length > 0 || !parsed.success) return undefined;
  return (definition.checkConfig?.(parsed.data) ?? []).length > 0 ? undefined : structuredClone(parsed.data);
}

for (const definition of await loadTransforms()) {
  // Opening it runs the user's code, of which only that can be told before.
  if (definition.type === "javascript") continue;
  Deno.test(`every config of ${definition.type} that is accepted can be opened`, async () => {
    const { openTransform } = await implementations[definition.type]() as TransformModule;
    let opened = 0, refused = 0;
    for (const written of configsOf(definition)) {
      try {
        const config = accepted(definition, written);
        if (config === undefined) {
          refused++;
          continue;
        }
        const transform = await openTransform(config as never, testContext());
        await transform[Symbol.asyncDispose]?.();
        opened++;
      } catch (error) {
        assert.fail(`${JSON.stringify(written)}: ${error}`);
      }
    }
    assert.ok(opened > 0 && refused > 0, `${opened} were opened, ${refused} refused`);
  });
}
