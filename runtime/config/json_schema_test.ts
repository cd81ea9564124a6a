import assert from "node:assert/strict";
import { z } from "zod";
import { jsonSchemaOf, mayHoldSecrets } from "./json_schema.ts";
import { loadDefinitions } from "./registry.ts";
import { loadTransforms } from "./transform_registry.ts";

Deno.test("a schema may hold secrets where its JSON Schema has one, in every connector and transform", async () => {
  const found = { yes: 0, no: 0 };
  for (const { type, config } of [...await loadDefinitions(), ...await loadTransforms()]) {
    const hasSecret = JSON.stringify(jsonSchemaOf(config)).includes('"secret":true');
    if (hasSecret) assert.ok(mayHoldSecrets(config), type);
    found[mayHoldSecrets(config) ? "yes" : "no"]++;
  }
  assert.ok(found.yes > 0 && found.no > 0, JSON.stringify(found));
});

Deno.test("a secret is found behind whatever zod wraps it in", () => {
  const secret = z.string().meta({ secret: true });
  const tree: z.ZodType = z.object({
    get inner() {
      return z.array(z.union([z.string(), tree])).optional();
    },
    secret,
  });
  const wrapped: Record<string, z.ZodType> = {
    itself: secret,
    described: secret.describe("a password"),
    checked: secret.min(8),
    optional: secret.optional(),
    defaulted: secret.default("x"),
    nullable: z.object({ a: secret.nullable() }),
    array: z.array(secret),
    tuple: z.tuple([z.number(), secret]),
    record: z.record(z.string(), secret),
    union: z.union([z.number(), z.strictObject({ a: secret })]),
    discriminated: z.discriminatedUnion("k", [
      z.object({ k: z.literal("a") }),
      z.object({ k: z.literal("b"), secret }),
    ]),
    intersection: z.intersection(z.object({ a: z.string() }), z.object({ secret })),
    piped: z.pipe(secret, z.transform((text) => text.length)),
    preprocessed: z.preprocess((value) => value, z.object({ secret })),
    refined: z.object({ secret }).superRefine(() => {}),
    lazy: z.lazy(() => z.object({ secret })),
    recursive: tree,
  };
  for (const [name, schema] of Object.entries(wrapped)) {
    assert.ok(mayHoldSecrets(schema), name);
    assert.match(
      JSON.stringify(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" })),
      /"secret":true/,
      name,
    );
  }
  const without: z.ZodType = z.object({
    a: z.array(z.string().describe("text")),
    b: z.lazy(() => without.optional()),
  });
  assert.ok(!mayHoldSecrets(without));
});
