/** What decrypt_field is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import {
  allowUnmatchedFields,
  fieldList,
  fieldNames,
  FIELDS_TEXT,
  keyKeys,
  selectorProblems,
} from "../_protection/config_keys.ts";
import { completeKeys } from "../_protection/keys.ts";
import { COLUMN_TYPE_NAMES, parseColumnType } from "../_shared/column_types.ts";
import { ignoreCase } from "../_shared/common_keys.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  fields: fieldNames.describe(
    `The fields that are decrypted: ${FIELDS_TEXT}. What stands elsewhere is not trusted`,
  ),
  types: z.record(z.string().min(1), z.string().min(1)).default({}).describe(
    `Column → its type before it was encrypted, for sinks with types: ${COLUMN_TYPE_NAMES}. Unknown without it`,
  ),
  ...keyKeys,
  on_missing_key: z.enum(["fail", "keep"]).default("fail").describe(
    "Values of a key, or of a version of it, that there is not: an error; they stay encrypted",
  ),
  check_place: z.boolean().default(true).describe(
    "false: values open where they were not encrypted too, such as in columns that were renamed since",
  ),
  ignore_case: ignoreCase,
  allow_unmatched_fields: allowUnmatchedFields,
});

export type DecryptFieldConfig = z.output<typeof config>;

const definition: TransformDefinition<DecryptFieldConfig> = defineTransform({
  type: "decrypt_field",
  title: "Decrypt fields",
  summary: "Opens what encrypt_field has encrypted, in both formats",
  description:
    "Puts the values back that stood there before they were encrypted; what is not encrypted stays. A value that was " +
    "changed, or moved to another column, table or row, does not open: that record goes to on_error. Every version of " +
    "the key that is known opens its values.",
  config,
  upgradeConfig(config) {
    return { config: { ...config, fields: fieldList(config.fields) }, notes: [] };
  },
  completeConfig: completeKeys,
  checkConfig({ fields, types }) {
    const problems = selectorProblems(fields.map((field, i) => [`fields.${i}`, field]));
    for (const [column, type] of Object.entries(types)) {
      if (parseColumnType(type)) continue;
      problems.push({
        key: `types.${column}`,
        message: `"${type}" is no type`,
        hint: `One of: ${COLUMN_TYPE_NAMES}`,
      });
    }
    return problems;
  },
  example,
});

export default definition;
