/** What replace_field is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { compileRegex } from "../../formats/data/regex.ts";
import { applyTo, ignoreCase } from "../_shared/common_keys.ts";
import { booleanOf, listOf, mapOf, upgradeKeys } from "../_shared/spellings.ts";
import { isPattern, parsePath, pathProblem } from "../_shared/paths.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const name = z.string().min(1);

const config = z.strictObject({
  renames: z.union([
    z.record(name, name),
    z.array(z.union([
      z.strictObject({
        from: name.describe("The field's name or path"),
        to: name.describe("Its new name or path"),
      }),
      z.strictObject({
        match: name.describe("A regular expression, matched anywhere in the names of top-level fields"),
        to: z.string().describe(
          "What the match becomes; $1 and $<name> stand for its groups, $$ for a dollar sign. A name of which nothing " +
            "would be left stays",
        ),
      }),
    ])),
  ]).default({}).describe(
    "New names of fields: a map of old to new, or a list of `{from, to}` and `{match, to}`, of which the first that " +
      "fits a field counts. All at once, so that two can change places. Fields that are not there are ignored",
  ),
  include: z.array(name).default([]).describe(
    "Only these fields stay: names, paths, patterns with * and ?. All when left out",
  ),
  exclude: z.array(name).default([]).describe("These fields go: names, paths, patterns with * and ?"),
  filter_names: z.enum(["new", "old"]).default("new").describe(
    "Whether include and exclude use the names after the renaming or those before it",
  ),
  overwrite: z.boolean().default(false).describe(
    "A new name that another field has replaces that field; otherwise it is an error",
  ),
  on_key_column: z.enum(["fail", "keep", "remove"]).default("fail").describe(
    "When include or exclude take a column of the key: an error; the column leaves the row, but not the key; it leaves " +
      "both",
  ),
  apply_to: applyTo,
  ignore_case: ignoreCase,
});

export type ReplaceFieldConfig = z.output<typeof config>;

const definition: TransformDefinition<ReplaceFieldConfig> = defineTransform({
  type: "replace_field",
  aliases: { rename_field: {}, remove_field: {} },
  title: "Rename and drop fields",
  summary: "Renames fields, keeps only some, drops others",
  description:
    "Works on both images of a change and on the key, so that they keep agreeing, and on the names of columns that were " +
    "not sent. Renames first, all at once, then filters; filter_names: old filters by the names before, as Kafka " +
    "Connect does. Columns of the stream follow. Truncations, messages and schema changes pass as they are.",
  config,
  upgradeConfig(config) {
    // Earlier versions: rename_field {from, to} and remove_field {field}.
    const { from, to, ...others } = config;
    const both = typeof from === "string" && typeof to === "string" && config.renames === undefined;
    const upgraded = upgradeKeys(both ? { ...others, renames: { [from]: to } } : config, {
      rename: "renames",
      fields: "renames",
      field: (field, config) => ({ ...config, exclude: typeof field === "string" ? [field] : field }),
      whitelist: "include",
      blacklist: "exclude",
    });
    if (both) upgraded.notes.push("from and to are written as renames here");
    const read: Record<string, (value: unknown) => unknown> = {
      renames: mapOf,
      include: listOf,
      exclude: listOf,
      overwrite: booleanOf,
    };
    for (const [key, parse] of Object.entries(read)) {
      if (upgraded.config[key] !== undefined) {
        upgraded.config = { ...upgraded.config, [key]: parse(upgraded.config[key]) };
      }
    }
    return upgraded;
  },
  checkConfig({ renames, include, exclude }) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    const check = (key: string, text: string) => {
      const message = pathProblem(text);
      if (message) problems.push({ key, message });
    };
    if (Array.isArray(renames)) {
      renames.forEach((rename, i) => {
        if ("match" in rename) {
          try {
            compileRegex(rename.match);
          } catch (error) {
            problems.push({ key: `renames.${i}.match`, message: (error as Error).message });
          }
          return;
        }
        check(`renames.${i}.from`, rename.from);
        check(`renames.${i}.to`, rename.to);
        if (isPatternText(rename.from)) problems.push(patternInRename(`renames.${i}.from`));
      });
    } else {
      for (const [from, to] of Object.entries(renames)) {
        check(`renames.${from}`, from);
        check(`renames.${from}`, to);
        if (isPatternText(from)) problems.push(patternInRename(`renames.${from}`));
      }
    }
    include.forEach((text, i) => check(`include.${i}`, text));
    exclude.forEach((text, i) => check(`exclude.${i}`, text));
    if (
      (Array.isArray(renames) ? renames : Object.keys(renames)).length + include.length + exclude.length === 0
    ) {
      problems.push({
        key: "",
        message: "Neither renames nor include nor exclude say anything to do",
        hint: "Give at least one of them",
      });
    }
    return problems;
  },
  example,
});

function isPatternText(text: string): boolean {
  return pathProblem(text) === undefined && isPattern(parsePath(text));
}

function patternInRename(key: string): { key: string; message: string; hint: string } {
  return {
    key,
    message: "A pattern with * or ? can't be renamed to one name",
    hint: "Write a list entry {match: <regular expression>, to: <replacement with $1>}",
  };
}

export default definition;
