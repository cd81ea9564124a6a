/** Keys that the transforms that protect fields share. For their definitions, on the main thread alone. */
import { z } from "zod";
import { parseSelector } from "./selector.ts";
import type { KeyProblem } from "./keys.ts";

export const FIELDS_TEXT =
  "a name for that column of every table, `table:column`, a path such as profile.phone, with * " +
  "and ?, or a /regular expression/ for the whole of schema.table.column";

export const fieldNames: z.ZodType<string[], string[]> = z.array(z.string().min(1)).min(1);

export const allowUnmatchedFields: z.ZodType<boolean, boolean | undefined> = z.boolean().default(false)
  .describe(
    "A field that the table named with it doesn't have is a warning; otherwise the source stops",
  );

export const allowKeyProtection: z.ZodType<boolean, boolean | undefined> = z.boolean().default(false)
  .describe(
    "Key columns may be meant too, if equal keys stay equal; otherwise the source stops",
  );

/** The keys of a ring, for what encrypts and what decrypts. */
export const keyKeys = {
  key_id: z.string().regex(/^[\w.-]{1,100}$/, "Letters, digits, _ . and -").default("default").describe(
    "Name of the key, which stands in every encrypted value",
  ),
  key: z.string().min(1).optional().meta({ secret: true }).describe(
    "Version 1 of the key itself: 32 bytes as base64 or 64 hexadecimal digits. Better kept in the variable " +
      "RIVVEN_ENCRYPTION_KEY, which is used without it",
  ),
  keys: z.strictObject({
    provider: z.enum(["env", "file"]).default("env").describe(
      "Where versions are: in variables of these names, or in the texts given, as ${file:/run/secrets/key-1} gives them",
    ),
    active_version: z.int().min(1).optional().describe("New values are encrypted with this one; the highest"),
    versions: z.record(z.string(), z.string().min(1)).optional().meta({ secret: true }).describe(
      "Version → name of its variable (or its text, with provider: file). Without it RIVVEN_ENCRYPTION_KEY is version 1 " +
        "and RIVVEN_ENCRYPTION_KEY_V2, … are the further ones",
    ),
  }).optional().describe("The versions of the key"),
  key_versions: z.record(z.string(), z.string()).optional().meta({ secret: true }).describe(
    "Filled in from what the keys above name: leave it out",
  ),
  active_version: z.int().min(1).optional().describe("Filled in from keys.active_version: leave it out"),
};

/** What is wrong with selectors, each at its key. */
export function selectorProblems(fields: readonly (readonly [key: string, text: string])[]): KeyProblem[] {
  return fields.flatMap(([key, text]) => {
    try {
      parseSelector(text);
      return [];
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return [{ key, message: `"${text}" selects no field: ${message}`, hint: `Write ${FIELDS_TEXT}` }];
    }
  });
}

/** A single name in place of a list, and names with commas between them. */
export function fieldList(fields: unknown): unknown {
  return typeof fields === "string" ? fields.split(",").map((field) => field.trim()).filter(Boolean) : fields;
}
