/** What flatten is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { applyTo } from "../_shared/common_keys.ts";
import { fieldProblems } from "../_shared/field_changes.ts";
import { listOf } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const names = z.array(z.string().min(1)).default([]);

const config = z.strictObject({
  delimiter: z.string().default(".").describe("Stands between the names"),
  max_depth: z.int().min(0).max(1000).default(0).describe("How many levels are opened; 0: all"),
  arrays: z.enum(["keep", "index", "json_string"]).default("keep").describe(
    "Arrays stay, get a field for each element (items.0, items.1), or become their JSON text",
  ),
  fields: names.describe(
    "Only these top-level fields are flattened: names and patterns with * and ?; all when left out",
  ),
  exclude: names.describe("These top-level fields stay as they are"),
  prefix: z.string().default("").describe("Stands before the names of fields that come out of an object"),
  drop_empty: z.boolean().default(false).describe(
    "Empty objects vanish, as in earlier versions; otherwise they stay",
  ),
  on_collision: z.enum(["fail", "overwrite", "suffix"]).default("fail").describe(
    "When a name is taken: the record is rejected, the later field wins, or it gets _2, _3 … behind its name",
  ),
  apply_to: applyTo,
});

export type FlattenConfig = z.output<typeof config>;

const definition: TransformDefinition<FlattenConfig> = defineTransform({
  type: "flatten",
  title: "Flatten objects",
  summary: "Makes fields of the row out of the members of objects in it",
  description:
    "Works on both images of a change and on the key. A column that is a struct becomes a column for each field, with its " +
    "type. Which members the objects of a JSON column have is seen only in the values: a stream of which such a column is " +
    "opened has no typed columns afterwards, and sinks infer them; exclude the column where the types matter more. " +
    "Encrypted fields and references to moved contents are opaque and stay whole.",
  config,
  upgradeConfig(config) {
    const notes: string[] = [];
    let upgraded = config;
    for (const key of ["fields", "exclude"]) {
      if (typeof upgraded[key] === "string") upgraded = { ...upgraded, [key]: listOf(upgraded[key]) };
    }
    return { config: upgraded, notes };
  },
  checkConfig({ fields, exclude }) {
    return [...fieldProblems("fields", fields), ...fieldProblems("exclude", exclude)];
  },
  example,
});

export default definition;
