/** What value_to_key is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { fieldProblems } from "../_shared/field_changes.ts";
import { isPattern, parsePath } from "../_shared/paths.ts";
import { listOf, upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  fields: z.array(z.string().min(1)).min(1).describe(
    "The fields of the new key, in its order: names or paths",
  ),
  on_missing: z.enum(["fail", "null", "skip"]).default("fail").describe(
    "When a row has no such field: the record is rejected, the field is null in the key, or the key does without it",
  ),
  format: z.enum(["json", "string", "first_value"]).default("json").describe(
    'How the key is written: {"a":1,"b":"x"}; as text, 1|x, with \\ before | and \\ of the values and \\N for null; or ' +
      "the JSON of the first field's value alone",
  ),
  replace: z.boolean().default(true).describe(
    "The fields are the whole key; false: they are added to the key that there is",
  ),
  keep_value_field: z.string().min(1).optional().describe(
    "The row after the change gets the fields too, as an object under this name; earlier versions called it __key",
  ),
  tombstone_for_old_key: z.boolean().default(false).describe(
    "When an update changes the key, the delete of the old one is followed by its tombstone",
  ),
});

export type ValueToKeyConfig = z.output<typeof config>;

const definition: TransformDefinition<ValueToKeyConfig> = defineTransform({
  type: "value_to_key",
  title: "Key from the row",
  summary: "Makes the key of the message out of fields of the row",
  description:
    "Inserts and updates have the key of the row after the change; deletes that of the row before, as far as the source " +
    "sent it; a tombstone that of its delete. An update that changes the key becomes a delete of the old one and an insert " +
    "of the new one, when the source sends the whole row before the change (in PostgreSQL, REPLICA IDENTITY FULL): put " +
    "this transform before extract_new_record_state, which then decides what deletes look like. The key columns of the " +
    "stream follow.",
  config,
  upgradeConfig(config) {
    const upgraded = upgradeKeys(config, { "replace.null.with.default": (_value, config) => config });
    return { ...upgraded, config: { ...upgraded.config, fields: listOf(upgraded.config.fields) } };
  },
  checkConfig({ fields, format, replace }) {
    const problems = fieldProblems("fields", fields);
    fields.forEach((text, i) => {
      if (problems.length === 0 && isPattern(parsePath(text))) {
        problems.push({
          key: `fields.${i}`,
          message: "The fields of a key are named one by one, without patterns",
        });
      }
    });
    if (!replace && format !== "json") {
      problems.push({ key: "replace", message: "Fields can only be added to a key that is written as json" });
    }
    return problems;
  },
  example,
});

export default definition;
