/** What mask_field is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import {
  allowKeyProtection,
  allowUnmatchedFields,
  fieldList,
  fieldNames,
  FIELDS_TEXT,
  selectorProblems,
} from "../_protection/config_keys.ts";
import type { KeyProblem } from "../_protection/keys.ts";
import { type MaskSpec, maskSpecs, STRATEGIES } from "../_protection/mask.ts";
import { ignoreCase } from "../_shared/common_keys.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const KEY_VARIABLE = "RIVVEN_MASK_KEY";
const MIN_KEY = 16;

const count = z.int().min(0).max(1_000_000);

/** How a field is masked; for one field, or for all that say nothing else. */
const maskKeys = {
  strategy: z.enum(STRATEGIES).optional().describe(
    "asterisks: a * for each character, 20 at most, **** for what is no text; fixed or redact: a text; partial: the " +
      "first and last characters stay, never more than half; hash; null; zero: the zero of the column's type; email: " +
      "a***@example.com; card: the last four digits stay; truncate: the first characters stay. Left out: asterisks, or " +
      "fixed where replacement is given",
  ),
  replacement: z.string().optional().describe("fixed, redact: the text that is shown; ***REDACTED***"),
  mask_char: z.string().refine((text) => [...text].length === 1, "One character").optional().describe(
    "Stands for each hidden character; *",
  ),
  max_length: count.optional().describe("asterisks, partial: no longer row of mask characters than this; 20"),
  fixed_length: count.min(1).optional().describe(
    "asterisks, partial: always as many mask characters, so that the length is hidden too",
  ),
  keep_first: count.optional().describe("partial: so many characters at the beginning stay"),
  keep_last: count.optional().describe("partial: so many characters at the end stay"),
  length: count.optional().describe("truncate: so many characters stay"),
  algorithm: z.enum(["hmac-sha256", "sha256"]).optional().describe(
    "hash: hmac-sha256, with a key; sha256 has none, so that short values such as card numbers can be guessed",
  ),
  key_env: z.string().min(1).optional().describe(
    `hash: the variable with the key of hmac-sha256; ${KEY_VARIABLE}`,
  ),
  key: z.string().min(MIN_KEY, `At least ${MIN_KEY} characters`).optional().meta({ secret: true }).describe(
    "hash: the key of hmac-sha256 itself, better kept in a variable",
  ),
  truncate: z.int().min(8).max(64).optional().describe("hash: only so many hexadecimal digits; 64"),
  type_preserving: z.boolean().optional().describe(
    "Numbers, booleans, dates and times become the zero of their type, so that the column keeps it",
  ),
};

const config = z.strictObject({
  fields: z.union([
    fieldNames,
    z.record(z.string().min(1), z.union([z.enum(STRATEGIES), z.strictObject(maskKeys)])),
  ])
    .describe(
      `The fields that are masked, as a list or as a map of field → strategy or {strategy, …}: ${FIELDS_TEXT}. The ` +
        "first that selects a field counts",
    ),
  ...maskKeys,
  ignore_case: ignoreCase,
  allow_unmatched_fields: allowUnmatchedFields,
  allow_key_protection: allowKeyProtection,
});

export type MaskFieldConfig = z.output<typeof config>;

type WrittenMask = Omit<Partial<MaskSpec>, "key"> & { key?: string; key_env?: string };

const definition: TransformDefinition<MaskFieldConfig> = defineTransform({
  type: "mask_field",
  title: "Mask fields",
  summary: "Hides what stands in fields: asterisks, hashes, parts",
  description:
    "Works on both images of a change, in snapshots and in the stream, and inside objects and arrays; null stays null, " +
    "a field that is not there stays away. A masked column is a text from here on, unless its type is preserved. Key " +
    "columns are refused, since rows could no longer be told apart; with allow_key_protection they may be hashed. A " +
    "record that can't be masked does not pass, and its dead letter holds no row.",
  config,
  protects: true,
  hidesKey: ({ allow_key_protection }) => allow_key_protection,
  upgradeConfig(config) {
    const notes: string[] = [];
    const upgraded: Record<string, unknown> = { ...config, fields: fieldList(config.fields) };
    if (upgraded.hash_key_env !== undefined && upgraded.key_env === undefined) {
      upgraded.key_env = upgraded.hash_key_env;
      delete upgraded.hash_key_env;
      notes.push("hash_key_env is called key_env here");
    }
    return { config: upgraded, notes };
  },
  completeConfig(config, env) {
    const problems: KeyProblem[] = [];
    const { fields } = config;
    const common = config as WrittenMask;
    const complete = (own: WrittenMask, at: string): Record<string, unknown> => {
      const { strategy, algorithm, key_env = KEY_VARIABLE, key } = { ...common, ...own };
      if (strategy !== "hash" || algorithm === "sha256" || key !== undefined || typeof key_env !== "string") {
        return {};
      }
      const found = env(key_env);
      if (found !== undefined && found.length >= MIN_KEY) return { key: found };
      problems.push({
        key: at,
        message: found
          ? `The variable ${key_env} is too short for a key: at least ${MIN_KEY} characters are needed`
          : `There is no key for the hash: ${key_env} is not set`,
        hint: "Make one with: openssl rand -base64 32",
      });
      return {};
    };
    if (Array.isArray(fields) || typeof fields !== "object" || fields === null) {
      return { config: { ...config, ...complete({}, "strategy") }, problems };
    }
    const completed = Object.entries(fields).map(([name, spec]) => {
      const own: WrittenMask = typeof spec === "string"
        ? { strategy: spec as MaskSpec["strategy"] }
        : spec ?? {};
      const more = typeof own === "object" ? complete(own, `fields.${name}`) : {};
      return [name, Object.keys(more).length === 0 ? spec : { ...own, ...more }];
    });
    return { config: { ...config, fields: Object.fromEntries(completed) }, problems };
  },
  checkConfig(config) {
    const problems = selectorProblems(
      Array.isArray(config.fields)
        ? config.fields.map((field, i) => [`fields.${i}`, field] as const)
        : Object.keys(config.fields).map((field) => [`fields.${field}`, field] as const),
    );
    for (const { field, spec } of maskSpecs(config.fields, config)) {
      const at = Array.isArray(config.fields) ? "strategy" : `fields.${field}`;
      if (spec.strategy === "partial" && !spec.keep_first && !spec.keep_last) {
        problems.push({ key: at, message: "partial keeps nothing", hint: "Give keep_first or keep_last" });
      }
      if (spec.strategy === "truncate" && spec.length === undefined) {
        problems.push({ key: at, message: "truncate needs to know how much stays", hint: "Give length" });
      }
      if (Array.isArray(config.fields)) break;
    }
    if (!Array.isArray(config.fields) && Object.keys(config.fields).length === 0) {
      problems.push({ key: "fields", message: "No field is named", hint: `Write ${FIELDS_TEXT}` });
    }
    return problems;
  },
  example,
});

export default definition;
