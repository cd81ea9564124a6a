/** What encrypt_field is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import {
  allowKeyProtection,
  allowUnmatchedFields,
  fieldList,
  fieldNames,
  FIELDS_TEXT,
  keyKeys,
  selectorProblems,
} from "../_protection/config_keys.ts";
import { completeKeys } from "../_protection/keys.ts";
import { BINDABLE } from "../_protection/seal_fields.ts";
import { ALGORITHMS } from "../_protection/sealed.ts";
import { ignoreCase } from "../_shared/common_keys.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  fields: fieldNames.describe(`The fields that are encrypted: ${FIELDS_TEXT}`),
  algorithm: z.enum(ALGORITHMS).default("aes-256-gcm").describe(
    "aes-256-gcm or chacha20-poly1305: each value anew, so that nobody sees which are equal; deterministic: equal values " +
      "give equal texts, for keys and joins",
  ),
  ...keyKeys,
  aad: z.strictObject({
    bind: z.array(z.enum(BINDABLE)).describe(
      "A value opens only where these are the same: all when left out, but the key for algorithm: deterministic",
    ),
  }).optional().describe("What an encrypted value is bound to, so that it can't be moved elsewhere"),
  format: z.union([z.literal(1), z.literal(2)]).default(2).describe(
    "2: values are bound to their place; 1: as earlier versions wrote them, which bound nothing",
  ),
  encrypt_null: z.boolean().default(true).describe(
    "false: null stays null, so that everybody sees what is empty",
  ),
  ignore_case: ignoreCase,
  allow_unmatched_fields: allowUnmatchedFields,
  allow_key_protection: allowKeyProtection,
});

export type EncryptFieldConfig = z.output<typeof config>;

const definition: TransformDefinition<EncryptFieldConfig> = defineTransform({
  type: "encrypt_field",
  title: "Encrypt fields",
  summary: "Encrypts fields with AES-256-GCM; who has the key reads them",
  description:
    "Works on both images of a change, in snapshots and in the stream, and inside objects and arrays. In place of the " +
    "value stands an object with the encrypted text, the key's name and version, and the place that it is bound to; " +
    "`rivven-connect decrypt`, decrypt_field and the module @rivven/connect/decrypt open it. The key is 32 bytes in the " +
    "variable RIVVEN_ENCRYPTION_KEY; without it nothing starts. Key columns need allow_key_protection and algorithm: " +
    "deterministic. A value that was not sent (unchanged TOAST) stays away. A record that can't be encrypted does not " +
    "pass, and its dead letter holds no row.",
  config,
  protects: true,
  namesKey: ({ format, aad, algorithm }) =>
    format === 2 && (aad?.bind.includes("key") ?? algorithm !== "deterministic"),
  hidesKey: ({ allow_key_protection }) => allow_key_protection,
  upgradeConfig(config) {
    return { config: { ...config, fields: fieldList(config.fields) }, notes: [] };
  },
  completeConfig: completeKeys,
  checkConfig(config) {
    const problems = selectorProblems(config.fields.map((field, i) => [`fields.${i}`, field]));
    if (config.format === 1 && config.algorithm === "chacha20-poly1305") {
      const message = "Format 1 has no chacha20-poly1305";
      problems.push({ key: "algorithm", message, hint: "Leave format out, or use aes-256-gcm" });
    }
    if (config.format === 1 && config.aad !== undefined) {
      problems.push({ key: "aad", message: "Format 1 binds nothing", hint: "Leave one of the two out" });
    }
    if (config.allow_key_protection && config.algorithm !== "deterministic") {
      problems.push({
        key: "algorithm",
        message: "Equal keys would not stay equal",
        hint: "Use algorithm: deterministic where columns of keys are encrypted",
      });
    }
    if (config.allow_key_protection && config.aad?.bind.includes("key")) {
      problems.push({
        key: "aad.bind",
        message: "A key can't be bound to itself: it would stand beside its encrypted text",
        hint: "Leave key out of bind",
      });
    }
    return problems;
  },
  example,
});

export default definition;
