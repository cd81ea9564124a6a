/** What extract_changed_fields is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { pathProblem } from "../_shared/paths.ts";
import { listOf, upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const name = z.string().min(1).optional();

const config = z.strictObject({
  changed_header: name.describe("Header that lists the changed columns, with commas"),
  unchanged_header: name.describe("Header that lists the columns that did not change"),
  changed_field: name.describe(
    "Field of the row after the change that lists the changed columns, as an array",
  ),
  unchanged_field: name.describe(
    "Field of the row after the change that lists the columns that did not change",
  ),
  ignore: z.array(z.string().min(1)).default([]).describe(
    "Columns that don't count, such as updated_at: names, patterns with * and ?",
  ),
  drop_unchanged: z.boolean().default(false).describe("Updates in which no column changed that counts go"),
});

export type ExtractChangedFieldsConfig = z.output<typeof config>;

const definition: TransformDefinition<ExtractChangedFieldsConfig> = defineTransform({
  type: "extract_changed_fields",
  aliases: { extract_changed_record_state: {} },
  title: "Which columns changed",
  summary: "Lists the columns that an update changed, in a header or in the row",
  description:
    "Only updates get lists, and only when the source sends the row before the change (in PostgreSQL, REPLICA IDENTITY " +
    "FULL). Columns that were not sent because they did not change count as unchanged; those that the row before lacks are in " +
    "neither list. Values are compared exactly, objects member by member in their order.",
  config,
  upgradeConfig(config) {
    const upgraded = upgradeKeys(config, {
      "header.changed.name": "changed_header",
      "header.unchanged.name": "unchanged_header",
    });
    if (typeof upgraded.config.ignore === "string") {
      upgraded.config = { ...upgraded.config, ignore: listOf(upgraded.config.ignore) };
    }
    return upgraded;
  },
  checkConfig({ ignore, drop_unchanged, ...lists }) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    ignore.forEach((text, i) => {
      const message = pathProblem(text);
      if (message) problems.push({ key: `ignore.${i}`, message });
    });
    if (!drop_unchanged && Object.values(lists).every((one) => one === undefined)) {
      problems.push({
        key: "",
        message: "Says neither where the lists go nor drop_unchanged: true",
        hint: "Give changed_header or changed_field",
      });
    }
    if (lists.changed_field !== undefined && lists.changed_field === lists.unchanged_field) {
      problems.push({ key: "unchanged_field", message: "Is the field of the other list already" });
    }
    return problems;
  },
  example,
});

export default definition;
